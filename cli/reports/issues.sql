-- Issues by type and key, and the run each first appeared in
-- Parameters: source: only issues from there ('kvonce', 'inventory', 'trace quality', ...), default: all
-- that checks of runs found; limit: rows, default 50.
SELECT source, type, key, severity,
       count(*) AS issues, count(DISTINCT run_id) AS runs,
       min(first_seen) AS first_seen, run_id AS first_run, max(first_seen) AS last_seen, message AS example
FROM validation_issues
WHERE CASE WHEN :source IS NULL THEN source NOT IN ('ingest', 'trace quality', 'sampling') ELSE source = :source END
GROUP BY source, type, key
ORDER BY issues DESC, source, type, key
LIMIT coalesce(:limit, 50);
