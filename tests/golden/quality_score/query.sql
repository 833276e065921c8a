SELECT service, round(score, 4) AS score, rating, passed, failed, span_count, rules FROM instrumentation_score ORDER BY service;
SELECT DISTINCT rules_evaluated, rules_not_evaluated, window_end_ns - window_start_ns AS window_ns FROM instrumentation_score;
-- another window: what is older
SELECT service, score, window_start_ns, window_end_ns FROM instrumentation_score(0, 1759000000000000000);
SELECT count(*) FROM instrumentation_score(5, 6);
