-- Every type of value, as columns and as rows.
SELECT name, [span.v] AS v, typeof([span.v]) AS type FROM spans ORDER BY name;
SELECT span_id, key, value, typeof(value) AS sql_type, type, ordinal FROM span_attributes WHERE scope = 'span' ORDER BY span_id, ordinal;
SELECT key, type, value_count, column_name FROM attribute_keys WHERE scope = 'span' ORDER BY key, type;
SELECT name FROM spans WHERE [span.v] = 9007199254740993;
SELECT count(*) AS found FROM span_attributes WHERE key = 'v' AND value = 'text';
SELECT [span.nothing] FROM spans;
SELECT name, [span.Case], [span.case (2)] FROM spans WHERE name = 'case';
