/* SPDX-License-Identifier: MIT
 * Regular expressions and conditions of policies: what they accept, what they refuse, and how. */
#include <stdlib.h>

#include "sqlext/sampling/policy_ottl.h"
#include "sqlext/sampling/policy_regex.h"
#include "tests/support/check.h"

static struct tk_text text(const char *data) {
  return (struct tk_text){data, (uint32_t)strlen(data)};
}

/* ---- regular expressions ---- */

static bool has_regexes(void) {
  struct tk_regex *regex;
  struct tk_error error = {{0}};
  const bool has = tk_regex_compile(text("a"), &regex, &error) == TK_OK;
  if (!has) CHECK(strstr(error.message, "libpcre2-dev") != NULL);
  tk_regex_free(regex);
  return has;
}

static bool matches(const char *pattern, struct tk_text subject) {
  struct tk_regex *regex;
  struct tk_error error = {{0}};
  bool found = false;
  if (!has_regexes()) return false;
  if (tk_regex_compile(text(pattern), &regex, &error) != TK_OK) {
    printf("# %s: %s\n", pattern, error.message);
    check_failures++;
    return false;
  }
  CHECK(tk_regex_match(regex, subject, &found, &error) == TK_OK);
  tk_regex_free(regex);
  return found;
}

static void expressions_are_unanchored_and_re2s(void) {
  if (!has_regexes()) return;
  CHECK(matches("api", text("/api/cart")));
  CHECK(!matches("^api", text("/api/cart")));
  CHECK(matches("^/health$|metrics", text("/health")));
  CHECK(!matches("^/health$", text("/health\n"))); /* $ is the very end */
  CHECK(matches("(?i)ACME", text("acme")));
  CHECK(matches("(?P<x>a+)(?:b|c)?", text("xa")));
  CHECK(matches("\\Qa.b\\E", text("a.b")) && !matches("\\Qa.b\\E", text("axb")));
  CHECK(matches("[[:alpha:]]{2,3}", text("ab")));
  CHECK(matches("\\pL", text("\xC3\xA9")));
  CHECK(matches("^.$", text("\xC3\xA9")) && !matches("^.$", text("\n")));
  CHECK(matches("a", (struct tk_text){"\xFF"
                                      "a",
                                      2}));
  CHECK(matches("", (struct tk_text){NULL, 0}));
}

static void constructs_that_re2_has_not_are_refused_by_name(void) {
  static const struct {
    const char *pattern, *reason;
  } rows[] = {{"(a)\\1", "character 4: RE2, the collector's, has no backreferences"},
              {"a(?=b)", "character 2: RE2, the collector's, has no lookaround"},
              {"(?<!a)b", "lookaround"},
              {"(?>a)", "atomic groups"},
              {"a++", "possessive quantifiers"},
              {"a{1,2}+", "possessive quantifiers"},
              {"(?(1)a|b)", "conditions"},
              {"(?R)", "recursion"},
              {"(*COMMIT)a", "verbs"},
              {"(?x) a", "such group"},
              {"\\Ka", "such escape"},
              {"a{1001}", "repetitions of more than 1000"},
              {"[[.a.]]", "collating elements"},
              {"(", "character 2"},
              {"[a", "missing terminating ]"}};
  if (!has_regexes()) return;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct tk_regex *regex;
    struct tk_error error = {{0}};
    CHECK(tk_regex_compile(text(rows[i].pattern), &regex, &error) == TK_INVALID);
    CHECK(regex == NULL);
    if (!strstr(error.message, rows[i].reason)) {
      printf("# %s: %s\n", rows[i].pattern, error.message);
      check_failures++;
    }
  }
}

static void no_expression_hangs(void) {
  static const char *const patterns[] = {"(a+)+$", "(a|aa)+c", "(a|a?)+c",
                                         "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y|(a*)*b$"};
  enum { SIZE = 20000, SHORT = 300 };
  static char subject[SIZE];
  struct tk_regex *regex;
  struct tk_error error = {{0}};
  memset(subject, 'a', sizeof subject);
  if (!has_regexes()) return;
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    bool found = true;
    subject[SHORT - 1] = '!'; /* of short texts the answer is known, */
    CHECK(!matches(patterns[i], (struct tk_text){subject, SHORT}));
    subject[SHORT - 1] = 'a';
    subject[SIZE - 1] = '!'; /* of long ones perhaps */
    CHECK(tk_regex_compile(text(patterns[i]), &regex, &error) == TK_OK);
    const enum tk_status status =
        tk_regex_match(regex, (struct tk_text){subject, SIZE}, &found, &error);
    CHECK(!found);
    CHECK(status == TK_OK ||
          (status == TK_UNSUPPORTED && strstr(error.message, "takes too long") != NULL));
    tk_regex_free(regex);
  }
}

/* ---- conditions ---- */

/* A span with the attributes text, number, real, flag and list; its fields are constants. */
static enum tk_status read_field(struct tk_expression_row *row, const struct tk_expression *field,
                                 struct tk_value *value, struct tk_error *error) {
  static const struct tk_value items[2] = {{.type = TK_VALUE_INT, .as.integer = 4},
                                           {.type = TK_VALUE_STRING, .size = 1, .as.text = "x"}};
  static const struct tk_attribute members[1] = {
      {{"deep", 4}, {.type = TK_VALUE_INT, .as.integer = 9}}};
  (void)row;
  (void)error;
  *value = (struct tk_value){.type = TK_VALUE_EMPTY};
  const char *key = field->key.data ? field->key.data : "";
  if (field->field == TK_FIELD_NAME) {
    *value = (struct tk_value){.type = TK_VALUE_STRING, .size = 4, .as.text = "GET "};
  } else if (field->field == TK_FIELD_KIND) {
    *value = (struct tk_value){.type = TK_VALUE_INT, .as.integer = 2};
  } else if (field->field == TK_FIELD_STATUS_CODE) {
    *value = (struct tk_value){.type = TK_VALUE_INT, .as.integer = 2};
  } else if (field->field == TK_FIELD_START) {
    *value = (struct tk_value){.type = TK_VALUE_INT, .as.integer = 1000000000};
  } else if (field->field == TK_FIELD_END) {
    *value = (struct tk_value){.type = TK_VALUE_INT, .as.integer = 2500000000};
  } else if (field->field == TK_FIELD_TRACE_ID) {
    *value = (struct tk_value){.type = TK_VALUE_BYTES, .size = 16, .as.text = "0123456789abcdef"};
  } else if (field->field == TK_FIELD_PARENT_ID) {
    *value = (struct tk_value){.type = TK_VALUE_BYTES, .size = 8, .as.text = "\0\0\0\0\0\0\0\0"};
  } else if (field->field == TK_FIELD_TRACE_STATE) {
    *value = (struct tk_value){.type = TK_VALUE_STRING, .size = 14, .as.text = "a=1, ot=th:8,b"};
  } else if (strcmp(key, "text") == 0) {
    *value = (struct tk_value){.type = TK_VALUE_STRING, .size = 5, .as.text = "hello"};
  } else if (strcmp(key, "number") == 0) {
    *value = (struct tk_value){.type = TK_VALUE_INT, .as.integer = 42};
  } else if (strcmp(key, "real") == 0) {
    *value = (struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = 1.5};
  } else if (strcmp(key, "flag") == 0) {
    *value = (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = 1};
  } else if (strcmp(key, "list") == 0) {
    *value = (struct tk_value){.type = TK_VALUE_ARRAY, .size = 2, .as.items = items};
  } else if (strcmp(key, "map") == 0) {
    *value = (struct tk_value){.type = TK_VALUE_KVLIST, .size = 1, .as.members = members};
  }
  return TK_OK;
}

/* 't', 'f', 'e' for an error of OTTL, 'x' if it does not parse (the reason is printed). */
static char truth_of(const char *condition) {
  struct tk_expression_pool pool = {0};
  struct tk_arena arena = {0};
  const struct tk_expression *expression;
  struct tk_expression_row row = {.read = read_field, .arena = &arena};
  struct tk_error error = {{0}};
  enum tk_truth truth = TK_FALSE;
  char found = 'x';
  if (tk_ottl_parse(text(condition), TK_OTTL_SPAN, &pool, &expression, &error) != TK_OK) {
    printf("# %s: %s\n", condition, error.message);
  } else {
    CHECK(tk_expression_test(expression, &row, &truth, &error) == TK_OK);
    found = "fte"[truth];
  }
  tk_expression_pool_reset(&pool);
  tk_arena_reset(&arena);
  return found;
}

static void conditions_have_ottls_meaning(void) {
  static const struct {
    const char *condition;
    char truth;
  } rows[] = {
      {"attributes[\"text\"] == \"hello\"", 't'},
      {"attributes[\"text\"] != \"hello\"", 'f'},
      {"attributes[\"text\"] < \"help\" and not (attributes[\"text\"] > \"zzz\")", 't'},
      {"attributes[\"missing\"] == nil", 't'},
      {"attributes[\"missing\"] != nil", 'f'},
      {"attributes[\"missing\"] < 5", 'f'},
      {"nil <= nil", 't'},
      {"attributes[\"text\"] == 5", 'f'}, /* of another type: unequal, */
      {"attributes[\"text\"] != 5", 't'}, /* and nothing else */
      {"attributes[\"text\"] < 5", 'f'},
      {"attributes[\"number\"] == 42 and attributes[\"number\"] >= 41.5", 't'},
      {"attributes[\"real\"] * 2 == 3.0", 't'},
      {"attributes[\"number\"] + 1 > 42", 't'},
      {"1 + 2 * 3 == 7 and (1 + 2) * 3 == 9", 't'},
      {"7 / 2 == 3 and 7.0 / 2 == 3.5", 't'},
      {"attributes[\"flag\"] == true", 't'},
      {"kind == SPAN_KIND_SERVER and status.code == STATUS_CODE_ERROR", 't'},
      {"kind.string == \"Server\" and kind.deprecated_string == \"SPAN_KIND_SERVER\"", 't'},
      {"end_time - start_time > Duration(\"1s\")", 't'},
      {"end_time - start_time > Duration(\"1.5s\")", 'f'},
      {"end_time_unix_nano - start_time_unix_nano == 1500000000", 't'},
      {"Milliseconds(end_time - start_time) == 1500 and Seconds(end_time - start_time) < 1.6", 't'},
      {"IsRootSpan()", 't'},
      {"true or false and false", 't'}, /* and binds tighter */
      {"IsMap(attributes[\"map\"]) and attributes[\"map\"][\"deep\"] == 9", 't'},
      {"IsList(attributes[\"list\"]) and attributes[\"list\"][1] == \"x\"", 't'},
      {"Len(attributes[\"list\"]) == 2 and Len(attributes[\"text\"]) == 5", 't'},
      {"HasPrefix(attributes[\"text\"], \"he\") and HasSuffix(attributes[\"text\"], \"lo\")", 't'},
      {"ToUpperCase(attributes[\"text\"]) == \"HELLO\"", 't'},
      {"Int(\"12\") == 12 and Double(\"1.5\") == 1.5 and String(42) == \"42\"", 't'},
      {"Int(\"x\") == nil", 't'},
      {"trace_state[\"ot\"] == \"th:8\" and trace_state[\"none\"] == \"\"", 't'},
      {"trace_id == TraceID(0x30313233343536373839616263646566)", 't'},
      {"trace_id.string == \"30313233343536373839616263646566\"", 't'},
      {"\"\\x68\\u0065llo\\n\" == \"hello\\n\"", 't'},
      {"span.name == \"GET \" and name != \"GET\"", 't'},
      {"-1 < 0 and 1-1 == 0", 't'},
      /* Errors of the values that are met. */
      {"attributes[\"text\"] + 1 == 2", 'e'},
      {"attributes[\"missing\"] + 1 == 2", 'e'},
      {"1 / 0 == 1", 'e'},
      {"HasPrefix(attributes[\"number\"], \"4\")", 'e'},
      {"attributes[\"list\"][7] == 1", 'e'},
      {"true or 1 / 0 == 1", 't'},
      {"false and 1 / 0 == 1", 'f'},
      {"not (1 / 0 == 1)", 'e'},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const char found = truth_of(rows[i].condition);
    if (found != rows[i].truth) {
      printf("# %s: %c, expected %c\n", rows[i].condition, found, rows[i].truth);
      check_failures++;
    }
  }
  if (!has_regexes()) return;
  CHECK(truth_of("IsMatch(attributes[\"number\"], \"^4\")") == 't');
  CHECK(truth_of("IsMatch(attributes[\"missing\"], \".*\")") == 'f');
}

static void the_rest_is_refused_with_its_place(void) {
  static const struct {
    const char *condition, *reason;
  } rows[] = {
      {"attributes[\"a\"]", "character 1: expected a condition, found a value"},
      {"attributes == nil", "character 1: attributes without a key in brackets is not supported"},
      {"name == foo(1)", "character 9: the path foo is not supported"},
      {"name == Sha256(name)", "character 9: the function Sha256 is not supported"},
      {"name == SPAN_KIND_X", "character 9: no enum is called SPAN_KIND_X"},
      {"name == \"a", "character 9: the text does not end"},
      {"name == \"\\q\"", "no such escape"},
      {"name = \"a\"", "character 6: expected and, or, or the end, found '= \"a\"'"},
      {"(name == \"a\"", "expected ')', found the end"},
      {"name == [1]", "character 9: a list is not supported"},
      {"cache[\"x\"] == 1", "the path cache is not supported"},
      {"IsMatch(name)", "IsMatch takes 2 arguments, found 1"},
      {"IsMatch(name, name)", "with a pattern that is not a text"},
      {"Duration(\"soon\") > Duration(\"1s\")", "is not a duration"},
      {"TraceID(0x00) == trace_id", "TraceID takes 16 bytes"},
      {"99999999999999999999 == 1", "is not a number here"},
      {"name == \"a\" + (kind == 1)", "expected a value, found a condition"},
      {"", "expected a value, found the end"},
      {"not name", "expected a condition"},
      {"event_index == 1", "the path event_index is not supported"}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct tk_expression_pool pool = {0};
    const struct tk_expression *expression;
    struct tk_error error = {{0}};
    const enum tk_status status =
        tk_ottl_parse(text(rows[i].condition), TK_OTTL_SPAN, &pool, &expression, &error);
    if (status == TK_OK || !strstr(error.message, rows[i].reason)) {
      printf("# %s: %s\n", rows[i].condition, error.message);
      check_failures++;
    }
    tk_expression_pool_reset(&pool);
  }
}

static void depth_and_size_are_bounded(void) {
  enum { SIZE = 12000 };
  static char deep[SIZE + 1];
  struct tk_expression_pool pool = {0};
  const struct tk_expression *expression;
  struct tk_error error = {{0}};
  memset(deep, '(', SIZE);
  CHECK(tk_ottl_parse(text(deep), TK_OTTL_SPAN, &pool, &expression, &error) == TK_UNSUPPORTED);
  CHECK(strstr(error.message, "nested more than") != NULL);
  for (int i = 0; i < SIZE; i += 2) memcpy(deep + i, "1+", 2);
  CHECK(tk_ottl_parse(text(deep), TK_OTTL_SPAN, &pool, &expression, &error) == TK_UNSUPPORTED);
  CHECK(strstr(error.message, "more than 1000 parts") != NULL);
  tk_expression_pool_reset(&pool);
}

CHECK_MAIN(CASE(expressions_are_unanchored_and_re2s),
           CASE(constructs_that_re2_has_not_are_refused_by_name), CASE(no_expression_hangs),
           CASE(conditions_have_ottls_meaning), CASE(the_rest_is_refused_with_its_place),
           CASE(depth_and_size_are_bounded))
