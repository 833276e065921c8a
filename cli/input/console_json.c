/* SPDX-License-Identifier: MIT
 * Span contexts and typed pairs of the SDKs' consoles. The formats are nobody's promise: whatever
 * is not as expected is left out or kept as it is. */
#include "cli/input/console_json.h"

#include <string.h>

#include "cli/input/describe.h"

static bool is_zeros(struct tk_text text) {
  for (uint32_t i = 0; i < text.size; i++) {
    if (text.data[i] != '0') return false;
  }
  return true;
}

static struct tk_text read_id(struct tk_plain *plain) {
  const struct tk_text text = tk_plain_view(plain);
  return is_zeros(text) ? (struct tk_text){"", 0} : text;
}

/* Two hexadecimal digits. */
static uint32_t read_flags(struct tk_plain *plain) {
  const struct tk_text text = tk_plain_view(plain);
  uint32_t flags = 0;
  if (text.size > 2) return 0;
  for (uint32_t i = 0; i < text.size; i++) {
    const char c = (char)(text.data[i] | 0x20);
    if (text.data[i] >= '0' && text.data[i] <= '9') {
      flags = flags << 4 | (uint32_t)(text.data[i] - '0');
    } else if (c >= 'a' && c <= 'f') {
      flags = flags << 4 | (uint32_t)(c - 'a' + 10);
    } else {
      return 0;
    }
  }
  return flags;
}

void tk_console_context(struct tk_plain *plain, struct tk_span_context *context) {
  *context = (struct tk_span_context){{"", 0}, {"", 0}, {"", 0}, 0, false};
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "trace_id") || tk_text_equals(key, "TraceID")) {
      context->trace = read_id(plain);
    } else if (tk_text_equals(key, "span_id") || tk_text_equals(key, "SpanID")) {
      context->span = read_id(plain);
    } else if (tk_text_equals(key, "trace_state") || tk_text_equals(key, "TraceState")) {
      context->trace_state = tk_plain_text(plain);
      /* How Python prints an empty list. */
      if (tk_text_equals(context->trace_state, "[]")) context->trace_state.size = 0;
    } else if (tk_text_equals(key, "TraceFlags")) {
      context->trace_flags = read_flags(plain);
    } else if (tk_text_equals(key, "Remote")) {
      context->remote = tk_plain_bool(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
}

/* {"Type":"INT64","Value":1} */
static struct tk_value read_typed(struct tk_plain *plain) {
  struct tk_value value = {0};
  bool real = false;
  if (tk_json_peek(&plain->json) != TK_JSON_OBJECT) return tk_plain_value(plain);
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "Type")) {
      real = tk_text_equals(tk_plain_view(plain), "FLOAT64");
    } else if (tk_text_equals(key, "Value")) {
      value = tk_plain_value(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  /* Go prints 3.0 as 3. */
  if (real && value.type == TK_VALUE_INT) {
    value = (struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = (double)value.as.integer};
  }
  return value;
}

void tk_console_push_pairs(struct tk_plain *plain) {
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    struct tk_text name = {"", 0};
    struct tk_value value = {0};
    if (!tk_plain_expect(plain, TK_JSON_OBJECT)) continue;
    for (bool inner = tk_json_enter_object(&plain->json); inner;
         inner = tk_json_next_member(&plain->json)) {
      const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
      if (tk_text_equals_nocase(key, "key")) {
        name = tk_plain_text(plain);
      } else if (tk_text_equals_nocase(key, "value")) {
        value = read_typed(plain);
      } else {
        tk_json_skip(&plain->json);
      }
    }
    tk_push_attribute(plain->builder, name, value);
  }
}

bool tk_python_console_probe(const char *head, size_t size) {
  return tk_head_has_key(head, size, "context") && tk_head_has_key(head, size, "trace_id") &&
         tk_head_has_key(head, size, "parent_id") && tk_head_has_key(head, size, "start_time");
}

bool tk_go_stdouttrace_probe(const char *head, size_t size) {
  return tk_head_has_key(head, size, "SpanContext") && tk_head_has_key(head, size, "TraceID") &&
         tk_head_has_key(head, size, "SpanID");
}
