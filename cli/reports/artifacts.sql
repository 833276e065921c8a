-- Artifacts of a trace: from its id to runs, envelopes, files and Tempo links
-- Parameters: trace: the trace's id, default: every trace that an envelope names.
SELECT t.trace_id, e.run_id, e.branch_name AS branch, e.commit_sha, e.id AS envelope_id,
       a.role, a.path, a.checksum,
       CASE a.checksum_ok WHEN 1 THEN 'as named' WHEN 0 THEN 'differs' ELSE 'unchecked' END AS stored_copy,
       a.document_id,
       (SELECT group_concat(l.url, ' ') FROM tempo_links l WHERE l.envelope_id = e.id AND l.trace_id = t.trace_id) AS tempo_links
FROM (SELECT DISTINCT envelope_id, trace_id FROM envelope_traces
      WHERE :trace IS NULL OR trace_id = CAST(:trace AS TEXT) COLLATE NOCASE) t
JOIN envelopes e ON e.id = t.envelope_id
LEFT JOIN envelope_artifacts a ON a.envelope_id = e.id
ORDER BY e.generated_at DESC, e.id, t.trace_id, a.path;
