/* SPDX-License-Identifier: MIT
 * The module behind every table over the events of documents.
 *
 * Constraints used: = on the run, on the document, on the schema and on the arguments of a
 * function, which are its hidden columns. idxNum has a bit for each, argv comes in the order of the
 * bits; idxStr has the columns that will be read, in hexadecimal. All are omitted but those on the
 * columns of a table that is no function, where the comparison is SQLite's to repeat. */
#include "sqlext/kvonce/run_function.h"

#include <stdlib.h>
#include <string.h>

#include "sqlext/tables/table_support.h"
#include "sqlext/vtab_support.h"

enum use {
  USE_RUN,
  USE_DOCUMENT,
  USE_SCHEMA,
  USE_ARGUMENT,
  USE_COUNT = USE_ARGUMENT + TK_RUN_ARGUMENTS
};

/* Before each row. */
struct row_header {
  int64_t document_id;
  const char *run_id; /* NULL: none; in the arena */
  uint32_t number;    /* among the rows of the document in the run */
};

/* What a connection sees of the store changes if and only if one of these does. */
struct stamp {
  sqlite3_int64 own_changes;
  int data_version; /* by others */
};

/* The rows of one document after the other; or those of a whole run, which then stay with the
 * table: a join or a subquery asks for the same run again and again. */
struct run_set {
  struct tk_run_rows rows;
  unsigned references;
  char *of_run; /* NULL: not of a whole run */
  struct stamp stamp;
};

/* A longer set is not kept. */
enum { KEPT_ROWS_LIMIT = 20000 };

struct run_vtab {
  sqlite3_vtab base;
  sqlite3 *db;
  const struct tk_run_table *table;
  char *schema; /* of a table; a function takes it as an argument */
  sqlite3_stmt *data_version;
  struct run_set *latest;
};

struct run_cursor {
  sqlite3_vtab_cursor base;
  struct tk_event_reader *reader; /* NULL: there are no rows but those in `set` */
  struct run_set *set;
  sqlite3_value *arguments[TK_RUN_ARGUMENTS];
  char *schema;
  uint32_t row;
  bool at_end;
};

/* ---- rows ---- */

void *tk_run_rows_add(struct tk_run_rows *rows) {
  const size_t size = sizeof(struct row_header) + rows->row_size;
  if (rows->count == UINT32_MAX ||
      !tk_grow_zeroed(&rows->rows, &rows->capacity, rows->count + 1, size)) {
    return NULL;
  }
  struct row_header header = {rows->document_id, rows->run_id, rows->count - rows->first};
  char *row = (char *)rows->rows + (size_t)rows->count++ * size;
  memcpy(row, &header, sizeof header);
  memset(row + sizeof header, 0, rows->row_size);
  return row + sizeof header;
}

static struct run_set *create_set(size_t row_size, uint64_t columns) {
  struct run_set *set = sqlite3_malloc64(sizeof *set);
  if (!set) return NULL;
  memset(set, 0, sizeof *set);
  set->references = 1;
  set->rows.row_size = (row_size + 7) / 8 * 8;
  set->rows.columns = columns;
  return set;
}

static void release_set(struct run_set *set) {
  if (!set || --set->references > 0) return;
  tk_arena_reset(&set->rows.arena);
  sqlite3_free(set->rows.rows);
  sqlite3_free(set->of_run);
  sqlite3_free(set);
}

double tk_run_argument_number(const struct tk_run_rows *rows, int argument, double otherwise) {
  sqlite3_value *value = rows->arguments[argument];
  if (!value || sqlite3_value_type(value) == SQLITE_NULL) return otherwise;
  return sqlite3_value_double(value);
}

/* ---- results ---- */

void tk_result_json_scalar(sqlite3_context *context, struct tk_text json) {
  bool broken = false;
  if (tk_json_is_null(json)) return;
  if (json.data[0] != '"') {
    tk_result_text(context, json);
    return;
  }
  const struct tk_json_string string = {.data = json.data + 1, .size = json.size - 2, .escaped = 1};
  if (!memchr(string.data, '\\', string.size)) {
    tk_result_text(context, (struct tk_text){string.data, string.size});
    return;
  }
  char *text = sqlite3_malloc64((sqlite3_uint64)string.size + 1);
  if (!text) {
    sqlite3_result_error_nomem(context);
    return;
  }
  const uint32_t size = tk_json_unescape(string, text, &broken);
  sqlite3_result_text64(context, text, size, sqlite3_free, SQLITE_UTF8);
}

void tk_result_ordinal(sqlite3_context *context, uint64_t ordinal) {
  if (ordinal != UINT64_MAX) sqlite3_result_int64(context, (sqlite3_int64)ordinal);
}

/* ---- the table ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  const struct tk_run_table *table = context;
  int rc;
  if ((rc = sqlite3_declare_vtab(db, table->declaration)) != SQLITE_OK) {
    *message_out = sqlite3_mprintf("%s: %s", table->name, sqlite3_errmsg(db));
    return rc;
  }
  if ((rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS)) != SQLITE_OK) return rc;
  struct run_vtab *vtab = sqlite3_malloc64(sizeof *vtab);
  if (!vtab) return SQLITE_NOMEM;
  *vtab = (struct run_vtab){.db = db, .table = table};
  vtab->schema = sqlite3_mprintf("%s", table->is_function ? "main" : tk_vtab_schema(argc, argv));
  if (!vtab->schema) {
    sqlite3_free(vtab);
    return SQLITE_NOMEM;
  }
  *vtab_out = &vtab->base;
  return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *base) {
  struct run_vtab *vtab = (struct run_vtab *)base;
  release_set(vtab->latest);
  sqlite3_finalize(vtab->data_version);
  sqlite3_free(vtab->schema);
  sqlite3_free(vtab);
  return SQLITE_OK;
}

static int use_of_column(const struct tk_run_table *table, int column) {
  if (column < 0) return -1;
  if (column == table->run_column) return USE_RUN;
  if (column == table->document_column) return USE_DOCUMENT;
  if (column == table->schema_column) return USE_SCHEMA;
  for (int i = 0; i < TK_RUN_ARGUMENTS; i++) {
    if (column == table->argument_columns[i]) return USE_ARGUMENT + i;
  }
  return -1;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct tk_run_table *table = ((struct run_vtab *)base)->table;
  int found[USE_COUNT], next = 0;
  for (int i = 0; i < USE_COUNT; i++) found[i] = -1;
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    const int use = use_of_column(table, constraint->iColumn);
    if (use < 0 || constraint->op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (!constraint->usable) {
      if (table->is_function) return SQLITE_CONSTRAINT;
    } else if (table->is_function ||
               sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") == 0) {
      found[use] = i;
    }
  }
  info->idxNum = 0;
  for (int use = 0; use < USE_COUNT; use++) {
    if (found[use] < 0) continue;
    info->idxNum |= 1 << use;
    info->aConstraintUsage[found[use]].argvIndex = ++next;
    info->aConstraintUsage[found[use]].omit = table->is_function;
  }
  info->idxStr = sqlite3_mprintf("%llx", (unsigned long long)info->colUsed);
  if (!info->idxStr) return SQLITE_NOMEM;
  info->needToFreeIdxStr = 1;
  const bool is_narrow = found[USE_RUN] >= 0 || found[USE_DOCUMENT] >= 0;
  info->estimatedCost = is_narrow ? 1000 : 1e7;
  info->estimatedRows = is_narrow ? 25 : 100000;
  return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor_out) {
  struct run_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)vtab;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void forget(struct run_cursor *cursor) {
  tk_event_reader_close(cursor->reader);
  release_set(cursor->set);
  cursor->reader = NULL;
  cursor->set = NULL;
  for (int i = 0; i < TK_RUN_ARGUMENTS; i++) {
    sqlite3_value_free(cursor->arguments[i]);
    cursor->arguments[i] = NULL;
  }
  sqlite3_free(cursor->schema);
  cursor->schema = NULL;
  cursor->row = 0;
  cursor->at_end = true;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct run_cursor *cursor = (struct run_cursor *)base;
  forget(cursor);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

/* ---- going through it ---- */

static enum tk_status add_document(struct run_cursor *cursor,
                                   const struct tk_event_document *document,
                                   struct tk_error *error) {
  const struct tk_run_table *table = ((struct run_vtab *)cursor->base.pVtab)->table;
  struct tk_run_rows *rows = &cursor->set->rows;
  rows->document = document;
  rows->document_id = document->id;
  rows->first = rows->count;
  rows->run_id = NULL;
  if (document->run_id) {
    const size_t size = strlen(document->run_id) + 1;
    rows->run_id = tk_arena_alloc_bytes(&rows->arena, size);
    if (!rows->run_id) return tk_nomem(error);
    memcpy(rows->run_id, document->run_id, size);
  }
  const enum tk_status status = table->compute(rows, cursor->reader, error);
  rows->document = NULL;
  return status;
}

static enum tk_status advance(struct run_cursor *cursor, struct tk_error *error) {
  const struct tk_event_document *document = NULL;
  struct tk_run_rows *rows = &cursor->set->rows;
  enum tk_status status = TK_OK;
  while (cursor->row >= rows->count) {
    if (cursor->reader) {
      status = tk_event_reader_next_document(cursor->reader, &document, error);
    }
    if (status != TK_OK) return status;
    if (!document) {
      cursor->at_end = true;
      return TK_OK;
    }
    cursor->row = 0;
    rows->count = 0;
    tk_arena_reset(&rows->arena);
    if ((status = add_document(cursor, document, error)) != TK_OK) return status;
  }
  return TK_OK;
}

/* ---- runs that are kept ---- */

/* False: it cannot be told what a later statement will see. */
static bool read_stamp(struct run_vtab *vtab, struct stamp *stamp) {
  if (sqlite3_txn_state(vtab->db, vtab->schema) == SQLITE_TXN_WRITE) return false;
  if (!vtab->data_version) {
    char *sql = sqlite3_mprintf("PRAGMA \"%w\".data_version", vtab->schema);
    if (sql) sqlite3_prepare_v2(vtab->db, sql, -1, &vtab->data_version, NULL);
    sqlite3_free(sql);
    if (!vtab->data_version) return false;
  }
  const bool found = sqlite3_step(vtab->data_version) == SQLITE_ROW;
  if (found) {
    stamp->data_version = sqlite3_column_int(vtab->data_version, 0);
    stamp->own_changes = sqlite3_total_changes64(vtab->db);
  }
  sqlite3_reset(vtab->data_version);
  return found;
}

static bool is_kept(const struct run_set *set, const char *run, const struct stamp *stamp,
                    uint64_t columns) {
  return set && strcmp(set->of_run, run) == 0 && set->stamp.own_changes == stamp->own_changes &&
         set->stamp.data_version == stamp->data_version && (columns & ~set->rows.columns) == 0;
}

/* Puts all rows of the run into the cursor's set and, if they are not too many, keeps it. */
static enum tk_status compute_run(struct run_cursor *cursor, const char *run,
                                  const struct stamp *stamp, struct tk_error *error) {
  struct run_vtab *vtab = (struct run_vtab *)cursor->base.pVtab;
  const struct tk_event_document *document;
  struct run_set *set = cursor->set;
  while (set->rows.count <= KEPT_ROWS_LIMIT) {
    enum tk_status status = tk_event_reader_next_document(cursor->reader, &document, error);
    if (status != TK_OK) return status;
    if (document) {
      if ((status = add_document(cursor, document, error)) != TK_OK) return status;
      continue;
    }
    tk_event_reader_close(cursor->reader);
    cursor->reader = NULL;
    if (!(set->of_run = sqlite3_mprintf("%s", run))) return tk_nomem(error);
    set->stamp = *stamp;
    release_set(vtab->latest);
    vtab->latest = set;
    set->references++;
    break;
  }
  return TK_OK;
}

static enum tk_status take_arguments(struct run_cursor *cursor, int plan, sqlite3_value **argv,
                                     struct tk_event_filter *filter, struct tk_error *error) {
  const struct run_vtab *vtab = (const struct run_vtab *)cursor->base.pVtab;
  const char *schema = vtab->schema;
  int next = 0;
  for (int use = 0; use < USE_COUNT; use++) {
    if (!(plan >> use & 1)) continue;
    sqlite3_value *value = argv[next++];
    if (use == USE_RUN) filter->run_id = value;
    if (use == USE_DOCUMENT) filter->document_id = value;
    if (use == USE_SCHEMA) schema = (const char *)sqlite3_value_text(value);
    if (use >= USE_ARGUMENT) {
      sqlite3_value *copy = sqlite3_value_dup(value);
      if (!copy) return tk_nomem(error);
      cursor->arguments[use - USE_ARGUMENT] = copy;
    }
  }
  if (!schema) schema = vtab->schema;
  if (!(cursor->schema = sqlite3_mprintf("%s", schema))) return tk_nomem(error);
  for (int i = 0; i < TK_RUN_ARGUMENTS; i++) {
    cursor->set->rows.arguments[i] = cursor->arguments[i];
  }
  return TK_OK;
}

static enum tk_status start(struct run_cursor *cursor, int plan, uint64_t columns,
                            sqlite3_value **argv, struct tk_error *error) {
  struct run_vtab *vtab = (struct run_vtab *)cursor->base.pVtab;
  struct tk_event_filter filter = {.dialects = vtab->table->dialects};
  struct stamp stamp;
  const char *run = NULL;
  if (!vtab->table->is_function && plan == 1 << USE_RUN &&
      sqlite3_value_type(argv[0]) == SQLITE_TEXT && read_stamp(vtab, &stamp)) {
    if (!(run = (const char *)sqlite3_value_text(argv[0]))) return tk_nomem(error);
    if (is_kept(vtab->latest, run, &stamp, columns)) {
      cursor->set = vtab->latest;
      cursor->set->references++;
      return TK_OK;
    }
    if (vtab->latest) columns |= vtab->latest->rows.columns;
  }
  if (!(cursor->set = create_set(vtab->table->row_size, columns))) return tk_nomem(error);
  cursor->set->rows.length_limit = (size_t)sqlite3_limit(vtab->db, SQLITE_LIMIT_LENGTH, -1);
  enum tk_status status = take_arguments(cursor, plan, argv, &filter, error);
  if (status == TK_OK) {
    status = tk_event_reader_open(vtab->db, cursor->schema, &filter, &cursor->reader, error);
  }
  if (status == TK_OK && run) status = compute_run(cursor, run, &stamp, error);
  return status;
}

static int filter_rows(sqlite3_vtab_cursor *base, int plan, const char *columns, int argc,
                       sqlite3_value **argv) {
  struct run_cursor *cursor = (struct run_cursor *)base;
  struct tk_error error = {{0}};
  (void)argc;
  forget(cursor);
  enum tk_status status =
      start(cursor, plan, columns ? strtoull(columns, NULL, 16) : UINT64_MAX, argv, &error);
  if (status == TK_OK) {
    cursor->at_end = false;
    status = advance(cursor, &error);
  }
  if (status != TK_OK) cursor->at_end = true;
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct run_cursor *cursor = (struct run_cursor *)base;
  struct tk_error error = {{0}};
  cursor->row++;
  return tk_vtab_fail(base->pVtab, advance(cursor, &error), &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((const struct run_cursor *)base)->at_end;
}

/* The header of the row the cursor is at; what the table keeps of it follows. */
static const char *current_row(const struct run_cursor *cursor, struct row_header *header) {
  const struct tk_run_rows *rows = &cursor->set->rows;
  const char *row =
      (const char *)rows->rows + (size_t)cursor->row * (sizeof *header + rows->row_size);
  memcpy(header, row, sizeof *header);
  return row + sizeof *header;
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  const struct run_cursor *cursor = (struct run_cursor *)base;
  const struct tk_run_table *table = ((struct run_vtab *)base->pVtab)->table;
  const int use = use_of_column(table, column);
  struct row_header header;
  const char *row = current_row(cursor, &header);
  if (use == USE_RUN) {
    if (header.run_id) sqlite3_result_text(context, header.run_id, -1, SQLITE_TRANSIENT);
  } else if (use == USE_DOCUMENT) {
    sqlite3_result_int64(context, header.document_id);
  } else if (use == USE_SCHEMA) {
    sqlite3_result_text(context, cursor->schema, -1, SQLITE_TRANSIENT);
  } else if (use >= USE_ARGUMENT) {
    sqlite3_value *value = cursor->arguments[use - USE_ARGUMENT];
    if (value) sqlite3_result_value(context, value);
  } else {
    table->column(context, &cursor->set->rows, row, column);
  }
  return SQLITE_OK;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  struct row_header header;
  current_row((const struct run_cursor *)base, &header);
  *rowid_out = tk_event_row_id(header.document_id, header.run_id, header.number);
  return SQLITE_OK;
}

int tk_register_run_table(sqlite3 *db, const struct tk_run_table *table) {
#define METHODS                                                                      \
  .iVersion = 0, .xConnect = connect_table, .xBestIndex = best_index,                \
  .xDisconnect = disconnect_table, .xOpen = open_cursor, .xClose = close_cursor,     \
  .xFilter = filter_rows, .xNext = next_row, .xEof = at_end, .xColumn = give_column, \
  .xRowid = give_rowid
  static const sqlite3_module function = {METHODS};
  static const sqlite3_module created = {METHODS, .xCreate = connect_table,
                                         .xDestroy = disconnect_table};
#undef METHODS
  /* SQLite hands the pointer back as it is; nobody writes through it. */
  union {
    const struct tk_run_table *given;
    void *wanted;
  } context = {table};
  return sqlite3_create_module_v2(db, table->name, table->is_function ? &function : &created,
                                  context.wanted, NULL);
}
