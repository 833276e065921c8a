/* UTF-8 as it really arrives (perhaps broken), and how wide it is on a terminal. */
#ifndef TK_CLI_OUTPUT_UTF8_H
#define TK_CLI_OUTPUT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Length in bytes of the character that begins `text`, its code point in *code_point_out. Broken
 * bytes: the length of the maximal broken part, and *valid_out is false. `size` is at least 1. */
size_t tk_utf8_decode(const char *text, size_t size, uint32_t *code_point_out, bool *valid_out);

/** Terminal columns of a code point: 0 combining, 1, or 2 (East Asian wide). -1: a control. */
int tk_code_point_width(uint32_t code_point);

struct tk_text_buffer;

/** Appends `text` so that it is safe and of known width on a terminal: controls become escapes
 * (\n, \t, \x1b), broken bytes U+FFFD. At most `width` columns are used (SIZE_MAX: all), the last
 * one by an ellipsis when something was cut. Returns the columns used. */
size_t tk_text_buffer_add_display(struct tk_text_buffer *buffer, const char *text, size_t size,
                                  size_t width);

/** Columns that tk_text_buffer_add_display would use for all of `text`. */
size_t tk_display_width(const char *text, size_t size);

#endif
