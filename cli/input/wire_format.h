/** @file wire_format.h  Protobuf's wire format: one field after another, checked against the bounds
 * of its message. Knows no messages.
 *
 *     struct tk_wire wire = tk_wire_of(data, size);
 *     while (tk_wire_next(&wire, &field)) { ... }
 *     if (wire.expected) ... damaged at wire.error_at ...
 */
#ifndef TK_CLI_INPUT_WIRE_FORMAT_H
#define TK_CLI_INPUT_WIRE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tk_wire_type {
  TK_WIRE_VARINT = 0,
  TK_WIRE_FIXED64 = 1,
  TK_WIRE_BYTES = 2,
  TK_WIRE_GROUP = 3,
  TK_WIRE_GROUP_END = 4,
  TK_WIRE_FIXED32 = 5
};

/** Groups within groups deeper than this are taken for damage. */
#define TK_WIRE_GROUP_LIMIT 64
/** Bytes of the longest tag, and of the longest varint. */
#define TK_WIRE_TAG_MAX 5
#define TK_WIRE_VARINT_MAX 10

struct tk_wire {
  const uint8_t *at;
  const uint8_t *end;
  const char *expected; /**< NULL: nothing wrong so far */
  const uint8_t *error_at;
};

struct tk_wire_field {
  uint32_t number;
  uint32_t type;        /**< enum tk_wire_type, never GROUP_END */
  uint64_t value;       /**< VARINT, FIXED64, FIXED32 */
  const uint8_t *data;  /**< BYTES; GROUP: what is between its tags */
  uint32_t size;        /**< of data */
  const uint8_t *begin; /**< of the field with its tag; it ends at tk_wire.at */
};

static inline struct tk_wire tk_wire_of(const void *data, uint32_t size) {
  const uint8_t *bytes = data;
  return (struct tk_wire){.at = bytes, .end = bytes + size};
}

/** Records the first error and goes to the end, so that every loop ends. */
void tk_wire_fail(struct tk_wire *wire, const char *expected, const uint8_t *at);
/** As tk_wire_varint, for those of more than one byte. */
uint64_t tk_wire_long_varint(struct tk_wire *wire);
/** Reads what follows the tag of `field`, whose number and type are set. */
bool tk_wire_payload(struct tk_wire *wire, struct tk_wire_field *field);

static inline uint64_t tk_wire_varint(struct tk_wire *wire) {
  if (wire->at < wire->end && *wire->at < 0x80) return *wire->at++;
  return tk_wire_long_varint(wire);
}

/** The next field; false at the end, or where the bytes are no fields any more. */
static inline bool tk_wire_next(struct tk_wire *wire, struct tk_wire_field *field) {
  if (wire->at == wire->end) return false;
  field->begin = wire->at;
  /* Most fields are bytes with a tag and a length of one byte each. */
  const uint8_t *at = wire->at;
  if (wire->end - at >= 2 && (at[0] & 0x87) == TK_WIRE_BYTES && at[0] > 7 && at[1] < 0x80 &&
      wire->end - at - 2 >= at[1]) {
    field->number = at[0] >> 3;
    field->type = TK_WIRE_BYTES;
    field->data = at + 2;
    field->size = at[1];
    wire->at = at + 2 + at[1];
    return true;
  }
  const uint64_t tag = tk_wire_varint(wire);
  field->number = (uint32_t)(tag >> 3);
  field->type = (uint32_t)(tag & 7);
  if (tag > UINT32_MAX || field->number == 0) {
    tk_wire_fail(wire, "a field number from 1 to 536870911", field->begin);
    return false;
  }
  return tk_wire_payload(wire, field);
}

#endif
