/* What a stream is connected to, and what can be done there. */
#ifndef TK_CLI_TERMINAL_H
#define TK_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct tk_terminal {
  bool is_terminal;
  bool colour;  /**< a terminal that is not "dumb", and NO_COLOR is not set */
  size_t width; /**< columns of the terminal (COLUMNS overrides); 0 when it is none */
};

struct tk_terminal tk_terminal_of(FILE *stream);

#endif
