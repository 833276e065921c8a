/** @file flat_names.h  Names of the fields of flat spans. */
#ifndef TK_CLI_INPUT_FLAT_NAMES_H
#define TK_CLI_INPUT_FLAT_NAMES_H

#include <stdbool.h>

#include "tracekeep/span.h"

enum { TK_FLAT_NAME_LIMIT = 40 };

enum tk_flat_field {
  TK_FLAT_UNKNOWN,
  TK_FLAT_TRACE_ID,
  TK_FLAT_SPAN_ID,
  TK_FLAT_PARENT,
  TK_FLAT_CONTEXT,
  TK_FLAT_TRACE_STATE,
  TK_FLAT_FLAGS,
  TK_FLAT_NAME,
  TK_FLAT_SERVICE,
  TK_FLAT_KIND,
  TK_FLAT_START,
  TK_FLAT_END,
  TK_FLAT_DURATION,
  TK_FLAT_STATUS,
  TK_FLAT_STATUS_MESSAGE,
  TK_FLAT_ERROR,
  TK_FLAT_ATTRIBUTES,
  TK_FLAT_EVENTS,
  TK_FLAT_LINKS,
  TK_FLAT_DROPPED_ATTRIBUTES,
  TK_FLAT_DROPPED_EVENTS,
  TK_FLAT_DROPPED_LINKS,
  TK_FLAT_RESOURCE,
  TK_FLAT_RESOURCE_SCHEMA,
  TK_FLAT_RESOURCE_DROPPED,
  TK_FLAT_RESOURCE_RESIDUAL,
  TK_FLAT_RESOURCE_OUTER,
  TK_FLAT_SCOPE,
  TK_FLAT_SCOPE_VERSION,
  TK_FLAT_SCHEMA_URL,
  TK_FLAT_RESIDUAL,
  TK_FLAT_OUTER_RESIDUAL,
  TK_FLAT_MADE_UP
};

/** The name in lower case, without '_', '.', '-' and '@'; false: too long to be a known one. */
bool tk_flat_fold_name(struct tk_text name, char folded[TK_FLAT_NAME_LIMIT]);
/** *unit is what a time's name ends in: see flat_time.h. */
enum tk_flat_field tk_flat_find_field(struct tk_text name, int *unit);

#endif
