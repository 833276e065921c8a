/* SPDX-License-Identifier: MIT
 * tracekeep sampling: what a sampling configuration would have made of the traces of a store.
 *
 * The decisions are those of sampling_replay(). They are taken once, into a table of the
 * connection's own, and everything else is SQL on it. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/output/writer.h"
#include "cli/sql_result.h"
#include "cli/terminal.h"
#include "cli/time_argument.h"
#include "tracekeep/sampling_config.h"

struct sampling_options {
  const char *config, *semantics, *head, *since, *until, *slow, *format;
  unsigned examples;
};

static const struct tk_option sampling_options[] = {
    {.name = "config",
     .letter = 'c',
     .type = TK_OPTION_TEXT,
     .value = "FILE",
     .help = "of a collector, an SDK, Jaeger, Refinery, X-Ray",
     .offset = offsetof(struct sampling_options, config)},
    {.name = "semantics",
     .type = TK_OPTION_TEXT,
     .value = "WORDS",
     .help = "what it leaves open: v0.150, sdk=java, pipeline=X",
     .offset = offsetof(struct sampling_options, semantics)},
    {.name = "head",
     .type = TK_OPTION_TEXT,
     .value = "P",
     .help = "the probability of being kept before it",
     .offset = offsetof(struct sampling_options, head)},
    {.name = "since",
     .type = TK_OPTION_TEXT,
     .value = "TIME",
     .help = "only traces that start at or after TIME",
     .offset = offsetof(struct sampling_options, since)},
    {.name = "until",
     .type = TK_OPTION_TEXT,
     .value = "TIME",
     .help = "only traces that start before TIME",
     .offset = offsetof(struct sampling_options, until)},
    {.name = "slow",
     .type = TK_OPTION_TEXT,
     .value = "DURATION",
     .help = "what-if: what slow traces exceed; default: p95",
     .offset = offsetof(struct sampling_options, slow)},
    {.name = "examples",
     .type = TK_OPTION_NUMBER,
     .value = "N",
     .help = "what-if: show N traces that would be lost",
     .offset = offsetof(struct sampling_options, examples)},
    {.name = "format",
     .letter = 'f',
     .type = TK_OPTION_CHOICE,
     .value = TK_WRITER_FORMATS,
     .help = "default: table on a terminal, else csv",
     .offset = offsetof(struct sampling_options, format)},
    {0},
};

/* ---- SQL ---- */

/* :1 configuration, :2 semantics, :3 head, :4 since, :5 until. Times beyond 2262 are not covered.
 */
static const char decide_sql[] =
    "CREATE TEMP TABLE decided(id INTEGER PRIMARY KEY, trace_id TEXT, decision TEXT, policy TEXT,"
    " sub_policy TEXT, stage TEXT, weight REAL, spans INTEGER, spans_kept INTEGER, bytes INTEGER,"
    " duration_ns INTEGER, has_error INTEGER, start_ns INTEGER, recorded REAL)";
static const char fill_sql[] =
    "INSERT INTO temp.decided SELECT rowid, trace_id, decision, policy, sub_policy, stage,"
    " adjusted_count, span_count, spans_kept, bytes, duration_ns, has_error, start_ns, NULL"
    " FROM sampling_replay(:1, :2, :3) WHERE (:4 IS NULL OR start_ns >= :4)"
    " AND (:5 IS NULL OR start_ns < :5)";
static const char weigh_sql[] =
    "UPDATE temp.decided SET recorded = w.adjusted_count FROM (SELECT rowid AS id, adjusted_count"
    " FROM traces WHERE adjusted_count IS NOT NULL) AS w WHERE w.id = decided.id";
static const char replay_sql[] =
    "SELECT trace_id, decision, policy, sub_policy, stage, probability, adjusted_count, span_count,"
    " spans_kept, duration_ns, has_error, start_ns, services FROM sampling_replay(:1, :2, :3)"
    " WHERE (:4 IS NULL OR start_ns >= :4) AND (:5 IS NULL OR start_ns < :5)";

#define WHAT_IF                                                                                \
  "WITH limits AS MATERIALIZED (SELECT coalesce(:6, (SELECT quantile(duration_ns, 0.95) FROM " \
  "temp.decided)) AS slow_ns, (SELECT max(start_ns + duration_ns) - min(start_ns) FROM "       \
  "temp.decided) / 1e9 AS seconds), "                                                          \
  "seen AS (SELECT *, duration_ns > slow_ns AS is_slow, decision = 'keep' AS kept FROM "       \
  "temp.decided, limits) "

/* Who decided what. A policy that decided nothing has no row. */
static const char policies_sql[] = WHAT_IF
    "SELECT coalesce(policy, '(none)') AS policy, sub_policy, decision, count(*) AS traces,"
    " round(100.0 * count(*) / (SELECT count(*) FROM temp.decided), 2) AS percent,"
    " sum(spans) AS spans, sum(spans_kept) AS spans_kept, sum(has_error) AS error_traces,"
    " round(100.0 * sum(has_error) / (SELECT sum(has_error) FROM seen), 2) AS percent_of_errors,"
    " sum(is_slow) AS slow_traces,"
    " round(100.0 * sum(is_slow) / (SELECT sum(is_slow) FROM seen), 2) AS percent_of_slow,"
    " CAST(sum(bytes * spans_kept / spans) * 86400.0 / max(seconds) AS INTEGER) AS bytes_a_day"
    " FROM seen GROUP BY policy, sub_policy, decision ORDER BY decision = 'drop', traces DESC, 1";

/* `estimated`: what one would conclude from the kept traces and their weights. `recorded`: before,
 * with the weights that traces came with. */
static const char totals_sql[] = WHAT_IF
    ", sums AS MATERIALIZED (SELECT max(seconds) AS seconds, count(*) AS n, sum(kept) AS k,"
    " sum(weight) AS e, sum(recorded) AS r, sum(spans) AS spans, sum(spans_kept) AS spans_k,"
    " sum(spans_kept * weight) AS spans_e, sum(spans * recorded) AS spans_r,"
    " sum(CASE WHEN kept THEN recorded END) AS rk, sum(spans_kept * recorded) AS spans_rk,"
    " sum(CASE WHEN kept AND has_error THEN recorded END) AS errors_rk,"
    " sum(CASE WHEN kept AND is_slow THEN recorded END) AS slow_rk,"
    " sum(has_error) AS errors, sum(has_error AND kept) AS errors_k,"
    " sum(CASE WHEN has_error THEN weight END) AS errors_e,"
    " sum(CASE WHEN has_error THEN recorded END) AS errors_r,"
    " sum(is_slow) AS slow, sum(is_slow AND kept) AS slow_k,"
    " sum(CASE WHEN is_slow THEN weight END) AS slow_e,"
    " sum(CASE WHEN is_slow THEN recorded END) AS slow_r, sum(bytes) AS bytes,"
    " sum(bytes * spans_kept / spans) AS bytes_k,"
    " sum(CASE WHEN kept AND weight IS NULL THEN 1 ELSE 0 END) AS unknown_k,"
    " sum(recorded IS NULL) AS unknown_r FROM seen), "
    "measures(measure, before, kept, estimated, recorded, recorded_kept) AS ("
    " SELECT 'traces', n, k, e, r, rk FROM sums"
    " UNION ALL SELECT 'spans', spans, spans_k, spans_e, spans_r, spans_rk FROM sums"
    " UNION ALL SELECT 'error traces', errors, errors_k, errors_e, errors_r, errors_rk FROM sums"
    " UNION ALL SELECT 'slow traces', slow, slow_k, slow_e, slow_r, slow_rk FROM sums"
    " UNION ALL SELECT 'bytes a day', CAST(bytes * 86400.0 / seconds AS INTEGER),"
    " CAST(bytes_k * 86400.0 / seconds AS INTEGER), NULL, NULL, NULL FROM sums"
    " UNION ALL SELECT 'traces a second', round(n / seconds, 6), round(k / seconds, 6),"
    " round(e / seconds, 6), round(r / seconds, 6), round(rk / seconds, 6) FROM sums"
    " UNION ALL SELECT 'errors a second', round(errors / seconds, 6), round(errors_k / seconds, 6),"
    " round(errors_e / seconds, 6), round(errors_r / seconds, 6), round(errors_rk / seconds, 6) "
    "FROM sums"
    " UNION ALL SELECT 'error rate', round(1.0 * errors / n, 6), round(1.0 * errors_k / k, 6),"
    " round(errors_e / e, 6), round(errors_r / r, 6), round(errors_rk / rk, 6) FROM sums"
    " UNION ALL SELECT 'traces of unknown weight', unknown_r, unknown_k, NULL, NULL, NULL FROM "
    "sums) "
    "SELECT measure, before, kept, CASE WHEN measure IN ('traces', 'spans', 'error traces',"
    " 'slow traces', 'bytes a day') THEN round(100.0 * kept / before, 2) END AS kept_percent,"
    " estimated, recorded, recorded_kept FROM measures";

/* Errors first, then what took longest. */
static const char examples_sql[] = WHAT_IF
    "SELECT d.trace_id, (SELECT root_service FROM traces WHERE trace_id = d.trace_id) AS service,"
    " (SELECT root_name FROM traces WHERE trace_id = d.trace_id) AS root,"
    " format_duration(d.duration_ns) AS duration, d.spans, d.has_error AS error, d.is_slow AS slow,"
    " coalesce(d.policy, '(none)') AS policy FROM (SELECT * FROM seen WHERE decision <> 'keep'"
    " ORDER BY has_error DESC, is_slow DESC, duration_ns DESC, trace_id LIMIT :7) AS d";

static const struct section {
  const char *key, *heading, *sql;
} sections[] = {
    {"policies", "Policies", policies_sql},
    {"totals", "In total", totals_sql},
    {"lost", "What would be lost", examples_sql},
};
enum { SECTION_COUNT = sizeof sections / sizeof sections[0] };

/* ---- the configuration ---- */

struct inputs {
  const struct sampling_options *options;
  char *text; /* of the configuration */
  size_t size;
  double head;
  bool has_head, has_since, has_until, has_slow;
  uint64_t since, until, slow_ms;
};

static char *read_file(const char *path, size_t *size_out) {
  size_t size = 0, capacity = 4096;
  FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
  if (!file) return NULL;
  char *text = tk_need_memory(malloc(capacity));
  for (size_t got; (got = fread(text + size, 1, capacity - size - 1, file)) > 0;) {
    size += got;
    if (size > TK_SAMPLING_CONFIG_LIMIT) break; /* the parser says so */
    if (capacity - size == 1) text = tk_need_memory(realloc(text, capacity *= 2));
  }
  const bool failed = ferror(file) != 0;
  if (file != stdin) fclose(file);
  text[size] = 0;
  *size_out = size;
  if (!failed) return text;
  free(text);
  return NULL;
}

/* Reads it, and parses it once for the sake of messages that name the file. */
static int load_config(struct inputs *inputs) {
  const char *path = inputs->options->config;
  struct tk_sampling_config *config = NULL;
  struct tk_error error = {0};
  if (!path) {
    tk_complain("sampling: give the configuration with --config FILE");
    return TK_EXIT_USAGE;
  }
  inputs->text = read_file(path, &inputs->size);
  if (!inputs->text) {
    tk_complain("cannot read %s: %s", path, strerror(errno));
    return TK_EXIT_IO;
  }
  const enum tk_status status =
      tk_sampling_config_parse(inputs->text, inputs->size, path, &config, &error);
  tk_sampling_config_free(config);
  if (status == TK_OK) return TK_EXIT_OK;
  tk_complain_status(path, status, &error);
  return status == TK_INVALID ? TK_EXIT_USAGE : TK_EXIT_IO;
}

static int load_options(sqlite3 *db, struct inputs *inputs) {
  const struct sampling_options *options = inputs->options;
  char *end;
  if (options->since) {
    inputs->has_since = true;
    if (!tk_parse_time_argument(db, "since", options->since, &inputs->since)) return TK_EXIT_USAGE;
  }
  if (options->until) {
    inputs->has_until = true;
    if (!tk_parse_time_argument(db, "until", options->until, &inputs->until)) return TK_EXIT_USAGE;
  }
  if (options->slow) {
    inputs->has_slow = true;
    if (!tk_parse_interval_argument("slow", options->slow, &inputs->slow_ms)) return TK_EXIT_USAGE;
  }
  if (options->head) {
    inputs->has_head = true;
    inputs->head = strtod(options->head, &end);
    if (*end || end == options->head || !(inputs->head > 0 && inputs->head <= 1)) {
      tk_complain("--head: expected a probability above 0 and up to 1, not '%s'", options->head);
      return TK_EXIT_USAGE;
    }
  }
  return TK_EXIT_OK;
}

/* ---- running ---- */

static void bind_inputs(sqlite3_stmt *statement, const struct inputs *inputs) {
  const struct sampling_options *options = inputs->options;
  const int count = sqlite3_bind_parameter_count(statement);
  for (int i = 1; i <= count; i++) {
    const char *name = sqlite3_bind_parameter_name(statement, i);
    switch (name ? name[1] : 0) {
      case '1':
        sqlite3_bind_text64(statement, i, inputs->text, inputs->size, SQLITE_STATIC, SQLITE_UTF8);
        break;
      case '2':
        sqlite3_bind_text(statement, i, options->semantics, -1, SQLITE_STATIC);
        break;
      case '3':
        if (inputs->has_head) sqlite3_bind_double(statement, i, inputs->head);
        break;
      case '4':
        if (inputs->has_since) sqlite3_bind_int64(statement, i, (sqlite3_int64)inputs->since);
        break;
      case '5':
        if (inputs->has_until) sqlite3_bind_int64(statement, i, (sqlite3_int64)inputs->until);
        break;
      case '6':
        if (inputs->has_slow) {
          sqlite3_bind_int64(statement, i, (sqlite3_int64)(inputs->slow_ms * 1000000));
        }
        break;
      case '7':
        sqlite3_bind_int64(statement, i, options->examples);
        break;
      default:
        break;
    }
  }
}

/* The message of SQLite; where it begins with a place, the place is in the configuration. */
static int complain(sqlite3 *db, const struct inputs *inputs, int rc) {
  const char *message = sqlite3_errmsg(db);
  if (message[0] < '0' || message[0] > '9' || (rc & 0xff) != SQLITE_ERROR) {
    return tk_complain_sqlite("sampling", db, rc);
  }
  tk_complain("%s:%s", inputs->options->config, message);
  return TK_EXIT_USAGE;
}

/* Runs one statement; its rows go to `writer`, which may be NULL if it has none. */
static int run_sql(sqlite3 *db, const char *sql, const struct inputs *inputs,
                   struct tk_writer *writer) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) {
    bind_inputs(statement, inputs);
    rc = writer ? tk_sql_write_result(writer, statement) : sqlite3_step(statement);
  }
  const int exit_code = rc == SQLITE_DONE ? TK_EXIT_OK : complain(db, inputs, rc);
  sqlite3_finalize(statement);
  return exit_code;
}

/* Tables and markdown have headings, JSON is one object, of the others each result follows the one
 * before. */
static int write_sections(sqlite3 *db, const struct inputs *inputs, struct tk_writer *writer,
                          const char *format) {
  const bool is_json = strcmp(format, "json") == 0;
  const bool has_headings = strcmp(format, "table") == 0 || strcmp(format, "markdown") == 0;
  int exit_code = TK_EXIT_OK;
  for (int i = 0; i < SECTION_COUNT && exit_code == TK_EXIT_OK; i++) {
    if (i == 2 && inputs->options->examples == 0) break;
    if (is_json) printf("%s\"%s\":", i > 0 ? "," : "{", sections[i].key);
    if (has_headings) printf("%s%s\n", i > 0 ? "\n" : "", sections[i].heading);
    fflush(stdout);
    struct tk_writer section = *writer;
    exit_code = run_sql(db, sections[i].sql, inputs, &section);
    if (tk_writer_close(&section) && exit_code == TK_EXIT_OK) exit_code = TK_EXIT_IO;
    if (!is_json && !has_headings && i + 1 < SECTION_COUNT && strcmp(format, "csv") == 0) {
      printf("\n");
    }
  }
  if (is_json) printf("}\n");
  return exit_code;
}

static int what_if(sqlite3 *db, const struct inputs *inputs, struct tk_writer *writer,
                   const char *format) {
  static const char *const steps[] = {decide_sql, fill_sql, weigh_sql};
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    const int exit_code = run_sql(db, steps[i], inputs, NULL);
    if (exit_code != TK_EXIT_OK) return exit_code;
  }
  return write_sections(db, inputs, writer, format);
}

static int ask_store(const struct sampling_options *options, bool is_what_if, const char *path) {
  struct tk_terminal terminal = tk_terminal_of(stdout);
  const char *format = options->format ? options->format : terminal.is_terminal ? "table" : "csv";
  struct tk_writer writer = {.format = tk_writer_format_find(format),
                             .out = stdout,
                             .width = terminal.width,
                             .colour = terminal.colour};
  struct inputs inputs = {.options = options};
  struct tk_store *store = NULL;
  int exit_code = load_config(&inputs);
  if (exit_code == TK_EXIT_OK) exit_code = tk_open_store_for_reading(path, &store);
  if (exit_code == TK_EXIT_OK) exit_code = load_options(tk_store_database(store), &inputs);
  if (exit_code == TK_EXIT_OK && is_what_if) {
    exit_code = what_if(tk_store_database(store), &inputs, &writer, format);
  } else if (exit_code == TK_EXIT_OK) {
    exit_code = run_sql(tk_store_database(store), replay_sql, &inputs, &writer);
    if (tk_writer_close(&writer) && exit_code == TK_EXIT_OK) exit_code = TK_EXIT_IO;
  }
  free(inputs.text);
  tk_store_close(store);
  return exit_code;
}

static int run_sampling(const struct tk_command *command, int argc, char **argv) {
  struct sampling_options options = {.examples = 5};
  int exit_code = TK_EXIT_OK;
  const int operands = tk_options_parse(command, argc, argv, &options, &exit_code);
  if (operands < 0) return exit_code;
  const bool is_what_if = strcmp(argv[0], "what-if") == 0;
  if (!is_what_if && strcmp(argv[0], "replay") != 0) {
    tk_complain("sampling: expected what-if or replay, not '%s'", argv[0]);
    return TK_EXIT_USAGE;
  }
  return ask_store(&options, is_what_if, argv[1]);
}

const struct tk_command tk_cmd_sampling = {
    .name = "sampling",
    .arguments = "what-if|replay STORE",
    .summary = "say what a sampling configuration would keep",
    .description =
        "Decides about every trace of a store as the configuration in FILE would have.\n\n"
        "what-if prints what each policy keeps and drops; traces, spans, errors, slow traces and\n"
        "bytes before and after; what one would estimate from the traces that are kept; and some\n"
        "of those that would be lost. replay prints the decision about each trace. Both are SQL "
        "on\n"
        "the table sampling_replay (docs/sampling.md).",
    .examples =
        "  tracekeep sampling what-if traces.db --config collector.yaml\n"
        "  tracekeep sampling what-if traces.db -c collector.yaml --slow 500ms --format json\n"
        "  tracekeep sampling replay traces.db -c strategies.json --since -1h\n"
        "  tracekeep sampling what-if traces.db -c collector.yaml --semantics v0.150\n",
    .options = sampling_options,
    .run = run_sampling,
    .operand_min = 2,
    .operand_max = 2,
};
