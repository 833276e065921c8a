/* Random but reproducible spans that use everything the format can hold, and stores made of them
 * with the real segment writer. All functions exit the test program when they fail. */
#ifndef TK_TESTS_SEGMENT_BUILDER_H
#define TK_TESTS_SEGMENT_BUILDER_H

#include <sqlite3.h>

#include "tracekeep/span.h"

/* How spans of a trace follow each other; each suits another start model of the format. */
enum sample_timing { SAMPLE_BY_ROW, SAMPLE_PARALLEL, SAMPLE_SEQUENTIAL };

struct sample_options {
  uint64_t seed;
  uint32_t trace_count;
  uint32_t largest_trace; /* spans; the first trace is that large */
  int plain;              /* no events, links, extras, residuals or odd times */
  enum sample_timing timing;
};

struct sample_spans {
  struct tk_arena arena;
  struct tk_span *spans;
  const struct tk_span **pointers; /* to all of them, for the writer */
  uint32_t count;
};

uint64_t sample_next(uint64_t *state);
void sample_spans_make(struct sample_spans *samples, const struct sample_options *options);
void sample_spans_reset(struct sample_spans *samples);

/** An empty store, without the SQL surface. */
sqlite3 *sample_store_create(const char *path);
/** Writes the spans as one segment; its id. */
int64_t sample_store_add(sqlite3 *db, const struct tk_span *const *spans, uint32_t count);

/** Runs SQL that must work. */
void sample_store_run(sqlite3 *db, const char *sql);

#endif
