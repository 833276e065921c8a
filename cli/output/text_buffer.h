/* Text that grows at its end. Running out of memory makes the buffer `failed`: later appends do
 * nothing, and the caller checks once. */
#ifndef TK_CLI_OUTPUT_TEXT_BUFFER_H
#define TK_CLI_OUTPUT_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zero-initialise before first use. Not NUL-terminated. */
struct tk_text_buffer {
  char *data;
  size_t size;
  size_t capacity;
  bool failed;
};

/** Frees everything and leaves the buffer empty and usable. */
void tk_text_buffer_reset(struct tk_text_buffer *buffer);
/** Empties the buffer and keeps its memory. */
void tk_text_buffer_clear(struct tk_text_buffer *buffer);

void tk_text_buffer_append(struct tk_text_buffer *buffer, const void *bytes, size_t size);
/** A NUL-terminated text. */
void tk_text_buffer_add(struct tk_text_buffer *buffer, const char *text);
void tk_text_buffer_add_char(struct tk_text_buffer *buffer, char c);
/** `text` as often as `count` says. */
void tk_text_buffer_repeat(struct tk_text_buffer *buffer, const char *text, size_t count);
void tk_text_buffer_add_int(struct tk_text_buffer *buffer, int64_t value);
void tk_text_buffer_add_uint(struct tk_text_buffer *buffer, uint64_t value);
/** Lower-case hexadecimal. */
void tk_text_buffer_add_hex(struct tk_text_buffer *buffer, const void *bytes, size_t size);
/** Standard base64 with padding. */
void tk_text_buffer_add_base64(struct tk_text_buffer *buffer, const void *bytes, size_t size);
/** The shortest of 15 to 17 digits that reads back as the same double, always with a point or an
 * exponent, so that it is a real number to every reader: 3.0, 0.1, 1e+300. `value` is finite. */
void tk_text_buffer_add_real(struct tk_text_buffer *buffer, double value);
/** A JSON string with its quotes. Control characters are escaped; bytes that are not UTF-8 become
 * U+FFFD, one for each maximal broken sequence, as the Unicode standard recommends. */
void tk_text_buffer_add_json_string(struct tk_text_buffer *buffer, const char *text, size_t size);

#endif
