/** @file console_json.h  What the consoles of SDKs print differently from other flat objects: ids
 * in a context of their own (Python, Go), and attributes as a list of typed pairs (Go). The formats
 * "python-console" and "go-stdouttrace" are read by flat_json.h with these. */
#ifndef TK_CLI_INPUT_CONSOLE_JSON_H
#define TK_CLI_INPUT_CONSOLE_JSON_H

#include "cli/input/plain_json.h"

struct tk_span_context {
  struct tk_text trace, span, trace_state;
  uint32_t trace_flags;
  bool remote;
};

/** {"trace_id","span_id","trace_state"}, or
 * {"TraceID","SpanID","TraceFlags","TraceState","Remote"}. Ids of zeros, which Go writes for none,
 * are empty. */
void tk_console_context(struct tk_plain *plain, struct tk_span_context *context);

/** Pushes the attributes of [{"Key":"k","Value":{"Type":"STRING","Value":"v"}}]. */
void tk_console_push_pairs(struct tk_plain *plain);

bool tk_python_console_probe(const char *head, size_t size);
bool tk_go_stdouttrace_probe(const char *head, size_t size);

#endif
