/* Attribute values, resources and scopes as bytes: the form in which nested values, rare
 * attributes, resources and scopes are stored. docs/segment-format.md, "Values", is normative.
 *
 *   value      := type byte (enum tk_value_type), then
 *                 EMPTY nothing | BOOL one byte 0, 1 | INT zigzag varint | DOUBLE 8 bytes LE
 *                 | STRING, BYTES varint size, bytes | ARRAY varint count, values
 *                 | KVLIST varint count, (varint size, key, value)*
 *   attributes := varint count, (varint size, key, value)*, varint dropped count
 *   extras     := (varint position, varint size, key, value)*   up to the end
 * Equal values have equal bytes: the encoding is canonical. Nesting is limited to
 * TK_VALUE_DEPTH_MAX. */
#ifndef TK_STORE_VALUE_CODEC_H
#define TK_STORE_VALUE_CODEC_H

#include <stdbool.h>

#include "store/codec/byte_writer.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

#define TK_VALUE_DEPTH_MAX 128

/** False for what cannot be stored: values nested too deeply or of no known type, residuals of no
 * known format. To be asked before encoding, which can only fail. */
bool tk_attributes_are_storable(const struct tk_attributes *attributes);
bool tk_residual_is_storable(const struct tk_residual *residual);

void tk_value_encode(struct tk_byte_writer *out, const struct tk_value *value);
void tk_attributes_encode(struct tk_byte_writer *out, const struct tk_attributes *attributes);
/** One entry of extras: the attribute that stands at `position` of the span's list. */
void tk_extra_encode(struct tk_byte_writer *out, uint32_t position,
                     const struct tk_attribute *attribute);
void tk_resource_encode(struct tk_byte_writer *out, const struct tk_resource *resource);
void tk_scope_encode(struct tk_byte_writer *out, const struct tk_scope *scope);

/** Decoding: text points into `bytes`, arrays into `arena`. All bytes must be used up. */
enum tk_status tk_value_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                               struct tk_value *value_out, struct tk_error *error);
enum tk_status tk_resource_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                                  struct tk_resource *resource_out, struct tk_error *error);
enum tk_status tk_scope_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                               struct tk_scope *scope_out, struct tk_error *error);

struct tk_extra {
  uint32_t position;
  struct tk_attribute attribute;
};
/** All entries of one extras text, ascending positions; the array is in `arena`. */
enum tk_status tk_extras_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                                struct tk_extra **extras_out, uint32_t *count_out,
                                struct tk_error *error);

#endif
