/* Traces in the formats of others: Jaeger, Zipkin, flat objects, CSV. A document is begin, add...,
 * end; nothing is kept between calls, so memory holds one trace. docs/formats.md says what each
 * format has no place for. */
#ifndef TK_CLI_OUTPUT_TRACE_FORMAT_H
#define TK_CLI_OUTPUT_TRACE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/output/text_buffer.h"
#include "tracekeep/span.h"

struct tk_trace_format {
  const char *name;
  void (*begin)(struct tk_text_buffer *out);
  /** All spans of one trace; `first`: of the document. Running out of memory makes `out` failed. */
  void (*add)(struct tk_text_buffer *out, const struct tk_span *spans, uint32_t span_count,
              bool first);
  void (*end)(struct tk_text_buffer *out);
};

extern const struct tk_trace_format tk_trace_jaeger, tk_trace_zipkin, tk_trace_ndjson, tk_trace_csv;

/** By name, or NULL. */
const struct tk_trace_format *tk_trace_format_find(const char *name);
#define TK_TRACE_FORMATS "jaeger|zipkin|ndjson|csv"

#endif
