/* SPDX-License-Identifier: MIT
 * See json_list.h. A trace is in a set if the pair of their numbers, or rather of the set's address
 * and the trace's number, has come before. */
#include "sqlext/kvonce/json_list.h"

#include <string.h>

bool tk_copy_text(struct tk_arena *arena, struct tk_text text, struct tk_text *copy) {
  char *bytes = tk_arena_alloc_bytes(arena, (size_t)text.size + 1);
  if (!bytes) return false;
  if (text.size > 0) memcpy(bytes, text.data, text.size);
  bytes[text.size] = '\0';
  *copy = (struct tk_text){bytes, text.size};
  return true;
}

static bool append_borrowed(struct tk_arena *arena, struct tk_json_list *list,
                            struct tk_text text) {
  struct tk_json_item *item = tk_arena_alloc(arena, sizeof *item);
  if (!item) return false;
  *item = (struct tk_json_item){.text = text};
  if (list->last) {
    list->last->next = item;
  } else {
    list->first = item;
  }
  list->last = item;
  return true;
}

bool tk_json_list_append(struct tk_arena *arena, struct tk_json_list *list, struct tk_text text) {
  struct tk_text copy;
  return tk_copy_text(arena, text, &copy) && append_borrowed(arena, list, copy);
}

void tk_json_list_write(struct tk_byte_writer *out, const struct tk_json_list *list) {
  tk_byte_writer_append_u8(out, '[');
  for (const struct tk_json_item *item = list->first; item; item = item->next) {
    if (item != list->first) tk_byte_writer_append_u8(out, ',');
    tk_byte_writer_append(out, item->text.data, item->text.size);
  }
  tk_byte_writer_append_u8(out, ']');
}

bool tk_text_slot_set(struct tk_arena *arena, struct tk_text_slot *slot, struct tk_text text) {
  char *bytes;
  if (!text.data) {
    slot->text = (struct tk_text){0};
    slot->capacity = 0;
    return true;
  }
  if (!slot->text.data || slot->capacity < text.size) {
    const uint32_t wanted = slot->text.data ? text.size + text.size / 2 : text.size;
    bytes = tk_arena_alloc_bytes(arena, wanted);
    if (!bytes) return false;
    slot->capacity = wanted;
  } else {
    memcpy(&bytes, &slot->text.data, sizeof bytes); /* this slot's own, in the arena */
  }
  memcpy(bytes, text.data, text.size);
  slot->text = (struct tk_text){bytes, text.size};
  return true;
}

void tk_trace_sets_reset(struct tk_trace_sets *sets) {
  tk_interner_reset(&sets->traces);
  tk_interner_reset(&sets->pairs);
}

bool tk_trace_set_add(struct tk_trace_sets *sets, struct tk_trace_set *set, struct tk_arena *arena,
                      struct tk_text trace) {
  struct tk_text copy;
  bool is_new;
  if (!trace.data || trace.data[0] != '"' || trace.size <= 2) return true;
  const uint32_t number = tk_interner_add(&sets->traces, trace, &is_new);
  if (number == TK_INTERNER_FAILED) return false;
  if (is_new) {
    if (!tk_copy_text(arena, trace, &copy)) return false;
    sets->traces.items[number] = copy;
  }
  if (set->latest == number + 1) return true;
  set->latest = number + 1;
  char bytes[sizeof set + sizeof number];
  memcpy(bytes, &set, sizeof set);
  memcpy(bytes + sizeof set, &number, sizeof number);
  const struct tk_text pair = {bytes, sizeof bytes};
  const uint32_t pair_number = tk_interner_add(&sets->pairs, pair, &is_new);
  if (pair_number == TK_INTERNER_FAILED) return false;
  if (!is_new) return true;
  if (!tk_copy_text(arena, pair, &copy)) return false;
  sets->pairs.items[pair_number] = copy;
  return append_borrowed(arena, &set->list, sets->traces.items[number]);
}
