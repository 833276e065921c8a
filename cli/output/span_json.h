/* What the writers of traces share: members, values as plain JSON, names of enums. */
#ifndef TK_CLI_OUTPUT_SPAN_JSON_H
#define TK_CLI_OUTPUT_SPAN_JSON_H

#include <stdbool.h>

#include "cli/output/text_buffer.h"
#include "tracekeep/span.h"

/** Comma and key of the next member: the comma is due unless the object just opened. */
void tk_json_add_key(struct tk_text_buffer *out, const char *key);
void tk_json_add_text(struct tk_text_buffer *out, struct tk_text text);
/** Nothing if the text is empty. */
void tk_json_add_text_member(struct tk_text_buffer *out, const char *key, struct tk_text text);
/** Nothing if it is 0. */
void tk_json_add_uint_member(struct tk_text_buffer *out, const char *key, uint64_t number);
void tk_json_add_hex_member(struct tk_text_buffer *out, const char *key, const uint8_t *id,
                            size_t size);

/** JSON as the reader of "ndjson" takes it: what JSON has no type for is an object of one member,
 * {"$bytes":"base64"}, {"$double":"NaN"}, {"$kvlist":{...}}. */
void tk_json_add_plain_value(struct tk_text_buffer *out, const struct tk_value *value);
/** An object; a key that occurs twice does so here, too. */
void tk_json_add_plain_attributes(struct tk_text_buffer *out,
                                  const struct tk_attributes *attributes);
/** The value as text: strings as they are, anything else as plain JSON. */
void tk_add_value_text(struct tk_text_buffer *out, const struct tk_value *value);

const struct tk_value *tk_find_value(const struct tk_attributes *attributes, const char *key);
bool tk_text_is(struct tk_text text, const char *expected);
/** The resource's service.name if that is a string; else empty. */
struct tk_text tk_service_of(const struct tk_span *span);
/** "server"; NULL: a number OpenTelemetry has no name for. */
const char *tk_json_kind_name(int32_t kind);
const char *tk_json_status_name(int32_t code);

/** Trace id as it was: text, 16 or 32 hexadecimal digits. */
void tk_json_add_trace_id(struct tk_text_buffer *out, const char *key, const struct tk_span *span);

#endif
