/* What tables over whole segments share: their segments, columns as plain arrays, single values. */
#ifndef TK_SQLEXT_TABLE_SUPPORT_H
#define TK_SQLEXT_TABLE_SUPPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/codec/value_codec.h"
#include "store/predicate.h"
#include "store/segment/segment.h"
#include "store/sqlite_api.h"

/** The per-row INT column `number` for the rows of `granule` (or TK_ALL), indexed by row. */
enum tk_status tk_row_ints(struct tk_reader *reader, const struct tk_segment *segment,
                           enum tk_column_number number, uint32_t granule,
                           struct tk_ints *values_out, struct tk_error *error);

/** Value `index` of a per-trace, per-event or per-link INT, TEXT or FIXED column; 0, "" or zero
 * bytes where the column is not stored. */
enum tk_status tk_int_value(struct tk_reader *reader, const struct tk_segment *segment,
                            enum tk_column_number number, uint32_t index, int64_t *value_out,
                            struct tk_error *error);
enum tk_status tk_text_value(struct tk_reader *reader, const struct tk_segment *segment,
                             enum tk_column_number number, uint32_t index, struct tk_text *text_out,
                             struct tk_error *error);
enum tk_status tk_fixed_value(struct tk_reader *reader, const struct tk_segment *segment,
                              enum tk_column_number number, uint32_t index,
                              const uint8_t **bytes_out, struct tk_error *error);

/** service.name of the row's resource; data NULL if it has none. */
enum tk_status tk_row_service(struct tk_reader *reader, const struct tk_segment *segment,
                              uint32_t row, struct tk_text *service_out, struct tk_error *error);

/** The trace's id as it is shown: hex, or the text it was sent with. */
enum tk_status tk_give_trace_id(sqlite3_context *context, struct tk_reader *reader,
                                const struct tk_segment *segment, uint32_t trace_index,
                                struct tk_error *error);

/** `span`, `event`, `link`, `resource`, `scope`; NULL for any other number. */
const char *tk_attribute_scope_name(int64_t scope);
/** `string`, `int`, ... as in the column `type`; NULL for any other number. */
const char *tk_value_type_name(int64_t type);

static inline bool tk_text_equal(struct tk_text a, struct tk_text b) {
  return a.size == b.size && (a.size == 0 || __builtin_memcmp(a.data, b.data, a.size) == 0);
}

/** Value `at` of attribute column `index`, whose values [at, at + 1) are read. Arrays and lists are
 * decoded into `arena`. */
enum tk_status tk_attribute_value(struct tk_reader *reader, const struct tk_segment *segment,
                                  uint32_t index, uint32_t at, struct tk_arena *arena,
                                  struct tk_value *value_out, struct tk_error *error);
/** As SQL compares it. False: an array or a list, whose JSON text is not made for this; let it
 * pass. */
bool tk_value_as_sql(const struct tk_value *value, struct tk_sql_value *sql);

/* ---- parts of segments ---- */

/** Rows [begin, end) of a segment of a statement's list. */
struct tk_row_range {
  uint32_t segment_index; /**< into tk_segment_list */
  uint32_t begin, end;
};

struct tk_terms;
/** The trace ids that the terms on `column` (TK_TERM_ID) name, ascending and distinct; 16 digits
 * are a padded id. *ids_out is freed with sqlite3_free. */
enum tk_status tk_ids_of_terms(const struct tk_terms *terms, int column, uint8_t (**ids_out)[16],
                               uint32_t *count_out, struct tk_error *error);

/* ---- the segments of one statement ----
 *
 * By id, because a refresh of the shared reader (by another statement of the connection) may move
 * reader->segments. */

struct tk_segment_list {
  int64_t generation;
  int64_t *ids;
  uint32_t count;
};

enum tk_status tk_segment_list_init(struct tk_segment_list *list, const struct tk_reader *reader,
                                    struct tk_error *error);
void tk_segment_list_reset(struct tk_segment_list *list);
/** Opens the segment that was number `index` when the list was made. */
enum tk_status tk_segment_list_open(const struct tk_segment_list *list, struct tk_reader *reader,
                                    uint32_t index, const struct tk_segment **segment_out,
                                    struct tk_error *error);

/** The number in the list of reader->segments[reader_index], or UINT32_MAX. */
uint32_t tk_segment_list_find(const struct tk_segment_list *list, const struct tk_reader *reader,
                              uint32_t reader_index);

/* ---- pushed-down terms ----
 *
 * The plan is a text, one "column,operator,affinity;" for each argument in order. A table may only
 * ever drop rows by a term that SQLite would drop too: all terms but those on ids are left for
 * SQLite to check again, so a term whose value is of no use is simply not there in the end. */

enum tk_term_affinity {
  TK_TERM_NONE = 'n',
  TK_TERM_TEXT = 't', /**< BINARY collation only */
  TK_TERM_INTEGER = 'i',
  TK_TERM_ID = 'd' /**< text, in either letter case: the table parses the values itself */
};

struct tk_plan {
  char text[800];
  int size;
  int term_count;
};

/** Takes constraint `index` on `column` into the plan, as IN where it is one. False, and nothing
 * happens: unusable, an operator or collation terms cannot have, or no room. */
bool tk_plan_add(struct tk_plan *plan, sqlite3_index_info *info, int index,
                 enum tk_term_affinity affinity);
/** idxStr, as a copy that SQLite frees; SQLITE_NOMEM if there is no memory for it. */
int tk_plan_finish(const struct tk_plan *plan, sqlite3_index_info *info);

struct tk_term {
  int column;
  struct tk_predicate predicate;
};

struct tk_terms {
  struct tk_arena arena;
  struct tk_term *items;
  uint32_t count;
};

/** Terms of a plan with the values of the statement. `affinity` decides which values make a term:
 * numbers for INTEGER, texts for TEXT, all for NONE (loosely, see struct tk_predicate); NULL
 * always. */
enum tk_status tk_terms_init(struct tk_terms *terms, const char *plan, int value_count,
                             sqlite3_value **values, struct tk_error *error);
void tk_terms_reset(struct tk_terms *terms);

/** Whether all terms on `column` accept the value. */
bool tk_terms_accept(const struct tk_terms *terms, int column, const struct tk_sql_value *value);
bool tk_terms_accept_int(const struct tk_terms *terms, int column, int64_t value);
bool tk_terms_accept_text(const struct tk_terms *terms, int column, struct tk_text text);
/** Whether all terms on `column` (TK_TERM_ID, = or IN) accept these bytes, by their digits. */
bool tk_terms_accept_id(const struct tk_terms *terms, int column, const uint8_t *id, size_t size);
/** Whether all terms on `column` can be true of some integer in [low, high]. */
bool tk_terms_may_accept(const struct tk_terms *terms, int column, int64_t low, int64_t high);
/** Whether there is a term on `column`. */
bool tk_terms_have(const struct tk_terms *terms, int column);

/* ---- what a statement walks through ---- */

/** All segments, or the rows of the traces that terms name. */
struct tk_range_walk {
  struct tk_segment_list segments;
  struct tk_row_range *ranges; /**< by_id only */
  uint32_t count, index;
  bool by_id;
};

/** For xFilter of a table whose column 0 is the trace id: brings the reader up to date, makes the
 * terms of the plan, and finds what they leave. `by_id`: they name traces. Both are to be reset,
 * whatever this returns. */
enum tk_status tk_range_walk_begin(struct tk_range_walk *walk, struct tk_terms *terms, bool by_id,
                                   struct tk_reader *reader, const char *plan, int value_count,
                                   sqlite3_value **values, struct tk_error *error);
/** Opens the segment of the next range, to be released by the caller; NULL at the end. */
enum tk_status tk_range_walk_next(struct tk_range_walk *walk, struct tk_reader *reader,
                                  struct tk_row_range *range_out,
                                  const struct tk_segment **segment_out, struct tk_error *error);
void tk_range_walk_reset(struct tk_range_walk *walk);

/** Takes `trace_id =` or IN, the first there is, as what makes a plan `by_id` (idxNum 1). False,
 * and nothing happens: another one, or it cannot be. */
bool tk_plan_add_trace_id(struct tk_plan *plan, sqlite3_index_info *info, int index);

/* ---- tables that hold a reader and nothing else ---- */

struct tk_reader_table {
  sqlite3_vtab base;
  struct tk_reader *reader;
};

/** xConnect and xDisconnect. */
int tk_reader_table_connect(sqlite3 *db, const char *declaration, int argc, const char *const *argv,
                            sqlite3_vtab **vtab_out, char **message_out);
int tk_reader_table_disconnect(sqlite3_vtab *vtab);

/* ---- attributes without a column ---- */

/** A writer names 16,384 keys of a segment in each scope: of more, the further ones are in the
 * extras of their items only. True if that may be so here. */
bool tk_has_unnamed_keys(const struct tk_segment *segment, enum tk_attribute_scope scope);

/** The extras of an item (span, event, link), in `arena`; none: *count_out is 0. */
enum tk_status tk_read_extras(struct tk_reader *reader, const struct tk_segment *segment,
                              enum tk_attribute_scope scope, uint32_t item, struct tk_arena *arena,
                              struct tk_extra **extras_out, uint32_t *count_out,
                              struct tk_error *error);

/* ---- arrays ---- */

/** The room of an array of `size` bytes an item for at least `count` items, grown and zeroed where
 * it is new; *array is a pointer. False: out of memory. */
bool tk_grow_zeroed(void *array, uint32_t *capacity, uint32_t count, size_t size);

#endif
