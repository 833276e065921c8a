/* SPDX-License-Identifier: MIT
 * tracekeep report: the questions people ask again and again, as SQL that comes with the program.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/output/writer.h"
#include "cli/reports/reports.h"
#include "cli/sql_script.h"
#include "cli/terminal.h"

enum { MOST_REPORTS = 64 };

struct report_options {
  const char *format;
  struct tk_text_list parameters;
  bool show_sql;
};

static const struct tk_option report_options[] = {
    {.name = "format",
     .letter = 'f',
     .type = TK_OPTION_CHOICE,
     .value = TK_WRITER_FORMATS,
     .help = "default: table on a terminal, else csv",
     .offset = offsetof(struct report_options, format)},
    {.name = "param",
     .letter = 'p',
     .type = TK_OPTION_LIST,
     .value = "NAME=VALUE",
     .help = "a parameter of the report; each has a default",
     .offset = offsetof(struct report_options, parameters)},
    {.name = "sql",
     .type = TK_OPTION_FLAG,
     .help = "print the report's SQL instead of running it",
     .offset = offsetof(struct report_options, show_sql)},
    {0},
};

static bool is_report(const char *name) {
  const struct tk_report *report = tk_reports;
  while (report->name && strcmp(report->name, name) != 0) report++;
  return report->name != NULL;
}

static const struct tk_report *find_report(const char *name) {
  const char *names[MOST_REPORTS];
  size_t count = 0;
  for (const struct tk_report *report = tk_reports; report->name; report++) {
    if (strcmp(report->name, name) == 0) return report;
    if (count < MOST_REPORTS) names[count++] = report->name;
  }
  const char *similar = tk_similar_name(name, names, count);
  if (similar) {
    tk_complain("report: no report '%s'; did you mean '%s'?", name, similar);
  } else {
    tk_complain("report: no report '%s'; `tracekeep report` lists them", name);
  }
  return NULL;
}

static void list_reports(void) {
  for (const struct tk_report *report = tk_reports; report->name; report++) {
    printf("%-20s  %s\n", report->name, report->title);
  }
}

static bool is_parameter_of(const struct tk_report *report, const char *given) {
  const size_t size = strcspn(given, "=");
  for (const char *at = report->sql; (at = strchr(at, ':')) != NULL; at++) {
    const size_t length = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_0123456789");
    if (length == size && strncmp(at + 1, given, size) == 0) return true;
  }
  return false;
}

/* A misspelt parameter would silently leave the default in place. */
static bool check_parameters(const struct tk_report *report, const struct tk_text_list *given) {
  if (!tk_sql_parameters_valid("report", given)) return false;
  for (size_t i = 0; i < given->count; i++) {
    if (is_parameter_of(report, given->items[i])) continue;
    tk_complain("report: %s has no parameter '%.*s'; it says:\n%s", report->name,
                (int)strcspn(given->items[i], "="), given->items[i], report->description);
    return false;
  }
  return true;
}

static int write_report(const struct report_options *options, const char *path,
                        const struct tk_report *report) {
  struct tk_store *store = NULL;
  struct tk_terminal terminal = tk_terminal_of(stdout);
  const char *format = options->format ? options->format : terminal.is_terminal ? "table" : "csv";
  struct tk_writer writer = {.format = tk_writer_format_find(format),
                             .out = stdout,
                             .width = terminal.width,
                             .colour = terminal.colour};
  const struct tk_sql_script script = {"report", report->sql, &options->parameters, true};
  int exit_code = tk_open_store_for_reading(path, &store);
  if (exit_code == TK_EXIT_OK) {
    if (terminal.is_terminal && strcmp(format, "table") == 0) printf("%s\n\n", report->title);
    exit_code = tk_sql_script_run(&script, tk_store_database(store), &writer);
  }
  tk_store_close(store);
  return exit_code;
}

static int run_report(const struct tk_command *command, int argc, char **argv) {
  struct report_options options = {0};
  int exit_code = TK_EXIT_OK;
  int operands = tk_options_parse(command, argc, argv, &options, &exit_code);
  if (operands == 1 && is_report(argv[0])) {
    tk_complain("report: expected STORE NAME: of which store, the report '%s'?", argv[0]);
    exit_code = TK_EXIT_USAGE;
  } else if (operands == 0 || operands == 1) {
    list_reports();
  } else if (operands == 2) {
    const struct tk_report *report = find_report(argv[1]);
    if (!report || !check_parameters(report, &options.parameters)) {
      exit_code = TK_EXIT_USAGE;
    } else if (options.show_sql) {
      fputs(report->sql, stdout);
    } else {
      exit_code = write_report(&options, argv[0], report);
    }
  }
  tk_text_list_reset(&options.parameters);
  return exit_code;
}

const struct tk_command tk_cmd_report = {
    .name = "report",
    .arguments = "[STORE NAME]",
    .summary = "answer a common question",
    .description =
        "Runs one of the reports that come with tracekeep; without a name, lists them. A report "
        "is\n"
        "SQL: --sql prints it, with what its parameters mean, as a start for your own.",
    .examples =
        "  tracekeep report\n"
        "  tracekeep report traces.db runs\n"
        "  tracekeep report traces.db runs --param branch=main --param last=5\n"
        "  tracekeep report traces.db gate --sql\n",
    .options = report_options,
    .run = run_report,
    .operand_min = 0,
    .operand_max = 2,
};
