-- Any document: which envelopes name it, and so whose run it is of.
INSERT OR IGNORE INTO tk_envelope_document
SELECT f.envelope_id, f.path, d.id FROM tk_document d, tk_envelope_file f
WHERE d.id = :id AND d.id <> f.envelope_id AND
      (f.found_hash = d.hash OR f.found_trimmed_hash = d.hash
       OR f.checksum = 'sha256:' || lower(hex(d.sha256)));
UPDATE tk_document SET run_id =
  (SELECT e.run_id FROM tk_envelope_document l JOIN tk_envelope e ON e.id = l.envelope_id
   WHERE l.document_id = :id AND e.run_id IS NOT NULL ORDER BY e.id LIMIT 1)
WHERE id = :id AND (run_id IS NULL OR run_id GLOB 'content-[0-9a-f]*')
  AND EXISTS (SELECT 1 FROM tk_envelope_document l JOIN tk_envelope e ON e.id = l.envelope_id
              WHERE l.document_id = :id AND e.run_id IS NOT NULL);
