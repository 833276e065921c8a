/* What an ingest came to: collected while it runs, printed at its end. */
#ifndef TK_CLI_INGEST_SUMMARY_H
#define TK_CLI_INGEST_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "tracekeep/store.h"

enum { TK_SUMMARY_RULES = 64 };

struct tk_ingest_summary {
  struct tk_ingest_counts counts;
  uint64_t files, files_skipped, files_failed;
  struct tk_rule_count {
    const char *rule; /**< a constant of the reader */
    uint64_t count;
  } rules[TK_SUMMARY_RULES];
  uint32_t rule_count;
  uint64_t issues_shown;
  double seconds;
  bool interrupted;
};

/** Adds what another ingest came to. */
void tk_ingest_summary_add_counts(struct tk_ingest_summary *summary,
                                  const struct tk_ingest_counts *counts);

/** Counts the issues of a batch, and shows the first few of the whole ingest on stderr. */
void tk_ingest_summary_add_issues(struct tk_ingest_summary *summary, const char *file,
                                  const struct tk_batch *batch);

/** To stdout. */
void tk_ingest_summary_print_text(const struct tk_ingest_summary *summary, const char *store);
void tk_ingest_summary_print_json(const struct tk_ingest_summary *summary, const char *store);

#endif
