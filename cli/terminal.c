/* SPDX-License-Identifier: MIT
 * Asks the operating system and the environment about a stream. NO_COLOR: see no-color.org. */
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static size_t width_of(int descriptor) {
  const char *columns = getenv("COLUMNS");
  struct winsize size;
  if (columns && atoi(columns) > 0) return (size_t)atoi(columns);
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

struct tk_terminal tk_terminal_of(FILE *stream) {
  int descriptor = fileno(stream);
  if (!isatty(descriptor)) return (struct tk_terminal){0};
  const char *no_colour = getenv("NO_COLOR");
  const char *kind = getenv("TERM");
  bool forbidden = no_colour && no_colour[0];
  bool dumb = !kind || !kind[0] || strcmp(kind, "dumb") == 0;
  return (struct tk_terminal){
      .is_terminal = true, .colour = !forbidden && !dumb, .width = width_of(descriptor)};
}
