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
(1, 1, 2, 3, 1, 1, 0, 1, 1795188750503000000, 1795188750510000000, 1795188750520000000, 5000000, 17000000, 1008, 621, -8166587981244117286, X'01', X'01', X'01ac0200020301010001c0378242a8cae918c09fab03c0cc8d0880ade20480b6dc05f007010101030100c09fab0311000213000006000700001b000000010b000000c0843d0d000080ade20480b6dc051100000223000004010b000000020b00000215040000010b000000020b030000010b0c0080a4e803000a000001181e0400010a687474702e726f75746501011800040003056974656d730304aa020eebaac813e73f43e37518ae7545a7bd549cd323701d5aa1b1b7ed0af1b71556f2d6fdc1d702f5d5104f4197f6c2fe6beceeec757724bb39acc4175c3e782b4a65c85cc7409d41439487af6f4d66cda98db7ed0af1b71556f2c85cc7409d4143944cb2b635157dddac45ad1f087a7eb6c508cd14bd37076cc797d380fd4592d5e456147c0997c13a0502021e000120010000');
CREATE TABLE tk_chunk(
  id INTEGER PRIMARY KEY,         -- segment id << 16 | column number
  data BLOB NOT NULL
);
INSERT INTO tk_chunk VALUES
(65536, X'3001100af7651916cd43dd8448eb211c80319c'),
(65537, X'10010100000601'),
(65538, X'300308b7ad6b7169203331b7ad6b7169203332b7ad6b7169203333'),
(65539, X'1203010200000103010006'),
(65540, X'120301020000c0843d03010006'),
(65541, X'120301020080ade2048092f40103020013'),
(65542, X'2103010102000c03030100011600474554202f6361727453454c45435453454c454354'),
(65543, X'1203010200040103010006'),
(65544, X'1203010200000203010002'),
(65545, X'210301010200000703010002080074696d656f7574'),
(65550, X'1203010200000103010006'),
(65551, X'1203010200000203010002'),
(65555, X'1203010200000103010002'),
(65568, X'100101000080a4e80301'),
(65569, X'280101010200000a01000000010600726574727900000001'),
(65600, X'280101010200000a010000000106002f6361727400000001'),
(65601, X'1203010200040106090000541600');
CREATE TABLE tk_filter(
  id INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);
INSERT INTO tk_filter VALUES
(65536, X'597f43bc5c1a6b4c0000800000000400000000080000080004000000000000020200000000000002');
CREATE TABLE tk_resource(
  id INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL,          -- XXH64 of content
  service TEXT,                   -- service.name, for people who look at this table
  content BLOB NOT NULL
);
INSERT INTO tk_resource VALUES
(1, -8269336527729638272, 'shop', X'0100010c736572766963652e6e616d65010473686f7000000000');
CREATE INDEX tk_resource_hash ON tk_resource(hash);
CREATE TABLE tk_scope(
  id INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL,
  name TEXT NOT NULL,
  content BLOB NOT NULL
);
INSERT INTO tk_scope VALUES
(1, 641593401078678033, 'demo', X'01000464656d6f000000000000');
CREATE INDEX tk_scope_hash ON tk_scope(hash);
CREATE TABLE tk_attribute_key(
  id INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL,         -- enum tk_attribute_scope
  key TEXT NOT NULL,
  type INTEGER NOT NULL,          -- enum tk_value_type
  UNIQUE(scope, key, type)
);
INSERT INTO tk_attribute_key VALUES
(1, 3, 'service.name', 1),
(2, 0, 'http.route', 1),
(3, 0, 'items', 3);
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
(1, 'dump-1.json', 'otlp-json', -8913379371904388496, 1185, -8913379371904388496, 1, '2026-11-20T17:17:34.086Z', '2026-11-20T17:17:34.086Z', 1, 3, 0, 0, 0, 0);
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
