PRAGMA page_size = 16384;
PRAGMA auto_vacuum = 2;
PRAGMA application_id = 1414679376;
PRAGMA user_version = 1;
CREATE TABLE tk_meta(
  key TEXT PRIMARY KEY,
  value
) WITHOUT ROWID;
INSERT INTO tk_meta VALUES
('generation', 1),
('next_segment_id', 2);
CREATE TABLE tk_segment(
  id INTEGER PRIMARY KEY,
  format INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  span_count INTEGER NOT NULL,
  trace_count INTEGER NOT NULL,
  event_count INTEGER NOT NULL,
  link_count INTEGER NOT NULL,
  error_count INTEGER NOT NULL,
  start_min_ns INTEGER NOT NULL,
  start_max_ns INTEGER NOT NULL,
  end_max_ns INTEGER NOT NULL,
  duration_min_ns INTEGER NOT NULL,
  duration_max_ns INTEGER NOT NULL,
  raw_bytes INTEGER NOT NULL,     -- about what these spans were as OTLP JSON
  stored_bytes INTEGER NOT NULL,  -- directory, chunks and filters
  hash INTEGER NOT NULL,          -- XXH64 of resources, scopes and directory
  resources BLOB NOT NULL,        -- ids of tk_resource, varints
  scopes BLOB NOT NULL,           -- ids of tk_scope, varints
  directory BLOB NOT NULL
);
INSERT INTO tk_segment VALUES
(1, 1, 2, 2, 1, 1, 1, 0, 1795000000000000000, 1795000000000000002, 1795000000000000009, 1, 9, 678, 669, -5024239485469888030, X'01', X'01', X'01be0202970228b52ffd0000750800b40e0002010101000080d35bfd1ee91802090208a60501010102010002150002130000040007000013000000010b000000020b0000020812070401000101280500021826080b062706040004036e616e01defb8580808080f8ff010010d7b9a1c6a6514d5a73efceafe5d25b492c4bc0ae74a22c9d51a54ab8993d21eba285b22519d59b05543b32785619cc13bf5d6b031b9782f0bee028d437bc3a44ad34f0e86491656990288ae749d813b7a1eb6751175edec93ea75b36226f6616e4e610ac934936553c8d1c56a6a3de42943b212c3259a42b514bba619332d66a1c0ffa68b99b194702012800010001000d2030424d7b400606420689ce9844cac28701cfb2b2a1b3dd97edceccb6c2eaf6');
CREATE TABLE tk_chunk(
  id INTEGER PRIMARY KEY,         -- segment id << 16 | column number
  data BLOB NOT NULL
);
INSERT INTO tk_chunk VALUES
(65536, X'3001100102030405060708090a0b0c0d0e0f10'),
(65537, X'10010100000401'),
(65538, X'30020801020304050607080203040506070809'),
(65539, X'1202010200000103010002'),
(65540, X'1202010200000203010002'),
(65541, X'1202010200020803010001'),
(65542, X'2102010102000004030100010500636166e9'),
(65550, X'1202010200000103010002'),
(65555, X'1202010200000103010001'),
(65556, X'1202010200000103010001'),
(65561, X'10010100000001'),
(65562, X'280101010200002a0100000001160002d83e03827d03ffffffc1bb01030000000000000000000001'),
(65568, X'10010100000201'),
(65569, X'280101010200000a010000000106006576656e7400000001'),
(65574, X'10010100000001'),
(65575, X'28010101020000260100000001140002c83e01827d01ffc1bb01010000000000000000000001'),
(65584, X'300110000102030405060708090a0b0c0d0e0f'),
(65585, X'3001080001020304050607'),
(65592, X'10010100000001'),
(65593, X'28010101020000280100000001150002d03e02827d02ffffc1bb01020000000000000000000001'),
(65600, X'1001010000defb8580808080f8ff0101');
CREATE TABLE tk_filter(
  id INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);
INSERT INTO tk_filter VALUES
(65536, X'20b9e42233206dd60000002000010000000020000000200000000800008000000002000000000008');
CREATE TABLE tk_resource(
  id INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL,          -- XXH64 of content
  service TEXT,                   -- service.name, for people who look at this table
  content BLOB NOT NULL
);
INSERT INTO tk_resource VALUES
(1, 313189049830389218, NULL, X'01000003000217f03e06827d06ffffffffffffc1bb0106000000000000000218f83e07827d07ffffffffffffffc1bb010700000000000000');
CREATE INDEX tk_resource_hash ON tk_resource(hash);
CREATE TABLE tk_scope(
  id INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL,
  name TEXT NOT NULL,
  content BLOB NOT NULL
);
INSERT INTO tk_scope VALUES
(1, -5565180696488241783, 'scope', X'01000573636f7065000000000215e03e04827d04ffffffffc1bb0104000000000000000216e83e05827d05ffffffffffc1bb010500000000000000');
CREATE INDEX tk_scope_hash ON tk_scope(hash);
CREATE TABLE tk_attribute_key(
  id INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL,         -- enum tk_attribute_scope
  key TEXT NOT NULL,
  type INTEGER NOT NULL,          -- enum tk_value_type
  UNIQUE(scope, key, type)
);
INSERT INTO tk_attribute_key VALUES
(1, 0, 'nan', 4);
CREATE TABLE tk_trace_alias(
  trace_id BLOB PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) WITHOUT ROWID;
CREATE INDEX tk_trace_alias_nocase ON tk_trace_alias(text COLLATE NOCASE);
CREATE TABLE tk_split(
  trace_id BLOB NOT NULL,
  segment_id INTEGER NOT NULL,
  PRIMARY KEY(trace_id, segment_id)
) WITHOUT ROWID;
CREATE INDEX tk_split_segment ON tk_split(segment_id);
CREATE TABLE tk_ingest(
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  format TEXT NOT NULL,
  head_hash INTEGER NOT NULL,     -- XXH64 of the first 4096 bytes of decoded input
  offset INTEGER NOT NULL,        -- bytes of decoded input that are stored
  offset_hash INTEGER NOT NULL,   -- XXH64 of those bytes
  complete INTEGER NOT NULL,      -- 1: read to its end
  started_at TEXT NOT NULL,       -- RFC 3339, UTC
  finished_at TEXT,
  records INTEGER NOT NULL,
  spans_new INTEGER NOT NULL,
  spans_duplicate INTEGER NOT NULL,
  spans_conflicting INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  issues INTEGER NOT NULL
);
INSERT INTO tk_ingest VALUES
(1, 'dump-1.pb', 'otlp-proto', 8096828784235423695, 345, 8096828784235423695, 1, '2026-11-20T17:17:34.750Z', '2026-11-20T17:17:34.750Z', 1, 2, 0, 0, 0, 7);
CREATE INDEX tk_ingest_head ON tk_ingest(head_hash);
CREATE INDEX tk_ingest_source ON tk_ingest(source);
CREATE INDEX tk_ingest_progress ON tk_ingest(offset_hash);
CREATE TABLE tk_issue(
  id INTEGER PRIMARY KEY,
  identity INTEGER NOT NULL UNIQUE, -- XXH64 of rule, ids and raw: the same fault is recorded once
  ingest_id INTEGER NOT NULL,
  rule TEXT NOT NULL,
  severity INTEGER NOT NULL,        -- enum tk_severity
  trace_id BLOB,
  span_id BLOB,
  line INTEGER,
  offset INTEGER,
  message TEXT NOT NULL,
  raw BLOB
);
INSERT INTO tk_issue VALUES
(1, 4082873837421259817, 1, 'protobuf.unknown_field', 0, NULL, NULL, NULL, 7, 'Resource has no field 1006 of wire type 0; kept as it is', X'663033653036'),
(2, -109523910169296780, 1, 'protobuf.unknown_field', 0, NULL, NULL, NULL, 10, 'Resource has no field 2000 of wire type 2; kept as it is', X'383237643036666666666666666666666666'),
(3, -6128457116065090312, 1, 'protobuf.unknown_field', 0, NULL, NULL, NULL, 19, 'Resource has no field 3000 of wire type 1; kept as it is', X'63316262303130363030303030303030303030303030'),
(4, 4342394915911853809, 1, 'protobuf.unknown_field', 0, NULL, NULL, NULL, 42, 'InstrumentationScope has no field 1004 of wire type 0; kept as it is', X'653033653034'),
(5, -1753554579375547558, 1, 'protobuf.unknown_field', 0, NULL, NULL, NULL, 45, 'InstrumentationScope has no field 2000 of wire type 2; kept as it is', X'3832376430346666666666666666'),
(6, -6772263415549415780, 1, 'utf8.invalid', 1, NULL, NULL, NULL, 96, 'expected UTF-8; the bytes are stored as they are, half surrogates as U+FFFD', X'636166e9'),
(7, 223359109551688626, 1, 'protobuf.unknown_field', 0, NULL, NULL, NULL, 0, '16 more of the kind in this part of the input', NULL);
CREATE INDEX tk_issue_trace ON tk_issue(trace_id) WHERE trace_id IS NOT NULL;
CREATE VIEW ingests AS
  SELECT id, source, format, started_at, finished_at, complete, offset AS bytes, records, spans_new,
         spans_duplicate, spans_conflicting, rejected, issues
  FROM tk_ingest;
CREATE VIEW validation_issues AS
  SELECT i.id, 'ingest' AS source, i.rule AS type,
         CASE i.severity WHEN 0 THEN 'info' WHEN 1 THEN 'warn' ELSE 'error' END AS severity,
         coalesce(a.text, nullif(lower(hex(i.trace_id)), '')) AS trace_id,
         nullif(lower(hex(i.span_id)), '') AS span_id,
         i.message, n.source AS path, i.line, i.offset, i.raw
  FROM tk_issue i JOIN tk_ingest n ON n.id = i.ingest_id
       LEFT JOIN tk_trace_alias a ON a.trace_id = i.trace_id;
