/* UTF-8 as it really arrives, perhaps broken. */
#ifndef TK_CLI_OUTPUT_UTF8_H
#define TK_CLI_OUTPUT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Length in bytes of the character that begins `text`, its code point in *code_point_out. Broken
 * bytes: the length of the maximal broken part, and *valid_out is false. `size` is at least 1. */
size_t tk_utf8_decode(const char *text, size_t size, uint32_t *code_point_out, bool *valid_out);

#endif
