/* SPDX-License-Identifier: MIT
 * The table of formats. A new JSON format is a row here and a parse function; the splitter and the
 * reader do not know formats. */
#include "cli/input/format.h"

#include <string.h>

#include "cli/input/console_json.h"
#include "cli/input/describe.h"
#include "cli/input/document_json.h"
#include "cli/input/flat_json.h"
#include "cli/input/framing.h"
#include "cli/input/jaeger_json.h"
#include "cli/input/js_console.h"
#include "cli/input/otlp_json.h"
#include "cli/input/otlp_protobuf.h"
#include "cli/input/sampling_config.h"
#include "cli/input/xray_json.h"
#include "cli/input/zipkin_json.h"
#include "tracekeep/sampling_config.h"

static const char *const otlp_arrays[] = {"resourceSpans", "resource_spans", "batches", NULL};
static const char *const otlp_wrappers[] = {"trace", "result", NULL};
static const char *const otlp_whole[] = {"resource",
                                         "scopeSpans",
                                         "scope_spans",
                                         "instrumentationLibrarySpans",
                                         "instrumentation_library_spans",
                                         "deprecatedScopeSpans",
                                         NULL};

/* Jaeger: the API's list of traces, or what Elasticsearch found. */
static const char *const jaeger_arrays[] = {"data", "hits", NULL};
static const char *const jaeger_wrappers[] = {"hits", NULL};
static const char *const jaeger_whole[] = {"traceID", "spans", "processes", "_source", NULL};

/* Zipkin and others are lists of spans: the splitter cuts top-level arrays by itself. */
static const char *const no_keys[] = {NULL};

/* AWS X-Ray: the answer of BatchGetTraces. */
static const char *const xray_arrays[] = {"Traces", NULL};
static const char *const xray_whole[] = {"trace_id", "start_time", "Segments", NULL};

static bool probe_otlp_json(const char *head, size_t size) {
  if (tk_document_json_probe(head, size)) return false;
  return tk_head_has_key(head, size, "resourceSpans") ||
         tk_head_has_key(head, size, "resource_spans") || tk_head_has_key(head, size, "batches") ||
         tk_head_has_key(head, size, "scopeSpans") ||
         tk_head_has_key(head, size, "resourceMetrics") ||
         tk_head_has_key(head, size, "resourceLogs");
}

static bool probe_otlp_protobuf(const char *head, size_t size) {
  return tk_framing_recognise(head, size) != TK_FRAMING_UNKNOWN;
}

static const struct tk_input_format formats[] = {
    {
        .name = "otlp-proto",
        .probe = probe_otlp_protobuf,
        .split_keys = {.binary = true},
        .parse = tk_otlp_protobuf_parse,
    },
    {
        .name = "otlp-json",
        .probe = probe_otlp_json,
        .split_keys = {.arrays = otlp_arrays, .wrappers = otlp_wrappers, .whole = otlp_whole},
        .parse = tk_otlp_json_parse,
    },
    {
        .name = "sampling-config",
        .probe = tk_sampling_config_probe,
        .split_keys = {.arrays = no_keys,
                       .wrappers = no_keys,
                       .whole = no_keys,
                       .exact = true,
                       .whole_input = true},
        .parse = tk_sampling_config_parse_record,
    },
    {
        .name = "kvonce-events",
        .probe = tk_kvonce_events_probe,
        .split_keys = {.arrays = no_keys, .wrappers = no_keys, .whole = no_keys, .exact = true},
        .parse = tk_kvonce_events_parse,
    },
    {
        .name = "inventory-events",
        .probe = tk_inventory_events_probe,
        .split_keys = {.arrays = no_keys, .wrappers = no_keys, .whole = no_keys, .exact = true},
        .parse = tk_inventory_events_parse,
    },
    {
        .name = "documents",
        .probe = tk_document_json_probe,
        .split_keys = {.arrays = no_keys, .wrappers = no_keys, .whole = no_keys, .exact = true},
        .parse = tk_document_json_parse,
    },
    {
        .name = "jaeger",
        .probe = tk_jaeger_json_probe,
        .split_keys = {.arrays = jaeger_arrays, .wrappers = jaeger_wrappers, .whole = jaeger_whole},
        .parse = tk_jaeger_json_parse,
    },
    {
        .name = "zipkin",
        .probe = tk_zipkin_json_probe,
        .split_keys = {.arrays = no_keys, .wrappers = no_keys, .whole = no_keys},
        .parse = tk_zipkin_json_parse,
    },
    {
        .name = "xray",
        .probe = tk_xray_json_probe,
        .split_keys = {.arrays = xray_arrays, .wrappers = no_keys, .whole = xray_whole},
        .parse = tk_xray_json_parse,
    },
    {
        .name = "python-console",
        .probe = tk_python_console_probe,
        .split_keys = {.arrays = no_keys, .wrappers = no_keys, .whole = no_keys},
        .parse = tk_flat_json_parse,
    },
    {
        .name = "go-stdouttrace",
        .probe = tk_go_stdouttrace_probe,
        .split_keys = {.arrays = no_keys, .wrappers = no_keys, .whole = no_keys},
        .parse = tk_flat_json_parse,
    },
    {
        .name = "js-console",
        .probe = tk_js_console_probe,
        .split_keys = {.arrays = no_keys, .wrappers = no_keys, .whole = no_keys, .blocks = true},
        .parse = tk_js_console_parse,
    },
    {
        .name = "ndjson",
        .probe = tk_flat_json_probe,
        .split_keys = {.arrays = no_keys, .wrappers = no_keys, .whole = no_keys},
        .parse = tk_flat_json_parse,
    },
};

enum { FORMAT_COUNT = sizeof formats / sizeof formats[0] };

const struct tk_input_format *tk_input_format_at(size_t index) {
  return index < FORMAT_COUNT ? &formats[index] : NULL;
}

const struct tk_input_format *tk_input_format_find(const char *name) {
  for (size_t i = 0; i < FORMAT_COUNT; i++) {
    if (strcmp(formats[i].name, name) == 0) return &formats[i];
  }
  return NULL;
}

const struct tk_input_format *tk_input_format_recognise(const char *head, size_t size) {
  for (size_t i = 0; i < FORMAT_COUNT; i++) {
    if (formats[i].probe(head, size)) return &formats[i];
  }
  return NULL;
}

const struct tk_input_format *tk_input_format_probe(const char *head, size_t size) {
  const struct tk_input_format *recognised = tk_input_format_recognise(head, size);
  if (recognised) return recognised;
  for (size_t i = 0; i < size; i++) {
    if (head[i] == '{' || head[i] == '[') return tk_input_format_find("documents");
    if (!strchr(" \t\r\n\xEF\xBB\xBF", head[i])) break;
  }
  return tk_input_format_find("otlp-json");
}
