/* SPDX-License-Identifier: MIT
 * See json_members.h. */
#include "sqlext/kvonce/json_members.h"

#include <string.h>

#include "sqlext/kvonce/js_value.h"
#include "store/sqlite_api.h"

void tk_members_append(struct tk_byte_writer *out, const char *literal) {
  tk_byte_writer_append(out, literal, strlen(literal));
}

void tk_members_value(struct tk_byte_writer *out, struct tk_text json) {
  if (json.data) {
    tk_byte_writer_append(out, json.data, json.size);
  } else {
    tk_members_append(out, "null");
  }
}

void tk_members_name(struct tk_byte_writer *out, char before, const char *name) {
  tk_byte_writer_append_u8(out, (uint8_t)before);
  tk_byte_writer_append_u8(out, '"');
  tk_members_append(out, name);
  tk_members_append(out, "\":");
}

void tk_members_count(struct tk_byte_writer *out, char before, const char *name, uint64_t count) {
  char text[24];
  tk_members_name(out, before, name);
  sqlite3_snprintf(sizeof text, text, "%llu", (unsigned long long)count);
  tk_members_append(out, text);
}

void tk_members_number(struct tk_byte_writer *out, char before, const char *name, double number) {
  tk_members_name(out, before, name);
  tk_js_write_number(out, number);
}

void tk_members_json(struct tk_byte_writer *out, char before, const char *name,
                     struct tk_text json) {
  tk_members_name(out, before, name);
  tk_members_value(out, json);
}
