/* SPDX-License-Identifier: MIT
 * Conditions of Refinery's rules. See policy_refinery.h. Their fields are those of Honeycomb events
 * as Refinery makes them of OTLP: attributes of the span, of its scope, of its resource under their
 * own keys, in this order, and a few made-up ones. */
#include "sqlext/sampling/policy_refinery.h"

#include <stdio.h>
#include <string.h>

#include "store/sqlite_api.h"
#include "tracekeep/json.h"

enum { CHILD_LIMIT = 48 };

struct compiling {
  struct tk_expression_pool *pool;
  struct tk_expression *children[CHILD_LIMIT];
  uint32_t child_count;
  bool out_of_memory;
};

/* ---- fields ---- */

static void add_child(struct compiling *compiling, struct tk_expression *child) {
  if (!child) {
    compiling->out_of_memory = true;
  } else if (compiling->child_count < CHILD_LIMIT) {
    compiling->children[compiling->child_count++] = child;
  }
}

static struct tk_expression *plain(struct compiling *compiling, enum tk_field field) {
  return tk_expression_field(compiling->pool, field, (struct tk_text){"", 0});
}

static struct tk_expression *call(struct compiling *compiling, enum tk_function function,
                                  struct tk_expression *argument) {
  struct tk_expression *made = tk_expression_new(compiling->pool, TK_NODE_CALL);
  const struct tk_expression **children =
      tk_arena_alloc(&compiling->pool->arena, sizeof(const struct tk_expression *));
  if (!made || !children || !argument) return NULL;
  children[0] = argument;
  made->children = children;
  made->child_count = 1;
  made->op = (int)function;
  return made;
}

/* Milliseconds, with their fraction. */
static struct tk_expression *duration_ms(struct compiling *compiling) {
  struct tk_expression *made = tk_expression_new(compiling->pool, TK_NODE_ARITHMETIC);
  struct tk_expression *million = tk_expression_new(compiling->pool, TK_NODE_LITERAL);
  const struct tk_expression **children =
      tk_arena_alloc(&compiling->pool->arena, 2 * sizeof(const struct tk_expression *));
  struct tk_expression *duration = plain(compiling, TK_FIELD_DURATION);
  if (!made || !million || !children || !duration) return NULL;
  million->literal = (struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = 1e6};
  children[0] = duration;
  children[1] = million;
  made->children = children;
  made->child_count = 2;
  made->op = '/';
  return made;
}

static bool is(struct tk_text text, const char *name) {
  return text.size == strlen(name) && memcmp(text.data, name, text.size) == 0;
}

static void add_field(struct compiling *compiling, struct tk_text name) {
  struct compiling *c = compiling;
  add_child(c, tk_expression_field(c->pool, TK_FIELD_ATTRIBUTE, name));
  add_child(c, tk_expression_field(c->pool, TK_FIELD_SCOPE_ATTRIBUTE, name));
  add_child(c, tk_expression_field(c->pool, TK_FIELD_RESOURCE_ATTRIBUTE, name));
  if (is(name, "name")) add_child(c, plain(c, TK_FIELD_NAME));
  if (is(name, "duration_ms")) add_child(c, duration_ms(c));
  if (is(name, "status_code")) add_child(c, plain(c, TK_FIELD_STATUS_CODE));
  if (is(name, "status_message")) add_child(c, plain(c, TK_FIELD_STATUS_MESSAGE));
  if (is(name, "error")) {
    add_child(c, call(c, TK_CALL_ERROR_FLAG, plain(c, TK_FIELD_STATUS_CODE)));
  }
  if (is(name, "span.kind") || is(name, "type")) {
    add_child(c, call(c, TK_CALL_LOWER, call(c, TK_CALL_KIND_NAME, plain(c, TK_FIELD_KIND))));
  }
  if (is(name, "trace.trace_id")) add_child(c, call(c, TK_CALL_HEX, plain(c, TK_FIELD_TRACE_ID)));
  if (is(name, "trace.span_id")) add_child(c, call(c, TK_CALL_HEX, plain(c, TK_FIELD_SPAN_ID)));
  if (is(name, "trace.parent_id")) {
    add_child(c, call(c, TK_CALL_PARENT_TEXT, plain(c, TK_FIELD_PARENT_ID)));
  }
  if (is(name, "library.name")) add_child(c, plain(c, TK_FIELD_SCOPE_NAME));
  if (is(name, "library.version")) add_child(c, plain(c, TK_FIELD_SCOPE_VERSION));
}

static enum tk_status add_fields(struct compiling *compiling,
                                 const struct tk_refinery_condition *condition, bool *root_only,
                                 struct tk_error *error) {
  uint32_t of_root = 0;
  for (uint32_t i = 0; i < condition->fields.count; i++) {
    struct tk_text name = condition->fields.items[i];
    if (name.size >= 2 && memcmp(name.data, "?.", 2) == 0) {
      return tk_fail(error, TK_UNSUPPORTED, "the computed field %.*s is not supported",
                     (int)name.size, name.data);
    }
    if (name.size > 5 && memcmp(name.data, "root.", 5) == 0) {
      of_root++;
      name = (struct tk_text){name.data + 5, name.size - 5};
    }
    add_field(compiling, name);
  }
  *root_only = of_root > 0;
  if (of_root > 0 && of_root < condition->fields.count) {
    return tk_fail(error, TK_UNSUPPORTED,
                   "a condition on fields of the root and of other spans is not supported");
  }
  if (compiling->out_of_memory) return tk_nomem(error);
  if (compiling->child_count == CHILD_LIMIT) {
    return tk_fail(error, TK_UNSUPPORTED, "a condition on so many fields is not supported");
  }
  return TK_OK;
}

enum tk_status tk_refinery_compile(const struct tk_refinery_condition *condition,
                                   struct tk_expression_pool *pool,
                                   const struct tk_expression **expression_out, bool *root_only,
                                   struct tk_error *error) {
  struct compiling compiling = {.pool = pool};
  enum tk_status status = add_fields(&compiling, condition, root_only, error);
  if (status != TK_OK) return status;
  struct tk_expression *made = tk_expression_new(pool, TK_NODE_REFINERY);
  const struct tk_expression **children =
      tk_arena_alloc(&pool->arena, compiling.child_count * sizeof(void *) + 1);
  if (!made || !children) return tk_nomem(error);
  for (uint32_t i = 0; i < compiling.child_count; i++) children[i] = compiling.children[i];
  made->children = children;
  made->child_count = compiling.child_count;
  made->condition = condition;
  made->is_condition = true;
  if (condition->op == TK_REFINERY_MATCHES) {
    const struct tk_value *pattern = condition->values;
    if (condition->value_count == 0 || pattern->type != TK_VALUE_STRING) {
      return tk_fail(error, TK_INVALID, "expected a regular expression as Value of matches");
    }
    status = tk_expression_regex(pool, (struct tk_text){pattern->as.text, pattern->size},
                                 &made->regex, error);
  }
  *expression_out = made;
  return status;
}

/* ---- values ---- */

static bool text_of(const struct tk_value *value, char buffer[40], struct tk_text *text) {
  int size;
  switch (value->type) {
    case TK_VALUE_STRING:
      *text = (struct tk_text){value->as.text, value->size};
      return true;
    case TK_VALUE_BOOL:
      *text = value->as.integer ? (struct tk_text){"true", 4} : (struct tk_text){"false", 5};
      return true;
    case TK_VALUE_INT:
      size = snprintf(buffer, 40, "%lld", (long long)value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      size = snprintf(buffer, 40, "%.15g", value->as.real);
      break;
    default:
      return false;
  }
  *text = (struct tk_text){buffer, (uint32_t)size};
  return true;
}

static bool real_of(const struct tk_value *value, double *real) {
  switch (value->type) {
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
      *real = (double)value->as.integer;
      return true;
    case TK_VALUE_DOUBLE:
      *real = value->as.real;
      return true;
    case TK_VALUE_STRING:
      return tk_parse_double(value->as.text, value->size, real) == TK_NUMBER_OK;
    default:
      return false;
  }
}

static bool integer_of(const struct tk_value *value, int64_t *integer) {
  switch (value->type) {
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
      *integer = value->as.integer;
      return true;
    case TK_VALUE_DOUBLE:
      if (!(value->as.real > -0x1p63 && value->as.real < 0x1p63)) return false;
      *integer = (int64_t)value->as.real;
      return true;
    case TK_VALUE_STRING:
      return tk_parse_int64(value->as.text, value->size, integer) == TK_NUMBER_OK;
    default:
      return false;
  }
}

static bool bool_of(const struct tk_value *value, int64_t *truth) {
  struct tk_text text;
  char buffer[40];
  if (value->type == TK_VALUE_BOOL) {
    *truth = value->as.integer;
    return true;
  }
  if (!text_of(value, buffer, &text)) return false;
  *truth = is(text, "true") || is(text, "1") || is(text, "t") || is(text, "T") || is(text, "TRUE");
  return true;
}

/* Both as the type of the condition; false: one of them cannot be. */
static bool convert(enum tk_refinery_datatype datatype, const struct tk_value *from,
                    char buffer[40], struct tk_value *to) {
  struct tk_text text;
  switch (datatype) {
    case TK_REFINERY_STRING:
      if (!text_of(from, buffer, &text)) return false;
      *to = (struct tk_value){.type = TK_VALUE_STRING, .size = text.size, .as.text = text.data};
      return true;
    case TK_REFINERY_INT:
      to->type = TK_VALUE_INT;
      return integer_of(from, &to->as.integer);
    case TK_REFINERY_FLOAT:
      to->type = TK_VALUE_DOUBLE;
      return real_of(from, &to->as.real);
    case TK_REFINERY_BOOL:
      to->type = TK_VALUE_BOOL;
      return bool_of(from, &to->as.integer);
    case TK_REFINERY_BY_FIELD:
    default:
      *to = *from;
      return true;
  }
}

static bool comparable(const struct tk_value *a, const struct tk_value *b) {
  const bool numbers = (a->type == TK_VALUE_INT || a->type == TK_VALUE_DOUBLE) &&
                       (b->type == TK_VALUE_INT || b->type == TK_VALUE_DOUBLE);
  return numbers ||
         (a->type == b->type && (a->type == TK_VALUE_STRING || a->type == TK_VALUE_BOOL));
}

static bool compare(const struct tk_refinery_condition *condition, const struct tk_value *value,
                    const struct tk_value *wanted, enum tk_comparison op) {
  char buffer_a[40], buffer_b[40];
  struct tk_value a = {0}, b = {0};
  if (!convert(condition->datatype, value, buffer_a, &a) ||
      !convert(condition->datatype, wanted, buffer_b, &b)) {
    return false;
  }
  return comparable(&a, &b) && tk_values_compare(&a, &b, op);
}

static bool contains(struct tk_text text, struct tk_text part) {
  return part.size == 0 ||
         (text.size >= part.size && memmem(text.data, text.size, part.data, part.size) != NULL);
}

static bool is_among(const struct tk_refinery_condition *condition, const struct tk_value *value) {
  for (uint32_t i = 0; i < condition->value_count; i++) {
    if (compare(condition, value, &condition->values[i], TK_EQ)) return true;
  }
  return false;
}

enum tk_status tk_refinery_matches(const struct tk_expression *expression,
                                   const struct tk_value *value, struct tk_arena *arena,
                                   bool *matches_out, struct tk_error *error) {
  static const enum tk_comparison comparisons[] = {
      [TK_REFINERY_EQUAL] = TK_EQ,   [TK_REFINERY_NOT_EQUAL] = TK_NE,
      [TK_REFINERY_GREATER] = TK_GT, [TK_REFINERY_GREATER_OR_EQUAL] = TK_GE,
      [TK_REFINERY_LESS] = TK_LT,    [TK_REFINERY_LESS_OR_EQUAL] = TK_LE};
  const struct tk_refinery_condition *condition = expression->condition;
  const struct tk_value none = {.type = TK_VALUE_EMPTY};
  const struct tk_value *wanted = condition->value_count > 0 ? condition->values : &none;
  const bool exists = value->type != TK_VALUE_EMPTY;
  char buffer[40], wanted_buffer[40];
  struct tk_text text = {"", 0}, part = {"", 0};

  (void)arena;
  *matches_out = false;
  if (condition->op == TK_REFINERY_NOT_EXISTS) *matches_out = !exists;
  if (condition->op == TK_REFINERY_EXISTS) *matches_out = exists;
  if (!exists) return TK_OK;
  const bool has_texts = text_of(value, buffer, &text) && text_of(wanted, wanted_buffer, &part);
  switch (condition->op) {
    case TK_REFINERY_EQUAL:
    case TK_REFINERY_NOT_EQUAL:
    case TK_REFINERY_GREATER:
    case TK_REFINERY_GREATER_OR_EQUAL:
    case TK_REFINERY_LESS:
    case TK_REFINERY_LESS_OR_EQUAL:
      *matches_out = compare(condition, value, wanted, comparisons[condition->op]);
      break;
    case TK_REFINERY_STARTS_WITH:
      *matches_out = has_texts && text.size >= part.size &&
                     (part.size == 0 || memcmp(text.data, part.data, part.size) == 0);
      break;
    case TK_REFINERY_CONTAINS:
      *matches_out = has_texts && contains(text, part);
      break;
    case TK_REFINERY_DOES_NOT_CONTAIN:
      *matches_out = has_texts && !contains(text, part);
      break;
    case TK_REFINERY_MATCHES:
      return has_texts ? tk_regex_match(expression->regex, text, matches_out, error) : TK_OK;
    case TK_REFINERY_IN:
      *matches_out = is_among(condition, value);
      break;
    case TK_REFINERY_NOT_IN:
      *matches_out = !is_among(condition, value);
      break;
    case TK_REFINERY_EXISTS:
    case TK_REFINERY_NOT_EXISTS:
    case TK_REFINERY_HAS_ROOT_SPAN:
    default:
      break;
  }
  return TK_OK;
}
