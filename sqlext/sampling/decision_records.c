/* SPDX-License-Identifier: MIT
 * Reads {"type":"sampling_decision",...}, a line at a time. What a line says wrongly is not known
 * then; the line itself is always there, as `raw`. */
#include "sqlext/sampling/decision_records.h"

#include <math.h>
#include <string.h>

#include "sqlext/functions/time_text.h"
#include "sqlext/sampling/decision_decoders.h"
#include "sqlext/sampling/sampler_math.h"
#include "sqlext/vtab_support.h"
#include "store/document/document.h"
#include "tracekeep/json.h"
#include "tracekeep/scan.h"

struct tk_record_walk {
  sqlite3 *db;
  char *schema;
  sqlite3_stmt *documents; /* NULL: the store has none */
  struct tk_document_reader *reader;
  const struct tk_document_part *part;
  size_t at; /* in the part */
  int64_t document, part_number;
  uint64_t ordinal;
  char *run_id;
  struct tk_arena arena;
  struct tk_decision_record record;
};

/* ---- values of members ---- */

struct line_reader {
  struct tk_json json;
  struct tk_arena *arena;
  struct tk_decision_record *record;
  bool is_decision, failed;
  struct tk_text trace_id, span_id, run_id, threshold, randomness;
  double probability, adjusted_count;
};

static struct tk_text take_string(struct line_reader *line) {
  struct tk_text text = {NULL, 0};
  bool broken = false;
  if (tk_json_peek(&line->json) != TK_JSON_STRING) {
    tk_json_skip(&line->json);
    return text;
  }
  const struct tk_json_string string = tk_json_string(&line->json);
  char *copy = tk_arena_alloc_bytes(line->arena, (size_t)string.size + 1);
  if (!copy) {
    line->failed = true;
    return text;
  }
  text = (struct tk_text){copy, tk_json_unescape(string, copy, &broken)};
  return text;
}

/* A number, or a text that is one; NaN for others. */
static double take_number(struct line_reader *line) {
  const enum tk_json_type type = tk_json_peek(&line->json);
  double number;
  if (type == TK_JSON_STRING) {
    const struct tk_text text = take_string(line);
    return text.data && tk_sampling_parse(text, &number) ? number : NAN;
  }
  const struct tk_text text = tk_json_skip(&line->json);
  return type == TK_JSON_NUMBER && tk_sampling_parse(text, &number) ? number : NAN;
}

/* RFC 3339, or nanoseconds as a number or its digits. */
static void take_time(struct line_reader *line) {
  struct tk_decision_record *record = line->record;
  struct tk_text text;
  if (tk_json_peek(&line->json) == TK_JSON_STRING) {
    text = take_string(line);
    if (text.data && text.size > 0 && tk_time_parse(text, 0, &record->time_ns, NULL) == TK_OK &&
        memchr(text.data, '-', text.size)) {
      record->has_time = true;
      return;
    }
  } else if (tk_json_peek(&line->json) == TK_JSON_NUMBER) {
    text = tk_json_number(&line->json);
  } else {
    tk_json_skip(&line->json);
    return;
  }
  record->has_time =
      text.data && tk_parse_int64(text.data, text.size, &record->time_ns) == TK_NUMBER_OK;
}

static enum tk_decision_stage find_stage(struct tk_text text) {
  for (int stage = TK_STAGE_HEAD; stage <= TK_STAGE_BACKEND; stage++) {
    if (tk_text_is(text, tk_decision_stage_name((enum tk_decision_stage)stage))) {
      return (enum tk_decision_stage)stage;
    }
  }
  return TK_STAGE_NONE;
}

static enum tk_verdict find_verdict(struct tk_text text) {
  for (int verdict = TK_VERDICT_UNKNOWN; verdict <= TK_VERDICT_FORCED; verdict++) {
    if (tk_text_is(text, tk_verdict_name((enum tk_verdict)verdict)))
      return (enum tk_verdict)verdict;
  }
  return TK_VERDICT_UNKNOWN;
}

static void take_member(struct line_reader *line, struct tk_text name) {
  struct tk_decision *decision = &line->record->decision;
  struct tk_text text;
  if (tk_text_is(name, "type")) {
    text = take_string(line);
    line->is_decision = text.data && tk_text_is(text, "sampling_decision");
  } else if (tk_text_is(name, "traceId")) {
    line->trace_id = take_string(line);
  } else if (tk_text_is(name, "spanId")) {
    line->span_id = take_string(line);
  } else if (tk_text_is(name, "service")) {
    line->record->service = take_string(line);
  } else if (tk_text_is(name, "timestamp")) {
    take_time(line);
  } else if (tk_text_is(name, "stage")) {
    text = take_string(line);
    if (text.data) decision->stage = find_stage(text);
  } else if (tk_text_is(name, "mechanism")) {
    decision->mechanism = take_string(line);
  } else if (tk_text_is(name, "policy")) {
    decision->policy = take_string(line);
  } else if (tk_text_is(name, "decision")) {
    text = take_string(line);
    if (text.data) decision->verdict = find_verdict(text);
  } else if (tk_text_is(name, "probability")) {
    line->probability = take_number(line);
  } else if (tk_text_is(name, "adjustedCount")) {
    line->adjusted_count = take_number(line);
  } else if (tk_text_is(name, "threshold")) {
    line->threshold = take_string(line);
  } else if (tk_text_is(name, "randomness")) {
    line->randomness = take_string(line);
  } else if (tk_text_is(name, "dryRun")) {
    decision->dry_run = tk_json_peek(&line->json) == TK_JSON_TRUE;
    tk_json_skip(&line->json);
  } else if (tk_text_is(name, "runId")) {
    line->run_id = take_string(line);
  } else {
    tk_json_skip(&line->json);
  }
}

/* ---- what follows from them ---- */

static bool is_hex(struct tk_text text) {
  for (uint32_t i = 0; i < text.size; i++) {
    const char c = text.data[i];
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) return false;
  }
  return text.size > 0;
}

/* Digits as the store shows them: lower-case, a 64-bit trace id padded. */
static struct tk_text normal_id(struct line_reader *line, struct tk_text text, uint32_t width) {
  if (!is_hex(text) || (text.size != width && text.size * 2 != width)) return text;
  char *copy = tk_arena_alloc_bytes(line->arena, width);
  if (!copy) {
    line->failed = true;
    return text;
  }
  memset(copy, '0', width);
  for (uint32_t i = 0; i < text.size; i++) {
    const char c = text.data[i];
    copy[width - text.size + i] = (char)(c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);
  }
  return (struct tk_text){copy, width};
}

static void finish_ids(struct line_reader *line) {
  struct tk_decision_record *record = line->record;
  if (line->trace_id.data && line->trace_id.size > 0) {
    record->trace_text = normal_id(line, line->trace_id, 32);
    tk_trace_id_parse(line->trace_id, record->trace_id);
    record->has_trace_id = true;
  } else {
    record->decision.verdict = TK_VERDICT_UNKNOWN; /* a decision about nothing */
  }
  if (line->span_id.data && line->span_id.size > 0) {
    record->span_text =
        line->span_id.size == 16 ? normal_id(line, line->span_id, 16) : line->span_id;
  }
}

static void finish_numbers(struct line_reader *line) {
  struct tk_decision *decision = &line->record->decision;
  uint64_t value;

  if (line->randomness.data && tk_ot_read_randomness(line->randomness, &value)) {
    decision->randomness = (int64_t)value;
  }
  if (line->threshold.data && tk_ot_read_threshold(line->threshold, &value)) {
    decision->threshold = (int64_t)value;
    decision->probability = tk_threshold_probability(value);
    decision->adjusted_count = tk_threshold_count(value);
    if (decision->randomness >= 0) {
      decision->consistent =
          (decision->randomness >= decision->threshold) == (decision->verdict != TK_VERDICT_DROP);
    }
  }
  if (line->adjusted_count >= 1 && isfinite(line->adjusted_count)) {
    decision->adjusted_count = line->adjusted_count;
    if (!(decision->probability >= 0)) decision->probability = 1 / line->adjusted_count;
  }
  if (line->probability >= 0 && line->probability <= 1) {
    decision->probability = line->probability;
    if (!(decision->adjusted_count >= 1)) decision->adjusted_count = 1 / line->probability;
  }
  if (decision->verdict != TK_VERDICT_KEEP || decision->consistent == 0 || decision->dry_run ||
      !isfinite(decision->adjusted_count)) {
    decision->adjusted_count = NAN;
  } else {
    decision->rank = TK_RANK_RECORD;
  }
  decision->is_forced = decision->verdict == TK_VERDICT_FORCED;
}

bool tk_decision_record_read(struct tk_text text, struct tk_text document_run,
                             struct tk_arena *arena, struct tk_decision_record *record,
                             bool *out_of_memory) {
  struct line_reader line = {
      .arena = arena, .record = record, .probability = NAN, .adjusted_count = NAN};
  char *copy = tk_arena_alloc_bytes(arena, (size_t)text.size + 1 + TK_JSON_PADDING);

  *record = (struct tk_decision_record){.decision = {.source = TK_SOURCE_RECORD,
                                                     .consistent = -1,
                                                     .probability = NAN,
                                                     .adjusted_count = NAN,
                                                     .threshold = -1,
                                                     .randomness = -1}};
  *out_of_memory = !copy;
  if (!copy) return false;
  if (text.size > 0) memcpy(copy, text.data, text.size);
  memset(copy + text.size, 0, 1 + TK_JSON_PADDING);
  tk_json_init(&line.json, copy, text.size);
  for (bool more = tk_json_enter_object(&line.json); more && !line.failed;
       more = tk_json_next_member(&line.json)) {
    const struct tk_json_string name = tk_json_key(&line.json);
    take_member(&line, (struct tk_text){name.data, name.size});
  }
  if (line.json.expected || !line.is_decision) return false;
  finish_ids(&line);
  finish_numbers(&line);
  record->decision.trace_wide = !record->span_text.data;
  record->decision.run_id = line.run_id.data ? line.run_id : document_run;
  record->decision.raw = (struct tk_text){copy, text.size};
  *out_of_memory = line.failed;
  return !line.failed;
}

/* ---- trace bundles ---- */

/* The text of a member of the object the reader is at, which is skipped. */
static struct tk_text find_member(struct tk_json json, const char *name) {
  struct tk_text found = {NULL, 0};
  for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
    const struct tk_json_string key = tk_json_key(&json);
    const bool is_it = tk_text_is((struct tk_text){key.data, key.size}, name);
    if (is_it && tk_json_peek(&json) != TK_JSON_NOTHING) {
      found = tk_trim(tk_json_skip(&json));
    } else {
      tk_json_skip(&json);
    }
  }
  return json.expected ? (struct tk_text){NULL, 0} : found;
}

/* Events were sampled one by one, by a hash: how many is told, but not which. */
static enum tk_status read_bundle(struct tk_record_walk *walk, struct tk_error *error) {
  static const char *const counts[] = {"sampling",          "summary",           "rawEventCount",
                                       "validEventCount",   "invalidEventCount", "sampledOutCount",
                                       "emittedEventCount", "traceCount"};
  struct tk_decision *decision = &walk->record.decision;
  struct tk_byte_writer raw = {0};
  struct tk_json json;
  char *text = NULL, *padded;
  size_t size = 0;
  double rate;

  enum tk_status status = tk_document_read(walk->db, walk->schema, walk->document,
                                           TK_DOCUMENT_PART_LIMIT, &text, &size, error);
  if (status != TK_OK) return status;
  padded = tk_arena_alloc_bytes(&walk->arena, size + 1 + TK_JSON_PADDING);
  if (padded) {
    memcpy(padded, text, size);
    memset(padded + size, 0, 1 + TK_JSON_PADDING);
  }
  sqlite3_free(text);
  if (!padded) return tk_nomem(error);
  walk->record = (struct tk_decision_record){.decision = {.source = TK_SOURCE_BUNDLE,
                                                          .stage = TK_STAGE_COLLECTOR,
                                                          .mechanism = tk_literal("event_hash"),
                                                          .consistent = -1,
                                                          .probability = NAN,
                                                          .adjusted_count = NAN,
                                                          .threshold = -1,
                                                          .randomness = -1}};
  tk_json_init(&json, padded, size);
  tk_json_literal(&raw, "{");
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    const struct tk_text member = find_member(json, counts[i]);
    if (!member.data) continue;
    tk_json_literal(&raw, raw.size > 1 ? ",\"" : "\"");
    tk_json_literal(&raw, counts[i]);
    tk_json_literal(&raw, "\":");
    tk_byte_writer_append(&raw, member.data, member.size);
    if (i > 0) continue;
    struct tk_json inner;
    tk_json_init(&inner, member.data, member.size);
    const struct tk_text digits = find_member(inner, "sampleRate");
    if (digits.data && tk_sampling_parse(digits, &rate) && rate >= 0 && rate <= 1) {
      decision->probability = rate;
    }
  }
  tk_json_literal(&raw, "}");
  if (walk->run_id) decision->run_id = tk_literal(walk->run_id);
  char *kept = raw.failed ? NULL : tk_arena_alloc_bytes(&walk->arena, raw.size);
  if (kept) {
    memcpy(kept, raw.data, raw.size);
    decision->raw = (struct tk_text){kept, (uint32_t)raw.size};
  }
  tk_byte_writer_reset(&raw);
  return kept ? TK_OK : tk_nomem(error);
}

/* ---- walking ---- */

static enum tk_status fail_sqlite(struct tk_record_walk *walk, struct tk_error *error) {
  return tk_fail(error, sqlite3_errcode(walk->db) == SQLITE_NOMEM ? TK_NOMEM : TK_IO,
                 "cannot read the documents: %s", sqlite3_errmsg(walk->db));
}

enum tk_status tk_record_walk_open(sqlite3 *db, const char *schema,
                                   struct tk_record_walk **walk_out, struct tk_error *error) {
  static const char sql_format[] =
      "SELECT id, kind = 'sampling-decisions', run_id FROM \"%w\".tk_document"
      " WHERE kind IN ('sampling-decisions', 'trace-bundle', 'trace-bundle-summary') ORDER BY id";
  struct tk_record_walk *walk = sqlite3_malloc64(sizeof *walk);
  int rc;
  *walk_out = NULL;
  if (!walk) return tk_nomem(error);
  memset(walk, 0, sizeof *walk);
  walk->db = db;
  walk->schema = sqlite3_mprintf("%s", schema);
  char *sql = sqlite3_mprintf(sql_format, schema);
  if (!walk->schema || !sql) {
    sqlite3_free(sql);
    tk_record_walk_close(walk);
    return tk_nomem(error);
  }
  rc = sqlite3_table_column_metadata(db, schema, "tk_document", "id", 0, 0, 0, 0, 0);
  if (rc == SQLITE_OK) {
    rc = sqlite3_prepare_v2(db, sql, -1, &walk->documents, NULL);
  } else if (rc == SQLITE_ERROR) {
    rc = SQLITE_OK; /* no such table */
  }
  sqlite3_free(sql);
  if (rc != SQLITE_OK) {
    enum tk_status status = fail_sqlite(walk, error);
    tk_record_walk_close(walk);
    return status;
  }
  *walk_out = walk;
  return TK_OK;
}

void tk_record_walk_close(struct tk_record_walk *walk) {
  if (!walk) return;
  if (walk->reader) tk_document_reader_close(walk->reader);
  sqlite3_finalize(walk->documents);
  sqlite3_free(walk->schema);
  sqlite3_free(walk->run_id);
  tk_arena_reset(&walk->arena);
  sqlite3_free(walk);
}

/* Steps to the next document; *found_out is false behind the last. */
static enum tk_status next_document(struct tk_record_walk *walk, bool *found_out, bool *is_lines,
                                    struct tk_error *error) {
  *found_out = false;
  if (!walk->documents) return TK_OK;
  const int rc = sqlite3_step(walk->documents);
  if (rc == SQLITE_DONE) return TK_OK;
  if (rc != SQLITE_ROW) return fail_sqlite(walk, error);
  walk->document = sqlite3_column_int64(walk->documents, 0);
  *is_lines = sqlite3_column_int(walk->documents, 1) != 0;
  sqlite3_free(walk->run_id);
  walk->run_id = NULL;
  walk->ordinal = 0;
  walk->part_number = -1;
  const char *run = (const char *)sqlite3_column_text(walk->documents, 2);
  if (run && !(walk->run_id = sqlite3_mprintf("%s", run))) return tk_nomem(error);
  *found_out = true;
  return TK_OK;
}

/* The next line that is a decision; *found_out is false at the end of the document. */
static enum tk_status next_line(struct tk_record_walk *walk, bool *found_out,
                                struct tk_error *error) {
  const struct tk_text run = walk->run_id ? tk_literal(walk->run_id) : (struct tk_text){NULL, 0};
  *found_out = false;
  for (;;) {
    while (walk->part && walk->at < walk->part->size) {
      const char *begin = walk->part->text + walk->at;
      const size_t left = walk->part->size - walk->at;
      const char *end = memchr(begin, '\n', left);
      const size_t size = end ? (size_t)(end - begin) : left;
      bool out_of_memory;
      walk->at += size + (end != NULL);
      walk->ordinal++;
      tk_arena_reset(&walk->arena);
      *found_out = tk_decision_record_read((struct tk_text){begin, (uint32_t)size}, run,
                                           &walk->arena, &walk->record, &out_of_memory);
      if (out_of_memory) return tk_nomem(error);
      if (!*found_out) continue;
      walk->record.place = (struct tk_record_place){.document = walk->document,
                                                    .part = walk->part_number,
                                                    .part_ordinal = walk->part->first_ordinal,
                                                    .ordinal = walk->ordinal,
                                                    .offset = (uint32_t)(begin - walk->part->text),
                                                    .size = (uint32_t)size};
      return TK_OK;
    }
    enum tk_status status = tk_document_reader_next(walk->reader, &walk->part, error);
    if (status != TK_OK || !walk->part) return status;
    walk->at = 0;
    walk->part_number++;
  }
}

enum tk_status tk_record_walk_next(struct tk_record_walk *walk,
                                   const struct tk_decision_record **record_out,
                                   struct tk_error *error) {
  enum tk_status status = TK_OK;
  bool found = false, is_lines = false;

  *record_out = NULL;
  while (!found) {
    if (walk->reader) {
      if ((status = next_line(walk, &found, error)) != TK_OK) return status;
      if (found) break;
      tk_document_reader_close(walk->reader);
      walk->reader = NULL;
      walk->part = NULL;
    }
    if ((status = next_document(walk, &found, &is_lines, error)) != TK_OK || !found) return status;
    tk_arena_reset(&walk->arena);
    if (is_lines) {
      found = false;
      status =
          tk_document_reader_open(walk->db, walk->schema, walk->document, &walk->reader, error);
    } else {
      status = read_bundle(walk, error);
    }
    if (status != TK_OK) return status;
  }
  walk->record.place.document = walk->document;
  *record_out = &walk->record;
  return TK_OK;
}

/* ---- fetching ---- */

struct tk_record_fetch {
  sqlite3 *db;
  sqlite3_stmt *run; /* of a document */
  char *schema;
  struct tk_document_reader *reader; /* of `document`; NULL: none yet */
  const struct tk_document_part *part;
  int64_t document, part_number;
  struct tk_text run_id;
  struct tk_arena document_arena, arena;
  struct tk_decision_record record;
};

enum tk_status tk_record_fetch_open(sqlite3 *db, const char *schema,
                                    struct tk_record_fetch **fetch_out, struct tk_error *error) {
  struct tk_record_fetch *fetch = sqlite3_malloc64(sizeof *fetch);
  char *sql = sqlite3_mprintf("SELECT run_id FROM \"%w\".tk_document WHERE id = ?1", schema);
  int rc = SQLITE_NOMEM;
  *fetch_out = NULL;
  if (fetch) {
    memset(fetch, 0, sizeof *fetch);
    fetch->db = db;
    fetch->schema = sqlite3_mprintf("%s", schema);
    if (sql && fetch->schema) rc = sqlite3_prepare_v2(db, sql, -1, &fetch->run, NULL);
  }
  sqlite3_free(sql);
  if (rc == SQLITE_OK) {
    *fetch_out = fetch;
    return TK_OK;
  }
  tk_record_fetch_close(fetch);
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  return tk_fail(error, TK_IO, "cannot read the documents: %s", sqlite3_errmsg(db));
}

void tk_record_fetch_close(struct tk_record_fetch *fetch) {
  if (!fetch) return;
  tk_document_reader_close(fetch->reader);
  sqlite3_finalize(fetch->run);
  sqlite3_free(fetch->schema);
  tk_arena_reset(&fetch->document_arena);
  tk_arena_reset(&fetch->arena);
  sqlite3_free(fetch);
}

static enum tk_status fetch_document(struct tk_record_fetch *fetch, int64_t document,
                                     struct tk_error *error) {
  if (fetch->reader && fetch->document == document) return TK_OK;
  tk_document_reader_close(fetch->reader);
  fetch->reader = NULL;
  fetch->part = NULL;
  tk_arena_reset(&fetch->document_arena);
  fetch->run_id = (struct tk_text){NULL, 0};
  fetch->document = document;
  sqlite3_bind_int64(fetch->run, 1, document);
  if (sqlite3_step(fetch->run) == SQLITE_ROW) {
    const char *run = (const char *)sqlite3_column_text(fetch->run, 0);
    const size_t size = run ? strlen(run) : 0;
    char *copy = run ? tk_arena_alloc_bytes(&fetch->document_arena, size + 1) : NULL;
    if (copy) memcpy(copy, run, size + 1);
    if (copy) fetch->run_id = (struct tk_text){copy, (uint32_t)size};
    if (run && !copy) {
      sqlite3_reset(fetch->run);
      return tk_nomem(error);
    }
  }
  if (sqlite3_reset(fetch->run) != SQLITE_OK) {
    return tk_fail(error, sqlite3_errcode(fetch->db) == SQLITE_NOMEM ? TK_NOMEM : TK_IO,
                   "cannot read the documents: %s", sqlite3_errmsg(fetch->db));
  }
  return tk_document_reader_open(fetch->db, fetch->schema, document, &fetch->reader, error);
}

enum tk_status tk_record_fetch_next(struct tk_record_fetch *fetch,
                                    const struct tk_record_place *place,
                                    const struct tk_decision_record **record_out,
                                    struct tk_error *error) {
  bool out_of_memory;
  enum tk_status status = fetch_document(fetch, place->document, error);

  *record_out = NULL;
  if (status != TK_OK) return status;
  if (!fetch->part || fetch->part_number != place->part) {
    tk_document_reader_seek(fetch->reader, place->part, place->part_ordinal);
    fetch->part_number = place->part;
    status = tk_document_reader_next(fetch->reader, &fetch->part, error);
    if (status != TK_OK || !fetch->part) return status;
  }
  if (place->offset > fetch->part->size || place->size > fetch->part->size - place->offset) {
    return TK_OK;
  }
  tk_arena_reset(&fetch->arena);
  const struct tk_text line = {fetch->part->text + place->offset, place->size};
  if (tk_decision_record_read(line, fetch->run_id, &fetch->arena, &fetch->record, &out_of_memory)) {
    fetch->record.place = *place;
    *record_out = &fetch->record;
  }
  return out_of_memory ? tk_nomem(error) : TK_OK;
}
