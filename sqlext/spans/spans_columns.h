/* Columns of `spans`: the fixed ones, and one for every attribute key of the store. */
#ifndef TK_SQLEXT_SPANS_COLUMNS_H
#define TK_SQLEXT_SPANS_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/spans/run_links.h"
#include "store/segment/segment.h"
#include "tracekeep/arena.h"

/* COLUMN(name, declared type, source, argument) in the order of the table. `argument` is a column
 * number of the segment, a size in nanoseconds, or an index, as the source needs. */
#define SPANS_VISIBLE_COLUMNS(COLUMN)                                             \
  COLUMN(trace_id, "TEXT COLLATE NOCASE", TRACE_ID, 0)                            \
  COLUMN(span_id, "TEXT COLLATE NOCASE", SPAN_ID, 0)                              \
  COLUMN(parent_span_id, "TEXT COLLATE NOCASE", PARENT_ID, 0)                     \
  COLUMN(service, "TEXT", SERVICE, 0)                                             \
  COLUMN(name, "TEXT", ROW_TEXT, TK_COL_NAME)                                     \
  COLUMN(kind, "TEXT", KIND, TK_COL_KIND)                                         \
  COLUMN(start_ns, "INTEGER", START, 0)                                           \
  COLUMN(end_ns, "INTEGER", END, 0)                                               \
  COLUMN(duration_ns, "INTEGER", ROW_INT, TK_COL_DURATION)                        \
  COLUMN(started_at, "TEXT", STARTED_AT, 0)                                       \
  COLUMN(status, "TEXT", STATUS, TK_COL_STATUS_CODE)                              \
  COLUMN(status_message, "TEXT", ROW_TEXT, TK_COL_STATUS_MESSAGE)                 \
  COLUMN(http_method, "TEXT", RESOLVED, RESOLVED_HTTP_METHOD)                     \
  COLUMN(http_route, "TEXT", RESOLVED, RESOLVED_HTTP_ROUTE)                       \
  COLUMN(http_status, "INTEGER", RESOLVED, RESOLVED_HTTP_STATUS)                  \
  COLUMN(db_system, "TEXT", RESOLVED, RESOLVED_DB_SYSTEM)                         \
  COLUMN(db_statement, "TEXT", RESOLVED, RESOLVED_DB_STATEMENT)                   \
  COLUMN(rpc_method, "TEXT", RESOLVED, RESOLVED_RPC_METHOD)                       \
  COLUMN(messaging_destination, "TEXT", RESOLVED, RESOLVED_MESSAGING_DESTINATION) \
  COLUMN(error_type, "TEXT", RESOLVED, RESOLVED_ERROR_TYPE)                       \
  COLUMN(scope_name, "TEXT", SCOPE_NAME, 0)                                       \
  COLUMN(scope_version, "TEXT", SCOPE_VERSION, 0)                                 \
  COLUMN(attributes, "TEXT", ATTRIBUTES_JSON, 0)                                  \
  COLUMN(resource, "TEXT", RESOURCE_JSON, 0)                                      \
  COLUMN(events, "TEXT", EVENTS_JSON, TK_COL_EVENT_COUNT)                         \
  COLUMN(links, "TEXT", LINKS_JSON, TK_COL_LINK_COUNT)                            \
  COLUMN(event_count, "INTEGER", ROW_INT, TK_COL_EVENT_COUNT)                     \
  COLUMN(link_count, "INTEGER", ROW_INT, TK_COL_LINK_COUNT)                       \
  COLUMN(is_root, "INTEGER", IS_ROOT, 0)                                          \
  COLUMN(depth, "INTEGER", DEPTH, 0)                                              \
  COLUMN(child_count, "INTEGER", CHILD_COUNT, 0)                                  \
  COLUMN(self_time_ns, "INTEGER", SELF_TIME, 0)                                   \
  COLUMN(minute_ns, "INTEGER", BUCKET, 60000000000)                               \
  COLUMN(hour_ns, "INTEGER", BUCKET, 3600000000000)                               \
  COLUMN(day_ns, "INTEGER", BUCKET, 86400000000000)                               \
  COLUMN(trace_state, "TEXT", ROW_TEXT, TK_COL_TRACE_STATE)                       \
  COLUMN(flags, "INTEGER", ROW_INT, TK_COL_FLAGS)                                 \
  COLUMN(adjusted_count, "REAL", ADJUSTED_COUNT, 0)                               \
  COLUMN(dropped_attributes_count, "INTEGER", ROW_INT, TK_COL_DROPPED_ATTRIBUTES) \
  COLUMN(dropped_events_count, "INTEGER", ROW_INT, TK_COL_DROPPED_EVENTS)         \
  COLUMN(dropped_links_count, "INTEGER", ROW_INT, TK_COL_DROPPED_LINKS)

/* Those of RUN are called as the attributes that a producer would set: [kvonce.run_id], ... */
#define SPANS_HIDDEN_COLUMNS(COLUMN)                          \
  COLUMN(scope, "TEXT", SCOPE_JSON, 0)                        \
  COLUMN(resource_id, "INTEGER", RESOURCE_ID, 0)              \
  COLUMN(segment_id, "INTEGER", SEGMENT_ID, 0)                \
  COLUMN(adjusted_count_source, "TEXT", ADJUSTED_SOURCE, 0)   \
  COLUMN(run_id, "TEXT", RUN, TK_RUN_ID)                      \
  COLUMN(run_branch, "TEXT", RUN, TK_RUN_BRANCH)              \
  COLUMN(run_valid, "INTEGER", RUN, TK_RUN_VALID)             \
  COLUMN(run_event_count, "INTEGER", RUN, TK_RUN_EVENT_COUNT) \
  COLUMN(run_artifact_path, "TEXT", RUN, TK_RUN_ARTIFACT_PATH)

enum spans_column_id {
#define COLUMN(name, type, source, argument) SPANS_##name,
  SPANS_VISIBLE_COLUMNS(COLUMN) SPANS_HIDDEN_COLUMNS(COLUMN)
#undef COLUMN
      SPANS_FIRST_ATTRIBUTE
};

/* Where a column's values come from. */
enum spans_source {
  SOURCE_TRACE_ID,
  SOURCE_SPAN_ID,
  SOURCE_PARENT_ID,
  SOURCE_SERVICE,
  SOURCE_ROW_TEXT,
  SOURCE_ROW_INT,
  SOURCE_KIND,
  SOURCE_STATUS,
  SOURCE_START,
  SOURCE_END,
  SOURCE_STARTED_AT,
  SOURCE_BUCKET,
  SOURCE_RESOLVED,
  SOURCE_SCOPE_NAME,
  SOURCE_SCOPE_VERSION,
  SOURCE_ATTRIBUTES_JSON,
  SOURCE_RESOURCE_JSON,
  SOURCE_SCOPE_JSON,
  SOURCE_EVENTS_JSON,
  SOURCE_LINKS_JSON,
  SOURCE_IS_ROOT,
  SOURCE_DEPTH,
  SOURCE_CHILD_COUNT,
  SOURCE_SELF_TIME,
  SOURCE_ADJUSTED_COUNT,
  SOURCE_ADJUSTED_SOURCE,
  SOURCE_RESOURCE_ID,
  SOURCE_SEGMENT_ID,
  SOURCE_RUN,
  SOURCE_SPAN_ATTRIBUTE,
  SOURCE_RESOURCE_ATTRIBUTE,
  SOURCE_SCOPE_ATTRIBUTE
};

/* Columns that are the first of several attributes that a span has. */
enum spans_resolved {
  RESOLVED_HTTP_METHOD,
  RESOLVED_HTTP_ROUTE,
  RESOLVED_HTTP_STATUS,
  RESOLVED_DB_SYSTEM,
  RESOLVED_DB_STATEMENT,
  RESOLVED_RPC_METHOD,
  RESOLVED_MESSAGING_DESTINATION,
  RESOLVED_ERROR_TYPE,
  RESOLVED_COUNT
};

/** Attribute keys in order of preference; NULL ends the list. */
#define SPANS_RESOLVED_MAX 3
extern const char *const tk_spans_resolved_keys[RESOLVED_COUNT][SPANS_RESOLVED_MAX + 1];

/* What SQLite does to a value compared with the column. */
enum spans_affinity { AFFINITY_NONE, AFFINITY_TEXT, AFFINITY_INTEGER };

struct spans_column {
  const char *name;
  enum spans_source source;
  enum spans_affinity affinity;
  bool nocase; /**< declared COLLATE NOCASE */
  int64_t argument;
  struct tk_text key; /**< attribute columns */
};

struct spans_columns {
  struct tk_arena arena; /**< names and keys */
  struct spans_column *items;
  uint32_t count;
};

/** The columns of the store in `schema` as it is now. */
enum tk_status tk_spans_columns_load(sqlite3 *db, const char *schema, struct spans_columns *columns,
                                     struct tk_error *error);
void tk_spans_columns_reset(struct spans_columns *columns);

/** The declaration of one column, its name behind `prefix`, for tables that show columns of spans.
 */
void tk_spans_columns_declare_one(sqlite3_str *sql, const struct spans_columns *columns,
                                  uint32_t index, const char *prefix, bool is_hidden);

/** `CREATE TABLE x(...)`, freed with sqlite3_free; NULL when out of memory. */
char *tk_spans_columns_declare(const struct spans_columns *columns);

#endif
