/* SPDX-License-Identifier: MIT
 * Reads files to batches and throws them away: how fast, and how much memory a span takes.
 * Usage: parse_bench [-t threads] file... */
#include <inttypes.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/input/reader.h"

struct totals {
  uint64_t batches, records, rejected, spans, events, links, attributes, issues, arena_bytes, bytes;
};

static double now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void add_batch(struct totals *totals, const struct tk_batch *batch) {
  totals->batches++;
  totals->records += batch->record_count;
  totals->rejected += batch->rejected_count;
  totals->spans += batch->span_count;
  totals->issues += batch->issue_count;
  totals->arena_bytes += batch->arena.total_bytes;
  totals->bytes += batch->end_offset - batch->begin_offset;
  for (uint32_t i = 0; i < batch->span_count; i++) {
    totals->events += batch->spans[i].event_count;
    totals->links += batch->spans[i].link_count;
    totals->attributes += batch->spans[i].attributes.count;
  }
}

static enum tk_status read_file(const char *path, unsigned threads, struct totals *totals,
                                struct tk_error *error) {
  const struct tk_input_options options = {.thread_count = threads};
  struct tk_input *reader;
  struct tk_batch *batch;
  enum tk_status status = tk_input_open(path, &options, &reader, error);
  if (status != TK_OK) return status;
  while ((status = tk_input_next(reader, &batch, error)) == TK_OK && batch) {
    add_batch(totals, batch);
    for (uint32_t i = 0; i < batch->issue_count && getenv("SHOW_ISSUES"); i++) {
      const struct tk_issue *issue = &batch->issues[i];
      printf("%s:%" PRIu64 " (byte %" PRIu64 "): %s: %.*s\n", path, issue->line, issue->offset,
             issue->rule, (int)issue->message.size, issue->message.data);
    }
    tk_batch_free(batch);
  }
  tk_input_close(reader);
  return status;
}

int main(int argc, char **argv) {
  unsigned threads = 1;
  int first = 1;
#if defined(__GLIBC__)
  mallopt(M_TRIM_THRESHOLD, 64 << 20); /* as the program does: see cli/main.c */
#endif
  if (argc > 2 && strcmp(argv[1], "-t") == 0) {
    threads = (unsigned)strtoul(argv[2], NULL, 10);
    first = 3;
  }
  for (int i = first; i < argc; i++) {
    struct totals totals = {0};
    struct tk_error error = {""};
    const double begin = now(CLOCK_MONOTONIC), cpu_begin = now(CLOCK_PROCESS_CPUTIME_ID);
    if (read_file(argv[i], threads, &totals, &error) != TK_OK) {
      fprintf(stderr, "parse_bench: %s\n", error.message);
      return 1;
    }
    const double seconds = now(CLOCK_MONOTONIC) - begin;
    const double cpu_seconds = now(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin;
    printf("%s: %" PRIu64 " spans, %" PRIu64 " events, %" PRIu64 " links, %" PRIu64
           " span attributes, %" PRIu64 " records, %" PRIu64 " rejected, %" PRIu64
           " issues, %" PRIu64 " batches\n",
           argv[i], totals.spans, totals.events, totals.links, totals.attributes, totals.records,
           totals.rejected, totals.issues, totals.batches);
    printf("  %.3f s (%.4f of a processor), %.0f MB/s, %.0f bytes of memory a span\n", seconds,
           cpu_seconds, (double)totals.bytes / 1e6 / seconds,
           totals.spans ? (double)totals.arena_bytes / (double)totals.spans : 0.0);
  }
  return 0;
}
