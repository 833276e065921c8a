/* What the program's exit code says. Scripts rely on it: docs/tracekeep.1 and --help list the same.
 */
#ifndef TK_CLI_EXIT_CODES_H
#define TK_CLI_EXIT_CODES_H

enum tk_exit_code {
  TK_EXIT_OK = 0,
  TK_EXIT_FINDINGS = 1, /**< it worked, and something is wrong with the data, or was not found */
  TK_EXIT_USAGE = 2,    /**< an option, an argument or the SQL makes no sense */
  TK_EXIT_IO = 3,       /**< something could not be opened, read or written, or memory ran out */
  TK_EXIT_CORRUPT = 4,  /**< the store is damaged */
  TK_EXIT_INTERRUPTED = 130
};

#define TK_EXIT_CODES_HELP                                                                         \
  "Exit codes:\n"                                                                                  \
  "  0    it worked\n"                                                                             \
  "  1    it worked, and the answer is not clean: faults found, records rejected, no such trace\n" \
  "  2    an option, an argument or the SQL makes no sense\n"                                      \
  "  3    something could not be opened, read or written\n"                                        \
  "  4    the store is damaged\n"                                                                  \
  "  130  interrupted; doing the same again continues\n"

#endif
