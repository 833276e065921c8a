/* OTTL conditions of the collector's `ottl_condition` policy: a subset.
 *
 *   condition  or, and, not, parentheses; == != < <= > >=; converters that are true or false
 *   values     texts, integers, reals, true, false, nil, enums (SPAN_KIND_SERVER,
 * STATUS_CODE_ERROR);
 *              + - * /; paths; converters
 *   paths      see docs/sampling.md
 * The rest of the language is refused by name, with the character where it stands. */
#ifndef TK_SQLEXT_SAMPLING_POLICY_OTTL_H
#define TK_SQLEXT_SAMPLING_POLICY_OTTL_H

#include "sqlext/sampling/policy_expression.h"

enum tk_ottl_context { TK_OTTL_SPAN, TK_OTTL_SPAN_EVENT };

/** TK_INVALID: "character N: expected ..., found ..."; TK_UNSUPPORTED: what is not in the subset.
 */
enum tk_status tk_ottl_parse(struct tk_text text, enum tk_ottl_context context,
                             struct tk_expression_pool *pool,
                             const struct tk_expression **expression_out, struct tk_error *error);

#endif
