/* SPDX-License-Identifier: MIT
 * Text as a terminal can show it. The width of a character is the C library's wcwidth, so it
 * follows the locale that main() chose. */
#include "cli/output/display.h"

#include <stdio.h>
#include <wchar.h>

#include "cli/output/utf8.h"

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
