/* SPDX-License-Identifier: MIT
 * Rules whose findings are one for a service and fault. Segment by segment, the spans are counted
 * by *shape*: resource, kind, set of keys, and what else decides what is required. Shapes are few,
 * and what a shape is guilty of all its spans are. Only values that conventions list are looked at
 * one by one, by their dictionary. Events and links are counted the same way. */
#include <string.h>

#include "sqlext/quality/groups.h"
#include "sqlext/quality/required.h"
#include "store/codec/value_codec.h"

enum { OTHER_KIND = 6 };

struct shape {
  uint32_t resource, keyset;
  uint64_t bits; /* of keys in extras, and of values: see required.h */
  uint32_t kind;
  uint32_t example; /* row */
  uint64_t count;   /* 0: a free slot */
};

struct shapes {
  struct shape *slots;
  uint32_t slot_count, count;
};

/* A segment while it is counted. */
struct census {
  struct quality *quality;
  struct groups *groups;
  const struct tk_segment *segment;
  struct tk_ints resources, kinds, keysets;
  const int64_t *starts;
  const uint32_t *first; /* of events or links; NULL: the items are spans */
  enum tk_attribute_scope scope;
  uint32_t item_count;
  uint64_t *bits; /* by row; NULL: none */
  struct shapes shapes;
  struct tk_arena arena;
};

#define ATTRIBUTE_RULES                                                                       \
  (RULE_BIT(RULE_DEPRECATED) | RULE_BIT(RULE_TYPE_MISMATCH) | RULE_BIT(RULE_UNDEFINED_ENUM) | \
   RULE_BIT(RULE_RES_004))
#define SHAPE_RULES \
  (ATTRIBUTE_RULES | RULE_BIT(RULE_REQUIRED_MISSING) | RULE_BIT(RULE_KIND_UNSPECIFIED))

/* ---- shapes ---- */

static uint64_t hash_shape(const struct shape *shape) {
  uint64_t hash = (uint64_t)shape->resource << 32 | shape->keyset;
  hash = (hash ^ shape->bits * 0x9E3779B97F4A7C15u) * 0xC2B2AE3D27D4EB4Fu;
  hash = (hash ^ hash >> 29 ^ shape->kind) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 32;
}

static struct shape *find_shape(const struct shapes *shapes, const struct shape *wanted) {
  uint32_t slot = (uint32_t)hash_shape(wanted) & (shapes->slot_count - 1);
  for (;; slot = (slot + 1) & (shapes->slot_count - 1)) {
    struct shape *found = &shapes->slots[slot];
    if (found->count == 0 ||
        (found->resource == wanted->resource && found->keyset == wanted->keyset &&
         found->bits == wanted->bits && found->kind == wanted->kind)) {
      return found;
    }
  }
}

static bool grow_shapes(struct shapes *shapes) {
  struct shapes larger = {.slot_count = shapes->slot_count ? shapes->slot_count * 2 : 512,
                          .count = shapes->count};
  larger.slots = sqlite3_malloc64(larger.slot_count * sizeof *larger.slots);
  if (!larger.slots) return false;
  memset(larger.slots, 0, larger.slot_count * sizeof *larger.slots);
  for (uint32_t i = 0; i < shapes->slot_count; i++) {
    if (shapes->slots[i].count > 0) {
      *find_shape(&larger, &shapes->slots[i]) = shapes->slots[i];
    }
  }
  sqlite3_free(shapes->slots);
  *shapes = larger;
  return true;
}

static bool count_shape(struct shapes *shapes, const struct shape *shape) {
  if (shapes->count * 2 >= shapes->slot_count && !grow_shapes(shapes)) return false;
  struct shape *found = find_shape(shapes, shape);
  if (found->count == 0) {
    *found = *shape;
    shapes->count++;
  }
  found->count++;
  return true;
}

static void clear_shapes(struct shapes *shapes) {
  if (shapes->slots) memset(shapes->slots, 0, shapes->slot_count * sizeof *shapes->slots);
  shapes->count = 0;
}

static bool is_in_window(const struct census *census, uint32_t row) {
  const struct quality *quality = census->quality;
  if (!quality->has_window) return true;
  const uint64_t start = (uint64_t)census->starts[row];
  return start >= quality->since && start < quality->until;
}

/* The row of an item, given that of an earlier one. */
static uint32_t row_of_item(const struct census *census, uint32_t item, uint32_t row) {
  if (!census->first) return item;
  while (census->first[row + 1] <= item) row++;
  return row;
}

static enum tk_status count_items(struct census *census, struct tk_error *error) {
  const bool are_spans = census->scope == TK_SCOPE_SPAN;
  uint32_t row = 0;
  clear_shapes(&census->shapes);
  for (uint32_t item = 0; item < census->item_count; item++) {
    row = row_of_item(census, item, row);
    if (!is_in_window(census, row)) continue;
    const int64_t kind = are_spans ? tk_ints_at(census->kinds, row) : 0;
    const struct shape shape = {
        .resource = (uint32_t)tk_ints_at(census->resources, row),
        .keyset = (uint32_t)tk_ints_at(census->keysets, item),
        .bits = are_spans && census->bits ? census->bits[row] : 0,
        .kind = kind >= 0 && kind <= TK_KIND_CONSUMER ? (uint32_t)kind : OTHER_KIND,
        .example = row};
    if (!count_shape(&census->shapes, &shape)) return tk_nomem(error);
  }
  return TK_OK;
}

/* ---- what shapes are guilty of ---- */

static enum tk_status check_keys(struct census *census, const struct shape *shape,
                                 struct tk_error *error) {
  const struct tk_keysets *keysets = &census->segment->keysets[census->scope];
  const struct quality_resource *resource =
      tk_quality_resource_of(census->quality, census->segment, shape->resource);
  enum tk_status status = TK_OK;
  if (keysets->count == 0) return TK_OK;
  const struct tk_keyset *keyset = &keysets->items[shape->keyset];
  for (uint32_t i = 0; i < keyset->count && status == TK_OK; i++) {
    const struct tk_segment_column *column = &census->segment->columns[keyset->columns[i]];
    status = tk_groups_add_attribute(census->quality, census->groups, resource,
                                     (uint8_t)census->scope, column->key, column->type,
                                     shape->count, census->segment, shape->example, error);
  }
  return status;
}

static uint64_t bits_of_keyset(const struct census *census, uint32_t code) {
  const struct tk_keysets *keysets = &census->segment->keysets[TK_SCOPE_SPAN];
  uint64_t bits = 0;
  if (keysets->count == 0) return 0;
  for (uint32_t i = 0; i < keysets->items[code].count; i++) {
    bits |= tk_required_key_bit(census->segment->columns[keysets->items[code].columns[i]].key);
  }
  return bits;
}

static enum tk_status check_required(struct census *census, const struct shape *shape,
                                     struct tk_error *error) {
  const struct requirement *list;
  const unsigned count = tk_required_list(&list);
  const uint64_t bits = shape->bits | bits_of_keyset(census, shape->keyset);
  enum tk_status status = TK_OK;
  for (unsigned i = 0; i < count && status == TK_OK && bits != 0; i++) {
    if (!(list[i].kinds >> shape->kind & 1) || !(bits & list[i].when) ||
        bits & (list[i].key_bit | list[i].instead)) {
      continue;
    }
    const struct group_key key = {
        .rule = RULE_REQUIRED_MISSING,
        .resource = tk_quality_resource_of(census->quality, census->segment, shape->resource),
        .scope = TK_SCOPE_SPAN,
        .key = {list[i].key, (uint32_t)strlen(list[i].key)},
        .detail = {list[i].convention, (uint32_t)strlen(list[i].convention)}};
    status = tk_groups_add(census->quality, census->groups, &key, shape->count, NULL,
                           census->segment, shape->example, error);
  }
  return status;
}

static enum tk_status check_kind(struct census *census, const struct shape *shape,
                                 struct tk_error *error) {
  const struct group_key key = {
      .rule = RULE_KIND_UNSPECIFIED,
      .resource = tk_quality_resource_of(census->quality, census->segment, shape->resource),
      .scope = TK_SCOPE_SPAN};
  if (shape->kind != TK_KIND_UNSPECIFIED) return TK_OK;
  return tk_groups_add(census->quality, census->groups, &key, shape->count, NULL, census->segment,
                       shape->example, error);
}

static enum tk_status check_shapes(struct census *census, struct tk_error *error) {
  const uint64_t rules = census->quality->rules;
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < census->shapes.slot_count && status == TK_OK; i++) {
    const struct shape *shape = &census->shapes.slots[i];
    if (shape->count == 0) continue;
    if (rules & ATTRIBUTE_RULES) status = check_keys(census, shape, error);
    if (census->scope != TK_SCOPE_SPAN || status != TK_OK) continue;
    if (rules & RULE_BIT(RULE_REQUIRED_MISSING)) status = check_required(census, shape, error);
    if (status == TK_OK) status = check_kind(census, shape, error);
  }
  return status;
}

/* ---- extras ---- */

static bool occurs_before(const struct tk_extra *extras, uint32_t index) {
  for (uint32_t i = 0; i < index; i++) {
    if (extras[i].attribute.value.type == extras[index].attribute.value.type &&
        tk_text_equal(extras[i].attribute.key, extras[index].attribute.key)) {
      return true;
    }
  }
  return false;
}

static enum tk_status check_value(struct census *census, uint32_t row, struct tk_text key,
                                  struct tk_text value, uint64_t count, struct tk_error *error) {
  const struct semconv_attribute *semconv = tk_semconv_find(key);
  if (!semconv || tk_semconv_allows_value(semconv, value)) return TK_OK;
  const struct group_key id = {
      .rule = RULE_UNDEFINED_ENUM,
      .resource = tk_quality_resource_of(census->quality, census->segment,
                                         tk_ints_at(census->resources, row)),
      .scope = (uint8_t)census->scope,
      .key = key,
      .detail = value};
  return tk_groups_add(census->quality, census->groups, &id, count, semconv, census->segment, row,
                       error);
}

static void add_bits(struct census *census, uint32_t row, const struct tk_attribute *attribute) {
  if (census->scope != TK_SCOPE_SPAN || !census->bits) return;
  census->bits[row] |= tk_required_key_bit(attribute->key);
  if (attribute->value.type != TK_VALUE_STRING) return;
  census->bits[row] |= tk_required_value_bit(
      attribute->key, (struct tk_text){attribute->value.as.text, attribute->value.size});
}

/* Extras also hold second occurrences of keys that have a column: those were counted. */
static enum tk_status check_extra(struct census *census, uint32_t row,
                                  const struct tk_attribute *attribute, struct tk_error *error) {
  const struct tk_segment *segment = census->segment;
  const uint32_t index = tk_segment_find_attribute(segment, census->scope, attribute->key,
                                                   (enum tk_value_type)attribute->value.type);
  if ((index != TK_NO_COLUMN && !segment->columns[index].in_extras) || !is_in_window(census, row)) {
    return TK_OK;
  }
  enum tk_status status = tk_groups_add_attribute(
      census->quality, census->groups,
      tk_quality_resource_of(census->quality, segment, tk_ints_at(census->resources, row)),
      (uint8_t)census->scope, attribute->key, attribute->value.type, 1, segment, row, error);
  if (status != TK_OK || attribute->value.type != TK_VALUE_STRING) return status;
  return check_value(census, row, attribute->key,
                     (struct tk_text){attribute->value.as.text, attribute->value.size}, 1, error);
}

static enum tk_status check_extras(struct census *census, struct tk_error *error) {
  const struct tk_segment *segment = census->segment;
  struct tk_reader *reader = census->quality->reader;
  const uint32_t index = segment->fixed[tk_quality_columns_of[census->scope].extra_row];
  const struct tk_column *items;
  uint32_t row = 0;
  if (index == TK_NO_COLUMN) return TK_OK;
  const uint32_t count = segment->columns[index].value_count;
  enum tk_status status = tk_reader_values(reader, segment, index, 0, count, &items, error);
  for (uint32_t at = 0; at < count && status == TK_OK; at++) {
    struct tk_extra *extras;
    struct tk_text text;
    uint32_t extra_count;
    row = row_of_item(census, (uint32_t)tk_ints_at(items->ints, at), row);
    status = tk_text_value(reader, segment, tk_quality_columns_of[census->scope].extra, at, &text,
                           error);
    if (status == TK_OK) {
      status = tk_extras_decode((const uint8_t *)text.data, text.size, &census->arena, &extras,
                                &extra_count, error);
    }
    for (uint32_t i = 0; status == TK_OK && i < extra_count; i++) {
      add_bits(census, row, &extras[i].attribute);
      if (occurs_before(extras, i)) continue;
      status = check_extra(census, row, &extras[i].attribute, error);
    }
    tk_arena_reset(&census->arena);
  }
  return status;
}

/* ---- values ---- */

/* What is known of a value by its code. */
struct value_facts {
  uint64_t bits;
  bool is_undefined;
};

static struct value_facts judge_value(struct tk_text key, const struct semconv_attribute *semconv,
                                      struct tk_text text, bool wants_bits) {
  return (struct value_facts){.bits = wants_bits ? tk_required_value_bit(key, text) : 0,
                              .is_undefined = semconv && !tk_semconv_allows_value(semconv, text)};
}

/* The values of a column with a dictionary: counted by resource and code, as shapes. */
static enum tk_status check_codes(struct census *census, const struct tk_segment_column *stored,
                                  const struct tk_column *column, const uint32_t *values,
                                  const struct value_facts *facts, struct tk_error *error) {
  uint32_t row = 0;
  enum tk_status status = TK_OK;
  clear_shapes(&census->shapes);
  for (uint32_t item = 0; item < census->item_count; item++) {
    if (values[item] == UINT32_MAX) continue;
    const uint32_t code = tk_column_code(column, values[item]);
    if (facts[code].bits == 0 && !facts[code].is_undefined) continue;
    row = row_of_item(census, item, row);
    if (census->bits) census->bits[row] |= facts[code].bits;
    if (!facts[code].is_undefined || !is_in_window(census, row)) continue;
    const struct shape shape = {
        .resource = (uint32_t)tk_ints_at(census->resources, row), .keyset = code, .example = row};
    if (!count_shape(&census->shapes, &shape)) return tk_nomem(error);
  }
  for (uint32_t i = 0; i < census->shapes.slot_count && status == TK_OK; i++) {
    const struct shape *shape = &census->shapes.slots[i];
    if (shape->count == 0) continue;
    status = check_value(census, shape->example, stored->key,
                         tk_column_dictionary_entry(column, shape->keyset), shape->count, error);
  }
  return status;
}

static enum tk_status check_texts(struct census *census, const struct tk_segment_column *stored,
                                  const struct tk_column *column, const uint32_t *values,
                                  bool wants_bits, struct tk_error *error) {
  const struct semconv_attribute *semconv = tk_semconv_find(stored->key);
  uint32_t row = 0;
  enum tk_status status = TK_OK;
  for (uint32_t item = 0; status == TK_OK && item < census->item_count; item++) {
    if (values[item] == UINT32_MAX) continue;
    row = row_of_item(census, item, row);
    const struct tk_text text = tk_column_text(column, values[item]);
    const struct value_facts facts = judge_value(stored->key, semconv, text, wants_bits);
    if (census->bits) census->bits[row] |= facts.bits;
    if (facts.is_undefined && is_in_window(census, row)) {
      status = check_value(census, row, stored->key, text, 1, error);
    }
  }
  return status;
}

/* Of a dictionary, the facts of each code; *matter_out is false if none says anything. */
static enum tk_status judge_codes(const struct tk_segment_column *stored,
                                  const struct tk_column *column, bool wants_bits,
                                  struct value_facts **facts_out, bool *matter_out,
                                  struct tk_error *error) {
  const struct semconv_attribute *semconv = tk_semconv_find(stored->key);
  const uint64_t count = column->dictionary_count;
  struct value_facts *facts = sqlite3_malloc64(count * sizeof *facts + 1);
  *facts_out = facts;
  *matter_out = false;
  if (!facts) return tk_nomem(error);
  for (uint32_t c = 0; c < count; c++) {
    facts[c] = judge_value(stored->key, semconv, tk_column_dictionary_entry(column, c), wants_bits);
    *matter_out |= facts[c].bits != 0 || facts[c].is_undefined;
  }
  return TK_OK;
}

/* Of one column, all its values: those with a bit go into census->bits, those that a convention
 * does not list to their groups. Values are looked at once each where there is a dictionary. */
static enum tk_status check_values(struct census *census, uint32_t index, bool wants_bits,
                                   struct tk_error *error) {
  struct tk_reader *reader = census->quality->reader;
  const struct tk_segment_column *stored = &census->segment->columns[index];
  const struct tk_column *column;
  struct value_facts *facts = NULL;
  const uint32_t *values;
  bool matter = true;
  enum tk_status status = tk_reader_column(reader, census->segment, index, &column, error);
  if (status != TK_OK || stored->value_count == 0) return status;
  if (column->has_dictionary) {
    status = judge_codes(stored, column, wants_bits, &facts, &matter, error);
  }
  if (status != TK_OK || !matter) goto done;
  status = tk_reader_values(reader, census->segment, index, 0, stored->value_count, &column, error);
  if (status == TK_OK) {
    status = tk_reader_value_index(reader, census->segment, index, TK_ALL, &values, error);
  }
  if (status != TK_OK) goto done;
  status = facts ? check_codes(census, stored, column, values, facts, error)
                 : check_texts(census, stored, column, values, wants_bits, error);

done:
  sqlite3_free(facts);
  return status;
}

static enum tk_status check_all_values(struct census *census, struct tk_error *error) {
  const uint64_t rules = census->quality->rules;
  enum tk_status status = TK_OK;
  for (uint32_t c = 0; c < census->segment->column_count && status == TK_OK; c++) {
    const struct tk_segment_column *column = &census->segment->columns[c];
    if (column->number < TK_COL_FIRST_ATTRIBUTE || column->scope != census->scope ||
        column->type != TK_VALUE_STRING || column->in_extras) {
      continue;
    }
    const struct semconv_attribute *semconv = tk_semconv_find(column->key);
    const bool is_enum = semconv && semconv->type == SEMCONV_ENUM && *semconv->members &&
                         rules & RULE_BIT(RULE_UNDEFINED_ENUM);
    const bool has_bits = census->bits && tk_required_has_values(column->key);
    if (is_enum || has_bits) status = check_values(census, c, has_bits, error);
  }
  return status;
}

/* ---- a segment ---- */

static enum tk_status prepare_scope(struct census *census, enum tk_attribute_scope scope,
                                    struct tk_error *error) {
  const struct tk_segment *segment = census->segment;
  const uint32_t counts[] = {segment->summary.span_count, segment->summary.event_count,
                             segment->summary.link_count};
  const uint32_t keysets = segment->fixed[tk_quality_columns_of[scope].keyset];
  const struct tk_column *column = NULL;
  enum tk_status status = TK_OK;
  census->scope = scope;
  census->first = NULL;
  census->item_count = counts[scope];
  census->keysets = (struct tk_ints){.width = 0};
  if (census->item_count == 0) return TK_OK;
  if (scope != TK_SCOPE_SPAN) {
    status = tk_reader_first_items(census->quality->reader, segment, scope, &census->first, error);
    if (status == TK_OK && !census->first) census->item_count = 0;
  }
  if (status == TK_OK && keysets != TK_NO_COLUMN && census->item_count > 0) {
    status = tk_reader_values(census->quality->reader, segment, keysets, 0, census->item_count,
                              &column, error);
    if (status == TK_OK) census->keysets = column->ints;
  }
  return status;
}

static enum tk_status check_scope(struct census *census, enum tk_attribute_scope scope,
                                  struct tk_error *error) {
  enum tk_status status = prepare_scope(census, scope, error);
  if (status != TK_OK || census->item_count == 0) return status;
  status = check_extras(census, error);
  if (status == TK_OK) status = check_all_values(census, error);
  if (status == TK_OK) status = count_items(census, error);
  if (status == TK_OK) status = check_shapes(census, error);
  return status;
}

static void count_resources(struct census *census) {
  const struct tk_segment *segment = census->segment;
  struct quality_resource *resource = NULL;
  int64_t last = -1;
  for (uint32_t row = 0; row < segment->summary.span_count; row++) {
    const int64_t code = tk_ints_at(census->resources, row);
    if (!is_in_window(census, row)) continue;
    if (code != last) resource = tk_quality_resource_of(census->quality, segment, code);
    last = code;
    if (resource) resource->span_count++;
  }
}

static enum tk_status check_segment(struct census *census, struct tk_error *error) {
  struct quality *quality = census->quality;
  const struct tk_segment *segment = census->segment;
  const uint32_t rows = segment->summary.span_count;
  enum tk_status status;
  if (rows == 0) return TK_OK;
  if ((status = tk_row_ints(quality->reader, segment, TK_COL_RESOURCE, TK_ALL, &census->resources,
                            error)) != TK_OK ||
      (status = tk_row_ints(quality->reader, segment, TK_COL_KIND, TK_ALL, &census->kinds,
                            error)) != TK_OK) {
    return status;
  }
  if (quality->has_window) {
    status = tk_reader_starts(quality->reader, segment, TK_ALL, &census->starts, error);
    if (status != TK_OK) return status;
  }
  count_resources(census);
  if (!(quality->rules & SHAPE_RULES)) return TK_OK;
  if (tk_quality_wants(quality, RULE_REQUIRED_MISSING)) {
    if (!(census->bits = sqlite3_malloc64((uint64_t)rows * sizeof *census->bits))) {
      return tk_nomem(error);
    }
    memset(census->bits, 0, (uint64_t)rows * sizeof *census->bits);
  }
  status = check_scope(census, TK_SCOPE_SPAN, error);
  if (quality->rules & ATTRIBUTE_RULES) {
    if (status == TK_OK) status = check_scope(census, TK_SCOPE_EVENT, error);
    if (status == TK_OK) status = check_scope(census, TK_SCOPE_LINK, error);
  }
  sqlite3_free(census->bits);
  census->bits = NULL;
  return status;
}

/* ---- attributes of resources ---- */

static enum tk_status check_resource_attributes(struct quality *quality, struct groups *groups,
                                                struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t r = 0; r < quality->resource_count; r++) {
    const struct quality_resource *resource = &quality->resources[r];
    const struct tk_attributes *attributes = &resource->stored->resource.attributes;
    for (uint32_t i = 0; i < attributes->count && status == TK_OK && resource->span_count; i++) {
      const struct tk_attribute *attribute = &attributes->items[i];
      const struct semconv_attribute *semconv = tk_semconv_find(attribute->key);
      status = tk_groups_add_attribute(quality, groups, resource, TK_SCOPE_RESOURCE, attribute->key,
                                       attribute->value.type, resource->span_count, NULL, NO_PLACE,
                                       error);
      if (status != TK_OK || !semconv || attribute->value.type != TK_VALUE_STRING) continue;
      const struct tk_text text = {attribute->value.as.text, attribute->value.size};
      if (tk_semconv_allows_value(semconv, text)) continue;
      const struct group_key key = {.rule = RULE_UNDEFINED_ENUM,
                                    .resource = resource,
                                    .scope = TK_SCOPE_RESOURCE,
                                    .key = attribute->key,
                                    .detail = text};
      status = tk_groups_add(quality, groups, &key, resource->span_count, semconv, NULL, NO_PLACE,
                             error);
    }
  }
  return status;
}

/* ---- all of them ---- */

enum tk_status tk_quality_groups(struct quality *quality, struct tk_error *error) {
  struct groups groups = {.count = 0};
  struct census census = {.quality = quality, .groups = &groups};
  enum tk_status status = TK_OK;

  for (uint32_t s = 0; s < quality->segments.count && status == TK_OK; s++) {
    status = tk_quality_segment(quality, s, &census.segment, error);
    if (status == TK_OK) status = check_segment(&census, error);
    sqlite3_free(census.bits);
    census.bits = NULL;
    tk_quality_close_segments(quality);
  }
  sqlite3_free(census.shapes.slots);
  tk_arena_reset(&census.arena);
  if (status == TK_OK && quality->rules & ATTRIBUTE_RULES) {
    status = check_resource_attributes(quality, &groups, error);
  }
  if (status == TK_OK) tk_groups_report(quality, &groups);
  tk_groups_reset(&groups);
  if (status == TK_OK) status = tk_quality_resource_rules(quality, error);
  if (status == TK_OK) status = tk_quality_name_rules(quality, error);
  return status;
}
