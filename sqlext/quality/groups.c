/* SPDX-License-Identifier: MIT
 * A hash table of groups, by content. All memory is one arena, until the evaluation is over. */
#include "sqlext/quality/groups.h"

#include <string.h>

#include "sqlext/vtab_support.h"
#include "tracekeep/hash.h"

void tk_groups_reset(struct groups *groups) {
  tk_arena_reset(&groups->arena);
  sqlite3_free(groups->slots);
  *groups = (struct groups){.count = 0};
}

/* ---- finding the group ---- */

static uint64_t hash_key(const struct group_key *key) {
  const uint32_t numbers[] = {(uint32_t)key->rule, key->resource->service_number, key->scope,
                              key->key.size};
  struct tk_hash hash;
  tk_hash_init(&hash);
  tk_hash_update(&hash, numbers, sizeof numbers);
  if (key->key.size > 0) tk_hash_update(&hash, key->key.data, key->key.size);
  if (key->detail.size > 0) tk_hash_update(&hash, key->detail.data, key->detail.size);
  return tk_hash_digest(&hash);
}

static bool is_same(const struct group_key *a, const struct group_key *b) {
  return a->rule == b->rule && a->resource->service_number == b->resource->service_number &&
         a->scope == b->scope && tk_text_equal(a->key, b->key) &&
         tk_text_equal(a->detail, b->detail);
}

static struct group **find_slot(const struct groups *groups, const struct group_key *key,
                                uint64_t hash) {
  uint32_t slot = (uint32_t)hash & (groups->slot_count - 1);
  while (groups->slots[slot] &&
         (groups->slots[slot]->hash != hash || !is_same(&groups->slots[slot]->id, key))) {
    slot = (slot + 1) & (groups->slot_count - 1);
  }
  return &groups->slots[slot];
}

static bool make_room(struct groups *groups) {
  if (groups->count * 2 < groups->slot_count) return true;
  const uint32_t slots = groups->slot_count ? groups->slot_count * 2 : 256;
  struct group **larger = sqlite3_malloc64(slots * sizeof(void *));
  if (!larger) return false;
  memset(larger, 0, slots * sizeof(void *));
  sqlite3_free(groups->slots);
  groups->slots = larger;
  groups->slot_count = slots;
  for (struct group *group = groups->first; group; group = group->next) {
    *find_slot(groups, &group->id, group->hash) = group;
  }
  return true;
}

static bool copy_text(struct groups *groups, struct tk_text *text) {
  char *copy = tk_arena_alloc_bytes(&groups->arena, text->size);
  if (!copy) return false;
  if (text->size > 0) memcpy(copy, text->data, text->size);
  text->data = copy;
  return true;
}

/* ---- examples ---- */

/* The id of a trace as it is shown. `digits` has room for it. */
static enum tk_status show_trace_id(struct quality *quality, const struct tk_segment *segment,
                                    uint32_t trace_index, char digits[32], struct tk_text *text,
                                    struct tk_error *error) {
  const uint32_t index = segment->fixed[TK_COL_TRACE_TEXT_ROW];
  const struct tk_column *traces = NULL;
  const uint8_t *id;
  enum tk_status status = TK_OK;
  if (index != TK_NO_COLUMN) {
    const uint32_t count = segment->columns[index].value_count;
    status = tk_reader_values(quality->reader, segment, index, 0, count, &traces, error);
    for (uint32_t i = 0; i < count && status == TK_OK; i++) {
      if (tk_ints_at(traces->ints, i) != trace_index) continue;
      return tk_text_value(quality->reader, segment, TK_COL_TRACE_TEXT, i, text, error);
    }
  }
  if (status == TK_OK) {
    status = tk_fixed_value(quality->reader, segment, TK_COL_TRACE_ID, trace_index, &id, error);
  }
  if (status != TK_OK) return status;
  tk_hex_text(id, 16, digits);
  *text = (struct tk_text){digits, 32};
  return TK_OK;
}

static enum tk_status take_example(struct quality *quality, struct groups *groups,
                                   struct group *group, const struct tk_segment *segment,
                                   uint32_t row, struct tk_error *error) {
  const uint32_t *traces;
  const uint8_t *id;
  char digits[32];
  enum tk_status status = tk_reader_traces(quality->reader, segment,
                                           tk_segment_granule_of_row(segment, row), &traces, error);
  if (status == TK_OK) {
    status = tk_fixed_value(quality->reader, segment, TK_COL_SPAN_ID, row, &id, error);
  }
  if (status == TK_OK) {
    memcpy(group->example_span, id, sizeof group->example_span);
    status = show_trace_id(quality, segment, traces[row], digits, &group->example_trace, error);
  }
  if (status == TK_OK && !copy_text(groups, &group->example_trace)) status = tk_nomem(error);
  return status;
}

/* ---- adding ---- */

enum tk_status tk_groups_add(struct quality *quality, struct groups *groups,
                             const struct group_key *key, uint64_t count,
                             const struct semconv_attribute *semconv,
                             const struct tk_segment *segment, uint32_t row,
                             struct tk_error *error) {
  if (!key->resource->is_wanted || !tk_quality_wants(quality, key->rule)) return TK_OK;
  if (!make_room(groups)) return tk_nomem(error);
  const uint64_t hash = hash_key(key);
  struct group **slot = find_slot(groups, key, hash);
  if (*slot) {
    (*slot)->count += count;
    return TK_OK;
  }
  struct group *group = tk_arena_alloc(&groups->arena, sizeof *group);
  if (!group) return tk_nomem(error);
  *group = (struct group){.id = *key, .count = count, .semconv = semconv, .hash = hash};
  if (!copy_text(groups, &group->id.key) || !copy_text(groups, &group->id.detail)) {
    return tk_nomem(error);
  }
  if (quality->findings.wants_texts && row != NO_PLACE) {
    enum tk_status status = take_example(quality, groups, group, segment, row, error);
    if (status != TK_OK) return status;
  }
  *slot = group;
  groups->count++;
  if (groups->last) {
    groups->last->next = group;
  } else {
    groups->first = group;
  }
  groups->last = group;
  return TK_OK;
}

enum tk_status tk_groups_add_attribute(struct quality *quality, struct groups *groups,
                                       const struct quality_resource *resource, uint8_t scope,
                                       struct tk_text key, uint32_t value_type, uint64_t count,
                                       const struct tk_segment *segment, uint32_t row,
                                       struct tk_error *error) {
  const struct semconv_attribute *semconv = tk_semconv_find(key);
  struct group_key id = {.resource = resource, .scope = scope, .key = key};
  enum tk_status status = TK_OK;
  if (semconv && semconv->is_deprecated) {
    id.rule = RULE_DEPRECATED;
    status = tk_groups_add(quality, groups, &id, count, semconv, segment, row, error);
  }
  if (status == TK_OK && semconv && !tk_semconv_allows_type(semconv, value_type)) {
    const char *name = tk_value_type_name(value_type);
    id.rule = RULE_TYPE_MISMATCH;
    id.detail = (struct tk_text){name, name ? (uint32_t)strlen(name) : 0};
    status = tk_groups_add(quality, groups, &id, count, semconv, segment, row, error);
    id.detail = (struct tk_text){NULL, 0};
  }
  if (status == TK_OK && ((scope == TK_SCOPE_SPAN && tk_semconv_is_of_resource(key)) ||
                          (scope == TK_SCOPE_RESOURCE && tk_semconv_is_of_span(key)))) {
    id.rule = RULE_RES_004;
    status = tk_groups_add(quality, groups, &id, count, semconv, segment, row, error);
  }
  return status;
}

/* ---- findings ---- */

static void say_where(struct quality_findings *findings, const struct group *group) {
  static const char *const items[] = {[TK_SCOPE_SPAN] = "span",
                                      [TK_SCOPE_EVENT] = "event",
                                      [TK_SCOPE_LINK] = "link",
                                      [TK_SCOPE_RESOURCE] = "span",
                                      [TK_SCOPE_SCOPE] = "span"};
  tk_quality_say(findings, " (");
  tk_quality_say_count(findings, group->count, items[group->id.scope]);
  tk_quality_say(findings, group->id.scope == TK_SCOPE_RESOURCE ? ", by the resource)" : ")");
}

static void say_replacements(struct quality_findings *findings, const char *words) {
  if (!*words) return;
  tk_quality_say(findings, "; expected ");
  for (bool first = true; *words; first = false) {
    const size_t size = strcspn(words, "|");
    tk_quality_say(findings, "%s%.*s", first ? "" : " or ", (int)size, words);
    words += size + (words[size] == '|');
  }
}

static void say_deprecated(struct quality_findings *findings, const struct group *group) {
  tk_quality_say_text(findings, group->id.key);
  tk_quality_say(findings, " is deprecated");
  say_replacements(findings, group->semconv->replacements);
  if (*group->semconv->replacements) {
    tk_quality_note_words(findings, "replacements", group->semconv->replacements);
  }
}

static void say_type(struct quality_findings *findings, const struct group *group) {
  tk_quality_say_text(findings, group->id.key);
  tk_quality_say(findings, " has values of type %.*s, expected %s", (int)group->id.detail.size,
                 group->id.detail.data, tk_semconv_type_name(group->semconv));
  tk_quality_note_text(findings, "found", group->id.detail);
  tk_quality_note_word(findings, "expected", tk_semconv_type_name(group->semconv));
}

static void say_value(struct quality_findings *findings, const struct group *group) {
  tk_quality_say_text(findings, group->id.key);
  tk_quality_say(findings, " is ");
  tk_quality_say_text(findings, group->id.detail);
  tk_quality_say(findings, ", which the conventions do not list");
  tk_quality_note_text(findings, "found", group->id.detail);
  tk_quality_note_words(findings, "expected", group->semconv->members);
}

static void say_required(struct quality_findings *findings, const struct group *group) {
  tk_quality_say(findings, "spans of the convention %.*s lack the required attribute %.*s",
                 (int)group->id.detail.size, group->id.detail.data, (int)group->id.key.size,
                 group->id.key.data);
  tk_quality_note_text(findings, "convention", group->id.detail);
}

static void say_level(struct quality_findings *findings, const struct group *group) {
  tk_quality_say_text(findings, group->id.key);
  tk_quality_say(findings, group->id.scope == TK_SCOPE_SPAN
                               ? " belongs to the resource, and is on spans"
                               : " belongs to spans, and is on the resource");
}

static void say_kind(struct quality_findings *findings, const struct group *group) {
  (void)group;
  tk_quality_say(findings, "spans say no kind");
}

static const struct {
  enum quality_rule rule;
  void (*say)(struct quality_findings *findings, const struct group *group);
} words[] = {{RULE_DEPRECATED, say_deprecated}, {RULE_TYPE_MISMATCH, say_type},
             {RULE_UNDEFINED_ENUM, say_value},  {RULE_REQUIRED_MISSING, say_required},
             {RULE_RES_004, say_level},         {RULE_KIND_UNSPECIFIED, say_kind}};

static void report_group(struct quality *quality, const struct group *group) {
  struct quality_findings *findings = &quality->findings;
  if (!tk_quality_find_service(quality, group->id.rule, group->id.resource)) return;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (words[i].rule == group->id.rule) words[i].say(findings, group);
  }
  if (group->id.key.size > 0) {
    tk_quality_note_text(findings, "key", group->id.key);
    tk_quality_note_word(findings, "scope", tk_attribute_scope_name(group->id.scope));
  }
  say_where(findings, group);
  tk_quality_note_unsigned(findings, "count", group->count);
  if (!group->example_trace.data) return;
  tk_quality_note_text(findings, "example_trace_id", group->example_trace);
  tk_quality_note_id(findings, "example_span_id", group->example_span, 8);
}

void tk_groups_report(struct quality *quality, const struct groups *groups) {
  for (const struct group *group = groups->first; group; group = group->next) {
    report_group(quality, group);
  }
}
