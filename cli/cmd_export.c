/* SPDX-License-Identifier: MIT
 * tracekeep export: gives back, as OTLP in JSON or protobuf, what ingest took, or as much of it as
 * other formats can say. Streams: memory holds one trace and one message. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/export_document.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/output/otlp_json.h"
#include "cli/output/otlp_protobuf.h"
#include "cli/output/out_file.h"
#include "cli/output/trace_format.h"
#include "cli/trace_selection.h"
#include "tracekeep/scan.h"

enum { SPANS_PER_MESSAGE = 512 };

struct export_options {
  const char *format;
  struct tk_trace_selection selection;
  const char *output;
  const char *framing;
  const char *compress;
  unsigned document, envelope;
};

static const struct tk_option export_options[] = {
    {.name = "format",
     .letter = 'f',
     .type = TK_OPTION_CHOICE,
     .value = "otlp-json|otlp-json-pretty|otlp-proto|" TK_TRACE_FORMATS,
     .help = "default: otlp-json, one document per line",
     .offset = offsetof(struct export_options, format)},
    TK_TRACE_SELECTION_OPTIONS(export_options, selection),
    {.name = "envelope",
     .type = TK_OPTION_NUMBER,
     .value = "ID",
     .help = "instead of traces, this report envelope, byte for byte",
     .offset = offsetof(struct export_options, envelope)},
    {.name = "document",
     .type = TK_OPTION_NUMBER,
     .value = "ID",
     .help = "the same for any document; the table documents lists them",
     .offset = offsetof(struct export_options, document)},
    {.name = "output",
     .letter = 'o',
     .type = TK_OPTION_TEXT,
     .value = "FILE",
     .help = "write to FILE instead of standard output",
     .offset = offsetof(struct export_options, output)},
    {.name = "framing",
     .type = TK_OPTION_CHOICE,
     .value = "length|varint|bare",
     .help = "what stands before a protobuf message; default: its length in 4 bytes",
     .offset = offsetof(struct export_options, framing)},
    {.name = "compress",
     .type = TK_OPTION_CHOICE,
     .value = "none|zstd",
     .help = "default: zstd if FILE ends in .zst, otherwise none",
     .offset = offsetof(struct export_options, compress)},
    {0},
};

/* What a run of the command writes with, and what it could not write. */
struct exporter {
  const struct export_options *options;
  const struct export_format *format;
  struct tk_span_groups spans;
  struct tk_text_buffer message, framed;
  struct tk_out_file out;
  uint64_t trace_count;
  uint64_t text_id_count; /* traces */
  uint64_t lossy_span_count;
};

/* How spans become bytes: `finish` turns the exporter's spans into `framed`, or `document` has
 * everything that is to be written. */
struct export_format {
  const char *name;
  void (*add)(struct tk_span_groups *groups, const struct tk_span *spans, uint32_t span_count);
  void (*finish)(struct exporter *exporter);
  bool is_protobuf;
  const struct tk_trace_format *document;
};

static void finish_json(struct exporter *exporter) {
  tk_otlp_json_finish(&exporter->spans, &exporter->framed);
  tk_text_buffer_add_char(&exporter->framed, '\n');
}

static void finish_pretty_json(struct exporter *exporter) {
  tk_otlp_json_finish(&exporter->spans, &exporter->message);
  tk_otlp_json_indent(&exporter->framed, exporter->message.data, exporter->message.size);
  tk_text_buffer_add_char(&exporter->framed, '\n');
}

/* Bare messages are put one behind the other: that is how protobuf merges them. */
static void finish_protobuf(struct exporter *exporter) {
  const char *framing = exporter->options->framing ? exporter->options->framing : "length";
  tk_otlp_protobuf_finish(&exporter->spans, &exporter->message);
  const size_t size = exporter->message.size;
  if (strcmp(framing, "length") == 0) {
    const unsigned char length[] = {(unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                    (unsigned char)(size >> 8), (unsigned char)size};
    if (size > UINT32_MAX) exporter->message.failed = true;
    tk_text_buffer_append(&exporter->framed, length, sizeof length);
  } else if (strcmp(framing, "varint") == 0) {
    tk_otlp_protobuf_add_varint(&exporter->framed, size);
  }
  tk_text_buffer_append(&exporter->framed, exporter->message.data, size);
}

static const struct export_format export_formats[] = {
    {.name = "otlp-json", .add = tk_otlp_json_add, .finish = finish_json},
    {.name = "otlp-json-pretty", .add = tk_otlp_json_add, .finish = finish_pretty_json},
    {.name = "otlp-proto",
     .add = tk_otlp_protobuf_add,
     .finish = finish_protobuf,
     .is_protobuf = true},
    {.name = "jaeger", .document = &tk_trace_jaeger},
    {.name = "zipkin", .document = &tk_trace_zipkin},
    {.name = "ndjson", .document = &tk_trace_ndjson},
    {.name = "csv", .document = &tk_trace_csv},
};

static const struct export_format *find_format(const char *name) {
  for (size_t i = 0; name && i < sizeof export_formats / sizeof export_formats[0]; i++) {
    if (strcmp(export_formats[i].name, name) == 0) return &export_formats[i];
  }
  return &export_formats[0];
}

/* Writes what was collected as one message. */
static bool write_message(struct exporter *exporter) {
  if (exporter->spans.span_count == 0) return true;
  exporter->format->finish(exporter);
  if (exporter->message.failed || exporter->framed.failed) tk_need_memory(NULL);
  bool written = tk_out_file_write(&exporter->out, exporter->framed.data, exporter->framed.size);
  tk_text_buffer_clear(&exporter->message);
  tk_text_buffer_clear(&exporter->framed);
  return written;
}

static void count_losses(struct exporter *exporter, const struct tk_trace *trace) {
  if (!exporter->format->is_protobuf) return;
  for (uint32_t i = 0; i < trace->span_count; i++) {
    exporter->lossy_span_count += tk_otlp_protobuf_loses_members(&trace->spans[i]);
  }
  if (trace->span_count > 0 && (trace->spans[0].presence & TK_SPAN_TEXT_TRACE_ID)) {
    exporter->text_id_count++;
  }
}

/* Traces are not cut: a message ends after the trace that fills it. */
static int write_traces(struct exporter *exporter, struct tk_scan *scan, struct tk_error *error,
                        enum tk_status *status) {
  const struct tk_trace *trace = NULL;
  bool written = true;
  while (written && (*status = tk_scan_next(scan, &trace, error)) == TK_OK && trace) {
    exporter->format->add(&exporter->spans, trace->spans, trace->span_count);
    if (exporter->spans.failed) tk_need_memory(NULL);
    count_losses(exporter, trace);
    exporter->trace_count++;
    if (exporter->spans.span_count >= SPANS_PER_MESSAGE) written = write_message(exporter);
  }
  if (written && *status == TK_OK) written = write_message(exporter);
  return written ? TK_EXIT_OK : TK_EXIT_IO;
}

static bool write_text(struct exporter *exporter) {
  struct tk_text_buffer *text = &exporter->framed;
  if (text->failed) tk_need_memory(NULL);
  const bool written = text->size == 0 || tk_out_file_write(&exporter->out, text->data, text->size);
  tk_text_buffer_clear(text);
  return written;
}

/* One document for all traces. */
static int write_document(struct exporter *exporter, struct tk_scan *scan, struct tk_error *error,
                          enum tk_status *status) {
  const struct tk_trace_format *document = exporter->format->document;
  const struct tk_trace *trace = NULL;
  bool written = true;
  document->begin(&exporter->framed);
  while (written && (*status = tk_scan_next(scan, &trace, error)) == TK_OK && trace) {
    document->add(&exporter->framed, trace->spans, trace->span_count, exporter->trace_count == 0);
    exporter->trace_count++;
    written = write_text(exporter);
  }
  if (written && *status == TK_OK) {
    document->end(&exporter->framed);
    written = write_text(exporter);
  }
  return written ? TK_EXIT_OK : TK_EXIT_IO;
}

static void report_losses(const struct exporter *exporter) {
  if (exporter->lossy_span_count > 0) {
    tk_complain(
        "%llu spans have JSON members OTLP does not define; protobuf cannot hold them, "
        "otlp-json does",
        (unsigned long long)exporter->lossy_span_count);
  }
  if (exporter->text_id_count > 0) {
    tk_complain("%llu traces have ids that are text; protobuf has their 16-byte ids instead",
                (unsigned long long)exporter->text_id_count);
  }
}

static int export_to(struct tk_store *store, const struct tk_scan_options *scan_options,
                     struct exporter *exporter, const char *store_name, const char *out_name) {
  struct tk_scan *scan = NULL;
  struct tk_error error = {0};
  int exit_code = TK_EXIT_OK;
  enum tk_status status = tk_scan_open(store, scan_options, &scan, &error);
  if (status == TK_OK) {
    exit_code = exporter->format->document ? write_document(exporter, scan, &error, &status)
                                           : write_traces(exporter, scan, &error, &status);
  }
  tk_scan_close(scan);
  const int reason = errno;
  const bool closed = tk_out_file_close(&exporter->out);
  if (status != TK_OK) return tk_complain_status(store_name, status, &error);
  if (exit_code != TK_EXIT_OK || !closed) {
    tk_complain("%s: cannot write: %s", out_name, strerror(closed ? reason : errno));
    return TK_EXIT_IO;
  }
  report_losses(exporter);
  if (exporter->trace_count < scan_options->trace_id_count && !exporter->options->selection.where) {
    tk_complain("%llu of %zu traces are not in %s",
                (unsigned long long)(scan_options->trace_id_count - exporter->trace_count),
                scan_options->trace_id_count, store_name);
    return TK_EXIT_FINDINGS;
  }
  return TK_EXIT_OK;
}

static bool wants_zstd(const struct export_options *options) {
  static const char ending[] = ".zst";
  const size_t size = options->output ? strlen(options->output) : 0;
  if (options->compress) return strcmp(options->compress, "zstd") == 0;
  return size >= sizeof ending && strcmp(options->output + size - strlen(ending), ending) == 0;
}

/* To a file or standard output that is open. */
static int export_traces(struct tk_store *store, const struct tk_scan_options *scan_options,
                         const struct export_options *options, FILE *file, const char *store_name) {
  struct exporter exporter = {.options = options, .format = find_format(options->format)};
  if (!tk_out_file_open(&exporter.out, file, wants_zstd(options))) tk_need_memory(NULL);
  const int exit_code = export_to(store, scan_options, &exporter, store_name,
                                  options->output ? options->output : "standard output");
  tk_span_groups_reset(&exporter.spans);
  tk_text_buffer_reset(&exporter.message);
  tk_text_buffer_reset(&exporter.framed);
  return exit_code;
}

/* `selected` is NULL where a document was asked for. */
static int export_selected(struct tk_store *store, const struct tk_selected_traces *selected,
                           const struct export_options *options, const char *store_name) {
  FILE *out = options->output ? fopen(options->output, "wb") : stdout;
  if (!out) {
    tk_complain("%s: cannot open: %s", options->output, strerror(errno));
    return TK_EXIT_IO;
  }
  const struct tk_document_export document = {
      .id = options->envelope ? options->envelope : options->document,
      .must_be_envelope = options->envelope > 0,
      .zstd = wants_zstd(options),
      .file = out,
      .file_name = options->output ? options->output : "standard output",
      .store_name = store_name};
  int exit_code = selected ? export_traces(store, &selected->scan, options, out, store_name)
                           : tk_export_document(store, &document);
  if (options->output && fclose(out) != 0 && exit_code == TK_EXIT_OK) {
    tk_complain("%s: cannot write: %s", options->output, strerror(errno));
    exit_code = TK_EXIT_IO;
  }
  return exit_code;
}

static int export_store(struct tk_store *store, const struct export_options *options,
                        const char *store_name) {
  struct tk_selected_traces selected = {.id_count = 0};
  if (options->document || options->envelope) {
    return export_selected(store, NULL, options, store_name);
  }
  int exit_code = tk_select_traces(store, &options->selection, &selected);
  if (exit_code == TK_EXIT_OK) exit_code = export_selected(store, &selected, options, store_name);
  tk_selected_traces_reset(&selected);
  return exit_code;
}

static int run_export(const struct tk_command *command, int argc, char **argv) {
  struct export_options options = {0};
  struct tk_store *store = NULL;
  int exit_code = TK_EXIT_OK;
  if (tk_options_parse(command, argc, argv, &options, &exit_code) < 0) {
    /* said already */
  } else if (options.document && options.envelope) {
    tk_complain("export: --document and --envelope: one of them");
    exit_code = TK_EXIT_USAGE;
  } else {
    exit_code = tk_open_store_for_reading(argv[0], &store);
    if (store) exit_code = export_store(store, &options, argv[0]);
    tk_store_close(store);
  }
  tk_text_list_reset(&options.selection.traces);
  return exit_code;
}

const struct tk_command tk_cmd_export = {
    .name = "export",
    .arguments = "STORE",
    .summary = "write stored traces as OTLP, Jaeger, Zipkin, NDJSON or CSV",
    .description =
        "Writes whole traces as OTLP JSON, one document per line: every field that came in,\n"
        "integers exact, unknown members included. Ingesting the result gives an equal store.\n"
        "So does OTLP protobuf, except for JSON members that OTLP does not define and trace ids\n"
        "that are text: it has no place for them, and how many there were is said at the end.\n"
        "ndjson is one object a span, also with every field. jaeger and zipkin say what those "
        "formats\n"
        "can (docs/formats.md has the table); csv is one row a span for spreadsheets and data "
        "frames.\n"
        "Documents come back exactly as they were read: --envelope and --document.\n"
        "TIME is a time such as 2026-11-20T13:00:00Z, -1h, or unix nanoseconds. SQL is an\n"
        "expression over columns of `spans`, such as \"status = 'error'\".",
    .examples =
        "  tracekeep export traces.db > all.jsonl\n"
        "  tracekeep export traces.db --since -1h -o last-hour.jsonl.zst\n"
        "  tracekeep export traces.db --format otlp-proto -o all.otlp.pb\n"
        "  tracekeep export traces.db --format jaeger -o for-the-jaeger-ui.json\n"
        "  tracekeep export runs.db --envelope 12 -o report-envelope.json\n"
        "  tracekeep export traces.db --trace 4fa04f117be100f476b175e41096e736 |\n"
        "      curl -H 'Content-Type: application/json' --data-binary @- \\\n"
        "          http://localhost:4318/v1/traces\n",
    .options = export_options,
    .run = run_export,
    .operand_min = 1,
    .operand_max = 1,
};
