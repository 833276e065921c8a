/* Events of runs: what documents of lines hold, document by document, line by line.
 *
 * A document is one file and so one sequence of events. Three dialects: KvOnce events, inventory
 * events, and observability events (which may also be one JSON array). A record is a line that is
 * not blank; its ordinal is its number among these, from 0. A record that is not JSON, or is null
 * (but for observability events), is no event: it is counted, and its ordinal stays unused. */
#ifndef TK_SQLEXT_KVONCE_EVENT_READER_H
#define TK_SQLEXT_KVONCE_EVENT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/codec/byte_writer.h"
#include "store/document/document.h"
#include "store/sqlite_api.h"
#include "tracekeep/json.h"

enum tk_dialect {
  TK_DIALECT_KVONCE,
  TK_DIALECT_INVENTORY,
  TK_DIALECT_OBSERVABILITY,
  TK_DIALECT_COUNT
};

/** `kvonce`, `inventory`, `observability`. */
const char *tk_dialect_name(enum tk_dialect dialect);

enum tk_event_field {
  TK_EVENT_TRACE_ID,
  TK_EVENT_TIMESTAMP,
  TK_EVENT_TYPE,
  TK_EVENT_KEY,
  TK_EVENT_VALUE,
  TK_EVENT_REASON,
  TK_EVENT_CONTEXT,
  TK_EVENT_ACTOR,
  TK_EVENT_EVENT,
  TK_EVENT_STATE,
  TK_EVENT_DELTA,
  TK_EVENT_RESULT,
  TK_EVENT_CHECKS,
  TK_EVENT_ACTION,
  TK_EVENT_OUTCOME,
  TK_EVENT_DETAILS,
  TK_EVENT_FIELD_COUNT
};

/** Good until the next event is asked for. */
struct tk_run_event {
  uint64_t ordinal;
  struct tk_text raw;                          /**< UTF-8; without white space around it */
  struct tk_text fields[TK_EVENT_FIELD_COUNT]; /**< JSON as written; data NULL: absent */
  const struct tk_record_origin *origin;       /**< the span it was; NULL: none */
};

static inline bool tk_json_is_null(struct tk_text text) {
  return !text.data || (text.size == 4 && __builtin_memcmp(text.data, "null", 4) == 0);
}

/** One record as an event: fills raw and fields. False: it is not JSON. `text` must be followed by
 * bytes as tk_json_init wants them, though not by NUL if it is known to be valid JSON. */
bool tk_event_parse(struct tk_run_event *event, struct tk_text text);

/** The trace id as the tables of spans show it, as plain text in `out`, which is emptied first: of
 * an event that was a span that span's, else what traceId says; empty: none. False: out of memory.
 */
bool tk_event_span_trace(const struct tk_run_event *event, struct tk_byte_writer *out);

/** The value of the last member of that name; data NULL: none, or no object. */
struct tk_text tk_json_find_member(struct tk_text object, const char *name);

/* ---- lines ---- */

/** Records of bytes in memory. */
struct tk_event_lines {
  char *at, *end; /**< *end and TK_JSON_PADDING bytes from there on are writable */
  char *fixed;    /**< a line that was not UTF-8, with U+FFFD for what was not */
  size_t fixed_capacity;
};

/** The next line that is not blank, trimmed and followed by NUL, in *line_out; data NULL at the
 * end. TK_NOMEM. */
enum tk_status tk_event_lines_next(struct tk_event_lines *lines, struct tk_text *line_out,
                                   struct tk_error *error);
void tk_event_lines_reset(struct tk_event_lines *lines);

/* ---- documents ---- */

struct tk_event_document {
  int64_t id;
  enum tk_dialect dialect;
  const char *run_id; /**< NULL: none */
  const char *path;
};

/** Values are SQL's, compared as = does; NULL pointer: any. */
struct tk_event_filter {
  uint32_t dialects; /**< bits 1 << enum tk_dialect */
  sqlite3_value *run_id, *document_id, *trace_id;
};

struct tk_event_reader;

/** Documents of the attached database `schema` by id. One that several runs share, because they
 * left the same bytes, comes once for each of them. A store from before there were any has none. */
enum tk_status tk_event_reader_open(sqlite3 *db, const char *schema,
                                    const struct tk_event_filter *filter,
                                    struct tk_event_reader **reader_out, struct tk_error *error);
void tk_event_reader_close(struct tk_event_reader *reader);

/** Goes to the next document; NULL after the last one. */
enum tk_status tk_event_reader_next_document(struct tk_event_reader *reader,
                                             const struct tk_event_document **document_out,
                                             struct tk_error *error);
/** The next event of the document; NULL after the last one. */
enum tk_status tk_event_reader_next(struct tk_event_reader *reader,
                                    const struct tk_run_event **event_out, struct tk_error *error);
/** Goes back to the beginning of the document. */
enum tk_status tk_event_reader_restart(struct tk_event_reader *reader, struct tk_error *error);
/** A rowid for row `number` of what is made of a document in a run. SQLite may take the rows of two
 * scans (of an OR) for one if their rowids are equal, so that a mere count will not do. */
int64_t tk_event_row_id(int64_t document_id, const char *run_id, uint64_t number);
/** Records of the document so far, whether events or not. */
uint64_t tk_event_reader_record_count(const struct tk_event_reader *reader);
/** Records of the document so far that were no events. */
uint64_t tk_event_reader_malformed_count(const struct tk_event_reader *reader);

#endif
