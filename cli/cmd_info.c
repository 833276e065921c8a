/* SPDX-License-Identifier: MIT
 * tracekeep info: what is in a store. Sums come from tk_store_info, the lists from SQL. */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/output/quantity.h"
#include "cli/sql_result.h"
#include "cli/terminal.h"

struct info_options {
  const char *format;
};

static const struct tk_option info_options[] = {
    {.name = "format",
     .letter = 'f',
     .type = TK_OPTION_CHOICE,
     .value = "text|json",
     .help = "default: text",
     .offset = offsetof(struct info_options, format)},
    {0},
};

/* The lists: in text each is a table with a heading, in JSON a member of the object. */
static const struct section {
  const char *key, *heading, *sql;
  const char *of; /* in text left out where this has no rows */
} sections[] = {
    {.key = "services",
     .heading = "Services",
     .sql = "SELECT service, count(*) AS spans, sum(status = 'error') AS errors,"
            "       format_duration(cast(quantile(duration_ns, 0.5) AS INTEGER)) AS p50,"
            "       format_duration(cast(quantile(duration_ns, 0.99) AS INTEGER)) AS p99,"
            "       format_duration(max(duration_ns)) AS longest"
            " FROM spans GROUP BY service ORDER BY spans DESC, service LIMIT 20",
     .of = "SELECT 1 FROM spans LIMIT 1"},
    {.key = "attribute_keys",
     .heading = "Attribute keys",
     .sql = "SELECT scope, count(DISTINCT key) AS keys FROM attribute_keys GROUP BY scope ORDER BY "
            "scope",
     .of = "SELECT 1 FROM attribute_keys LIMIT 1"},
    {.key = "runs",
     .heading = "Last runs",
     .sql = "SELECT run_id, branch_name AS branch, commit_sha, status, events, issues, traces, "
            "envelopes,"
            "       documents, last_seen"
            " FROM runs ORDER BY last_seen DESC, run_id LIMIT 5",
     .of = "SELECT 1 FROM runs LIMIT 1"},
    {.key = "documents",
     .heading = "Documents",
     .sql = "SELECT kind, count(*) AS documents, sum(record_count) AS records, sum(size) AS bytes"
            " FROM documents GROUP BY kind ORDER BY kind",
     .of = "SELECT 1 FROM documents LIMIT 1"},
    {.key = "sampling",
     .heading = "Sampling decisions, as recorded",
     .sql =
         "SELECT source, mechanism, decision, count(*) AS decisions, count(policy) AS with_policy,"
         "       count(adjusted_count) AS with_count"
         " FROM sampling_decisions GROUP BY source, mechanism, decision"
         " ORDER BY decisions DESC, source, mechanism, decision LIMIT 20",
     .of = "SELECT 1 FROM sampling_decisions LIMIT 1"},
    {.key = "ingests",
     .heading = "Last ingests",
     .sql =
         "SELECT source, format, finished_at, bytes, records, spans_new AS new,"
         "       spans_duplicate AS duplicate, spans_conflicting AS conflicting, rejected, issues"
         " FROM ingests ORDER BY id DESC LIMIT 5"},
};
enum { SECTION_COUNT = sizeof sections / sizeof sections[0] };

/* SQLITE_ROW, SQLITE_DONE, or what is wrong. */
static int step_once(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  sqlite3_finalize(statement);
  return rc;
}

static int write_section(sqlite3 *db, const struct section *section, bool heading,
                         struct tk_writer *writer) {
  sqlite3_stmt *statement = NULL;
  int rc = heading && section->of ? step_once(db, section->of) : SQLITE_ROW;
  if (rc == SQLITE_ROW) rc = sqlite3_prepare_v2(db, section->sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) {
    if (heading) printf("\n%s\n", section->heading);
    rc = tk_sql_write_result(writer, statement);
  }
  int exit_code = rc == SQLITE_DONE ? TK_EXIT_OK : tk_complain_sqlite(section->key, db, rc);
  sqlite3_finalize(statement);
  return exit_code;
}

/* What stands beside the spans. */
struct companions {
  uint64_t runs, documents;
};

static int count_companions(sqlite3 *db, struct companions *counts) {
  sqlite3_stmt *statement = NULL;
  int rc =
      sqlite3_prepare_v2(db, "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM documents)",
                         -1, &statement, NULL);
  if (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    counts->runs = (uint64_t)sqlite3_column_int64(statement, 0);
    counts->documents = (uint64_t)sqlite3_column_int64(statement, 1);
    rc = sqlite3_reset(statement);
  }
  int exit_code = rc == SQLITE_OK ? TK_EXIT_OK : tk_complain_sqlite("runs", db, rc);
  sqlite3_finalize(statement);
  return exit_code;
}

static double ratio_of(const struct tk_store_info *info) {
  return info->file_bytes > 0 ? (double)info->raw_bytes / (double)info->file_bytes : 0;
}

/* ---- text ---- */

static void print_number(const char *label, uint64_t number) {
  char text[TK_FORMAT_SIZE];
  tk_format_number(number, text);
  printf("%-9s %s\n", label, text);
}

static void print_summary(const char *path, const struct tk_store_info *info,
                          const struct companions *counts) {
  char bytes[TK_FORMAT_SIZE], raw[TK_FORMAT_SIZE], begin[TK_FORMAT_SIZE], end[TK_FORMAT_SIZE];
  char span[TK_FORMAT_SIZE];
  tk_format_bytes(info->file_bytes, bytes);
  tk_format_bytes(info->raw_bytes, raw);
  printf("%-9s %s\n", "store", path);
  printf("%-9s %s", "size", bytes);
  if (info->raw_bytes > 0) printf(", about %s as OTLP JSON (%.1f times)", raw, ratio_of(info));
  printf("\n");
  print_number("spans", info->spans);
  print_number("traces", info->traces);
  print_number("events", info->events);
  print_number("links", info->links);
  print_number("errors", info->errors);
  print_number("segments", info->segments);
  if (counts->runs > 0) print_number("runs", counts->runs);
  if (counts->documents > 0) print_number("documents", counts->documents);
  if (info->spans == 0) return;
  tk_format_time(info->start_min_unix_ns, 3, begin);
  tk_format_time(info->end_max_unix_ns, 3, end);
  tk_format_duration((int64_t)(info->end_max_unix_ns - info->start_min_unix_ns), span);
  printf("%-9s %s to %s UTC (%s)\n", "time", begin, end, span);
}

static int write_text(sqlite3 *db, const char *path, const struct tk_store_info *info,
                      const struct companions *counts) {
  struct tk_terminal terminal = tk_terminal_of(stdout);
  int exit_code = TK_EXIT_OK;
  print_summary(path, info, counts);
  for (int i = 0; i < SECTION_COUNT && exit_code == TK_EXIT_OK; i++) {
    struct tk_writer writer = {.format = &tk_format_table,
                               .out = stdout,
                               .width = terminal.width,
                               .colour = terminal.colour};
    exit_code = write_section(db, &sections[i], true, &writer);
    if (tk_writer_close(&writer) && exit_code == TK_EXIT_OK) exit_code = TK_EXIT_IO;
  }
  return exit_code;
}

/* ---- JSON ---- */

static void add_json_summary(struct tk_text_buffer *out, const char *path,
                             const struct tk_store_info *info, const struct companions *counts) {
  const struct {
    const char *key;
    uint64_t number;
  } members[] = {
      {"schema_version", info->schema_version},
      {"file_bytes", info->file_bytes},
      {"raw_bytes", info->raw_bytes},
      {"spans", info->spans},
      {"traces", info->traces},
      {"events", info->events},
      {"links", info->links},
      {"errors", info->errors},
      {"segments", info->segments},
      {"start_min_ns", info->start_min_unix_ns},
      {"end_max_ns", info->end_max_unix_ns},
      {"run_count", counts->runs},
      {"document_count", counts->documents},
  };
  tk_text_buffer_add(out, "{\"store\":");
  tk_text_buffer_add_json_string(out, path, strlen(path));
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
    tk_text_buffer_add(out, ",\n\"");
    tk_text_buffer_add(out, members[i].key);
    tk_text_buffer_add(out, "\":");
    tk_text_buffer_add_uint(out, members[i].number);
  }
}

static int write_json(sqlite3 *db, const char *path, const struct tk_store_info *info,
                      const struct companions *counts) {
  struct tk_writer writer = {.format = &tk_format_json, .out = stdout};
  int exit_code = TK_EXIT_OK;
  add_json_summary(&writer.line, path, info, counts);
  tk_writer_put_line(&writer);
  for (int i = 0; i < SECTION_COUNT && exit_code == TK_EXIT_OK; i++) {
    printf("%s\"%s\":", i > 0 ? "," : ",\n", sections[i].key);
    exit_code = write_section(db, &sections[i], false, &writer);
  }
  printf("}\n");
  if (tk_writer_close(&writer) && exit_code == TK_EXIT_OK) exit_code = TK_EXIT_IO;
  return exit_code;
}

static int run_info(const struct tk_command *command, int argc, char **argv) {
  struct info_options options = {.format = "text"};
  struct tk_store *store = NULL;
  struct tk_store_info info;
  struct companions counts = {0};
  struct tk_error error = {0};
  int exit_code = TK_EXIT_OK;
  if (tk_options_parse(command, argc, argv, &options, &exit_code) < 0) return exit_code;

  exit_code = tk_open_store_for_reading(argv[0], &store);
  if (!store) return exit_code;
  enum tk_status status = tk_store_info(store, &info, &error);
  if (status != TK_OK) {
    exit_code = tk_complain_status(argv[0], status, &error);
  } else if ((exit_code = count_companions(tk_store_database(store), &counts)) != TK_EXIT_OK) {
    /* said already */
  } else if (strcmp(options.format, "json") == 0) {
    exit_code = write_json(tk_store_database(store), argv[0], &info, &counts);
  } else {
    exit_code = write_text(tk_store_database(store), argv[0], &info, &counts);
  }
  tk_store_close(store);
  return exit_code;
}

const struct tk_command tk_cmd_info = {
    .name = "info",
    .arguments = "STORE",
    .summary = "say what is in a store",
    .description =
        "Size, counts, time range, services and attribute keys of a store; its last runs, its\n"
        "documents and recorded sampling decisions, if it has any; and the last ingests.\n"
        "The size as OTLP JSON is an estimate.",
    .examples =
        "  tracekeep info traces.db\n"
        "  tracekeep info --format json traces.db | jq .spans\n",
    .options = info_options,
    .run = run_info,
    .operand_min = 1,
    .operand_max = 1,
};
