/* SPDX-License-Identifier: MIT
 * resources, scopes, services, operations: what the spans of a store refer to, with counts.
 *
 * Each row is one resource, scope, service.name, or (service, name, kind), over all segments.
 * first_seen_ns and last_seen_ns are the earliest and latest start of its spans, NULL without any.
 */
#include <string.h>

#include "sqlext/tables/census.h"
#include "sqlext/tables/row_table.h"
#include "sqlext/tables/tables.h"
#include "sqlext/vtab_support.h"

/* Text that is never NULL, unlike tk_result_text of nothing. */
static void give_text(sqlite3_context *context, struct tk_text text) {
  if (!text.data) text = (struct tk_text){"", 0};
  tk_result_text(context, text);
}

static void give_seen(sqlite3_context *context, const struct tk_tally *tally, uint64_t ns) {
  if (tally->span_count > 0) sqlite3_result_int64(context, (sqlite3_int64)ns);
}

/* A copy in the set's arena; data stays NULL if it was, and may be NULL for no memory. */
static bool keep_text(struct tk_row_set *set, struct tk_text *text) {
  if (!text->data) return true;
  char *copy = tk_arena_alloc_bytes(&set->arena, text->size);
  if (!copy) return false;
  if (text->size > 0) memcpy(copy, text->data, text->size);
  text->data = copy;
  return true;
}

/* ---- resources ---- */

struct resource_row {
  const struct tk_stored_resource *resource;
  struct tk_tally tally;
};

static enum tk_status compute_resources(struct tk_row_set *set, struct tk_reader *reader,
                                        struct tk_error *error) {
  const struct tk_stored_resource *const *list;
  struct tk_census census;
  enum tk_status status = tk_census_take(&census, reader, TK_CENSUS_RESOURCES, error);
  if (status != TK_OK) return status;
  tk_reader_resources(reader, &list, &set->row_count);
  struct resource_row *rows = set->rows = tk_row_set_allocate(set, set->row_count, sizeof *rows);
  for (uint32_t i = 0; rows && i < set->row_count; i++) {
    rows[i] = (struct resource_row){list[i], census.resource_tallies[i]};
  }
  tk_census_reset(&census);
  return rows ? TK_OK : tk_nomem(error);
}

static void give_attributes(sqlite3_context *context, const struct tk_attributes *attributes) {
  struct tk_byte_writer json = {0};
  tk_json_attributes(&json, attributes);
  tk_result_json(context, &json);
  tk_byte_writer_reset(&json);
}

/* Columns that resources and scopes have in common; `column` counts from `attributes`. */
static void give_described(sqlite3_context *context, const struct tk_attributes *attributes,
                           struct tk_text schema_url, const struct tk_tally *tally, int column) {
  switch (column) {
    case 0:
      give_attributes(context, attributes);
      break;
    case 1:
      if (schema_url.size > 0) tk_result_text(context, schema_url);
      break;
    case 2:
      sqlite3_result_int64(context, attributes->dropped_count);
      break;
    case 3:
      sqlite3_result_int64(context, (sqlite3_int64)tally->span_count);
      break;
    case 4:
      give_seen(context, tally, tally->first_start);
      break;
    default:
      give_seen(context, tally, tally->last_start);
  }
}

static void give_resource(sqlite3_context *context, const void *data, int column) {
  const struct resource_row *row = data;
  const struct tk_resource *resource = &row->resource->resource;
  enum { ATTRIBUTES = 2, ERROR_COUNT = 6 };
  if (column == 0) {
    sqlite3_result_int64(context, row->resource->id);
  } else if (column == 1) {
    tk_result_text(context, row->resource->service);
  } else if (column == ERROR_COUNT) {
    sqlite3_result_int64(context, (sqlite3_int64)row->tally.error_count);
  } else {
    give_described(context, &resource->attributes, resource->schema_url, &row->tally,
                   column - ATTRIBUTES - (column > ERROR_COUNT));
  }
}

static const struct tk_row_table resources = {
    .module = "tracekeep_resources",
    .declaration =
        "CREATE TABLE x(id INTEGER, service TEXT, attributes TEXT, schema_url TEXT,"
        " dropped_attributes_count INTEGER, span_count INTEGER, error_count INTEGER,"
        " first_seen_ns INTEGER, last_seen_ns INTEGER)",
    .row_size = sizeof(struct resource_row),
    .compute = compute_resources,
    .column = give_resource,
};

/* ---- scopes ---- */

struct scope_row {
  const struct tk_stored_scope *scope;
  struct tk_tally tally;
};

static enum tk_status compute_scopes(struct tk_row_set *set, struct tk_reader *reader,
                                     struct tk_error *error) {
  const struct tk_stored_scope *const *list;
  struct tk_census census;
  enum tk_status status = tk_census_take(&census, reader, TK_CENSUS_SCOPES, error);
  if (status != TK_OK) return status;
  tk_reader_scopes(reader, &list, &set->row_count);
  struct scope_row *rows = set->rows = tk_row_set_allocate(set, set->row_count, sizeof *rows);
  for (uint32_t i = 0; rows && i < set->row_count; i++) {
    rows[i] = (struct scope_row){list[i], census.scope_tallies[i]};
  }
  tk_census_reset(&census);
  return rows ? TK_OK : tk_nomem(error);
}

static void give_scope(sqlite3_context *context, const void *data, int column) {
  const struct scope_row *row = data;
  const struct tk_scope *scope = &row->scope->scope;
  enum { ATTRIBUTES = 3 };
  if (column == 0) {
    sqlite3_result_int64(context, row->scope->id);
  } else if (column < ATTRIBUTES) {
    const struct tk_text text = column == 1 ? scope->name : scope->version;
    if (text.size > 0) tk_result_text(context, text);
  } else {
    give_described(context, &scope->attributes, scope->schema_url, &row->tally,
                   column - ATTRIBUTES);
  }
}

static const struct tk_row_table scopes = {
    .module = "tracekeep_scopes",
    .declaration =
        "CREATE TABLE x(id INTEGER, name TEXT, version TEXT, attributes TEXT,"
        " schema_url TEXT, dropped_attributes_count INTEGER, span_count INTEGER,"
        " first_seen_ns INTEGER, last_seen_ns INTEGER)",
    .row_size = sizeof(struct scope_row),
    .compute = compute_scopes,
    .column = give_scope,
};

/* ---- services ---- */

enum { SERVICE_TRACE_COUNT = 3 };

static enum tk_status compute_services(struct tk_row_set *set, struct tk_reader *reader,
                                       struct tk_error *error) {
  struct tk_census census;
  const bool traces = (set->columns >> SERVICE_TRACE_COUNT & 1) != 0;
  enum tk_status status = tk_census_take(
      &census, reader, TK_CENSUS_OPERATIONS | (traces ? TK_CENSUS_TRACES : 0u), error);
  if (status != TK_OK) return status;
  struct tk_service *rows = tk_row_set_allocate(set, census.service_count, sizeof *rows);
  set->rows = rows;
  bool kept = rows != NULL;
  for (uint32_t i = 0; kept && i < census.service_count; i++) {
    if (census.services[i].tally.span_count == 0) continue;
    rows[set->row_count] = census.services[i];
    kept = keep_text(set, &rows[set->row_count++].name);
  }
  tk_census_reset(&census);
  return kept ? TK_OK : tk_nomem(error);
}

static void give_service(sqlite3_context *context, const void *data, int column) {
  const struct tk_service *row = data;
  switch (column) {
    case 0:
      tk_result_text(context, row->name);
      break;
    case 1:
      sqlite3_result_int64(context, (sqlite3_int64)row->tally.span_count);
      break;
    case 2:
      sqlite3_result_int64(context, (sqlite3_int64)row->tally.error_count);
      break;
    case SERVICE_TRACE_COUNT:
      sqlite3_result_int64(context, row->trace_count);
      break;
    case 4:
      sqlite3_result_int64(context, row->operation_count);
      break;
    case 5:
      give_seen(context, &row->tally, row->tally.first_start);
      break;
    default:
      give_seen(context, &row->tally, row->tally.last_start);
  }
}

static const struct tk_row_table services = {
    .module = "tracekeep_services",
    .declaration =
        "CREATE TABLE x(service TEXT, span_count INTEGER, error_count INTEGER,"
        " trace_count INTEGER, operation_count INTEGER, first_seen_ns INTEGER,"
        " last_seen_ns INTEGER)",
    .row_size = sizeof(struct tk_service),
    .compute = compute_services,
    .column = give_service,
};

/* ---- operations ---- */

struct operation_row {
  struct tk_text service, name;
  struct tk_operation operation;
};

static enum tk_status compute_operations(struct tk_row_set *set, struct tk_reader *reader,
                                         struct tk_error *error) {
  struct tk_census census;
  enum tk_status status = tk_census_take(&census, reader, TK_CENSUS_OPERATIONS, error);
  if (status != TK_OK) return status;
  struct operation_row *rows = tk_row_set_allocate(set, census.operation_count, sizeof *rows);
  set->rows = rows;
  set->row_count = census.operation_count;
  bool kept = rows != NULL;
  for (uint32_t i = 0; kept && i < census.operation_count; i++) {
    const struct tk_operation *operation = &census.operations[i];
    rows[i] = (struct operation_row){census.services[operation->service].name,
                                     census.names.items[operation->name], *operation};
    kept = keep_text(set, &rows[i].service) && keep_text(set, &rows[i].name);
  }
  tk_census_reset(&census);
  return kept ? TK_OK : tk_nomem(error);
}

static void give_operation(sqlite3_context *context, const void *data, int column) {
  const struct operation_row *row = data;
  const struct tk_tally *tally = &row->operation.tally;
  switch (column) {
    case 0:
      tk_result_text(context, row->service);
      break;
    case 1:
      give_text(context, row->name);
      break;
    case 2:
      tk_result_kind(context, row->operation.kind);
      break;
    case 3:
      sqlite3_result_int64(context, (sqlite3_int64)tally->span_count);
      break;
    case 4:
      sqlite3_result_int64(context, (sqlite3_int64)tally->error_count);
      break;
    case 5:
      sqlite3_result_int64(context, row->operation.duration_min);
      break;
    case 6:
      sqlite3_result_int64(context, row->operation.duration_max);
      break;
    case 7:
      sqlite3_result_double(
          context, tk_wide_sum_real(&row->operation.duration_sum) / (double)tally->span_count);
      break;
    case 8:
      give_seen(context, tally, tally->first_start);
      break;
    default:
      give_seen(context, tally, tally->last_start);
  }
}

static const struct tk_row_table operations = {
    .module = "tracekeep_operations",
    .declaration =
        "CREATE TABLE x(service TEXT, name TEXT, kind TEXT, span_count INTEGER,"
        " error_count INTEGER, duration_min_ns INTEGER, duration_max_ns INTEGER,"
        " duration_avg_ns REAL, first_seen_ns INTEGER, last_seen_ns INTEGER)",
    .row_size = sizeof(struct operation_row),
    .compute = compute_operations,
    .column = give_operation,
};

int tk_register_dictionaries(sqlite3 *db) {
  int rc = tk_register_row_table(db, &resources);
  if (rc == SQLITE_OK) rc = tk_register_row_table(db, &scopes);
  if (rc == SQLITE_OK) rc = tk_register_row_table(db, &services);
  if (rc == SQLITE_OK) rc = tk_register_row_table(db, &operations);
  return rc;
}
