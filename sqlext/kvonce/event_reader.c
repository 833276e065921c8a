/* SPDX-License-Identifier: MIT
 * From the rows of tk_document to events. One statement gives the documents, one document reader
 * goes from each to the next, and the text of a part is copied once, to where a line can be ended
 * by NUL: the parser then cannot run from one line into the next. */
#include "sqlext/kvonce/event_reader.h"

#include <string.h>

#include "sqlext/kvonce/js_value.h"
#include "sqlext/vtab_support.h"
#include "store/database.h"
#include "store/document/document_functions.h"
#include "tracekeep/hash.h"
#include "tracekeep/scan.h"

/* Of documents that are read whole: arrays, which are not cut where it suits us. */
#define WHOLE_DOCUMENT_LIMIT ((size_t)512 << 20)

static const char *const dialect_names[TK_DIALECT_COUNT] = {
    [TK_DIALECT_KVONCE] = "kvonce",
    [TK_DIALECT_INVENTORY] = "inventory",
    [TK_DIALECT_OBSERVABILITY] = "observability",
};

static const struct {
  const char *name; /* in tk_document.kind */
  enum tk_dialect dialect;
} kinds[] = {
    {"kvonce-events", TK_DIALECT_KVONCE},
    {"inventory-events", TK_DIALECT_INVENTORY},
    {"observability-events", TK_DIALECT_OBSERVABILITY},
    {"observability-array", TK_DIALECT_OBSERVABILITY},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

const char *tk_dialect_name(enum tk_dialect dialect) {
  return dialect_names[dialect];
}

/* ---- one event ---- */

/* By length of the name, then by the order below. */
static const struct {
  const char *name;
  enum tk_event_field field;
} field_names[] = {
    {"key", TK_EVENT_KEY},         {"type", TK_EVENT_TYPE},
    {"value", TK_EVENT_VALUE},     {"event", TK_EVENT_EVENT},
    {"actor", TK_EVENT_ACTOR},     {"state", TK_EVENT_STATE},
    {"delta", TK_EVENT_DELTA},     {"reason", TK_EVENT_REASON},
    {"result", TK_EVENT_RESULT},   {"checks", TK_EVENT_CHECKS},
    {"action", TK_EVENT_ACTION},   {"traceId", TK_EVENT_TRACE_ID},
    {"context", TK_EVENT_CONTEXT}, {"outcome", TK_EVENT_OUTCOME},
    {"details", TK_EVENT_DETAILS}, {"timestamp", TK_EVENT_TIMESTAMP},
};

/* The first field whose name is as long, and the first whose is longer. */
enum { LONGEST_NAME = 9, LONGEST_ESCAPED_NAME = 6 * LONGEST_NAME };
static const uint8_t first_of_length[LONGEST_NAME + 2] = {0, 0, 0, 0, 1, 2, 7, 11, 15, 15, 16};

static int find_field(const char *name, uint32_t size) {
  if (size > LONGEST_NAME) return -1;
  for (uint32_t i = first_of_length[size]; i < first_of_length[size + 1]; i++) {
    if (memcmp(field_names[i].name, name, size) == 0) return (int)field_names[i].field;
  }
  return -1;
}

static int field_of_key(struct tk_json_string key) {
  char plain[LONGEST_ESCAPED_NAME];
  bool broken = false;
  if (!key.escaped) return find_field(key.data, key.size);
  if (key.size > sizeof plain) return -1;
  return find_field(plain, tk_json_unescape(key, plain, &broken));
}

bool tk_event_parse(struct tk_run_event *event, struct tk_text text) {
  struct tk_json json;
  memset(event->fields, 0, sizeof event->fields);
  event->raw = text;
  tk_json_init(&json, text.data, text.size);
  switch ((int)tk_json_peek(&json)) {
    case TK_JSON_OBJECT:
      for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
        const struct tk_json_string key = tk_json_key(&json);
        const int field = json.expected ? -1 : field_of_key(key);
        const struct tk_text value = tk_json_skip(&json);
        if (field >= 0) event->fields[field] = value;
      }
      break;
    default:
      tk_json_skip(&json);
      break;
  }
  return !json.expected && tk_json_at_end(&json);
}

static bool names_origin(struct tk_text text, const struct tk_record_origin *origin) {
  uint8_t id[16];
  if (text.size == 0) return false;
  tk_trace_id_parse(text, id);
  return memcmp(id, origin->trace_id, sizeof id) == 0;
}

bool tk_event_span_trace(const struct tk_run_event *event, struct tk_byte_writer *out) {
  const struct tk_text json = event->fields[TK_EVENT_TRACE_ID];
  char normal[33];
  bool broken = false;
  out->size = 0;
  if (json.data && json.data[0] == '"' && json.size > 2) {
    const struct tk_json_string string = {
        .data = json.data + 1, .size = json.size - 2, .escaped = 1};
    uint8_t *room = tk_byte_writer_reserve(out, json.size);
    if (!room) return false;
    tk_byte_writer_claim(out, tk_json_unescape(string, (char *)room, &broken));
  }
  const struct tk_text text = {(const char *)out->data, (uint32_t)out->size};
  if (event->origin && !names_origin(text, event->origin)) {
    tk_hex_text(event->origin->trace_id, sizeof event->origin->trace_id, normal);
  } else if (!tk_normal_trace_id(text, normal)) {
    return true;
  }
  out->size = 0;
  tk_byte_writer_append(out, normal, 32);
  return !out->failed;
}

struct tk_text tk_json_find_member(struct tk_text object, const char *name) {
  struct tk_text found = {0};
  struct tk_json json;
  char plain[64];
  bool broken = false;
  if (!object.data || object.data[0] != '{') return found;
  tk_json_init(&json, object.data, object.size);
  for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
    const struct tk_json_string key = tk_json_key(&json);
    const struct tk_text value = tk_json_skip(&json);
    struct tk_text text = {key.data, key.size};
    if (key.escaped && key.size <= sizeof plain) {
      text = (struct tk_text){plain, tk_json_unescape(key, plain, &broken)};
    }
    if (text.size == strlen(name) && memcmp(text.data, name, text.size) == 0) found = value;
  }
  return found;
}

/* ---- lines ---- */

/* As a decoder of the WHATWG does it: U+FFFD for each longest beginning of a sequence. */
static size_t measure_broken(const unsigned char *at, size_t left) {
  const unsigned char first = at[0];
  const size_t size = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
  size_t length = 1;
  unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  while (length < size && length < left && at[length] >= low && at[length] <= high) {
    length++;
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

static bool is_ascii(const char *text, size_t size) {
  uint64_t word, high = 0;
  for (; size >= sizeof word; text += sizeof word, size -= sizeof word) {
    memcpy(&word, text, sizeof word);
    high |= word;
  }
  for (; size > 0; text++, size--) high |= (unsigned char)*text;
  return (high & 0x8080808080808080u) == 0;
}

static enum tk_status fix_line(struct tk_event_lines *lines, struct tk_text *line,
                               struct tk_error *error) {
  const size_t wanted = (size_t)line->size * 3 + TK_JSON_PADDING;
  size_t size = 0;
  if (wanted > UINT32_MAX) return tk_fail(error, TK_UNSUPPORTED, "a line is longer than 1 GiB");
  if (wanted > lines->fixed_capacity) {
    char *larger = sqlite3_realloc64(lines->fixed, wanted);
    if (!larger) return tk_nomem(error);
    lines->fixed = larger;
    lines->fixed_capacity = wanted;
  }
  for (uint32_t i = 0; i < line->size;) {
    const unsigned char *at = (const unsigned char *)line->data + i;
    const size_t length = measure_broken(at, line->size - i);
    if (tk_utf8_valid((const char *)at, length)) {
      memcpy(lines->fixed + size, at, length);
      size += length;
    } else {
      memcpy(lines->fixed + size, "\xEF\xBF\xBD", 3);
      size += 3;
    }
    i += (uint32_t)length;
  }
  memset(lines->fixed + size, 0, TK_JSON_PADDING);
  *line = (struct tk_text){lines->fixed, (uint32_t)size};
  return TK_OK;
}

enum tk_status tk_event_lines_next(struct tk_event_lines *lines, struct tk_text *line_out,
                                   struct tk_error *error) {
  *line_out = (struct tk_text){0};
  while (lines->at < lines->end) {
    char *begin = lines->at;
    char *stop = memchr(begin, '\n', (size_t)(lines->end - begin));
    lines->at = stop ? stop + 1 : lines->end;
    if (!stop) stop = lines->end;
    struct tk_text line = {begin, (uint32_t)(stop - begin)};
    if (!is_ascii(line.data, line.size) && !tk_utf8_valid(line.data, line.size)) {
      const enum tk_status status = fix_line(lines, &line, error);
      if (status != TK_OK) return status;
    }
    const bool is_fixed = line.data != begin;
    line = tk_js_trim(line);
    if (line.size == 0) continue;
    char *text = is_fixed ? lines->fixed + (line.data - lines->fixed) : begin + (line.data - begin);
    text[line.size] = '\0';
    *line_out = line;
    return TK_OK;
  }
  return TK_OK;
}

void tk_event_lines_reset(struct tk_event_lines *lines) {
  sqlite3_free(lines->fixed);
  *lines = (struct tk_event_lines){.at = NULL};
}

/* ---- documents ---- */

enum document_column {
  DOCUMENT_ID,
  DOCUMENT_KIND,
  DOCUMENT_RUN,
  DOCUMENT_PATH,
  DOCUMENT_RECORD_COUNT
};

struct tk_event_reader {
  sqlite3 *db;
  char *schema;
  sqlite3_stmt *documents; /* NULL: the store has none */
  struct tk_event_document document;

  struct tk_document_reader *parts; /* NULL before the first document */
  const struct tk_document_part *part;
  bool at_end; /* of the parts of the document */

  char *text; /* a part, or a whole document, to be written into */
  size_t text_capacity;
  struct tk_event_lines lines;
  struct tk_json items; /* of a document that is an array */
  bool is_array, has_items;

  uint64_t next_ordinal, malformed_count;
  struct tk_run_event event;
};

static bool has_documents(sqlite3 *db, const char *schema) {
  return sqlite3_table_column_metadata(db, schema, "tk_document", "id", NULL, NULL, NULL, NULL,
                                       NULL) == SQLITE_OK;
}

static char *select_documents(const char *schema, const struct tk_event_filter *filter) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  const char *separator = "";
  sqlite3_str_appendf(sql,
                      "SELECT d.id, d.kind, r.run_id, d.path, d.record_count"
                      " FROM \"%w\".tk_document d LEFT JOIN \"%w\".run_documents r"
                      " ON r.document_id = d.id%s WHERE d.kind IN (",
                      schema, schema, filter->document_id ? " AND r.document_id = ?2" : "");
  for (int i = 0; i < KIND_COUNT; i++) {
    if (!(filter->dialects >> kinds[i].dialect & 1)) continue;
    sqlite3_str_appendf(sql, "%s'%s'", separator, kinds[i].name);
    separator = ",";
  }
  sqlite3_str_appendall(sql, ")");
  if (filter->run_id) sqlite3_str_appendall(sql, " AND r.run_id = ?1");
  if (filter->document_id) sqlite3_str_appendall(sql, " AND d.id = ?2");
  if (filter->trace_id) {
    sqlite3_str_appendf(sql,
                        " AND (d.id IN (SELECT document_id FROM \"%w\".tk_document_trace"
                        " WHERE trace_id IN (?3, ?4))%s)",
                        schema,
                        filter->dialects >> TK_DIALECT_OBSERVABILITY & 1
                            ? " OR d.kind = 'observability-array'" /* has no entries there */
                            : "");
  }
  sqlite3_str_appendall(sql, " ORDER BY d.id, r.run_id");
  return sqlite3_str_finish(sql);
}

/* Hexadecimal ids are kept in one form, whatever they look like in the document. */
static int bind_trace(sqlite3_stmt *statement, sqlite3_value *trace_id) {
  char normal[33];
  const int rc = sqlite3_bind_value(statement, 3, trace_id);
  const char *text = (const char *)sqlite3_value_text(trace_id);
  if (rc != SQLITE_OK || !text) return rc;
  const struct tk_text id = {text, (uint32_t)sqlite3_value_bytes(trace_id)};
  if (!tk_normal_trace_id(id, normal)) return SQLITE_OK;
  return sqlite3_bind_text(statement, 4, normal, 32, SQLITE_TRANSIENT);
}

static enum tk_status prepare_documents(struct tk_event_reader *reader,
                                        const struct tk_event_filter *filter,
                                        struct tk_error *error) {
  char *sql = select_documents(reader->schema, filter);
  if (!sql) return tk_nomem(error);
  int rc = sqlite3_prepare_v2(reader->db, sql, -1, &reader->documents, NULL);
  sqlite3_free(sql);
  if (rc == SQLITE_ERROR && !has_documents(reader->db, reader->schema)) return TK_OK;
  if (rc == SQLITE_OK && filter->run_id) {
    rc = sqlite3_bind_value(reader->documents, 1, filter->run_id);
  }
  if (rc == SQLITE_OK && filter->document_id) {
    rc = sqlite3_bind_value(reader->documents, 2, filter->document_id);
  }
  if (rc == SQLITE_OK && filter->trace_id) rc = bind_trace(reader->documents, filter->trace_id);
  if (rc == SQLITE_OK) return TK_OK;
  return tk_database_error(reader->db, "read the documents", error);
}

enum tk_status tk_event_reader_open(sqlite3 *db, const char *schema,
                                    const struct tk_event_filter *filter,
                                    struct tk_event_reader **reader_out, struct tk_error *error) {
  struct tk_event_reader *reader = sqlite3_malloc64(sizeof *reader);
  *reader_out = NULL;
  if (!reader) return tk_nomem(error);
  memset(reader, 0, sizeof *reader);
  reader->db = db;
  reader->schema = sqlite3_mprintf("%s", schema);
  enum tk_status status = reader->schema ? TK_OK : tk_nomem(error);
  if (status == TK_OK) status = prepare_documents(reader, filter, error);
  if (status == TK_OK) {
    *reader_out = reader;
  } else {
    tk_event_reader_close(reader);
  }
  return status;
}

void tk_event_reader_close(struct tk_event_reader *reader) {
  if (!reader) return;
  tk_document_reader_close(reader->parts);
  sqlite3_finalize(reader->documents);
  tk_event_lines_reset(&reader->lines);
  sqlite3_free(reader->text);
  sqlite3_free(reader->schema);
  sqlite3_free(reader);
}

int64_t tk_event_row_id(int64_t document_id, const char *run_id, uint64_t number) {
  const uint64_t parts[] = {(uint64_t)document_id, number,
                            run_id ? tk_hash64(run_id, strlen(run_id)) : 0};
  return (int64_t)(tk_hash64(parts, sizeof parts) >> 1);
}

uint64_t tk_event_reader_record_count(const struct tk_event_reader *reader) {
  return reader->next_ordinal;
}

uint64_t tk_event_reader_malformed_count(const struct tk_event_reader *reader) {
  return reader->malformed_count;
}

/* ---- parts ---- */

static enum tk_status take_text(struct tk_event_reader *reader, const char *text, size_t size,
                                struct tk_error *error) {
  const size_t wanted = size + TK_JSON_PADDING;
  if (wanted > reader->text_capacity) {
    sqlite3_free(reader->text);
    reader->text_capacity = 0;
    reader->text = sqlite3_malloc64(wanted);
    if (!reader->text) return tk_nomem(error);
    reader->text_capacity = wanted;
  }
  memcpy(reader->text, text, size);
  memset(reader->text + size, 0, TK_JSON_PADDING);
  reader->lines.at = reader->text;
  reader->lines.end = reader->text + size;
  return TK_OK;
}

static enum tk_status next_part(struct tk_event_reader *reader, struct tk_error *error) {
  const enum tk_status status = tk_document_reader_next(reader->parts, &reader->part, error);
  if (status != TK_OK) return status;
  if (!reader->part) {
    reader->at_end = true;
    return TK_OK;
  }
  reader->next_ordinal = reader->part->first_ordinal;
  return take_text(reader, reader->part->text, reader->part->size, error);
}

/* Whether the text is one JSON value. */
static bool is_one_value(const char *text, size_t size) {
  struct tk_json json;
  tk_json_init(&json, text, size);
  tk_json_skip(&json);
  return !json.expected && tk_json_at_end(&json);
}

/* Of a document that need not consist of lines: an array of events, or one of them. */
static enum tk_status read_whole(struct tk_event_reader *reader, struct tk_error *error) {
  char *text = NULL;
  size_t size = 0;
  enum tk_status status = tk_document_read(reader->db, reader->schema, reader->document.id,
                                           WHOLE_DOCUMENT_LIMIT, &text, &size, error);
  if (status == TK_OK) status = take_text(reader, text, size, error);
  sqlite3_free(text);
  if (status != TK_OK) return status;
  reader->at_end = true;
  struct tk_text trimmed = {reader->text, (uint32_t)size};
  if (!is_ascii(reader->text, size) && !tk_utf8_valid(reader->text, size)) {
    if ((status = fix_line(&reader->lines, &trimmed, error)) != TK_OK) return status;
  }
  trimmed = tk_js_trim(trimmed);
  if (trimmed.size == 0) return TK_OK;
  tk_json_init(&reader->items, trimmed.data, trimmed.size);
  if (trimmed.data[0] == '[') {
    reader->is_array = true;
    reader->has_items = tk_json_enter_array(&reader->items);
    reader->lines.at = reader->lines.end;
  } else if (is_one_value(trimmed.data, trimmed.size)) {
    reader->is_array = true; /* of this one */
    reader->has_items = true;
    reader->lines.at = reader->lines.end;
  }
  return TK_OK;
}

static enum tk_status enter_document(struct tk_event_reader *reader, struct tk_error *error) {
  enum tk_status status = TK_OK;
  reader->part = NULL;
  reader->at_end = reader->is_array = reader->has_items = false;
  reader->next_ordinal = reader->malformed_count = 0;
  reader->lines.at = reader->lines.end = NULL;
  if (reader->document.dialect == TK_DIALECT_OBSERVABILITY &&
      sqlite3_column_int64(reader->documents, DOCUMENT_RECORD_COUNT) <= 1) {
    return read_whole(reader, error);
  }
  if (reader->parts) {
    tk_document_reader_rewind(reader->parts, reader->document.id);
  } else {
    status = tk_document_reader_open(reader->db, reader->schema, reader->document.id,
                                     &reader->parts, error);
  }
  return status;
}

enum tk_status tk_event_reader_restart(struct tk_event_reader *reader, struct tk_error *error) {
  return enter_document(reader, error);
}

enum tk_status tk_event_reader_next_document(struct tk_event_reader *reader,
                                             const struct tk_event_document **document_out,
                                             struct tk_error *error) {
  *document_out = NULL;
  if (!reader->documents) return TK_OK;
  const int rc = sqlite3_step(reader->documents);
  if (rc == SQLITE_DONE) return TK_OK;
  if (rc != SQLITE_ROW) return tk_database_error(reader->db, "read the documents", error);
  struct tk_event_document *document = &reader->document;
  const char *kind = (const char *)sqlite3_column_text(reader->documents, DOCUMENT_KIND);
  document->id = sqlite3_column_int64(reader->documents, DOCUMENT_ID);
  document->run_id = (const char *)sqlite3_column_text(reader->documents, DOCUMENT_RUN);
  document->path = (const char *)sqlite3_column_text(reader->documents, DOCUMENT_PATH);
  for (int i = 0; kind && i < KIND_COUNT; i++) {
    if (strcmp(kind, kinds[i].name) == 0) document->dialect = kinds[i].dialect;
  }
  if (!kind || !document->path ||
      (!document->run_id && sqlite3_column_type(reader->documents, DOCUMENT_RUN) != SQLITE_NULL)) {
    return tk_nomem(error);
  }
  const enum tk_status status = enter_document(reader, error);
  if (status == TK_OK) *document_out = document;
  return status;
}

/* ---- events ---- */

/* null is an event only where events are checked for being objects. */
static bool parse_record(struct tk_event_reader *reader, struct tk_text text) {
  struct tk_run_event *event = &reader->event;
  if (tk_event_parse(event, text) &&
      (reader->document.dialect == TK_DIALECT_OBSERVABILITY || !tk_json_is_null(event->raw))) {
    return true;
  }
  reader->malformed_count++;
  return false;
}

static bool next_item(struct tk_event_reader *reader) {
  struct tk_json *items = &reader->items;
  while (reader->has_items) {
    struct tk_run_event *event = &reader->event;
    const struct tk_text text = tk_json_skip(items);
    event->ordinal = reader->next_ordinal++;
    event->origin = NULL;
    reader->has_items = items->depth > 0 && tk_json_next_item(items); /* or an error */
    if (items->expected) reader->malformed_count++;                   /* what follows is cut off */
    if (text.data && parse_record(reader, text)) return true;
  }
  return false;
}

enum tk_status tk_event_reader_next(struct tk_event_reader *reader,
                                    const struct tk_run_event **event_out, struct tk_error *error) {
  struct tk_run_event *event = &reader->event;
  *event_out = NULL;
  if (reader->is_array) {
    if (next_item(reader)) *event_out = event;
    return TK_OK;
  }
  for (;;) {
    struct tk_text line;
    enum tk_status status = tk_event_lines_next(&reader->lines, &line, error);
    if (status != TK_OK) return status;
    if (!line.data) {
      if (reader->at_end) return TK_OK;
      if ((status = next_part(reader, error)) != TK_OK) return status;
      continue;
    }
    event->ordinal = reader->next_ordinal++;
    event->origin = NULL;
    if (reader->part && reader->part->origins) {
      const uint64_t index = event->ordinal - reader->part->first_ordinal;
      if (index < reader->part->record_count) event->origin = &reader->part->origins[index];
    }
    if (parse_record(reader, line)) {
      *event_out = event;
      return TK_OK;
    }
  }
}
