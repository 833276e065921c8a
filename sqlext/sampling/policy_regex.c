/* SPDX-License-Identifier: MIT
 * RE2's syntax on PCRE2. See policy_regex.h. The two agree on what is left when the constructs that
 * only one of them has are refused: the scanner below knows just enough of the syntax for that. */
#include "sqlext/sampling/policy_regex.h"

#include <string.h>

#include "store/sqlite_api.h"

#ifdef TK_HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
  PATTERN_LIMIT = 8192, /* bytes */
  REPEAT_LIMIT = 1000,  /* RE2's */
  MATCH_LIMIT = 50000,  /* steps of backtracking before the other algorithm is used */
  HEAP_LIMIT_KIB = 16384,
  WORKSPACE = 4096,   /* integers */
  SHORT_SUBJECT = 512 /* bytes that the other algorithm, cubic at worst, is used for */
};

struct tk_regex {
  pcre2_general_context *general;
  pcre2_compile_context *compiling;
  pcre2_match_context *matching;
  pcre2_code *code;
  pcre2_code *linear; /* for match_without_backtracking: any text, then the expression */
  pcre2_match_data *data;
  int *workspace;
};

/* ---- what RE2 refuses ---- */

struct scan {
  struct tk_text pattern;
  uint32_t at;
  const char *refused; /* what it is called, once something was found */
  uint32_t refused_at;
};

static void refuse(struct scan *scan, uint32_t at, const char *what) {
  if (scan->refused) return;
  scan->refused = what;
  scan->refused_at = at;
}

static char peek(const struct scan *scan, uint32_t ahead) {
  const uint64_t at = (uint64_t)scan->at + ahead;
  return at < scan->pattern.size ? scan->pattern.data[at] : 0;
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* At the backslash. */
static void scan_escape(struct scan *scan, bool in_class) {
  static const char outside[] = "ABbzaftnrvxpPdDsSwWQE", inside[] = "aftnrvxpPdDsSwWQE";
  const uint32_t begin = scan->at;
  const char c = peek(scan, 1);
  scan->at += 2;
  if (c == 'Q') {
    while (scan->at < scan->pattern.size && (peek(scan, 0) != '\\' || peek(scan, 1) != 'E')) {
      scan->at++;
    }
    scan->at += 2;
  } else if (is_digit(c) && c != '0') {
    refuse(scan, begin, "backreferences");
  } else if (c == 'k' || c == 'g') {
    refuse(scan, begin, "backreferences");
  } else if (c == 'v' || (is_letter(c) && !strchr(in_class ? inside : outside, c))) {
    /* \v is a vertical tab to the one and a class to the other: \x0b says which */
    refuse(scan, begin, c == 'v' ? "\\v (write \\x0b)" : "such escape");
  } else if (c == 0) {
    refuse(scan, begin, "backslash at the end");
  }
}

/* At the bracket. */
static void scan_class(struct scan *scan) {
  scan->at++;
  if (peek(scan, 0) == '^') scan->at++;
  if (peek(scan, 0) == ']') scan->at++;
  while (scan->at < scan->pattern.size && peek(scan, 0) != ']') {
    if (peek(scan, 0) == '\\') {
      scan_escape(scan, true);
    } else if (peek(scan, 0) == '[' && (peek(scan, 1) == '.' || peek(scan, 1) == '=')) {
      refuse(scan, scan->at, "collating elements");
      scan->at += 2;
    } else if (peek(scan, 0) == '[' && peek(scan, 1) == ':') {
      if (peek(scan, 2) == '<' || peek(scan, 2) == '>')
        refuse(scan, scan->at, "such word boundary");
      scan->at += 2;
      while (scan->at < scan->pattern.size && peek(scan, 0) != ']') scan->at++;
      scan->at++;
    } else {
      scan->at++;
    }
  }
  scan->at++;
}

/* At the parenthesis. */
static void scan_group(struct scan *scan) {
  const uint32_t begin = scan->at;
  scan->at++;
  if (peek(scan, 0) == '*') refuse(scan, begin, "verbs");
  if (peek(scan, 0) != '?') return;
  const char c = peek(scan, 1), next = peek(scan, 2);
  if (c == '=' || c == '!' || (c == '<' && (next == '=' || next == '!'))) {
    refuse(scan, begin, "lookaround");
  } else if (c == 'P' && next == '=') {
    refuse(scan, begin, "backreferences");
  } else if (c == '>') {
    refuse(scan, begin, "atomic groups");
  } else if (c == '(') {
    refuse(scan, begin, "conditions");
  } else if (c == 'R' || c == '&' || c == '+' || is_digit(c) || (c == '-' && is_digit(next)) ||
             (c == 'P' && next == '>')) {
    refuse(scan, begin, "recursion");
  } else if (!(c == ':' || c == '<' || (c == 'P' && next == '<') || (c && strchr("imsU-", c)))) {
    refuse(scan, begin, "such group");
  } else if (c && strchr("imsU-", c)) {
    uint32_t ahead = 1;
    while (peek(scan, ahead) && strchr("imsU-", peek(scan, ahead))) ahead++;
    if (peek(scan, ahead) != ')' && peek(scan, ahead) != ':') refuse(scan, begin, "such flag");
  }
}

/* A quantifier ended before `at`: one more behind it is not RE2's, but for one `?`. */
static void scan_after_quantifier(struct scan *scan) {
  if (peek(scan, 0) == '?') scan->at++;
  const char c = peek(scan, 0);
  if (c == '+' || c == '*' || c == '?') {
    refuse(scan, scan->at, c == '+' ? "possessive quantifiers" : "quantifiers of quantifiers");
  }
}

/* At the brace: a repetition if it reads {n}, {n,} or {n,m}, else a letter like others. */
static void scan_brace(struct scan *scan) {
  const uint32_t begin = scan->at;
  uint32_t numbers[2] = {0, 0}, ahead = 1;
  int count = 0;
  for (; count < 2; count++) {
    uint32_t digits = 0;
    for (; is_digit(peek(scan, ahead)); ahead++, digits++) {
      if (numbers[count] <= REPEAT_LIMIT) {
        numbers[count] = numbers[count] * 10 + (uint32_t)(peek(scan, ahead) - '0');
      }
    }
    if (digits == 0 && count == 0) break;
    if (peek(scan, ahead) != ',' || count == 1) break;
    ahead++;
  }
  if (ahead == 1 || peek(scan, ahead) != '}') {
    scan->at++;
    return;
  }
  if (numbers[0] > REPEAT_LIMIT || numbers[1] > REPEAT_LIMIT) {
    refuse(scan, begin, "repetitions of more than 1000");
  }
  scan->at += ahead + 1;
  scan_after_quantifier(scan);
}

static enum tk_status check_syntax(struct tk_text pattern, struct tk_error *error) {
  struct scan scan = {.pattern = pattern};
  while (scan.at < pattern.size && !scan.refused) {
    switch (peek(&scan, 0)) {
      case '\\':
        scan_escape(&scan, false);
        break;
      case '[':
        scan_class(&scan);
        break;
      case '(':
        scan_group(&scan);
        break;
      case '{':
        scan_brace(&scan);
        break;
      case '*':
      case '+':
      case '?':
        if (scan.at > 0 && peek(&scan, 0) == '?' && pattern.data[scan.at - 1] == '(') {
          scan.at++; /* of a group */
          break;
        }
        scan.at++;
        scan_after_quantifier(&scan);
        break;
      case 0:
        refuse(&scan, scan.at, "NUL");
        break;
      default:
        scan.at++;
        break;
    }
  }
  if (!scan.refused) return TK_OK;
  return tk_fail(error, TK_INVALID,
                 "regular expression, character %u: RE2, the collector's, has no %s",
                 (unsigned)scan.refused_at + 1, scan.refused);
}

/* ---- PCRE2 ---- */

static void *allocate(size_t size, void *context) {
  (void)context;
  return sqlite3_malloc64(size);
}

static void release(void *memory, void *context) {
  (void)context;
  sqlite3_free(memory);
}

/* `flags`: PCRE2_MATCH_INVALID_UTF, which the other algorithm does not have. */
static pcre2_code *compile_code(const struct tk_regex *regex, const char *pattern, size_t size,
                                uint32_t flags, int *code, size_t *at) {
  return pcre2_compile(
      (PCRE2_SPTR)pattern, size,
      flags | PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE,
      code, at, regex->compiling);
}

/* `linear`: what is wanted is found in one pass from the beginning. */
static int compile_linear(struct tk_regex *regex, struct tk_text pattern) {
  static const char before[] = "(?s:.*?)(?:", after[] = "\\E)";
  const size_t size = sizeof before - 1 + pattern.size + sizeof after - 1;
  char *wrapped = sqlite3_malloc64(size);
  int code = 0;
  size_t at = 0;
  if (!wrapped) return PCRE2_ERROR_NOMEMORY;
  memcpy(wrapped, before, sizeof before - 1);
  if (pattern.size > 0) memcpy(wrapped + sizeof before - 1, pattern.data, pattern.size);
  memcpy(wrapped + sizeof before - 1 + pattern.size, after, sizeof after - 1);
  regex->linear = compile_code(regex, wrapped, size, 0, &code, &at);
  sqlite3_free(wrapped);
  return regex->linear ? 0 : PCRE2_ERROR_NOMEMORY;
}

static enum tk_status compile(struct tk_regex *regex, struct tk_text pattern,
                              struct tk_error *error) {
  int code = 0;
  size_t at = 0;
  regex->general = pcre2_general_context_create(allocate, release, NULL);
  if (!regex->general) return tk_nomem(error);
  regex->compiling = pcre2_compile_context_create(regex->general);
  regex->matching = pcre2_match_context_create(regex->general);
  if (!regex->compiling || !regex->matching) return tk_nomem(error);
  pcre2_set_newline(regex->compiling, PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(regex->compiling, 200);
  pcre2_set_match_limit(regex->matching, MATCH_LIMIT);
  pcre2_set_heap_limit(regex->matching, HEAP_LIMIT_KIB);
  regex->code = compile_code(regex, pattern.data ? pattern.data : "", pattern.size,
                             PCRE2_MATCH_INVALID_UTF, &code, &at);
  if (!regex->code && code == PCRE2_ERROR_NOMEMORY) return tk_nomem(error);
  if (!regex->code && code == 121) return tk_nomem(error); /* failed to allocate heap memory */
  if (!regex->code) {
    char message[120] = "not a regular expression";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
    return tk_fail(error, TK_INVALID, "regular expression, character %u: %s", (unsigned)at + 1,
                   message);
  }
  regex->data = pcre2_match_data_create(1, regex->general);
  if (!regex->data || compile_linear(regex, pattern) != 0) return tk_nomem(error);
  return TK_OK;
}

enum tk_status tk_regex_compile(struct tk_text pattern, struct tk_regex **regex_out,
                                struct tk_error *error) {
  enum tk_status status;
  *regex_out = NULL;
  if (pattern.size > PATTERN_LIMIT) {
    return tk_fail(error, TK_INVALID, "regular expression: longer than %d bytes", PATTERN_LIMIT);
  }
  if ((status = check_syntax(pattern, error)) != TK_OK) return status;
  struct tk_regex *regex = sqlite3_malloc64(sizeof *regex);
  if (!regex) return tk_nomem(error);
  memset(regex, 0, sizeof *regex);
  if ((status = compile(regex, pattern, error)) != TK_OK) {
    tk_regex_free(regex);
    return status;
  }
  *regex_out = regex;
  return TK_OK;
}

/* All ways at once instead of one after another: never exponential, and bounded by the workspace.
 */
static int match_without_backtracking(struct tk_regex *regex, struct tk_text subject) {
  if (!regex->workspace) {
    regex->workspace = sqlite3_malloc64(WORKSPACE * sizeof *regex->workspace);
    if (!regex->workspace) return PCRE2_ERROR_NOMEMORY;
  }
  return pcre2_dfa_match(regex->linear, (PCRE2_SPTR)subject.data, subject.size, 0,
                         PCRE2_ANCHORED | PCRE2_DFA_SHORTEST, regex->data, regex->matching,
                         regex->workspace, WORKSPACE);
}

enum tk_status tk_regex_match(struct tk_regex *regex, struct tk_text subject, bool *matches_out,
                              struct tk_error *error) {
  *matches_out = false;
  if (!subject.data) subject.data = "";
  int rc = pcre2_match(regex->code, (PCRE2_SPTR)subject.data, subject.size, 0, 0, regex->data,
                       regex->matching);
  if ((rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT) &&
      subject.size <= SHORT_SUBJECT) {
    rc = match_without_backtracking(regex, subject);
  }
  if (rc == PCRE2_ERROR_NOMATCH) return TK_OK;
  if (rc == PCRE2_ERROR_NOMEMORY) return tk_nomem(error);
  if (rc < 0) {
    return tk_fail(error, TK_UNSUPPORTED,
                   "regular expression: takes too long on a text of %u bytes (PCRE2 error %d); "
                   "nested repetitions such as (a+)+ are what makes it",
                   (unsigned)subject.size, rc);
  }
  *matches_out = true;
  return TK_OK;
}

void tk_regex_free(struct tk_regex *regex) {
  if (!regex) return;
  pcre2_match_data_free(regex->data);
  pcre2_code_free(regex->code);
  pcre2_code_free(regex->linear);
  pcre2_match_context_free(regex->matching);
  pcre2_compile_context_free(regex->compiling);
  pcre2_general_context_free(regex->general);
  sqlite3_free(regex->workspace);
  sqlite3_free(regex);
}

#else

enum tk_status tk_regex_compile(struct tk_text pattern, struct tk_regex **regex_out,
                                struct tk_error *error) {
  (void)pattern;
  *regex_out = NULL;
  return tk_fail(error, TK_UNSUPPORTED,
                 "regular expressions: install libpcre2-dev and build tracekeep with "
                 "-Dregex=enabled");
}

enum tk_status tk_regex_match(struct tk_regex *regex, struct tk_text subject, bool *matches_out,
                              struct tk_error *error) {
  (void)regex;
  (void)subject;
  *matches_out = false;
  return tk_fail(error, TK_UNSUPPORTED, "built without regular expressions");
}

void tk_regex_free(struct tk_regex *regex) {
  (void)regex;
}

#endif
