/* SPDX-License-Identifier: MIT
 * Text as the writers spell it: UTF-8, widths, numbers, JSON strings. */
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "cli/output/display.h"
#include "cli/output/quantity.h"
#include "cli/output/text_buffer.h"
#include "cli/output/utf8.h"
#include "tests/support/check.h"

static bool is_text(struct tk_text_buffer *buffer, const char *expected) {
  size_t size = strlen(expected);
  bool equal = buffer->size == size && (size == 0 || memcmp(buffer->data, expected, size) == 0);
  if (!equal) printf("# got: %.*s\n", (int)buffer->size, buffer->data ? buffer->data : "");
  tk_text_buffer_reset(buffer);
  return equal;
}

static bool json_is(const char *text, size_t size, const char *expected) {
  struct tk_text_buffer buffer = {0};
  tk_text_buffer_add_json_string(&buffer, text, size);
  return is_text(&buffer, expected);
}

static void json_strings_escape_controls_and_keep_utf8(void) {
  CHECK(json_is("", 0, "\"\""));
  CHECK(json_is("a\"b\\c", 5, "\"a\\\"b\\\\c\""));
  CHECK(json_is("\n\t\r\x01\0\x7f", 6, "\"\\n\\t\\r\\u0001\\u0000\\u007f\""));
  CHECK(json_is("Gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x9f", 11,
                "\"Gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x9f\""));
}

static void json_strings_replace_what_is_not_utf8(void) {
  CHECK(
      json_is("a\xff"
              "b",
              3,
              "\"a\xef\xbf\xbd"
              "b\""));
  CHECK(json_is("\xe2\x82", 2, "\"\xef\xbf\xbd\"")); /* cut short: one */
  CHECK(json_is("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"")); /* a surrogate */
  CHECK(json_is("\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""));                 /* overlong */
  CHECK(json_is("\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""));
}

static void decoding_accepts_every_code_point_and_no_surrogate(void) {
  for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 7) {
    char text[4];
    size_t size = 0;
    if (c < 0x80) {
      text[size++] = (char)c;
    } else if (c < 0x800) {
      text[size++] = (char)(0xc0 | c >> 6);
      text[size++] = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
      text[size++] = (char)(0xe0 | c >> 12);
      text[size++] = (char)(0x80 | (c >> 6 & 63));
      text[size++] = (char)(0x80 | (c & 63));
    } else {
      text[size++] = (char)(0xf0 | c >> 18);
      text[size++] = (char)(0x80 | (c >> 12 & 63));
      text[size++] = (char)(0x80 | (c >> 6 & 63));
      text[size++] = (char)(0x80 | (c & 63));
    }
    uint32_t decoded;
    bool valid;
    size_t length = tk_utf8_decode(text, size, &decoded, &valid);
    bool surrogate = c >= 0xd800 && c < 0xe000;
    if (valid == surrogate || (valid && (decoded != c || length != size))) {
      CHECK(!"decodes");
      printf("# U+%04X\n", c);
      return;
    }
  }
}

static bool shows(const char *text, size_t width, const char *expected) {
  struct tk_text_buffer buffer = {0};
  size_t used = tk_text_buffer_add_display(&buffer, text, strlen(text), width);
  CHECK(width == SIZE_MAX || used <= width);
  return is_text(&buffer, expected);
}

static void display_cuts_by_columns_not_bytes(void) {
  CHECK(shows("abcdef", 6, "abcdef"));
  CHECK(shows("abcdef", 5, "abcd\xe2\x80\xa6"));
  CHECK(shows("\xc3\xa4\xc3\xb6\xc3\xbc", 3, "\xc3\xa4\xc3\xb6\xc3\xbc"));
  CHECK(shows("\xe4\xb8\xad\xe6\x96\x87", 4, "\xe4\xb8\xad\xe6\x96\x87")); /* two columns each */
  CHECK(shows("\xe4\xb8\xad\xe6\x96\x87", 3, "\xe4\xb8\xad\xe2\x80\xa6"));
  CHECK(shows("e\xcc\x81x", 2, "e\xcc\x81x")); /* a combining accent takes none */
  CHECK(shows("abc", 0, ""));
}

static void display_lets_no_control_through(void) {
  CHECK(shows("a\x1b[31mb\n\t", SIZE_MAX, "a\\x1b[31mb\\n\\t"));
  CHECK(
      shows("\xe2\x80\xae"
            "cba",
            SIZE_MAX, "\\u202ecba")); /* right-to-left override */
  CHECK(shows("\xff", SIZE_MAX, "\xef\xbf\xbd"));
}

static void reals_are_short_and_exact(void) {
  static const double reals[] = {0.1,      1.0 / 3, 1e300, 5e-324, 1.7976931348623157e308,
                                 0x1.8p53, -2.5};
  struct tk_text_buffer buffer = {0};
  for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
    tk_text_buffer_clear(&buffer);
    tk_text_buffer_add_real(&buffer, reals[i]);
    tk_text_buffer_add_char(&buffer, 0);
    CHECK(!buffer.failed && strtod(buffer.data, NULL) == reals[i]);
  }
  tk_text_buffer_reset(&buffer);
  tk_text_buffer_add_real(&buffer, 3);
  CHECK(is_text(&buffer, "3.0"));
  tk_text_buffer_add_real(&buffer, -0.0);
  CHECK(is_text(&buffer, "-0.0"));
  tk_text_buffer_add_real(&buffer, 0.1);
  CHECK(is_text(&buffer, "0.1"));
  tk_text_buffer_add_real(&buffer, 1e22);
  CHECK(is_text(&buffer, "1e+22"));
}

static void integers_and_bytes_have_one_spelling(void) {
  struct tk_text_buffer buffer = {0};
  tk_text_buffer_add_int(&buffer, INT64_MIN);
  CHECK(is_text(&buffer, "-9223372036854775808"));
  tk_text_buffer_add_uint(&buffer, UINT64_MAX);
  CHECK(is_text(&buffer, "18446744073709551615"));
  tk_text_buffer_add_hex(&buffer, "\x00\xff\x1e", 3);
  CHECK(is_text(&buffer, "00ff1e"));
  static const char *const base64[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                       "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  for (size_t size = 0; size < sizeof base64 / sizeof base64[0]; size++) {
    tk_text_buffer_add_base64(&buffer, "foobar", size);
    CHECK(is_text(&buffer, base64[size]));
  }
}

static bool duration_is(int64_t ns, const char *expected) {
  char text[TK_FORMAT_SIZE];
  tk_format_duration(ns, text);
  return strcmp(text, expected) == 0;
}

static void durations_read_well_at_every_size(void) {
  CHECK(duration_is(0, "0ns"));
  CHECK(duration_is(999, "999ns"));
  CHECK(duration_is(12345, "12.3us"));
  CHECK(duration_is(999949, "999.9us"));
  CHECK(duration_is(999950, "1.0ms"));
  CHECK(duration_is(393149952, "393.1ms"));
  CHECK(duration_is(59900000000, "59.9s"));
  CHECK(duration_is(60000000000, "1m00s"));
  CHECK(duration_is(3599600000000, "1h00m"));
  CHECK(duration_is(3900000000000, "1h05m"));
  CHECK(duration_is(-1500, "-1.5us"));
  CHECK(duration_is(INT64_MIN, "-2562047h47m"));
}

static void times_and_sizes_read_well(void) {
  char text[TK_FORMAT_SIZE];
  tk_format_time(1616693010088478464u, 6, text);
  CHECK(strcmp(text, "2021-03-25 17:23:30.088478") == 0);
  tk_format_time(1616693010088478464u, 0, text);
  CHECK(strcmp(text, "2021-03-25 17:23:30") == 0);
  tk_format_time(UINT64_MAX, 9, text);
  CHECK(strcmp(text, "2554-07-21 23:34:33.709551615") == 0);
  tk_format_bytes(999, text);
  CHECK(strcmp(text, "999 B") == 0);
  tk_format_bytes(999960, text);
  CHECK(strcmp(text, "1.0 MB") == 0);
  tk_format_bytes(UINT64_MAX, text);
  CHECK(strcmp(text, "18.4 EB") == 0);
  tk_format_number(1234567, text);
  CHECK(strcmp(text, "1 234 567") == 0);
  tk_format_number(999, text);
  CHECK(strcmp(text, "999") == 0);
  tk_format_count(8123, text);
  CHECK(strcmp(text, "8.1k") == 0);
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(json_strings_escape_controls_and_keep_utf8),
      CASE(json_strings_replace_what_is_not_utf8),
      CASE(decoding_accepts_every_code_point_and_no_surrogate),
      CASE(display_cuts_by_columns_not_bytes),
      CASE(display_lets_no_control_through),
      CASE(reals_are_short_and_exact),
      CASE(integers_and_bytes_have_one_spelling),
      CASE(durations_read_well_at_every_size),
      CASE(times_and_sizes_read_well),
  };
  setlocale(LC_CTYPE, "C.UTF-8");
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
