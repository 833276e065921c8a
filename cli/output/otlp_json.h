/* Spans as OTLP JSON: the exact inverse of the reader of "otlp-json".
 *
 * One document is `{"resourceSpans":[...]}`. Spans are grouped by resource and scope, equal ones
 * together whatever memory they are in; groups stand in the order in which they first occur, spans
 * in the order they were added. docs/tracekeep.1, "EXPORTED JSON", says how each value is spelt. */
#ifndef TK_CLI_OUTPUT_OTLP_JSON_H
#define TK_CLI_OUTPUT_OTLP_JSON_H

#include <stdint.h>

#include "cli/output/text_buffer.h"
#include "tracekeep/span.h"

/** The member that holds unknown protobuf fields (base64), which JSON has no place for. */
#define TK_OTLP_JSON_PROTOBUF_MEMBER "unknownProtobufFields"

/** Groups spans until they are written. The caller's memory; zero-initialise. */
struct tk_otlp_json {
  struct tk_otlp_group *groups; /**< one for each resource and scope */
  uint32_t group_count, group_capacity;
  uint32_t span_count;
  struct tk_text_buffer scratch;
  bool failed; /**< out of memory */
};

/** Renders the spans now: nothing of them is needed afterwards. */
void tk_otlp_json_add(struct tk_otlp_json *document, const struct tk_span *spans,
                      uint32_t span_count);
/** Appends the document of all spans added, without a newline, and empties `document`. */
void tk_otlp_json_finish(struct tk_otlp_json *document, struct tk_text_buffer *out);
/** Frees everything and leaves the document empty and usable. */
void tk_otlp_json_reset(struct tk_otlp_json *document);

/** An AnyValue: `{"stringValue":"x"}`. */
void tk_otlp_json_add_value(struct tk_text_buffer *out, const struct tk_value *value);

#endif
