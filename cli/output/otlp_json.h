/* Spans as OTLP JSON: the exact inverse of the reader of "otlp-json".
 *
 * One document is `{"resourceSpans":[...]}`. docs/tracekeep.1, "EXPORTED JSON", says how each value
 * is spelt. */
#ifndef TK_CLI_OUTPUT_OTLP_JSON_H
#define TK_CLI_OUTPUT_OTLP_JSON_H

#include <stdint.h>

#include "cli/output/span_groups.h"
#include "tracekeep/span.h"

/** The member that holds unknown protobuf fields (base64), which JSON has no place for. */
#define TK_OTLP_JSON_PROTOBUF_MEMBER "unknownProtobufFields"

/** As tk_span_groups_add. Ids are written as they came, also text; made-up ones are left out. */
void tk_otlp_json_add(struct tk_span_groups *document, const struct tk_span *spans,
                      uint32_t span_count);
/** Appends the document of all spans added, without a newline, and empties `document`. */
void tk_otlp_json_finish(struct tk_span_groups *document, struct tk_text_buffer *out);
/** The same JSON on many lines, for people to read; strings are not touched. */
void tk_otlp_json_indent(struct tk_text_buffer *out, const char *json, size_t size);

/** An AnyValue: `{"stringValue":"x"}`. */
void tk_otlp_json_add_value(struct tk_text_buffer *out, const struct tk_value *value);

#endif
