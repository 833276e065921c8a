/* A trace as a waterfall: a tree of spans on the left, their bars in time on the right. */
#ifndef TK_CLI_OUTPUT_WATERFALL_H
#define TK_CLI_OUTPUT_WATERFALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tracekeep/scan.h"

struct tk_waterfall_options {
  size_t width;       /**< columns of a line; at least TK_WATERFALL_WIDTH_MIN */
  unsigned max_depth; /**< 0: no limit. What is below is counted, not drawn */
  unsigned limit;     /**< spans drawn; 0: no limit */
  bool attributes;
  bool events; /**< and links */
  bool colour;
  bool ascii; /**< no box-drawing characters or blocks */
};

enum { TK_WATERFALL_WIDTH_MIN = 60 };

/** True when it was written; false when memory ran out or the file could not be written. */
bool tk_waterfall_write(const struct tk_trace *trace, const struct tk_waterfall_options *options,
                        FILE *out);

#endif
