/** @file residual_bytes.h  Pieces of what residuals hold, appended to the builder's `residual` stack. */
#ifndef TK_CLI_INPUT_RESIDUAL_BYTES_H
#define TK_CLI_INPUT_RESIDUAL_BYTES_H

#include "cli/input/batch_builder.h"

/** A protobuf field of bytes. */
void tk_builder_push_field(struct tk_batch_builder *builder, uint32_t number, const char *data,
                           uint32_t size);
/** A JSON string, quotes and all; bytes above 0x7F stay as they are. */
void tk_builder_push_json_string(struct tk_batch_builder *builder, struct tk_text text);

#endif
