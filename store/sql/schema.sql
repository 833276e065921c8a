-- Tables of a store, schema version 1. docs/segment-format.md, "Tables", says what is in each blob.
-- STRICT is not used: SQLite 3.37+ only, and .dump files of a store should load anywhere.

CREATE TABLE tk_meta(
  key TEXT PRIMARY KEY,
  value
) WITHOUT ROWID;
INSERT INTO tk_meta VALUES ('generation', 0), ('next_segment_id', 1);

-- One immutable batch of spans. Times are unix nanoseconds, as unsigned 64 bit in SQLite's signed.
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

CREATE TABLE tk_chunk(
  id INTEGER PRIMARY KEY,         -- segment id << 16 | column number
  data BLOB NOT NULL
);

-- Membership filters, by the same id: column 0 holds trace ids, others the values of a text column.
CREATE TABLE tk_filter(
  id INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);

-- Content-addressed: equal resources (scopes) are one row, whatever segment uses them.
CREATE TABLE tk_resource(
  id INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL,          -- XXH64 of content
  service TEXT,                   -- service.name, for people who look at this table
  content BLOB NOT NULL
);
CREATE INDEX tk_resource_hash ON tk_resource(hash);
CREATE TABLE tk_scope(
  id INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL,
  name TEXT NOT NULL,
  content BLOB NOT NULL
);
CREATE INDEX tk_scope_hash ON tk_scope(hash);

-- Every attribute key ever stored, once for each scope and type it was seen with.
CREATE TABLE tk_attribute_key(
  id INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL,         -- enum tk_attribute_scope
  key TEXT NOT NULL,
  type INTEGER NOT NULL,          -- enum tk_value_type
  UNIQUE(scope, key, type)
);

-- Trace ids that are not hexadecimal, by the 16 bytes they are stored under.
CREATE TABLE tk_trace_alias(
  trace_id BLOB PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) WITHOUT ROWID;
CREATE INDEX tk_trace_alias_nocase ON tk_trace_alias(text COLLATE NOCASE);

-- Only traces whose spans are in more than one segment.
CREATE TABLE tk_split(
  trace_id BLOB NOT NULL,
  segment_id INTEGER NOT NULL,
  PRIMARY KEY(trace_id, segment_id)
) WITHOUT ROWID;
CREATE INDEX tk_split_segment ON tk_split(segment_id);

-- What was ingested, and how far.
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
CREATE INDEX tk_ingest_head ON tk_ingest(head_hash);
CREATE INDEX tk_ingest_source ON tk_ingest(source);
CREATE INDEX tk_ingest_progress ON tk_ingest(offset_hash);

-- What was wrong with the input, found while reading it.
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
