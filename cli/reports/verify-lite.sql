-- Lint, mutation score and failing steps beside the trace checks of the same commit
-- One row a commit. Parameters: commit: only this one; branch: only this one, as its short name.
WITH commits AS (
  SELECT commit_sha, max(generated_at) AS at FROM envelopes
  WHERE commit_sha IS NOT NULL AND (:commit IS NULL OR commit_sha = CAST(:commit AS TEXT))
    AND (:branch IS NULL OR branch_name = :branch)
  GROUP BY commit_sha
),
envelope_documents AS (SELECT id AS envelope_id, id AS document_id, commit_sha FROM envelopes
                       UNION SELECT a.envelope_id, a.document_id, e.commit_sha
                       FROM envelope_artifacts a JOIN envelopes e ON e.id = a.envelope_id
                       WHERE a.document_id IS NOT NULL)
SELECT c.commit_sha, c.at,
       (SELECT group_concat(DISTINCT status) FROM envelopes e
        WHERE e.commit_sha = c.commit_sha AND e.summary_shape NOT IN ('verify-lite', 'verify-profile')) AS trace_status,
       (SELECT sum(issue_count) FROM envelopes e
        WHERE e.commit_sha = c.commit_sha AND e.summary_shape NOT IN ('verify-lite', 'verify-profile')) AS trace_issues,
       (SELECT sum(l.count) FROM lint_rules l JOIN envelope_documents d USING (document_id)
        WHERE d.commit_sha = c.commit_sha) AS lint_issues,
       (SELECT max(m.score) FROM mutation_summary m JOIN envelope_documents d USING (document_id)
        WHERE d.commit_sha = c.commit_sha) AS mutation_score,
       (SELECT group_concat(DISTINCT s.step) FROM verify_steps s JOIN envelope_documents d USING (document_id)
        WHERE d.commit_sha = c.commit_sha AND s.status IN ('failure', 'failed')) AS failing_steps
FROM commits c
ORDER BY c.at DESC;
