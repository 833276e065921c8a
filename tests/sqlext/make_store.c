/* SPDX-License-Identifier: MIT
 * Makes a store of dumps for the tests, with segments as small as they want them.
 * Usage: make_store [-s spans per segment] [-d seconds between files] STORE FILE...
 * Each file is an ingest of its own, so that a later one finds traces that are stored already. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/input/reader.h"
#include "tracekeep/store.h"

static enum tk_status append_all(struct tk_ingest *ingest, struct tk_input *input,
                                 struct tk_error *error) {
  struct tk_batch *batch;
  enum tk_status status;
  while ((status = tk_input_next(input, &batch, error)) == TK_OK && batch) {
    if ((status = tk_ingest_append(ingest, batch, error)) != TK_OK) return status;
  }
  return status;
}

static enum tk_status ingest_file(struct tk_store *store, const char *path,
                                  const struct tk_ingest_options *options, struct tk_error *error) {
  struct tk_ingest *ingest = NULL;
  struct tk_input *input = NULL;
  enum tk_status status = tk_input_open(path, NULL, &input, error);

  if (status == TK_OK) status = tk_ingest_begin(store, options, &ingest, error);
  if (status == TK_OK) {
    status = tk_ingest_source_begin(ingest, path, tk_input_format_name(input),
                                    tk_input_head_hash(input), NULL, error);
  }
  if (status == TK_OK) status = append_all(ingest, input, error);
  if (status == TK_OK) status = tk_ingest_source_end(ingest, error);
  if (status == TK_OK) {
    status = tk_ingest_finish(ingest, NULL, error);
  } else {
    tk_ingest_abort(ingest);
  }
  tk_input_close(input);
  return status;
}

int main(int argc, char **argv) {
  struct tk_ingest_options options = {.thread_count = 1};
  struct tk_error error = {{0}};
  struct tk_store *store = NULL;
  unsigned pause = 0;
  int option;

  while ((option = getopt(argc, argv, "s:d:")) != -1) {
    if (option == 's') options.spans_per_segment = (uint32_t)strtoul(optarg, NULL, 10);
    if (option == 'd') pause = (unsigned)strtoul(optarg, NULL, 10);
    if (option == '?') return 2;
  }
  if (argc - optind < 2) {
    fprintf(stderr, "usage: make_store [-s spans] [-d seconds] STORE FILE...\n");
    return 2;
  }
  enum tk_status status = tk_store_open(argv[optind], TK_OPEN_CREATE, &store, &error);
  for (int i = optind + 1; i < argc && status == TK_OK; i++) {
    if (i > optind + 1) sleep(pause);
    status = ingest_file(store, argv[i], &options, &error);
  }
  tk_store_close(store);
  if (status == TK_OK) return 0;
  fprintf(stderr, "make_store: %s\n", error.message);
  return 1;
}
