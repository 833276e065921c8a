/* SPDX-License-Identifier: MIT
 * tracekeep inspect: what a dump is, and what is in it, without storing anything. Reads the file
 * once; what grows with its contents (services, keys, trace ids) is counted up to a limit. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/document_words.h"
#include "cli/input/format.h"
#include "cli/input/reader.h"
#include "cli/input_files.h"
#include "cli/messages.h"
#include "cli/output/quantity.h"
#include "cli/output/writer.h"
#include "cli/tally.h"
#include "cli/terminal.h"
#include "tracekeep/document.h"
#include "tracekeep/sampling_config.h"

enum { TRACES_COUNTED = 1 << 22, SERVICES_COUNTED = 10000, KEYS_COUNTED = 10000, RULES = 256 };
enum { KEYS_SHOWN = 20, SERVICES_SHOWN = 20 };

struct inspect_options {
  const char *format;
  const char *output_format;
  unsigned threads;
};

static const struct tk_option inspect_options[] = {
    {.name = "format",
     .letter = 'f',
     .type = TK_OPTION_TEXT,
     .value = "NAME",
     .help = "take the input to be in this format; default: recognise it",
     .offset = offsetof(struct inspect_options, format)},
    {.name = "threads",
     .letter = 't',
     .type = TK_OPTION_NUMBER,
     .value = "N",
     .help = "threads that parse; default: one per core",
     .offset = offsetof(struct inspect_options, threads)},
    {.name = "output-format",
     .type = TK_OPTION_CHOICE,
     .value = "text|json",
     .help = "how to print it; default: text",
     .offset = offsetof(struct inspect_options, output_format)},
    {0},
};

/* Everything known of one file. */
struct findings {
  const char *path;
  const char *format, *compression, *framing;
  uint64_t encoded_bytes, decoded_bytes;
  uint64_t records, rejected, spans, events, links, errors;
  uint64_t start_min_ns, end_max_ns;
  struct tk_tally traces, services, keys, rules; /* rules: `other` is the severity */
  char first_issue[RULES][160];                  /* by the order in which rules first occur */
  uint32_t first_issue_count;
  struct tk_tally kinds; /* of documents; `other` counts the records of those made of lines */
  char first_document[TK_DOCUMENT_KIND_COUNT][160]; /* by kind: what is in the first */
  char sampling[256]; /* the first sampling configuration in it, in one line */
};

/* ---- counting ---- */

static void count_attributes(struct findings *findings, const char *scope,
                             const struct tk_attributes *attributes) {
  char name[256];
  for (uint32_t i = 0; i < attributes->count; i++) {
    const struct tk_text key = attributes->items[i].key;
    const int size = snprintf(name, sizeof name, "%s.%.*s", scope,
                              (int)(key.size < 200 ? key.size : 200), key.size ? key.data : "");
    tk_tally_add(&findings->keys, name, (size_t)size);
  }
}

static void count_service(struct findings *findings, const struct tk_span *span) {
  const struct tk_attributes *attributes = &span->resource->attributes;
  struct tk_text service = {"", 0};
  for (uint32_t i = 0; i < attributes->count; i++) {
    const struct tk_attribute *item = &attributes->items[i];
    if (item->key.size == 12 && memcmp(item->key.data, "service.name", 12) == 0 &&
        item->value.type == TK_VALUE_STRING) {
      service = (struct tk_text){item->value.as.text, item->value.size};
      break;
    }
  }
  struct tk_tally_entry *entry =
      tk_tally_add(&findings->services, service.size ? service.data : "", service.size);
  if (entry && span->status_code == TK_STATUS_ERROR) entry->other++;
}

static void count_span(struct findings *findings, const struct tk_span *span) {
  findings->spans++;
  findings->events += span->event_count;
  findings->links += span->link_count;
  findings->errors += span->status_code == TK_STATUS_ERROR;
  if (span->start_unix_ns > 0 &&
      (findings->start_min_ns == 0 || span->start_unix_ns < findings->start_min_ns)) {
    findings->start_min_ns = span->start_unix_ns;
  }
  if (span->end_unix_ns > findings->end_max_ns) findings->end_max_ns = span->end_unix_ns;
  tk_tally_add(&findings->traces, span->trace_id, sizeof span->trace_id);
  count_service(findings, span);
  count_attributes(findings, "span", &span->attributes);
  for (uint32_t i = 0; i < span->event_count; i++) {
    count_attributes(findings, "event", &span->events[i].attributes);
  }
}

static void count_issue(struct findings *findings, const struct tk_issue *issue) {
  struct tk_tally_entry *entry = tk_tally_add(&findings->rules, issue->rule, strlen(issue->rule));
  if (!entry) return;
  if (entry->count == 1) {
    const uint32_t index = findings->first_issue_count++;
    entry->other = (uint64_t)index << 8 | (uint64_t)issue->severity;
    char *text = findings->first_issue[index];
    const size_t room = sizeof findings->first_issue[index];
    const uint32_t size = issue->message.size < 130 ? issue->message.size : 130;
    const bool says_line = issue->message.size > 5 && memcmp(issue->message.data, "line ", 5) == 0;
    if (issue->line > 0 && !says_line) {
      snprintf(text, room, "line %" PRIu64 ": %.*s", issue->line, (int)size, issue->message.data);
    } else {
      snprintf(text, room, "%.*s", (int)size, issue->message.data);
    }
  }
}

static void describe_sampling(struct findings *findings, const struct tk_document *document) {
  struct tk_sampling_config *config = NULL;
  char summary[200];
  if (document->kind != TK_DOCUMENT_SAMPLING_CONFIG || findings->sampling[0] != '\0') return;
  if (tk_sampling_config_parse(document->text, document->size, NULL, &config, NULL) != TK_OK) {
    return;
  }
  tk_sampling_config_summary(config, summary, sizeof summary);
  snprintf(findings->sampling, sizeof findings->sampling, "%s: %s",
           tk_sampling_dialect_name(config->dialect), summary);
  tk_sampling_config_free(config);
}

/* Of a kind that is lines, all that a file has is one document. */
static void count_document(struct findings *findings, const struct tk_document *document) {
  const enum tk_document_kind kind = document->kind;
  if (kind == TK_DOCUMENT_SPACE) return;
  const char *name = tk_document_kind_name(kind);
  struct tk_tally_entry *entry = tk_tally_add(&findings->kinds, name, strlen(name));
  if (!entry) return;
  if (entry->count == 1) {
    tk_document_words(document, findings->first_document[kind],
                      sizeof findings->first_document[kind]);
  }
  if (tk_document_kind_is_lines(kind)) {
    entry->count = 1;
    entry->other += document->record_count;
  }
}

/* Spans of a resource usually stand together. */
static void count_batch(struct findings *findings, const struct tk_batch *batch) {
  const struct tk_resource *last = NULL;
  findings->records += batch->record_count;
  findings->rejected += batch->rejected_count;
  findings->decoded_bytes = batch->end_offset;
  for (uint32_t i = 0; i < batch->span_count; i++) {
    const struct tk_span *span = &batch->spans[i];
    count_span(findings, span);
    if (span->resource != last) count_attributes(findings, "resource", &span->resource->attributes);
    last = span->resource;
  }
  for (uint32_t i = 0; i < batch->issue_count; i++) count_issue(findings, &batch->issues[i]);
  for (uint32_t i = 0; i < batch->document_count; i++) {
    count_document(findings, &batch->documents[i]);
    describe_sampling(findings, &batch->documents[i]);
  }
}

static enum tk_status read_file(struct findings *findings, const struct inspect_options *options,
                                struct tk_error *error) {
  unsigned threads = options->threads;
  if (threads == 0) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    threads = cores > 1 ? (unsigned)cores : 1;
  }
  const struct tk_input_options input_options = {.format = options->format,
                                                 .thread_count = threads};
  struct tk_input *input = NULL;
  struct tk_batch *batch = NULL;
  enum tk_status status = tk_input_open(findings->path, &input_options, &input, error);
  if (status != TK_OK) return status;
  findings->format = tk_input_format_name(input);
  findings->framing = tk_input_framing(input);
  switch (tk_input_compression(input)) {
    case TK_COMPRESSION_NONE:
      findings->compression = "none";
      break;
    case TK_COMPRESSION_ZSTD:
      findings->compression = "zstd";
      break;
    case TK_COMPRESSION_GZIP:
      findings->compression = "gzip";
      break;
  }
  while ((status = tk_input_next(input, &batch, error)) == TK_OK && batch) {
    count_batch(findings, batch);
    tk_batch_free(batch);
  }
  findings->encoded_bytes = tk_input_position(input);
  tk_input_close(input);
  return status;
}

/* ---- text ---- */

static void print_number(const char *label, uint64_t number) {
  char text[TK_FORMAT_SIZE];
  tk_format_number(number, text);
  printf("%-11s %s\n", label, text);
}

static void print_times(const struct findings *findings) {
  char begin[TK_FORMAT_SIZE], end[TK_FORMAT_SIZE], length[TK_FORMAT_SIZE];
  if (findings->start_min_ns == 0) return;
  tk_format_time(findings->start_min_ns, 3, begin);
  if (findings->end_max_ns < findings->start_min_ns) {
    printf("%-11s from %s UTC\n", "time", begin);
    return;
  }
  tk_format_time(findings->end_max_ns, 3, end);
  tk_format_duration((int64_t)(findings->end_max_ns - findings->start_min_ns), length);
  printf("%-11s %s to %s UTC (%s)\n", "time", begin, end, length);
}

static void print_summary(const struct findings *findings) {
  char encoded[TK_FORMAT_SIZE], decoded[TK_FORMAT_SIZE];
  tk_format_bytes(findings->encoded_bytes, encoded);
  tk_format_bytes(findings->decoded_bytes, decoded);
  printf("%-11s %s\n", "file", findings->path);
  printf("%-11s %s\n", "format", findings->format);
  printf("%-11s %s\n", "framing", findings->framing);
  printf("%-11s %s\n", "compression", findings->compression);
  printf("%-11s %s", "size", encoded);
  if (strcmp(findings->compression, "none") != 0) printf(", %s decoded", decoded);
  printf("\n");
  print_number("records", findings->records);
  if (findings->rejected) print_number("rejected", findings->rejected);
  if (findings->sampling[0]) printf("%-11s %s\n", "sampling", findings->sampling);
  print_number("spans", findings->spans);
  print_number(findings->traces.dropped ? "traces >=" : "traces", findings->traces.count);
  print_number("events", findings->events);
  print_number("links", findings->links);
  print_number("errors", findings->errors);
  print_times(findings);
}

static struct tk_writer begin_table(const char *heading, const char *const *names, size_t count) {
  const struct tk_terminal terminal = tk_terminal_of(stdout);
  struct tk_writer writer = {.format = &tk_format_table,
                             .out = stdout,
                             .width = terminal.width,
                             .colour = terminal.colour};
  printf("\n%s\n", heading);
  tk_writer_begin(&writer, names, count);
  return writer;
}

static struct tk_cell text_cell(const char *text, size_t size) {
  return (struct tk_cell){.type = TK_CELL_TEXT, .text = text, .size = size};
}

static struct tk_cell number_cell(uint64_t number) {
  return (struct tk_cell){.type = TK_CELL_INTEGER, .integer = (int64_t)number};
}

static bool end_table(struct tk_writer *writer, size_t left) {
  tk_writer_end(writer);
  const bool failed = tk_writer_close(writer);
  if (left > 0) printf("and %zu more\n", left);
  return !failed;
}

static const char *severity_name(uint64_t severity) {
  static const char *const names[] = {"info", "warn", "error"};
  return names[severity % 3];
}

static bool print_services(const struct findings *findings) {
  static const char *const names[] = {"service", "spans", "errors"};
  const size_t count = findings->services.count;
  const size_t shown = count < SERVICES_SHOWN ? count : SERVICES_SHOWN;
  if (count == 0) return true;
  struct tk_writer writer = begin_table("Services", names, 3);
  for (size_t i = 0; i < shown; i++) {
    const struct tk_tally_entry *entry = &findings->services.entries[i];
    tk_writer_row(&writer,
                  (const struct tk_cell[]){text_cell(entry->name, entry->size),
                                           number_cell(entry->count), number_cell(entry->other)});
  }
  return end_table(&writer, count - shown);
}

static const char *first_words(const struct findings *findings, const char *kind) {
  for (int i = 0; i < TK_DOCUMENT_KIND_COUNT; i++) {
    if (strcmp(tk_document_kind_name((enum tk_document_kind)i), kind) == 0) {
      return findings->first_document[i];
    }
  }
  return "";
}

static bool print_documents(const struct findings *findings) {
  static const char *const names[] = {"document", "documents", "lines", "the first"};
  if (findings->kinds.count == 0) return true;
  struct tk_writer writer = begin_table("Documents", names, 4);
  for (size_t i = 0; i < findings->kinds.count; i++) {
    const struct tk_tally_entry *entry = &findings->kinds.entries[i];
    const char *words = first_words(findings, entry->name);
    tk_writer_row(&writer, (const struct tk_cell[]){
                               text_cell(entry->name, entry->size), number_cell(entry->count),
                               number_cell(entry->other), text_cell(words, strlen(words))});
  }
  return end_table(&writer, 0);
}

static bool print_issues(const struct findings *findings) {
  static const char *const names[] = {"severity", "rule", "issues", "the first"};
  if (findings->rules.count == 0) return true;
  struct tk_writer writer = begin_table("Issues", names, 4);
  for (size_t i = 0; i < findings->rules.count; i++) {
    const struct tk_tally_entry *entry = &findings->rules.entries[i];
    const char *severity = severity_name(entry->other & 255);
    const char *first = findings->first_issue[entry->other >> 8];
    tk_writer_row(&writer, (const struct tk_cell[]){text_cell(severity, strlen(severity)),
                                                    text_cell(entry->name, entry->size),
                                                    number_cell(entry->count),
                                                    text_cell(first, strlen(first))});
  }
  return end_table(&writer, 0);
}

static bool print_keys(const struct findings *findings) {
  static const char *const names[] = {"attribute", "times"};
  const size_t count = findings->keys.count;
  const size_t shown = count < KEYS_SHOWN ? count : KEYS_SHOWN;
  if (count == 0) return true;
  struct tk_writer writer = begin_table("Attribute keys", names, 2);
  for (size_t i = 0; i < shown; i++) {
    const struct tk_tally_entry *entry = &findings->keys.entries[i];
    tk_writer_row(&writer, (const struct tk_cell[]){text_cell(entry->name, entry->size),
                                                    number_cell(entry->count)});
  }
  return end_table(&writer, count - shown);
}

static bool print_text(const struct findings *findings, bool first) {
  if (!first) printf("\n");
  print_summary(findings);
  return print_services(findings) && print_documents(findings) && print_issues(findings) &&
         print_keys(findings);
}

/* ---- JSON ---- */

static void add_text(struct tk_text_buffer *out, const char *key, const char *text) {
  if (out->data[out->size - 1] != '{') tk_text_buffer_add_char(out, ',');
  tk_text_buffer_add_json_string(out, key, strlen(key));
  tk_text_buffer_add_char(out, ':');
  tk_text_buffer_add_json_string(out, text, strlen(text));
}

static void add_number(struct tk_text_buffer *out, const char *key, uint64_t number) {
  if (out->data[out->size - 1] != '{') tk_text_buffer_add_char(out, ',');
  tk_text_buffer_add_json_string(out, key, strlen(key));
  tk_text_buffer_add_char(out, ':');
  tk_text_buffer_add_uint(out, number);
}

static void add_list(struct tk_text_buffer *out, const struct findings *findings, const char *key,
                     const struct tk_tally *tally, const char *name, const char *count_name) {
  tk_text_buffer_add_char(out, ',');
  tk_text_buffer_add_json_string(out, key, strlen(key));
  tk_text_buffer_add(out, ":[");
  for (size_t i = 0; i < tally->count; i++) {
    const struct tk_tally_entry *entry = &tally->entries[i];
    tk_text_buffer_add(out, i > 0 ? ",{" : "{");
    add_text(out, name, entry->name);
    add_number(out, count_name, entry->count);
    if (tally == &findings->services) add_number(out, "errors", entry->other);
    if (tally == &findings->kinds) {
      add_number(out, "lines", entry->other);
      add_text(out, "first", first_words(findings, entry->name));
    }
    if (tally == &findings->rules) {
      add_text(out, "severity", severity_name(entry->other & 255));
      add_text(out, "first", findings->first_issue[entry->other >> 8]);
    }
    tk_text_buffer_add_char(out, '}');
  }
  tk_text_buffer_add_char(out, ']');
}

static bool print_json(const struct findings *findings) {
  struct tk_text_buffer out = {0};
  tk_text_buffer_add_char(&out, '{');
  if (out.failed) tk_need_memory(NULL);
  add_text(&out, "file", findings->path);
  add_text(&out, "format", findings->format);
  add_text(&out, "framing", findings->framing);
  add_text(&out, "compression", findings->compression);
  add_number(&out, "bytes", findings->encoded_bytes);
  add_number(&out, "decoded_bytes", findings->decoded_bytes);
  add_number(&out, "records", findings->records);
  add_number(&out, "rejected", findings->rejected);
  add_number(&out, "spans", findings->spans);
  add_number(&out, "traces", findings->traces.count);
  add_number(&out, "events", findings->events);
  add_number(&out, "links", findings->links);
  add_number(&out, "errors", findings->errors);
  add_number(&out, "start_min_ns", findings->start_min_ns);
  add_number(&out, "end_max_ns", findings->end_max_ns);
  if (findings->sampling[0]) add_text(&out, "sampling", findings->sampling);
  add_list(&out, findings, "services", &findings->services, "service", "spans");
  add_list(&out, findings, "documents", &findings->kinds, "kind", "documents");
  add_list(&out, findings, "issues", &findings->rules, "rule", "issues");
  add_list(&out, findings, "attribute_keys", &findings->keys, "key", "times");
  tk_text_buffer_add(&out, "}\n");
  if (out.failed) tk_need_memory(NULL);
  const bool written = fwrite(out.data, 1, out.size, stdout) == out.size;
  tk_text_buffer_reset(&out);
  return written;
}

/* ---- the command ---- */

static int inspect_file(const char *path, const struct inspect_options *options, bool first) {
  struct findings *findings = tk_need_memory(calloc(1, sizeof *findings));
  struct tk_error error = {0};
  int exit_code = TK_EXIT_OK;
  findings->path = path;
  findings->traces.limit = TRACES_COUNTED;
  findings->services.limit = SERVICES_COUNTED;
  findings->keys.limit = KEYS_COUNTED;
  findings->rules.limit = RULES;
  findings->kinds.limit = TK_DOCUMENT_KIND_COUNT;
  const enum tk_status status = read_file(findings, options, &error);
  tk_tally_sort(&findings->services);
  tk_tally_sort(&findings->keys);
  tk_tally_sort(&findings->rules);
  tk_tally_sort(&findings->kinds);
  if (findings->format) {
    const bool json = options->output_format && strcmp(options->output_format, "json") == 0;
    if (!(json ? print_json(findings) : print_text(findings, first))) exit_code = TK_EXIT_IO;
    if (findings->rejected > 0) exit_code = TK_EXIT_FINDINGS;
  }
  if (status != TK_OK) exit_code = tk_complain_status(path, status, &error);
  tk_tally_reset(&findings->traces);
  tk_tally_reset(&findings->services);
  tk_tally_reset(&findings->keys);
  tk_tally_reset(&findings->rules);
  tk_tally_reset(&findings->kinds);
  free(findings);
  return exit_code;
}

static bool check_format(const char *name) {
  char names[256] = "";
  if (!name || tk_input_format_find(name)) return true;
  for (size_t i = 0; tk_input_format_at(i); i++) {
    const size_t size = strlen(names);
    snprintf(names + size, sizeof names - size, "%s%s", i > 0 ? ", " : "",
             tk_input_format_at(i)->name);
  }
  tk_complain("inspect: no format '%s'; there are: %s", name, names);
  return false;
}

static int run_inspect(const struct tk_command *command, int argc, char **argv) {
  struct inspect_options options = {0};
  struct tk_input_files files = {0};
  int exit_code = TK_EXIT_OK;
  const int count = tk_options_parse(command, argc, argv, &options, &exit_code);
  if (count < 0) return exit_code;
  if (!check_format(options.format)) return TK_EXIT_USAGE;
  tk_input_files_list(&files, argv, count);
  if (files.count == 0) exit_code = TK_EXIT_USAGE;
  if (files.missing > 0) exit_code = TK_EXIT_IO;
  for (size_t i = 0; i < files.count; i++) {
    const int code = inspect_file(files.paths[i], &options, i == 0);
    if (code > exit_code) exit_code = code;
  }
  tk_input_files_reset(&files);
  return exit_code;
}

const struct tk_command tk_cmd_inspect = {
    .name = "inspect",
    .arguments = "FILE|DIR|-...",
    .summary = "say what a dump is and what is in it, without storing it",
    .description =
        "Reads dumps as ingest would, and prints for each one its format, framing and\n"
        "compression, and what is in it: spans, traces, services, the time they cover,\n"
        "documents of runs, what is wrong with them, and the attribute keys that occur\n"
        "most. Resource attributes count once where spans that share a resource stand\n"
        "together. JSON is one object a file, one file a line.",
    .examples =
        "  tracekeep inspect unknown.json.zst\n"
        "  kubectl exec pod -- cat /traces.jsonl | tracekeep inspect -\n"
        "  tracekeep inspect --output-format json dumps/ | jq -r '.file + \" \" + .format'\n",
    .options = inspect_options,
    .run = run_inspect,
    .operand_min = 1,
    .operand_max = -1,
};
