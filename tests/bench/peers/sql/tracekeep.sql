-- name: Q1
SELECT span_id, parent_span_id, service, name, kind, start_ns, duration_ns, status, status_message, trace_state, scope_name, attributes, resource, events, links FROM spans WHERE trace_id = '{TRACE}' ORDER BY start_ns
-- name: Q2
SELECT service, name, count, errors, p50_ns, p95_ns, p99_ns FROM span_metrics('service, name') ORDER BY service, name
-- name: Q2approx
SELECT service, name, count, errors, p50_approx_ns, p95_approx_ns, p99_approx_ns FROM span_metrics('service, name') ORDER BY service, name
-- name: Q2sql
SELECT service, name, count(*), sum(status = 'error'), quantile(duration_ns, 0.5), quantile(duration_ns, 0.95), quantile(duration_ns, 0.99) FROM spans GROUP BY service, name ORDER BY service, name
-- name: Q3
SELECT service, bucket_ns / 60000000000 AS minute, count FROM span_metrics('service', '1m') WHERE kind = 'server' ORDER BY service, bucket_ns
-- name: Q4
SELECT trace_id, service, name, start_ns, duration_ns FROM spans WHERE start_ns >= {T0} AND start_ns < {T1} AND parent_span_id IS NULL ORDER BY duration_ns DESC, span_id LIMIT 20
-- name: Q5
SELECT trace_id, span_id, name, start_ns, duration_ns, status_message FROM spans WHERE status = 'error' AND service = '{X}' AND [span.http.response.status_code] = 500 ORDER BY start_ns DESC, span_id LIMIT 100
-- name: Q6
SELECT trace_id, span_id, service, name, start_ns, duration_ns FROM spans WHERE [span.user.id] = '{U}' ORDER BY start_ns, span_id
-- name: Q7
SELECT client, server, calls, failed, server_p95_ns FROM service_graph('parent_child') ORDER BY client, server
-- name: Q8a
SELECT DISTINCT trace_id FROM span_relations('child') WHERE upper_service = '{A2}' AND lower_service = '{B}' AND lower_status = 'error' ORDER BY 1
-- name: Q8b
SELECT DISTINCT trace_id FROM span_relations('descendant') WHERE upper_service = '{A}' AND lower_service = '{B}' AND lower_status = 'error' ORDER BY 1
-- name: Q9
SELECT service, CAST(log2(lower_ns) AS INTEGER) AS power, count FROM latency_histogram('service') WHERE count > 0 ORDER BY service, power
-- name: Q10
SELECT coalesce(sum(count), 0), sum(sum_ns) FROM span_metrics('') WHERE name GLOB '*checkout*'
-- name: Q11
SELECT count(*), sum(duration_ns) FROM spans WHERE [span.db.statement] LIKE '%id = 42%'
-- name: Q12
SELECT [span.http.response.status_code], count, sum_ns FROM span_metrics('span.http.response.status_code') WHERE kind = 'server' ORDER BY 1
