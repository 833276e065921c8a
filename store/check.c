/* SPDX-License-Identifier: MIT
 * tk_store_check: everything is read and decoded once, and whatever is stored twice is compared.
 * A fault is reported and the check goes on with the next segment; it stops only when it cannot run
 * (no memory, no lock). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/database.h"
#include "store/document/check_documents.h"
#include "store/segment/membership.h"
#include "store/store.h"
#include "tracekeep/hash.h"

/* Ids of traces that no row of tk_split mentions: each must be in one segment only. */
struct whole_traces {
  uint8_t (*ids)[16];
  size_t count, capacity;
};

struct check {
  struct tk_store *store;
  struct tk_reader *reader;
  tk_check_report *report;
  void *context;
  struct tk_check_counts counts;
  struct whole_traces whole;
};

static void fault(struct check *check, const char *format, ...) TK_PRINTF(2, 3);

static void fault(struct check *check, const char *format, ...) {
  char message[640];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  check->counts.faults++;
  if (check->report) check->report(check->context, message);
}

/* A failure to read a part of the store is a fault of that part, unless it is ours. */
static enum tk_status note(struct check *check, enum tk_status status,
                           const struct tk_error *found) {
  if (status == TK_OK || status == TK_NOMEM || status == TK_BUSY) return status;
  fault(check, "%s", found->message);
  return TK_OK;
}

/* ---- SQLite's own structures ---- */

/* Calls `row` for every row of `sql`. */
static enum tk_status for_each_row(struct check *check, const char *sql,
                                   void (*row)(struct check *check, sqlite3_stmt *statement),
                                   struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  struct tk_error found = {{0}};
  int rc = sqlite3_prepare_v2(check->store->db, sql, -1, &statement, NULL);
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) row(check, statement);
  }
  enum tk_status status =
      rc == SQLITE_DONE ? TK_OK : tk_database_error(check->store->db, "read the store", &found);
  sqlite3_finalize(statement);
  status = note(check, status, &found);
  if (status != TK_OK && error) *error = found;
  return status;
}

static void integrity_row(struct check *check, sqlite3_stmt *statement) {
  const char *text = (const char *)sqlite3_column_text(statement, 0);
  if (text && strcmp(text, "ok") != 0) fault(check, "SQLite integrity check: %s", text);
}

static void stray_row(struct check *check, sqlite3_stmt *statement) {
  fault(check, "%s %lld belongs to no segment", (const char *)sqlite3_column_text(statement, 0),
        (long long)sqlite3_column_int64(statement, 1));
}

static void size_row(struct check *check, sqlite3_stmt *statement) {
  fault(check, "segment %lld: expected stored_bytes %lld, found %lld",
        (long long)sqlite3_column_int64(statement, 0),
        (long long)sqlite3_column_int64(statement, 1),
        (long long)sqlite3_column_int64(statement, 2));
}

static void split_flag_row(struct check *check, sqlite3_stmt *statement) {
  fault(check, "segment %lld: its flag for split traces is %d, and tk_split says otherwise",
        (long long)sqlite3_column_int64(statement, 0), sqlite3_column_int(statement, 1));
}

static void lone_split_row(struct check *check, sqlite3_stmt *statement) {
  fault(check, "trace %s is noted as split, but only in segment %lld",
        (const char *)sqlite3_column_text(statement, 0),
        (long long)sqlite3_column_int64(statement, 1));
}

static void id_row(struct check *check, sqlite3_stmt *statement) {
  fault(check, "segment %lld: its id is not below next_segment_id",
        (long long)sqlite3_column_int64(statement, 0));
}

static void twice_row(struct check *check, sqlite3_stmt *statement) {
  fault(check, "%s %lld has the content of another",
        (const char *)sqlite3_column_text(statement, 0),
        (long long)sqlite3_column_int64(statement, 1));
}

static void alias_row(struct check *check, sqlite3_stmt *statement) {
  const void *id = sqlite3_column_blob(statement, 0);
  const char *text = (const char *)sqlite3_column_text(statement, 1);
  const uint32_t size = (uint32_t)sqlite3_column_bytes(statement, 1);
  uint8_t expected[16];
  tk_trace_id_from_text((struct tk_text){text ? text : "", text ? size : 0}, expected);
  if (id && sqlite3_column_bytes(statement, 0) == 16 && memcmp(id, expected, 16) == 0) return;
  fault(check, "tk_trace_alias: `%.200s` is stored with another trace id than its own",
        text ? text : "");
}

static enum tk_status check_tables(struct check *check, struct tk_error *error) {
  static const struct {
    const char *sql;
    void (*row)(struct check *check, sqlite3_stmt *statement);
  } queries[] = {
      {"PRAGMA integrity_check", integrity_row},
      {"SELECT 'chunk', id FROM tk_chunk WHERE id >> 16 NOT IN (SELECT id FROM tk_segment)",
       stray_row},
      {"SELECT 'filter', id FROM tk_filter WHERE id >> 16 NOT IN (SELECT id FROM tk_segment)",
       stray_row},
      {"SELECT 'split trace of segment', segment_id FROM tk_split "
       "WHERE segment_id NOT IN (SELECT id FROM tk_segment)",
       stray_row},
      {"SELECT id, stored_bytes, length(directory)"
       " + (SELECT coalesce(sum(length(data)), 0) FROM tk_chunk"
       "    WHERE id >= s.id << 16 AND id < (s.id + 1) << 16)"
       " + (SELECT coalesce(sum(length(data)), 0) FROM tk_filter"
       "    WHERE id >= s.id << 16 AND id < (s.id + 1) << 16) AS found "
       "FROM tk_segment s WHERE stored_bytes <> found",
       size_row},
      {"SELECT id, flags & 1 FROM tk_segment "
       "WHERE (flags & 1) <> (id IN (SELECT segment_id FROM tk_split))",
       split_flag_row},
      {"SELECT lower(hex(trace_id)), min(segment_id) FROM tk_split "
       "GROUP BY trace_id HAVING count(*) = 1",
       lone_split_row},
      {"SELECT id FROM tk_segment "
       "WHERE id >= (SELECT value FROM tk_meta WHERE key = 'next_segment_id')",
       id_row},
      {"SELECT 'tk_resource', max(id) FROM tk_resource GROUP BY hash, content HAVING count(*) > 1",
       twice_row},
      {"SELECT 'tk_scope', max(id) FROM tk_scope GROUP BY hash, content HAVING count(*) > 1",
       twice_row},
      {"SELECT trace_id, text FROM tk_trace_alias", alias_row},
  };
  enum tk_status status = TK_OK;
  for (size_t i = 0; i < sizeof queries / sizeof queries[0] && status == TK_OK; i++) {
    status = for_each_row(check, queries[i].sql, queries[i].row, error);
  }
  return status;
}

/* ---- segments ---- */

/* Scans skip what is outside of [int_min, int_max]. */
static enum tk_status check_range(const struct tk_segment_column *column,
                                  const struct tk_column *values, int64_t segment_id,
                                  struct tk_error *error) {
  if (column->kind != TK_COLUMN_INT || column->in_extras || column->value_count == 0) return TK_OK;
  int64_t least = tk_ints_at(values->ints, 0), greatest = least;
  for (uint32_t i = 1; i < column->value_count; i++) {
    const int64_t value = tk_ints_at(values->ints, i);
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  if (least == column->int_min && greatest == column->int_max) return TK_OK;
  return tk_corrupt(error,
                    "segment %lld: column %d: expected values from %lld to %lld, "
                    "found %lld to %lld",
                    (long long)segment_id, column->number, (long long)column->int_min,
                    (long long)column->int_max, (long long)least, (long long)greatest);
}

static enum tk_status check_columns(struct check *check, const struct tk_segment *segment,
                                    struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < segment->column_count && status == TK_OK; i++) {
    const struct tk_segment_column *column = &segment->columns[i];
    const struct tk_column *values;
    const uint32_t *index;
    struct tk_error found = {{0}};
    if (column->type == TK_VALUE_EMPTY && column->number >= TK_COL_FIRST_ATTRIBUTE) continue;
    check->counts.chunks += !column->in_extras;
    status = tk_reader_values(check->reader, segment, i, 0, column->value_count, &values, &found);
    if (status == TK_OK) status = check_range(column, values, segment->summary.id, &found);
    if (status == TK_OK && column->number >= TK_COL_FIRST_ATTRIBUTE) {
      status = tk_reader_value_index(check->reader, segment, i, TK_ALL, &index, &found);
    }
    status = note(check, status, &found);
    if (status != TK_OK && error) *error = found;
  }
  return status;
}

/* What the spans say against what the segment's row says. */
struct tally {
  uint64_t spans, events, links, errors, start_min, start_max, end_max;
  int64_t duration_min, duration_max;
};

static void add_to_tally(struct tally *tally, const struct tk_span *span) {
  const int64_t duration = (int64_t)(span->end_unix_ns - span->start_unix_ns);
  tally->spans++;
  tally->events += span->event_count;
  tally->links += span->link_count;
  tally->errors += span->status_code == TK_STATUS_ERROR;
  if (span->start_unix_ns < tally->start_min) tally->start_min = span->start_unix_ns;
  if (span->start_unix_ns > tally->start_max) tally->start_max = span->start_unix_ns;
  if (span->end_unix_ns > tally->end_max) tally->end_max = span->end_unix_ns;
  if (duration < tally->duration_min) tally->duration_min = duration;
  if (duration > tally->duration_max) tally->duration_max = duration;
}

static void compare_tally(struct check *check, const struct tk_segment_summary *summary,
                          const struct tally *tally) {
  const struct {
    const char *name;
    uint64_t expected, found;
  } pairs[] = {
      {"span_count", summary->span_count, tally->spans},
      {"event_count", summary->event_count, tally->events},
      {"link_count", summary->link_count, tally->links},
      {"error_count", summary->error_count, tally->errors},
      {"start_min_ns", summary->start_min, tally->start_min},
      {"start_max_ns", summary->start_max, tally->start_max},
      {"end_max_ns", summary->end_max, tally->end_max},
      {"duration_min_ns", (uint64_t)summary->duration_min, (uint64_t)tally->duration_min},
      {"duration_max_ns", (uint64_t)summary->duration_max, (uint64_t)tally->duration_max},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    if (pairs[i].expected == pairs[i].found) continue;
    fault(check, "segment %lld: expected %s %lld, found %lld", (long long)summary->id,
          pairs[i].name, (long long)pairs[i].expected, (long long)pairs[i].found);
  }
}

/* A trace id that is a text is in tk_trace_alias, which is how the text is shown. */
static enum tk_status check_alias(struct check *check, const struct tk_span *span,
                                  int64_t segment_id, struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  if (!(span->presence & TK_SPAN_TEXT_TRACE_ID)) return TK_OK;
  int rc = sqlite3_prepare_v2(check->store->db,
                              "SELECT 1 FROM tk_trace_alias WHERE trace_id = ?1 AND text = ?2", -1,
                              &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_blob(statement, 1, span->trace_id, 16, SQLITE_STATIC);
  if (rc == SQLITE_OK) {
    rc = sqlite3_bind_text(statement, 2, span->trace_id_text.data, (int)span->trace_id_text.size,
                           SQLITE_STATIC);
  }
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_DONE) {
    fault(check, "segment %lld: tk_trace_alias does not have its trace `%.*s`",
          (long long)segment_id, (int)span->trace_id_text.size, span->trace_id_text.data);
  }
  const enum tk_status status =
      rc == SQLITE_ROW || rc == SQLITE_DONE
          ? TK_OK
          : tk_database_error(check->store->db, "read tk_trace_alias", error);
  sqlite3_finalize(statement);
  return status;
}

static enum tk_status check_spans(struct check *check, const struct tk_segment *segment,
                                  const struct tk_segment_summary *summary,
                                  struct tk_error *error) {
  struct tally tally = {
      .start_min = UINT64_MAX, .duration_min = INT64_MAX, .duration_max = INT64_MIN};
  struct tk_arena arena = {0};
  enum tk_status status = TK_OK;
  for (uint32_t g = 0; g < segment->rows.count && status == TK_OK; g++) {
    const uint32_t begin = g ? segment->rows.ends[g - 1] : 0;
    const uint32_t count = segment->rows.ends[g] - begin;
    struct tk_span *spans = tk_arena_alloc(&arena, count * sizeof *spans);
    if (!spans) {
      status = tk_nomem(error);
      break;
    }
    status = tk_reader_spans(check->reader, segment, begin, count, &arena, spans, error);
    for (uint32_t i = 0; i < count && status == TK_OK; i++) {
      add_to_tally(&tally, &spans[i]);
      if (i > 0 && memcmp(spans[i].trace_id, spans[i - 1].trace_id, 16) == 0) continue;
      status = check_alias(check, &spans[i], summary->id, error);
    }
    tk_arena_reset(&arena);
  }
  tk_arena_reset(&arena);
  if (status == TK_OK) compare_tally(check, summary, &tally);
  check->counts.spans += tally.spans;
  return status;
}

/* Every trace must be found by its id: that is what the trace filter is for. */
static enum tk_status check_trace_filter(struct check *check, const struct tk_segment *segment,
                                         int64_t segment_id, struct tk_error *error) {
  const uint32_t index = segment->fixed[TK_COL_TRACE_ID];
  const uint32_t count = segment->summary.trace_count;
  const struct tk_column *ids;
  sqlite3_stmt *statement = NULL;
  if (index == TK_NO_COLUMN) return tk_corrupt(error, "it has no trace ids");
  enum tk_status status = tk_reader_values(check->reader, segment, index, 0, count, &ids, error);
  if (status != TK_OK) return status;
  if (sqlite3_prepare_v2(check->store->db, "SELECT data FROM tk_filter WHERE id = ?1", -1,
                         &statement, NULL) != SQLITE_OK) {
    return tk_database_error(check->store->db, "read a filter", error);
  }
  sqlite3_bind_int64(statement, 1, segment_id << 16 | TK_COL_TRACE_ID);
  const int rc = sqlite3_step(statement);
  if (rc == SQLITE_DONE) {
    status = tk_corrupt(error, "its trace filter is missing");
  } else if (rc != SQLITE_ROW) {
    status = tk_database_error(check->store->db, "read a filter", error);
  } else {
    const uint8_t *blob = sqlite3_column_blob(statement, 0);
    const size_t size = (size_t)sqlite3_column_bytes(statement, 0);
    status = tk_membership_verify(blob, size, error);
    for (uint32_t t = 0; t < count && status == TK_OK; t++) {
      if (tk_membership_may_contain(blob, size, tk_hash64(ids->fixed + (size_t)t * 16, 16))) {
        continue;
      }
      status = tk_corrupt(error, "its trace filter does not know trace %u", t);
    }
  }
  sqlite3_finalize(statement);
  return status;
}

/* A filter may say yes to anything, but must to what is there. */
static enum tk_status check_value_filter(struct check *check, const struct tk_segment *segment,
                                         int number, const uint8_t *blob, size_t size,
                                         struct tk_error *error) {
  const struct tk_column *values;
  uint32_t index = 0;
  enum tk_status status = tk_membership_verify(blob, size, error);
  if (status != TK_OK) return status;
  while (index < segment->column_count && segment->columns[index].number != number) index++;
  if (index == segment->column_count || segment->columns[index].kind != TK_COLUMN_TEXT) {
    return tk_corrupt(error, "there is no such text column");
  }
  const uint32_t count = segment->columns[index].value_count;
  status = tk_reader_values(check->reader, segment, index, 0, count, &values, error);
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const struct tk_text text = tk_column_text(values, i);
    if (!tk_membership_may_contain(blob, size, tk_hash64(text.data, text.size))) {
      status = tk_corrupt(error, "it does not know value %u", i);
    }
  }
  return status;
}

static enum tk_status check_value_filters(struct check *check, const struct tk_segment *segment,
                                          int64_t segment_id, struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  enum tk_status status = TK_OK;
  uint32_t expected = 0, count = 0;
  int rc = SQLITE_ROW;
  for (uint32_t i = 0; i < segment->column_count; i++) {
    expected += segment->columns[i].has_filter && segment->columns[i].number != TK_COL_TRACE_ID;
  }
  if (sqlite3_prepare_v2(check->store->db,
                         "SELECT id & 65535, data FROM tk_filter "
                         "WHERE id > ?1 << 16 AND id < (?1 + 1) << 16",
                         -1, &statement, NULL) != SQLITE_OK) {
    return tk_database_error(check->store->db, "read a filter", error);
  }
  sqlite3_bind_int64(statement, 1, segment_id);
  while (status == TK_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    struct tk_error found = {{0}};
    count++;
    status = check_value_filter(check, segment, sqlite3_column_int(statement, 0),
                                sqlite3_column_blob(statement, 1),
                                (size_t)sqlite3_column_bytes(statement, 1), &found);
    if (status != TK_OK) {
      status = tk_fail(error, status, "column %d: filter: %s", sqlite3_column_int(statement, 0),
                       found.message);
    }
  }
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
    status = tk_database_error(check->store->db, "read a filter", error);
  } else if (status == TK_OK && count != expected) {
    status = tk_corrupt(error, "expected %u value filters, found %u", expected, count);
  }
  sqlite3_finalize(statement);
  return status;
}

static enum tk_status check_filters(struct check *check, const struct tk_segment *segment,
                                    int64_t id, struct tk_error *error) {
  struct tk_error found = {{0}};
  enum tk_status status = check_trace_filter(check, segment, id, &found);
  if (status == TK_OK) status = check_value_filters(check, segment, id, &found);
  if (status == TK_OK) return TK_OK;
  return tk_fail(error, status, "segment %lld: %s", (long long)id, found.message);
}

/* Chunks of the segment that its directory does not name. */
static enum tk_status check_stray_chunks(struct check *check, const struct tk_segment *segment,
                                         int64_t id, struct tk_error *error) {
  int64_t stored = 0;
  char sql[160];
  uint32_t expected = 0;
  for (uint32_t i = 0; i < segment->column_count; i++) {
    const struct tk_segment_column *column = &segment->columns[i];
    const bool empty = column->number >= TK_COL_FIRST_ATTRIBUTE && column->type == TK_VALUE_EMPTY;
    expected += !column->in_extras && !empty;
  }
  snprintf(sql, sizeof sql,
           "SELECT count(*) FROM tk_chunk WHERE id >= %lld << 16 AND id < (%lld + 1) << 16",
           (long long)id, (long long)id);
  enum tk_status status = tk_database_integer(check->store->db, sql, 0, &stored, error);
  if (status == TK_OK && stored != expected) {
    fault(check, "segment %lld: expected %u chunks, found %lld", (long long)id, expected,
          (long long)stored);
  }
  return status;
}

/* ---- what other tables say about a segment ---- */

/* Every attribute key of the directory is in tk_attribute_key. */
static enum tk_status check_attribute_keys(struct check *check, const struct tk_segment *segment,
                                           struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(
      check->store->db,
      "SELECT 1 FROM tk_attribute_key WHERE scope = ?1 AND key = ?2 AND type = ?3", -1, &statement,
      NULL);
  for (uint32_t i = 0; i < segment->column_count && (rc == SQLITE_OK || rc == SQLITE_ROW); i++) {
    const struct tk_segment_column *column = &segment->columns[i];
    if (column->number < TK_COL_FIRST_ATTRIBUTE) continue;
    sqlite3_reset(statement);
    sqlite3_bind_int(statement, 1, column->scope);
    rc = sqlite3_bind_text(statement, 2, column->key.data ? column->key.data : "",
                           (int)column->key.size, SQLITE_STATIC);
    sqlite3_bind_int(statement, 3, column->type);
    if (rc == SQLITE_OK) rc = sqlite3_step(statement);
    if (rc != SQLITE_DONE) continue;
    fault(check, "segment %lld: column %d: tk_attribute_key does not have its key `%.*s`",
          (long long)segment->summary.id, column->number, (int)column->key.size, column->key.data);
    rc = SQLITE_OK;
  }
  const enum tk_status status = rc == SQLITE_OK || rc == SQLITE_ROW
                                    ? TK_OK
                                    : tk_database_error(check->store->db, "read the keys", error);
  sqlite3_finalize(statement);
  return status;
}

static bool keep_whole_trace(struct whole_traces *whole, const uint8_t id[16]) {
  if (whole->count == whole->capacity) {
    const size_t capacity = whole->capacity ? whole->capacity * 2 : 1024;
    uint8_t(*ids)[16] = sqlite3_realloc64(whole->ids, capacity * sizeof *ids);
    if (!ids) return false;
    whole->ids = ids;
    whole->capacity = capacity;
  }
  memcpy(whole->ids[whole->count++], id, 16);
  return true;
}

/* Its rows of tk_split are of traces that it has; its other traces are remembered. */
static enum tk_status check_splits(struct check *check, const struct tk_segment *segment,
                                   struct tk_error *error) {
  const uint32_t count = segment->summary.trace_count;
  const bool has_split = segment->summary.flags & TK_SEGMENT_HAS_SPLIT;
  const struct tk_column *ids;
  sqlite3_stmt *statement = NULL;
  char sql[96];
  int64_t noted = 0, found = 0;
  enum tk_status status = tk_reader_values(check->reader, segment, segment->fixed[TK_COL_TRACE_ID],
                                           0, count, &ids, error);
  if (status != TK_OK) return status;
  int rc = sqlite3_prepare_v2(check->store->db,
                              "SELECT 1 FROM tk_split WHERE trace_id = ?1 AND segment_id = ?2", -1,
                              &statement, NULL);
  for (uint32_t t = 0; t < count && (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE);
       t++) {
    const uint8_t *id = ids->fixed + (size_t)t * 16;
    sqlite3_reset(statement);
    rc = has_split ? sqlite3_bind_blob(statement, 1, id, 16, SQLITE_STATIC) : SQLITE_DONE;
    sqlite3_bind_int64(statement, 2, segment->summary.id);
    if (rc == SQLITE_OK) rc = sqlite3_step(statement);
    found += rc == SQLITE_ROW;
    if (rc == SQLITE_DONE && !keep_whole_trace(&check->whole, id)) rc = SQLITE_NOMEM;
  }
  if (rc == SQLITE_NOMEM) {
    status = tk_nomem(error);
  } else if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE) {
    status = tk_database_error(check->store->db, "read tk_split", error);
  }
  sqlite3_finalize(statement);
  snprintf(sql, sizeof sql, "SELECT count(*) FROM tk_split WHERE segment_id = %lld",
           (long long)segment->summary.id);
  if (status == TK_OK) status = tk_database_integer(check->store->db, sql, 0, &noted, error);
  if (status == TK_OK && noted != found) {
    fault(check, "segment %lld: %lld rows of tk_split, but only %lld of its traces",
          (long long)segment->summary.id, (long long)noted, (long long)found);
  }
  return status;
}

static int compare_ids(const void *left, const void *right) {
  return memcmp(left, right, 16);
}

static void check_whole_traces(struct check *check) {
  struct whole_traces *whole = &check->whole;
  if (whole->count > 0) qsort(whole->ids, whole->count, sizeof *whole->ids, compare_ids);
  for (size_t i = 1; i < whole->count; i++) {
    if (compare_ids(whole->ids[i - 1], whole->ids[i]) != 0) continue;
    char text[33];
    for (size_t k = 0; k < 16; k++) snprintf(text + 2 * k, 3, "%02x", whole->ids[i][k]);
    fault(check, "trace %s is in several segments, and tk_split does not say so", text);
  }
}

static enum tk_status check_segment(struct check *check, uint32_t index, struct tk_error *error) {
  const struct tk_segment_summary summary = check->reader->segments[index];
  const struct tk_segment *segment = NULL;
  struct tk_error found = {{0}};
  check->counts.segments++;
  enum tk_status status = tk_reader_segment(check->reader, index, &segment, &found);
  if (status == TK_OK) {
    const uint64_t faults = check->counts.faults;
    status = check_columns(check, segment, &found);
    if (status == TK_OK) status = check_filters(check, segment, summary.id, &found);
    if (status == TK_OK) status = check_stray_chunks(check, segment, summary.id, &found);
    if (status == TK_OK) status = check_attribute_keys(check, segment, &found);
    if (status == TK_OK) status = check_splits(check, segment, &found);
    /* A broken column was reported once; reading whole spans would only say it again. */
    if (status == TK_OK && check->counts.faults == faults) {
      status = check_spans(check, segment, &summary, &found);
    }
  }
  tk_segment_release(segment);
  status = note(check, status, &found);
  if (status != TK_OK && error) *error = found;
  return status;
}

static void report_fault(void *context, const char *message) {
  fault(context, "%s", message);
}

enum tk_status tk_store_check(struct tk_store *store, tk_check_report *report, void *context,
                              struct tk_check_counts *counts_out, struct tk_error *error) {
  struct check check = {.store = store, .report = report, .context = context};
  struct tk_transaction transaction = {0};
  enum tk_status status = TK_OK;
  tk_segment_cache_clear(); /* what is read must come from the file */
  if (sqlite3_get_autocommit(store->db)) {
    status = tk_transaction_begin(&transaction, store->db, "BEGIN", "begin to read", error);
  }
  if (status == TK_OK) status = check_tables(&check, error);
  if (status == TK_OK) {
    struct tk_error found = {{0}};
    status = tk_reader_open(store->db, "main", &check.reader, &found);
    if (status == TK_OK) status = tk_reader_refresh(check.reader, &found);
    const bool readable = status == TK_OK;
    status = note(&check, status, &found);
    if (status != TK_OK && error) *error = found;
    const char *damage;
    for (uint32_t i = 0; readable && (damage = tk_reader_damage(check.reader, i)) != NULL; i++) {
      fault(&check, "%s", damage);
    }
    for (uint32_t i = 0; readable && i < check.reader->segment_count && status == TK_OK; i++) {
      status = check_segment(&check, i, error);
    }
    if (status == TK_OK) check_whole_traces(&check);
    if (status == TK_OK) {
      status = tk_check_documents(store->db, report_fault, &check, &check.counts.documents, &found);
      status = note(&check, status, &found);
      if (status != TK_OK && error) *error = found;
    }
  }
  sqlite3_free(check.whole.ids);
  tk_reader_close(check.reader);
  tk_transaction_end(&transaction);
  if (counts_out) *counts_out = check.counts;
  return status;
}
