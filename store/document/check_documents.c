/* SPDX-License-Identifier: MIT
 * Every part is unpacked, which verifies its checksum; sizes, numbers of records and hashes are
 * compared with the document's row; and nothing may belong to a document that is not there. */
#include "store/document/check_documents.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/database.h"
#include "store/document/document.h"
#include "tracekeep/hash.h"

struct documents_check {
  sqlite3 *db;
  tk_check_report *report;
  void *context;
};

static void fault(const struct documents_check *check, const char *format, ...) TK_PRINTF(2, 3);

static void fault(const struct documents_check *check, const char *format, ...) {
  char message[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  check->report(check->context, message);
}

/* ---- one document ---- */

/* What its row says, and what its parts add up to. */
struct document {
  int64_t id;
  uint64_t size, record_count, hash;
  bool is_lines;
  uint64_t found_size, found_records, found_hash;
};

static enum tk_status add_up_lines(const struct documents_check *check, struct document *document,
                                   struct tk_error *error) {
  struct tk_document_reader *reader = NULL;
  const struct tk_document_part *part = NULL;
  struct tk_hash hash;
  tk_hash_init(&hash);
  enum tk_status status = tk_document_reader_open(check->db, "main", document->id, &reader, error);
  while (status == TK_OK) {
    status = tk_document_reader_next(reader, &part, error);
    if (status != TK_OK || !part) break;
    tk_hash_update(&hash, part->text, part->size);
    document->found_size += part->size;
    document->found_records += part->record_count;
  }
  tk_document_reader_close(reader);
  document->found_hash = tk_hash_digest(&hash);
  return status;
}

static enum tk_status add_up_whole(const struct documents_check *check, struct document *document,
                                   struct tk_error *error) {
  char *text = NULL;
  size_t size = 0;
  const enum tk_status status = tk_document_read(check->db, "main", document->id,
                                                 TK_DOCUMENT_PART_LIMIT, &text, &size, error);
  if (status != TK_OK) return status;
  const struct tk_text trimmed = tk_document_trim(text, size);
  document->found_size = size;
  document->found_records = 1;
  document->found_hash = tk_hash64(trimmed.data, trimmed.size);
  sqlite3_free(text);
  return TK_OK;
}

static enum tk_status check_document(const struct documents_check *check, struct document *document,
                                     struct tk_error *error) {
  struct tk_error found = {{0}};
  const enum tk_status status = document->is_lines ? add_up_lines(check, document, &found)
                                                   : add_up_whole(check, document, &found);
  if (status == TK_NOMEM || status == TK_BUSY) {
    if (error) *error = found;
    return status;
  }
  if (status != TK_OK) {
    fault(check, "%s", found.message);
    return TK_OK;
  }
  if (document->found_size != document->size) {
    fault(check, "document %lld: expected %llu bytes, found %llu", (long long)document->id,
          (unsigned long long)document->size, (unsigned long long)document->found_size);
  } else if (document->found_records != document->record_count) {
    fault(check, "document %lld: expected %llu records, found %llu", (long long)document->id,
          (unsigned long long)document->record_count, (unsigned long long)document->found_records);
  } else if (document->found_hash != document->hash) {
    fault(check, "document %lld: its bytes are not those that were hashed",
          (long long)document->id);
  }
  return TK_OK;
}

static bool is_lines(const char *name) {
  const enum tk_document_kind kind = tk_document_kind_find(name);
  if (kind < TK_DOCUMENT_KIND_COUNT) return tk_document_kind_is_lines(kind);
  return true; /* of a newer tracekeep: part by part works for every kind but for the hash */
}

static enum tk_status check_each(const struct documents_check *check, uint64_t *count,
                                 struct tk_error *error) {
  sqlite3_stmt *rows = NULL;
  enum tk_status status = TK_OK;
  int rc = sqlite3_prepare_v2(
      check->db, "SELECT id, size, record_count, hash, kind FROM tk_document", -1, &rows, NULL);
  while (status == TK_OK && rc == SQLITE_OK && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
    struct document document = {
        .id = sqlite3_column_int64(rows, 0),
        .size = (uint64_t)sqlite3_column_int64(rows, 1),
        .record_count = (uint64_t)sqlite3_column_int64(rows, 2),
        .hash = (uint64_t)sqlite3_column_int64(rows, 3),
        .is_lines = is_lines((const char *)sqlite3_column_text(rows, 4)),
    };
    rc = SQLITE_OK;
    ++*count;
    status = check_document(check, &document, error);
  }
  if (status == TK_OK && rc != SQLITE_DONE) {
    status = tk_database_error(check->db, "read the documents", error);
  }
  sqlite3_finalize(rows);
  return status;
}

/* ---- what belongs to no document ---- */

static const char *const owned[][2] = {
    {"tk_document_part", "id >> 20"},
    {"tk_document_state", "document_id"},
    {"tk_run_document", "document_id"},
    {"tk_document_trace", "document_id"},
    {"tk_document_issue", "document_id"},
    {"tk_envelope", "id"},
    {"tk_envelope_artifact", "envelope_id"},
    {"tk_envelope_file", "envelope_id"},
    {"tk_envelope_document", "envelope_id"},
    {"tk_envelope_document", "document_id"},
    {"tk_envelope_trace", "envelope_id"},
    {"tk_tempo_link", "document_id"},
    {"tk_domain", "document_id"},
    {"tk_case", "document_id"},
    {"tk_validation", "document_id"},
    {"tk_verify_step", "document_id"},
    {"tk_lint_rule", "document_id"},
    {"tk_mutation_summary", "document_id"},
    {"tk_automation_report", "document_id"},
    {"tk_payload_metadata", "document_id"},
    {"tk_trace_bundle", "document_id"},
};

static enum tk_status check_strays(const struct documents_check *check, struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (size_t i = 0; i < sizeof owned / sizeof owned[0] && status == TK_OK; i++) {
    int64_t strays = 0;
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM %s WHERE %s NOT IN (SELECT id FROM tk_document)", owned[i][0],
             owned[i][1]);
    status = tk_database_integer(check->db, sql, 0, &strays, error);
    if (status == TK_OK && strays > 0) {
      fault(check, "%s: %lld rows belong to no document", owned[i][0], (long long)strays);
    }
  }
  return status;
}

enum tk_status tk_check_documents(sqlite3 *db, tk_check_report *report, void *context,
                                  uint64_t *count_out, struct tk_error *error) {
  const struct documents_check check = {db, report, context};
  int64_t tables = 0;
  *count_out = 0;
  enum tk_status status = tk_database_integer(
      db, "SELECT count(*) FROM sqlite_schema WHERE name = 'tk_document_state'", 0, &tables, error);
  if (status != TK_OK || tables == 0) return status;
  status = check_each(&check, count_out, error);
  return status == TK_OK ? check_strays(&check, error) : status;
}
