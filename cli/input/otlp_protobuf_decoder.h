/** @file otlp_protobuf_decoder.h  What the files that read OTLP protobuf share: the state of
 * decoding, faults, text, and attributes. Nobody else's business. */
#ifndef TK_CLI_INPUT_OTLP_PROTOBUF_DECODER_H
#define TK_CLI_INPUT_OTLP_PROTOBUF_DECODER_H

#include "cli/input/batch_builder.h"
#include "cli/input/value_path.h"
#include "cli/input/wire_format.h"

struct tk_protobuf_decoder {
  struct tk_batch_builder *builder;
  struct tk_value_path path; /* of the attribute value at hand */
  uint32_t value_depth;
  const char *expected; /* of the fault that is being handled, NULL: none */
  const uint8_t *error_at;
};

/** Records the first fault; always false. `expected` is a constant. */
bool tk_protobuf_fail(struct tk_protobuf_decoder *decoder, const char *expected, const uint8_t *at);
/** True if all fields of a message have been read; otherwise its fault is now the decoder's. */
bool tk_protobuf_finish(struct tk_protobuf_decoder *decoder, const struct tk_wire *wire);
/** An issue about a field no message like `message` has. `wire` is behind it. */
void tk_protobuf_report_unknown(struct tk_protobuf_decoder *decoder, const struct tk_wire *wire,
                                const struct tk_wire_field *field, const char *message, bool kept);

/** A string field, copied; broken UTF-8 is kept and reported. */
struct tk_text tk_protobuf_text(struct tk_protobuf_decoder *decoder,
                                const struct tk_wire_field *field);
/** Decodes a KeyValue and pushes it on the builder's attributes. `list`: see tk_builder_key; 0:
 * repeated keys are of no interest. */
bool tk_protobuf_attribute(struct tk_protobuf_decoder *decoder, const struct tk_wire_field *whole,
                           uint32_t list);

static inline struct tk_text tk_protobuf_raw(const struct tk_wire_field *field) {
  return (struct tk_text){(const char *)field->data, field->size};
}

#endif
