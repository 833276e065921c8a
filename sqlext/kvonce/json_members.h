/* Members of a JSON object that is being written. */
#ifndef TK_SQLEXT_KVONCE_JSON_MEMBERS_H
#define TK_SQLEXT_KVONCE_JSON_MEMBERS_H

#include <stdint.h>

#include "store/codec/byte_writer.h"
#include "tracekeep/span.h"

void tk_members_append(struct tk_byte_writer *out, const char *literal);
/** JSON; null where data is NULL. */
void tk_members_value(struct tk_byte_writer *out, struct tk_text json);
/** `"name":`, with `{` before it if the object is to begin, else with a comma. */
void tk_members_name(struct tk_byte_writer *out, char before, const char *name);
void tk_members_count(struct tk_byte_writer *out, char before, const char *name, uint64_t count);
void tk_members_number(struct tk_byte_writer *out, char before, const char *name, double number);
void tk_members_json(struct tk_byte_writer *out, char before, const char *name,
                     struct tk_text json);

#endif
