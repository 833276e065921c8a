/* SPDX-License-Identifier: MIT
 * Telling the spellings of ids apart. Hexadecimal of the right length comes first: 32 hexadecimal
 * digits are base64 too, but nobody means that. Base64 without padding has the length of many a
 * plain name, so it is believed only if it looks random. */
#include "cli/input/id_text.h"

#include <stdbool.h>
#include <string.h>

#include "tracekeep/json.h"
#include "tracekeep/hash.h"

/* Shorter hexadecimal text than this is more likely a name, such as "abc", than an id that lost so
 * many leading zeros. */
enum { MAX_LOST_DIGITS = 3 };

/* Value of a hexadecimal digit; upper case has bit 4 set, anything else is 0xFF. */
static const uint8_t hex_values[256] = {
#define NOT_HEX_16 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255
    NOT_HEX_16, NOT_HEX_16, NOT_HEX_16, 0,          1,          2,          3,          4,
    5,          6,          7,          8,          9,          255,        255,        255,
    255,        255,        255,        255,        26,         27,         28,         29,
    30,         31,         255,        255,        255,        255,        255,        255,
    255,        255,        255,        NOT_HEX_16, 255,        10,         11,         12,
    13,         14,         15,         255,        255,        255,        255,        255,
    255,        255,        255,        255,        NOT_HEX_16, NOT_HEX_16, NOT_HEX_16, NOT_HEX_16,
    NOT_HEX_16, NOT_HEX_16, NOT_HEX_16, NOT_HEX_16, NOT_HEX_16,
#undef NOT_HEX_16
};

/* Decodes an even number of digits; returns the values or-ed together: 0xE0 set means not hex. */
static uint32_t decode_pairs(const char *text, uint32_t digits, uint8_t *out) {
  uint32_t seen = 0;
  for (uint32_t i = 0; i < digits; i += 2) {
    const uint32_t high = hex_values[(unsigned char)text[i]];
    const uint32_t low = hex_values[(unsigned char)text[i + 1]];
    seen |= high | low;
    out[i / 2] = (uint8_t)(high << 4 | (low & 15));
  }
  return seen;
}

/* Right-aligned in `id`; false if there is anything but hexadecimal digits, or too many. */
static bool decode_hex(struct tk_text text, uint8_t *id, uint32_t id_size, uint32_t *form) {
  char padded[32];
  if (text.size == 0 || text.size > 2 * id_size) return false;
  if (text.size < 2 * id_size) {
    memset(padded, '0', 2 * id_size - text.size);
    memcpy(padded + 2 * id_size - text.size, text.data, text.size);
    text.data = padded;
  }
  const uint32_t seen = decode_pairs(text.data, 2 * id_size, id);
  if (seen & 0xE0) return false;
  if (seen & 0x10) *form |= TK_ID_UPPERCASE;
  return true;
}

static bool looks_random(struct tk_text text) {
  bool upper = false, lower = false;
  for (uint32_t i = 0; i < text.size; i++) {
    upper |= text.data[i] >= 'A' && text.data[i] <= 'Z';
    lower |= text.data[i] >= 'a' && text.data[i] <= 'z';
  }
  return upper && lower;
}

static bool decode_base64(struct tk_text text, uint8_t *id, uint32_t id_size) {
  uint8_t bytes[24];
  const uint32_t padded_size = (id_size + 2) / 3 * 4;
  const uint32_t bare_size = (id_size * 4 + 2) / 3;
  if (text.size != padded_size && (text.size != bare_size || !looks_random(text))) return false;
  if (tk_base64_decode(text.data, text.size, bytes) != id_size) return false;
  memcpy(id, bytes, id_size);
  return true;
}

static bool decode_xray(struct tk_text text, uint8_t id[16]) {
  char digits[32];
  uint32_t form = 0;
  if (text.size != 35 || memcmp(text.data, "1-", 2) != 0 || text.data[10] != '-') return false;
  memcpy(digits, text.data + 2, 8);
  memcpy(digits + 8, text.data + 11, 24);
  return decode_hex((struct tk_text){digits, 32}, id, 16, &form);
}

static bool is_zero(const uint8_t *id, uint32_t size) {
  uint8_t any = 0;
  for (uint32_t i = 0; i < size; i++) any |= id[i];
  return any == 0;
}

static struct tk_text strip_prefix(struct tk_text text, uint32_t *form) {
  if (text.size > 2 && text.data[0] == '0' && (text.data[1] == 'x' || text.data[1] == 'X')) {
    *form |= TK_ID_PREFIXED;
    text.data += 2;
    text.size -= 2;
  }
  return text;
}

/* Form of a hexadecimal trace id by its number of digits; TK_ID_TEXT: rather a name. */
static uint32_t judge_trace_digits(uint32_t digits, bool prefixed) {
  if (digits == 32) return 0;
  if (digits > 16) return TK_ID_PADDED;
  if (digits == 16) return TK_ID_SHORT;
  if (prefixed || digits >= 16 - MAX_LOST_DIGITS) return TK_ID_SHORT | TK_ID_PADDED;
  return TK_ID_TEXT;
}

uint32_t tk_trace_id_read(struct tk_text text, uint8_t id[16]) {
  uint32_t form = 0;
  if (text.size == 0) {
    memset(id, 0, 16);
    return TK_ID_EMPTY;
  }
  const struct tk_text digits = strip_prefix(text, &form);
  const uint32_t length_form = judge_trace_digits(digits.size, form & TK_ID_PREFIXED);
  if (!(length_form & TK_ID_TEXT) && decode_hex(digits, id, 16, &form)) {
    form |= length_form;
  } else if (decode_base64(text, id, 16)) {
    form = TK_ID_BASE64;
  } else if (decode_xray(text, id)) {
    form = TK_ID_PREFIXED;
  } else {
    tk_trace_id_from_text(text, id);
    return TK_ID_TEXT;
  }
  return is_zero(id, 16) ? form | TK_ID_ZERO : form;
}

static void hash_span_text(struct tk_text text, uint8_t id[8]) {
  const uint64_t hash = tk_hash64(text.data, text.size);
  for (int i = 0; i < 8; i++) id[i] = (uint8_t)(hash >> (8 * i));
}

uint32_t tk_span_id_read(struct tk_text text, uint8_t id[8]) {
  uint32_t form = 0;
  if (text.size == 0) {
    memset(id, 0, 8);
    return TK_ID_EMPTY;
  }
  const struct tk_text digits = strip_prefix(text, &form);
  const bool long_enough = digits.size >= 16 - MAX_LOST_DIGITS || (form & TK_ID_PREFIXED);
  if (long_enough && decode_hex(digits, id, 8, &form)) {
    if (digits.size < 16) form |= TK_ID_PADDED;
  } else if (decode_base64(text, id, 8)) {
    form = TK_ID_BASE64;
  } else {
    hash_span_text(text, id);
    return TK_ID_TEXT;
  }
  return is_zero(id, 8) ? form | TK_ID_ZERO : form;
}
