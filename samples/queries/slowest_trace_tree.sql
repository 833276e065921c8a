-- Where did the time go in the slowest request? Its spans as a tree, in the order they began.
SELECT
  substr('                              ', 1, 2 * depth) || name AS span,
  service,
  format_duration(duration_ns) AS duration,
  status
FROM trace_tree((
  SELECT trace_id FROM spans WHERE is_root AND kind = 'server' ORDER BY duration_ns DESC, trace_id LIMIT 1
));
