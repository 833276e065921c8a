/* A source that exists only as a rule: batch i of a script is the same whenever and wherever it is
 * made, so that an ingest can be stopped anywhere and continued. */
#ifndef TK_TESTS_SCRIPTED_INGEST_H
#define TK_TESTS_SCRIPTED_INGEST_H

#include <stdbool.h>

#include "tracekeep/store.h"

struct script {
  const char *name;
  uint64_t seed;
  uint32_t batch_count;
  uint32_t spans_per_batch;
  uint32_t trace_spans; /**< about how many spans a trace has; two neighbours are interleaved */
  bool plain;           /**< no duplicates, conflicts, issues or empty batches */
  uint32_t first_span;  /**< number of its first span: scripts with overlapping numbers overlap */
};

struct script_run {
  unsigned threads;
  uint32_t spans_per_segment;
  uint32_t stop_after; /**< abort after so many batches; 0: to the end */
  uint32_t
      commit_every; /**< tk_ingest_commit after so many batches, and between sources; 0: never */
};

struct tk_batch *script_batch(const struct script *script, uint32_t index);

/** Ingests the scripts, one source after another, continuing where the store says; a failure is
 * followed by tk_ingest_abort. Memory for the batches themselves never fails. */
enum tk_status ingest_scripts(struct tk_store *store, const struct script *scripts, uint32_t count,
                              const struct script_run *run, struct tk_ingest_counts *counts_out,
                              struct tk_error *error);

/** Opens (or makes) the store, ingests and closes. */
enum tk_status ingest_scripts_into(const char *path, const struct script *scripts, uint32_t count,
                                   const struct script_run *run,
                                   struct tk_ingest_counts *counts_out, struct tk_error *error);

#endif
