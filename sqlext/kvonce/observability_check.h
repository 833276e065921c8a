/* The checks of one observability event: its form, and two invariants of its state. */
#ifndef TK_SQLEXT_KVONCE_OBSERVABILITY_CHECK_H
#define TK_SQLEXT_KVONCE_OBSERVABILITY_CHECK_H

#include "sqlext/kvonce/event_reader.h"

struct tk_observability_issue {
  const char *kind; /**< `schema`, `invariant` */
  const char *type; /**< `schema`, or which invariant */
  const char *path; /**< JSON pointer; NULL: none */
  char message[64];
  char actual[112]; /**< JSON; empty: none */
};

/** More than one event can have. */
#define TK_OBSERVABILITY_ISSUES_MAX 32

uint32_t tk_observability_check(const struct tk_run_event *event, double onhand_min,
                                struct tk_observability_issue issues[TK_OBSERVABILITY_ISSUES_MAX]);

#endif
