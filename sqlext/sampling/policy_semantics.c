/* SPDX-License-Identifier: MIT
 * What a configuration does not say: the words of `semantics`. See tk_semantics_parse. */
#include <string.h>

#include "sqlext/sampling/policy_program.h"

enum { NEWEST = 157 }; /* the collector's minor version that words without one mean */

static bool take_option(struct tk_text word, const char *name, struct tk_text *value) {
  const size_t size = strlen(name);
  if (word.size <= size || memcmp(word.data, name, size) != 0) return false;
  *value = (struct tk_text){word.data + size, word.size - (uint32_t)size};
  return true;
}

/* `v0.157`, `0.157.1` */
static bool read_version(struct tk_text word, uint32_t *minor) {
  uint32_t at = word.data[0] == 'v', number = 0, digits = 0;
  if (word.size < at + 3 || memcmp(word.data + at, "0.", 2) != 0) return false;
  for (at += 2; at < word.size && word.data[at] >= '0' && word.data[at] <= '9'; at++, digits++) {
    if (digits < 6) number = number * 10 + (uint32_t)(word.data[at] - '0');
  }
  *minor = number;
  if (digits == 0 || digits > 6) return false;
  if (at == word.size) return true;
  for (at++; at < word.size; at++) {
    if (word.data[at] < '0' || word.data[at] > '9') return false;
  }
  return true;
}

static enum tk_status read_word(struct tk_text word, struct tk_semantics *semantics,
                                struct tk_error *error) {
  struct tk_text value;
  if (take_option(word, "sdk=", &value)) {
    if (tk_sdk_find(value, &semantics->sdk)) return TK_OK;
    return tk_fail(error, TK_INVALID,
                   "semantics: expected sdk=go, go1.11, rust, python, java, dotnet or js, found "
                   "'%.*s'",
                   (int)word.size, word.data);
  }
  if (take_option(word, "pipeline=", &semantics->pipeline)) return TK_OK;
  if (take_option(word, "target=", &semantics->target)) return TK_OK;
  if (word.size == 6 && memcmp(word.data, "latest", 6) == 0) return TK_OK;
  if (read_version(word, &semantics->minor)) return TK_OK;
  return tk_fail(error, TK_INVALID,
                 "semantics: expected a version such as v0.150, sdk=, pipeline= or target=, found "
                 "'%.*s'",
                 (int)(word.size < 60 ? word.size : 60), word.data);
}

enum tk_status tk_semantics_parse(struct tk_text text, struct tk_semantics *semantics_out,
                                  struct tk_error *error) {
  struct tk_semantics semantics = {.minor = NEWEST};
  enum tk_status status = TK_OK;
  for (uint32_t at = 0; at < text.size && status == TK_OK;) {
    uint32_t end = at;
    while (end < text.size && text.data[end] != ' ' && text.data[end] != ',') end++;
    if (end > at) {
      status = read_word((struct tk_text){text.data + at, end - at}, &semantics, error);
    }
    at = end + 1;
  }
  if (status == TK_OK) *semantics_out = semantics;
  return status;
}
