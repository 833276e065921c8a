-- Requests and errors before sampling, estimated
-- One row a service. Requests are server and consumer spans, and roots. low and high are the limits
-- of 95 %, with the spans of a trace as one draw; unknown_percent: stored requests whose weight is
-- not known, which no estimate contains.
-- Parameters: since, until: times as in --since of other commands; the rates are per second of
-- that time, or without them of the time from the first start to the last; none if that is no time.
WITH
  requests AS MATERIALIZED (
    SELECT service, trace_id, start_ns, status, adjusted_count FROM spans
    WHERE (kind IN ('server', 'consumer') OR is_root)
      AND (:since IS NULL OR start_ns >= parse_time(:since))
      AND (:until IS NULL OR start_ns < parse_time(:until))),
  period AS (
    SELECT nullif(max(0, coalesce(parse_time(:until), max(start_ns)) - coalesce(parse_time(:since), min(start_ns))), 0) / 1e9 AS seconds
    FROM requests)
SELECT service, count(*) AS stored,
       round(weighted_count(adjusted_count)) AS requests,
       round(weighted_count_low(adjusted_count, trace_id)) AS low,
       round(weighted_count_high(adjusted_count, trace_id)) AS high,
       round(weighted_count(adjusted_count) / seconds, 3) AS per_second,
       round(weighted_count(adjusted_count) FILTER (WHERE status = 'error')) AS errors,
       round(weighted_count_low(adjusted_count, trace_id) FILTER (WHERE status = 'error')) AS errors_low,
       round(weighted_count_high(adjusted_count, trace_id) FILTER (WHERE status = 'error')) AS errors_high,
       round(100 * weighted_avg(status = 'error', adjusted_count), 3) AS error_percent,
       round(100 * unknown_weight_share(adjusted_count), 2) AS unknown_percent
FROM requests, period
GROUP BY service
ORDER BY requests DESC, stored DESC, service;
