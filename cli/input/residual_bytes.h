/** @file residual_bytes.h  Pieces of what residuals hold, appended to the builder's `residual`
 * stack; and what belongs inside a message's status and attribute values, which is kept apart until
 * the message ends, and then put behind everything else in the order of its paths: so that a
 * residual is the same when what was written of it is read again. */
#ifndef TK_CLI_INPUT_RESIDUAL_BYTES_H
#define TK_CLI_INPUT_RESIDUAL_BYTES_H

#include "cli/input/batch_builder.h"

/** A field that OTLP does not have, in which residuals keep what an attribute or value has beyond
 * OTLP: 1 the path to it, 2 its fields. Its writer is cli/output/residual.c; nobody else sees it.
 */
#define TK_PROTOBUF_PATH_FIELD 536870656

/** A protobuf field of bytes. */
void tk_builder_push_field(struct tk_batch_builder *builder, uint32_t number, const char *data,
                           uint32_t size);
/** A JSON string, quotes and all; bytes above 0x7F stay as they are. */
void tk_builder_push_json_string(struct tk_batch_builder *builder, struct tk_text text);

/** Keeps `content`, members of JSON or protobuf fields, for the place that `path` leads to. */
void tk_builder_keep_inner(struct tk_batch_builder *builder, struct tk_text path,
                           struct tk_text content);
/** Appends what has been kept since `begin`, a former count of `inner`, to the residual stack: as
 * members, each behind a comma, or as fields. */
void tk_builder_take_inner_json(struct tk_batch_builder *builder, uint32_t begin);
void tk_builder_take_inner_fields(struct tk_batch_builder *builder, uint32_t begin);

#endif
