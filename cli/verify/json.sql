-- The health of the gathered run ?1 as one JSON object.
SELECT json_object(
  'run_id', ?1,
  'verdict', (SELECT verdict FROM verdict),
  'envelopes', (SELECT json_group_array(json_object(
      'id', id, 'path', path, 'source', source, 'generated_at', generated_at, 'status', status,
      'valid', CASE valid WHEN 1 THEN json('true') WHEN 0 THEN json('false') END,
      'events', event_count, 'issues', issue_count))
    FROM (SELECT * FROM run_envelope ORDER BY generated_at, id)),
  'event_files', (SELECT json_group_array(json_object(
      'document_id', document_id, 'path', file, 'dialect', dialect, 'events', events, 'keys', keys)) FROM run_events),
  'recomputed', (SELECT json_group_array(json_object(
      'document_id', document_id, 'key', key, 'type', type, 'severity', severity, 'message', message)) FROM recomputed),
  'only_stored', (SELECT json_group_array(json_object('key', key, 'type', type, 'message', message))
    FROM difference WHERE only_in = 'stored'),
  'only_recomputed', (SELECT json_group_array(json_object('key', key, 'type', type, 'message', message))
    FROM difference WHERE only_in = 'recomputed')
);
