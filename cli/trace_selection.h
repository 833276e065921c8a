/* Which traces a command is about: --trace, --where, --since and --until. */
#ifndef TK_CLI_TRACE_SELECTION_H
#define TK_CLI_TRACE_SELECTION_H

#include "cli/command.h"
#include "tracekeep/scan.h"

/** As given on the command line; empty: all traces. A trace has to meet all that is given. */
struct tk_trace_selection {
  struct tk_text_list traces;
  const char *where; /**< SQL over columns of `spans`: true for some span of the trace */
  const char *since, *until;
};

/** The rows of a table of options, for a struct of the command that has a selection. */
#define TK_TRACE_SELECTION_OPTIONS(structure, member)                       \
  {.name = "trace",                                                         \
   .letter = 't',                                                           \
   .type = TK_OPTION_LIST,                                                  \
   .value = "ID",                                                           \
   .help = "only this trace; may be repeated",                              \
   .offset = offsetof(struct structure, member.traces)},                    \
      {.name = "where",                                                     \
       .type = TK_OPTION_TEXT,                                              \
       .value = "SQL",                                                      \
       .help = "only traces with a span for which this expression is true", \
       .offset = offsetof(struct structure, member.where)},                 \
      {.name = "since",                                                     \
       .type = TK_OPTION_TEXT,                                              \
       .value = "TIME",                                                     \
       .help = "only traces with a span that starts at or after TIME",      \
       .offset = offsetof(struct structure, member.since)},                 \
  {                                                                         \
    .name = "until", .type = TK_OPTION_TEXT, .value = "TIME",               \
    .help = "only traces with a span that starts before TIME",              \
    .offset = offsetof(struct structure, member.until)                      \
  }

/** What the selection comes to in a store. */
struct tk_selected_traces {
  struct tk_scan_options scan; /**< its trace_ids are `ids` */
  uint8_t (*ids)[16];
  size_t id_count, id_capacity;
  bool restricted; /**< to `ids`, of which there may be none */
};

/** Asks the store, whose connection has the extension. Complains and gives an exit code other than
 * TK_EXIT_OK when something makes no sense. */
int tk_select_traces(struct tk_store *store, const struct tk_trace_selection *selection,
                     struct tk_selected_traces *selected);
void tk_selected_traces_reset(struct tk_selected_traces *selected);

#endif
