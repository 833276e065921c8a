-- Issues by type and key, and the run each first appeared in
-- Parameters: source: only issues from there ('kvonce', 'inventory', 'trace quality', ...), default: all
-- that checks of runs found; limit: rows, default 50.
SELECT source, type, key, severity, issues, runs, first_run,
       coalesce(strftime('%Y-%m-%d %H:%M', first_seen), first_seen) AS first_seen, -- UTC
       message -- of the first
FROM (
  -- With min() the other columns are those of its row.
  SELECT source, type, key, severity, count(*) AS issues, count(DISTINCT run_id) AS runs, run_id AS first_run, first_seen,
         message, min(coalesce(julianday(first_seen), 1e9))
  FROM validation_issues
  WHERE CASE WHEN :source IS NULL THEN source NOT IN ('ingest', 'trace quality', 'sampling') ELSE source = :source END
  GROUP BY source, type, key
)
ORDER BY issues DESC, source, type, key
LIMIT coalesce(:limit, 50);
