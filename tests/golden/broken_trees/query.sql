-- Orphans, cycles, two roots, one id for two spans, a span that is its own parent.
SELECT trace_id, span_count, root_name, root_count, orphan_count, depth, status, error_count FROM traces ORDER BY trace_id;
SELECT name, parent_span_id, is_root, depth FROM spans ORDER BY trace_id, start_ns, kind;
SELECT trace_id FROM traces WHERE root_name IS NULL ORDER BY trace_id;
SELECT trace_id FROM traces WHERE status = 'error';
SELECT trace_id FROM traces WHERE root_name = 'second';
