/* Conditions on a span or an event of a span: a tree, and its value for one of them.
 *
 * Policies are written in several languages (OTTL, Refinery's rules, rules of SDK samplers); those
 * that look at single spans become such a tree. Values are OTLP's, with two types more. How a field
 * is read is the caller's business. */
#ifndef TK_SQLEXT_SAMPLING_POLICY_EXPRESSION_H
#define TK_SQLEXT_SAMPLING_POLICY_EXPRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/sampling/policy_regex.h"
#include "tracekeep/arena.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

/** Types of a tk_value that exist only here; both nanoseconds in as.integer. EMPTY is nil. */
enum tk_expression_type { TK_VALUE_TIME = 100, TK_VALUE_DURATION = 101 };

enum tk_field {
  TK_FIELD_NAME,
  TK_FIELD_KIND,
  TK_FIELD_STATUS_CODE,
  TK_FIELD_STATUS_MESSAGE,
  TK_FIELD_START,     /**< INT, as unix nanoseconds */
  TK_FIELD_END,       /**< likewise */
  TK_FIELD_DURATION,  /**< INT, nanoseconds */
  TK_FIELD_TRACE_ID,  /**< BYTES, 16 */
  TK_FIELD_SPAN_ID,   /**< BYTES, 8 */
  TK_FIELD_PARENT_ID, /**< BYTES, 8; zero bytes at a root */
  TK_FIELD_TRACE_STATE,
  TK_FIELD_FLAGS,
  TK_FIELD_DROPPED_ATTRIBUTES,
  TK_FIELD_DROPPED_EVENTS,
  TK_FIELD_DROPPED_LINKS,
  TK_FIELD_ATTRIBUTE,          /**< key: of the span */
  TK_FIELD_RESOURCE_ATTRIBUTE, /**< key */
  TK_FIELD_SCOPE_ATTRIBUTE,    /**< key */
  TK_FIELD_SCOPE_NAME,
  TK_FIELD_SCOPE_VERSION,
  TK_FIELD_EVENT_NAME,
  TK_FIELD_EVENT_TIME,
  TK_FIELD_EVENT_INDEX,
  TK_FIELD_EVENT_DROPPED_ATTRIBUTES,
  TK_FIELD_EVENT_ATTRIBUTE, /**< key */
  TK_FIELD_COUNT
};

enum tk_node {
  TK_NODE_LITERAL,
  TK_NODE_FIELD,
  TK_NODE_INDEX, /**< children: a list or map, and a literal */
  TK_NODE_AND,
  TK_NODE_OR,
  TK_NODE_NOT,
  TK_NODE_COMPARE,
  TK_NODE_ARITHMETIC,
  TK_NODE_CALL,
  TK_NODE_REFINERY /**< one condition of a rule; children: the fields, in order */
};

enum tk_comparison { TK_EQ, TK_NE, TK_LT, TK_LE, TK_GT, TK_GE };

struct tk_expression {
  enum tk_node node;
  int op;            /**< enum tk_comparison; the operator's character; number of the function */
  bool is_condition; /**< true or false, or an error; nothing else */
  enum tk_field field;
  uint32_t slot;      /**< FIELD with a key: number among all keyed fields of the program */
  struct tk_text key; /**< of the field */
  struct tk_value literal;
  struct tk_regex *regex;
  const struct tk_expression *const *children;
  uint32_t child_count;
  const void *condition; /**< REFINERY */
};

/** What an expression is made in: memory, regular expressions to free, and numbers for its fields.
 * Zero-initialise; several expressions may share one. */
struct tk_expression_pool {
  struct tk_arena arena;
  struct tk_regex **regexes;
  uint32_t regex_count, regex_capacity;
  struct tk_keyed_field {
    enum tk_field field;
    struct tk_text key;
  } * fields; /**< by slot */
  uint32_t field_count, field_capacity;
};
void tk_expression_pool_reset(struct tk_expression_pool *pool);

/** NULL: out of memory. */
struct tk_expression *tk_expression_new(struct tk_expression_pool *pool, enum tk_node node);
/** A field, with a slot if it has a key, which is copied. */
struct tk_expression *tk_expression_field(struct tk_expression_pool *pool, enum tk_field field,
                                          struct tk_text key);
enum tk_status tk_expression_regex(struct tk_expression_pool *pool, struct tk_text pattern,
                                   struct tk_regex **regex_out, struct tk_error *error);

/** The functions of OTTL that are known here. */
enum tk_function {
  TK_CALL_IS_MATCH,
  TK_CALL_IS_STRING,
  TK_CALL_IS_INT,
  TK_CALL_IS_DOUBLE,
  TK_CALL_IS_BOOL,
  TK_CALL_IS_MAP,
  TK_CALL_IS_LIST,
  TK_CALL_IS_ROOT_SPAN,
  TK_CALL_HAS_PREFIX,
  TK_CALL_HAS_SUFFIX,
  TK_CALL_LEN,
  TK_CALL_LOWER,
  TK_CALL_UPPER,
  TK_CALL_INT,
  TK_CALL_DOUBLE,
  TK_CALL_STRING,
  TK_CALL_HEX,
  TK_CALL_TO_TIME,
  TK_CALL_KIND_NAME,
  TK_CALL_KIND_OLD_NAME,
  TK_CALL_TRACE_STATE_MEMBER,
  TK_CALL_NANOSECONDS,
  TK_CALL_MICROSECONDS,
  TK_CALL_MILLISECONDS,
  TK_CALL_SECONDS,
  TK_CALL_MINUTES,
  TK_CALL_HOURS,
  /* Of Refinery. */
  TK_CALL_ERROR_FLAG,  /**< of a status code: true, or nil */
  TK_CALL_PARENT_TEXT, /**< of a parent id: hexadecimal, or nil */
  /* Of SDK and X-Ray rules. */
  TK_CALL_WILDCARD,     /**< text, pattern of `*` and `?`: the whole text */
  TK_CALL_WILDCARD_CASE /**< the same, whatever the case of letters */
};

enum tk_truth { TK_FALSE, TK_TRUE, TK_ERROR };

/** One span (or event) that is asked about. */
struct tk_expression_row {
  /** Value of a field; EMPTY where there is none. Texts live until the row is done with. */
  enum tk_status (*read)(struct tk_expression_row *row, const struct tk_expression *field,
                         struct tk_value *value_out, struct tk_error *error);
  struct tk_arena *arena; /**< for texts that are made; the caller resets it now and then */
};

/** TK_ERROR in *truth_out is OTTL's: a value of a type that an operation does not take. A status
 * other than TK_OK is ours. */
enum tk_status tk_expression_test(const struct tk_expression *expression,
                                  struct tk_expression_row *row, enum tk_truth *truth_out,
                                  struct tk_error *error);

/** How two values compare, as OTTL does it: `false` but for != where they cannot be compared. */
bool tk_values_compare(const struct tk_value *a, const struct tk_value *b, enum tk_comparison op);

#endif
