-- OTLP JSON lines into DuckDB, in SQL alone. {INPUT} and {OUTPUT} are replaced by paths.
-- name: load
CREATE TABLE l.spans AS
WITH raw AS (
  SELECT unnest(resourceSpans) AS rs FROM read_json('{INPUT}', format='newline_delimited', maximum_object_size=8388608, columns={resourceSpans:
   'STRUCT(resource STRUCT(attributes STRUCT("key" VARCHAR, "value" STRUCT(stringValue VARCHAR, intValue BIGINT, boolValue BOOLEAN, doubleValue DOUBLE, arrayValue JSON))[]),
     scopeSpans STRUCT("scope" STRUCT("name" VARCHAR, "version" VARCHAR),
       spans STRUCT(traceId VARCHAR, spanId VARCHAR, parentSpanId VARCHAR, traceState VARCHAR, "name" VARCHAR, kind TINYINT, startTimeUnixNano BIGINT, endTimeUnixNano BIGINT,
         attributes STRUCT("key" VARCHAR, "value" STRUCT(stringValue VARCHAR, intValue BIGINT, boolValue BOOLEAN, doubleValue DOUBLE, arrayValue JSON))[],
         events STRUCT(timeUnixNano BIGINT, "name" VARCHAR, attributes STRUCT("key" VARCHAR, "value" STRUCT(stringValue VARCHAR, intValue BIGINT, boolValue BOOLEAN, doubleValue DOUBLE))[])[],
         links STRUCT(traceId VARCHAR, spanId VARCHAR)[],
         status STRUCT(code TINYINT, message VARCHAR))[])[])[]'})
), sc AS (
  SELECT map_from_entries(list_transform(rs.resource.attributes, lambda a: {'k': a.key, 'v': coalesce(a.value.stringValue, a.value.intValue::VARCHAR, a.value.boolValue::VARCHAR, a.value.doubleValue::VARCHAR)})) AS resource_attributes,
         unnest(rs.scopeSpans) AS ss FROM raw
), sp AS (
  SELECT resource_attributes, ss.scope.name AS scope_name, ss.scope.version AS scope_version, unnest(ss.spans) AS s FROM sc
)
SELECT s.traceId AS trace_id, s.spanId AS span_id, nullif(s.parentSpanId,'') AS parent_span_id, s.traceState AS trace_state, s.name AS name, s.kind AS kind,
  resource_attributes['service.name'] AS service, scope_name, scope_version, s.startTimeUnixNano AS start_ns, s.endTimeUnixNano - s.startTimeUnixNano AS duration_ns,
  coalesce(s.status.code, 0)::TINYINT AS status_code, s.status.message AS status_message,
  map_from_entries(list_transform(s.attributes, lambda a: {'k': a.key, 'v': coalesce(a.value.stringValue, a.value.intValue::VARCHAR, a.value.boolValue::VARCHAR, a.value.doubleValue::VARCHAR, a.value.arrayValue::VARCHAR)})) AS attributes,
  resource_attributes,
  list_transform(s.events, lambda e: {'time_ns': e.timeUnixNano, 'name': e.name, 'attributes': map_from_entries(list_transform(e.attributes, lambda a: {'k': a.key, 'v': coalesce(a.value.stringValue, a.value.intValue::VARCHAR, a.value.boolValue::VARCHAR, a.value.doubleValue::VARCHAR)}))}) AS events,
  s.links AS links
FROM sp
-- name: parquet
COPY (
WITH raw AS (
  SELECT unnest(resourceSpans) AS rs FROM read_json('{INPUT}', format='newline_delimited', maximum_object_size=67108864, columns={resourceSpans:
   'STRUCT(resource STRUCT(attributes STRUCT("key" VARCHAR, "value" STRUCT(stringValue VARCHAR, intValue BIGINT, boolValue BOOLEAN, doubleValue DOUBLE, arrayValue JSON))[]),
     scopeSpans STRUCT("scope" STRUCT("name" VARCHAR, "version" VARCHAR),
       spans STRUCT(traceId VARCHAR, spanId VARCHAR, parentSpanId VARCHAR, traceState VARCHAR, "name" VARCHAR, kind TINYINT, startTimeUnixNano BIGINT, endTimeUnixNano BIGINT,
         attributes STRUCT("key" VARCHAR, "value" STRUCT(stringValue VARCHAR, intValue BIGINT, boolValue BOOLEAN, doubleValue DOUBLE, arrayValue JSON))[],
         events STRUCT(timeUnixNano BIGINT, "name" VARCHAR, attributes STRUCT("key" VARCHAR, "value" STRUCT(stringValue VARCHAR, intValue BIGINT, boolValue BOOLEAN, doubleValue DOUBLE))[])[],
         links STRUCT(traceId VARCHAR, spanId VARCHAR)[],
         status STRUCT(code TINYINT, message VARCHAR))[])[])[]'})
), sc AS (
  SELECT map_from_entries(list_transform(rs.resource.attributes, lambda a: {'k': a.key, 'v': coalesce(a.value.stringValue, a.value.intValue::VARCHAR, a.value.boolValue::VARCHAR, a.value.doubleValue::VARCHAR)})) AS resource_attributes,
         unnest(rs.scopeSpans) AS ss FROM raw
), sp AS (
  SELECT resource_attributes, ss.scope.name AS scope_name, ss.scope.version AS scope_version, unnest(ss.spans) AS s FROM sc
)
SELECT s.traceId AS trace_id, s.spanId AS span_id, nullif(s.parentSpanId,'') AS parent_span_id, s.traceState AS trace_state, s.name AS name, s.kind AS kind,
  resource_attributes['service.name'] AS service, scope_name, scope_version, s.startTimeUnixNano AS start_ns, s.endTimeUnixNano - s.startTimeUnixNano AS duration_ns,
  coalesce(s.status.code, 0)::TINYINT AS status_code, s.status.message AS status_message,
  map_from_entries(list_transform(s.attributes, lambda a: {'k': a.key, 'v': coalesce(a.value.stringValue, a.value.intValue::VARCHAR, a.value.boolValue::VARCHAR, a.value.doubleValue::VARCHAR, a.value.arrayValue::VARCHAR)})) AS attributes,
  resource_attributes,
  list_transform(s.events, lambda e: {'time_ns': e.timeUnixNano, 'name': e.name, 'attributes': map_from_entries(list_transform(e.attributes, lambda a: {'k': a.key, 'v': coalesce(a.value.stringValue, a.value.intValue::VARCHAR, a.value.boolValue::VARCHAR, a.value.doubleValue::VARCHAR)}))}) AS events,
  s.links AS links
FROM sp
) TO '{OUTPUT}' (FORMAT parquet, COMPRESSION zstd)
