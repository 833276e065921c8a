/* SPDX-License-Identifier: MIT
 * The program `tracekeep`: finds the command and runs it. Everything else is in cmd_*.c. */
#include <locale.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "cli/command.h"
#include "cli/exit_codes.h"
#include "cli/messages.h"

static const struct tk_command *const commands[] = {
    &tk_cmd_ingest, &tk_cmd_query,  &tk_cmd_trace, &tk_cmd_info,
    &tk_cmd_export, &tk_cmd_replay, &tk_cmd_check, &tk_cmd_inspect,
    &tk_cmd_report, &tk_cmd_verify, &tk_cmd_rules, &tk_cmd_sampling,
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *out) {
  fputs(
      "Usage: tracekeep COMMAND [OPTION]... [ARGUMENT]...\n\n"
      "Keeps OpenTelemetry traces in one SQLite file that SQL can ask.\n\n"
      "Commands:\n",
      out);
  for (int i = 0; i < COMMAND_COUNT; i++) {
    fprintf(out, "  %-8s  %s\n", commands[i]->name, commands[i]->summary);
  }
  fprintf(out,
          "\n`tracekeep COMMAND --help` explains a command and shows examples.\n"
          "`tracekeep --version` says which version this is.\n\n%s",
          TK_EXIT_CODES_HELP);
}

static const struct tk_command *find_command(const char *name) {
  const char *names[COMMAND_COUNT];
  for (int i = 0; i < COMMAND_COUNT; i++) {
    if (strcmp(commands[i]->name, name) == 0) return commands[i];
    names[i] = commands[i]->name;
  }
  const char *similar = tk_similar_name(name, names, COMMAND_COUNT);
  if (similar) {
    tk_complain("no command '%s'; did you mean '%s'?", name, similar);
  } else {
    tk_complain("no command '%s'; `tracekeep --help` lists them", name);
  }
  return NULL;
}

/* Widths of characters need a locale whose characters are Unicode; text is UTF-8 everywhere. */
static void choose_locale(void) {
  if (!setlocale(LC_CTYPE, "") || wcwidth(0x4e2d) != 2) setlocale(LC_CTYPE, "C.UTF-8");
}

/* Batches of spans come and go, half a megabyte each. What one has freed is kept for the next: to
 * give it back to the system page by page and ask for it again takes as long as reading does. And
 * what one thread has freed is for all: they come for large pieces only, so that they do not wait
 * for each other. */
static void keep_freed_memory(void) {
#if defined(__GLIBC__)
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_ARENA_MAX, 1);
#endif
}

static int close_stdout(int code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  if (!tk_has_complained()) tk_complain("writing the output failed");
  return code == TK_EXIT_OK || code == TK_EXIT_FINDINGS ? TK_EXIT_IO : code;
}

int main(int argc, char **argv) {
  choose_locale();
  keep_freed_memory();
  const char *word = argc > 1 ? argv[1] : NULL;
  if (!word) {
    print_help(stderr);
    return TK_EXIT_USAGE;
  }
  if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
    printf("tracekeep %s (SQLite %s)\n", TK_VERSION, sqlite3_libversion());
    return close_stdout(TK_EXIT_OK);
  }
  bool asks_help = strcmp(word, "help") == 0;
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
      (asks_help && (argc == 2 || strcmp(argv[2], "help") == 0 || argv[2][0] == '-'))) {
    print_help(stdout);
    return close_stdout(TK_EXIT_OK);
  }
  const struct tk_command *command = find_command(asks_help ? argv[2] : word);
  if (!command) return TK_EXIT_USAGE;
  if (asks_help) {
    char help[] = "--help";
    char *arguments[] = {argv[2], help, NULL};
    return close_stdout(command->run(command, 2, arguments));
  }
  return close_stdout(command->run(command, argc - 1, argv + 1));
}
