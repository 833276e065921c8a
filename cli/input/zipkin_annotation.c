/* SPDX-License-Identifier: MIT
 * The three spellings of an event with attributes in an annotation, which has room for one text. */
#include "cli/input/zipkin_annotation.h"

#include <string.h>

#include "cli/input/plain_json.h"

/* Takes attributes if the text is an object from beginning to end. */
static bool take_attributes(struct tk_plain *plain, struct tk_attributes *attributes) {
  const uint32_t issue_count = plain->builder->issues.count;
  if (tk_json_peek(&plain->json) != TK_JSON_OBJECT) return false;
  *attributes = tk_plain_attributes(plain);
  if (!plain->json.expected && tk_json_at_end(&plain->json)) return true;
  plain->builder->issues.count = issue_count; /* it is no JSON that could be wrong */
  *attributes = (struct tk_attributes){0};
  return false;
}

/* `name|{...}|dropped` */
static bool split_bars(struct tk_plain *plain, struct tk_event *event) {
  const struct tk_text text = event->name;
  const char *bar = memmem(text.data, text.size, "|{", 2);
  const char *last = bar ? memrchr(text.data, '|', text.size) : NULL;
  uint64_t dropped;
  if (!bar || last <= bar + 2) return false;
  const uint32_t digits = (uint32_t)(text.data + text.size - last - 1);
  if (tk_parse_uint64(last + 1, digits, &dropped) != TK_NUMBER_OK || dropped > UINT32_MAX) {
    return false;
  }
  if (!tk_plain_begin_text(plain, plain->builder,
                           (struct tk_text){bar + 1, (uint32_t)(last - bar - 1)}) ||
      !take_attributes(plain, &event->attributes)) {
    return false;
  }
  event->attributes.dropped_count = (uint32_t)dropped;
  event->name.size = (uint32_t)(bar - text.data);
  return true;
}

/* One member whose value is an object; without the braces if not `enclosed`. */
static void split_member(struct tk_plain *plain, struct tk_event *event, bool enclosed) {
  if (enclosed && !tk_json_enter_object(&plain->json)) return;
  const struct tk_json_string key = tk_json_key(&plain->json);
  if (tk_json_peek(&plain->json) != TK_JSON_OBJECT) return;
  struct tk_json look = plain->json;
  tk_json_skip(&look);
  if (enclosed && tk_json_next_member(&look)) return;
  if (look.expected || !tk_json_at_end(&look)) return;
  event->attributes = tk_plain_attributes(plain);
  event->name = tk_builder_string(plain->builder, key);
}

void tk_zipkin_split_annotation(struct tk_batch_builder *builder, struct tk_event *event) {
  struct tk_plain plain = {.builder = builder};
  const struct tk_text text = event->name;
  if (!text.data || text.size < 4) return;
  const char end = text.data[text.size - 1];
  if (end >= '0' && end <= '9') {
    split_bars(&plain, event);
  } else if (end == '}' && (text.data[0] == '{' || text.data[0] == '"')) {
    if (tk_plain_begin_text(&plain, builder, text))
      split_member(&plain, event, text.data[0] == '{');
  }
}

/* The next field up to a bar; false: there is no bar. */
static bool take_field(struct tk_text *rest, struct tk_text *field) {
  const char *bar = memchr(rest->data, '|', rest->size);
  if (!bar) return false;
  *field = (struct tk_text){rest->data, (uint32_t)(bar - rest->data)};
  rest->size -= field->size + 1;
  rest->data = bar + 1;
  return true;
}

bool tk_zipkin_push_link(struct tk_batch_builder *builder, struct tk_text text) {
  struct tk_plain plain = {.builder = builder};
  struct tk_link link = {.trace_state.data = ""};
  struct tk_text trace, span, state;
  struct tk_text rest = text;
  uint64_t dropped;
  if (!take_field(&rest, &trace) || !take_field(&rest, &span) || !take_field(&rest, &state)) {
    return false;
  }
  const char *last = memrchr(rest.data, '|', rest.size);
  if (!last) return false;
  const uint32_t digits = (uint32_t)(rest.data + rest.size - last - 1);
  if (tk_parse_uint64(last + 1, digits, &dropped) != TK_NUMBER_OK || dropped > UINT32_MAX) {
    return false;
  }
  if (!tk_plain_begin_text(&plain, builder,
                           (struct tk_text){rest.data, (uint32_t)(last - rest.data)}) ||
      !take_attributes(&plain, &link.attributes)) {
    return false;
  }
  link.attributes.dropped_count = (uint32_t)dropped;
  link.trace_state = state;
  tk_plain_link_ids(&plain, &link, trace, span);
  struct tk_link *item = tk_builder_push(builder, &builder->links, sizeof link);
  if (item) *item = link;
  return true;
}
