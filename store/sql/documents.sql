-- Documents: what a run leaves beside its spans, kept byte for byte. Part of schema version 1; run
-- on every store that is opened for writing, so that an older one gains what is new here.

CREATE TABLE IF NOT EXISTS tk_document(
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,             -- docs/formats.md, "Documents": 'envelope', 'kvonce-events', ...
  hash INTEGER NOT NULL,          -- XXH64 of its bytes (without white space around them, if it is no
                                  -- lines): the same document is kept once
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

-- Runs that a document belongs to beside tk_document.run_id: the same bytes came again, for another.
CREATE TABLE IF NOT EXISTS tk_run_document(
  document_id INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  PRIMARY KEY(document_id, run_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tk_run_document_run ON tk_run_document(run_id);

-- Of documents made of lines that have several parts: the state of the hash of their bytes, so that
-- more can be added to them.
CREATE TABLE IF NOT EXISTS tk_document_state(
  document_id INTEGER PRIMARY KEY,
  state BLOB NOT NULL             -- of XXH64: four lanes, total bytes, pending bytes
);

-- Which documents a trace is named in; ids as they are written there.
CREATE TABLE IF NOT EXISTS tk_document_trace(
  trace_id TEXT NOT NULL,
  document_id INTEGER NOT NULL,
  PRIMARY KEY(trace_id, document_id)
) WITHOUT ROWID;

-- What documents say, as rows: filled from store/sql/documents/*.sql when one is stored, in the same
-- transaction. Text is as it stands in the document; what has another type there is NULL.

CREATE INDEX IF NOT EXISTS tk_document_checksum ON tk_document('sha256:' || lower(hex(sha256)));
CREATE INDEX IF NOT EXISTS tk_document_ingest ON tk_document(ingest_id);
CREATE INDEX IF NOT EXISTS tk_document_trace_document ON tk_document_trace(document_id);

CREATE TABLE IF NOT EXISTS tk_envelope(
  id INTEGER PRIMARY KEY,         -- of its document
  source TEXT,
  run_id TEXT,
  workflow TEXT,
  commit_sha TEXT,
  branch TEXT,                    -- as written: mostly a full ref
  branch_name TEXT,               -- short: main, pull/7
  generated_at TEXT,
  summary_shape TEXT NOT NULL,    -- 'conformance', 'verify-profile', 'cases', 'domains',
                                  -- 'verify-lite', 'unknown', 'missing'
  status TEXT,
  valid INTEGER,                  -- 1, 0; NULL: the summary does not say
  event_count INTEGER,
  issue_count INTEGER,
  notes TEXT                      -- JSON array
);
CREATE INDEX IF NOT EXISTS tk_envelope_run ON tk_envelope(run_id);
CREATE INDEX IF NOT EXISTS tk_envelope_commit ON tk_envelope(commit_sha);

CREATE TABLE IF NOT EXISTS tk_envelope_artifact(
  envelope_id INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  path TEXT,
  type TEXT,
  checksum TEXT,                  -- as written
  description TEXT,
  PRIMARY KEY(envelope_id, ordinal)
) WITHOUT ROWID;

-- Every file an envelope names, as artifact or as the path of a case or domain, and what was found
-- there when the envelope was ingested.
CREATE TABLE IF NOT EXISTS tk_envelope_file(
  envelope_id INTEGER NOT NULL,
  path TEXT NOT NULL,             -- as the envelope writes it
  checksum TEXT,                  -- 'sha256:' and 64 digits, lower case; NULL: none, or malformed
  found_sha256 TEXT,              -- of the file, in the same form; NULL: not found, or not computed
  found_hash INTEGER,             -- XXH64 of the file; NULL: not found
  found_trimmed_hash INTEGER,     -- the same without white space around it
  PRIMARY KEY(envelope_id, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tk_envelope_file_checksum ON tk_envelope_file(checksum);
CREATE INDEX IF NOT EXISTS tk_envelope_file_found ON tk_envelope_file(found_hash);
CREATE INDEX IF NOT EXISTS tk_envelope_file_trimmed ON tk_envelope_file(found_trimmed_hash);

-- Which stored document such a file is.
CREATE TABLE IF NOT EXISTS tk_envelope_document(
  envelope_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  document_id INTEGER NOT NULL,
  PRIMARY KEY(envelope_id, path, document_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tk_envelope_document_document ON tk_envelope_document(document_id);

CREATE TABLE IF NOT EXISTS tk_envelope_trace(
  envelope_id INTEGER NOT NULL,
  trace_id TEXT NOT NULL,
  route TEXT NOT NULL,            -- 'correlation', 'summary', 'domain', 'case', 'link'
  key TEXT NOT NULL,              -- of the domain or case; '' otherwise
  PRIMARY KEY(envelope_id, trace_id, route, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tk_envelope_trace_trace ON tk_envelope_trace(trace_id);

CREATE TABLE IF NOT EXISTS tk_tempo_link(
  document_id INTEGER NOT NULL,
  url TEXT NOT NULL,
  trace_id TEXT,                  -- that the URL names
  PRIMARY KEY(document_id, url)
) WITHOUT ROWID;

-- Domains and cases of envelopes, of the summaries they wrap, and of domain summaries.
CREATE TABLE IF NOT EXISTS tk_domain(
  document_id INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  key TEXT,
  label TEXT,
  status TEXT,
  issue_count INTEGER,
  event_count INTEGER,
  validation_path TEXT,
  projection_path TEXT,
  state_sequence_path TEXT,
  ndjson_path TEXT,
  metrics TEXT,                   -- JSON
  is_case INTEGER NOT NULL,       -- 1: the same thing is listed as a case
  discovery TEXT,                 -- 'manual', 'auto'
  PRIMARY KEY(document_id, ordinal)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS tk_case(
  document_id INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  key TEXT,                       -- its `format`
  label TEXT,
  status TEXT,                    -- 'valid', 'invalid', 'missing', or as written
  valid INTEGER,
  issue_count INTEGER,
  event_count INTEGER,
  validation_path TEXT,
  projection_path TEXT,
  state_sequence_path TEXT,
  stats TEXT,                     -- JSON
  note TEXT,
  PRIMARY KEY(document_id, ordinal)
) WITHOUT ROWID;

-- Issues as documents list them; the view document_issues leaves out what is listed twice.
CREATE TABLE IF NOT EXISTS tk_document_issue(
  document_id INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,       -- in the document
  source TEXT NOT NULL,           -- 'kvonce', 'inventory', 'envelope case', 'conformance'
  stage TEXT NOT NULL,            -- 'validation', 'projection', 'schema', 'invariant', 'rule'
  domain TEXT,                    -- of a case: its key
  key TEXT,
  type TEXT,
  severity TEXT,
  message TEXT,
  event_ordinal INTEGER,          -- the event it is about, from 0
  path TEXT,                      -- within the event or state
  context TEXT,                   -- JSON: what the document says beyond this
  trace_id TEXT,
  span_id TEXT,
  PRIMARY KEY(document_id, ordinal)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS tk_validation(
  document_id INTEGER PRIMARY KEY,
  generated_at TEXT,
  valid INTEGER,
  issue_count INTEGER NOT NULL,
  error_count INTEGER NOT NULL,   -- without those of lesser severity
  config TEXT,                    -- JSON
  metrics TEXT                    -- JSON
);

CREATE TABLE IF NOT EXISTS tk_verify_step(
  document_id INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  step TEXT,
  status TEXT,
  notes TEXT,
  retried INTEGER,
  required INTEGER,
  command TEXT,
  exit_code INTEGER,
  duration_ms INTEGER,
  reason TEXT,
  commit_sha TEXT,                -- where the summary itself says
  branch TEXT,
  PRIMARY KEY(document_id, ordinal)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS tk_lint_rule(
  document_id INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  rule TEXT,
  level TEXT,
  count INTEGER,
  samples TEXT,                   -- JSON
  PRIMARY KEY(document_id, ordinal)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS tk_mutation_summary(
  document_id INTEGER PRIMARY KEY,
  total_mutants INTEGER,
  killed INTEGER,
  survived INTEGER,
  timed_out INTEGER,
  no_coverage INTEGER,
  ignored INTEGER,
  runtime_errors INTEGER,
  compile_errors INTEGER,
  score REAL
);

CREATE TABLE IF NOT EXISTS tk_automation_report(
  document_id INTEGER PRIMARY KEY,
  tool TEXT,
  status TEXT,
  reason TEXT,
  mode TEXT,
  pr_number INTEGER,
  generated_at TEXT,
  workflow TEXT,
  event TEXT,
  run_id TEXT,
  attempt INTEGER,
  url TEXT,
  repository TEXT,
  ref TEXT,
  commit_sha TEXT,
  metrics TEXT,                   -- JSON
  data TEXT                       -- JSON
);

CREATE TABLE IF NOT EXISTS tk_payload_metadata(
  document_id INTEGER PRIMARY KEY,
  source_type TEXT,
  source_detail TEXT,
  sha256 TEXT,                    -- as written: hexadecimal digits
  size_bytes INTEGER
);

-- What a trace bundle, or the summary of one, says about the events that were left out.
CREATE TABLE IF NOT EXISTS tk_trace_bundle(
  document_id INTEGER PRIMARY KEY,
  environment TEXT,
  service TEXT,
  build_id TEXT,
  commit_sha TEXT,
  input_path TEXT,
  input_format TEXT,
  window_start TEXT,
  window_end TEXT,
  raw_events INTEGER,
  valid_events INTEGER,
  invalid_events INTEGER,
  sampled_out_events INTEGER,
  emitted_events INTEGER,
  trace_count INTEGER,
  redacted_fields INTEGER,
  sample_rate REAL,
  max_events INTEGER
);

-- What people say of services whose spans do not: with which probability their traces are kept. The
-- last resort of adjusted_count; docs/sampling.md. Written by hand:
--   INSERT INTO tk_head_sampling VALUES ('checkout', 0.05, 'OTEL_TRACES_SAMPLER_ARG in production');
CREATE TABLE IF NOT EXISTS tk_head_sampling(
  service TEXT PRIMARY KEY,
  probability REAL NOT NULL CHECK (probability > 0 AND probability <= 1),
  note TEXT
) WITHOUT ROWID;

-- What the user set for trace-quality rules (docs/validation.md); without a row a rule is as it comes.
CREATE TABLE IF NOT EXISTS tk_rule_setting(
  rule TEXT PRIMARY KEY,          -- as in quality_rules
  enabled INTEGER,                -- 0: off; NULL: as it comes
  threshold INTEGER               -- in the unit of quality_rules; NULL: as it comes
) WITHOUT ROWID;
