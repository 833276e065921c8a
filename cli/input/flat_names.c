/* SPDX-License-Identifier: MIT
 * What the fields of flat spans are called, by whom ever. docs/formats.md lists the names: change
 * it with these tables. */
#include "cli/input/flat_names.h"

#include <string.h>

#include "cli/input/flat_time.h"

static const struct {
  const char *name;
  enum tk_flat_field field;
} names[] = {
    {"traceid", TK_FLAT_TRACE_ID},
    {"spanid", TK_FLAT_SPAN_ID},
    {"context", TK_FLAT_CONTEXT},
    {"spancontext", TK_FLAT_CONTEXT},
    {"parentspanid", TK_FLAT_PARENT},
    {"parentid", TK_FLAT_PARENT},
    {"parent", TK_FLAT_PARENT},
    {"tracestate", TK_FLAT_TRACE_STATE},
    {"flags", TK_FLAT_FLAGS},
    {"traceflags", TK_FLAT_FLAGS},
    {"name", TK_FLAT_NAME},
    {"spanname", TK_FLAT_NAME},
    {"operation", TK_FLAT_NAME},
    {"operationname", TK_FLAT_NAME},
    {"service", TK_FLAT_SERVICE},
    {"servicename", TK_FLAT_SERVICE},
    {"resourceservicename", TK_FLAT_SERVICE},
    {"kind", TK_FLAT_KIND},
    {"spankind", TK_FLAT_KIND},
    {"status", TK_FLAT_STATUS},
    {"statuscode", TK_FLAT_STATUS},
    {"otelstatuscode", TK_FLAT_STATUS},
    {"statusmessage", TK_FLAT_STATUS_MESSAGE},
    {"statusdescription", TK_FLAT_STATUS_MESSAGE},
    {"otelstatusdescription", TK_FLAT_STATUS_MESSAGE},
    {"error", TK_FLAT_ERROR},
    {"attributes", TK_FLAT_ATTRIBUTES},
    {"spanattributes", TK_FLAT_ATTRIBUTES},
    {"tags", TK_FLAT_ATTRIBUTES},
    {"events", TK_FLAT_EVENTS},
    {"links", TK_FLAT_LINKS},
    {"droppedattributescount", TK_FLAT_DROPPED_ATTRIBUTES},
    {"droppedattributecount", TK_FLAT_DROPPED_ATTRIBUTES},
    {"droppedattributes", TK_FLAT_DROPPED_ATTRIBUTES},
    {"droppedevents", TK_FLAT_DROPPED_EVENTS},
    {"droppedlinks", TK_FLAT_DROPPED_LINKS},
    {"droppedeventscount", TK_FLAT_DROPPED_EVENTS},
    {"droppedlinkscount", TK_FLAT_DROPPED_LINKS},
    {"resource", TK_FLAT_RESOURCE},
    {"resourceattributes", TK_FLAT_RESOURCE},
    {"resourceschemaurl", TK_FLAT_RESOURCE_SCHEMA},
    {"resourcedroppedattributescount", TK_FLAT_RESOURCE_DROPPED},
    {"resourceresidual", TK_FLAT_RESOURCE_RESIDUAL},
    {"resourceouterresidual", TK_FLAT_RESOURCE_OUTER},
    {"scope", TK_FLAT_SCOPE},
    {"instrumentationscope", TK_FLAT_SCOPE},
    {"instrumentationlibrary", TK_FLAT_SCOPE},
    {"scopename", TK_FLAT_SCOPE},
    {"otelscopename", TK_FLAT_SCOPE},
    {"scopeversion", TK_FLAT_SCOPE_VERSION},
    {"otelscopeversion", TK_FLAT_SCOPE_VERSION},
    {"version", TK_FLAT_SCOPE_VERSION},
    {"schemaurl", TK_FLAT_SCHEMA_URL},
    {"residual", TK_FLAT_RESIDUAL},
    {"outerresidual", TK_FLAT_OUTER_RESIDUAL},
    {"madeupids", TK_FLAT_MADE_UP},
};

/* Names of times, which a unit may follow. */
static const struct {
  const char *name;
  enum tk_flat_field field;
} time_names[] = {
    {"starttimestamp", TK_FLAT_START}, {"starttime", TK_FLAT_START},
    {"startedat", TK_FLAT_START},      {"start", TK_FLAT_START},
    {"timestamp", TK_FLAT_START},      {"time", TK_FLAT_START},
    {"endtimestamp", TK_FLAT_END},     {"endtime", TK_FLAT_END},
    {"endedat", TK_FLAT_END},          {"end", TK_FLAT_END},
    {"duration", TK_FLAT_DURATION},    {"elapsed", TK_FLAT_DURATION},
};

/* Lower case, without punctuation; false: too long to be a known name. */
bool tk_flat_fold_name(struct tk_text name, char folded[TK_FLAT_NAME_LIMIT]) {
  size_t size = 0;
  for (uint32_t i = 0; i < name.size; i++) {
    const char c = name.data[i];
    if (c == '_' || c == '.' || c == '-' || c == '@') continue;
    if (size + 1 >= TK_FLAT_NAME_LIMIT) return false;
    folded[size++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  folded[size] = '\0';
  return size > 0;
}

enum tk_flat_field tk_flat_find_field(struct tk_text name, int *unit) {
  char folded[TK_FLAT_NAME_LIMIT];
  *unit = TK_UNIT_GUESS;
  if (!tk_flat_fold_name(name, folded)) return TK_FLAT_UNKNOWN;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(names[i].name, folded) == 0) return names[i].field;
  }
  for (size_t i = 0; i < sizeof time_names / sizeof time_names[0]; i++) {
    const size_t size = strlen(time_names[i].name);
    if (strncmp(time_names[i].name, folded, size) != 0) continue;
    if (tk_flat_unit(folded + size, unit)) return time_names[i].field;
  }
  return TK_FLAT_UNKNOWN;
}
