/* SPDX-License-Identifier: MIT
 * Reads options as a command declares them, and prints the help that the declaration makes. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/exit_codes.h"
#include "cli/messages.h"

/* What every command understands. */
static const struct tk_option help_option = {
    .name = "help", .letter = 'h', .type = TK_OPTION_FLAG, .help = "show this text"};

void tk_text_list_reset(struct tk_text_list *list) {
  free(list->items);
  *list = (struct tk_text_list){0};
}

/* ---- help ---- */

static void print_option(const struct tk_option *option) {
  char left[128];
  char letter[8] = "    ";
  if (option->letter) snprintf(letter, sizeof letter, "-%c, ", option->letter);
  snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name, option->value ? " " : "",
           option->value ? option->value : "");
  if (strlen(left) > 28) {
    printf("%s\n%-30s%s\n", left, "", option->help);
  } else {
    printf("%-30s%s\n", left, option->help);
  }
}

static void print_help(const struct tk_command *command) {
  printf("Usage: tracekeep %s [OPTION]... %s\n\n%s\n\nOptions:\n", command->name,
         command->arguments, command->description);
  for (const struct tk_option *option = command->options; option->name; option++) {
    if (!option->hidden) print_option(option);
  }
  print_option(&help_option);
  printf("\nExamples:\n%s\n%s", command->examples, TK_EXIT_CODES_HELP);
}

/* ---- finding names ---- */

/* Letters to change, add or remove to get from one text to the other; texts are short. */
static size_t edit_distance(const char *a, const char *b) {
  enum { LONGEST = 32 };
  size_t row[LONGEST + 1];
  size_t width = strlen(b);
  if (width > LONGEST || strlen(a) > LONGEST) return LONGEST;
  for (size_t j = 0; j <= width; j++) row[j] = j;
  for (size_t i = 0; a[i]; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < width; j++) {
      size_t best = diagonal + (a[i] != b[j]);
      if (row[j + 1] + 1 < best) best = row[j + 1] + 1;
      if (row[j] + 1 < best) best = row[j] + 1;
      diagonal = row[j + 1];
      row[j + 1] = best;
    }
  }
  return row[width];
}

const char *tk_similar_name(const char *text, const char *const *names, size_t count) {
  const char *best = NULL;
  size_t best_distance = 3;
  for (size_t i = 0; i < count; i++) {
    size_t distance = edit_distance(text, names[i]);
    if (distance < best_distance && distance < strlen(names[i])) {
      best = names[i];
      best_distance = distance;
    }
  }
  return best;
}

static const struct tk_option *find_by_letter(const struct tk_command *command, char letter) {
  for (const struct tk_option *option = command->options; option->name; option++) {
    if (option->letter == letter) return option;
  }
  return letter == help_option.letter ? &help_option : NULL;
}

static const struct tk_option *find_by_name(const struct tk_command *command, const char *name,
                                            size_t size) {
  for (const struct tk_option *option = command->options; option->name; option++) {
    if (strlen(option->name) == size && memcmp(option->name, name, size) == 0) return option;
  }
  if (size == strlen(help_option.name) && memcmp(help_option.name, name, size) == 0) {
    return &help_option;
  }
  return NULL;
}

static void report_unknown(const struct tk_command *command, const char *argument) {
  const char *names[64];
  size_t count = 0;
  for (const struct tk_option *option = command->options; option->name && count < 64; option++) {
    names[count++] = option->name;
  }
  const char *similar = argument[1] == '-' ? tk_similar_name(argument + 2, names, count) : NULL;
  if (similar) {
    tk_complain("%s: no option %s; did you mean --%s?", command->name, argument, similar);
  } else {
    tk_complain("%s: no option %s; `tracekeep %s --help` lists them", command->name, argument,
                command->name);
  }
}

/* ---- storing values ---- */

static bool is_choice(const char *choices, const char *text) {
  size_t size = strlen(text);
  for (const char *at = choices; at; at = strchr(at, '|')) {
    if (*at == '|') at++;
    size_t length = strcspn(at, "|");
    if (length == size && memcmp(at, text, size) == 0) return true;
  }
  return false;
}

static bool store_number(const struct tk_command *command, const struct tk_option *option,
                         const char *text, unsigned *target) {
  char *end = NULL;
  unsigned long number = isdigit((unsigned char)text[0]) ? strtoul(text, &end, 10) : 0;
  if (!end || *end || number > 0x7fffffff) {
    tk_complain("%s: --%s takes a number, not '%s'", command->name, option->name, text);
    return false;
  }
  *target = (unsigned)number;
  return true;
}

static bool store_value(const struct tk_command *command, const struct tk_option *option,
                        const char *text, void *values) {
  void *target = (char *)values + option->offset;
  switch (option->type) {
    case TK_OPTION_FLAG:
      *(bool *)target = true;
      return true;
    case TK_OPTION_NUMBER:
      return store_number(command, option, text, target);
    case TK_OPTION_TEXT:
      *(const char **)target = text;
      return true;
    case TK_OPTION_CHOICE:
      if (!is_choice(option->value, text)) {
        tk_complain("%s: --%s is one of %s, not '%s'", command->name, option->name, option->value,
                    text);
        return false;
      }
      *(const char **)target = text;
      return true;
    case TK_OPTION_LIST: {
      struct tk_text_list *list = target;
      list->items = tk_need_memory(realloc(list->items, (list->count + 1) * sizeof *list->items));
      list->items[list->count++] = text;
      return true;
    }
  }
  return false;
}

/* ---- parsing ---- */

struct parse {
  const struct tk_command *command;
  char **argv;
  int argc, next;
  void *values;
  bool help;
};

/* `inline_value` follows a = or a letter; NULL: the next argument is the value, if one is due. */
static bool take_option(struct parse *parse, const struct tk_option *option,
                        const char *inline_value) {
  if (option == &help_option) {
    parse->help = true;
    return true;
  }
  if (option->type == TK_OPTION_FLAG) {
    if (!inline_value) return store_value(parse->command, option, NULL, parse->values);
    tk_complain("%s: --%s takes no value", parse->command->name, option->name);
    return false;
  }
  if (!inline_value && parse->next == parse->argc) {
    tk_complain("%s: --%s needs a value (%s)", parse->command->name, option->name, option->value);
    return false;
  }
  if (!inline_value) inline_value = parse->argv[parse->next++];
  return store_value(parse->command, option, inline_value, parse->values);
}

static bool take_long_option(struct parse *parse, const char *argument) {
  size_t size = strcspn(argument + 2, "=");
  const struct tk_option *option = find_by_name(parse->command, argument + 2, size);
  if (!option) {
    report_unknown(parse->command, argument);
    return false;
  }
  return take_option(parse, option, argument[2 + size] ? argument + 2 + size + 1 : NULL);
}

/* `-q`, `-qo x`, `-ox` */
static bool take_letters(struct parse *parse, const char *argument) {
  for (const char *letter = argument + 1; *letter; letter++) {
    const struct tk_option *option = find_by_letter(parse->command, *letter);
    if (!option) {
      report_unknown(parse->command, argument);
      return false;
    }
    if (option->type != TK_OPTION_FLAG)
      return take_option(parse, option, letter[1] ? letter + 1 : NULL);
    if (!take_option(parse, option, NULL)) return false;
  }
  return true;
}

static bool check_operand_count(const struct tk_command *command, int count) {
  if (count < command->operand_min) {
    tk_complain("%s: expected %s; `tracekeep %s --help` explains", command->name,
                command->arguments, command->name);
    return false;
  }
  if (command->operand_max >= 0 && count > command->operand_max) {
    tk_complain("%s: too many arguments: expected %s", command->name, command->arguments);
    return false;
  }
  return true;
}

/* "-" is standard input, and "-- " begins a comment, of SQL that was pasted. */
static bool looks_like_option(const char *argument) {
  if (argument[0] != '-' || !argument[1]) return false;
  return argument[1] != '-' || !argument[2] || !strchr(" \t\r\n", argument[2]);
}

int tk_options_parse(const struct tk_command *command, int argc, char **argv, void *values,
                     int *exit_code) {
  struct parse parse = {
      .command = command, .argv = argv, .argc = argc, .next = 1, .values = values};
  int operands = 0;
  bool only_operands = false;
  bool well_formed = true;
  while (parse.next < argc && well_formed && !parse.help) {
    char *argument = argv[parse.next++];
    if (only_operands || !looks_like_option(argument)) {
      argv[operands++] = argument;
    } else if (strcmp(argument, "--") == 0) {
      only_operands = true;
    } else if (argument[1] == '-') {
      well_formed = take_long_option(&parse, argument);
    } else {
      well_formed = take_letters(&parse, argument);
    }
  }
  if (parse.help) print_help(command);
  if (!well_formed || parse.help || !check_operand_count(command, operands)) {
    *exit_code = parse.help && well_formed ? TK_EXIT_OK : TK_EXIT_USAGE;
    return -1;
  }
  return operands;
}
