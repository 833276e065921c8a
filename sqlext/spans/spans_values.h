/* Values of the columns of `spans` in one segment. */
#ifndef TK_SQLEXT_SPANS_VALUES_H
#define TK_SQLEXT_SPANS_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/spans/spans_columns.h"
#include "store/codec/byte_writer.h"
#include "store/predicate.h"
#include "store/segment/segment.h"
#include "tracekeep/arena.h"

/** One stored column of an attribute key: the values of one type. */
struct spans_part {
  uint32_t index; /* into tk_segment.columns */
  enum tk_value_type type;
  const uint32_t *value_index;    /* by row */
  const struct tk_column *values; /* NULL: type EMPTY */
};

struct spans_attribute {
  struct tk_text key;
  struct spans_part *parts;
  uint32_t part_count; /* 0: no span of the segment has it, unless */
  bool may_be_unnamed; /* spans can have it without there being a column */
};

/** A column of `spans` bound to a segment: what its values are read from. */
struct spans_binding {
  const struct spans_column *column;
  uint32_t ready_begin, ready_end; /* rows whose granule is decoded */
  const struct tk_column *data;    /* row, trace and id columns; NULL: all default */
  const struct tk_column *more;    /* PARENT_ID, END: a second one */
  struct spans_attribute attributes[SPANS_RESOLVED_MAX];
  uint32_t attribute_count;
  struct tk_sql_value *by_code; /* by resource or scope index of the segment, filled on demand;
                                   RUN: by trace index, all filled, NULL: no trace has a run */
  uint8_t *by_code_filled;
  uint32_t code_count;
};

/** Tree columns, computed for a granule at a time. */
struct spans_tree {
  uint64_t *done; /* bitmap of granules */
  uint32_t *child_counts;
  int64_t *self_times;
  uint32_t *depths; /* NULL: TK_COL_DEPTH says it */
  uint8_t *has_parent;
};

struct spans_segment {
  struct tk_reader *reader;
  const struct spans_columns *columns;
  const struct tk_segment *segment;
  struct spans_binding **bindings;              /* by column; NULL: not used yet */
  uint32_t granule, granule_begin, granule_end; /* the one prepared last */
  bool whole; /* prepare all rows at once: they are read in no order */
  const int64_t *starts;
  const uint32_t *parents, *traces;
  struct spans_tree tree;
  struct tk_weights *weights; /* NULL until adjusted_count is asked for */
  struct tk_arena arena;
};

/** Memory of values that are made rather than read. A value stays until the next one is made. */
struct spans_scratch {
  char text[48];
  struct tk_byte_writer bytes;
  struct tk_arena arena;
};
void tk_spans_scratch_reset(struct spans_scratch *scratch);

/** `index` is into reader->segments. */
enum tk_status tk_spans_segment_open(struct tk_reader *reader, const struct spans_columns *columns,
                                     uint32_t index, struct spans_segment **segment_out,
                                     struct tk_error *error);
void tk_spans_segment_free(struct spans_segment *segment);

/** The binding of a column; lives as long as the segment. */
enum tk_status tk_spans_bind(struct spans_segment *segment, uint32_t column,
                             struct spans_binding **binding_out, struct tk_error *error);

/** Decodes what the rows of `row`'s granule (or all, see `whole`) need; then ready_begin <= row <
 * ready_end. */
enum tk_status tk_spans_prepare(struct spans_segment *segment, struct spans_binding *binding,
                                uint32_t row, struct tk_error *error);

/** Value of a prepared row. Its text lives until the scratch is used again, or in the segment. */
enum tk_status tk_spans_value(struct spans_segment *segment, struct spans_binding *binding,
                              uint32_t row, struct spans_scratch *scratch,
                              struct tk_sql_value *value_out, struct tk_error *error);

static inline void tk_spans_set_int(struct tk_sql_value *value, int64_t integer) {
  value->type = TK_SQL_INT;
  value->as.integer = integer;
}
static inline void tk_spans_set_text(struct tk_sql_value *value, const char *data, size_t size) {
  value->type = TK_SQL_TEXT;
  value->as.text = (struct tk_text){data ? data : "", (uint32_t)size};
}
/** A decoded value; arrays and lists as JSON in `out`. */
enum tk_status tk_spans_set_value(struct tk_sql_value *value, const struct tk_value *from,
                                  struct tk_byte_writer *out, struct tk_error *error);

/** What resource or scope `code` of the segment has in the bound column. */
enum tk_status tk_spans_code_value(struct spans_segment *segment, struct spans_binding *binding,
                                   int64_t code, const struct tk_sql_value **value_out,
                                   struct tk_error *error);

/** True for the columns whose value depends on the resource (or scope) of the row alone. */
static inline bool tk_spans_is_resource_source(enum spans_source source) {
  return source == SOURCE_SERVICE || source == SOURCE_RESOURCE_JSON ||
         source == SOURCE_RESOURCE_ID || source == SOURCE_RESOURCE_ATTRIBUTE;
}
static inline bool tk_spans_is_scope_source(enum spans_source source) {
  return source == SOURCE_SCOPE_NAME || source == SOURCE_SCOPE_VERSION ||
         source == SOURCE_SCOPE_JSON || source == SOURCE_SCOPE_ATTRIBUTE;
}

/** spans_run.c: looks up the runs of all traces of the segment. */
enum tk_status tk_spans_bind_run(struct spans_segment *segment, struct spans_binding *binding,
                                 struct tk_error *error);

/** spans_tree.c: makes tree columns of a granule readable. */
enum tk_status tk_spans_tree_compute(struct spans_segment *segment, uint32_t granule,
                                     struct tk_error *error);

#endif
