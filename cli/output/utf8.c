/* SPDX-License-Identifier: MIT
 * Decoding UTF-8 strictly, and display width. The width of a character is the C library's wcwidth,
 * so it follows the locale that main() chose. */
#include "cli/output/utf8.h"

#include <stdio.h>
#include <wchar.h>

#include "cli/output/text_buffer.h"

/* Length of the sequence a lead byte announces and the range its second byte must be in (which is
 * what excludes overlong forms, surrogates and code points above U+10FFFF); 0: not a lead byte. */
static size_t sequence_length(uint8_t lead, uint8_t *second_min, uint8_t *second_max) {
  *second_min = 0x80;
  *second_max = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (lead == 0xe0) *second_min = 0xa0;
    if (lead == 0xed) *second_max = 0x9f;
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (lead == 0xf0) *second_min = 0x90;
    if (lead == 0xf4) *second_max = 0x8f;
    return 4;
  }
  return 0;
}

size_t tk_utf8_decode(const char *text, size_t size, uint32_t *code_point_out, bool *valid_out) {
  const uint8_t *bytes = (const uint8_t *)text;
  uint8_t min, max;
  size_t length = sequence_length(bytes[0], &min, &max);
  uint32_t code_point = bytes[0];
  size_t read = 1;
  if (length > 1) code_point &= 0x7fu >> length; /* the bits of a lead byte that are data */
  while (read < length && read < size && bytes[read] >= min && bytes[read] <= max) {
    code_point = code_point << 6 | (bytes[read++] & 0x3fu);
    min = 0x80;
    max = 0xbf;
  }
  *valid_out = bytes[0] < 0x80 || (length > 0 && read == length);
  *code_point_out = *valid_out ? code_point : 0xfffd;
  return read;
}

int tk_code_point_width(uint32_t code_point) {
  if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0)) return -1;
  if (code_point < 0x7f) return 1;
  /* Line separators and bidirectional controls would rearrange the line they are in. */
  if (code_point == 0x2028 || code_point == 0x2029) return -1;
  if ((code_point >= 0x202a && code_point <= 0x202e) ||
      (code_point >= 0x2066 && code_point <= 0x2069))
    return -1;
  int width = wcwidth((wchar_t)code_point);
  return width < 0 ? 1 : width;
}

/* How one character is shown: `text` of `width` columns. */
struct glyph {
  char text[12];
  size_t size;
  size_t width;
};

static size_t next_glyph(const char *text, size_t size, struct glyph *glyph) {
  uint32_t code_point;
  bool valid;
  size_t length = tk_utf8_decode(text, size, &code_point, &valid);
  int width = tk_code_point_width(code_point);
  if (!valid) {
    *glyph = (struct glyph){.text = "\xef\xbf\xbd", .size = 3, .width = 1};
  } else if (width >= 0) {
    glyph->size = 0;
    for (size_t i = 0; i < length; i++) glyph->text[glyph->size++] = text[i];
    glyph->width = (size_t)width;
  } else {
    const char *form = code_point == '\n'   ? "\\n"
                       : code_point == '\t' ? "\\t"
                       : code_point == '\r' ? "\\r"
                                            : NULL;
    int printed = form ? snprintf(glyph->text, sizeof glyph->text, "%s", form)
                       : snprintf(glyph->text, sizeof glyph->text,
                                  code_point < 0x100 ? "\\x%02x" : "\\u%04x", code_point);
    glyph->size = (size_t)printed;
    glyph->width = glyph->size;
  }
  return length;
}

size_t tk_display_width(const char *text, size_t size) {
  size_t width = 0;
  struct glyph glyph;
  for (size_t i = 0; i < size; width += glyph.width) i += next_glyph(text + i, size - i, &glyph);
  return width;
}

size_t tk_text_buffer_add_display(struct tk_text_buffer *buffer, const char *text, size_t size,
                                  size_t width) {
  bool fits = width == SIZE_MAX || size <= width / 6 || tk_display_width(text, size) <= width;
  size_t room = fits ? SIZE_MAX : width > 0 ? width - 1 : 0;
  size_t used = 0;
  struct glyph glyph;
  for (size_t i = 0; i < size;) {
    i += next_glyph(text + i, size - i, &glyph);
    if (glyph.width > room - used) break;
    tk_text_buffer_append(buffer, glyph.text, glyph.size);
    used += glyph.width;
  }
  if (!fits && width > 0) {
    tk_text_buffer_add(buffer, "\xe2\x80\xa6");
    used++;
  }
  return used;
}
