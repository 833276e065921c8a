-- Runs: status, events, issues, the latest first
-- One row a run. Parameters: branch: only this one, as its short name; workflow: only this one;
-- last: how many of each branch, default 20.
SELECT run_id, branch_name AS branch, commit_sha, workflow, status, events, issues, traces,
       coalesce(strftime('%Y-%m-%d %H:%M', last_seen), last_seen) AS last_seen -- UTC
FROM (
  SELECT *, row_number() OVER (PARTITION BY branch_name ORDER BY julianday(last_seen) DESC, run_id) AS age FROM runs
  WHERE (:branch IS NULL OR branch_name = :branch) AND (:workflow IS NULL OR workflow = :workflow)
) r
WHERE age <= coalesce(:last, 20)
ORDER BY julianday(r.last_seen) DESC, run_id;
