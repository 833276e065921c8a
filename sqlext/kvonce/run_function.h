/* Tables that are computed from the events of one document after the other: the functions
 * name(run, ...) and kvonce_issues.
 *
 * A table is a constant `struct tk_run_table`. The module goes through the documents that the
 * constraints leave, has the rows of each computed, and gives them; no more than the rows of one
 * document are ever kept, or of one run, if that is asked for and they are few. */
#ifndef TK_SQLEXT_KVONCE_RUN_FUNCTION_H
#define TK_SQLEXT_KVONCE_RUN_FUNCTION_H

#include "sqlext/kvonce/event_reader.h"
#include "tracekeep/arena.h"

#define TK_RUN_ARGUMENTS 2

/** Rows: those of the document that is being computed last. */
struct tk_run_rows {
  struct tk_arena arena; /**< for what they point to */
  void *rows;
  uint32_t count, capacity;
  uint32_t first; /**< of the document that is being computed */
  size_t row_size;
  const struct tk_event_document *document; /**< good while they are computed */
  int64_t document_id;
  char *run_id;        /**< of the document; NULL: none; in the arena */
  uint64_t columns;    /**< those that are read, as in sqlite3_index_info.colUsed */
  size_t length_limit; /**< of a text */
  sqlite3_value *arguments[TK_RUN_ARGUMENTS]; /**< NULL: not given */
};

/** A new row, zeroed; NULL: out of memory. Moves the others. */
void *tk_run_rows_add(struct tk_run_rows *rows);

struct tk_run_table {
  const char *name;
  const char *declaration;
  bool is_function;  /**< else a table, to be created */
  uint32_t dialects; /**< as in struct tk_event_filter */
  size_t row_size;
  /** Numbers of columns; -1: there is none. Those of a function are hidden. */
  int run_column, document_column, schema_column, argument_columns[TK_RUN_ARGUMENTS];
  enum tk_status (*compute)(struct tk_run_rows *rows, struct tk_event_reader *reader,
                            struct tk_error *error);
  /** Any other column. */
  void (*column)(sqlite3_context *context, const struct tk_run_rows *rows, const void *row,
                 int column);
};

/** `table` must live as long as the connection. */
int tk_register_run_table(sqlite3 *db, const struct tk_run_table *table);

/** The value of an argument of a number; `otherwise` where it is not given or NULL. */
double tk_run_argument_number(const struct tk_run_rows *rows, int argument, double otherwise);

/* ---- results ---- */

/** A JSON string as its text, null and absent (data NULL) as NULL, anything else as it stands. */
void tk_result_json_scalar(sqlite3_context *context, struct tk_text json);
/** TK_NO_ORDINAL (UINT64_MAX): NULL. */
void tk_result_ordinal(sqlite3_context *context, uint64_t ordinal);

#endif
