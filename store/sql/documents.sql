-- Documents: what a run leaves beside its spans, kept byte for byte. Part of schema version 1; run
-- on every store that is opened for writing, so that an older one gains what is new here.

CREATE TABLE IF NOT EXISTS tk_document(
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,             -- docs/formats.md, "Documents": 'envelope', 'kvonce-events', ...
  hash INTEGER NOT NULL,          -- XXH64 of its bytes: the same document is kept once
  size INTEGER NOT NULL,          -- bytes
  record_count INTEGER NOT NULL,  -- lines that are records, of kinds made of lines; else 1
  complete INTEGER NOT NULL,      -- 0: more of its source is to come
  run_id TEXT,                    -- the run it belongs to
  path TEXT NOT NULL,             -- where it was read from, the first time
  sha256 BLOB,                    -- NULL where there was no library to compute it
  ingest_id INTEGER NOT NULL,
  ingested_at TEXT NOT NULL       -- RFC 3339, UTC
);
CREATE INDEX IF NOT EXISTS tk_document_hash ON tk_document(hash);
CREATE INDEX IF NOT EXISTS tk_document_kind ON tk_document(kind, run_id);
CREATE INDEX IF NOT EXISTS tk_document_run ON tk_document(run_id);

-- The bytes: parts of at most about a MiB, cut between lines where the kind is made of lines.
CREATE TABLE IF NOT EXISTS tk_document_part(
  id INTEGER PRIMARY KEY,         -- document id << 20 | number of the part
  first_ordinal INTEGER NOT NULL, -- of its first record in the document, from 0
  record_count INTEGER NOT NULL,
  size INTEGER NOT NULL,          -- bytes before compression
  hash INTEGER NOT NULL,          -- XXH64 of data and origins together
  data BLOB NOT NULL,             -- packed bytes (docs/segment-format.md)
  -- Of events that were spans: for each record 16 bytes trace id, 8 bytes span id, 8 bytes start
  -- (unix nanoseconds, little-endian), packed. NULL otherwise.
  origins BLOB
);

-- Which documents a trace is named in; ids as they are written there.
CREATE TABLE IF NOT EXISTS tk_document_trace(
  trace_id TEXT NOT NULL,
  document_id INTEGER NOT NULL,
  PRIMARY KEY(trace_id, document_id)
) WITHOUT ROWID;
