/* SPDX-License-Identifier: MIT
 * Reads one member of a W3C tracestate list: members are separated by commas, the fields of the
 * `ot` member by semicolons. */
#include "sqlext/consistent_sampling.h"

#include <string.h>

enum { DIGITS = 14 };
#define RANGE ((uint64_t)1 << 56)

static struct tk_text trim(struct tk_text text) {
  while (text.size && (*text.data == ' ' || *text.data == '\t')) {
    text.data++;
    text.size--;
  }
  while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
    text.size--;
  }
  return text;
}

/* Takes the part before the next `separator` off the front of *rest; false at the end. */
static bool next_part(struct tk_text *rest, char separator, struct tk_text *part) {
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
static bool read_digits(struct tk_text text, uint64_t *value) {
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

static uint64_t trace_randomness(const uint8_t trace_id[16]) {
  uint64_t value = 0;
  for (int i = 9; i < 16; i++) value = value << 8 | trace_id[i];
  return value;
}

/* The fields of the `ot` member. */
static bool read_member(struct tk_text member, struct tk_consistent_sampling *out) {
  bool has_threshold = false;
  struct tk_text field;
  while (next_part(&member, ';', &field)) {
    if (take_prefix(&field, "th:")) {
      if (has_threshold || !read_digits(field, &out->threshold)) return false;
      has_threshold = true;
    } else if (take_prefix(&field, "rv:")) {
      if (field.size != DIGITS || !read_digits(field, &out->randomness)) return false;
    }
  }
  return has_threshold;
}

bool tk_consistent_sampling_read(struct tk_text trace_state, const uint8_t trace_id[16],
                                 struct tk_consistent_sampling *out) {
  struct tk_text member;
  while (next_part(&trace_state, ',', &member)) {
    member = trim(member);
    if (!take_prefix(&member, "ot=")) continue;
    struct tk_consistent_sampling read = {.randomness = trace_randomness(trace_id)};
    if (!read_member(member, &read)) return false;
    *out = read;
    return true;
  }
  return false;
}

bool tk_adjusted_count(struct tk_text trace_state, const uint8_t trace_id[16], double *count_out) {
  struct tk_consistent_sampling sampling;
  if (!tk_consistent_sampling_read(trace_state, trace_id, &sampling)) return false;
  if (sampling.randomness < sampling.threshold) return false;
  *count_out = (double)RANGE / (double)(RANGE - sampling.threshold);
  return true;
}
