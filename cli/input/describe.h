/** @file describe.h  What input is, in words. */
#ifndef TK_CLI_INPUT_DESCRIBE_H
#define TK_CLI_INPUT_DESCRIBE_H

#include <stdbool.h>
#include <stddef.h>

/** How records stand in input that begins with these bytes: a constant such as "JSON lines". */
const char *tk_describe_framing(const char *head, size_t size, bool binary);

/** Whether `"key"` and a colon occur in the bytes, as a key of some object: for probes. */
bool tk_head_has_key(const char *head, size_t size, const char *key);

#endif
