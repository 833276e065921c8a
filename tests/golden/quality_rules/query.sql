-- Every rule once, but those that take many spans. What says "now" is left out.
SELECT type, stage, severity, trace_id, span_id, service, CASE type WHEN 'time.future' THEN '' ELSE message END AS message, context
FROM quality_issues ORDER BY type, trace_id, span_id, service, message;
INSERT INTO tk_rule_setting(rule, enabled, threshold) VALUES ('secret.suspect', 1, NULL), ('name.high_cardinality', NULL, 2),
  ('deprecated', 0, NULL), ('no.such.rule', 1, 5), ('attr.too_many', 1, 'many'), ('tree.orphan', 'perhaps', -1)
RETURNING rule, enabled, threshold;
SELECT type, message, context FROM quality_issues WHERE type IN ('secret.suspect', 'name.high_cardinality', 'deprecated');
SELECT id, stage, severity, enabled, threshold, default_threshold, unit, default_enabled FROM quality_rules
WHERE enabled IS NOT default_enabled OR threshold IS NOT default_threshold OR stage IS NULL ORDER BY id;
SELECT count(*) FROM quality_issues WHERE type = 'no.such.rule';
EXPLAIN QUERY PLAN SELECT * FROM quality_issues WHERE trace_id = 'x' AND type IN ('tree.orphan', 'tree.cycle') AND severity = 'warn';
