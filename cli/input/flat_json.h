/** @file flat_json.h  The format "ndjson": one JSON object a span, whatever its fields are called.
 * docs/formats.md lists the names; letter case, '_', '.', '-' and '@' in them do not matter. */
#ifndef TK_CLI_INPUT_FLAT_JSON_H
#define TK_CLI_INPUT_FLAT_JSON_H

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

bool tk_flat_json_probe(const char *head, size_t size);
void tk_flat_json_parse(struct tk_batch_builder *builder, const struct tk_record *record);

#endif
