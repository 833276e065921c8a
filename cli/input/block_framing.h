/** @file block_framing.h  Cuts text into blocks: from a line that begins with '{' to the next that
 * begins with '}', as consoles print objects. What is within is indented; lines between blocks are
 * somebody else's. Where blocks begin and end depends on the first bytes of lines alone. */
#ifndef TK_CLI_INPUT_BLOCK_FRAMING_H
#define TK_CLI_INPUT_BLOCK_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/input/record.h"
#include "cli/input/window.h"
#include "tracekeep/status.h"

struct tk_block_framing {
  size_t record_limit;
  bool finished; /**< nothing comes any more */
  char fault_message[160];
};

/** Zeroed but for the limit before first use. *found is false at the end of the input. A block that
 * is cut off there is a fault, and not consumed. */
enum tk_status tk_block_next(struct tk_block_framing *blocks, struct tk_window *window,
                             struct tk_record *record, bool *found, struct tk_error *error);

#endif
