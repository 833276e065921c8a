/* SPDX-License-Identifier: MIT
 * A program of one's own: the longest span of every trace in a store. Outside this tree:
 *     cc embed.c $(pkg-config --cflags --libs tracekeep) && ./a.out traces.db */
#include <inttypes.h>
#include <stdio.h>

#include "tracekeep/scan.h"

static const struct tk_span *find_longest(const struct tk_trace *trace) {
  const struct tk_span *longest = &trace->spans[0];
  for (uint32_t i = 1; i < trace->span_count; i++) {
    const struct tk_span *span = &trace->spans[i];
    if (span->end_unix_ns - span->start_unix_ns > longest->end_unix_ns - longest->start_unix_ns) {
      longest = span;
    }
  }
  return longest;
}

int main(int argc, char **argv) {
  struct tk_error error = {{0}};
  struct tk_store *store = NULL;
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  if (argc != 2) return 2;

  enum tk_status status = tk_store_open(argv[1], TK_OPEN_READ, &store, &error);
  if (status == TK_OK) status = tk_scan_open(store, NULL, &scan, &error);
  while (status == TK_OK && (status = tk_scan_next(scan, &trace, &error)) == TK_OK && trace) {
    const struct tk_span *longest = find_longest(trace);
    printf("%" PRIu32 " spans, longest %.*s: %" PRIu64 " ns\n", trace->span_count,
           (int)longest->name.size, longest->name.data,
           longest->end_unix_ns - longest->start_unix_ns);
  }
  tk_scan_close(scan);
  tk_store_close(store);
  if (status != TK_OK) fprintf(stderr, "%s\n", error.message);
  return status == TK_OK ? 0 : 1;
}
