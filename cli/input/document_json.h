/** @file document_json.h  Events in lines, report envelopes, and all else that a run leaves beside
 * its spans. */
#ifndef TK_CLI_INPUT_DOCUMENT_JSON_H
#define TK_CLI_INPUT_DOCUMENT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

bool tk_document_json_probe(const char *head, size_t size);
/** Takes exact records (see tk_split_keys). Documents of spans among them go to the reader of
 * OTLP/JSON. */
void tk_document_json_parse(struct tk_batch_builder *builder, const struct tk_record *record);

#endif
