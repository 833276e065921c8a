-- Artifacts of a trace: from its id to runs, envelopes, files and Tempo links
-- One row a file of an envelope that names the trace. stored_copy: whether the store has the file, and
-- whether that has the checksum the envelope names.
-- Parameters: trace: the trace's id, default: every trace that an envelope names.
SELECT t.trace_id, e.run_id, e.id AS envelope, a.role, a.path,
       CASE WHEN a.path IS NULL THEN NULL
            WHEN a.checksum_ok = 0 THEN 'differs'
            WHEN a.document_id IS NULL THEN 'not stored'
            WHEN a.checksum_ok THEN 'as named'
            ELSE 'unchecked' END AS stored_copy,
       a.document_id AS document, a.checksum,
       (SELECT group_concat(l.url, ' ') FROM tempo_links l WHERE l.envelope_id = e.id AND l.trace_id = t.trace_id) AS tempo_links
FROM (SELECT DISTINCT envelope_id, trace_id FROM envelope_traces
      WHERE :trace IS NULL OR trace_id COLLATE NOCASE IN (CAST(:trace AS TEXT), '0000000000000000' || :trace)) t
JOIN envelopes e ON e.id = t.envelope_id
LEFT JOIN envelope_artifacts a ON a.envelope_id = e.id
ORDER BY julianday(e.generated_at) DESC, e.id, t.trace_id, a.path;
