/* Sampling decisions that were recorded on their own, line by line, in documents of the store: also
 * about traces that were never stored. docs/sampling.md describes the record. And what trace
 * bundles say of the sampling of their events. */
#ifndef TK_SQLEXT_SAMPLING_DECISION_RECORDS_H
#define TK_SQLEXT_SAMPLING_DECISION_RECORDS_H

#include "sqlext/sampling/decision.h"
#include "store/sqlite_api.h"

/** Where a record stands. */
struct tk_record_place {
  int64_t document, part;
  uint64_t part_ordinal; /**< of the part's first record */
  uint64_t ordinal;      /**< of this one, from 1, blank lines included */
  uint32_t offset, size; /**< of its line in the part */
};

struct tk_decision_record {
  struct tk_decision decision;
  bool has_trace_id, has_time;
  uint8_t trace_id[16];      /**< meaningful if has_trace_id */
  struct tk_text trace_text; /**< as it is shown; data NULL: none */
  struct tk_text span_text;  /**< data NULL: none */
  struct tk_text service;    /**< data NULL: none */
  int64_t time_ns;           /**< meaningful if has_time */
  struct tk_record_place place;
};

struct tk_record_walk;

/** All records of the attached database `schema`, in the order they were ingested. A store from
 * before there were documents has none. */
enum tk_status tk_record_walk_open(sqlite3 *db, const char *schema,
                                   struct tk_record_walk **walk_out, struct tk_error *error);
/** *record_out is NULL at the end, and good until the next call. */
enum tk_status tk_record_walk_next(struct tk_record_walk *walk,
                                   const struct tk_decision_record **record_out,
                                   struct tk_error *error);
void tk_record_walk_close(struct tk_record_walk *walk);

struct tk_record_fetch;

/** Reads records by their places, in any order; quickest in that of the documents. */
enum tk_status tk_record_fetch_open(sqlite3 *db, const char *schema,
                                    struct tk_record_fetch **fetch_out, struct tk_error *error);
/** *record_out is NULL if there is no such record, and good until the next call. */
enum tk_status tk_record_fetch_next(struct tk_record_fetch *fetch,
                                    const struct tk_record_place *place,
                                    const struct tk_decision_record **record_out,
                                    struct tk_error *error);
void tk_record_fetch_close(struct tk_record_fetch *fetch);

/** One line. False: it is no sampling decision. What is made of it lives in `arena`. */
bool tk_decision_record_read(struct tk_text line, struct tk_text document_run,
                             struct tk_arena *arena, struct tk_decision_record *record,
                             bool *out_of_memory);

#endif
