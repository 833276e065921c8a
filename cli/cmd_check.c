/* SPDX-License-Identifier: MIT
 * tracekeep check: reads everything in a store and lists what is wrong with it. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/output/display.h"
#include "cli/output/quantity.h"
#include "cli/output/text_buffer.h"
#include "tracekeep/store.h"

struct check_options {
  bool quiet;
};

static const struct tk_option check_options[] = {
    {.name = "quiet",
     .letter = 'q',
     .type = TK_OPTION_FLAG,
     .help = "print nothing when all is well",
     .offset = offsetof(struct check_options, quiet)},
    {0},
};

static void print_fault(void *context, const char *message) {
  struct tk_text_buffer line = {0};
  (void)context;
  tk_text_buffer_add_display(&line, message, strlen(message), SIZE_MAX);
  if (!line.failed) printf("fault: %.*s\n", (int)line.size, line.size > 0 ? line.data : "");
  tk_text_buffer_reset(&line);
}

static int run_check(const struct tk_command *command, int argc, char **argv) {
  struct check_options options = {0};
  struct tk_check_counts counts = {0};
  struct tk_error error = {0};
  struct tk_store *store = NULL;
  int exit_code = TK_EXIT_OK;
  if (tk_options_parse(command, argc, argv, &options, &exit_code) < 0) return exit_code;

  enum tk_status status = tk_store_open(argv[0], TK_OPEN_READ, &store, &error);
  if (status == TK_OK) status = tk_store_check(store, print_fault, NULL, &counts, &error);
  tk_store_close(store);
  if (status != TK_OK) return tk_complain_status(argv[0], status, &error);

  char spans[TK_FORMAT_SIZE];
  tk_format_number(counts.spans, spans);
  if (!options.quiet || counts.faults > 0) {
    printf("%s: %llu segment%s, %llu chunk%s, %s span%s%s", argv[0],
           (unsigned long long)counts.segments, counts.segments == 1 ? "" : "s",
           (unsigned long long)counts.chunks, counts.chunks == 1 ? "" : "s", spans,
           counts.spans == 1 ? "" : "s", counts.documents > 0 ? ", " : ": ");
    if (counts.documents > 0) {
      printf("%llu document%s: ", (unsigned long long)counts.documents,
             counts.documents == 1 ? "" : "s");
    }
    if (counts.faults == 0) {
      printf("no faults\n");
    } else {
      printf("%llu fault%s\n", (unsigned long long)counts.faults, counts.faults == 1 ? "" : "s");
    }
  }
  return counts.faults > 0 ? TK_EXIT_FINDINGS : TK_EXIT_OK;
}

const struct tk_command tk_cmd_check = {
    .name = "check",
    .arguments = "STORE",
    .summary = "verify every byte of a store",
    .description =
        "Reads everything: SQLite's own integrity check, every checksum, every encoded value and\n"
        "every count. Lists the faults and changes nothing. Exit code 1: there are faults.",
    .examples =
        "  tracekeep check traces.db\n"
        "  tracekeep check --quiet traces.db && cp traces.db /backup/\n",
    .options = check_options,
    .run = run_check,
    .operand_min = 1,
    .operand_max = 1,
};
