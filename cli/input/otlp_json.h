/** @file otlp_json.h  OTLP/JSON traces, in all the shapes found on disk, into a batch. */
#ifndef TK_CLI_INPUT_OTLP_JSON_H
#define TK_CLI_INPUT_OTLP_JSON_H

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

/** Adds the spans of `record` (not a FAULT) to the batch. Whatever is wrong with it becomes an
 * issue; a record that is not JSON contributes no spans at all, a span with a fault is repaired. */
void tk_otlp_json_parse(struct tk_batch_builder *builder, const struct tk_record *record);

#endif
