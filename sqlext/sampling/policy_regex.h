/* Regular expressions as the collector's policies mean them: Go's RE2 syntax, unanchored, on UTF-8.
 *
 * PCRE2 does the matching. What RE2 does not have (backreferences, lookaround, possessive and
 * atomic groups, recursion, verbs, conditions) is refused here by name, as the collector would
 * refuse it; and no expression can hang: one that backtracks too much is matched again without
 * backtracking. */
#ifndef TK_SQLEXT_SAMPLING_POLICY_REGEX_H
#define TK_SQLEXT_SAMPLING_POLICY_REGEX_H

#include <stdbool.h>

#include "tracekeep/span.h"
#include "tracekeep/status.h"

struct tk_regex;

/** TK_INVALID: the text says at which character what is wrong; TK_UNSUPPORTED: built without the
 * library. */
enum tk_status tk_regex_compile(struct tk_text pattern, struct tk_regex **regex_out,
                                struct tk_error *error);
/** TK_UNSUPPORTED: given up; the text says on what. */
enum tk_status tk_regex_match(struct tk_regex *regex, struct tk_text subject, bool *matches_out,
                              struct tk_error *error);
/** NULL does nothing. */
void tk_regex_free(struct tk_regex *regex);

#endif
