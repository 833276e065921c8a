/* Reading text into one batch, and finding things in it. */
#ifndef TK_TESTS_INPUT_PARSE_SUPPORT_H
#define TK_TESTS_INPUT_PARSE_SUPPORT_H

#include <stdbool.h>

#include "cli/input/reader.h"

/** All of `text` as one batch; aborts if reading fails or gives nothing. */
struct tk_batch *parse_text(const char *text);
/** A record of one span with these members, in a resource and scope; printf-like. */
struct tk_batch *parse_span(const char *format, ...);

unsigned count_issues(const struct tk_batch *batch, const char *rule);
/** The first issue of the rule, or NULL. */
const struct tk_issue *find_issue(const struct tk_batch *batch, const char *rule);
bool text_is(struct tk_text text, const char *expected);
/** Bytes of the hexadecimal digits equal those at `bytes`. */
bool hex_is(const uint8_t *bytes, const char *digits);
/** The attribute with the key, or an EMPTY one. */
struct tk_value find_value(struct tk_attributes attributes, const char *key);
/** Everything about a batch that can be compared, as one hash. */
uint64_t digest_batch(const struct tk_batch *batch);

#endif
