/* Conditions of Refinery's rules, as expressions. */
#ifndef TK_SQLEXT_SAMPLING_POLICY_REFINERY_H
#define TK_SQLEXT_SAMPLING_POLICY_REFINERY_H

#include "sqlext/sampling/policy_expression.h"
#include "tracekeep/sampling_config.h"

/** `root_only`: the fields all begin with `root.`, so it is asked of the root span and no other.
 * TK_UNSUPPORTED: computed fields, and rules that ask root and other spans in one condition. */
enum tk_status tk_refinery_compile(const struct tk_refinery_condition *condition,
                                   struct tk_expression_pool *pool,
                                   const struct tk_expression **expression_out, bool *root_only,
                                   struct tk_error *error);

/** Whether the condition of a TK_NODE_REFINERY holds of a value; EMPTY: no field has one. */
enum tk_status tk_refinery_matches(const struct tk_expression *expression,
                                   const struct tk_value *value, struct tk_arena *arena,
                                   bool *matches_out, struct tk_error *error);

#endif
