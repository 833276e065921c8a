/* SPDX-License-Identifier: MIT
 * Varints of up to ten bytes, of which bits beyond the 64th are dropped as every implementation
 * does; groups, which nobody writes any more but every reader has to step over. */
#include "cli/input/wire_format.h"

#include <string.h>

void tk_wire_fail(struct tk_wire *wire, const char *expected, const uint8_t *at) {
  if (!wire->expected) {
    wire->expected = expected;
    wire->error_at = at;
  }
  wire->at = wire->end;
}

uint64_t tk_wire_long_varint(struct tk_wire *wire) {
  const uint8_t *begin = wire->at;
  uint64_t value = 0;
  for (unsigned i = 0; i < TK_WIRE_VARINT_MAX && wire->at < wire->end; i++) {
    const uint8_t byte = *wire->at++;
    value |= (uint64_t)(byte & 0x7F) << (7 * i);
    if (byte < 0x80) return value;
  }
  tk_wire_fail(wire, "a varint of at most 10 bytes within its message", begin);
  return 0;
}

static uint64_t read_fixed(struct tk_wire *wire, unsigned size) {
  uint64_t value = 0;
  if ((size_t)(wire->end - wire->at) < size) {
    tk_wire_fail(wire, "a number of 4 or 8 bytes within its message", wire->at);
    return 0;
  }
  /* Unrolled, so that compilers see a load. */
  if (size == 8) {
    for (unsigned i = 0; i < 8; i++) value |= (uint64_t)wire->at[i] << (8 * i);
  } else {
    for (unsigned i = 0; i < 4; i++) value |= (uint64_t)wire->at[i] << (8 * i);
  }
  wire->at += size;
  return value;
}

static void read_bytes(struct tk_wire *wire, struct tk_wire_field *field) {
  const uint64_t size = tk_wire_varint(wire);
  if (size > (uint64_t)(wire->end - wire->at)) {
    tk_wire_fail(wire, "a length within its message", field->begin);
    return;
  }
  field->data = wire->at;
  field->size = (uint32_t)size;
  wire->at += size;
}

/* Steps over one field that is in a group; its type is one of those without nesting. */
static void skip_scalar(struct tk_wire *wire, uint32_t type) {
  struct tk_wire_field skipped = {.type = type, .begin = wire->at};
  tk_wire_payload(wire, &skipped);
}

static void read_group(struct tk_wire *wire, struct tk_wire_field *field) {
  uint32_t open[TK_WIRE_GROUP_LIMIT] = {field->number};
  uint32_t depth = 1;
  field->data = wire->at;
  while (depth > 0 && wire->at < wire->end) {
    const uint8_t *begin = wire->at;
    const uint64_t tag = tk_wire_varint(wire);
    const uint32_t type = (uint32_t)(tag & 7);
    if (wire->expected) return;
    field->size = (uint32_t)(begin - field->data);
    if (type == TK_WIRE_GROUP && depth < TK_WIRE_GROUP_LIMIT) {
      open[depth++] = (uint32_t)(tag >> 3);
    } else if (type == TK_WIRE_GROUP_END && tag >> 3 == open[depth - 1]) {
      depth--;
    } else if (type == TK_WIRE_GROUP || type == TK_WIRE_GROUP_END) {
      tk_wire_fail(wire, "groups that end in order, not nested too deeply", begin);
    } else {
      skip_scalar(wire, type);
    }
    if (wire->expected) return;
  }
  if (depth > 0) tk_wire_fail(wire, "the end of a group within its message", field->begin);
}

bool tk_wire_payload(struct tk_wire *wire, struct tk_wire_field *field) {
  switch (field->type) {
    case TK_WIRE_VARINT:
      field->value = tk_wire_varint(wire);
      break;
    case TK_WIRE_BYTES:
      read_bytes(wire, field);
      break;
    case TK_WIRE_FIXED64:
      field->value = read_fixed(wire, 8);
      break;
    case TK_WIRE_FIXED32:
      field->value = read_fixed(wire, 4);
      break;
    case TK_WIRE_GROUP:
      read_group(wire, field);
      break;
    default:
      tk_wire_fail(wire, "a wire type from 0 to 3, or 5", field->begin);
      break;
  }
  return !wire->expected;
}
