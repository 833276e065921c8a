/** @file jaeger_json.h  The format "jaeger": see docs/formats.md. */
#ifndef TK_CLI_INPUT_JAEGER_JSON_H
#define TK_CLI_INPUT_JAEGER_JSON_H

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

bool tk_jaeger_json_probe(const char *head, size_t size);
void tk_jaeger_json_parse(struct tk_batch_builder *builder, const struct tk_record *record);

/** What kind a tag `span.kind` names; -1: none OpenTelemetry knows. */
int32_t tk_span_kind_from_name(struct tk_text name);

#endif
