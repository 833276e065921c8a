/** @file document_json.h  Events in lines, report envelopes, and all else that a run leaves beside
 * its spans. */
#ifndef TK_CLI_INPUT_DOCUMENT_JSON_H
#define TK_CLI_INPUT_DOCUMENT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

bool tk_document_json_probe(const char *head, size_t size);
/** Input that begins with such an event. */
bool tk_kvonce_events_probe(const char *head, size_t size);
bool tk_inventory_events_probe(const char *head, size_t size);
/** Takes exact records (see tk_split_keys). Documents of spans among them go to the reader of
 * OTLP/JSON. */
void tk_document_json_parse(struct tk_batch_builder *builder, const struct tk_record *record);
/** The same; an object on a line that is nothing else is such an event: they need no member. */
void tk_kvonce_events_parse(struct tk_batch_builder *builder, const struct tk_record *record);
void tk_inventory_events_parse(struct tk_batch_builder *builder, const struct tk_record *record);

#endif
