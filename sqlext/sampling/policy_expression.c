/* SPDX-License-Identifier: MIT
 * Values of expressions. See policy_expression.h. Comparison and conversion follow the collector's
 * pkg/ottl: what cannot be compared is unequal, and what cannot be converted is nil or an error. */
#include "sqlext/sampling/policy_expression.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/policy_refinery.h"
#include "sqlext/vtab_support.h"
#include "store/sqlite_api.h"
#include "tracekeep/json.h"

/* ---- making ---- */

void tk_expression_pool_reset(struct tk_expression_pool *pool) {
  for (uint32_t i = 0; i < pool->regex_count; i++) tk_regex_free(pool->regexes[i]);
  sqlite3_free(pool->regexes);
  sqlite3_free(pool->fields);
  tk_arena_reset(&pool->arena);
  *pool = (struct tk_expression_pool){0};
}

struct tk_expression *tk_expression_new(struct tk_expression_pool *pool, enum tk_node node) {
  struct tk_expression *made = tk_arena_alloc(&pool->arena, sizeof *made);
  if (made) *made = (struct tk_expression){.node = node};
  return made;
}

static bool copy_text(struct tk_expression_pool *pool, struct tk_text text, struct tk_text *copy) {
  char *data = tk_arena_alloc_bytes(&pool->arena, (size_t)text.size + 1);
  if (!data) return false;
  if (text.size > 0) memcpy(data, text.data, text.size);
  data[text.size] = 0;
  *copy = (struct tk_text){data, text.size};
  return true;
}

static bool is_keyed(enum tk_field field) {
  return field == TK_FIELD_ATTRIBUTE || field == TK_FIELD_RESOURCE_ATTRIBUTE ||
         field == TK_FIELD_SCOPE_ATTRIBUTE || field == TK_FIELD_EVENT_ATTRIBUTE;
}

static bool find_slot(struct tk_expression_pool *pool, enum tk_field field, struct tk_text key,
                      uint32_t *slot) {
  for (uint32_t i = 0; i < pool->field_count; i++) {
    const struct tk_keyed_field *known = &pool->fields[i];
    if (known->field == field && known->key.size == key.size &&
        (key.size == 0 || memcmp(known->key.data, key.data, key.size) == 0)) {
      *slot = i;
      return true;
    }
  }
  if (pool->field_count == pool->field_capacity) {
    const uint32_t capacity = pool->field_capacity ? pool->field_capacity * 2 : 16;
    void *larger = sqlite3_realloc64(pool->fields, (uint64_t)capacity * sizeof *pool->fields);
    if (!larger) return false;
    pool->fields = larger;
    pool->field_capacity = capacity;
  }
  *slot = pool->field_count;
  pool->fields[pool->field_count++] = (struct tk_keyed_field){field, key};
  return true;
}

struct tk_expression *tk_expression_field(struct tk_expression_pool *pool, enum tk_field field,
                                          struct tk_text key) {
  struct tk_expression *made = tk_expression_new(pool, TK_NODE_FIELD);
  if (!made) return NULL;
  made->field = field;
  if (!is_keyed(field)) return made;
  if (!copy_text(pool, key, &made->key)) return NULL;
  return find_slot(pool, field, made->key, &made->slot) ? made : NULL;
}

enum tk_status tk_expression_regex(struct tk_expression_pool *pool, struct tk_text pattern,
                                   struct tk_regex **regex_out, struct tk_error *error) {
  enum tk_status status = tk_regex_compile(pattern, regex_out, error);
  if (status != TK_OK) return status;
  if (pool->regex_count == pool->regex_capacity) {
    const uint32_t capacity = pool->regex_capacity ? pool->regex_capacity * 2 : 8;
    void *larger = sqlite3_realloc64(pool->regexes, (uint64_t)capacity * sizeof *pool->regexes);
    if (!larger) {
      tk_regex_free(*regex_out);
      *regex_out = NULL;
      return tk_nomem(error);
    }
    pool->regexes = larger;
    pool->regex_capacity = capacity;
  }
  pool->regexes[pool->regex_count++] = *regex_out;
  return TK_OK;
}

/* ---- comparing ---- */

static bool holds(int order, enum tk_comparison op) {
  switch (op) {
    case TK_EQ:
      return order == 0;
    case TK_NE:
      return order != 0;
    case TK_LT:
      return order < 0;
    case TK_LE:
      return order <= 0;
    case TK_GT:
      return order > 0;
    case TK_GE:
      return order >= 0;
    default:
      return false;
  }
}

static int compare_bytes(const struct tk_value *a, const struct tk_value *b) {
  const uint32_t size = a->size < b->size ? a->size : b->size;
  const int order = size > 0 ? memcmp(a->as.text, b->as.text, size) : 0;
  return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static bool is_number(const struct tk_value *value) {
  return value->type == TK_VALUE_INT || value->type == TK_VALUE_DOUBLE;
}

static double number_of(const struct tk_value *value) {
  return value->type == TK_VALUE_INT ? (double)value->as.integer : value->as.real;
}

static bool compare_reals(double a, double b, enum tk_comparison op) {
  if (a != a || b != b) return op == TK_NE;
  return holds((a > b) - (a < b), op);
}

bool tk_values_compare(const struct tk_value *a, const struct tk_value *b, enum tk_comparison op) {
  if (a->type == TK_VALUE_EMPTY && b->type == TK_VALUE_EMPTY) return holds(0, op);
  if (is_number(a) && is_number(b) && a->type != b->type) {
    return compare_reals(number_of(a), number_of(b), op);
  }
  if (a->type != b->type) return op == TK_NE;
  switch (a->type) {
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      return holds(compare_bytes(a, b), op);
    case TK_VALUE_DOUBLE:
      return compare_reals(a->as.real, b->as.real, op);
    case TK_VALUE_INT:
    case TK_VALUE_BOOL:
    case TK_VALUE_TIME:
    case TK_VALUE_DURATION:
      return holds((a->as.integer > b->as.integer) - (a->as.integer < b->as.integer), op);
    default:
      return op == TK_NE;
  }
}

/* ---- values ---- */

/* Sticky: after a failure of ours `status` stays, after one of OTTL's `failed`. */
struct evaluation {
  struct tk_expression_row *row;
  struct tk_error *error;
  enum tk_status status;
  bool failed;
};

static const struct tk_value nil = {.type = TK_VALUE_EMPTY};

static struct tk_value evaluate(struct evaluation *run, const struct tk_expression *expression);
static bool test(struct evaluation *run, const struct tk_expression *expression);

static struct tk_value fail(struct evaluation *run) {
  run->failed = true;
  return nil;
}

static struct tk_value integer_value(int64_t integer) {
  return (struct tk_value){.type = TK_VALUE_INT, .as.integer = integer};
}

static struct tk_value real_value(double real) {
  return (struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = real};
}

static struct tk_value bool_value(bool truth) {
  return (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = truth};
}

static struct tk_value constant_text(const char *text) {
  return (struct tk_value){
      .type = TK_VALUE_STRING, .size = (uint32_t)strlen(text), .as.text = text};
}

/* Room for a text of `size` bytes; NULL: out of memory, and said so. */
static char *make_text(struct evaluation *run, size_t size) {
  char *text = tk_arena_alloc_bytes(run->row->arena, size + 1);
  if (!text) run->status = tk_nomem(run->error);
  return text;
}

static struct tk_value text_value(struct evaluation *run, const void *data, size_t size) {
  char *text = make_text(run, size);
  if (!text) return nil;
  if (size > 0) memcpy(text, data, size);
  return (struct tk_value){.type = TK_VALUE_STRING, .size = (uint32_t)size, .as.text = text};
}

static struct tk_value hex_value(struct evaluation *run, const struct tk_value *bytes) {
  char *text = make_text(run, 2 * (size_t)bytes->size);
  if (!text) return nil;
  tk_hex_text((const uint8_t *)bytes->as.text, bytes->size, text);
  return (struct tk_value){.type = TK_VALUE_STRING, .size = 2 * bytes->size, .as.text = text};
}

static struct tk_value json_value(struct evaluation *run, const struct tk_value *value) {
  struct tk_byte_writer json = {0};
  struct tk_value made = nil;
  tk_json_value(&json, value);
  if (json.failed) {
    run->status = tk_nomem(run->error);
  } else {
    made = text_value(run, json.data, json.size);
  }
  tk_byte_writer_reset(&json);
  return made;
}

/* The shortest decimal that reads back, without an exponent. */
static struct tk_value real_text(struct evaluation *run, double real) {
  char text[400];
  int size = 0;
  if (real != real) return constant_text("NaN");
  if (isinf(real)) return constant_text(real > 0 ? "+Inf" : "-Inf");
  for (int digits = 0; digits <= 40; digits++) {
    size = snprintf(text, sizeof text, "%.*f", digits, real);
    if (size < 0 || (size_t)size >= sizeof text) return constant_text("");
    if (strtod(text, NULL) == real) break;
  }
  return text_value(run, text, (size_t)size);
}

/* As a text, whatever it is; nil stays nil. */
static struct tk_value text_like(struct evaluation *run, const struct tk_value *value) {
  char number[24];
  switch (value->type) {
    case TK_VALUE_STRING:
    case TK_VALUE_EMPTY:
      return *value;
    case TK_VALUE_BOOL:
      return constant_text(value->as.integer ? "true" : "false");
    case TK_VALUE_INT: {
      const int size = snprintf(number, sizeof number, "%lld", (long long)value->as.integer);
      return text_value(run, number, (size_t)size);
    }
    case TK_VALUE_DOUBLE:
      return real_text(run, value->as.real);
    case TK_VALUE_BYTES:
      return hex_value(run, value);
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      return json_value(run, value);
    default:
      return fail(run);
  }
}

/* ---- members ---- */

static struct tk_value member_of(struct evaluation *run, const struct tk_value *from,
                                 const struct tk_value *index) {
  if (from->type == TK_VALUE_EMPTY) return nil;
  if (index->type == TK_VALUE_STRING) {
    if (from->type != TK_VALUE_KVLIST) return fail(run);
    for (uint32_t i = 0; i < from->size; i++) {
      const struct tk_attribute *member = &from->as.members[i];
      if (member->key.size == index->size &&
          (index->size == 0 || memcmp(member->key.data, index->as.text, index->size) == 0)) {
        return member->value;
      }
    }
    return nil;
  }
  if (from->type != TK_VALUE_ARRAY || index->type != TK_VALUE_INT) return fail(run);
  if (index->as.integer < 0 || index->as.integer >= (int64_t)from->size) return fail(run);
  return from->as.items[index->as.integer];
}

/* ---- arithmetic ---- */

static struct tk_value integers(struct evaluation *run, int op, int64_t a, int64_t b) {
  switch (op) {
    case '+':
      return integer_value((int64_t)((uint64_t)a + (uint64_t)b));
    case '-':
      return integer_value((int64_t)((uint64_t)a - (uint64_t)b));
    case '*':
      return integer_value((int64_t)((uint64_t)a * (uint64_t)b));
    default:
      if (b == 0) return fail(run);
      return integer_value(b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b);
  }
}

static struct tk_value reals(struct evaluation *run, int op, double a, double b) {
  switch (op) {
    case '+':
      return real_value(a + b);
    case '-':
      return real_value(a - b);
    case '*':
      return real_value(a * b);
    default:
      if (b == 0) return fail(run);
      return real_value(a / b);
  }
}

/* Times and durations: what comes out is a time, or a duration. */
static struct tk_value spans_of_time(struct evaluation *run, int op, const struct tk_value *a,
                                     const struct tk_value *b) {
  const bool plus = op == '+';
  uint32_t type = 0;
  if (a->type == TK_VALUE_TIME && b->type == TK_VALUE_TIME && op == '-') type = TK_VALUE_DURATION;
  if (a->type == TK_VALUE_TIME && b->type == TK_VALUE_DURATION) type = TK_VALUE_TIME;
  if (a->type == TK_VALUE_DURATION && b->type == TK_VALUE_TIME && plus) type = TK_VALUE_TIME;
  if (a->type == TK_VALUE_DURATION && b->type == TK_VALUE_DURATION) type = TK_VALUE_DURATION;
  if (type == 0 || (op != '+' && op != '-')) return fail(run);
  struct tk_value value = integers(run, op, a->as.integer, b->as.integer);
  value.type = type;
  return value;
}

static struct tk_value calculate(struct evaluation *run, const struct tk_expression *expression) {
  const struct tk_value a = evaluate(run, expression->children[0]);
  const struct tk_value b = evaluate(run, expression->children[1]);
  if (run->failed || run->status != TK_OK) return nil;
  if (a.type == TK_VALUE_INT && b.type == TK_VALUE_INT) {
    return integers(run, expression->op, a.as.integer, b.as.integer);
  }
  if (is_number(&a) && is_number(&b)) {
    return reals(run, expression->op, number_of(&a), number_of(&b));
  }
  return spans_of_time(run, expression->op, &a, &b);
}

/* ---- functions ---- */

static struct tk_value match(struct evaluation *run, const struct tk_expression *expression,
                             const struct tk_value *target) {
  const struct tk_value text = text_like(run, target);
  bool matches = false;
  if (run->failed || run->status != TK_OK || text.type != TK_VALUE_STRING) {
    return bool_value(false);
  }
  run->status = tk_regex_match(expression->regex, (struct tk_text){text.as.text, text.size},
                               &matches, run->error);
  return bool_value(matches);
}

static struct tk_value has_affix(struct evaluation *run, int function, const struct tk_value *text,
                                 const struct tk_value *affix) {
  if (text->type != TK_VALUE_STRING || affix->type != TK_VALUE_STRING) return fail(run);
  if (affix->size > text->size) return bool_value(false);
  const uint32_t offset = function == TK_CALL_HAS_PREFIX ? 0 : text->size - affix->size;
  return bool_value(affix->size == 0 ||
                    memcmp(text->as.text + offset, affix->as.text, affix->size) == 0);
}

static struct tk_value change_case(struct evaluation *run, const struct tk_value *text,
                                   bool lower) {
  if (text->type != TK_VALUE_STRING) return fail(run);
  char *made = make_text(run, text->size);
  if (!made) return nil;
  for (uint32_t i = 0; i < text->size; i++) {
    const char c = text->as.text[i];
    made[i] = lower && c >= 'A' && c <= 'Z'    ? (char)(c + 32)
              : !lower && c >= 'a' && c <= 'z' ? (char)(c - 32)
                                               : c;
  }
  return (struct tk_value){.type = TK_VALUE_STRING, .size = text->size, .as.text = made};
}

static struct tk_value to_integer(const struct tk_value *value) {
  int64_t integer;
  switch (value->type) {
    case TK_VALUE_INT:
    case TK_VALUE_BOOL:
      return integer_value(value->as.integer);
    case TK_VALUE_DOUBLE:
      if (!(value->as.real > -0x1p63 && value->as.real < 0x1p63)) return nil;
      return integer_value((int64_t)value->as.real);
    case TK_VALUE_STRING:
      if (tk_parse_int64(value->as.text, value->size, &integer) != TK_NUMBER_OK) return nil;
      return integer_value(integer);
    default:
      return nil;
  }
}

static struct tk_value to_real(const struct tk_value *value) {
  double real;
  switch (value->type) {
    case TK_VALUE_INT:
    case TK_VALUE_BOOL:
      return real_value((double)value->as.integer);
    case TK_VALUE_DOUBLE:
      return *value;
    case TK_VALUE_STRING:
      if (tk_parse_double(value->as.text, value->size, &real) != TK_NUMBER_OK) return nil;
      return real_value(real);
    default:
      return nil;
  }
}

static struct tk_value kind_name(struct evaluation *run, int function,
                                 const struct tk_value *kind) {
  static const char *const names[] = {"Unspecified", "Internal", "Server",
                                      "Client",      "Producer", "Consumer"};
  static const char *const old_names[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                          "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                          "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
  (void)run;
  const uint64_t number = (uint64_t)kind->as.integer;
  if (number > 5) return constant_text("");
  return constant_text(function == TK_CALL_KIND_NAME ? names[number] : old_names[number]);
}

/* A member of the span's tracestate, "" if there is none. */
static struct tk_value trace_state_member(struct evaluation *run, const struct tk_value *state,
                                          const struct tk_value *key) {
  if (state->type != TK_VALUE_STRING || state->size == 0) return constant_text("");
  const char *at = state->as.text, *end = at + state->size;
  while (at < end) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    const char *stop = comma ? comma : end;
    while (at < stop && (*at == ' ' || *at == '\t')) at++;
    const char *last = stop;
    while (last > at && (last[-1] == ' ' || last[-1] == '\t')) last--;
    if ((size_t)(last - at) > key->size && memcmp(at, key->as.text, key->size) == 0 &&
        at[key->size] == '=') {
      at += key->size + 1;
      return text_value(run, at, (size_t)(last - at));
    }
    at = comma ? comma + 1 : end;
  }
  return constant_text("");
}

static struct tk_value in_units(struct evaluation *run, int function,
                                const struct tk_value *duration) {
  if (duration->type != TK_VALUE_DURATION) return fail(run);
  const int64_t ns = duration->as.integer;
  switch (function) {
    case TK_CALL_NANOSECONDS:
      return integer_value(ns);
    case TK_CALL_MICROSECONDS:
      return integer_value(ns / 1000);
    case TK_CALL_MILLISECONDS:
      return integer_value(ns / 1000000);
    case TK_CALL_SECONDS:
      return real_value((double)ns / 1e9);
    case TK_CALL_MINUTES:
      return real_value((double)ns / 60e9);
    default:
      return real_value((double)ns / 3600e9);
  }
}

static struct tk_value length_of(struct evaluation *run, const struct tk_value *value) {
  switch (value->type) {
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      return integer_value(value->size);
    default:
      return fail(run);
  }
}

static struct tk_value is_zero(const struct tk_value *id) {
  uint8_t any = 0;
  for (uint32_t i = 0; i < id->size; i++) any |= (uint8_t)id->as.text[i];
  return bool_value(any == 0);
}

static char folded(char c, bool fold) {
  return fold && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Where the last star was, one more letter is taken for it: never worse than both sizes multiplied.
 */
static bool matches_wildcard(struct tk_text text, struct tk_text pattern, bool fold) {
  uint32_t t = 0, p = 0, star = UINT32_MAX, resume = 0;
  while (t < text.size) {
    if (p < pattern.size && pattern.data[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size && (pattern.data[p] == '?' ||
                                    folded(pattern.data[p], fold) == folded(text.data[t], fold))) {
      p++;
      t++;
    } else if (star != UINT32_MAX) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size && pattern.data[p] == '*') p++;
  return p == pattern.size;
}

static struct tk_value wildcard(struct evaluation *run, int function, const struct tk_value *target,
                                const struct tk_value *pattern) {
  const struct tk_value text = text_like(run, target);
  const struct tk_text wanted = {pattern->as.text, pattern->size};
  if (run->failed || run->status != TK_OK) return nil;
  if (text.type != TK_VALUE_STRING) { /* no value is the empty text */
    return bool_value(matches_wildcard((struct tk_text){"", 0}, wanted, false));
  }
  return bool_value(matches_wildcard((struct tk_text){text.as.text, text.size}, wanted,
                                     function == TK_CALL_WILDCARD_CASE));
}

static struct tk_value call(struct evaluation *run, const struct tk_expression *expression) {
  const int function = expression->op;
  struct tk_value a = nil, b = nil;
  if (expression->child_count > 0) a = evaluate(run, expression->children[0]);
  if (expression->child_count > 1) b = evaluate(run, expression->children[1]);
  if (run->failed || run->status != TK_OK) return nil;
  switch ((enum tk_function)function) {
    case TK_CALL_IS_MATCH:
      return match(run, expression, &a);
    case TK_CALL_IS_STRING:
      return bool_value(a.type == TK_VALUE_STRING);
    case TK_CALL_IS_INT:
      return bool_value(a.type == TK_VALUE_INT);
    case TK_CALL_IS_DOUBLE:
      return bool_value(a.type == TK_VALUE_DOUBLE);
    case TK_CALL_IS_BOOL:
      return bool_value(a.type == TK_VALUE_BOOL);
    case TK_CALL_IS_MAP:
      return bool_value(a.type == TK_VALUE_KVLIST);
    case TK_CALL_IS_LIST:
      return bool_value(a.type == TK_VALUE_ARRAY);
    case TK_CALL_IS_ROOT_SPAN:
      return is_zero(&a);
    case TK_CALL_HAS_PREFIX:
    case TK_CALL_HAS_SUFFIX:
      return has_affix(run, function, &a, &b);
    case TK_CALL_LEN:
      return length_of(run, &a);
    case TK_CALL_LOWER:
    case TK_CALL_UPPER:
      return change_case(run, &a, function == TK_CALL_LOWER);
    case TK_CALL_INT:
      return to_integer(&a);
    case TK_CALL_DOUBLE:
      return to_real(&a);
    case TK_CALL_STRING:
      return text_like(run, &a);
    case TK_CALL_HEX:
      return hex_value(run, &a);
    case TK_CALL_TO_TIME:
      a.type = TK_VALUE_TIME;
      return a;
    case TK_CALL_KIND_NAME:
    case TK_CALL_KIND_OLD_NAME:
      return kind_name(run, function, &a);
    case TK_CALL_TRACE_STATE_MEMBER:
      return trace_state_member(run, &a, &b);
    case TK_CALL_NANOSECONDS:
    case TK_CALL_MICROSECONDS:
    case TK_CALL_MILLISECONDS:
    case TK_CALL_SECONDS:
    case TK_CALL_MINUTES:
    case TK_CALL_HOURS:
      return in_units(run, function, &a);
    case TK_CALL_ERROR_FLAG:
      return a.as.integer == TK_STATUS_ERROR ? bool_value(true) : nil;
    case TK_CALL_WILDCARD:
    case TK_CALL_WILDCARD_CASE:
      return wildcard(run, function, &a, &b);
    case TK_CALL_PARENT_TEXT:
      return is_zero(&a).as.integer ? nil : hex_value(run, &a);
    default:
      return fail(run);
  }
}

/* ---- the tree ---- */

static struct tk_value evaluate(struct evaluation *run, const struct tk_expression *expression) {
  struct tk_value value = nil;
  if (run->failed || run->status != TK_OK) return nil;
  switch (expression->node) {
    case TK_NODE_LITERAL:
      return expression->literal;
    case TK_NODE_FIELD:
      run->status = run->row->read(run->row, expression, &value, run->error);
      return run->status == TK_OK ? value : nil;
    case TK_NODE_INDEX:
      value = evaluate(run, expression->children[0]);
      if (run->failed || run->status != TK_OK) return nil;
      return member_of(run, &value, &expression->children[1]->literal);
    case TK_NODE_ARITHMETIC:
      return calculate(run, expression);
    case TK_NODE_CALL:
      return call(run, expression);
    case TK_NODE_AND:
    case TK_NODE_OR:
    case TK_NODE_NOT:
    case TK_NODE_COMPARE:
    case TK_NODE_REFINERY:
      return bool_value(test(run, expression));
    default:
      return fail(run);
  }
}

/* The first of the fields that has a value. */
static bool test_refinery(struct evaluation *run, const struct tk_expression *expression) {
  struct tk_value value = nil;
  bool matches = false;
  for (uint32_t i = 0; i < expression->child_count && value.type == TK_VALUE_EMPTY; i++) {
    value = evaluate(run, expression->children[i]);
  }
  if (run->failed || run->status != TK_OK) return false;
  run->status = tk_refinery_matches(expression, &value, run->row->arena, &matches, run->error);
  return matches;
}

static bool test(struct evaluation *run, const struct tk_expression *expression) {
  struct tk_value a, b;
  switch (expression->node) {
    case TK_NODE_AND:
      for (uint32_t i = 0; i < expression->child_count; i++) {
        if (!test(run, expression->children[i])) return false;
      }
      return true;
    case TK_NODE_OR:
      for (uint32_t i = 0; i < expression->child_count; i++) {
        if (test(run, expression->children[i])) return true;
        if (run->failed || run->status != TK_OK) return false;
      }
      return false;
    case TK_NODE_NOT: {
      const bool truth = test(run, expression->children[0]);
      return !run->failed && run->status == TK_OK && !truth;
    }
    case TK_NODE_COMPARE:
      a = evaluate(run, expression->children[0]);
      b = evaluate(run, expression->children[1]);
      if (run->failed || run->status != TK_OK) return false;
      return tk_values_compare(&a, &b, (enum tk_comparison)expression->op);
    case TK_NODE_REFINERY:
      return test_refinery(run, expression);
    case TK_NODE_LITERAL:
    case TK_NODE_CALL:
    case TK_NODE_FIELD:
    case TK_NODE_INDEX:
    case TK_NODE_ARITHMETIC:
    default:
      a = evaluate(run, expression);
      return a.type == TK_VALUE_BOOL && a.as.integer != 0;
  }
}

enum tk_status tk_expression_test(const struct tk_expression *expression,
                                  struct tk_expression_row *row, enum tk_truth *truth_out,
                                  struct tk_error *error) {
  struct evaluation run = {.row = row, .error = error};
  const bool truth = test(&run, expression);
  *truth_out = run.failed ? TK_ERROR : truth ? TK_TRUE : TK_FALSE;
  return run.status;
}
