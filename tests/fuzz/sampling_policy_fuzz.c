/* SPDX-License-Identifier: MIT
 * Conditions and regular expressions of sampling policies, from untrusted text: the first byte says
 * which; behind a NUL stands what the expression is asked about. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/policy_ottl.h"
#include "sqlext/sampling/policy_regex.h"

/* Fields have values of all types, by turns; texts are the subject. */
struct row {
  struct tk_expression_row base;
  struct tk_text subject;
  unsigned turn;
};

static enum tk_status read_field(struct tk_expression_row *base, const struct tk_expression *field,
                                 struct tk_value *value, struct tk_error *error) {
  static const struct tk_value items[2] = {{.type = TK_VALUE_INT, .as.integer = INT64_MIN},
                                           {.type = TK_VALUE_DOUBLE, .as.real = 1e300}};
  struct row *row = (struct row *)(void *)base;
  (void)error;
  if (field->field == TK_FIELD_TRACE_ID || field->field == TK_FIELD_SPAN_ID ||
      field->field == TK_FIELD_PARENT_ID) {
    *value = (struct tk_value){.type = TK_VALUE_BYTES, .size = 8, .as.text = "\1\2\3\4\5\6\7\b"};
    return TK_OK;
  }
  switch (row->turn++ % 7) {
    case 0:
      *value = (struct tk_value){
          .type = TK_VALUE_STRING, .size = row->subject.size, .as.text = row->subject.data};
      break;
    case 1:
      *value = (struct tk_value){.type = TK_VALUE_INT, .as.integer = INT64_MAX};
      break;
    case 2:
      *value = (struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = -0.5};
      break;
    case 3:
      *value = (struct tk_value){.type = TK_VALUE_ARRAY, .size = 2, .as.items = items};
      break;
    case 4:
      *value = (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = 1};
      break;
    case 5:
      *value = (struct tk_value){.type = TK_VALUE_EMPTY};
      break;
    default:
      *value = items[row->turn % 2];
      break;
  }
  return TK_OK;
}

static void try_condition(struct tk_text text, struct tk_text subject) {
  struct tk_expression_pool pool = {0};
  struct tk_arena arena = {0};
  struct row row = {.base = {.read = read_field, .arena = &arena}, .subject = subject};
  const struct tk_expression *expression;
  struct tk_error error = {{0}};
  enum tk_truth truth;
  for (int context = TK_OTTL_SPAN; context <= TK_OTTL_SPAN_EVENT; context++) {
    if (tk_ottl_parse(text, (enum tk_ottl_context)context, &pool, &expression, &error) != TK_OK) {
      if (error.message[0] == 0) abort();
      continue;
    }
    for (int i = 0; i < 7; i++) {
      const enum tk_status status = tk_expression_test(expression, &row.base, &truth, &error);
      if (status != TK_OK && status != TK_UNSUPPORTED) abort();
    }
  }
  tk_expression_pool_reset(&pool);
  tk_arena_reset(&arena);
}

static void try_regex(struct tk_text text, struct tk_text subject) {
  struct tk_regex *regex;
  struct tk_error error = {{0}};
  bool matches;
  if (tk_regex_compile(text, &regex, &error) != TK_OK) {
    if (error.message[0] == 0) abort();
    return;
  }
  const enum tk_status status = tk_regex_match(regex, subject, &matches, &error);
  if (status != TK_OK && status != TK_UNSUPPORTED) abort();
  tk_regex_free(regex);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1 || size > 1 << 15) return 0;
  /* Copies, so that reading one byte too many is noticed. */
  const uint8_t *nul = memchr(data + 1, 0, size - 1);
  const size_t text_size = nul ? (size_t)(nul - data) - 1 : size - 1;
  const size_t rest = nul ? size - text_size - 2 : 0;
  char *text = malloc(text_size ? text_size : 1), *subject = malloc(rest ? rest : 1);
  if (!text || !subject) abort();
  if (text_size > 0) memcpy(text, data + 1, text_size);
  if (rest > 0) memcpy(subject, nul + 1, rest);
  const struct tk_text pattern = {text, (uint32_t)text_size}, asked = {subject, (uint32_t)rest};
  if (data[0] == 'r') {
    try_regex(pattern, asked);
  } else {
    try_condition(pattern, asked);
  }
  free(text);
  free(subject);
  return 0;
}
