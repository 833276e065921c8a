/* Reading segments: what tables, scans and checks stand on.
 *
 * A `tk_reader` belongs to one connection and one schema ("main", or an attached name) and lists
 * the segments of the snapshot that connection sees. A `tk_segment` is an opened segment: directory
 * parsed, columns loaded and decoded on demand. Segments are immutable and their ids are never
 * reused, so opened ones live in a process-wide cache, shared by connections and threads, found by
 * the checksum of their directory and freed when the budget is full, those used last and more than
 * once being kept longest (a segment in use is never freed). The budget is an eighth of the
 * machine's memory (or of what the control group may use), at least 64 MB, or what the environment
 * variable TRACEKEEP_CACHE says: bytes, or `100M`, `2G`.
 *
 * Whatever is in the file, every function here gives TK_OK or an error: each chunk's checksum and
 * structure are verified before a view of it is handed out. Pointers into a segment stay valid
 * until tk_segment_release. Decoded arrays never move. */
#ifndef TK_STORE_SEGMENT_H
#define TK_STORE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/codec/column_codec.h"
#include "store/segment/segment_format.h"
#include "store/sqlite_api.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

/* ---- the segments a connection sees ---- */

/** From the tk_segment row: known without opening the segment. */
struct tk_segment_summary {
  int64_t id;
  uint32_t span_count, trace_count, event_count, link_count, error_count;
  uint64_t start_min, start_max, end_max; /**< unix ns, unsigned */
  int64_t duration_min, duration_max;     /**< ns */
  uint64_t raw_bytes, stored_bytes;
  uint32_t flags; /**< enum tk_segment_flags */
};

enum tk_segment_flags {
  TK_SEGMENT_HAS_SPLIT = 1, /**< holds parts of traces that are in other segments too (tk_split) */
  TK_SEGMENT_OPEN = 2 /**< small, or the tail of a running ingest: the next takes it up again */
};

/** A resource or scope of the store, parsed. */
struct tk_stored_resource {
  int64_t id;
  struct tk_text service; /**< service.name; data NULL when absent, not a string, or empty */
  struct tk_resource resource;
};
struct tk_stored_scope {
  int64_t id;
  struct tk_scope scope;
};

struct tk_reader {
  sqlite3 *db;
  char *schema;
  int64_t generation;                  /**< grows with every commit of an ingest */
  uint32_t file_number;                /**< grows when `schema` comes to name another file */
  struct tk_segment_summary *segments; /**< by start_min, then id */
  uint32_t segment_count;
  struct tk_reader_state *state; /**< private */
};

/** `schema` names a database of `db` that holds a store. */
enum tk_status tk_reader_open(sqlite3 *db, const char *schema, struct tk_reader **reader_out,
                              struct tk_error *error);
void tk_reader_close(struct tk_reader *reader);

/** Brings `segments` up to date with the snapshot of the current transaction; cheap when nothing
 * changed. Call at the start of a statement (xFilter). Moves `segments`: a cursor that outlives a
 * refresh keeps segment handles, not indexes. */
enum tk_status tk_reader_refresh(struct tk_reader *reader, struct tk_error *error);

/** Resource or scope by id (as in tk_segment.resources); NULL if there is none, or it is damaged.
 * Valid until close. All ids of opened segments are known: a segment that names a missing or
 * damaged one does not open. */
const struct tk_stored_resource *tk_reader_resource(struct tk_reader *reader, int64_t id);
const struct tk_stored_scope *tk_reader_scope(struct tk_reader *reader, int64_t id);

/** All that are not damaged, ascending ids. */
void tk_reader_resources(struct tk_reader *reader,
                         const struct tk_stored_resource *const **list_out, uint32_t *count_out);
void tk_reader_scopes(struct tk_reader *reader, const struct tk_stored_scope *const **list_out,
                      uint32_t *count_out);

/** What is wrong with the damaged resource or scope `index`, by name; NULL from their number on. */
const char *tk_reader_damage(const struct tk_reader *reader, uint32_t index);

/* ---- an opened segment ---- */

/** A column as the directory describes it. `index` means: index into tk_segment.columns. */
struct tk_segment_column {
  uint16_t number; /**< enum tk_column_number */
  uint8_t kind;    /**< enum tk_column_kind */
  uint8_t scope;   /**< enum tk_attribute_scope; attribute columns only */
  uint8_t type;    /**< enum tk_value_type; attribute columns only. How it is stored: STRING,
                        BYTES as they are and ARRAY, KVLIST as value_codec.h bytes in TEXT
                        columns; INT, BOOL, and DOUBLE (its bit pattern) in INT columns; EMPTY has
                        no values at all, only value_count */
  bool in_extras;  /**< values are spread over TK_COL_EXTRA rather than in a chunk of their own */
  bool has_filter; /**< tk_reader_may_contain can answer */
  struct tk_text key;       /**< attribute columns only */
  uint32_t value_count;     /**< in_extras: how many items (spans, events, links) have it */
  uint32_t distinct_count;  /**< TEXT: at least 1 if there are values; estimated if no dictionary */
  int64_t int_min, int_max; /**< INT columns with values; in_extras: the whole range */
  uint32_t chunk_size;
  uint64_t chunk_hash;
  const uint32_t *granule_first_value; /**< attribute and per-event/link columns: index of the first
                                            value at or after each row granule (rows.count
                                            entries); NULL for others and for in_extras */
};

/** Attributes that many spans (events, links) share: which, and in which order. */
struct tk_keyset {
  const uint16_t *columns; /**< indexes into tk_segment.columns */
  uint32_t count;
};

struct tk_keysets {
  const struct tk_keyset *items;
  uint32_t count;
};

#define TK_NO_COLUMN UINT32_MAX

struct tk_segment {
  struct tk_segment_summary summary;
  enum tk_start_model start_model;
  struct tk_granules rows;             /**< row granules; each holds whole traces */
  const uint32_t *granule_first_trace; /**< rows.count + 1 entries */
  const uint64_t *granule_start_min;   /**< earliest start in each row granule */
  const uint64_t *granule_start_max;
  const int64_t *resources; /**< ids, indexed by the values of TK_COL_RESOURCE */
  uint32_t resource_count;
  const int64_t *scopes;
  uint32_t scope_count;
  struct tk_keysets keysets[3];            /**< by enum tk_attribute_scope: SPAN, EVENT, LINK */
  const struct tk_segment_column *columns; /**< ascending number */
  uint32_t column_count;
  uint32_t
      fixed[TK_COL_FIRST_ATTRIBUTE]; /**< column number -> index, or TK_NO_COLUMN: all default */
  struct tk_segment_state *state;    /**< private */
};

/** Opens segment `index` of reader->segments; give it back with tk_segment_release. */
enum tk_status tk_reader_segment(struct tk_reader *reader, uint32_t index,
                                 const struct tk_segment **segment_out, struct tk_error *error);
void tk_segment_release(const struct tk_segment *segment);

/** Index of the attribute column with this scope, key and type, or TK_NO_COLUMN. (One key can have
 * several columns, one a type: ask for each.) */
uint32_t tk_segment_find_attribute(const struct tk_segment *segment, enum tk_attribute_scope scope,
                                   struct tk_text key, enum tk_value_type type);

/** Row granule that holds `row`. */
uint32_t tk_segment_granule_of_row(const struct tk_segment *segment, uint32_t row);

/* ---- values ----
 *
 * Everywhere below `granule` is a row granule, or TK_ALL for the whole segment. What was asked for
 * once is kept, so asking again is cheap (one atomic load), but hoist it out of row loops.
 *
 * Values by which others index are checked when they are decoded: resource, scope and keyset codes
 * are below the counts they refer to (a keyset code is 0 where there are no keysets: no
 * attributes), depths below the number of rows, entries of ROW columns ascend and are below what
 * they index. */

#define TK_ALL UINT32_MAX

/** Opened column `index` (see column_codec.h); nothing is decoded yet, but FIXED columns and those
 * in_extras, which are whole. A column of type EMPTY has a value_count and no arrays. */
enum tk_status tk_reader_column(struct tk_reader *reader, const struct tk_segment *segment,
                                uint32_t index, const struct tk_column **column_out,
                                struct tk_error *error);

/** Decodes values [begin, end) of column `index`, and hands the column out. For per-trace, per-row
 * and sparse columns an index is a trace, a row, an entry; for attribute columns see
 * tk_reader_value_index. */
enum tk_status tk_reader_values(struct tk_reader *reader, const struct tk_segment *segment,
                                uint32_t index, uint32_t begin, uint32_t end,
                                const struct tk_column **column_out, struct tk_error *error);

/** The per-row column `number` for the rows of a granule (or TK_ALL); *column_out is NULL when the
 * column is not stored, that is when every value is 0, "" or none. */
enum tk_status tk_reader_row_column(struct tk_reader *reader, const struct tk_segment *segment,
                                    enum tk_column_number number, uint32_t granule,
                                    const struct tk_column **column_out, struct tk_error *error);

/** starts[row]: unix ns (cast to uint64_t). */
enum tk_status tk_reader_starts(struct tk_reader *reader, const struct tk_segment *segment,
                                uint32_t granule, const int64_t **starts_out,
                                struct tk_error *error);

/** parents[row]: row of the parent span, or UINT32_MAX at rows of depth 0. Always an earlier row of
 * the same trace. The subtree of a row is the row and those after it while depth is greater. */
enum tk_status tk_reader_parents(struct tk_reader *reader, const struct tk_segment *segment,
                                 uint32_t granule, const uint32_t **parents_out,
                                 struct tk_error *error);

/** traces[row]: index of the row's trace: TK_COL_TRACE_ID is indexed by it. */
enum tk_status tk_reader_traces(struct tk_reader *reader, const struct tk_segment *segment,
                                uint32_t granule, const uint32_t **traces_out,
                                struct tk_error *error);

/** trace_rows[t]: first row of trace t; trace_count + 1 entries. */
enum tk_status tk_reader_trace_rows(struct tk_reader *reader, const struct tk_segment *segment,
                                    const uint32_t **trace_rows_out, struct tk_error *error);

/** Parent id of a row of depth 0 whose parent is not in this segment: 8 bytes, or NULL if the row
 * is a true root. (Rows of greater depth: the span id of the parent row.) */
enum tk_status tk_reader_external_parent(struct tk_reader *reader, const struct tk_segment *segment,
                                         uint32_t row, const uint8_t **id_out,
                                         struct tk_error *error);

/** first[row] .. first[row + 1]: the events (TK_SCOPE_EVENT) or links (TK_SCOPE_LINK) of a row, as
 * indexes into the per-event (per-link) columns. span_count + 1 entries; NULL if there are none. */
enum tk_status tk_reader_first_items(struct tk_reader *reader, const struct tk_segment *segment,
                                     enum tk_attribute_scope scope, const uint32_t **first_out,
                                     struct tk_error *error);

/** For attribute column `index`: value_index[i] is where the value of item i (a row; an event or
 * link index for their scopes) is in the column, or UINT32_MAX if the item has no such attribute.
 * For scope SPAN only the rows of `granule` are filled. A span that has the key twice with the
 * same type shows its first value here. in_extras columns work the same way. The values of an
 * EMPTY column are all "no value": only the index says who has it. */
enum tk_status tk_reader_value_index(struct tk_reader *reader, const struct tk_segment *segment,
                                     uint32_t index, uint32_t granule,
                                     const uint32_t **value_index_out, struct tk_error *error);

/** False: no value of TEXT column `index` equals `text`. True: perhaps. Answers from the dictionary
 * when the column is loaded, else from the stored filter, else true. */
enum tk_status tk_reader_may_contain(struct tk_reader *reader, const struct tk_segment *segment,
                                     uint32_t index, struct tk_text text, bool *may_out,
                                     struct tk_error *error);

/* ---- whole records ---- */

struct tk_trace_place {
  uint32_t segment_index; /**< into reader->segments */
  uint32_t trace_index;   /**< in that segment */
  uint32_t first_row, row_count;
};

/** Where the spans of a trace are: 0, 1 or (split traces) several places, ascending segment id.
 * Consults the segments' trace filters. *places_out is freed with sqlite3_free. */
enum tk_status tk_reader_find_trace(struct tk_reader *reader, const uint8_t trace_id[16],
                                    struct tk_trace_place **places_out, uint32_t *count_out,
                                    struct tk_error *error);

/** Complete spans [first_row, first_row + row_count), as they came in. Everything they point to is
 * in `arena`, but resource and scope: they are the reader's, valid until it is closed. `spans_out`
 * has row_count entries. */
enum tk_status tk_reader_spans(struct tk_reader *reader, const struct tk_segment *segment,
                               uint32_t first_row, uint32_t row_count, struct tk_arena *arena,
                               struct tk_span *spans_out, struct tk_error *error);

/** Attributes of a span, event or link (`item`: row, event or link index) alone. Counts through the
 * granule of the item each time: for many rows in sequence use tk_reader_spans. */
enum tk_status tk_reader_attributes(struct tk_reader *reader, const struct tk_segment *segment,
                                    enum tk_attribute_scope scope, uint32_t item,
                                    struct tk_arena *arena, struct tk_attributes *attributes_out,
                                    struct tk_error *error);

/* ---- the process-wide cache ---- */

/** Budget in bytes of what is kept in memory of segments: directories, chunks, decoded columns,
 * filters; the default is 256 MiB. What is in use can exceed it. */
void tk_segment_cache_set_budget(uint64_t bytes);
uint64_t tk_segment_cache_used(void);
/** Frees what is not in use (before unloading, and for leak checks in tests). */
void tk_segment_cache_clear(void);

#endif
