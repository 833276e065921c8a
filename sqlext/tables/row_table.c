/* SPDX-License-Identifier: MIT
 * The module behind every table that is computed whole. The rows of the last statement stay with
 * the table: as long as the store's generation is the same and no further column is asked for, the
 * next statement, or the next turn of a join, finds them ready. SQLite evaluates the constraints.
 */
#include "sqlext/tables/row_table.h"

#include <string.h>

#include "sqlext/vtab_support.h"

struct row_vtab {
  sqlite3_vtab base;
  const struct tk_row_table *table;
  struct tk_reader *reader;
  struct tk_row_set *latest;
};

struct row_cursor {
  sqlite3_vtab_cursor base;
  struct tk_row_set *set;
  uint32_t row;
};

void *tk_row_set_allocate(struct tk_row_set *set, uint32_t count, size_t row_size) {
  void *rows = tk_arena_alloc(&set->arena, count * row_size);
  if (rows) memset(rows, 0, count * row_size);
  return rows;
}

static void release_set(struct tk_row_set *set) {
  if (!set || --set->references > 0) return;
  tk_arena_reset(&set->arena);
  sqlite3_free(set);
}

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  const struct tk_row_table *table = context;
  struct tk_error error = {{0}};
  struct row_vtab *vtab;
  enum tk_status status;
  int rc;

  if ((rc = sqlite3_declare_vtab(db, table->declaration)) != SQLITE_OK) return rc;
  if ((rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS)) != SQLITE_OK) return rc;
  if (!(vtab = sqlite3_malloc64(sizeof *vtab))) return SQLITE_NOMEM;
  *vtab = (struct row_vtab){.table = table};
  status = tk_shared_reader_acquire(db, tk_vtab_schema(argc, argv), &vtab->reader, &error);
  if (status != TK_OK) {
    sqlite3_free(vtab);
    return tk_connect_fail(message_out, status, &error);
  }
  *vtab_out = &vtab->base;
  return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *base) {
  struct row_vtab *vtab = (struct row_vtab *)base;
  release_set(vtab->latest);
  tk_shared_reader_release(vtab->reader);
  sqlite3_free(vtab);
  return SQLITE_OK;
}

/* One plan: all rows. idxStr carries the columns that will be read. */
static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct row_vtab *vtab = (struct row_vtab *)base;
  info->idxStr = sqlite3_mprintf("%llx", (unsigned long long)info->colUsed);
  if (!info->idxStr) return SQLITE_NOMEM;
  info->needToFreeIdxStr = 1;
  info->estimatedRows = vtab->latest ? vtab->latest->row_count : 1000;
  info->estimatedCost = (double)info->estimatedRows + 10;
  return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct row_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)base;
  if (!cursor) return SQLITE_NOMEM;
  *cursor = (struct row_cursor){.set = NULL};
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct row_cursor *cursor = (struct row_cursor *)base;
  release_set(cursor->set);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

static uint64_t parse_columns(const char *text) {
  uint64_t columns = 0;
  for (; text && *text; text++) {
    columns = columns << 4 | (uint64_t)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
  }
  return columns;
}

static enum tk_status compute_set(struct row_vtab *vtab, uint64_t columns, struct tk_error *error) {
  struct tk_row_set *set = sqlite3_malloc64(sizeof *set);
  enum tk_status status;
  if (!set) return tk_nomem(error);
  *set = (struct tk_row_set){.columns = columns,
                             .generation = vtab->reader->generation,
                             .file_number = vtab->reader->file_number,
                             .references = 1};
  if ((status = vtab->table->compute(set, vtab->reader, error)) != TK_OK) {
    release_set(set);
    return status;
  }
  release_set(vtab->latest);
  vtab->latest = set;
  return TK_OK;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct row_cursor *cursor = (struct row_cursor *)base;
  struct row_vtab *vtab = (struct row_vtab *)base->pVtab;
  struct tk_error error = {{0}};
  uint64_t columns = parse_columns(plan_text);
  enum tk_status status;
  (void)plan, (void)argc, (void)argv;

  release_set(cursor->set);
  cursor->set = NULL;
  cursor->row = 0;
  status = tk_reader_refresh(vtab->reader, &error);
  if (status == TK_OK && (!vtab->latest || vtab->latest->generation != vtab->reader->generation ||
                          vtab->latest->file_number != vtab->reader->file_number ||
                          (columns & ~vtab->latest->columns) != 0)) {
    if (vtab->latest) columns |= vtab->latest->columns;
    status = compute_set(vtab, columns, &error);
  }
  if (status != TK_OK) return tk_vtab_fail(&vtab->base, status, &error);
  cursor->set = vtab->latest;
  if (cursor->set) cursor->set->references++;
  return SQLITE_OK;
}

static int next_row(sqlite3_vtab_cursor *base) {
  ((struct row_cursor *)base)->row++;
  return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base) {
  const struct row_cursor *cursor = (struct row_cursor *)base;
  return !cursor->set || cursor->row >= cursor->set->row_count;
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  const struct row_cursor *cursor = (struct row_cursor *)base;
  const struct row_vtab *vtab = (struct row_vtab *)base->pVtab;
  const char *rows = cursor->set->rows;
  vtab->table->column(context, rows + (size_t)cursor->row * vtab->table->row_size, column);
  return SQLITE_OK;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  *rowid_out = (sqlite3_int64)((struct row_cursor *)base)->row + 1;
  return SQLITE_OK;
}

int tk_register_row_table(sqlite3 *db, const struct tk_row_table *table) {
  static const sqlite3_module module = {
      .iVersion = 1,
      .xCreate = connect_table,
      .xConnect = connect_table,
      .xBestIndex = best_index,
      .xDisconnect = disconnect_table,
      .xDestroy = disconnect_table,
      .xOpen = open_cursor,
      .xClose = close_cursor,
      .xFilter = filter,
      .xNext = next_row,
      .xEof = at_end,
      .xColumn = give_column,
      .xRowid = give_rowid,
  };
  /* SQLite hands the pointer back as it is; nobody writes through it. */
  union {
    const struct tk_row_table *given;
    void *wanted;
  } context = {table};
  return sqlite3_create_module_v2(db, table->module, &module, context.wanted, NULL);
}
