/* SPDX-License-Identifier: MIT
 * attribute_keys: every attribute key of the store, once for each scope and type it was seen with.
 *
 * The keys are those of the catalogue tk_attribute_key, from which `spans` and the others take
 * their hidden columns; the counts come from the directories of the segments, without reading a
 * column. first_seen_ns and last_seen_ns are the limits of the segments that have the key: at the
 * latest, and at the earliest, correct to the length of a segment. */
#include <string.h>

#include "sqlext/tables/row_table.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/tables/tables.h"
#include "sqlext/vtab_support.h"
#include "store/segment/interner.h"

struct key_row {
  int scope, type;
  int same; /* 1, or 2, 3, ...: see catalogue_sql */
  struct tk_text key;
  uint64_t value_count;
  uint64_t distinct_count; /* 0: unknown */
  uint64_t first_start, last_start;
};

struct building {
  struct tk_row_set *set;
  struct tk_reader *reader;
  struct key_row *rows;
  uint32_t row_count, capacity;
  struct tk_interner known; /* scope byte, type byte, key */
};

/* The row of a key, new if need be; NULL when out of memory. */
static struct key_row *find_row(struct building *building, int scope, int type,
                                struct tk_text key) {
  bool is_new;
  char *bytes = tk_arena_alloc_bytes(&building->set->arena, (size_t)key.size + 2);
  if (!bytes) return NULL;
  bytes[0] = (char)scope;
  bytes[1] = (char)type;
  if (key.size > 0) memcpy(bytes + 2, key.data, key.size);
  const uint32_t number =
      tk_interner_add(&building->known, (struct tk_text){bytes, key.size + 2}, &is_new);
  if (number == TK_INTERNER_FAILED) return NULL;
  if (!is_new) return &building->rows[number];
  if (building->row_count == building->capacity) {
    const uint32_t capacity = building->capacity ? building->capacity * 2 : 64;
    struct key_row *rows = sqlite3_realloc64(building->rows, (uint64_t)capacity * sizeof *rows);
    if (!rows) return NULL;
    building->rows = rows;
    building->capacity = capacity;
  }
  building->rows[building->row_count] =
      (struct key_row){.scope = scope, .type = type, .key = {bytes + 2, key.size}};
  return &building->rows[building->row_count++];
}

static void note_times(struct key_row *row, uint64_t first, uint64_t last) {
  if (row->first_start == 0 || first < row->first_start) row->first_start = first;
  if (last > row->last_start) row->last_start = last;
}

/* With the number of each key among those that differ in the case of letters alone: it is part of
 * the name of their column. */
static const char catalogue_sql[] =
    "SELECT scope, key, type, same FROM \"%w\".tk_attribute_key JOIN"
    " (SELECT scope, key, row_number() OVER (PARTITION BY scope, lower(key) ORDER BY first) AS same"
    "  FROM (SELECT scope, key, min(id) AS first FROM \"%w\".tk_attribute_key"
    "        GROUP BY scope, key)) USING (scope, key)"
    " ORDER BY id";

static enum tk_status read_catalogue(struct building *building, struct tk_error *error) {
  struct tk_reader *reader = building->reader;
  char *sql = sqlite3_mprintf(catalogue_sql, reader->schema, reader->schema);
  sqlite3_stmt *statement = NULL;
  if (!sql) return tk_nomem(error);
  int rc = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);
  sqlite3_free(sql);
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const int scope = sqlite3_column_int(statement, 0), type = sqlite3_column_int(statement, 2);
    struct tk_text key = {(const char *)sqlite3_column_text(statement, 1), 0};
    key.size = (uint32_t)sqlite3_column_bytes(statement, 1);
    rc = SQLITE_OK;
    if (!tk_attribute_scope_name(scope) || !tk_value_type_name(type)) continue;
    struct key_row *row = key.data ? find_row(building, scope, type, key) : NULL;
    if (row) {
      row->same = sqlite3_column_int(statement, 3);
    } else {
      rc = SQLITE_NOMEM;
    }
  }
  sqlite3_finalize(statement);
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  if (rc == SQLITE_DONE) return TK_OK;
  return tk_fail(error, rc == SQLITE_BUSY ? TK_BUSY : TK_IO, "reading tk_attribute_key: %s",
                 sqlite3_errmsg(reader->db));
}

/* When resources and scopes were in use, by their position in the lists. */
struct use {
  uint64_t first, last;
};

static void note_use(struct use *use, const struct tk_segment_summary *summary) {
  if (use->first == 0 || summary->start_min < use->first) use->first = summary->start_min;
  if (summary->start_max > use->last) use->last = summary->start_max;
}

static enum tk_status count_segment(struct building *building, uint32_t index,
                                    struct tk_error *error) {
  const struct tk_segment *segment;
  enum tk_status status = tk_reader_segment(building->reader, index, &segment, error);
  if (status != TK_OK) return status;
  for (uint32_t c = 0; c < segment->column_count && status == TK_OK; c++) {
    const struct tk_segment_column *column = &segment->columns[c];
    if (column->number < TK_COL_FIRST_ATTRIBUTE || column->value_count == 0) continue;
    struct key_row *row = find_row(building, column->scope, column->type, column->key);
    if (!row) {
      status = tk_nomem(error);
      break;
    }
    row->value_count += column->value_count;
    if (column->distinct_count > row->distinct_count) row->distinct_count = column->distinct_count;
    note_times(row, segment->summary.start_min, segment->summary.start_max);
  }
  tk_segment_release(segment);
  return status;
}

static bool count_attributes(struct building *building, int scope,
                             const struct tk_attributes *attributes, struct use use) {
  for (uint32_t i = 0; i < attributes->count; i++) {
    const struct tk_attribute *attribute = &attributes->items[i];
    struct key_row *row = find_row(building, scope, (int)attribute->value.type, attribute->key);
    if (!row) return false;
    row->value_count++;
    if (use.last > 0) note_times(row, use.first, use.last);
  }
  return true;
}

/* Resources and scopes are in ascending order of their ids, and so are not those of a segment. */
static enum tk_status count_dictionaries(struct building *building, struct tk_error *error) {
  const struct tk_stored_resource *const *resources;
  const struct tk_stored_scope *const *scopes;
  uint32_t resource_count, scope_count;
  struct tk_reader *reader = building->reader;
  enum tk_status status = TK_OK;

  tk_reader_resources(reader, &resources, &resource_count);
  tk_reader_scopes(reader, &scopes, &scope_count);
  int64_t last_resource = resource_count > 0 ? resources[resource_count - 1]->id : 0;
  int64_t last_scope = scope_count > 0 ? scopes[scope_count - 1]->id : 0;
  if (last_resource < 0 || last_scope < 0 || last_resource > 1 << 26 || last_scope > 1 << 26) {
    return tk_corrupt(error, "tk_resource, tk_scope: ids are out of range");
  }
  struct use *uses =
      tk_row_set_allocate(building->set, (uint32_t)(last_resource + last_scope) + 2, sizeof *uses);
  if (!uses) return tk_nomem(error);
  struct use *scope_uses = uses + last_resource + 1;
  for (uint32_t s = 0; s < reader->segment_count && status == TK_OK; s++) {
    const struct tk_segment *segment;
    if ((status = tk_reader_segment(reader, s, &segment, error)) != TK_OK) break;
    for (uint32_t i = 0; i < segment->resource_count; i++) {
      const int64_t id = segment->resources[i];
      if (id >= 0 && id <= last_resource) note_use(&uses[id], &segment->summary);
    }
    for (uint32_t i = 0; i < segment->scope_count; i++) {
      const int64_t id = segment->scopes[i];
      if (id >= 0 && id <= last_scope) note_use(&scope_uses[id], &segment->summary);
    }
    tk_segment_release(segment);
  }
  for (uint32_t i = 0; i < resource_count && status == TK_OK; i++) {
    if (resources[i]->id < 0 ||
        !count_attributes(building, TK_SCOPE_RESOURCE, &resources[i]->resource.attributes,
                          uses[resources[i]->id])) {
      status = tk_nomem(error);
    }
  }
  for (uint32_t i = 0; i < scope_count && status == TK_OK; i++) {
    if (scopes[i]->id < 0 ||
        !count_attributes(building, TK_SCOPE_SCOPE, &scopes[i]->scope.attributes,
                          scope_uses[scopes[i]->id])) {
      status = tk_nomem(error);
    }
  }
  return status;
}

static enum tk_status compute(struct tk_row_set *set, struct tk_reader *reader,
                              struct tk_error *error) {
  struct building building = {.set = set, .reader = reader};
  enum tk_status status = read_catalogue(&building, error);

  for (uint32_t s = 0; s < reader->segment_count && status == TK_OK; s++) {
    status = count_segment(&building, s, error);
  }
  if (status == TK_OK) status = count_dictionaries(&building, error);
  if (status == TK_OK) {
    set->rows = tk_row_set_allocate(set, building.row_count, sizeof *building.rows);
    if (!set->rows) {
      status = tk_nomem(error);
    } else if (building.row_count > 0) {
      memcpy(set->rows, building.rows, building.row_count * sizeof *building.rows);
      set->row_count = building.row_count;
    }
  }
  sqlite3_free(building.rows);
  tk_interner_reset(&building.known);
  return status;
}

static void give_column_name(sqlite3_context *context, const struct key_row *row) {
  struct tk_byte_writer name = {0};
  tk_json_literal(&name, tk_attribute_scope_name(row->scope));
  tk_json_literal(&name, ".");
  tk_byte_writer_append(&name, row->key.data, row->key.size);
  if (row->same > 1) {
    char suffix[24];
    sqlite3_snprintf(sizeof suffix, suffix, " (%d)", row->same);
    tk_json_literal(&name, suffix);
  }
  tk_result_json(context, &name);
  tk_byte_writer_reset(&name);
}

static void give_count(sqlite3_context *context, uint64_t count, bool is_known) {
  if (is_known) sqlite3_result_int64(context, (sqlite3_int64)count);
}

static void give_key(sqlite3_context *context, const void *data, int column) {
  const struct key_row *row = data;
  switch (column) {
    case 0:
      sqlite3_result_text(context, tk_attribute_scope_name(row->scope), -1, SQLITE_STATIC);
      break;
    case 1:
      tk_result_text(context, row->key);
      break;
    case 2:
      sqlite3_result_text(context, tk_value_type_name(row->type), -1, SQLITE_STATIC);
      break;
    case 3:
      give_column_name(context, row);
      break;
    case 4:
      give_count(context, row->value_count, true);
      break;
    case 5:
      give_count(context, row->distinct_count, row->distinct_count > 0);
      break;
    case 6:
      give_count(context, row->first_start, row->last_start > 0);
      break;
    default:
      give_count(context, row->last_start, row->last_start > 0);
  }
}

static const struct tk_row_table attribute_keys = {
    .module = "tracekeep_attribute_keys",
    .declaration =
        "CREATE TABLE x(scope TEXT, key TEXT, type TEXT, column_name TEXT,"
        " value_count INTEGER, distinct_estimate INTEGER, first_seen_ns INTEGER,"
        " last_seen_ns INTEGER)",
    .row_size = sizeof(struct key_row),
    .compute = compute,
    .column = give_key,
};

int tk_register_attribute_keys(sqlite3 *db) {
  return tk_register_row_table(db, &attribute_keys);
}
