/* SPDX-License-Identifier: MIT
 * Reads members of a W3C tracestate list: members are separated by commas, the fields of the `ot`
 * member by semicolons. */
#include "sqlext/sampling/consistent_sampling.h"

#include <string.h>

enum { DIGITS = 14, P_MAX = 63, R_MAX = 62 };

struct tk_text tk_trim(struct tk_text text) {
  while (text.size && (*text.data == ' ' || *text.data == '\t')) {
    text.data++;
    text.size--;
  }
  while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
    text.size--;
  }
  return text;
}

bool tk_next_part(struct tk_text *rest, char separator, struct tk_text *part) {
  if (!rest->data || rest->size == 0) return false;
  const char *end = memchr(rest->data, separator, rest->size);
  part->data = rest->data;
  part->size = end ? (uint32_t)(end - rest->data) : rest->size;
  const uint32_t taken = part->size + (end != NULL);
  rest->data += taken;
  rest->size -= taken;
  return true;
}

static bool take_prefix(struct tk_text *text, const char *prefix) {
  const size_t size = strlen(prefix);
  if (text->size < size || memcmp(text->data, prefix, size) != 0) return false;
  text->data += size;
  text->size -= (uint32_t)size;
  return true;
}

/* Lower-case digits from the left of 56 bits. */
bool tk_ot_read_threshold(struct tk_text text, uint64_t *value) {
  *value = 0;
  if (text.size == 0 || text.size > DIGITS) return false;
  for (uint32_t i = 0; i < DIGITS; i++) {
    const char c = i < text.size ? text.data[i] : '0';
    if (c >= '0' && c <= '9') {
      *value = *value << 4 | (uint64_t)(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      *value = *value << 4 | (uint64_t)(c - 'a' + 10);
    } else {
      return false;
    }
  }
  return true;
}

bool tk_ot_read_randomness(struct tk_text digits, uint64_t *randomness_out) {
  *randomness_out = 0;
  return digits.size == DIGITS && tk_ot_read_threshold(digits, randomness_out);
}

/* One or two decimal digits. */
static bool read_small(struct tk_text text, uint64_t limit, uint64_t *value) {
  *value = 0;
  if (text.size == 0 || text.size > 2) return false;
  for (uint32_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
    *value = *value * 10 + (uint64_t)(text.data[i] - '0');
  }
  return *value <= limit;
}

uint64_t tk_trace_randomness(const uint8_t trace_id[16]) {
  uint64_t value = 0;
  for (int i = 9; i < 16; i++) value = value << 8 | trace_id[i];
  return value;
}

struct tk_text tk_trace_state_member(struct tk_text trace_state, const char *key) {
  struct tk_text member;
  while (tk_next_part(&trace_state, ',', &member)) {
    member = tk_trim(member);
    if (take_prefix(&member, key) && take_prefix(&member, "=")) return member;
  }
  return (struct tk_text){NULL, 0};
}

struct tk_text tk_trace_state_tenant(struct tk_text trace_state, const char *system) {
  struct tk_text member;
  while (tk_next_part(&trace_state, ',', &member)) {
    member = tk_trim(member);
    const char *at = member.size ? memchr(member.data, '@', member.size) : NULL;
    if (!at) continue;
    struct tk_text rest = {at + 1, member.size - (uint32_t)(at + 1 - member.data)};
    if (take_prefix(&rest, system) && take_prefix(&rest, "=")) return rest;
  }
  return (struct tk_text){NULL, 0};
}

/* What a field says once; said twice it says nothing. */
static void set_field(struct tk_ot_field *field, bool is_valid, uint64_t value) {
  field->is_valid = is_valid && !field->is_there;
  field->is_there = true;
  field->value = field->is_valid ? value : 0;
}

void tk_ot_value_read(struct tk_text text, struct tk_ot_member *out) {
  struct tk_text rest = text, field;
  uint64_t value;

  *out = (struct tk_ot_member){.text = text};
  while (tk_next_part(&rest, ';', &field)) {
    if (take_prefix(&field, "th:")) {
      const bool is_valid = tk_ot_read_threshold(field, &value);
      set_field(&out->th, is_valid, value);
    } else if (take_prefix(&field, "rv:")) {
      const bool is_valid = tk_ot_read_randomness(field, &value);
      set_field(&out->rv, is_valid, value);
    } else if (take_prefix(&field, "p:")) {
      const bool is_valid = read_small(field, P_MAX, &value);
      set_field(&out->p, is_valid, value);
    } else if (take_prefix(&field, "r:")) {
      const bool is_valid = read_small(field, R_MAX, &value);
      set_field(&out->r, is_valid, value);
    }
  }
}

bool tk_ot_member_read(struct tk_text trace_state, struct tk_ot_member *out) {
  const struct tk_text member = tk_trace_state_member(trace_state, "ot");
  tk_ot_value_read(member, out);
  return member.data != NULL;
}
