/** @file otlp_protobuf.h  OTLP protobuf traces (TracesData, ExportTraceServiceRequest, Tempo's
 * Trace), into a batch. */
#ifndef TK_CLI_INPUT_OTLP_PROTOBUF_H
#define TK_CLI_INPUT_OTLP_PROTOBUF_H

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

/** Lists and maps nested deeper than this in an attribute are taken for damage. */
#define TK_PROTOBUF_VALUE_DEPTH_LIMIT 100

/** Adds the spans of `record` (not a FAULT) to the batch. A span with a fault in it is rejected
 * with an issue, and what stands around it is kept. A WHOLE record that is a JSON document is given
 * to the reader of OTLP/JSON: some collectors frame those too. */
void tk_otlp_protobuf_parse(struct tk_batch_builder *builder, const struct tk_record *record);

#endif
