/* Text on a terminal: made safe, cut to a width, measured. */
#ifndef TK_CLI_OUTPUT_DISPLAY_H
#define TK_CLI_OUTPUT_DISPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "cli/output/text_buffer.h"

/** Terminal columns of a code point: 0 combining, 1, or 2 (East Asian wide). -1: a control. */
int tk_code_point_width(uint32_t code_point);

/** Appends `text` so that it is safe and of known width on a terminal: controls become escapes
 * (\n, \t, \x1b), broken bytes U+FFFD. At most `width` columns are used (SIZE_MAX: all), the last
 * one by an ellipsis when something was cut. Returns the columns used. */
size_t tk_text_buffer_add_display(struct tk_text_buffer *buffer, const char *text, size_t size,
                                  size_t width);

/** Columns that tk_text_buffer_add_display would use for all of `text`. */
size_t tk_display_width(const char *text, size_t size);

#endif
