/* Attribute values as people read them. */
#ifndef TK_CLI_OUTPUT_VALUE_TEXT_H
#define TK_CLI_OUTPUT_VALUE_TEXT_H

#include "cli/output/text_buffer.h"
#include "tracekeep/span.h"

/** A string as it is, a number in full, a list or map as plain JSON (`["a",1]`), bytes as x'..', an
 * empty value as nothing. */
void tk_value_append_text(struct tk_text_buffer *out, const struct tk_value *value);

/** The string attribute `key`, or an empty text. */
struct tk_text tk_attributes_find_text(const struct tk_attributes *attributes, const char *key);

#endif
