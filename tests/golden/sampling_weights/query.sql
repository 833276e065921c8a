-- spans per segment: 8
-- How many each stands for, and who says so; then the functions.
INSERT INTO tk_head_sampling VALUES ('said', 0.125, NULL);
SELECT substr(trace_id, -4) AS trace, substr(span_id, -2) AS span, service, adjusted_count, adjusted_count_source FROM spans;
SELECT substr(trace_id, -4) AS trace, adjusted_count, adjusted_count_source FROM traces;
SELECT service, count(*) AS stored, weighted_count(adjusted_count) AS estimated, round(weighted_count_low(adjusted_count, trace_id), 6) AS low,
       round(weighted_count_high(adjusted_count, trace_id), 6) AS high, round(unknown_weight_share(adjusted_count), 6) AS unknown
FROM spans GROUP BY service;
SELECT weighted_sum(span_count, adjusted_count) AS spans, weighted_avg(span_count, adjusted_count) AS average,
       weighted_quantile(span_count, 0.5, adjusted_count) AS median, weighted_rate(adjusted_count, 2) AS per_second FROM traces;
SELECT weighted_count_interval(adjusted_count) AS interval FROM traces WHERE adjusted_count_source = 'otel.tracestate';
SELECT substr(trace_id, -4) AS trace FROM traces WHERE adjusted_count > 5 ORDER BY start_ns DESC;
SELECT DISTINCT adjusted_count_source FROM spans;
