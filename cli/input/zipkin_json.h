/** @file zipkin_json.h  The format "zipkin", versions 1 and 2: see docs/formats.md. */
#ifndef TK_CLI_INPUT_ZIPKIN_JSON_H
#define TK_CLI_INPUT_ZIPKIN_JSON_H

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

bool tk_zipkin_json_probe(const char *head, size_t size);
void tk_zipkin_json_parse(struct tk_batch_builder *builder, const struct tk_record *record);

#endif
