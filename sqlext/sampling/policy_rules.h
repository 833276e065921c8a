/* Rules of SDK samplers and of X-Ray, as expressions that are asked of the root. */
#ifndef TK_SQLEXT_SAMPLING_POLICY_RULES_H
#define TK_SQLEXT_SAMPLING_POLICY_RULES_H

#include "sqlext/sampling/policy_expression.h"
#include "tracekeep/sampling_config.h"

/** Both: NULL when out of memory. The rule must outlive the expression. */
const struct tk_expression *tk_rule_expression(struct tk_expression_pool *pool,
                                               const struct tk_sampling_rule *rule);
/** ServiceType and ResourceARN are not looked at. */
const struct tk_expression *tk_xray_expression(struct tk_expression_pool *pool,
                                               const struct tk_sampling_policy *policy);

/** A TK_NODE_AND or TK_NODE_OR of `count` conditions, which the caller puts into *children. NULL:
 * out of memory. */
struct tk_expression *tk_expression_list(struct tk_expression_pool *pool, enum tk_node node,
                                         uint32_t count, const struct tk_expression ***children);

#endif
