/* Spans as OTLP protobuf: the exact inverse of the reader of "otlp-proto".
 *
 * One message is a TracesData, which is an ExportTraceServiceRequest too. What protobuf has no
 * place for: JSON members OTLP does not define, and trace ids that are text (their 16-byte id is
 * written). */
#ifndef TK_CLI_OUTPUT_OTLP_PROTOBUF_H
#define TK_CLI_OUTPUT_OTLP_PROTOBUF_H

#include "cli/output/span_groups.h"

/** As tk_span_groups_add. Ids are written as they came, those of the wrong length, too; made-up
 * ones are left out. */
void tk_otlp_protobuf_add(struct tk_span_groups *message, const struct tk_span *spans,
                          uint32_t span_count);
/** The same, but every id is one of 16 or 8 bytes, as receivers insist on. */
void tk_otlp_protobuf_add_valid(struct tk_span_groups *message, const struct tk_span *spans,
                                uint32_t span_count);
/** Appends the message of all spans added and empties `message`. */
void tk_otlp_protobuf_finish(struct tk_span_groups *message, struct tk_text_buffer *out);

/** Whether the span, its resource or its scope has JSON members that protobuf cannot hold. */
bool tk_otlp_protobuf_loses_members(const struct tk_span *span);

/** Varint, as before a message of a stream with varint lengths. */
void tk_otlp_protobuf_add_varint(struct tk_text_buffer *out, uint64_t value);

#endif
