/** @file xray_json.h  The format "xray": segment documents of AWS X-Ray, as its daemon is sent them
 * or as BatchGetTraces answers them. See docs/formats.md. */
#ifndef TK_CLI_INPUT_XRAY_JSON_H
#define TK_CLI_INPUT_XRAY_JSON_H

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

bool tk_xray_json_probe(const char *head, size_t size);
void tk_xray_json_parse(struct tk_batch_builder *builder, const struct tk_record *record);

#endif
