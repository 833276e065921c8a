/* A command of the program, and its options, as data. */
#ifndef TK_CLI_COMMAND_H
#define TK_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum tk_option_type {
  TK_OPTION_FLAG,   /**< bool */
  TK_OPTION_NUMBER, /**< unsigned; digits only */
  TK_OPTION_TEXT,   /**< const char * */
  TK_OPTION_CHOICE, /**< const char *, one of `value` split at | */
  TK_OPTION_LIST    /**< struct tk_text_list: may be given several times */
};

struct tk_text_list {
  const char **items; /**< freed with tk_text_list_reset */
  size_t count;
};
void tk_text_list_reset(struct tk_text_list *list);

struct tk_option {
  const char *name; /**< without the dashes; NULL ends a table */
  const char *help;
  const char *value; /**< what --help calls the value, or the choices */
  enum tk_option_type type;
  char letter;   /**< 0: none */
  bool hidden;   /**< not in --help: for tests */
  size_t offset; /**< of the target in the command's struct of options */
};

struct tk_command {
  const char *name;
  const char *arguments; /**< "STORE SQL" */
  const char *summary;   /**< one line, lower case, no full stop */
  const char *description;
  const char *examples;
  const struct tk_option *options;
  int (*run)(const struct tk_command *command, int argc, char **argv); /**< argv[0]: the name */
  int operand_min;
  int operand_max; /**< -1: any number */
};

/** Reads `argv` into `values` (zeroed, or defaults) and moves the operands to its front: argv[0]
 * .. argv[return - 1]. Negative: there is nothing to do, and *exit_code is what to return (help was
 * printed, or an error). Options and operands may be mixed; `--` ends options; `-` is an operand.
 */
int tk_options_parse(const struct tk_command *command, int argc, char **argv, void *values,
                     int *exit_code);

/** `text` among `count` names that differ in at most two letters, or NULL: for "did you mean". */
const char *tk_similar_name(const char *text, const char *const *names, size_t count);

extern const struct tk_command tk_cmd_ingest, tk_cmd_query, tk_cmd_trace, tk_cmd_info,
    tk_cmd_export, tk_cmd_replay, tk_cmd_check, tk_cmd_inspect, tk_cmd_report, tk_cmd_verify,
    tk_cmd_rules, tk_cmd_sampling;

#endif
