-- Lint, mutation score and failing steps beside the trace checks of the same commit
-- One row a commit; of the envelopes of a commit and source the latest counts.
-- Parameters: commit: only this one; branch: only this one, as its short name.
WITH
dated AS (
  SELECT id, commit_sha, generated_at, status, issue_count, summary_shape IN ('verify-lite', 'verify-profile') AS is_lite,
         row_number() OVER (PARTITION BY commit_sha, source, summary_shape ORDER BY julianday(generated_at) DESC, id DESC) AS age
  FROM envelopes
  WHERE commit_sha IS NOT NULL AND (:commit IS NULL OR commit_sha = CAST(:commit AS TEXT))
    AND (:branch IS NULL OR branch_name = :branch)
),
commits AS (SELECT commit_sha, generated_at AS latest, max(julianday(generated_at)) AS day FROM dated GROUP BY commit_sha),
trace AS (
  SELECT commit_sha, group_concat(DISTINCT status) AS trace_status, max(issue_count) AS trace_issues
  FROM dated WHERE age = 1 AND NOT is_lite GROUP BY commit_sha
),
lint AS (
  SELECT commit_sha, sum(r.count) AS lint_issues
  FROM dated JOIN (SELECT envelope_id, count FROM lint_rules) r ON r.envelope_id = dated.id WHERE age = 1 GROUP BY commit_sha
),
mutation AS (
  SELECT commit_sha, max(m.score) AS mutation_score
  FROM dated JOIN (SELECT envelope_id, score FROM mutation_summary) m ON m.envelope_id = dated.id WHERE age = 1 GROUP BY commit_sha
),
failing AS (
  SELECT commit_sha, group_concat(DISTINCT s.step) AS failing_steps
  FROM dated JOIN (SELECT envelope_id, step FROM verify_steps WHERE status IN ('failure', 'failed')) s ON s.envelope_id = dated.id
  WHERE age = 1 GROUP BY commit_sha
)
SELECT commit_sha, coalesce(strftime('%Y-%m-%d %H:%M', latest), latest) AS latest, -- UTC
       trace_status, trace_issues, lint_issues, mutation_score, failing_steps
FROM commits LEFT JOIN trace USING (commit_sha) LEFT JOIN lint USING (commit_sha)
     LEFT JOIN mutation USING (commit_sha) LEFT JOIN failing USING (commit_sha)
ORDER BY day DESC, commit_sha;
