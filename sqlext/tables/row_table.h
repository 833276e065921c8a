/* Virtual tables that are computed whole: few rows, each a struct, kept until the store changes.
 *
 * A table is a constant `struct tk_row_table`; the module, its cursors and the cache are here. */
#ifndef TK_SQLEXT_ROW_TABLE_H
#define TK_SQLEXT_ROW_TABLE_H

#include <stdint.h>

#include "store/segment/segment.h"
#include "store/sqlite_api.h"
#include "tracekeep/arena.h"
#include "tracekeep/status.h"

/** The rows of one generation of the store; shared by the cursors that read them. */
struct tk_row_set {
  struct tk_arena arena; /**< the rows, and what they point to */
  void *rows;
  uint32_t row_count;
  int64_t generation;
  uint32_t file_number; /**< as in struct tk_reader */
  uint64_t columns;     /**< what was asked for, as in sqlite3_index_info.colUsed */
  unsigned references;
};

struct tk_row_table {
  const char *module;      /**< name, `tracekeep_services` */
  const char *declaration; /**< CREATE TABLE */
  size_t row_size;
  /** Sets rows and row_count. `set->columns` says which columns will be read: what is dear and
   * not in it may be left out. */
  enum tk_status (*compute)(struct tk_row_set *set, struct tk_reader *reader,
                            struct tk_error *error);
  void (*column)(sqlite3_context *context, const void *row, int column);
};

/** `table` must live as long as the connection. */
int tk_register_row_table(sqlite3 *db, const struct tk_row_table *table);

/** A zeroed array of `count` rows in the set's arena, NULL when out of memory. */
void *tk_row_set_allocate(struct tk_row_set *set, uint32_t count, size_t row_size);

#endif
