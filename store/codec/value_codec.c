/* SPDX-License-Identifier: MIT
 * Values, attribute lists, resources and scopes as bytes, as docs/segment-format.md, "Values",
 * defines them. Encoding is canonical, and decoding refuses what encoding would not have made, so
 * that equality of bytes is equality of content. Knows nothing of segments. */
#include "store/codec/value_codec.h"

#include <string.h>

#include "store/codec/byte_reader.h"

enum { RECORD_VERSION = 1, RECORD_ABSENT = 1, FIRST_EXTRAS = 4 };

/* ---- encoding ---- */

static void append_text(struct tk_byte_writer *out, const char *text, uint32_t size) {
  tk_byte_writer_append_varint(out, size);
  tk_byte_writer_append(out, text, size);
}

static void append_double(struct tk_byte_writer *out, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  tk_byte_writer_append_u64(out, bits);
}

static bool is_storable(const struct tk_value *value, int depth) {
  if (depth > TK_VALUE_DEPTH_MAX || value->type > TK_VALUE_BYTES) return false;
  if (value->type != TK_VALUE_ARRAY && value->type != TK_VALUE_KVLIST) return true;
  for (uint32_t i = 0; i < value->size; i++) {
    const struct tk_value *item =
        value->type == TK_VALUE_ARRAY ? &value->as.items[i] : &value->as.members[i].value;
    if (!is_storable(item, depth + 1)) return false;
  }
  return true;
}

bool tk_attributes_are_storable(const struct tk_attributes *attributes) {
  for (uint32_t i = 0; i < attributes->count; i++) {
    if (!is_storable(&attributes->items[i].value, 1)) return false;
  }
  return true;
}

bool tk_residual_is_storable(const struct tk_residual *residual) {
  return residual->format <= TK_RESIDUAL_PROTOBUF && (residual->format || residual->size == 0);
}

static void append_value(struct tk_byte_writer *out, const struct tk_value *value, int depth);

static void append_attribute(struct tk_byte_writer *out, const struct tk_attribute *attribute,
                             int depth) {
  append_text(out, attribute->key.data, attribute->key.size);
  append_value(out, &attribute->value, depth);
}

static void append_value(struct tk_byte_writer *out, const struct tk_value *value, int depth) {
  if (depth > TK_VALUE_DEPTH_MAX || value->type > TK_VALUE_BYTES) {
    out->failed = true;
    return;
  }
  tk_byte_writer_append_u8(out, (uint8_t)value->type);
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_EMPTY:
      break;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      append_text(out, value->as.text, value->size);
      break;
    case TK_VALUE_BOOL:
      tk_byte_writer_append_u8(out, value->as.integer != 0);
      break;
    case TK_VALUE_INT:
      tk_byte_writer_append_zigzag(out, value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      append_double(out, value->as.real);
      break;
    case TK_VALUE_ARRAY:
      tk_byte_writer_append_varint(out, value->size);
      for (uint32_t i = 0; i < value->size; i++) append_value(out, &value->as.items[i], depth + 1);
      break;
    case TK_VALUE_KVLIST:
      tk_byte_writer_append_varint(out, value->size);
      for (uint32_t i = 0; i < value->size; i++) {
        append_attribute(out, &value->as.members[i], depth + 1);
      }
      break;
  }
}

void tk_value_encode(struct tk_byte_writer *out, const struct tk_value *value) {
  append_value(out, value, 1);
}

void tk_attributes_encode(struct tk_byte_writer *out, const struct tk_attributes *attributes) {
  tk_byte_writer_append_varint(out, attributes->count);
  for (uint32_t i = 0; i < attributes->count; i++) append_attribute(out, &attributes->items[i], 1);
  tk_byte_writer_append_varint(out, attributes->dropped_count);
}

void tk_extra_encode(struct tk_byte_writer *out, uint32_t position,
                     const struct tk_attribute *attribute) {
  tk_byte_writer_append_varint(out, position);
  append_attribute(out, attribute, 1);
}

/* An empty residual says nothing, whatever its format: it is stored as none. */
static void append_residual(struct tk_byte_writer *out, const struct tk_residual *residual) {
  if (!tk_residual_is_storable(residual)) {
    out->failed = true;
  } else if (residual->size == 0) {
    tk_byte_writer_append_u8(out, TK_RESIDUAL_NONE);
  } else {
    tk_byte_writer_append_u8(out, (uint8_t)residual->format);
    append_text(out, residual->data, residual->size);
  }
}

static void append_record_head(struct tk_byte_writer *out, uint32_t absent) {
  tk_byte_writer_append_u8(out, RECORD_VERSION);
  tk_byte_writer_append_u8(out, absent ? RECORD_ABSENT : 0);
}

void tk_resource_encode(struct tk_byte_writer *out, const struct tk_resource *resource) {
  append_record_head(out, resource->absent);
  tk_attributes_encode(out, &resource->attributes);
  append_text(out, resource->schema_url.data, resource->schema_url.size);
  append_residual(out, &resource->residual);
  append_residual(out, &resource->outer_residual);
}

void tk_scope_encode(struct tk_byte_writer *out, const struct tk_scope *scope) {
  append_record_head(out, scope->absent);
  append_text(out, scope->name.data, scope->name.size);
  append_text(out, scope->version.data, scope->version.size);
  tk_attributes_encode(out, &scope->attributes);
  append_text(out, scope->schema_url.data, scope->schema_url.size);
  append_residual(out, &scope->residual);
  append_residual(out, &scope->outer_residual);
}

/* ---- decoding ----
 *
 * The cursor's failure is malformed input; out of memory is told apart by a flag of its own. */

struct decoder {
  struct tk_byte_reader bytes;
  struct tk_arena *arena;
  bool out_of_memory;
};

static bool decoding_failed(const struct decoder *decoder) {
  return decoder->bytes.failed || decoder->out_of_memory;
}

static void refuse(struct decoder *decoder) {
  decoder->bytes.failed = true;
  decoder->bytes.at = decoder->bytes.end;
}

static void *allocate_items(struct decoder *decoder, size_t count, size_t item_size) {
  void *items = tk_arena_alloc(decoder->arena, count * item_size);
  if (!items) decoder->out_of_memory = true;
  return items;
}

/* A count of things that take at least `smallest` bytes each: so data bounds the allocation. */
static uint32_t read_count(struct decoder *decoder, size_t smallest) {
  size_t limit = tk_byte_reader_remaining(&decoder->bytes) / smallest;
  if (limit > UINT32_MAX / 2) limit = UINT32_MAX / 2;
  return (uint32_t)tk_byte_reader_varint_max(&decoder->bytes, limit);
}

static struct tk_text read_text(struct decoder *decoder) {
  struct tk_text text = {0};
  uint32_t size = (uint32_t)tk_byte_reader_varint_max(&decoder->bytes, UINT32_MAX);
  text.data = (const char *)tk_byte_reader_bytes(&decoder->bytes, size);
  if (text.data) text.size = size;
  return text;
}

static void read_value(struct decoder *decoder, struct tk_value *value, int depth);

static void read_attribute(struct decoder *decoder, struct tk_attribute *attribute, int depth) {
  attribute->key = read_text(decoder);
  read_value(decoder, &attribute->value, depth);
}

static void read_array(struct decoder *decoder, struct tk_value *value, int depth) {
  uint32_t count = read_count(decoder, 1);
  struct tk_value *items = allocate_items(decoder, count, sizeof *items);
  if (decoding_failed(decoder)) return;
  for (uint32_t i = 0; i < count; i++) read_value(decoder, &items[i], depth + 1);
  value->size = count;
  value->as.items = items;
}

static void read_kvlist(struct decoder *decoder, struct tk_value *value, int depth) {
  uint32_t count = read_count(decoder, 2);
  struct tk_attribute *members = allocate_items(decoder, count, sizeof *members);
  if (decoding_failed(decoder)) return;
  for (uint32_t i = 0; i < count; i++) read_attribute(decoder, &members[i], depth + 1);
  value->size = count;
  value->as.members = members;
}

static void read_bool(struct decoder *decoder, struct tk_value *value) {
  value->as.integer = tk_byte_reader_u8(&decoder->bytes);
  if (value->as.integer > 1) refuse(decoder);
}

static void read_value(struct decoder *decoder, struct tk_value *value, int depth) {
  *value = (struct tk_value){.type = tk_byte_reader_u8(&decoder->bytes)};
  if (decoding_failed(decoder)) return;
  if (depth > TK_VALUE_DEPTH_MAX || value->type > TK_VALUE_BYTES) {
    refuse(decoder);
    return;
  }
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_EMPTY:
      break;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES: {
      struct tk_text text = read_text(decoder);
      value->as.text = text.data;
      value->size = text.size;
      break;
    }
    case TK_VALUE_BOOL:
      read_bool(decoder, value);
      break;
    case TK_VALUE_INT:
      value->as.integer = tk_byte_reader_zigzag(&decoder->bytes);
      break;
    case TK_VALUE_DOUBLE: {
      uint64_t bits = tk_byte_reader_u64(&decoder->bytes);
      memcpy(&value->as.real, &bits, sizeof bits);
      break;
    }
    case TK_VALUE_ARRAY:
      read_array(decoder, value, depth);
      break;
    case TK_VALUE_KVLIST:
      read_kvlist(decoder, value, depth);
      break;
  }
}

static void read_attributes(struct decoder *decoder, struct tk_attributes *attributes) {
  uint32_t count = read_count(decoder, 2);
  struct tk_attribute *items = allocate_items(decoder, count, sizeof *items);
  if (decoding_failed(decoder)) return;
  for (uint32_t i = 0; i < count; i++) read_attribute(decoder, &items[i], 1);
  attributes->items = items;
  attributes->count = count;
  attributes->dropped_count = (uint32_t)tk_byte_reader_varint_max(&decoder->bytes, UINT32_MAX);
}

static struct tk_residual read_residual(struct decoder *decoder) {
  struct tk_residual residual = {.format = tk_byte_reader_u8(&decoder->bytes)};
  if (residual.format == TK_RESIDUAL_NONE) return residual;
  struct tk_text text = read_text(decoder);
  residual.data = text.data;
  residual.size = text.size;
  if (residual.size == 0 || residual.format > TK_RESIDUAL_PROTOBUF) refuse(decoder);
  return residual;
}

/* Gives the "absent" flag. */
static uint32_t read_record_head(struct decoder *decoder) {
  uint8_t version = tk_byte_reader_u8(&decoder->bytes);
  uint8_t flags = tk_byte_reader_u8(&decoder->bytes);
  if (version != RECORD_VERSION || flags > RECORD_ABSENT) refuse(decoder);
  return flags;
}

static struct decoder start_decoding(const uint8_t *bytes, size_t size, struct tk_arena *arena) {
  struct decoder decoder = {.arena = arena};
  tk_byte_reader_init(&decoder.bytes, bytes, size);
  return decoder;
}

static enum tk_status finish_decoding(const struct decoder *decoder, const char *what,
                                      struct tk_error *error) {
  if (decoder->out_of_memory) return tk_nomem(error);
  if (decoder->bytes.failed) return tk_corrupt(error, "%s: malformed", what);
  if (!tk_byte_reader_finished(&decoder->bytes)) {
    return tk_corrupt(error, "%s: %zu bytes too many", what,
                      tk_byte_reader_remaining(&decoder->bytes));
  }
  return TK_OK;
}

enum tk_status tk_value_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                               struct tk_value *value_out, struct tk_error *error) {
  struct decoder decoder = start_decoding(bytes, size, arena);
  struct tk_value value = {0};
  read_value(&decoder, &value, 1);
  enum tk_status status = finish_decoding(&decoder, "value", error);
  if (status == TK_OK) *value_out = value;
  return status;
}

enum tk_status tk_resource_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                                  struct tk_resource *resource_out, struct tk_error *error) {
  struct decoder decoder = start_decoding(bytes, size, arena);
  struct tk_resource resource = {.absent = read_record_head(&decoder)};
  read_attributes(&decoder, &resource.attributes);
  resource.schema_url = read_text(&decoder);
  resource.residual = read_residual(&decoder);
  resource.outer_residual = read_residual(&decoder);
  enum tk_status status = finish_decoding(&decoder, "resource", error);
  if (status == TK_OK) *resource_out = resource;
  return status;
}

enum tk_status tk_scope_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                               struct tk_scope *scope_out, struct tk_error *error) {
  struct decoder decoder = start_decoding(bytes, size, arena);
  struct tk_scope scope = {.absent = read_record_head(&decoder)};
  scope.name = read_text(&decoder);
  scope.version = read_text(&decoder);
  read_attributes(&decoder, &scope.attributes);
  scope.schema_url = read_text(&decoder);
  scope.residual = read_residual(&decoder);
  scope.outer_residual = read_residual(&decoder);
  enum tk_status status = finish_decoding(&decoder, "scope", error);
  if (status == TK_OK) *scope_out = scope;
  return status;
}

/* Room for one more: doubled inside the arena, which costs at most as much again. */
static struct tk_extra *grow_extras(struct decoder *decoder, struct tk_extra *extras,
                                    uint32_t count, uint32_t *capacity) {
  if (count < *capacity) return extras;
  uint32_t grown = *capacity ? *capacity * 2 : FIRST_EXTRAS;
  struct tk_extra *larger = allocate_items(decoder, grown, sizeof *larger);
  if (!larger) return NULL;
  if (count > 0) memcpy(larger, extras, count * sizeof *extras);
  *capacity = grown;
  return larger;
}

enum tk_status tk_extras_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                                struct tk_extra **extras_out, uint32_t *count_out,
                                struct tk_error *error) {
  struct decoder decoder = start_decoding(bytes, size, arena);
  struct tk_extra *extras = NULL;
  uint32_t count = 0;
  uint32_t capacity = 0;

  while (!decoding_failed(&decoder) && tk_byte_reader_remaining(&decoder.bytes) > 0) {
    extras = grow_extras(&decoder, extras, count, &capacity);
    if (!extras) break;
    struct tk_extra *extra = &extras[count];
    extra->position = (uint32_t)tk_byte_reader_varint_max(&decoder.bytes, UINT32_MAX);
    if (count > 0 && extra->position <= extra[-1].position) refuse(&decoder);
    read_attribute(&decoder, &extra->attribute, 1);
    count++;
  }
  enum tk_status status = finish_decoding(&decoder, "extra attributes", error);
  if (status != TK_OK) return status;
  *extras_out = extras;
  *count_out = count;
  return TK_OK;
}
