/* SPDX-License-Identifier: MIT
 * Statements are kept in one table, prepared on first use and kept. */
#include "store/catalog.h"

#include <string.h>

#include "store/database.h"
#include "tracekeep/hash.h"

enum statement_id {
  GET_GENERATION,
  BUMP_GENERATION,
  GET_NEXT_SEGMENT,
  SET_NEXT_SEGMENT,
  INSERT_SEGMENT,
  INSERT_CHUNK,
  INSERT_FILTER,
  DELETE_SEGMENT,
  DELETE_CHUNKS,
  DELETE_FILTERS,
  DELETE_SPLITS,
  ADD_SPLIT,
  FLAG_SEGMENT,
  FIND_RESOURCE,
  INSERT_RESOURCE,
  FIND_SCOPE,
  INSERT_SCOPE,
  ADD_KEY,
  ADD_ALIAS,
  INSERT_SOURCE,
  UPDATE_SOURCE,
  FIND_SOURCE,
  FIND_PROGRESS,
  ADD_ISSUE,
  STATEMENT_COUNT
};

static const char *const catalog_sql[STATEMENT_COUNT] = {
    [GET_GENERATION] = "SELECT value FROM tk_meta WHERE key='generation'",
    [BUMP_GENERATION] = "UPDATE tk_meta SET value = value + 1 WHERE key='generation'",
    [GET_NEXT_SEGMENT] = "SELECT value FROM tk_meta WHERE key='next_segment_id'",
    [SET_NEXT_SEGMENT] = "UPDATE tk_meta SET value = ?1 WHERE key='next_segment_id'",
    [INSERT_SEGMENT] =
        "INSERT INTO tk_segment VALUES "
        "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)",
    [INSERT_CHUNK] = "INSERT INTO tk_chunk VALUES (?1, ?2)",
    [INSERT_FILTER] = "INSERT INTO tk_filter VALUES (?1, ?2)",
    [DELETE_SEGMENT] = "DELETE FROM tk_segment WHERE id = ?1",
    [DELETE_CHUNKS] = "DELETE FROM tk_chunk WHERE id >= ?1 << 16 AND id < (?1 + 1) << 16",
    [DELETE_FILTERS] = "DELETE FROM tk_filter WHERE id >= ?1 << 16 AND id < (?1 + 1) << 16",
    [DELETE_SPLITS] = "DELETE FROM tk_split WHERE segment_id = ?1",
    [ADD_SPLIT] = "INSERT OR IGNORE INTO tk_split VALUES (?1, ?2)",
    [FLAG_SEGMENT] = "UPDATE tk_segment SET flags = flags | ?2 WHERE id = ?1",
    [FIND_RESOURCE] = "SELECT id, content FROM tk_resource WHERE hash = ?1",
    [INSERT_RESOURCE] = "INSERT INTO tk_resource(hash, service, content) VALUES (?1, ?2, ?3)",
    [FIND_SCOPE] = "SELECT id, content FROM tk_scope WHERE hash = ?1",
    [INSERT_SCOPE] = "INSERT INTO tk_scope(hash, name, content) VALUES (?1, ?2, ?3)",
    [ADD_KEY] = "INSERT OR IGNORE INTO tk_attribute_key(scope, key, type) VALUES (?1, ?2, ?3)",
    [ADD_ALIAS] = "INSERT OR IGNORE INTO tk_trace_alias VALUES (?1, ?2)",
    [INSERT_SOURCE] =
        "INSERT INTO tk_ingest(source, format, head_hash, offset, offset_hash, complete, records, "
        "spans_new, spans_duplicate, spans_conflicting, rejected, issues, started_at, finished_at) "
        "VALUES (?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13, strftime('%Y-%m-%dT%H:%M:%fZ','now'), "
        "CASE WHEN ?7 THEN strftime('%Y-%m-%dT%H:%M:%fZ','now') END)",
    [UPDATE_SOURCE] =
        "UPDATE tk_ingest SET source=?2, format=?3, head_hash=?4, offset=?5, offset_hash=?6, "
        "complete=?7, records=?8, spans_new=?9, spans_duplicate=?10, spans_conflicting=?11, "
        "rejected=?12, issues=?13, "
        "finished_at=CASE WHEN ?7 THEN strftime('%Y-%m-%dT%H:%M:%fZ','now') END WHERE id=?1",
    [FIND_SOURCE] =
        "SELECT id, records, spans_new, spans_duplicate, spans_conflicting, rejected, issues, "
        "complete FROM tk_ingest WHERE offset=?1 AND offset_hash=?2 AND (?1 > 0 OR source=?3) "
        "ORDER BY source=?3 DESC, id DESC",
    [FIND_PROGRESS] =
        "SELECT offset, offset_hash FROM tk_ingest "
        "WHERE (source = ?1 OR head_hash = ?2) AND offset > 0 ORDER BY id DESC LIMIT ?3",
    [ADD_ISSUE] =
        "INSERT OR IGNORE INTO tk_issue(identity, ingest_id, rule, severity, trace_id, "
        "span_id, line, offset, message, raw) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
};

struct tk_catalog {
  sqlite3 *db;
  sqlite3_stmt *statements[STATEMENT_COUNT];
  struct tk_transaction transaction;
  bool keys_added; /* in this transaction */
};

/* ---- statements ---- */

static enum tk_status get_statement(struct tk_catalog *catalog, enum statement_id id,
                                    sqlite3_stmt **statement_out, struct tk_error *error) {
  *statement_out = NULL;
  if (!catalog->statements[id] &&
      sqlite3_prepare_v3(catalog->db, catalog_sql[id], -1, SQLITE_PREPARE_PERSISTENT,
                         &catalog->statements[id], NULL) != SQLITE_OK) {
    return tk_database_error(catalog->db, "prepare a change of the store", error);
  }
  *statement_out = catalog->statements[id];
  return TK_OK;
}

/* Runs a statement that returns no rows, and makes it ready for the next time. */
static enum tk_status run(struct tk_catalog *catalog, sqlite3_stmt *statement, const char *doing,
                          struct tk_error *error) {
  const int rc = sqlite3_step(statement);
  enum tk_status status = TK_OK;
  if (rc != SQLITE_DONE && rc != SQLITE_ROW) status = tk_database_error(catalog->db, doing, error);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

static enum tk_status run_with_id(struct tk_catalog *catalog, enum statement_id which, int64_t id,
                                  const char *doing, struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(catalog, which, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, id);
  return run(catalog, statement, doing, error);
}

static enum tk_status read_integer(struct tk_catalog *catalog, enum statement_id which,
                                   int64_t *value_out, struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(catalog, which, &statement, error);
  if (status != TK_OK) return status;
  const int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    *value_out = sqlite3_column_int64(statement, 0);
  } else if (rc == SQLITE_DONE) {
    status = tk_corrupt(error, "the store's tk_meta lacks a row; its file is damaged");
  } else {
    status = tk_database_error(catalog->db, "read the store", error);
  }
  sqlite3_reset(statement);
  return status;
}

static void bind_text(sqlite3_stmt *statement, int parameter, struct tk_text text) {
  sqlite3_bind_text(statement, parameter, text.size ? text.data : "", (int)text.size,
                    SQLITE_STATIC);
}

static void bind_blob(sqlite3_stmt *statement, int parameter, const void *bytes, size_t size) {
  sqlite3_bind_blob64(statement, parameter, size ? bytes : "", size, SQLITE_STATIC);
}

/* ---- opening ---- */

enum tk_status tk_catalog_open(sqlite3 *db, struct tk_catalog **catalog_out,
                               struct tk_error *error) {
  struct tk_catalog *catalog = sqlite3_malloc64(sizeof *catalog);
  *catalog_out = catalog;
  if (!catalog) return tk_nomem(error);
  memset(catalog, 0, sizeof *catalog);
  catalog->db = db;
  return TK_OK;
}

void tk_catalog_close(struct tk_catalog *catalog) {
  if (!catalog) return;
  tk_catalog_rollback(catalog);
  for (int i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize(catalog->statements[i]);
  sqlite3_free(catalog);
}

/* ---- transactions ---- */

enum tk_status tk_catalog_overtaken(struct tk_error *error) {
  return tk_fail(error, TK_BUSY,
                 "another program ingested into this store at the same time; "
                 "run the same command again to continue");
}

enum tk_status tk_catalog_begin(struct tk_catalog *catalog, int64_t expected_generation,
                                struct tk_error *error) {
  int64_t generation = 0;
  enum tk_status status = tk_transaction_begin(&catalog->transaction, catalog->db,
                                               "BEGIN IMMEDIATE", "begin to write", error);
  if (status != TK_OK) return status;
  catalog->keys_added = false;
  status = read_integer(catalog, GET_GENERATION, &generation, error);
  if (status == TK_OK && generation != expected_generation) status = tk_catalog_overtaken(error);
  if (status != TK_OK) tk_catalog_rollback(catalog);
  return status;
}

enum tk_status tk_catalog_commit(struct tk_catalog *catalog, int64_t *generation_out,
                                 struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(catalog, BUMP_GENERATION, &statement, error);
  if (status == TK_OK) status = run(catalog, statement, "commit", error);
  if (status == TK_OK) status = read_integer(catalog, GET_GENERATION, generation_out, error);
  /* Any change of the schema makes open connections connect their virtual tables again, and so see
   * the columns of the new keys. */
  if (status == TK_OK && catalog->keys_added) {
    status = tk_database_execute(catalog->db,
                                 "CREATE TABLE tk_schema_changed(x); DROP TABLE tk_schema_changed",
                                 "announce new attribute keys", error);
  }
  if (status == TK_OK) status = tk_database_execute(catalog->db, "COMMIT", "commit", error);
  tk_catalog_rollback(catalog); /* what is not committed */
  return status;
}

void tk_catalog_rollback(struct tk_catalog *catalog) {
  if (!catalog->transaction.rollback) return;
  for (int i = 0; i < STATEMENT_COUNT; i++) {
    if (catalog->statements[i]) sqlite3_reset(catalog->statements[i]);
  }
  tk_transaction_end(&catalog->transaction);
}

/* ---- resources, scopes, keys, aliases ---- */

static enum tk_status find_entry(struct tk_catalog *catalog, enum statement_id which,
                                 const struct tk_encoded_entry *entry, uint64_t hash,
                                 int64_t *id_out, struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(catalog, which, &statement, error);
  if (status != TK_OK) return status;
  int rc;
  *id_out = 0;
  sqlite3_bind_int64(statement, 1, (int64_t)hash);
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW && *id_out == 0) {
    const void *content = sqlite3_column_blob(statement, 1);
    const size_t size = (size_t)sqlite3_column_bytes(statement, 1);
    if (size == entry->content.size && size && memcmp(content, entry->content.data, size) == 0) {
      *id_out = sqlite3_column_int64(statement, 0);
    }
  }
  if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
    status = tk_database_error(catalog->db, "read resources and scopes", error);
  }
  sqlite3_reset(statement);
  return status;
}

static enum tk_status add_key(struct tk_catalog *catalog, enum tk_attribute_scope scope,
                              struct tk_text key, uint32_t type, struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(catalog, ADD_KEY, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int(statement, 1, (int)scope);
  bind_text(statement, 2, key);
  sqlite3_bind_int(statement, 3, (int)type);
  status = run(catalog, statement, "store an attribute key", error);
  if (status == TK_OK && sqlite3_changes(catalog->db) > 0) catalog->keys_added = true;
  return status;
}

static enum tk_status insert_entry(struct tk_catalog *catalog, enum statement_id which,
                                   enum tk_attribute_scope scope,
                                   const struct tk_encoded_entry *entry, uint64_t hash,
                                   int64_t *id_out, struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(catalog, which, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, (int64_t)hash);
  if (entry->name.data || scope == TK_SCOPE_SCOPE) bind_text(statement, 2, entry->name);
  bind_blob(statement, 3, entry->content.data, entry->content.size);
  status = run(catalog, statement, "store a resource or scope", error);
  *id_out = sqlite3_last_insert_rowid(catalog->db);
  for (uint32_t i = 0; i < entry->attributes->count && status == TK_OK; i++) {
    const struct tk_attribute *attribute = &entry->attributes->items[i];
    status = add_key(catalog, scope, attribute->key, attribute->value.type, error);
  }
  return status;
}

/* Writes the ids of the segment's resources (scopes) as varints, storing those that are new. */
static enum tk_status put_entries(struct tk_catalog *catalog, enum tk_attribute_scope scope,
                                  const struct tk_encoded_entry *entries, uint32_t count,
                                  struct tk_byte_writer *ids, struct tk_error *error) {
  const bool resources = scope == TK_SCOPE_RESOURCE;
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t hash = tk_hash64(entries[i].content.data, entries[i].content.size);
    int64_t id = 0;
    enum tk_status status =
        find_entry(catalog, resources ? FIND_RESOURCE : FIND_SCOPE, &entries[i], hash, &id, error);
    if (status == TK_OK && id == 0) {
      status = insert_entry(catalog, resources ? INSERT_RESOURCE : INSERT_SCOPE, scope, &entries[i],
                            hash, &id, error);
    }
    if (status != TK_OK) return status;
    tk_byte_writer_append_varint(ids, (uint64_t)id);
  }
  return ids->failed ? tk_nomem(error) : TK_OK;
}

static enum tk_status put_keys(struct tk_catalog *catalog, const struct tk_segment_writer *writer,
                               struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t c = 0; c < writer->directory.column_count && status == TK_OK; c++) {
    const struct tk_segment_column *column = &writer->directory.columns[c];
    if (column->number < TK_COL_FIRST_ATTRIBUTE) continue;
    status =
        add_key(catalog, (enum tk_attribute_scope)column->scope, column->key, column->type, error);
  }
  return status;
}

static enum tk_status put_aliases(struct tk_catalog *catalog,
                                  const struct tk_segment_writer *writer, struct tk_error *error) {
  const struct tk_span_order *order = &writer->order;
  for (uint32_t t = 0; t < order->trace_count; t++) {
    const struct tk_span *span = order->rows[order->trace_rows[t]];
    sqlite3_stmt *statement;
    if (!(span->presence & TK_SPAN_TEXT_TRACE_ID)) continue;
    enum tk_status status = get_statement(catalog, ADD_ALIAS, &statement, error);
    if (status != TK_OK) return status;
    bind_blob(statement, 1, span->trace_id, sizeof span->trace_id);
    bind_text(statement, 2, span->trace_id_text);
    status = run(catalog, statement, "store the text of a trace id", error);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

/* ---- segments ---- */

static enum tk_status insert_bytes(struct tk_catalog *catalog, enum statement_id which, int64_t id,
                                   const struct tk_byte_writer *bytes, struct tk_error *error) {
  sqlite3_stmt *statement;
  if (bytes->size == 0) return TK_OK;
  enum tk_status status = get_statement(catalog, which, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, id);
  bind_blob(statement, 2, bytes->data, bytes->size);
  return run(catalog, statement, "store a column", error);
}

static enum tk_status insert_segment_row(struct tk_catalog *catalog,
                                         const struct tk_segment_writer *writer, int64_t id,
                                         uint32_t flags, const struct tk_byte_writer *resources,
                                         const struct tk_byte_writer *scopes,
                                         struct tk_error *error) {
  const struct tk_segment_summary *summary = &writer->directory.summary;
  sqlite3_stmt *statement;
  struct tk_hash hash;
  enum tk_status status = get_statement(catalog, INSERT_SEGMENT, &statement, error);
  if (status != TK_OK) return status;
  tk_hash_init(&hash);
  tk_hash_update(&hash, resources->data, resources->size);
  tk_hash_update(&hash, scopes->data, scopes->size);
  tk_hash_update(&hash, writer->directory_bytes.data, writer->directory_bytes.size);
  const int64_t values[] = {
      id,
      TK_SEGMENT_FORMAT,
      flags,
      summary->span_count,
      summary->trace_count,
      summary->event_count,
      summary->link_count,
      summary->error_count,
      (int64_t)summary->start_min,
      (int64_t)summary->start_max,
      (int64_t)summary->end_max,
      summary->duration_min,
      summary->duration_max,
      (int64_t)summary->raw_bytes,
      (int64_t)summary->stored_bytes,
      (int64_t)tk_hash_digest(&hash),
  };
  enum { INTEGERS = sizeof values / sizeof values[0] };
  for (int i = 0; i < INTEGERS; i++) sqlite3_bind_int64(statement, i + 1, values[i]);
  bind_blob(statement, INTEGERS + 1, resources->data, resources->size);
  bind_blob(statement, INTEGERS + 2, scopes->data, scopes->size);
  bind_blob(statement, INTEGERS + 3, writer->directory_bytes.data, writer->directory_bytes.size);
  return run(catalog, statement, "store a segment", error);
}

static enum tk_status next_segment_id(struct tk_catalog *catalog, int64_t *id_out,
                                      struct tk_error *error) {
  enum tk_status status = read_integer(catalog, GET_NEXT_SEGMENT, id_out, error);
  if (status != TK_OK) return status;
  return run_with_id(catalog, SET_NEXT_SEGMENT, *id_out + 1, "number a segment", error);
}

enum tk_status tk_catalog_insert_segment(struct tk_catalog *catalog,
                                         const struct tk_segment_writer *writer, uint32_t flags,
                                         int64_t *id_out, struct tk_error *error) {
  struct tk_byte_writer resources = {0}, scopes = {0};
  int64_t id = 0;
  enum tk_status status = next_segment_id(catalog, &id, error);
  if (status == TK_OK) {
    status = put_entries(catalog, TK_SCOPE_RESOURCE, writer->resources, writer->resource_count,
                         &resources, error);
  }
  if (status == TK_OK) {
    status =
        put_entries(catalog, TK_SCOPE_SCOPE, writer->scopes, writer->scope_count, &scopes, error);
  }
  if (status == TK_OK) status = put_keys(catalog, writer, error);
  if (status == TK_OK) status = put_aliases(catalog, writer, error);
  if (status == TK_OK) {
    status = insert_segment_row(catalog, writer, id, flags, &resources, &scopes, error);
  }
  for (uint32_t i = 0; i < writer->task_count && status == TK_OK; i++) {
    const struct tk_encoded_chunk *encoded = &writer->chunks[i];
    const int64_t chunk_id = id << 16 | encoded->number;
    status = insert_bytes(catalog, INSERT_CHUNK, chunk_id, &encoded->chunk, error);
    if (status == TK_OK) {
      status = insert_bytes(catalog, INSERT_FILTER, chunk_id, &encoded->filter, error);
    }
  }
  tk_byte_writer_reset(&resources);
  tk_byte_writer_reset(&scopes);
  *id_out = id;
  return status;
}

enum tk_status tk_catalog_delete_segment(struct tk_catalog *catalog, int64_t id,
                                         struct tk_error *error) {
  static const enum statement_id steps[] = {DELETE_SPLITS, DELETE_FILTERS, DELETE_CHUNKS,
                                            DELETE_SEGMENT};
  enum tk_status status = TK_OK;
  for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == TK_OK; i++) {
    status = run_with_id(catalog, steps[i], id, "replace a segment", error);
  }
  return status;
}

enum tk_status tk_catalog_add_split(struct tk_catalog *catalog, const uint8_t trace_id[16],
                                    int64_t segment_id, struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(catalog, ADD_SPLIT, &statement, error);
  if (status != TK_OK) return status;
  bind_blob(statement, 1, trace_id, 16);
  sqlite3_bind_int64(statement, 2, segment_id);
  status = run(catalog, statement, "note a split trace", error);
  if (status != TK_OK || sqlite3_changes(catalog->db) == 0) return status;
  status = get_statement(catalog, FLAG_SEGMENT, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, segment_id);
  sqlite3_bind_int(statement, 2, TK_SEGMENT_HAS_SPLIT);
  return run(catalog, statement, "note a split trace", error);
}

/* ---- sources and issues ---- */

enum tk_status tk_catalog_put_source(struct tk_catalog *catalog, struct tk_source_progress *source,
                                     struct tk_error *error) {
  const bool is_new = source->id == 0;
  sqlite3_stmt *statement;
  enum tk_status status =
      get_statement(catalog, is_new ? INSERT_SOURCE : UPDATE_SOURCE, &statement, error);
  if (status != TK_OK) return status;
  const int64_t values[] = {
      (int64_t)source->head_hash,
      (int64_t)source->reached.offset,
      (int64_t)source->reached.hash,
      source->complete,
      (int64_t)source->counts.records,
      (int64_t)source->counts.spans_new,
      (int64_t)source->counts.spans_duplicate,
      (int64_t)source->counts.spans_conflicting,
      (int64_t)source->counts.rejected,
      (int64_t)source->counts.issues,
  };
  if (!is_new) sqlite3_bind_int64(statement, 1, source->id);
  sqlite3_bind_text(statement, 2, source->name, -1, SQLITE_STATIC);
  sqlite3_bind_text(statement, 3, source->format, -1, SQLITE_STATIC);
  for (int i = 0; i < (int)(sizeof values / sizeof values[0]); i++) {
    sqlite3_bind_int64(statement, 4 + i, values[i]);
  }
  status = run(catalog, statement, "note the progress of a source", error);
  if (status == TK_OK && is_new) source->id = sqlite3_last_insert_rowid(catalog->db);
  return status;
}

enum tk_status tk_catalog_find_source(struct tk_catalog *catalog, const struct tk_progress *reached,
                                      struct tk_source_progress *found_out,
                                      struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(catalog, FIND_SOURCE, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, (int64_t)reached->offset);
  sqlite3_bind_int64(statement, 2, (int64_t)reached->hash);
  sqlite3_bind_text(statement, 3, found_out->name, -1, SQLITE_STATIC);
  const int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    struct tk_ingest_counts *counts = &found_out->counts;
    found_out->id = sqlite3_column_int64(statement, 0);
    counts->records = (uint64_t)sqlite3_column_int64(statement, 1);
    counts->spans_new = (uint64_t)sqlite3_column_int64(statement, 2);
    counts->spans_duplicate = (uint64_t)sqlite3_column_int64(statement, 3);
    counts->spans_conflicting = (uint64_t)sqlite3_column_int64(statement, 4);
    counts->rejected = (uint64_t)sqlite3_column_int64(statement, 5);
    counts->issues = (uint64_t)sqlite3_column_int64(statement, 6);
    found_out->complete = sqlite3_column_int(statement, 7) != 0;
  } else if (rc != SQLITE_DONE) {
    status = tk_database_error(catalog->db, "look up earlier ingests", error);
  }
  sqlite3_reset(statement);
  return status;
}

enum tk_status tk_catalog_find_progress(struct tk_catalog *catalog, const char *name,
                                        uint64_t head_hash, struct tk_progress *progress,
                                        size_t capacity, size_t *count_out,
                                        struct tk_error *error) {
  sqlite3_stmt *statement;
  int rc;
  *count_out = 0;
  enum tk_status status = get_statement(catalog, FIND_PROGRESS, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 2, (int64_t)head_hash);
  sqlite3_bind_int64(statement, 3, (int64_t)capacity);
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW && *count_out < capacity) {
    progress[*count_out].offset = (uint64_t)sqlite3_column_int64(statement, 0);
    progress[*count_out].hash = (uint64_t)sqlite3_column_int64(statement, 1);
    ++*count_out;
  }
  if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
    status = tk_database_error(catalog->db, "look up earlier ingests", error);
  }
  sqlite3_reset(statement);
  return status;
}

static uint64_t issue_identity(const struct tk_issue *issue) {
  struct tk_hash hash;
  uint8_t offset[8];
  for (int i = 0; i < 8; i++) offset[i] = (uint8_t)(issue->offset >> (8 * i));
  tk_hash_init(&hash);
  tk_hash_update(&hash, issue->rule, strlen(issue->rule) + 1);
  if (issue->has_trace) tk_hash_update(&hash, issue->trace_id, sizeof issue->trace_id);
  if (issue->has_span) tk_hash_update(&hash, issue->span_id, sizeof issue->span_id);
  tk_hash_update(&hash, issue->message.data, issue->message.size);
  tk_hash_update(&hash, issue->raw.data, issue->raw.size);
  tk_hash_update(&hash, offset, sizeof offset);
  return tk_hash_digest(&hash);
}

enum tk_status tk_catalog_add_issue(struct tk_catalog *catalog, int64_t source_id,
                                    const struct tk_issue *issue, bool *is_new,
                                    struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(catalog, ADD_ISSUE, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, (int64_t)issue_identity(issue));
  sqlite3_bind_int64(statement, 2, source_id);
  sqlite3_bind_text(statement, 3, issue->rule, -1, SQLITE_STATIC);
  sqlite3_bind_int(statement, 4, (int)issue->severity);
  if (issue->has_trace) bind_blob(statement, 5, issue->trace_id, sizeof issue->trace_id);
  if (issue->has_span) bind_blob(statement, 6, issue->span_id, sizeof issue->span_id);
  if (issue->line) sqlite3_bind_int64(statement, 7, (int64_t)issue->line);
  sqlite3_bind_int64(statement, 8, (int64_t)issue->offset);
  bind_text(statement, 9, issue->message);
  if (issue->raw.size) bind_blob(statement, 10, issue->raw.data, issue->raw.size);
  status = run(catalog, statement, "store an issue", error);
  *is_new = status == TK_OK && sqlite3_changes(catalog->db) > 0;
  return status;
}
