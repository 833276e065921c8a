/* SPDX-License-Identifier: MIT
 * tracekeep replay: sends stored traces to an OTLP/HTTP receiver. Streams: memory holds one trace
 * and one message.
 *
 * A resume file lists the traces that were delivered, one id a line, written when the message with
 * the end of a trace was accepted. So it says what is done whatever is ingested in the meantime. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/otlp_sender.h"
#include "cli/output/otlp_json.h"
#include "cli/output/otlp_protobuf.h"
#include "cli/output/quantity.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/time_argument.h"
#include "cli/trace_selection.h"

enum {
  DEFAULT_BATCH_BYTES = 2 << 20,
  SLICE_SPANS = 64, /* of a trace, between looks at the size of the message */
  DEFAULT_RETRY_FOR_MS = 5 * 60 * 1000,
  DEFAULT_FIRST_WAIT_MS = 1000,
  COMPLAINTS_SHOWN = 5,
  INTERRUPT_CHECK_MS = 200,
  SILENT_WAIT_S = 5,
  ID_DIGITS = 32
};

struct replay_options {
  struct tk_trace_selection selection;
  struct tk_text_list headers;
  const char *resume, *compress, *retry_for, *output_format;
  unsigned rate, batch_bytes, first_wait_ms;
  bool json, dry_run, keep_going, quiet;
};

static const struct tk_option replay_options[] = {
    TK_TRACE_SELECTION_OPTIONS(replay_options, selection),
    {.name = "header",
     .letter = 'H',
     .type = TK_OPTION_LIST,
     .value = "LINE",
     .help = "send this header, such as 'Authorization: Bearer x'; may be repeated",
     .offset = offsetof(struct replay_options, headers)},
    {.name = "json",
     .type = TK_OPTION_FLAG,
     .help = "send OTLP JSON instead of protobuf",
     .offset = offsetof(struct replay_options, json)},
    {.name = "compress",
     .type = TK_OPTION_CHOICE,
     .value = "gzip|none",
     .help = "default: gzip",
     .offset = offsetof(struct replay_options, compress)},
    {.name = "batch-bytes",
     .type = TK_OPTION_NUMBER,
     .value = "N",
     .help = "uncompressed size of a request; default: 2097152",
     .offset = offsetof(struct replay_options, batch_bytes)},
    {.name = "rate",
     .type = TK_OPTION_NUMBER,
     .value = "N",
     .help = "send at most N spans a second",
     .offset = offsetof(struct replay_options, rate)},
    {.name = "retry-for",
     .type = TK_OPTION_TEXT,
     .value = "TIME",
     .help = "give up when nobody took a request for so long; default: 5m",
     .offset = offsetof(struct replay_options, retry_for)},
    {.name = "keep-going",
     .type = TK_OPTION_FLAG,
     .help = "go on after a request that was refused",
     .offset = offsetof(struct replay_options, keep_going)},
    {.name = "resume",
     .type = TK_OPTION_TEXT,
     .value = "FILE",
     .help = "note the traces that were delivered in FILE, and leave out those in it",
     .offset = offsetof(struct replay_options, resume)},
    {.name = "dry-run",
     .letter = 'n',
     .type = TK_OPTION_FLAG,
     .help = "send nothing, only say what would be sent",
     .offset = offsetof(struct replay_options, dry_run)},
    {.name = "quiet",
     .letter = 'q',
     .type = TK_OPTION_FLAG,
     .help = "no progress and no summary",
     .offset = offsetof(struct replay_options, quiet)},
    {.name = "output-format",
     .type = TK_OPTION_CHOICE,
     .value = "text|json",
     .help = "how to print the summary; default: text",
     .offset = offsetof(struct replay_options, output_format)},
    {.name = "first-wait",
     .type = TK_OPTION_NUMBER,
     .value = "MS",
     .help = "for tests",
     .hidden = true,
     .offset = offsetof(struct replay_options, first_wait_ms)},
    {0},
};

/* A list of trace ids. */
struct id_list {
  uint8_t (*ids)[16];
  size_t count, capacity;
};

struct replay {
  const struct replay_options *options;
  const char *store_name;
  struct tk_otlp_sender sender;
  struct tk_span_groups next; /* the message that is filled */
  struct tk_text_buffer message;
  struct id_list ended;     /* traces whose last span is in the next message */
  struct id_list delivered; /* before this run; sorted */
  FILE *resume_file;
  bool in_trace;     /* some spans of a trace were sent, others not yet */
  bool trace_broken; /* of which some were refused */
  uint64_t traces, traces_skipped, traces_with_text_ids, spans_losing_members;
  uint64_t spans, spans_rejected, spans_refused; /* `spans`: in requests that were accepted */
  uint64_t requests, requests_refused, retries, bytes, bytes_sent;
  unsigned complaints;
  double begin_s, wait_begin_s; /* `wait_begin_s`: 0 while requests are taken */
  bool wait_said;
  int exit_code;
};

static double now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void worsen(struct replay *replay, int exit_code) {
  if (exit_code > replay->exit_code) replay->exit_code = exit_code;
}

/* ---- the resume file ---- */

static void add_id(struct id_list *list, const uint8_t id[16]) {
  if (list->count == list->capacity) {
    list->capacity = list->capacity ? list->capacity * 2 : 64;
    list->ids = tk_need_memory(realloc(list->ids, list->capacity * sizeof *list->ids));
  }
  memcpy(list->ids[list->count++], id, 16);
}

static int compare_ids(const void *a, const void *b) {
  return memcmp(a, b, 16);
}

/* Lines that are no ids are left alone: comments, and what a full disk has cut. */
static void read_delivered(struct replay *replay) {
  char *line = NULL;
  size_t capacity = 0;
  long size, last = '\n';
  rewind(replay->resume_file);
  while ((size = getline(&line, &capacity, replay->resume_file)) > 0) {
    uint8_t id[16];
    last = line[size - 1];
    if (strspn(line, "0123456789abcdef") != ID_DIGITS || size != ID_DIGITS + 1) continue;
    tk_trace_id_parse((struct tk_text){line, ID_DIGITS}, id);
    add_id(&replay->delivered, id);
  }
  free(line);
  if (replay->options->dry_run) {
    fclose(replay->resume_file);
    replay->resume_file = NULL;
  } else if (last != '\n') {
    fseek(replay->resume_file, 0, SEEK_END);
    fputc('\n', replay->resume_file);
  }
  if (replay->delivered.count == 0) return;
  qsort(replay->delivered.ids, replay->delivered.count, sizeof *replay->delivered.ids, compare_ids);
}

static bool open_resume_file(struct replay *replay) {
  const char *path = replay->options->resume;
  if (!path) return true;
  replay->resume_file = fopen(path, replay->options->dry_run ? "rb" : "ab+");
  if (!replay->resume_file && replay->options->dry_run && errno == ENOENT) return true;
  if (!replay->resume_file) {
    tk_complain("%s: cannot open: %s", path, strerror(errno));
    return false;
  }
  read_delivered(replay);
  return true;
}

static bool is_delivered(const struct replay *replay, const uint8_t id[16]) {
  return replay->delivered.count > 0 && bsearch(id, replay->delivered.ids, replay->delivered.count,
                                                sizeof *replay->delivered.ids, compare_ids);
}

static void note_delivered(struct replay *replay) {
  FILE *file = replay->resume_file;
  for (size_t i = 0; file && i < replay->ended.count; i++) {
    for (size_t b = 0; b < 16; b++) fprintf(file, "%02x", replay->ended.ids[i][b]);
    fputc('\n', file);
  }
  if (file && (fflush(file) != 0 || ferror(file))) {
    tk_complain("%s: cannot write: %s", replay->options->resume, strerror(errno));
    worsen(replay, TK_EXIT_IO);
    fclose(file);
    replay->resume_file = NULL;
  }
}

/* ---- sending ---- */

static void show_progress(const struct replay *replay, const char *more) {
  char spans[TK_FORMAT_SIZE], traces[TK_FORMAT_SIZE], bytes[TK_FORMAT_SIZE], rate[TK_FORMAT_SIZE];
  char text[512];
  const double seconds = now_seconds() - replay->begin_s + 1e-9;
  tk_format_number(replay->spans, spans);
  tk_format_number(replay->traces, traces);
  tk_format_bytes(replay->bytes_sent, bytes);
  tk_format_count((uint64_t)((double)replay->spans / seconds), rate);
  snprintf(text, sizeof text, "%s traces, %s spans, %s sent, %s spans/s%s%.200s", traces, spans,
           bytes, rate, more ? "  " : "", more ? more : "");
  tk_progress_show(text);
}

/* Without a terminal nobody sees the progress: what takes long is said once. */
static void show_wait(void *context, const char *reason, uint64_t ms) {
  struct replay *replay = context;
  char text[600];
  if (replay->wait_begin_s == 0) replay->wait_begin_s = now_seconds();
  if (!replay->wait_said && !replay->options->quiet && !tk_terminal_of(stderr).is_terminal &&
      now_seconds() - replay->wait_begin_s >= SILENT_WAIT_S) {
    tk_complain("%s: %s; trying on", tk_http_address(replay->sender.http), reason);
    replay->wait_said = true;
  }
  snprintf(text, sizeof text, "waiting %.1f s: %.400s", (double)ms / 1000, reason);
  show_progress(replay, text);
}

/* Until as many seconds have passed as the spans so far may be sent in. */
static void keep_rate(const struct replay *replay) {
  if (replay->options->rate == 0 || replay->options->dry_run) return;
  const uint64_t handled = replay->spans + replay->spans_refused;
  const double due = replay->begin_s + (double)handled / (double)replay->options->rate;
  for (double left; !tk_interrupted() && (left = due - now_seconds()) > 0;) {
    show_progress(replay, NULL);
    poll(NULL, 0, left * 1000 < INTERRUPT_CHECK_MS ? (int)(left * 1000) + 1 : INTERRUPT_CHECK_MS);
  }
}

static void complain_of(struct replay *replay, const char *what, const char *message) {
  replay->complaints++;
  if (replay->complaints > COMPLAINTS_SHOWN) return;
  tk_complain("%s: %s%s%s", tk_http_address(replay->sender.http), what, message[0] ? ": " : "",
              message);
  if (replay->complaints == COMPLAINTS_SHOWN) tk_complain("more of these are only counted");
}

static void note_accepted(struct replay *replay, uint64_t span_count,
                          const struct tk_send_report *report) {
  char what[96];
  replay->spans += span_count;
  replay->spans_rejected += report->rejected_spans;
  if (report->rejected_spans > 0) {
    snprintf(what, sizeof what, "%llu of %llu spans were rejected",
             (unsigned long long)report->rejected_spans, (unsigned long long)span_count);
    complain_of(replay, what, report->message);
    worsen(replay, TK_EXIT_FINDINGS);
  } else if (report->message[0]) {
    complain_of(replay, "accepted, with a warning", report->message);
  }
  if (replay->trace_broken && replay->ended.count > 0) {
    /* The first to end here is the one of which spans were refused before. */
    memmove(replay->ended.ids, replay->ended.ids + 1,
            --replay->ended.count * sizeof *replay->ended.ids);
    replay->trace_broken = false;
  }
  note_delivered(replay);
}

/* False: that was the end. */
static bool send_message(struct replay *replay) {
  struct tk_send_report report = {0};
  const uint64_t span_count = replay->next.span_count;
  enum tk_send_result result = TK_SEND_ACCEPTED;
  if (span_count == 0) return true;
  keep_rate(replay);
  tk_text_buffer_clear(&replay->message);
  (replay->options->json ? tk_otlp_json_finish : tk_otlp_protobuf_finish)(&replay->next,
                                                                          &replay->message);
  if (replay->message.failed) tk_need_memory(NULL);
  if (tk_interrupted()) return false;
  if (replay->options->dry_run) {
    report.bytes_sent =
        tk_otlp_sender_encode(&replay->sender, replay->message.data, replay->message.size);
  } else {
    result =
        tk_otlp_sender_send(&replay->sender, replay->message.data, replay->message.size, &report);
  }
  replay->wait_begin_s = 0;
  replay->requests++;
  replay->retries += report.retries;
  replay->bytes += replay->message.size;
  replay->bytes_sent += report.bytes_sent;
  if (result == TK_SEND_ACCEPTED) {
    note_accepted(replay, span_count, &report);
  } else if (result != TK_SEND_INTERRUPTED) {
    replay->requests_refused++;
    replay->spans_refused += span_count;
    replay->trace_broken = replay->in_trace;
    complain_of(replay, result == TK_SEND_REFUSED ? "refused" : "gave up", report.message);
    worsen(replay, TK_EXIT_IO);
  }
  replay->ended.count = 0;
  show_progress(replay, NULL);
  return result == TK_SEND_ACCEPTED || (result == TK_SEND_REFUSED && replay->options->keep_going);
}

static bool is_full(const struct replay *replay) {
  const struct tk_span_groups *spans = &replay->next;
  const size_t limit =
      replay->options->batch_bytes ? replay->options->batch_bytes : DEFAULT_BATCH_BYTES;
  size_t size = 0;
  if (replay->options->rate > 0 && spans->span_count >= replay->options->rate) return true;
  for (uint32_t i = 0; i < spans->group_count; i++) {
    const struct tk_span_group *group = &spans->groups[i];
    size += group->resource_head.size + group->scope_head.size + group->spans.size;
  }
  return size >= limit;
}

static uint32_t slice_size(const struct replay *replay, uint32_t left) {
  uint32_t size = left < SLICE_SPANS ? left : SLICE_SPANS;
  if (replay->options->rate > 0 && size > replay->options->rate) size = replay->options->rate;
  return size;
}

static void count_losses(struct replay *replay, const struct tk_trace *trace) {
  if (replay->options->json) return;
  for (uint32_t i = 0; i < trace->span_count; i++) {
    replay->spans_losing_members += tk_otlp_protobuf_loses_members(&trace->spans[i]);
  }
  replay->traces_with_text_ids +=
      trace->span_count > 0 && (trace->spans[0].presence & TK_SPAN_TEXT_TRACE_ID);
}

/* Traces are cut only where one alone is more than a message. */
static bool send_trace(struct replay *replay, const struct tk_trace *trace) {
  replay->traces++;
  count_losses(replay, trace);
  for (uint32_t at = 0; at < trace->span_count;) {
    const uint32_t size = slice_size(replay, trace->span_count - at);
    (replay->options->json ? tk_otlp_json_add : tk_otlp_protobuf_add_valid)(
        &replay->next, trace->spans + at, size);
    if (replay->next.failed) tk_need_memory(NULL);
    at += size;
    replay->in_trace = at < trace->span_count;
    if (!replay->in_trace) add_id(&replay->ended, trace->trace_id);
    if (is_full(replay) && !send_message(replay)) return false;
  }
  return true;
}

static enum tk_status send_traces(struct replay *replay, struct tk_store *store,
                                  const struct tk_selected_traces *selected,
                                  struct tk_error *error) {
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  bool going = true;
  enum tk_status status = tk_scan_open(store, &selected->scan, &scan, error);
  while (status == TK_OK && going && !tk_interrupted()) {
    status = tk_scan_next(scan, &trace, error);
    if (status != TK_OK || !trace) break;
    if (is_delivered(replay, trace->trace_id)) {
      replay->traces_skipped++;
    } else {
      going = send_trace(replay, trace);
    }
  }
  if (status == TK_OK && going && !tk_interrupted()) send_message(replay);
  tk_scan_close(scan);
  return status;
}

/* ---- the summary ---- */

static void print_text(const struct replay *replay, double seconds) {
  char number[TK_FORMAT_SIZE], bytes[TK_FORMAT_SIZE], sent[TK_FORMAT_SIZE];
  const bool dry = replay->options->dry_run;
  printf("store     %s\n%s %s\n", replay->store_name, dry ? "would send\nto       " : "to       ",
         tk_http_address(replay->sender.http));
  tk_format_number(replay->traces, number);
  printf("traces    %s", number);
  tk_format_number(replay->traces_skipped, number);
  if (replay->traces_skipped > 0) printf(", %s delivered before", number);
  tk_format_number(replay->spans - (replay->spans_rejected < replay->spans ? replay->spans_rejected
                                                                           : replay->spans),
                   number);
  printf("\nspans     %s%s", number, dry ? "" : " accepted");
  tk_format_number(replay->spans_rejected, number);
  if (replay->spans_rejected > 0) printf(", %s rejected", number);
  tk_format_number(replay->spans_refused, number);
  if (replay->spans_refused > 0) printf(", %s not taken", number);
  tk_format_number(replay->requests, number);
  printf("\nrequests  %s", number);
  tk_format_number(replay->retries, number);
  if (replay->retries > 0) printf(", tried again %s times", number);
  tk_format_bytes(replay->bytes, bytes);
  tk_format_bytes(replay->bytes_sent, sent);
  printf("\nbytes     %s of %s, %s%s\n", bytes, replay->options->json ? "JSON" : "protobuf", sent,
         replay->sender.gzip ? " compressed" : "");
  tk_format_count((uint64_t)((double)replay->spans / seconds), number);
  if (!dry) printf("time      %.2fs, %s spans/s\n", seconds, number);
}

static void print_json(const struct replay *replay, double seconds) {
  const struct {
    const char *name;
    uint64_t value;
  } counts[] = {{"traces", replay->traces},
                {"traces_skipped", replay->traces_skipped},
                {"traces_with_text_ids", replay->traces_with_text_ids},
                {"spans", replay->spans},
                {"spans_rejected", replay->spans_rejected},
                {"spans_refused", replay->spans_refused},
                {"spans_losing_members", replay->spans_losing_members},
                {"requests", replay->requests},
                {"requests_refused", replay->requests_refused},
                {"retries", replay->retries},
                {"bytes", replay->bytes},
                {"bytes_sent", replay->bytes_sent}};
  struct tk_text_buffer text = {0};
  const char *address = tk_http_address(replay->sender.http);
  tk_text_buffer_add(&text, "{\"store\":");
  tk_text_buffer_add_json_string(&text, replay->store_name, strlen(replay->store_name));
  tk_text_buffer_add(&text, ",\"url\":");
  tk_text_buffer_add_json_string(&text, address, strlen(address));
  tk_text_buffer_add(&text, replay->options->dry_run ? ",\"dry_run\":true" : ",\"dry_run\":false");
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    tk_text_buffer_add(&text, ",\"");
    tk_text_buffer_add(&text, counts[i].name);
    tk_text_buffer_add(&text, "\":");
    tk_text_buffer_add_uint(&text, counts[i].value);
  }
  tk_text_buffer_add(&text, ",\"seconds\":");
  tk_text_buffer_add_real(&text, seconds);
  tk_text_buffer_add(&text,
                     tk_interrupted() ? ",\"interrupted\":true}\n" : ",\"interrupted\":false}\n");
  if (text.failed) tk_need_memory(NULL);
  fwrite(text.data, 1, text.size, stdout);
  tk_text_buffer_reset(&text);
}

static void report_losses(const struct replay *replay) {
  if (replay->spans_losing_members > 0) {
    tk_complain(
        "%llu spans have JSON members OTLP does not define; protobuf cannot hold them, "
        "--json does",
        (unsigned long long)replay->spans_losing_members);
  }
  if (replay->traces_with_text_ids > 0) {
    tk_complain("%llu traces have ids that are text; protobuf has their 16-byte ids instead",
                (unsigned long long)replay->traces_with_text_ids);
  }
}

static int conclude(struct replay *replay, const struct tk_selected_traces *selected) {
  const double seconds = now_seconds() - replay->begin_s + 1e-9;
  const struct replay_options *options = replay->options;
  report_losses(replay);
  if (tk_interrupted()) tk_complain("interrupted");
  if (!options->quiet) {
    if (options->output_format && strcmp(options->output_format, "json") == 0) {
      print_json(replay, seconds);
    } else {
      print_text(replay, seconds);
    }
  }
  if (tk_interrupted()) return TK_EXIT_INTERRUPTED;
  const uint64_t found = replay->traces + replay->traces_skipped;
  const bool named = options->selection.traces.count > 0 && !options->selection.where;
  if (replay->exit_code != TK_EXIT_IO && named && found < selected->id_count) {
    tk_complain("%llu of %zu traces are not in %s",
                (unsigned long long)(selected->id_count - found), selected->id_count,
                replay->store_name);
    worsen(replay, TK_EXIT_FINDINGS);
  }
  return replay->exit_code;
}

/* ---- the command ---- */

static int replay_selected(struct replay *replay, struct tk_store *store,
                           const struct tk_selected_traces *selected) {
  struct tk_error error = {0};
  enum tk_status status = TK_OK;
  if (!open_resume_file(replay)) return TK_EXIT_IO;
  replay->begin_s = now_seconds();
  tk_progress_begin(0, !replay->options->quiet);
  if (!selected->restricted || selected->id_count > 0) {
    status = send_traces(replay, store, selected, &error);
  }
  tk_progress_end();
  if (status != TK_OK) return tk_complain_status(replay->store_name, status, &error);
  return conclude(replay, selected);
}

static void reset_replay(struct replay *replay) {
  tk_http_close(replay->sender.http);
  tk_otlp_sender_reset(&replay->sender);
  tk_span_groups_reset(&replay->next);
  tk_text_buffer_reset(&replay->message);
  free(replay->ended.ids);
  free(replay->delivered.ids);
  if (replay->resume_file) fclose(replay->resume_file);
}

static int replay_store(struct tk_store *store, const struct replay_options *options,
                        const char *store_name, const char *url) {
  struct replay replay = {.options = options, .store_name = store_name};
  struct tk_selected_traces selected = {.restricted = false};
  char message[512];
  replay.sender = (struct tk_otlp_sender){
      .json = options->json,
      .gzip = !options->compress || strcmp(options->compress, "gzip") == 0,
      .retry_for_ms = DEFAULT_RETRY_FOR_MS,
      .first_wait_ms = options->first_wait_ms ? options->first_wait_ms : DEFAULT_FIRST_WAIT_MS,
      .random_state = (uint64_t)time(NULL),
      .on_wait = show_wait,
      .context = &replay};
  if (options->retry_for &&
      !tk_parse_interval_argument("retry-for", options->retry_for, &replay.sender.retry_for_ms)) {
    return TK_EXIT_USAGE;
  }
  if (!tk_http_open(url, "/v1/traces", &options->headers, &replay.sender.http, message,
                    sizeof message)) {
    tk_complain("replay: %s", message);
    return TK_EXIT_USAGE;
  }
  int exit_code = tk_select_traces(store, &options->selection, &selected);
  if (exit_code == TK_EXIT_OK) exit_code = replay_selected(&replay, store, &selected);
  tk_selected_traces_reset(&selected);
  reset_replay(&replay);
  return exit_code;
}

static int run_replay(const struct tk_command *command, int argc, char **argv) {
  struct replay_options options = {.json = false};
  struct tk_store *store = NULL;
  int exit_code = TK_EXIT_OK;
  if (tk_options_parse(command, argc, argv, &options, &exit_code) >= 0) {
    exit_code = tk_open_store_for_reading(argv[0], &store);
    tk_interrupt_install();
    if (store) exit_code = replay_store(store, &options, argv[0], argv[1]);
    tk_store_close(store);
  }
  tk_text_list_reset(&options.selection.traces);
  tk_text_list_reset(&options.headers);
  return exit_code;
}

const struct tk_command tk_cmd_replay = {
    .name = "replay",
    .arguments = "STORE URL",
    .summary = "send stored traces to an OTLP/HTTP receiver",
    .description =
        "Posts whole traces to a collector, Tempo or any other receiver of OTLP over HTTP, as\n"
        "protobuf with gzip. A URL without a path gets /v1/traces.\n\n"
        "429, 502, 503, 504 and lost connections are tried again, after what Retry-After says or\n"
        "longer and longer waits; a request may arrive twice then. Any other refusal ends it.\n"
        "Spans that the receiver rejects are counted and not sent again.\n"
        "With --resume the same command goes on where it ended, whyever it ended.\n\n"
        "SQL is an expression over columns of `spans`. TIME is a time such as\n"
        "2026-11-20T13:00:00Z, -1h, or unix nanoseconds; for --retry-for, 30s or 5m.",
    .examples =
        "  tracekeep replay traces.db http://localhost:4318\n"
        "  tracekeep replay traces.db http://tempo:4318 --where \"status = 'error'\" --since -1d\n"
        "  tracekeep replay traces.db https://otlp.example.org --header 'Authorization: Bearer x' "
        "\\\n"
        "      --rate 5000 --resume sent.txt\n",
    .options = replay_options,
    .run = run_replay,
    .operand_min = 2,
    .operand_max = 2,
};
