/* SPDX-License-Identifier: MIT
 * Residuals are stored bytes, and not trusted: what is not JSON of members, or not protobuf fields,
 * is as if it was not there, or is written as it stands where that can do no harm. */
#include "cli/output/residual.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "cli/output/otlp_json.h"
#include "cli/output/span_json.h"
#include "tracekeep/json.h"

/* ---- members of JSON ---- */

/* Size of the string that begins at text.data[0], with its quotes; 0: it does not end. */
static uint32_t measure_string(struct tk_text text) {
  for (uint32_t i = 1; i < text.size; i++) {
    if (text.data[i] == '\\') {
      i++;
    } else if (text.data[i] == '"') {
      return i + 1;
    }
  }
  return 0;
}

/* Size of the value text begins with; 0: there is none. */
static uint32_t measure_value(struct tk_text text) {
  uint32_t depth = 0;
  uint32_t i = 0;
  while (i < text.size) {
    const char c = text.data[i];
    if (depth == 0 && i > 0 && (c == ',' || c == '}' || c == ']')) return i;
    if (c == '"') {
      const uint32_t size = measure_string((struct tk_text){text.data + i, text.size - i});
      if (size == 0) return 0;
      i += size;
    } else {
      depth += c == '{' || c == '[';
      if (c == '}' || c == ']') {
        if (depth == 0) return 0;
        depth--;
      }
      i++;
    }
    if (depth == 0 && (c == '"' || c == '}' || c == ']')) return i;
  }
  return depth == 0 ? i : 0;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip(struct tk_text *text, uint32_t size) {
  text->data += size;
  text->size -= size;
}

static void skip_blanks(struct tk_text *text) {
  while (text->size > 0 && is_blank(text->data[0])) skip(text, 1);
}

bool tk_next_json_member(struct tk_text *rest, struct tk_json_member *member) {
  skip_blanks(rest);
  if (rest->size > 0 && rest->data[0] == ',') skip(rest, 1);
  skip_blanks(rest);
  if (rest->size < 2 || rest->data[0] != '"') return false;
  const uint32_t key_size = measure_string(*rest);
  if (key_size == 0) return false;
  member->key = (struct tk_text){rest->data + 1, key_size - 2};
  skip(rest, key_size);
  skip_blanks(rest);
  if (rest->size == 0 || rest->data[0] != ':') return false;
  skip(rest, 1);
  skip_blanks(rest);
  const uint32_t size = measure_value(*rest);
  if (size == 0) return false;
  member->value = (struct tk_text){rest->data, size};
  while (member->value.size > 0 && is_blank(rest->data[member->value.size - 1])) {
    member->value.size--;
  }
  skip(rest, size);
  return true;
}

struct tk_text tk_find_json_member(struct tk_text members, const char *key) {
  struct tk_json_member member;
  while (tk_next_json_member(&members, &member)) {
    if (tk_text_is(member.key, key)) return member.value;
  }
  return (struct tk_text){"", 0};
}

struct tk_text tk_residual_members(const struct tk_residual *residual, const char *format) {
  if (residual->format != TK_RESIDUAL_JSON) return (struct tk_text){"", 0};
  struct tk_text object =
      tk_find_json_member((struct tk_text){residual->data, residual->size}, format);
  if (object.size < 2 || object.data[0] != '{') return (struct tk_text){"", 0};
  return (struct tk_text){object.data + 1, object.size - 2};
}

/* The comma is due unless the object just opened. */
static void add_comma(struct tk_text_buffer *out) {
  if (out->size > 0 && out->data[out->size - 1] != '{') tk_text_buffer_add_char(out, ',');
}

static void add_member(struct tk_text_buffer *out, const struct tk_json_member *member) {
  add_comma(out);
  tk_text_buffer_add_char(out, '"');
  tk_text_buffer_append(out, member->key.data, member->key.size);
  tk_text_buffer_add(out, "\":");
  tk_text_buffer_append(out, member->value.data, member->value.size);
}

void tk_json_add_members_but(struct tk_text_buffer *out, struct tk_text members,
                             const char *const *handled) {
  struct tk_json_member member;
  while (tk_next_json_member(&members, &member)) {
    bool is_handled = false;
    for (size_t i = 0; handled[i]; i++) is_handled |= tk_text_is(member.key, handled[i]);
    if (!is_handled) add_member(out, &member);
  }
}

bool tk_json_add_kept(struct tk_text_buffer *out, struct tk_text members, const char *key) {
  const struct tk_text value = tk_find_json_member(members, key);
  if (value.size == 0) return false;
  tk_json_add_key(out, key);
  tk_text_buffer_append(out, value.data, value.size);
  return true;
}

/* Text between the braces of an object, or the brackets of an array; empty: it is none. */
static struct tk_text inside(struct tk_text value, char open) {
  if (value.size < 2 || value.data[0] != open) return (struct tk_text){"", 0};
  return (struct tk_text){value.data + 1, value.size - 2};
}

/* Text of a JSON string without its quotes and escapes; false: it is none, or out of memory. */
static bool unquote(struct tk_text value, struct tk_text_buffer *text) {
  const struct tk_json_string string = {.data = value.data + 1, .size = value.size - 2};
  bool broken = false;
  tk_text_buffer_clear(text);
  if (value.size < 2 || value.data[0] != '"' || value.data[value.size - 1] != '"') return false;
  tk_text_buffer_append(text, string.data, string.size);
  if (text->failed) return false;
  text->size = tk_json_unescape(string, text->data, &broken);
  return true;
}

static struct tk_text members_of(const struct tk_residual *residual) {
  if (residual->format != TK_RESIDUAL_JSON) return (struct tk_text){"", 0};
  return (struct tk_text){residual->data, residual->size};
}

/* ---- protobuf fields ---- */

struct field {
  uint32_t number;
  uint32_t type;
  struct tk_text whole; /* with its tag */
  struct tk_text bytes; /* of type BYTES */
};

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, GROUP = 3, GROUP_END = 4, FIXED32 = 5 };

static bool take_varint(struct tk_text *rest, uint64_t *value) {
  *value = 0;
  for (uint32_t shift = 0; rest->size > 0 && shift < 70; shift += 7) {
    const uint8_t byte = (uint8_t)rest->data[0];
    rest->data++;
    rest->size--;
    if (shift < 64) *value |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

/* Moves `rest` behind what follows a tag that is not a group's; false: it is not there. */
static bool skip_payload(struct tk_text *rest, uint32_t type, struct tk_text *bytes) {
  uint64_t size = 0;
  if (type == VARINT) return take_varint(rest, &size);
  if (type == FIXED64) size = 8;
  if (type == FIXED32) size = 4;
  if (type == BYTES && !take_varint(rest, &size)) return false;
  if (type == GROUP || type == GROUP_END || type > FIXED32 || size > rest->size) return false;
  *bytes = (struct tk_text){rest->data, (uint32_t)size};
  rest->data += size;
  rest->size -= (uint32_t)size;
  return true;
}

/* Behind a group's first tag: moves `rest` behind its last. Numbers of groups are the reader's. */
static bool skip_group(struct tk_text *rest) {
  struct tk_text bytes;
  uint64_t tag;
  for (uint32_t depth = 1; depth > 0;) {
    if (!take_varint(rest, &tag)) return false;
    const uint32_t type = (uint32_t)tag & 7;
    if (type == GROUP) {
      depth++;
    } else if (type == GROUP_END) {
      depth--;
    } else if (!skip_payload(rest, type, &bytes)) {
      return false;
    }
  }
  return true;
}

/* Takes the first field off `rest`. What cannot be read is one field with all that comes behind it,
 * of a number that means nothing. */
static bool next_field(struct tk_text *rest, struct field *field) {
  const struct tk_text begin = *rest;
  uint64_t tag;
  if (rest->size == 0) return false;
  *field = (struct field){.whole = begin};
  const bool read = take_varint(rest, &tag) && tag <= UINT32_MAX &&
                    ((tag & 7) == GROUP ? skip_group(rest)
                                        : skip_payload(rest, (uint32_t)tag & 7, &field->bytes));
  if (!read) {
    *rest = (struct tk_text){begin.data + begin.size, 0};
    return true;
  }
  field->number = (uint32_t)tag >> 3;
  field->type = (uint32_t)tag & 7;
  field->whole.size = (uint32_t)(rest->data - begin.data);
  return true;
}

static struct tk_text fields_of(const struct tk_residual *residual) {
  if (residual->format != TK_RESIDUAL_PROTOBUF) return (struct tk_text){"", 0};
  return (struct tk_text){residual->data, residual->size};
}

static void add_varint(struct tk_text_buffer *out, uint32_t value) {
  for (; value >= 0x80; value >>= 7) tk_text_buffer_add_char(out, (char)(value | 0x80));
  tk_text_buffer_add_char(out, (char)value);
}

static void add_field(struct tk_text_buffer *out, uint32_t number, const void *data, size_t size) {
  add_varint(out, number << 3 | BYTES);
  add_varint(out, (uint32_t)size);
  tk_text_buffer_append(out, data, size);
}

/* ---- what goes inside attribute values ---- */

static const char attribute_path[] = "attributes/";

/* What cli/input calls TK_PROTOBUF_PATH_FIELD. */
enum { PATH_FIELD = 536870656 };

/* The path and the fields that the reader put into a field of its own; false: it is none. */
static bool read_path_field(const struct field *field, struct tk_text *path,
                            struct tk_text *fields) {
  struct tk_text rest = field->bytes;
  struct field first, second;
  if (field->number != PATH_FIELD || field->type != BYTES) return false;
  if (!next_field(&rest, &first) || !next_field(&rest, &second) || rest.size > 0) return false;
  if (first.number != 1 || first.type != BYTES || second.number != 2 || second.type != BYTES) {
    return false;
  }
  *path = first.bytes;
  *fields = second.bytes;
  return path->size >= sizeof attribute_path &&
         memcmp(path->data, attribute_path, sizeof attribute_path - 1) == 0;
}

static bool is_path_member(const struct tk_json_member *member) {
  return member->key.size >= sizeof attribute_path && member->value.data[0] == '{' &&
         memcmp(member->key.data, attribute_path, sizeof attribute_path - 1) == 0;
}

struct tk_patches *tk_patches_of(struct tk_patches *patches, const struct tk_residual *residual) {
  if (residual->size <= sizeof attribute_path ||
      !memmem(residual->data, residual->size, attribute_path, sizeof attribute_path - 1)) {
    return NULL;
  }
  patches->residual = residual;
  patches->size = 0;
  return patches;
}

uint32_t tk_patches_enter(struct tk_patches *patches, const char *name) {
  if (!patches) return 0;
  const uint32_t back = patches->size;
  const size_t size = strlen(name);
  if (size < TK_PATCH_PATH_LIMIT - back) {
    memcpy(patches->path + back, name, size);
    patches->size += (uint32_t)size;
  }
  return back;
}

uint32_t tk_patches_enter_item(struct tk_patches *patches, const char *name, uint32_t index) {
  char step[48];
  if (!patches) return 0;
  snprintf(step, sizeof step, "%s/%u", name, (unsigned)index);
  return tk_patches_enter(patches, step);
}

void tk_patches_leave(struct tk_patches *patches, uint32_t size) {
  if (patches) patches->size = size;
}

static bool is_here(const struct tk_patches *patches, struct tk_text path) {
  return path.size == patches->size && memcmp(path.data, patches->path, path.size) == 0;
}

static void add_inside(struct tk_text_buffer *out, struct tk_text object) {
  const struct tk_text members = inside(object, '{');
  if (members.size == 0) return;
  add_comma(out);
  tk_text_buffer_append(out, members.data, members.size);
}

void tk_patches_add_json(struct tk_text_buffer *out, const struct tk_patches *patches) {
  struct tk_json_member member;
  if (!patches) return;
  struct tk_text rest = members_of(patches->residual);
  while (tk_next_json_member(&rest, &member)) {
    if (is_here(patches, member.key)) add_inside(out, member.value);
  }
}

void tk_patches_add_protobuf(struct tk_text_buffer *out, const struct tk_patches *patches) {
  struct field field;
  struct tk_text path, fields;
  if (!patches) return;
  struct tk_text rest = fields_of(patches->residual);
  while (next_field(&rest, &field)) {
    if (read_path_field(&field, &path, &fields) && is_here(patches, path)) {
      tk_text_buffer_append(out, fields.data, fields.size);
    }
  }
}

void tk_residual_add_status(struct tk_text_buffer *out, const struct tk_residual *residual) {
  struct tk_text rest = members_of(residual);
  struct tk_json_member member;
  while (tk_next_json_member(&rest, &member)) {
    if (tk_text_is(member.key, "status")) add_inside(out, member.value);
  }
}

/* ---- what both JSON and protobuf have a place for ---- */

static const struct {
  enum tk_residual_owner owner;
  const char *member;
  uint32_t field;
} id_places[] = {{TK_OWNER_SPAN, "spanId", 2},
                 {TK_OWNER_SPAN, "parentSpanId", 4},
                 {TK_OWNER_LINK, "traceId", 1},
                 {TK_OWNER_LINK, "spanId", 2}};
enum { ID_PLACES = sizeof id_places / sizeof id_places[0], ENTITY_REFS = 3 };

/* Bytes of an id as the text that readers take them for. */
static void add_bytes_as_text(struct tk_text_buffer *out, struct tk_text bytes) {
  bool printable = bytes.size > 0 && bytes.size != 8; /* which would be an id */
  for (uint32_t i = 0; i < bytes.size; i++) {
    printable &= bytes.data[i] >= ' ' && bytes.data[i] <= '~';
  }
  if (printable) {
    tk_text_buffer_append(out, bytes.data, bytes.size);
  } else {
    tk_text_buffer_add_hex(out, bytes.data, bytes.size);
  }
}

/* The last such field: it is the one that counts. */
static bool find_field(const struct tk_residual *residual, uint32_t number, struct tk_text *bytes) {
  struct tk_text rest = fields_of(residual);
  struct field field;
  bool found = false;
  while (next_field(&rest, &field)) {
    if (field.number != number || field.type != BYTES) continue;
    *bytes = field.bytes;
    found = true;
  }
  return found;
}

bool tk_residual_has_id(const struct tk_residual *residual, const char *member, uint32_t field) {
  struct tk_text bytes;
  if (residual->size == 0) return false;
  return tk_find_json_member(members_of(residual), member).size > 0 ||
         find_field(residual, field, &bytes);
}

bool tk_residual_add_id_text(struct tk_text_buffer *out, const struct tk_residual *residual,
                             const char *member, uint32_t field) {
  struct tk_text bytes;
  struct tk_text_buffer text = {0};
  if (residual->size == 0) return false;
  const struct tk_text value = tk_find_json_member(members_of(residual), member);
  const bool found = value.size > 0 && unquote(value, &text);
  if (found) tk_text_buffer_append(out, text.data, text.size);
  out->failed |= text.failed;
  tk_text_buffer_reset(&text);
  if (found || !find_field(residual, field, &bytes)) return found;
  add_bytes_as_text(out, bytes);
  return true;
}

bool tk_residual_add_id(struct tk_text_buffer *out, const char *key,
                        const struct tk_residual *residual, const char *member, uint32_t field) {
  struct tk_text_buffer text = {0};
  if (!tk_residual_add_id_text(&text, residual, member, field)) return false;
  tk_json_add_key(out, key);
  tk_text_buffer_add_json_string(out, text.data ? text.data : "", text.size);
  out->failed |= text.failed;
  tk_text_buffer_reset(&text);
  return true;
}

static const char *const entity_members[] = {NULL, "schemaUrl", "type", "idKeys",
                                             "descriptionKeys"};
enum { FIRST_REPEATED = 3, LAST_ENTITY_FIELD = 4 };

/* Whether it has the fields of an EntityRef and no others. */
static bool is_entity_ref(struct tk_text fields) {
  struct field field;
  while (next_field(&fields, &field)) {
    if (field.type != BYTES || field.number < 1 || field.number > LAST_ENTITY_FIELD) return false;
    if (!tk_utf8_valid(field.bytes.data, field.bytes.size)) return false;
  }
  return true;
}

static void add_entity_ref(struct tk_text_buffer *out, struct tk_text fields) {
  tk_text_buffer_add_char(out, '{');
  for (uint32_t number = 1; number <= LAST_ENTITY_FIELD; number++) {
    struct tk_text rest = fields;
    struct field field;
    bool any = false;
    while (next_field(&rest, &field)) {
      if (field.number != number) continue;
      if (!any) tk_json_add_key(out, entity_members[number]);
      if (number >= FIRST_REPEATED) tk_text_buffer_add_char(out, any ? ',' : '[');
      tk_json_add_text(out, field.bytes);
      any = true;
      if (number < FIRST_REPEATED) break;
    }
    if (any && number >= FIRST_REPEATED) tk_text_buffer_add_char(out, ']');
  }
  tk_text_buffer_add_char(out, '}');
}

static bool is_entity_field(const struct field *field, enum tk_residual_owner owner) {
  return owner == TK_OWNER_RESOURCE && field->number == ENTITY_REFS && field->type == BYTES &&
         is_entity_ref(field->bytes);
}

static void add_entity_refs(struct tk_text_buffer *out, const struct tk_residual *residual,
                            enum tk_residual_owner owner) {
  struct tk_text rest = fields_of(residual);
  struct field field;
  bool any = false;
  while (owner == TK_OWNER_RESOURCE && next_field(&rest, &field)) {
    if (!is_entity_field(&field, owner)) continue;
    if (!any) tk_json_add_key(out, "entityRefs");
    tk_text_buffer_add_char(out, any ? ',' : '[');
    any = true;
    add_entity_ref(out, field.bytes);
  }
  if (any) tk_text_buffer_add_char(out, ']');
}

/* Whether the field is an id of this owner. */
static bool is_id_field(const struct field *field, enum tk_residual_owner owner) {
  for (size_t i = 0; i < ID_PLACES; i++) {
    if (id_places[i].owner == owner && field->type == BYTES &&
        id_places[i].field == field->number) {
      return true;
    }
  }
  return false;
}

/* ---- JSON ---- */

static void add_fields_as_json(struct tk_text_buffer *out, const struct tk_residual *residual,
                               enum tk_residual_owner owner) {
  struct tk_text rest = fields_of(residual);
  struct tk_text_buffer others = {0};
  struct field field;
  for (size_t i = 0; i < ID_PLACES; i++) {
    if (id_places[i].owner != owner) continue;
    tk_residual_add_id(out, id_places[i].member, residual, id_places[i].member, id_places[i].field);
  }
  add_entity_refs(out, residual, owner);
  while (next_field(&rest, &field)) {
    if (is_id_field(&field, owner) || is_entity_field(&field, owner)) continue;
    tk_text_buffer_append(&others, field.whole.data, field.whole.size);
  }
  if (others.size > 0) {
    tk_json_add_key(out, TK_OTLP_JSON_PROTOBUF_MEMBER);
    tk_text_buffer_add_char(out, '"');
    tk_text_buffer_add_base64(out, others.data, others.size);
    tk_text_buffer_add_char(out, '"');
  }
  out->failed |= others.failed;
  tk_text_buffer_reset(&others);
}

/* Otherwise all members are written as they stand, in one piece. */
static bool may_belong_inside(struct tk_text members) {
  return memmem(members.data, members.size, attribute_path, sizeof attribute_path - 1) ||
         memmem(members.data, members.size, "\"status\"", 8);
}

void tk_residual_add_json(struct tk_text_buffer *out, const struct tk_residual *residual,
                          enum tk_residual_owner owner) {
  struct tk_text rest = members_of(residual);
  struct tk_json_member member;
  if (residual->size == 0) return;
  if (residual->format == TK_RESIDUAL_PROTOBUF) add_fields_as_json(out, residual, owner);
  if (rest.size > 0 && !may_belong_inside(rest)) {
    add_comma(out);
    tk_text_buffer_append(out, rest.data, rest.size);
    return;
  }
  while (tk_next_json_member(&rest, &member)) {
    const bool of_status = owner == TK_OWNER_SPAN && tk_text_is(member.key, "status");
    if (!is_path_member(&member) && !of_status) add_member(out, &member);
  }
}

/* ---- protobuf ---- */

/* Items of an array one after another; false: no more, or none. */
static bool next_item(struct tk_text *rest, struct tk_text *item) {
  skip_blanks(rest);
  if (rest->size > 0 && rest->data[0] == ',') skip(rest, 1);
  skip_blanks(rest);
  const uint32_t size = measure_value(*rest);
  *item = (struct tk_text){rest->data, size};
  skip(rest, size);
  return size > 0;
}

static bool add_texts(struct tk_text_buffer *out, uint32_t number, struct tk_text value,
                      struct tk_text_buffer *scratch) {
  struct tk_text items = inside(value, '[');
  struct tk_text item;
  if (number < FIRST_REPEATED) {
    if (!unquote(value, scratch)) return false;
    add_field(out, number, scratch->data, scratch->size);
    return true;
  }
  if (value.data[0] != '[') return false;
  while (next_item(&items, &item)) {
    if (!unquote(item, scratch)) return false;
    add_field(out, number, scratch->data, scratch->size);
  }
  return true;
}

static bool is_named(struct tk_text key, uint32_t number) {
  static const char *const snake_names[] = {NULL, "schema_url", "type", "id_keys",
                                            "description_keys"};
  return tk_text_is(key, entity_members[number]) || tk_text_is(key, snake_names[number]);
}

/* An entity reference as fields; false: it has something that an EntityRef does not. */
static bool encode_entity_ref(struct tk_text_buffer *out, struct tk_text object,
                              struct tk_text_buffer *scratch) {
  if (object.size < 2 || object.data[0] != '{') return false;
  for (uint32_t number = 1; number <= LAST_ENTITY_FIELD; number++) {
    struct tk_text rest = inside(object, '{');
    struct tk_json_member member;
    while (tk_next_json_member(&rest, &member)) {
      bool known = false;
      for (uint32_t i = 1; i <= LAST_ENTITY_FIELD; i++) known |= is_named(member.key, i);
      if (!known) return false;
      if (is_named(member.key, number) && !add_texts(out, number, member.value, scratch)) {
        return false;
      }
    }
  }
  return true;
}

static bool encode_entity_refs(struct tk_text_buffer *out, struct tk_text value) {
  struct tk_text_buffer scratch = {0}, entity = {0};
  struct tk_text rest = inside(value, '[');
  struct tk_text item;
  const size_t begin = out->size;
  bool good = value.data[0] == '[';
  while (good && next_item(&rest, &item)) {
    tk_text_buffer_clear(&entity);
    good = encode_entity_ref(&entity, item, &scratch);
    if (good) add_field(out, ENTITY_REFS, entity.data, entity.size);
  }
  if (!good) out->size = begin;
  out->failed |= scratch.failed || entity.failed;
  tk_text_buffer_reset(&scratch);
  tk_text_buffer_reset(&entity);
  return good;
}

static bool decode_fields(struct tk_text_buffer *out, struct tk_text value) {
  if (value.size < 2 || value.data[0] != '"') return false;
  uint8_t *bytes = sqlite3_malloc64((uint64_t)value.size / 4 * 3 + 4);
  if (!bytes) {
    out->failed = true;
    return false;
  }
  const int64_t size = tk_base64_decode(value.data + 1, value.size - 2, bytes);
  struct tk_text rest = {(const char *)bytes, size > 0 ? (uint32_t)size : 0};
  struct field field;
  bool good = size > 0;
  while (good && next_field(&rest, &field)) good = field.number > 0;
  if (good) tk_text_buffer_append(out, bytes, (size_t)size);
  sqlite3_free(bytes);
  return good;
}

/* A member that protobuf has fields for; false: it has none. */
static bool encode_member(struct tk_text_buffer *out, const struct tk_json_member *member,
                          enum tk_residual_owner owner) {
  if (tk_text_is(member->key, TK_OTLP_JSON_PROTOBUF_MEMBER)) {
    return decode_fields(out, member->value);
  }
  return owner == TK_OWNER_RESOURCE &&
         (tk_text_is(member->key, "entityRefs") || tk_text_is(member->key, "entity_refs")) &&
         encode_entity_refs(out, member->value);
}

void tk_residual_add_protobuf(struct tk_text_buffer *out, const struct tk_residual *residual,
                              enum tk_residual_owner owner, enum tk_id_choice ids) {
  struct tk_text members = members_of(residual), fields = fields_of(residual);
  struct tk_text path, inner;
  struct tk_json_member member;
  struct field field;
  if (residual->size == 0) return;
  while (next_field(&fields, &field)) {
    if (read_path_field(&field, &path, &inner)) continue;
    if (ids == TK_IDS_VALID && is_id_field(&field, owner)) continue;
    tk_text_buffer_append(out, field.whole.data, field.whole.size);
  }
  while (tk_next_json_member(&members, &member)) encode_member(out, &member, owner);
}

bool tk_residual_needs_json(const struct tk_residual *residual, enum tk_residual_owner owner) {
  struct tk_text rest = members_of(residual);
  struct tk_text_buffer scratch = {0};
  struct tk_json_member member;
  bool needs = false;
  while (!needs && tk_next_json_member(&rest, &member)) {
    needs = !encode_member(&scratch, &member, owner);
  }
  tk_text_buffer_reset(&scratch);
  return needs;
}
