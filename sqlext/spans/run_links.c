/* SPDX-License-Identifier: MIT
 * Links of traces to runs: a hash table from trace id to what an envelope says. There are as many
 * entries as envelopes name traces, which is few beside spans, so that all are read at once. */
#include "sqlext/spans/run_links.h"

#include <string.h>

#include "tracekeep/hash.h"
#include "tracekeep/scan.h"
#include "tracekeep/span.h"

struct tk_run_link {
  uint8_t trace_id[16];
  const struct tk_run_facts *facts; /* NULL: a free slot */
};

/* Of several envelopes that name a trace the latest comes last, and stays. */
static const char links_sql[] =
    "SELECT t.trace_id, e.id, e.run_id, e.branch_name, e.valid, e.event_count,"
    " (SELECT a.path FROM \"%w\".tk_envelope_artifact a"
    " WHERE a.envelope_id = e.id AND a.path IS NOT NULL ORDER BY a.ordinal LIMIT 1)"
    " FROM \"%w\".tk_envelope e JOIN \"%w\".tk_envelope_trace t ON t.envelope_id = e.id"
    " ORDER BY julianday(e.generated_at), e.id";
enum { COLUMN_TRACE, COLUMN_ENVELOPE, COLUMN_FIRST_FACT };

static const char exists_sql[] =
    "SELECT count(*) FROM \"%w\".sqlite_schema WHERE name = 'tk_envelope_trace'";

static struct tk_run_link *find_slot(const struct tk_run_links *links, const uint8_t trace_id[16]) {
  uint32_t slot = (uint32_t)tk_hash64(trace_id, 16);
  for (;; slot++) {
    struct tk_run_link *link = &links->slots[slot & (links->slot_count - 1)];
    if (!link->facts || memcmp(link->trace_id, trace_id, 16) == 0) return link;
  }
}

/* Keeps at least half of the slots free. */
static bool make_room(struct tk_run_links *links) {
  struct tk_run_links wider = *links;
  if (2 * (links->count + 1) <= links->slot_count) return true;
  if (links->slot_count > UINT32_MAX / 4) return false;
  wider.slot_count = links->slot_count ? 2 * links->slot_count : 64;
  wider.slots = sqlite3_malloc64(wider.slot_count * sizeof *wider.slots);
  if (!wider.slots) return false;
  memset(wider.slots, 0, wider.slot_count * sizeof *wider.slots);
  for (uint32_t i = 0; i < links->slot_count; i++) {
    if (links->slots[i].facts) *find_slot(&wider, links->slots[i].trace_id) = links->slots[i];
  }
  sqlite3_free(links->slots);
  *links = wider;
  return true;
}

/* A column of the statement as a value whose text is in the arena. */
static bool keep_value(struct tk_arena *arena, sqlite3_stmt *row, int column,
                       struct tk_sql_value *value) {
  const int size = sqlite3_column_bytes(row, column);
  *value = (struct tk_sql_value){.type = TK_SQL_NULL};
  switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
      value->type = TK_SQL_INT;
      value->as.integer = sqlite3_column_int64(row, column);
      return true;
    case SQLITE_TEXT: {
      char *copy = tk_arena_alloc_bytes(arena, (size_t)size + 1);
      if (!copy) return false;
      memcpy(copy, sqlite3_column_text(row, column), (size_t)size);
      value->type = TK_SQL_TEXT;
      value->as.text = (struct tk_text){copy, (uint32_t)size};
      return true;
    }
    default:
      return true;
  }
}

static const struct tk_run_facts *keep_facts(struct tk_arena *arena, sqlite3_stmt *row) {
  struct tk_run_facts *facts = tk_arena_alloc(arena, sizeof *facts);
  bool kept = facts != NULL;
  for (int i = 0; i < TK_RUN_FACT_COUNT && kept; i++) {
    kept = keep_value(arena, row, COLUMN_FIRST_FACT + i, &facts->values[i]);
  }
  return kept ? facts : NULL;
}

static int read_links(struct tk_run_links *links, sqlite3_stmt *rows) {
  const struct tk_run_facts *facts = NULL;
  sqlite3_int64 envelope = 0;
  int rc;
  while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
    uint8_t trace_id[16];
    const char *text = (const char *)sqlite3_column_text(rows, COLUMN_TRACE);
    if (!text) continue;
    tk_trace_id_parse((struct tk_text){text, (uint32_t)sqlite3_column_bytes(rows, COLUMN_TRACE)},
                      trace_id);
    if (!facts || sqlite3_column_int64(rows, COLUMN_ENVELOPE) != envelope) {
      envelope = sqlite3_column_int64(rows, COLUMN_ENVELOPE);
      facts = keep_facts(&links->arena, rows);
    }
    if (!facts || !make_room(links)) return SQLITE_NOMEM;
    struct tk_run_link *link = find_slot(links, trace_id);
    links->count += link->facts == NULL;
    memcpy(link->trace_id, trace_id, 16);
    link->facts = facts;
  }
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int prepare(sqlite3 *db, const char *schema, const char *text, sqlite3_stmt **statement) {
  char *sql = sqlite3_mprintf(text, schema, schema, schema);
  if (!sql) return SQLITE_NOMEM;
  const int rc = sqlite3_prepare_v2(db, sql, -1, statement, NULL);
  sqlite3_free(sql);
  return rc;
}

enum tk_status tk_run_links_load(struct tk_run_links *links, sqlite3 *db, const char *schema,
                                 struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  *links = (struct tk_run_links){0};
  int rc = prepare(db, schema, exists_sql, &statement);
  const bool exists = rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
                      sqlite3_column_int(statement, 0) > 0;
  if (rc == SQLITE_OK) rc = sqlite3_finalize(statement);
  if (rc == SQLITE_OK && exists) {
    rc = prepare(db, schema, links_sql, &statement);
    if (rc == SQLITE_OK) rc = read_links(links, statement);
    sqlite3_finalize(statement);
  }
  if (rc == SQLITE_OK) return TK_OK;
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  return tk_fail(error, TK_IO, "cannot read the envelopes of \"%s\": %s", schema,
                 sqlite3_errmsg(db));
}

void tk_run_links_reset(struct tk_run_links *links) {
  tk_arena_reset(&links->arena);
  sqlite3_free(links->slots);
  *links = (struct tk_run_links){0};
}

const struct tk_run_facts *tk_run_links_find(const struct tk_run_links *links,
                                             const uint8_t trace_id[16]) {
  return links->slot_count ? find_slot(links, trace_id)->facts : NULL;
}
