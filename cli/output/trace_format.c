/* SPDX-License-Identifier: MIT
 * The table of formats for traces. */
#include "cli/output/trace_format.h"

#include <string.h>

const struct tk_trace_format *tk_trace_format_find(const char *name) {
  static const struct tk_trace_format *const formats[] = {&tk_trace_jaeger, &tk_trace_zipkin,
                                                          &tk_trace_ndjson, &tk_trace_csv};
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    if (strcmp(formats[i]->name, name) == 0) return formats[i];
  }
  return NULL;
}
