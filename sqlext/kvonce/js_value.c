/* SPDX-License-Identifier: MIT
 * Values in canonical form, in one pass over their text. An object is written as it comes; only if
 * its members turn out to be in another order than JavaScript's, or one to occur twice, its members
 * are put in order afterwards, by the places where they were written. */
#include "sqlext/kvonce/js_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite_api.h"

/* ---- strings ---- */

static void append_text(struct tk_byte_writer *out, const char *text) {
  tk_byte_writer_append(out, text, strlen(text));
}

/* A code unit that has to be escaped: a control character or half of a surrogate pair. */
static void append_unit(struct tk_byte_writer *out, uint32_t unit) {
  static const char named[] = "\bb\ff\nn\rr\tt";
  char text[8];
  for (size_t i = 0; i + 1 < sizeof named; i += 2) {
    if ((uint32_t)named[i] != unit) continue;
    tk_byte_writer_append_u8(out, '\\');
    tk_byte_writer_append_u8(out, (uint8_t)named[i + 1]);
    return;
  }
  sqlite3_snprintf(sizeof text, text, "\\u%04x", unit);
  append_text(out, text);
}

static void append_code_point(struct tk_byte_writer *out, uint32_t code) {
  uint8_t bytes[4];
  size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const uint8_t first[] = {0, 0, 0xC0, 0xE0, 0xF0};
  if (code == '"' || code == '\\') tk_byte_writer_append_u8(out, '\\');
  for (size_t i = size; i-- > 1;) {
    bytes[i] = (uint8_t)(0x80 | (code & 0x3F));
    code >>= 6;
  }
  bytes[0] = (uint8_t)(first[size == 1 ? 0 : size] | code);
  tk_byte_writer_append(out, bytes, size);
}

static uint32_t read_unit(const char *digits) {
  uint32_t unit = 0;
  for (int i = 0; i < 4; i++) {
    const unsigned char digit = (unsigned char)digits[i];
    unit = unit << 4 | (uint32_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
  }
  return unit;
}

/* The escape at `at`, which is a backslash and checked. Returns what comes behind it. */
static const char *append_escape(struct tk_byte_writer *out, const char *at, const char *end) {
  static const char named[] = "b\bf\fn\nr\rt\t";
  if (at[1] != 'u') {
    const char *found = memchr(named, at[1], sizeof named - 1);
    if (found && (found - named) % 2 == 0) {
      append_unit(out, (uint32_t)found[1]);
    } else {
      append_code_point(out, (unsigned char)at[1]);
    }
    return at + 2;
  }
  const uint32_t unit = read_unit(at + 2);
  at += 6;
  if (unit >= 0xD800 && unit < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
    const uint32_t low = read_unit(at + 2);
    if (low >= 0xDC00 && low < 0xE000) {
      append_code_point(out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
      return at + 6;
    }
  }
  if (unit < 0x20 || (unit >= 0xD800 && unit < 0xE000)) {
    append_unit(out, unit);
  } else {
    append_code_point(out, unit);
  }
  return at;
}

void tk_js_write_json_string(struct tk_byte_writer *out, struct tk_json_string string) {
  const char *at = string.size > 0 ? string.data : "", *end = at + string.size;
  tk_byte_writer_append_u8(out, '"');
  while (string.escaped && at < end) {
    const char *backslash = memchr(at, '\\', (size_t)(end - at));
    if (!backslash) break;
    tk_byte_writer_append(out, at, (size_t)(backslash - at));
    at = append_escape(out, backslash, end);
  }
  tk_byte_writer_append(out, at, (size_t)(end - at));
  tk_byte_writer_append_u8(out, '"');
}

void tk_js_write_string(struct tk_byte_writer *out, struct tk_text text) {
  uint32_t done = 0;
  tk_byte_writer_append_u8(out, '"');
  for (uint32_t i = 0; i < text.size; i++) {
    const unsigned char byte = (unsigned char)text.data[i];
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    tk_byte_writer_append(out, text.data + done, i - done);
    if (byte < 0x20) {
      append_unit(out, byte);
    } else {
      append_code_point(out, byte);
    }
    done = i + 1;
  }
  if (text.size > done) tk_byte_writer_append(out, text.data + done, text.size - done);
  tk_byte_writer_append_u8(out, '"');
}

/* ---- numbers ---- */

/* The fewest decimal digits that read back as `value` (finite, above 0), and where the point is
 * before them: 0.<digits> * 10^point. */
static int find_digits(double value, char digits[20], int *point) {
  char text[40];
  /* A decimal of up to 15 digits survives the way through a double, unless it is subnormal. */
  int precision = value < 2.2250738585072014e-308 ? 1 : 15;
  for (;; precision++) {
    snprintf(text, sizeof text, "%.*e", precision - 1, value);
    if (precision == 17 || strtod(text, NULL) == value) break;
  }
  int count = 0;
  const char *exponent = strchr(text, 'e');
  for (const char *at = text; at < exponent; at++) {
    if (*at >= '0' && *at <= '9') digits[count++] = *at; /* the point is the locale's */
  }
  while (count > 1 && digits[count - 1] == '0') count--;
  *point = atoi(exponent + 1) + 1;
  return count;
}

static uint32_t put_digits(char *text, uint32_t size, const char *digits, int count) {
  memcpy(text + size, digits, (size_t)count);
  return size + (uint32_t)count;
}

static uint32_t put_zeros(char *text, uint32_t size, int count) {
  if (count > 0) memset(text + size, '0', (size_t)count);
  return count > 0 ? size + (uint32_t)count : size;
}

uint32_t tk_js_number_text(double value, char text[TK_JS_NUMBER_SIZE]) {
  char digits[20];
  int point;
  uint32_t size = 0;
  if (isnan(value) || isinf(value) || value == 0) {
    const char *name = isnan(value) ? "NaN"
                       : value == 0 ? "0"
                       : value < 0  ? "-Infinity"
                                    : "Infinity";
    size = (uint32_t)strlen(name);
    memcpy(text, name, size + 1);
    return size;
  }
  if (value < 0) text[size++] = '-';
  const int count = find_digits(fabs(value), digits, &point);
  if (count <= point && point <= 21) {
    size = put_zeros(text, put_digits(text, size, digits, count), point - count);
  } else if (point > 0 && point <= 21) {
    size = put_digits(text, size, digits, point);
    text[size++] = '.';
    size = put_digits(text, size, digits + point, count - point);
  } else if (point > -6 && point <= 0) {
    size = put_digits(text, size, "0.", 2);
    size = put_digits(text, put_zeros(text, size, -point), digits, count);
  } else {
    text[size++] = digits[0];
    if (count > 1) text[size++] = '.';
    size = put_digits(text, size, digits + 1, count - 1);
    sqlite3_snprintf((int)(TK_JS_NUMBER_SIZE - size), text + size, "e%c%d", point > 0 ? '+' : '-',
                     abs(point - 1));
    size += (uint32_t)strlen(text + size);
  }
  text[size] = '\0';
  return size;
}

void tk_js_write_number(struct tk_byte_writer *out, double value) {
  char text[TK_JS_NUMBER_SIZE];
  if (isfinite(value)) {
    tk_byte_writer_append(out, text, tk_js_number_text(value, text));
  } else {
    append_text(out, "null");
  }
}

/* Most numbers are short integers and stand as they will be written. */
static void append_number(struct tk_byte_writer *out, struct tk_text text) {
  const bool is_negative = text.size > 0 && text.data[0] == '-';
  uint32_t digits = is_negative;
  double value;
  while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
  if (digits == text.size && text.size <= 15 && !(is_negative && text.data[1] == '0')) {
    tk_byte_writer_append(out, text.data, text.size);
    return;
  }
  tk_parse_double(text.data, text.size, &value);
  tk_js_write_number(out, value);
}

static double read_radix(struct tk_text digits, uint32_t bits) {
  double value = 0;
  if (digits.size == 0) return NAN;
  for (uint32_t i = 0; i < digits.size; i++) {
    const unsigned char byte = (unsigned char)digits.data[i];
    const uint32_t digit = byte >= '0' && byte <= '9'   ? (uint32_t)byte - '0'
                           : byte >= 'a' && byte <= 'f' ? (uint32_t)byte - 'a' + 10
                           : byte >= 'A' && byte <= 'F' ? (uint32_t)byte - 'A' + 10
                                                        : 99;
    if (digit >= 1u << bits) return NAN;
    value = value * (double)(1u << bits) + digit;
  }
  return value;
}

/* JavaScript's decimal literals beyond JSON's: a sign, nothing before or behind the point. */
static double read_decimal(struct tk_text text) {
  struct tk_byte_writer json = {0};
  double value = NAN;
  uint32_t at = 0;
  const bool is_signed = text.data[0] == '+' || text.data[0] == '-';
  if (is_signed) at = 1;
  if (text.size - at == 8 && memcmp(text.data + at, "Infinity", 8) == 0) {
    return text.data[0] == '-' ? -INFINITY : INFINITY;
  }
  while (at + 1 < text.size && text.data[at] == '0' && text.data[at + 1] == '0') at++;
  if (at + 1 < text.size && text.data[at] == '0' && text.data[at + 1] >= '1' &&
      text.data[at + 1] <= '9') {
    at++;
  }
  const bool bare_point = at < text.size && text.data[at] == '.';
  if (bare_point) tk_byte_writer_append_u8(&json, '0');
  for (uint32_t i = at; i < text.size; i++) {
    const bool ends_here = i + 1 == text.size || (text.data[i + 1] | 0x20) == 'e';
    if (text.data[i] == '.' && ends_here) {
      if (bare_point && i == at) goto done; /* a point and no digit */
      continue;
    }
    tk_byte_writer_append_u8(&json, (uint8_t)text.data[i]);
  }
  if (json.failed || json.size == 0 || json.data[0] == '-' ||
      tk_parse_double((const char *)json.data, (uint32_t)json.size, &value) == TK_NUMBER_SYNTAX) {
    value = NAN;
  } else if (text.data[0] == '-') {
    value = -value;
  }

done:
  tk_byte_writer_reset(&json);
  return value;
}

double tk_js_string_to_number(struct tk_text text) {
  text = tk_js_trim(text);
  if (text.size == 0) return 0;
  if (text.size > 2 && text.data[0] == '0') {
    const char letter = (char)(text.data[1] | 0x20);
    const uint32_t bits = letter == 'x' ? 4 : letter == 'o' ? 3 : letter == 'b' ? 1 : 0;
    if (bits) return read_radix((struct tk_text){text.data + 2, text.size - 2}, bits);
  }
  return read_decimal(text);
}

uint32_t tk_js_rate_thousandths(uint64_t part, uint64_t whole) {
  int exponent;
  if (whole == 0) return 0;
  const double mantissa = frexp((double)part / (double)whole, &exponent);
  const uint64_t scaled = 1000 * (uint64_t)ldexp(mantissa, 53); /* the quotient * 1000 * 2^shift */
  const int shift = 53 - exponent;
  if (shift > 63) return 0; /* below 1/1024 of a thousandth */
  return (uint32_t)((scaled >> shift) + (scaled >> (shift - 1) & 1));
}

/* ---- texts ---- */

bool tk_js_array_index(struct tk_text name, uint32_t *index) {
  uint64_t value = 0;
  if (name.size == 0 || name.size > 10 || (name.data[0] == '0' && name.size > 1)) return false;
  for (uint32_t i = 0; i < name.size; i++) {
    if (name.data[i] < '0' || name.data[i] > '9') return false;
    value = value * 10 + (uint64_t)(name.data[i] - '0');
  }
  *index = (uint32_t)value;
  return value < UINT32_MAX;
}

static const char *const wide_spaces[] = {
    "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82",
    "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87",
    "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9",
    "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80", "\xEF\xBB\xBF"};

static bool is_narrow_space(char byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Length of the wide space that is at the beginning, or at the end, of `text`; 0: none. */
static uint32_t measure_wide_space(struct tk_text text, bool at_end) {
  for (size_t i = 0; i < sizeof wide_spaces / sizeof wide_spaces[0]; i++) {
    const uint32_t size = (uint32_t)strlen(wide_spaces[i]);
    if (text.size < size) continue;
    const char *at = at_end ? text.data + text.size - size : text.data;
    if (memcmp(at, wide_spaces[i], size) == 0) return size;
  }
  return 0;
}

struct tk_text tk_js_trim(struct tk_text text) {
  uint32_t size;
  while (text.size > 0) {
    const char first = text.data[0];
    size = (first & 0x80) ? measure_wide_space(text, false) : is_narrow_space(first);
    if (size == 0) break;
    text.data += size;
    text.size -= size;
  }
  while (text.size > 0) {
    const char last = text.data[text.size - 1];
    size = (last & 0x80) ? measure_wide_space(text, true) : is_narrow_space(last);
    if (size == 0) break;
    text.size -= size;
  }
  return text;
}

/* ---- order of texts ---- */

/* Where a byte sorts; 0: it is ignored. Capitals sort as their small letters, at first. */
static uint32_t primary_weight(unsigned char byte) {
  static const char punctuation[] = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";
  const char *found;
  if (byte >= '\t' && byte <= '\r') return byte;
  if (byte == ' ') return 14;
  if (byte < ' ' || byte == 127) return 0;
  if (byte >= '0' && byte <= '9') return byte + 50u;
  if ((byte >= 'a' && byte <= 'z') || byte >= 128) return byte + 50u;
  if (byte >= 'A' && byte <= 'Z') return byte + 32u + 50u;
  found = memchr(punctuation, byte, sizeof punctuation - 1);
  return found ? 15 + (uint32_t)(found - punctuation) : 0;
}

/* The next byte that is not ignored, or -1. */
static int next_byte(struct tk_text text, uint32_t *at) {
  while (*at < text.size) {
    const unsigned char byte = (unsigned char)text.data[(*at)++];
    if (primary_weight(byte)) return byte;
  }
  return -1;
}

int tk_js_locale_compare(struct tk_text a, struct tk_text b) {
  uint32_t at_a = 0, at_b = 0;
  int by_case = 0;
  for (;;) {
    const int byte_a = next_byte(a, &at_a), byte_b = next_byte(b, &at_b);
    if (byte_a < 0 || byte_b < 0) return byte_a >= 0 ? 1 : byte_b >= 0 ? -1 : by_case;
    const uint32_t weight_a = primary_weight((unsigned char)byte_a);
    const uint32_t weight_b = primary_weight((unsigned char)byte_b);
    if (weight_a != weight_b) return weight_a < weight_b ? -1 : 1;
    if (by_case == 0 && byte_a != byte_b) by_case = byte_a > byte_b ? -1 : 1; /* 'a' before 'A' */
  }
}

/* ---- values ---- */

struct tk_js_member {
  size_t begin;    /* of its key, in `out` */
  size_t key_size; /* with quotes */
  size_t end;      /* behind its value */
  uint32_t number; /* in the order they came */
  uint32_t index;  /* meaningful if is_index */
  bool is_index;
};

void tk_js_writer_reset(struct tk_js_writer *writer) {
  tk_byte_writer_reset(&writer->out);
  tk_byte_writer_reset(&writer->reordered);
  sqlite3_free(writer->members);
  *writer = (struct tk_js_writer){.member_count = 0};
}

static struct tk_js_member *add_member(struct tk_js_writer *writer) {
  if (writer->member_count == writer->member_capacity) {
    const uint32_t wanted = writer->member_capacity ? 2 * writer->member_capacity : 32;
    struct tk_js_member *larger =
        sqlite3_realloc64(writer->members, (sqlite3_uint64)wanted * sizeof *larger);
    if (!larger) {
      writer->out.failed = true;
      return NULL;
    }
    writer->members = larger;
    writer->member_capacity = wanted;
  }
  return &writer->members[writer->member_count++];
}

static int compare_keys(const struct tk_js_writer *writer, const struct tk_js_member *a,
                        const struct tk_js_member *b) {
  const size_t size = a->key_size < b->key_size ? a->key_size : b->key_size;
  const int order = memcmp(writer->out.data + a->begin, writer->out.data + b->begin, size);
  if (order != 0) return order;
  return a->key_size < b->key_size ? -1 : a->key_size > b->key_size;
}

/* Heap sort, for an order that needs the writer: no recursion, no allocation, no bad case. */
static void sort_members(struct tk_js_writer *writer, struct tk_js_member *members, uint32_t count,
                         int (*compare)(const struct tk_js_writer *, const struct tk_js_member *,
                                        const struct tk_js_member *)) {
  uint32_t first = count / 2, end = count;
  while (end > 1) {
    struct tk_js_member moved;
    if (first > 0) {
      moved = members[--first];
    } else {
      moved = members[--end];
      members[end] = members[0];
    }
    uint32_t hole = first, child;
    while ((child = 2 * hole + 1) < end) {
      if (child + 1 < end && compare(writer, &members[child], &members[child + 1]) < 0) child++;
      if (compare(writer, &moved, &members[child]) >= 0) break;
      members[hole] = members[child];
      hole = child;
    }
    members[hole] = moved;
  }
}

static int by_key(const struct tk_js_writer *writer, const struct tk_js_member *a,
                  const struct tk_js_member *b) {
  const int order = compare_keys(writer, a, b);
  return order != 0 ? order : a->number < b->number ? -1 : a->number > b->number;
}

static int by_place(const struct tk_js_writer *writer, const struct tk_js_member *a,
                    const struct tk_js_member *b) {
  (void)writer;
  if (a->is_index != b->is_index) return a->is_index ? -1 : 1;
  if (a->is_index) return a->index < b->index ? -1 : a->index > b->index;
  return a->number < b->number ? -1 : a->number > b->number;
}

/* Of equal keys, which stand together, the last value in the place of the first. */
static uint32_t merge_duplicates(struct tk_js_writer *writer, struct tk_js_member *members,
                                 uint32_t count) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (kept > 0 && compare_keys(writer, &members[kept - 1], &members[i]) == 0) {
      members[kept - 1].begin = members[i].begin;
      members[kept - 1].end = members[i].end;
    } else {
      members[kept++] = members[i];
    }
  }
  return kept;
}

/* Few members are compared with each other, many are sorted. */
static bool has_duplicates(const struct tk_js_writer *writer, const struct tk_js_member *members,
                           uint32_t count) {
  if (count > 16) return true; /* perhaps */
  for (uint32_t i = 1; i < count; i++) {
    for (uint32_t j = 0; j < i; j++) {
      if (members[i].key_size == members[j].key_size &&
          compare_keys(writer, &members[i], &members[j]) == 0) {
        return true;
      }
    }
  }
  return false;
}

/* Puts the members written since `begin` in the order JavaScript has them in. */
static void order_members(struct tk_js_writer *writer, size_t begin, uint32_t first_member) {
  uint32_t count = writer->member_count - first_member;
  bool in_order = true;
  if (writer->out.failed || count == 0) return;
  struct tk_js_member *members = writer->members + first_member;
  for (uint32_t i = 0; i < count; i++) {
    if (members[i].is_index) in_order = false;
  }
  if (in_order && !has_duplicates(writer, members, count)) return;
  sort_members(writer, members, count, by_key);
  count = merge_duplicates(writer, members, count);
  sort_members(writer, members, count, by_place);
  writer->reordered.size = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) tk_byte_writer_append_u8(&writer->reordered, ',');
    tk_byte_writer_append(&writer->reordered, writer->out.data + members[i].begin,
                          members[i].end - members[i].begin);
  }
  if (writer->reordered.failed) {
    writer->out.failed = true;
    return;
  }
  /* Never longer than what it replaces. */
  memcpy(writer->out.data + begin, writer->reordered.data, writer->reordered.size);
  writer->out.size = begin + writer->reordered.size;
}

static void write_object(struct tk_js_writer *writer, struct tk_json *json) {
  const uint32_t first_member = writer->member_count;
  uint32_t number = 0;
  tk_byte_writer_append_u8(&writer->out, '{');
  const size_t begin = writer->out.size;
  for (bool more = tk_json_enter_object(json); more; more = tk_json_next_member(json)) {
    if (number > 0) tk_byte_writer_append_u8(&writer->out, ',');
    struct tk_js_member member = {.begin = writer->out.size, .number = number++};
    tk_js_write_json_string(&writer->out, tk_json_key(json));
    if (writer->out.failed) return;
    member.key_size = writer->out.size - member.begin;
    const struct tk_text name = {(const char *)writer->out.data + member.begin + 1,
                                 (uint32_t)(member.key_size - 2)};
    member.is_index = tk_js_array_index(name, &member.index);
    tk_byte_writer_append_u8(&writer->out, ':');
    tk_js_write_value(writer, json);
    member.end = writer->out.size;
    struct tk_js_member *added = writer->out.failed ? NULL : add_member(writer);
    if (!added) return;
    *added = member;
  }
  order_members(writer, begin, first_member);
  writer->member_count = first_member;
  tk_byte_writer_append_u8(&writer->out, '}');
}

static void write_array(struct tk_js_writer *writer, struct tk_json *json) {
  bool is_first = true;
  tk_byte_writer_append_u8(&writer->out, '[');
  for (bool more = tk_json_enter_array(json); more && !writer->out.failed;
       more = tk_json_next_item(json)) {
    if (!is_first) tk_byte_writer_append_u8(&writer->out, ',');
    is_first = false;
    tk_js_write_value(writer, json);
  }
  tk_byte_writer_append_u8(&writer->out, ']');
}

void tk_js_write_value(struct tk_js_writer *writer, struct tk_json *json) {
  struct tk_text text;
  switch (tk_json_peek(json)) {
    case TK_JSON_OBJECT:
      write_object(writer, json);
      break;
    case TK_JSON_ARRAY:
      write_array(writer, json);
      break;
    case TK_JSON_STRING:
      tk_js_write_json_string(&writer->out, tk_json_string(json));
      break;
    case TK_JSON_NUMBER:
      append_number(&writer->out, tk_json_number(json));
      break;
    case TK_JSON_TRUE:
    case TK_JSON_FALSE:
    case TK_JSON_NULL:
    case TK_JSON_NOTHING:
    default:
      text = tk_json_skip(json);
      if (text.data) tk_byte_writer_append(&writer->out, text.data, text.size);
      break;
  }
}

void tk_js_write_text(struct tk_js_writer *writer, struct tk_text text) {
  struct tk_json json;
  tk_json_init(&json, text.data, text.size);
  writer->member_count = 0;
  tk_js_write_value(writer, &json);
  writer->member_count = 0;
}
