/* The spans of one segment, as a program asks for them. */
#ifndef TK_SQLEXT_SAMPLING_REPLAY_ROWS_H
#define TK_SQLEXT_SAMPLING_REPLAY_ROWS_H

#include "sqlext/sampling/policy_program.h"
#include "store/segment/segment.h"

/** An attribute column, for rows of one granule. */
struct tk_replay_part {
  uint32_t index; /**< into tk_segment.columns */
  uint8_t type;
  const uint32_t *value_index;
  const struct tk_column *values; /**< NULL for EMPTY */
};

/** An attribute: a column for each type it occurs with. */
struct tk_replay_attribute {
  struct tk_replay_part *parts;
  uint32_t part_count;
  uint32_t granule; /**< for which it is ready */
};

/** What is remembered of the values that a leaf has met. */
struct tk_replay_memo {
  struct tk_text key;
  struct tk_replay_attribute attribute; /**< STRING, NUMERIC, BOOLEAN */
  uint8_t **by_code;    /**< for each part: 0 not asked yet, 1 no, 2 yes; NULL without dictionary */
  uint8_t *by_resource; /**< likewise, by index into tk_segment.resources */
};

struct tk_replay_sizes;

struct tk_replay_segment {
  struct tk_reader *reader;
  const struct tk_segment *segment; /**< held */
  struct tk_program *program;
  struct tk_arena arena;
  struct tk_arena scratch; /**< texts and lists of the trace at hand */
  uint32_t granule;
  struct {
    const struct tk_column *column;
    uint32_t granule;
  } columns[TK_COL_FIRST_ATTRIBUTE];
  struct tk_replay_attribute *fields; /**< by slot of the program */
  struct tk_replay_memo *memos;       /**< by leaf */
  bool has_spans_of_note;             /**< a tracestate or sampling.priority somewhere */
  struct tk_replay_sizes *sizes;      /**< replay_bytes.c */
};

/** Opens nothing: `segment` is the caller's to release, after tk_replay_segment_free. */
enum tk_status tk_replay_segment_create(struct tk_reader *reader, const struct tk_segment *segment,
                                        struct tk_program *program, struct tk_replay_segment **out,
                                        struct tk_error *error);
void tk_replay_segment_free(struct tk_replay_segment *segment);

/** Rows [begin, end), all of one trace, in one granule. */
struct tk_replay_range {
  uint32_t granule, begin, end;
};

/** Adds what the rows say to the facts: leaves of spans, counts, span stages. */
enum tk_status tk_replay_ask_rows(struct tk_replay_segment *segment,
                                  const struct tk_replay_range *range,
                                  struct tk_replay_facts *facts, struct tk_error *error);
/** Leaves of the root, and what follows from it. */
enum tk_status tk_replay_ask_root(struct tk_replay_segment *segment, uint32_t granule, uint32_t row,
                                  struct tk_replay_facts *facts, struct tk_error *error);

/* ---- for replay_fields.c and replay_bytes.c ---- */

/** A per-row column for the granule; NULL: all default. */
enum tk_status tk_replay_column(struct tk_replay_segment *segment, enum tk_column_number number,
                                uint32_t granule, const struct tk_column **column_out,
                                struct tk_error *error);
/** Makes the values of an attribute column readable for a granule (TK_ALL for those of events and
 * links). */
enum tk_status tk_replay_prepare_part(struct tk_replay_segment *segment,
                                      struct tk_replay_part *part, uint32_t granule,
                                      struct tk_error *error);

/** The same of all columns of an attribute. */
enum tk_status tk_replay_prepare_attribute(struct tk_replay_segment *segment,
                                           struct tk_replay_attribute *attribute, uint32_t granule,
                                           struct tk_error *error);
/** The resource, the scope of a row. */
enum tk_status tk_replay_resource_of(struct tk_replay_segment *segment, uint32_t granule,
                                     uint32_t row, const struct tk_stored_resource **resource_out,
                                     struct tk_error *error);
enum tk_status tk_replay_scope_of(struct tk_replay_segment *segment, uint32_t granule, uint32_t row,
                                  const struct tk_stored_scope **scope_out, struct tk_error *error);
/** NULL: there is none of that key. */
const struct tk_value *tk_replay_find_value(const struct tk_attributes *attributes,
                                            struct tk_text key);

static inline int64_t tk_replay_int(const struct tk_column *column, uint32_t row) {
  return column ? tk_ints_at(column->ints, row) : 0;
}

/** A row whose fields an expression asks for. */
struct tk_replay_row {
  struct tk_expression_row base;
  struct tk_replay_segment *segment;
  uint32_t granule, row;
  uint32_t event, first_event; /* of events; UINT32_MAX: a span is asked */
};
/** Of a span; for an event set `event` and `first_event` afterwards. */
struct tk_replay_row tk_replay_row_of(struct tk_replay_segment *segment, uint32_t granule,
                                      uint32_t row);

/** Estimated size of the rows as OTLP protobuf; resources and scopes are the caller's to add, once
 * for each pair. */
enum tk_status tk_replay_row_bytes(struct tk_replay_segment *segment,
                                   const struct tk_replay_range *range, uint64_t *bytes_out,
                                   struct tk_error *error);
/** Of the resource, and the scope, of a row. */
enum tk_status tk_replay_envelope_bytes(struct tk_replay_segment *segment, uint32_t granule,
                                        uint32_t row, int64_t *resource_id, int64_t *scope_id,
                                        uint64_t *resource_bytes, uint64_t *scope_bytes,
                                        struct tk_error *error);

#endif
