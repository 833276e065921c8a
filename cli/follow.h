/* Following files that grow: what `ingest --follow` does. */
#ifndef TK_CLI_FOLLOW_H
#define TK_CLI_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/ingest_summary.h"
#include "tracekeep/store.h"

struct tk_follow_options {
  struct tk_ingest_options ingest;
  const char *format;          /**< NULL: recognise it */
  uint64_t commit_interval_ms; /**< what was read is committed this often */
  const char *run_id;          /**< of documents that do not name one; NULL: none */
  bool quiet;
};

/** Ingests the files that `paths` stand for (as tk_input_files_list with `following`), and what is
 * added to them, until tk_interrupted(): then TK_OK. Input that cannot be read is complained about
 * and counted in *summary; a failure is one of the store. TK_BUSY is not: it waits, and goes on
 * where the store is then. */
enum tk_status tk_follow(struct tk_store *store, char **paths, int path_count,
                         const struct tk_follow_options *options, struct tk_ingest_summary *summary,
                         struct tk_error *error);

#endif
