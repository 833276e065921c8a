/* SPDX-License-Identifier: MIT
 * Reading documents back, part by part: one statement over tk_document_part, and the checks that
 * what it gives is what was written. */
#include "store/document/document.h"

#include <string.h>

#include "store/codec/byte_reader.h"
#include "store/codec/compression.h"
#include "store/database.h"
#include "store/store.h"
#include "tracekeep/hash.h"

enum { PART_BITS = 20, ORIGIN_SIZE = 32 };

enum part_column {
  PART_ID,
  PART_FIRST_ORDINAL,
  PART_RECORD_COUNT,
  PART_SIZE,
  PART_HASH,
  PART_DATA,
  PART_ORIGINS
};

struct tk_document_reader {
  sqlite3 *db;
  sqlite3_stmt *parts;
  int64_t id;
  uint64_t next_ordinal;
  char *text;
  struct tk_record_origin *origins;
  struct tk_document_part part;
};

static bool is_space(char byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

struct tk_text tk_document_trim(const char *text, size_t size) {
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
    text += 3;
    size -= 3;
  }
  while (size > 0 && is_space(text[size - 1])) size--;
  while (size > 0 && is_space(*text)) {
    text++;
    size--;
  }
  return (struct tk_text){text, (uint32_t)size};
}

static void drop_part(struct tk_document_reader *reader) {
  sqlite3_free(reader->text);
  sqlite3_free(reader->origins);
  reader->text = NULL;
  reader->origins = NULL;
}

void tk_document_reader_seek(struct tk_document_reader *reader, int64_t number,
                             uint64_t first_ordinal) {
  tk_document_reader_rewind(reader, reader->id);
  sqlite3_bind_int64(reader->parts, 1, (int64_t)((uint64_t)reader->id << PART_BITS) | number);
  reader->next_ordinal = first_ordinal;
}

void tk_document_reader_rewind(struct tk_document_reader *reader, int64_t id) {
  drop_part(reader);
  reader->id = id;
  reader->next_ordinal = 0;
  sqlite3_reset(reader->parts);
  sqlite3_bind_int64(reader->parts, 1, (int64_t)((uint64_t)id << PART_BITS));
  sqlite3_bind_int64(reader->parts, 2, (int64_t)(((uint64_t)id + 1) << PART_BITS));
}

enum tk_status tk_document_reader_open(sqlite3 *db, const char *schema, int64_t id,
                                       struct tk_document_reader **reader_out,
                                       struct tk_error *error) {
  *reader_out = NULL;
  struct tk_document_reader *reader = sqlite3_malloc64(sizeof *reader);
  char *sql = sqlite3_mprintf(
      "SELECT id, first_ordinal, record_count, size, hash, data, origins"
      " FROM \"%w\".tk_document_part WHERE id >= ?1 AND id < ?2 ORDER BY id",
      schema);
  if (!reader || !sql) {
    sqlite3_free(reader);
    sqlite3_free(sql);
    return tk_nomem(error);
  }
  memset(reader, 0, sizeof *reader);
  reader->db = db;
  reader->id = id;
  const int rc = sqlite3_prepare_v2(db, sql, -1, &reader->parts, NULL);
  sqlite3_free(sql);
  if (rc != SQLITE_OK) {
    const enum tk_status status = tk_database_error(db, "read a document", error);
    tk_document_reader_close(reader);
    return status;
  }
  tk_document_reader_rewind(reader, id);
  *reader_out = reader;
  return TK_OK;
}

static enum tk_status damaged(const struct tk_document_reader *reader, const char *what,
                              struct tk_error *error) {
  const int64_t number =
      sqlite3_column_int64(reader->parts, PART_ID) & (((int64_t)1 << PART_BITS) - 1);
  return tk_corrupt(error, "document %lld, part %lld: %s", (long long)reader->id, (long long)number,
                    what);
}

static enum tk_status decode_text(struct tk_document_reader *reader, struct tk_byte_reader *data,
                                  struct tk_error *error) {
  const int64_t size = sqlite3_column_int64(reader->parts, PART_SIZE);
  reader->text = sqlite3_malloc64((sqlite3_uint64)size + 1);
  if (!reader->text) return tk_nomem(error);
  const enum tk_status status = tk_unpack_bytes(data, (uint8_t *)reader->text, (size_t)size, NULL);
  if (status == TK_NOMEM) return tk_nomem(error);
  if (status != TK_OK || !tk_byte_reader_finished(data)) {
    return damaged(reader, "its bytes cannot be unpacked", error);
  }
  reader->text[size] = '\0';
  reader->part.text = reader->text;
  reader->part.size = (size_t)size;
  return TK_OK;
}

static enum tk_status decode_origins(struct tk_document_reader *reader, struct tk_error *error) {
  struct tk_byte_reader packed;
  const uint64_t count = reader->part.record_count;
  const void *blob = sqlite3_column_blob(reader->parts, PART_ORIGINS);
  reader->part.origins = NULL;
  if (sqlite3_column_type(reader->parts, PART_ORIGINS) == SQLITE_NULL) return TK_OK;
  tk_byte_reader_init(&packed, blob, (size_t)sqlite3_column_bytes(reader->parts, PART_ORIGINS));
  uint8_t *bytes = sqlite3_malloc64(count * ORIGIN_SIZE + 1);
  reader->origins = sqlite3_malloc64(count * sizeof *reader->origins + 1);
  enum tk_status status = bytes && reader->origins ? TK_OK : tk_nomem(error);
  if (status == TK_OK) {
    status = tk_unpack_bytes(&packed, bytes, (size_t)count * ORIGIN_SIZE, NULL);
    if (status == TK_OK && !tk_byte_reader_finished(&packed)) status = TK_CORRUPT;
    if (status == TK_NOMEM) status = tk_nomem(error);
    if (status == TK_CORRUPT) status = damaged(reader, "its origins cannot be unpacked", error);
  }
  for (uint64_t i = 0; i < count && status == TK_OK; i++) {
    struct tk_byte_reader fields;
    struct tk_record_origin *origin = &reader->origins[i];
    tk_byte_reader_init(&fields, bytes + i * ORIGIN_SIZE, ORIGIN_SIZE);
    memcpy(origin->trace_id, tk_byte_reader_bytes(&fields, 16), 16);
    memcpy(origin->span_id, tk_byte_reader_bytes(&fields, 8), 8);
    origin->start_unix_ns = tk_byte_reader_u64(&fields);
  }
  sqlite3_free(bytes);
  if (status == TK_OK) reader->part.origins = reader->origins;
  return status;
}

/* Of data and, after it, origins. */
static uint64_t hash_row(sqlite3_stmt *row) {
  struct tk_hash hash;
  tk_hash_init(&hash);
  tk_hash_update(&hash, sqlite3_column_blob(row, PART_DATA),
                 (size_t)sqlite3_column_bytes(row, PART_DATA));
  tk_hash_update(&hash, sqlite3_column_blob(row, PART_ORIGINS),
                 (size_t)sqlite3_column_bytes(row, PART_ORIGINS));
  return tk_hash_digest(&hash);
}

enum tk_status tk_document_reader_next(struct tk_document_reader *reader,
                                       const struct tk_document_part **part_out,
                                       struct tk_error *error) {
  struct tk_byte_reader data;
  *part_out = NULL;
  drop_part(reader);
  const int rc = sqlite3_step(reader->parts);
  if (rc == SQLITE_DONE) return TK_OK;
  if (rc != SQLITE_ROW) return tk_database_error(reader->db, "read a document", error);

  const int64_t first = sqlite3_column_int64(reader->parts, PART_FIRST_ORDINAL);
  const int64_t count = sqlite3_column_int64(reader->parts, PART_RECORD_COUNT);
  const int64_t size = sqlite3_column_int64(reader->parts, PART_SIZE);
  if ((uint64_t)first != reader->next_ordinal) {
    return damaged(reader, "a part before it is missing", error);
  }
  if (size < 0 || (uint64_t)size > TK_DOCUMENT_PART_LIMIT) {
    return damaged(reader, "its size is out of range", error);
  }
  if (count < 0 || count > size) {
    return damaged(reader, "its number of records is out of range", error);
  }
  if ((uint64_t)sqlite3_column_int64(reader->parts, PART_HASH) != hash_row(reader->parts)) {
    return damaged(reader, "its bytes are not those that were written (checksum)", error);
  }
  reader->part.first_ordinal = (uint64_t)first;
  reader->part.record_count = (uint64_t)count;
  reader->next_ordinal += (uint64_t)count;
  tk_byte_reader_init(&data, sqlite3_column_blob(reader->parts, PART_DATA),
                      (size_t)sqlite3_column_bytes(reader->parts, PART_DATA));
  enum tk_status status = decode_text(reader, &data, error);
  if (status == TK_OK) status = decode_origins(reader, error);
  if (status == TK_OK) *part_out = &reader->part;
  return status;
}

void tk_document_reader_close(struct tk_document_reader *reader) {
  if (!reader) return;
  drop_part(reader);
  sqlite3_finalize(reader->parts);
  sqlite3_free(reader);
}

static enum tk_status append_part(char **text, size_t *size, const struct tk_document_part *part,
                                  size_t limit, struct tk_error *error) {
  if (part->size > limit - *size) {
    return tk_fail(error, TK_UNSUPPORTED, "the document is longer than %zu bytes", limit);
  }
  char *longer = sqlite3_realloc64(*text, (sqlite3_uint64)*size + part->size + 1);
  if (!longer) return tk_nomem(error);
  memcpy(longer + *size, part->text, part->size);
  *text = longer;
  *size += part->size;
  longer[*size] = '\0';
  return TK_OK;
}

enum tk_status tk_document_read(sqlite3 *db, const char *schema, int64_t id, size_t limit,
                                char **text_out, size_t *size_out, struct tk_error *error) {
  struct tk_document_reader *reader = NULL;
  const struct tk_document_part *part = NULL;
  char *text = sqlite3_malloc64(1);
  size_t size = 0;
  *text_out = NULL;
  *size_out = 0;
  enum tk_status status = text ? TK_OK : tk_nomem(error);
  if (text) text[0] = '\0';
  if (status == TK_OK) status = tk_document_reader_open(db, schema, id, &reader, error);
  while (status == TK_OK) {
    status = tk_document_reader_next(reader, &part, error);
    if (status != TK_OK || !part) break;
    status = append_part(&text, &size, part, limit, error);
  }
  tk_document_reader_close(reader);
  if (status != TK_OK) {
    sqlite3_free(text);
    return status;
  }
  *text_out = text;
  *size_out = size;
  return TK_OK;
}

enum tk_status tk_store_read_document(struct tk_store *store, int64_t id, tk_document_sink *sink,
                                      void *context, struct tk_error *error) {
  struct tk_document_reader *reader = NULL;
  const struct tk_document_part *part = NULL;
  uint64_t count = 0;
  bool wanted = true;
  enum tk_status status = tk_document_reader_open(store->db, "main", id, &reader, error);
  while (status == TK_OK && wanted) {
    status = tk_document_reader_next(reader, &part, error);
    if (status != TK_OK || !part) break;
    wanted = sink(context, part->text, part->size);
    count++;
  }
  tk_document_reader_close(reader);
  if (status == TK_OK && count == 0) {
    return tk_fail(error, TK_INVALID, "there is no document %lld", (long long)id);
  }
  return status;
}
