/* SPDX-License-Identifier: MIT
 * tracekeep export: gives back, as OTLP JSON lines, what ingest took. Streams: memory holds one
 * trace and one line. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/output/otlp_json.h"
#include "cli/time_argument.h"
#include "tracekeep/scan.h"

enum { SPANS_PER_LINE = 512 };

struct export_options {
  const char *format;
  struct tk_text_list traces;
  const char *since;
  const char *until;
  const char *output;
};

static const struct tk_option export_options[] = {
    {.name = "format",
     .letter = 'f',
     .type = TK_OPTION_CHOICE,
     .value = "otlp-json",
     .help = "the only one so far",
     .offset = offsetof(struct export_options, format)},
    {.name = "trace",
     .letter = 't',
     .type = TK_OPTION_LIST,
     .value = "ID",
     .help = "only this trace; may be repeated",
     .offset = offsetof(struct export_options, traces)},
    {.name = "since",
     .type = TK_OPTION_TEXT,
     .value = "TIME",
     .help = "only traces with a span that starts at or after TIME",
     .offset = offsetof(struct export_options, since)},
    {.name = "until",
     .type = TK_OPTION_TEXT,
     .value = "TIME",
     .help = "only traces with a span that starts before TIME",
     .offset = offsetof(struct export_options, until)},
    {.name = "output",
     .letter = 'o',
     .type = TK_OPTION_TEXT,
     .value = "FILE",
     .help = "write to FILE instead of standard output",
     .offset = offsetof(struct export_options, output)},
    {0},
};

/* Writes what was collected as one line. */
static bool write_line(struct tk_otlp_json *document, struct tk_text_buffer *line, FILE *out) {
  if (document->span_count == 0) return true;
  tk_otlp_json_finish(document, line);
  tk_text_buffer_add_char(line, '\n');
  if (line->failed) tk_need_memory(NULL);
  bool written = fwrite(line->data, 1, line->size, out) == line->size;
  tk_text_buffer_clear(line);
  return written;
}

/* Traces are not cut: a line ends after the trace that fills it. */
static int write_traces(struct tk_scan *scan, FILE *out, uint64_t *trace_count,
                        struct tk_error *error, enum tk_status *status) {
  struct tk_otlp_json document = {0};
  struct tk_text_buffer line = {0};
  const struct tk_trace *trace = NULL;
  bool written = true;
  while (written && (*status = tk_scan_next(scan, &trace, error)) == TK_OK && trace) {
    tk_otlp_json_add(&document, trace->spans, trace->span_count);
    if (document.failed) tk_need_memory(NULL);
    ++*trace_count;
    if (document.span_count >= SPANS_PER_LINE) written = write_line(&document, &line, out);
  }
  if (written && *status == TK_OK) written = write_line(&document, &line, out);
  tk_otlp_json_reset(&document);
  tk_text_buffer_reset(&line);
  return written ? TK_EXIT_OK : TK_EXIT_IO;
}

static int export_to(struct tk_store *store, const struct tk_scan_options *scan_options, FILE *out,
                     const char *store_name, const char *out_name) {
  struct tk_scan *scan = NULL;
  struct tk_error error = {0};
  uint64_t trace_count = 0;
  int exit_code = TK_EXIT_OK;
  enum tk_status status = tk_scan_open(store, scan_options, &scan, &error);
  if (status == TK_OK) exit_code = write_traces(scan, out, &trace_count, &error, &status);
  tk_scan_close(scan);
  if (status != TK_OK) return tk_complain_status(store_name, status, &error);
  if (exit_code != TK_EXIT_OK || fflush(out) != 0) {
    tk_complain("%s: cannot write: %s", out_name, strerror(errno));
    return TK_EXIT_IO;
  }
  if (trace_count < scan_options->trace_id_count) {
    tk_complain("%llu of %zu traces are not in %s",
                (unsigned long long)(scan_options->trace_id_count - trace_count),
                scan_options->trace_id_count, store_name);
    return TK_EXIT_FINDINGS;
  }
  return TK_EXIT_OK;
}

static int export_store(struct tk_store *store, const struct export_options *options,
                        const char *store_name) {
  struct tk_scan_options scan_options = {.trace_id_count = options->traces.count};
  sqlite3 *db = tk_store_database(store);
  if (options->since &&
      !tk_parse_time_argument(db, "since", options->since, &scan_options.since_unix_ns)) {
    return TK_EXIT_USAGE;
  }
  if (options->until &&
      !tk_parse_time_argument(db, "until", options->until, &scan_options.until_unix_ns)) {
    return TK_EXIT_USAGE;
  }
  FILE *out = options->output ? fopen(options->output, "wb") : stdout;
  if (!out) {
    tk_complain("%s: cannot open: %s", options->output, strerror(errno));
    return TK_EXIT_IO;
  }
  uint8_t(*ids)[16] = NULL;
  if (options->traces.count > 0) {
    ids = tk_need_memory(malloc(options->traces.count * sizeof *ids));
    for (size_t i = 0; i < options->traces.count; i++) {
      const char *text = options->traces.items[i];
      tk_trace_id_parse((struct tk_text){text, (uint32_t)strlen(text)}, ids[i]);
    }
  }
  scan_options.trace_ids = (const uint8_t(*)[16])ids;
  int exit_code = export_to(store, &scan_options, out, store_name,
                            options->output ? options->output : "standard output");
  free(ids);
  if (options->output && fclose(out) != 0 && exit_code == TK_EXIT_OK) {
    tk_complain("%s: cannot write: %s", options->output, strerror(errno));
    exit_code = TK_EXIT_IO;
  }
  return exit_code;
}

static int run_export(const struct tk_command *command, int argc, char **argv) {
  struct export_options options = {0};
  struct tk_store *store = NULL;
  int exit_code = TK_EXIT_OK;
  if (tk_options_parse(command, argc, argv, &options, &exit_code) >= 0) {
    exit_code = tk_open_store_for_reading(argv[0], &store);
    if (store) exit_code = export_store(store, &options, argv[0]);
    tk_store_close(store);
  }
  tk_text_list_reset(&options.traces);
  return exit_code;
}

const struct tk_command tk_cmd_export = {
    .name = "export",
    .arguments = "STORE",
    .summary = "write stored traces as OTLP JSON",
    .description =
        "Writes whole traces as OTLP JSON, one document per line: every field that came in,\n"
        "integers exact, unknown members included. Ingesting the result gives an equal store.\n"
        "TIME is a time such as 2026-11-20T13:00:00Z, -1h, or unix nanoseconds.",
    .examples =
        "  tracekeep export traces.db > all.jsonl\n"
        "  tracekeep export traces.db --since -1h -o last-hour.jsonl\n"
        "  tracekeep export traces.db --trace 4fa04f117be100f476b175e41096e736 |\n"
        "      curl -H 'Content-Type: application/json' --data-binary @- \\\n"
        "          http://localhost:4318/v1/traces\n",
    .options = export_options,
    .run = run_export,
    .operand_min = 1,
    .operand_max = 1,
};
