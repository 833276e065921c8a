/* SPDX-License-Identifier: MIT
 * The pull parser and the exact conversions. */
#include "tracekeep/json.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "cli/input/json_scanner.h"
#include "tests/support/check.h"

/* A heap copy of exactly the promised size, so that sanitizers see a step too far. */
static char *pad(const char *text, size_t size) {
  char *copy = calloc(1, size + TK_JSON_PADDING);
  if (!copy) abort();
  memcpy(copy, text, size);
  return copy;
}

static bool is_valid_bytes(const char *bytes, size_t size) {
  struct tk_json json;
  char *text = pad(bytes, size);
  tk_json_init(&json, text, size);
  tk_json_skip(&json);
  const bool valid = !json.expected && tk_json_at_end(&json);
  free(text);
  return valid;
}

static bool is_valid(const char *text) {
  return is_valid_bytes(text, strlen(text));
}

static void valid_json_is_taken_whole(void) {
  static const char *const texts[] = {
      "{}",
      "[]",
      " { } ",
      "[1,2,[3,{\"a\":[]}]]",
      "\"\"",
      "0",
      "-0",
      "-12.5e+10",
      "1E5",
      "0.0",
      "true",
      "false",
      "null",
      "{\"a\":{\"b\":null},\"c\":\"\\u00e9\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
      "\r\n\t [ 1 , 2 ] \n",
      "\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\"",
      "[\"\xc3\xa9\"]"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) CHECK(is_valid(texts[i]));
}

static void broken_json_is_an_error(void) {
  static const char *const texts[] = {"",
                                      "{",
                                      "}",
                                      "[",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\" 1}",
                                      "01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "+1",
                                      "tru",
                                      "nul",
                                      "truex",
                                      "\"",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\\u12",
                                      "\"\n\"",
                                      "\"\t\"",
                                      "[1}",
                                      "{]",
                                      "1 2",
                                      "{} {}",
                                      "NaN",
                                      "'a'",
                                      "\"\\",
                                      "[\"a\",\"b]"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    const bool valid = is_valid(texts[i]);
    if (valid) printf("# accepted %s\n", texts[i]);
    CHECK(!valid);
  }
  CHECK(!is_valid_bytes("[1,\0 2]", 7));
  CHECK(!is_valid_bytes("\"a\0b\"", 5));
}

static void errors_say_what_was_expected_and_where(void) {
  struct tk_json json;
  char *text = pad("{\"a\":1;}", 8);
  tk_json_init(&json, text, 8);
  tk_json_skip(&json);
  CHECK(json.expected && strstr(json.expected, "'}'"));
  CHECK(json.error_at == text + 6);
  CHECK(!tk_json_next_member(&json));
  CHECK(tk_json_peek(&json) == TK_JSON_NOTHING);
  CHECK(json.error_at == text + 6);
  free(text);
}

static void depth_is_limited(void) {
  char text[2 * (TK_JSON_DEPTH_LIMIT + 1)];
  memset(text, '[', TK_JSON_DEPTH_LIMIT);
  memset(text + TK_JSON_DEPTH_LIMIT, ']', TK_JSON_DEPTH_LIMIT);
  CHECK(is_valid_bytes(text, 2 * TK_JSON_DEPTH_LIMIT));
  memset(text, '[', TK_JSON_DEPTH_LIMIT + 1);
  memset(text + TK_JSON_DEPTH_LIMIT + 1, ']', TK_JSON_DEPTH_LIMIT + 1);
  CHECK(!is_valid_bytes(text, sizeof text));
}

static bool unescapes_to(const char *quoted, const char *expected, size_t size, bool broken) {
  struct tk_json json;
  char out[256];
  bool found_broken = false;
  char *text = pad(quoted, strlen(quoted));
  tk_json_init(&json, text, strlen(quoted));
  const struct tk_json_string string = tk_json_string(&json);
  const uint32_t found = tk_json_unescape(string, out, &found_broken);
  free(text);
  return !json.expected && found == size && memcmp(out, expected, size) == 0 &&
         broken == found_broken;
}

static void escapes_are_replaced(void) {
  CHECK(unescapes_to("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz", 10, false));
  CHECK(unescapes_to("\"\\u0041\\u00e9\\u4E2d\"", "A\xc3\xa9\xe4\xb8\xad", 6, false));
  CHECK(unescapes_to("\"x\\u0000y\"", "x\0y", 3, false));
  CHECK(unescapes_to("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4, false));
  CHECK(unescapes_to("\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf", 4, false));
}

static void half_surrogates_become_replacement_characters(void) {
  CHECK(unescapes_to("\"\\ud83d\"", "\xef\xbf\xbd", 3, true));
  CHECK(unescapes_to("\"\\ude00!\"", "\xef\xbf\xbd!", 4, true));
  CHECK(unescapes_to("\"\\ud83dx\"", "\xef\xbf\xbdx", 4, true));
  CHECK(unescapes_to("\"\\ud83d\\n\"", "\xef\xbf\xbd\n", 4, true));
  CHECK(unescapes_to("\"\\ud83d\\u0041\"",
                     "\xef\xbf\xbd"
                     "A",
                     4, true));
  CHECK(unescapes_to("\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80", 7, true));
}

static void strings_end_at_their_quote_at_any_length(void) {
  for (size_t length = 0; length < 70; length++) {
    char text[128];
    struct tk_json json;
    memset(text, 'x', sizeof text);
    text[0] = text[length + 1] = '"';
    char *copy = pad(text, length + 2);
    tk_json_init(&json, copy, length + 2);
    const struct tk_json_string string = tk_json_string(&json);
    CHECK(!json.expected && string.size == length && !string.escaped && !string.non_ascii);
    if (length > 0) {
      copy[length] = '\xc3';
      tk_json_init(&json, copy, length + 2);
      CHECK(tk_json_string(&json).non_ascii);
      copy[length + 1] = 'x';
      tk_json_init(&json, copy, length + 2);
      CHECK(tk_json_string(&json).size == 0 && json.expected);
    }
    free(copy);
  }
}

static void utf8_is_checked(void) {
  CHECK(tk_utf8_valid("", 0) && tk_utf8_valid("abc", 3));
  CHECK(tk_utf8_valid("\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xed\x9f\xbf\xf4\x8f\xbf\xbf", 16));
  CHECK(!tk_utf8_valid("\x80", 1) && !tk_utf8_valid("\xc3", 1) && !tk_utf8_valid("\xc3(", 2));
  CHECK(!tk_utf8_valid("\xc0\x80", 2) && !tk_utf8_valid("\xe0\x80\x80", 3));
  CHECK(!tk_utf8_valid("\xed\xa0\x80", 3) && !tk_utf8_valid("\xf4\x90\x80\x80", 4));
  CHECK(!tk_utf8_valid("\xf5\x80\x80\x80", 4) && !tk_utf8_valid("\xe4\xb8", 2));
}

static enum tk_number parse_int(const char *text, int64_t *out) {
  return tk_parse_int64(text, (uint32_t)strlen(text), out);
}

static void integers_are_exact(void) {
  static const struct {
    const char *text;
    enum tk_number result;
    int64_t value;
  } cases[] = {{"0", TK_NUMBER_OK, 0},
               {"-1", TK_NUMBER_OK, -1},
               {"9223372036854775807", TK_NUMBER_OK, INT64_MAX},
               {"-9223372036854775808", TK_NUMBER_OK, INT64_MIN},
               {"9223372036854775808", TK_NUMBER_RANGE, INT64_MAX},
               {"-9223372036854775809", TK_NUMBER_RANGE, INT64_MIN},
               {"1544712660000000001", TK_NUMBER_OK, 1544712660000000001},
               {"1.544712660000000001e18", TK_NUMBER_OK, 1544712660000000001},
               {"15447126600000000010e-1", TK_NUMBER_OK, 1544712660000000001},
               {"1.5e18", TK_NUMBER_OK, 1500000000000000000},
               {"1e19", TK_NUMBER_RANGE, INT64_MAX},
               {"1.5", TK_NUMBER_FRACTION, 1},
               {"-0.9", TK_NUMBER_FRACTION, 0},
               {"12.000", TK_NUMBER_OK, 12},
               {"0e999999999999", TK_NUMBER_OK, 0},
               {"1e999999999999", TK_NUMBER_RANGE, INT64_MAX},
               {"1e-999999999999", TK_NUMBER_FRACTION, 0},
               {"007", TK_NUMBER_OK, 7},
               {"", TK_NUMBER_SYNTAX, 0},
               {"-", TK_NUMBER_SYNTAX, 0},
               {"1x", TK_NUMBER_SYNTAX, 0},
               {"0x10", TK_NUMBER_SYNTAX, 0},
               {"1e", TK_NUMBER_SYNTAX, 0},
               {" 1", TK_NUMBER_SYNTAX, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t value = 99;
    const bool same =
        parse_int(cases[i].text, &value) == cases[i].result && value == cases[i].value;
    if (!same) printf("# %s gave %lld\n", cases[i].text, (long long)value);
    CHECK(same);
  }
  uint64_t value;
  CHECK(tk_parse_uint64("18446744073709551615", 20, &value) == TK_NUMBER_OK && value == UINT64_MAX);
  CHECK(tk_parse_uint64("18446744073709551616", 20, &value) == TK_NUMBER_RANGE);
  CHECK(tk_parse_uint64("-1", 2, &value) == TK_NUMBER_RANGE && value == 0);
  CHECK(tk_parse_uint64("-0", 2, &value) == TK_NUMBER_OK && value == 0);
}

static bool is_nearest_double(const char *text) {
  double value;
  const enum tk_number result = tk_parse_double(text, (uint32_t)strlen(text), &value);
  const double expected = strtod(text, NULL);
  return memcmp(&value, &expected, sizeof value) == 0 &&
         result == (isinf(expected) ? TK_NUMBER_RANGE : TK_NUMBER_OK);
}

static void doubles_are_the_nearest(void) {
  static const char *const texts[] = {"0",
                                      "-0",
                                      "0.1",
                                      "1e22",
                                      "1e23",
                                      "123456789012345",
                                      "9007199254740993",
                                      "0.3",
                                      "1e-5",
                                      "2.2250738585072014e-308",
                                      "2.2250738585072011e-308",
                                      "5e-324",
                                      "2e-324",
                                      "1e-400",
                                      "1e400",
                                      "-1e400",
                                      "1.7976931348623157e308",
                                      "1.7976931348623159e308",
                                      "3.141592653589793238462643",
                                      "100000000000000000000000",
                                      "0.000000000000000000000000000001",
                                      "8.5e-7",
                                      "1e0",
                                      "12e-0"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (!is_nearest_double(texts[i])) printf("# %s\n", texts[i]);
    CHECK(is_nearest_double(texts[i]));
  }
  uint64_t state = 88172645463325252u;
  for (int i = 0; i < 20000; i++) {
    char text[64];
    double value;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    memcpy(&value, &state, sizeof value);
    if (!isfinite(value)) continue;
    snprintf(text, sizeof text, "%.*g", 1 + (int)(state % 20), value);
    CHECK(is_nearest_double(text));
  }
}

static void long_numbers_are_rounded_by_their_last_digit(void) {
  char text[2000];
  double value;
  /* Half-way between 1 and the next double, then a 1 far beyond the digits that are kept. */
  const char *half = "1.00000000000000011102230246251565404236316680908203125";
  memset(text, '0', sizeof text);
  memcpy(text, half, strlen(half));
  CHECK(tk_parse_double(text, sizeof text, &value) == TK_NUMBER_OK && value == 1.0);
  text[sizeof text - 1] = '1';
  CHECK(tk_parse_double(text, sizeof text, &value) == TK_NUMBER_OK && value == 1.0 + DBL_EPSILON);
}

static void doubles_do_not_depend_on_the_locale(void) {
  double value;
  const char *locale = setlocale(LC_NUMERIC, "de_DE.UTF-8");
  if (!locale) printf("# no locale with a decimal comma here\n");
  CHECK(tk_parse_double("1.2345678901234567890", 21, &value) == TK_NUMBER_OK);
  CHECK(value == 1.2345678901234567890);
  setlocale(LC_NUMERIC, "C");
}

static int64_t decode(const char *text, uint8_t *out) {
  return tk_base64_decode(text, (uint32_t)strlen(text), out);
}

static void base64_takes_both_alphabets_padded_or_not(void) {
  uint8_t out[32];
  CHECK(decode("", out) == 0);
  CHECK(decode("AAECA/8=", out) == 5 && memcmp(out, "\0\1\2\3\xff", 5) == 0);
  CHECK(decode("AAECA_8", out) == 5 && out[4] == 0xff);
  CHECK(decode("-_8=", out) == 2 && out[0] == 0xfb && out[1] == 0xff);
  CHECK(decode("QQ==", out) == 1 && out[0] == 'A');
  CHECK(decode("QQ", out) == 1);
  CHECK(decode("Q", out) == -1 && decode("QQ=", out) == -1 && decode("QR==", out) == -1);
  CHECK(decode("Q Q=", out) == -1 && decode("====", out) == -1 && decode("QQ==QQ==", out) == -1);
}

/* Where the scanner stops must not depend on how the text is cut. */
static void scanner_agrees_with_the_parser_at_every_cut(void) {
  static const char *const texts[] = {"{\"a\":[1,-2.5e7,true,null,\"x\\\"}]\\\\\"],\"b\":{}} tail",
                                      "[[[]],{\"k\":{\"k\":[]}}],",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{\"a\" 1}",
                                      "[1 2]",
                                      "{\"a\":[}",
                                      "\"s\\u0041\"x",
                                      "{\"a\n\":1}"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    const size_t size = strlen(texts[i]);
    size_t whole = 0;
    enum tk_scan_state state = TK_SCAN_VALUE;
    for (size_t cut = 0; cut <= size; cut++) {
      struct tk_json_scanner scanner;
      char *first = pad(texts[i], cut);
      char *second = pad(texts[i] + cut, size - cut);
      tk_json_scanner_init(&scanner);
      size_t stop = (size_t)(tk_json_scan(&scanner, first, first + cut) - first);
      if (stop == cut && scanner.state != TK_SCAN_DONE && scanner.state != TK_SCAN_ERROR) {
        stop += (size_t)(tk_json_scan(&scanner, second, second + size - cut) - second);
      }
      if (cut == 0) {
        whole = stop;
        state = scanner.state;
      }
      CHECK(stop == whole && scanner.state == state);
      free(first);
      free(second);
    }
    CHECK(state == TK_SCAN_DONE || state == TK_SCAN_ERROR);
    CHECK((state == TK_SCAN_DONE) == is_valid_bytes(texts[i], whole));
  }
}

CHECK_MAIN(CASE(valid_json_is_taken_whole), CASE(broken_json_is_an_error),
           CASE(errors_say_what_was_expected_and_where), CASE(depth_is_limited),
           CASE(escapes_are_replaced), CASE(half_surrogates_become_replacement_characters),
           CASE(strings_end_at_their_quote_at_any_length), CASE(utf8_is_checked),
           CASE(integers_are_exact), CASE(doubles_are_the_nearest),
           CASE(long_numbers_are_rounded_by_their_last_digit),
           CASE(doubles_do_not_depend_on_the_locale),
           CASE(base64_takes_both_alphabets_padded_or_not),
           CASE(scanner_agrees_with_the_parser_at_every_cut))
