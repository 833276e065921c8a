-- Resources, scopes, services, operations.
SELECT service, attributes, span_count, error_count FROM resources ORDER BY id;
SELECT name, version, span_count FROM scopes ORDER BY id;
SELECT service, span_count, error_count, trace_count, operation_count, last_seen_ns - first_seen_ns AS seen_for FROM services ORDER BY service;
SELECT service, name, kind, span_count, error_count, duration_min_ns, duration_max_ns, duration_avg_ns FROM operations ORDER BY service, name, kind;
SELECT scope, key, type, value_count FROM attribute_keys ORDER BY scope, key;
SELECT span_count, trace_count, event_count, link_count, error_count, duration_min_ns, duration_max_ns FROM segments;
