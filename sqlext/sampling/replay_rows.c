/* SPDX-License-Identifier: MIT
 * Asks the spans of a trace what a program wants to know. See replay_rows.h.
 *
 * Policies on attributes are worked out once for each entry of a dictionary and once for each
 * resource; what remains is a look at two small arrays for each span. */
#include "sqlext/sampling/replay_rows.h"

#include <string.h>

#include "sqlext/sampling/consistent_sampling.h"
#include "sqlext/tables/table_support.h"
#include "store/codec/value_codec.h"

enum { NOT_ASKED, NO, YES };

/* ---- leaves on attributes ---- */

static enum tk_status match_text(const struct tk_leaf *leaf, struct tk_text text, bool *matches,
                                 struct tk_error *error) {
  const struct tk_sampling_texts *values = &leaf->policy->as.string_attribute.values;
  enum tk_status status = TK_OK;
  *matches = false;
  for (uint32_t i = 0; i < values->count && !*matches && status == TK_OK; i++) {
    if (leaf->regexes) {
      status = tk_regex_match(leaf->regexes[i], text, matches, error);
    } else {
      *matches = values->items[i].size > 0 && tk_text_equal(values->items[i], text);
    }
  }
  return status;
}

/* 0 is no bound, as the collector has it. */
static bool match_number(const struct tk_leaf *leaf, int64_t number) {
  const struct tk_sampling_numeric_attribute *wanted = &leaf->policy->as.numeric_attribute;
  return (wanted->min.value == 0 || number >= wanted->min.value) &&
         (wanted->max.value == 0 || number <= wanted->max.value);
}

static enum tk_status match_value(const struct tk_leaf *leaf, const struct tk_value *value,
                                  bool *matches, struct tk_error *error) {
  *matches = false;
  if (leaf->kind == TK_LEAF_STRING && value->type == TK_VALUE_STRING) {
    return match_text(leaf, (struct tk_text){value->as.text ? value->as.text : "", value->size},
                      matches, error);
  }
  if (leaf->kind == TK_LEAF_NUMERIC && value->type == TK_VALUE_INT) {
    *matches = match_number(leaf, value->as.integer);
  }
  if (leaf->kind == TK_LEAF_BOOLEAN && value->type == TK_VALUE_BOOL) {
    *matches = (value->as.integer != 0) == leaf->policy->as.boolean_attribute.value;
  }
  return TK_OK;
}

static enum tk_status match_resource(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                     struct tk_replay_memo *memo, uint32_t granule, uint32_t row,
                                     uint64_t code, struct tk_error *error) {
  const struct tk_stored_resource *resource;
  bool matches = false;
  enum tk_status status = tk_replay_resource_of(segment, granule, row, &resource, error);
  if (status != TK_OK) return status;
  const struct tk_value *value = tk_replay_find_value(&resource->resource.attributes, memo->key);
  if (value) status = match_value(leaf, value, &matches, error);
  if (status == TK_OK) memo->by_resource[code] = matches ? YES : NO;
  return status;
}

static enum tk_status match_code(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                 const struct tk_column *values, uint32_t at, uint8_t **memo,
                                 bool *matches, struct tk_error *error) {
  struct tk_text text;
  enum tk_status status;
  if (!values->has_dictionary) {
    text = values->texts[at];
    *matches = false;
    return text.size > 0 ? match_text(leaf, text, matches, error) : TK_OK;
  }
  if (!*memo) {
    const size_t size = values->dictionary_count + (size_t)1;
    if (!(*memo = tk_arena_alloc(&segment->arena, size))) return tk_nomem(error);
    memset(*memo, NOT_ASKED, size);
  }
  const uint32_t code = tk_column_code(values, at);
  if ((*memo)[code] == NOT_ASKED) {
    text = tk_column_dictionary_entry(values, code);
    *matches = false;
    status = text.size > 0 ? match_text(leaf, text, matches, error) : TK_OK;
    if (status != TK_OK) return status;
    (*memo)[code] = *matches ? YES : NO;
  }
  *matches = (*memo)[code] == YES;
  return TK_OK;
}

static enum tk_status ask_part(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                               struct tk_replay_memo *memo, uint32_t number,
                               const struct tk_replay_range *range, bool *matches,
                               struct tk_error *error) {
  const struct tk_replay_part *part = &memo->attribute.parts[number];
  enum tk_status status = TK_OK;
  for (uint32_t row = range->begin; row < range->end && !*matches && status == TK_OK; row++) {
    const uint32_t at = part->value_index[row];
    if (at == UINT32_MAX) continue;
    if (leaf->kind == TK_LEAF_STRING && part->type == TK_VALUE_STRING) {
      status = match_code(segment, leaf, part->values, at, &memo->by_code[number], matches, error);
    } else if (leaf->kind == TK_LEAF_NUMERIC && part->type == TK_VALUE_INT) {
      *matches = match_number(leaf, tk_ints_at(part->values->ints, at));
    } else if (leaf->kind == TK_LEAF_BOOLEAN && part->type == TK_VALUE_BOOL) {
      *matches =
          (tk_ints_at(part->values->ints, at) != 0) == leaf->policy->as.boolean_attribute.value;
    }
  }
  return status;
}

static enum tk_status ask_attribute(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                    struct tk_replay_memo *memo,
                                    const struct tk_replay_range *range, bool *matches,
                                    struct tk_error *error) {
  const struct tk_column *resources;
  enum tk_status status =
      tk_replay_column(segment, TK_COL_RESOURCE, range->granule, &resources, error);
  for (uint32_t row = range->begin; row < range->end && !*matches && status == TK_OK; row++) {
    const uint64_t code = (uint64_t)tk_replay_int(resources, row);
    if (code >= segment->segment->resource_count || memo->by_resource[code] == NOT_ASKED) {
      status = match_resource(segment, leaf, memo, range->granule, row, code, error);
      if (status != TK_OK) return status;
    }
    *matches = memo->by_resource[code] == YES;
  }
  if (status != TK_OK || *matches || memo->attribute.part_count == 0) return status;
  status = tk_replay_prepare_attribute(segment, &memo->attribute, range->granule, error);
  for (uint32_t i = 0; i < memo->attribute.part_count && !*matches && status == TK_OK; i++) {
    status = ask_part(segment, leaf, memo, i, range, matches, error);
  }
  return status;
}

/* ---- other leaves ---- */

static bool is_key_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*' ||
         c == '/' || c == '@';
}

/* One member `key=value`, as W3C has it; the key's size, 0 if it is none. */
static uint32_t member_key_size(struct tk_text member) {
  uint32_t size = 0;
  while (size < member.size && is_key_letter(member.data[size])) size++;
  if (size == 0 || size > 256 || size == member.size || member.data[size] != '=') return 0;
  if (member.size - size - 1 == 0 || member.size - size - 1 > 256) return 0;
  for (uint32_t i = size + 1; i < member.size; i++) {
    if (member.data[i] < 0x20 || member.data[i] > 0x7e || member.data[i] == '=') return 0;
  }
  return size;
}

/* A tracestate with a malformed member, a key twice or more than 32 members says nothing at all. */
static bool match_trace_state(const struct tk_leaf *leaf, struct tk_text state) {
  const struct tk_sampling_trace_state *wanted = &leaf->policy->as.trace_state;
  struct tk_text keys[32], member, value = {NULL, 0};
  uint32_t count = 0;
  while (tk_next_part(&state, ',', &member)) {
    member = tk_trim(member);
    if (member.size == 0) continue;
    const uint32_t size = member_key_size(member);
    if (size == 0 || count == 32) return false;
    keys[count] = (struct tk_text){member.data, size};
    for (uint32_t i = 0; i < count; i++) {
      if (tk_text_equal(keys[i], keys[count])) return false;
    }
    if (tk_text_equal(keys[count], wanted->key)) {
      value = (struct tk_text){member.data + size + 1, member.size - size - 1};
    }
    count++;
  }
  for (uint32_t i = 0; i < wanted->values.count && value.data; i++) {
    const struct tk_text one = wanted->values.items[i];
    if (one.size > 0 && wanted->key.size + one.size < 256 && tk_text_equal(one, value)) return true;
  }
  return false;
}

static enum tk_status ask_trace_state(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                      const struct tk_replay_range *range, bool *matches,
                                      struct tk_error *error) {
  const struct tk_column *states;
  const enum tk_status status =
      tk_replay_column(segment, TK_COL_TRACE_STATE, range->granule, &states, error);
  if (status != TK_OK || !states) return status;
  for (uint32_t row = range->begin; row < range->end && !*matches; row++) {
    *matches = match_trace_state(leaf, tk_column_text(states, row));
  }
  return TK_OK;
}

static enum tk_status ask_status(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                 const struct tk_replay_range *range, bool *matches,
                                 struct tk_error *error) {
  const struct tk_column *codes;
  const enum tk_status status =
      tk_replay_column(segment, TK_COL_STATUS_CODE, range->granule, &codes, error);
  if (status != TK_OK) return status;
  for (uint32_t row = range->begin; row < range->end && !*matches; row++) {
    const int64_t code = tk_replay_int(codes, row);
    *matches = code >= 0 && code < 32 && (leaf->policy->as.status_code.codes >> code & 1);
  }
  return TK_OK;
}

static enum tk_status ask_flags(struct tk_replay_segment *segment,
                                const struct tk_replay_range *range, bool *matches,
                                struct tk_error *error) {
  const struct tk_column *flags;
  const enum tk_status status =
      tk_replay_column(segment, TK_COL_FLAGS, range->granule, &flags, error);
  if (status != TK_OK) return status;
  for (uint32_t row = range->begin; row < range->end && !*matches; row++) {
    *matches = (tk_replay_int(flags, row) & 1) != 0;
  }
  return TK_OK;
}

/* The conditions of a leaf, one after another: the first that holds, or fails, ends it. */
static enum tk_status ask_conditions(const struct tk_leaf *leaf,
                                     const struct tk_expression *const *conditions, uint32_t count,
                                     struct tk_replay_row *row, enum tk_truth *truth,
                                     struct tk_error *error) {
  *truth = TK_FALSE;
  for (uint32_t i = 0; i < count; i++) {
    const enum tk_status status = tk_expression_test(conditions[i], &row->base, truth, error);
    if (status != TK_OK || *truth == TK_TRUE) return status;
    if (*truth == TK_ERROR && leaf->errors_count) return TK_OK;
    *truth = TK_FALSE;
  }
  return TK_OK;
}

static enum tk_status ask_span(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                               struct tk_replay_row *row, enum tk_truth *truth,
                               struct tk_error *error) {
  const uint32_t *first;
  enum tk_status status =
      ask_conditions(leaf, leaf->conditions, leaf->condition_count, row, truth, error);
  if (status != TK_OK || *truth != TK_FALSE || leaf->event_condition_count == 0) return status;
  status = tk_reader_first_items(segment->reader, segment->segment, TK_SCOPE_EVENT, &first, error);
  if (status != TK_OK || !first) return status;
  row->first_event = first[row->row];
  for (row->event = first[row->row]; row->event < first[row->row + 1] && *truth == TK_FALSE;
       row->event++) {
    status = ask_conditions(leaf, leaf->event_conditions, leaf->event_condition_count, row, truth,
                            error);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

static enum tk_status ask_expressions(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                      const struct tk_replay_range *range, enum tk_truth *truth,
                                      struct tk_error *error) {
  enum tk_status status = TK_OK;
  *truth = TK_FALSE;
  for (uint32_t i = range->begin; i < range->end && *truth == TK_FALSE && status == TK_OK; i++) {
    struct tk_replay_row row = tk_replay_row_of(segment, range->granule, i);
    status = ask_span(segment, leaf, &row, truth, error);
    if (segment->scratch.total_bytes > 1 << 16) tk_arena_reset(&segment->scratch);
  }
  return status;
}

static enum tk_status ask_leaf(struct tk_replay_segment *segment, uint32_t number,
                               const struct tk_replay_range *range, struct tk_replay_facts *facts,
                               struct tk_error *error) {
  const struct tk_leaf *leaf = &segment->program->leaves[number];
  enum tk_status status = TK_OK;
  enum tk_truth truth = TK_FALSE;
  bool matches = false;
  switch (leaf->kind) {
    case TK_LEAF_STRING:
    case TK_LEAF_NUMERIC:
    case TK_LEAF_BOOLEAN:
      status = ask_attribute(segment, leaf, &segment->memos[number], range, &matches, error);
      break;
    case TK_LEAF_STATUS:
      status = ask_status(segment, leaf, range, &matches, error);
      break;
    case TK_LEAF_TRACE_STATE:
      status = ask_trace_state(segment, leaf, range, &matches, error);
      break;
    case TK_LEAF_FLAGS:
      status = ask_flags(segment, range, &matches, error);
      break;
    case TK_LEAF_CONDITION:
      status = ask_expressions(segment, leaf, range, &truth, error);
      matches = truth == TK_TRUE;
      break;
    case TK_LEAF_ROOT:
    case TK_LEAF_HAS_ROOT:
    case TK_LEAF_LATENCY:
    case TK_LEAF_LATENCY_IN_ORDER:
    case TK_LEAF_SPAN_COUNT:
    default:
      break;
  }
  if (status == TK_UNSUPPORTED && error) { /* an expression that takes too long: say whose */
    const struct tk_error inner = *error;
    return tk_fail(error, status, "%s '%.*s': %s", tk_sampling_type_name(leaf->policy->type),
                   (int)leaf->policy->name.size, leaf->policy->name.data, inner.message);
  }
  if (status != TK_OK) return status;
  if (matches) facts->hits[number / 64] |= UINT64_C(1) << (number % 64);
  if (truth == TK_ERROR) facts->errors[number / 64] |= UINT64_C(1) << (number % 64);
  return TK_OK;
}

/* ---- counts and span stages ---- */

static enum tk_status count_rows(struct tk_replay_segment *segment,
                                 const struct tk_replay_range *range, struct tk_replay_facts *facts,
                                 struct tk_error *error) {
  const int64_t *starts;
  const struct tk_column *durations, *codes;
  enum tk_status status;
  if ((status = tk_reader_starts(segment->reader, segment->segment, range->granule, &starts,
                                 error)) != TK_OK ||
      (status = tk_replay_column(segment, TK_COL_DURATION, range->granule, &durations, error)) !=
          TK_OK ||
      (status = tk_replay_column(segment, TK_COL_STATUS_CODE, range->granule, &codes, error)) !=
          TK_OK) {
    return status;
  }
  for (uint32_t row = range->begin; row < range->end; row++) {
    const int64_t end = (int64_t)((uint64_t)starts[row] + (uint64_t)tk_replay_int(durations, row));
    if (facts->span_count == 0 || starts[row] < facts->start) facts->start = starts[row];
    if (facts->span_count == 0 || end > facts->end) facts->end = end;
    facts->span_count++;
    facts->error_count += tk_replay_int(codes, row) == TK_STATUS_ERROR;
  }
  return TK_OK;
}

static enum tk_status ask_span_stages(struct tk_replay_segment *segment,
                                      const struct tk_replay_range *range,
                                      struct tk_replay_facts *facts, struct tk_error *error) {
  const struct tk_program *program = segment->program;
  struct tk_value priority = {.type = TK_VALUE_EMPTY};
  struct tk_text state = {"", 0};
  const struct tk_column *states;
  enum tk_status status = TK_OK;
  if (!segment->has_spans_of_note) {
    for (uint32_t s = 0; s < program->span_stage_count; s++) {
      tk_program_add_spans(program, s, (struct tk_text){"", 0}, &priority,
                           range->end - range->begin, facts);
    }
    return TK_OK;
  }
  status = tk_replay_column(segment, TK_COL_TRACE_STATE, range->granule, &states, error);
  for (uint32_t i = range->begin; i < range->end && status == TK_OK; i++) {
    struct tk_replay_row row = tk_replay_row_of(segment, range->granule, i);
    if (states) state = tk_column_text(states, i);
    status = row.base.read(&row.base, program->priority, &priority, error);
    for (uint32_t s = 0; s < program->span_stage_count && status == TK_OK; s++) {
      tk_program_add_spans(program, s, state, &priority, 1, facts);
    }
  }
  return status;
}

enum tk_status tk_replay_ask_rows(struct tk_replay_segment *segment,
                                  const struct tk_replay_range *range,
                                  struct tk_replay_facts *facts, struct tk_error *error) {
  const struct tk_program *program = segment->program;
  enum tk_status status = count_rows(segment, range, facts, error);
  for (uint32_t i = 0; i < program->leaf_count && status == TK_OK; i++) {
    if ((facts->hits[i / 64] | facts->errors[i / 64]) >> (i % 64) & 1) continue;
    status = ask_leaf(segment, i, range, facts, error);
  }
  if (status == TK_OK && program->span_stage_count > 0) {
    status = ask_span_stages(segment, range, facts, error);
  }
  if (segment->scratch.total_bytes > 0) tk_arena_reset(&segment->scratch);
  return status;
}

enum tk_status tk_replay_ask_root(struct tk_replay_segment *segment, uint32_t granule, uint32_t row,
                                  struct tk_replay_facts *facts, struct tk_error *error) {
  const struct tk_program *program = segment->program;
  const struct tk_stored_resource *resource;
  struct tk_replay_row asked = tk_replay_row_of(segment, granule, row);
  const struct tk_column *names;
  struct tk_text name = {"", 0};
  enum tk_status status = tk_replay_resource_of(segment, granule, row, &resource, error);
  if (status == TK_OK) status = tk_replay_column(segment, TK_COL_NAME, granule, &names, error);
  if (status != TK_OK) return status;
  if (names) name = tk_column_text(names, row);
  tk_program_choose(program, resource->service, name, facts);
  for (uint32_t i = 0; i < program->leaf_count && status == TK_OK; i++) {
    const struct tk_leaf *leaf = &program->leaves[i];
    enum tk_truth truth = TK_FALSE;
    if (leaf->kind != TK_LEAF_ROOT) continue;
    status = ask_conditions(leaf, leaf->conditions, leaf->condition_count, &asked, &truth, error);
    if (truth == TK_TRUE) facts->hits[i / 64] |= UINT64_C(1) << (i % 64);
  }
  if (segment->scratch.total_bytes > 0) tk_arena_reset(&segment->scratch);
  return status;
}
