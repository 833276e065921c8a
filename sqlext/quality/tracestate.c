/* SPDX-License-Identifier: MIT
 * The value of a tracestate header as W3C Trace Context, level 2, has it: at most 32 list members
 * `key=value`, separated by commas with optional blanks; empty members are allowed. */
#include <string.h>

#include "sqlext/quality/quality.h"

enum { MEMBERS_MAX = 32, LENGTH_MAX = 256 };

static bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static const char *key_fault(struct tk_text key) {
  if (key.size == 0) return "a list member without a key";
  if (key.size > LENGTH_MAX) return "a key longer than 256 characters";
  if (!is_lower_or_digit(key.data[0])) {
    return "a key that does not begin with a lower-case letter or digit";
  }
  for (uint32_t i = 1; i < key.size; i++) {
    const char c = key.data[i];
    if (!is_lower_or_digit(c) && (c == '\0' || !strchr("_-*/@", c))) {
      return "a key with a character that keys must not have";
    }
  }
  return NULL;
}

static const char *value_fault(struct tk_text value) {
  if (value.size == 0) return "a list member without a value";
  if (value.size > LENGTH_MAX) return "a value longer than 256 characters";
  for (uint32_t i = 0; i < value.size; i++) {
    const char c = value.data[i];
    if (c < ' ' || c > '~' || c == ',' || c == '=') {
      return "a value with a character that values must not have";
    }
  }
  return NULL;
}

static struct tk_text trim(struct tk_text text) {
  while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) text.data++, text.size--;
  while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
    text.size--;
  }
  return text;
}

const char *tk_quality_tracestate_fault(struct tk_text text) {
  struct tk_text keys[MEMBERS_MAX];
  uint32_t count = 0;

  while (text.size > 0) {
    const char *comma = memchr(text.data, ',', text.size);
    const uint32_t size = comma ? (uint32_t)(comma - text.data) : text.size;
    const struct tk_text member = trim((struct tk_text){text.data, size});
    text.data += size + (comma != NULL);
    text.size -= size + (comma != NULL);
    if (member.size == 0) continue;
    if (count == MEMBERS_MAX) return "more than 32 list members";
    const char *equals = memchr(member.data, '=', member.size);
    if (!equals) return "a list member without an equals sign";
    const struct tk_text key = {member.data, (uint32_t)(equals - member.data)};
    const struct tk_text value = {equals + 1, member.size - key.size - 1};
    const char *fault = key_fault(key);
    if (!fault) fault = value_fault(value);
    if (fault) return fault;
    for (uint32_t i = 0; i < count; i++) {
      if (tk_text_equal(keys[i], key)) return "a key that occurs twice";
    }
    keys[count++] = key;
  }
  return NULL;
}
