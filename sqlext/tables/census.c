/* SPDX-License-Identifier: MIT
 * One pass over the columns resource, scope, name, kind, status, start and duration. Rows of a
 * segment are counted by small codes; only what is new meets a hash table. */
#include "sqlext/tables/census.h"

#include <string.h>

#include "sqlext/tables/split_traces.h"
#include "sqlext/tables/table_support.h"
#include "store/sqlite_api.h"

enum { MEMO_SIZE = 4096 };

/* (service, trace) of a split trace, so that its parts count once. */
struct service_trace {
  uint32_t service, split;
};

struct operation_key {
  uint32_t service, name;
  int64_t kind;
};

/* The last operations met in a segment, by their codes there. */
struct memo {
  uint32_t resource, name;
  int64_t kind;
  uint32_t operation; /* UINT32_MAX: empty */
};

struct taking {
  struct tk_census *census;
  struct tk_reader *reader;
  unsigned parts;
  struct tk_interner service_names; /* service 0 is the one without a name */
  struct tk_interner operation_keys;
  struct tk_interner split_pairs;
  struct tk_split_traces split;
  uint32_t operation_capacity, service_capacity;
  struct memo *memo;
};

/* Columns and codes of the segment at hand. */
struct rows {
  const struct tk_segment *segment;
  uint32_t segment_index;
  const int64_t *starts;
  struct tk_ints durations, resources, scopes, kinds, statuses;
  const struct tk_column *names;
  uint32_t *services;       /* by resource code */
  uint32_t *resource_index; /* by resource code: into resource_tallies */
  uint32_t *scope_index;
  uint32_t *name_ids; /* by dictionary code; UINT32_MAX: not met yet */
};

/* ---- tallies ---- */

static void add_span(struct tk_tally *tally, uint64_t start, int64_t status) {
  if (tally->span_count++ == 0 || start < tally->first_start) tally->first_start = start;
  if (start > tally->last_start) tally->last_start = start;
  tally->error_count += status == TK_STATUS_ERROR;
}

static void add_tally(struct tk_tally *tally, const struct tk_tally *other) {
  if (other->span_count == 0) return;
  if (tally->span_count == 0 || other->first_start < tally->first_start) {
    tally->first_start = other->first_start;
  }
  if (other->last_start > tally->last_start) tally->last_start = other->last_start;
  tally->span_count += other->span_count;
  tally->error_count += other->error_count;
}

/* ---- interning ---- */

/* Number of `text`, whose bytes are copied when it is new. */
static uint32_t intern(struct tk_interner *interner, struct tk_arena *arena, struct tk_text text,
                       bool *is_new) {
  uint32_t number = tk_interner_add(interner, text, is_new);
  if (number == TK_INTERNER_FAILED || !*is_new || text.size == 0) return number;
  char *copy = tk_arena_alloc_bytes(arena, text.size);
  if (!copy) return TK_INTERNER_FAILED;
  memcpy(copy, text.data, text.size);
  interner->items[number].data = copy;
  return number;
}

static bool grow(void *array_pointer, uint32_t count, uint32_t *capacity, size_t size) {
  void *array, *larger;
  if (count < *capacity) return true;
  uint32_t wanted = *capacity ? *capacity * 2 : 64;
  memcpy(&array, array_pointer, sizeof array);
  larger = sqlite3_realloc64(array, (uint64_t)wanted * size);
  if (!larger) return false;
  memcpy(array_pointer, &larger, sizeof larger);
  *capacity = wanted;
  return true;
}

static uint32_t find_service(struct taking *taking, struct tk_text name) {
  struct tk_census *census = taking->census;
  bool is_new = false;
  uint32_t number = 0;

  if (name.data) {
    number = intern(&taking->service_names, &census->arena, name, &is_new);
    if (number == TK_INTERNER_FAILED) return number;
    number++;
  }
  while (census->service_count <= number) {
    if (!grow(&census->services, census->service_count, &taking->service_capacity,
              sizeof *census->services)) {
      return TK_INTERNER_FAILED;
    }
    census->services[census->service_count++] = (struct tk_service){.name = {NULL, 0}};
  }
  if (is_new) census->services[number].name = taking->service_names.items[number - 1];
  return number;
}

static uint32_t find_operation(struct taking *taking, struct operation_key key) {
  struct tk_census *census = taking->census;
  struct tk_text bytes = {(const char *)&key, sizeof key};
  bool is_new;
  uint32_t number = intern(&taking->operation_keys, &census->arena, bytes, &is_new);
  if (number == TK_INTERNER_FAILED || !is_new) return number;
  if (!grow(&census->operations, census->operation_count, &taking->operation_capacity,
            sizeof *census->operations)) {
    return TK_INTERNER_FAILED;
  }
  census->operations[census->operation_count++] = (struct tk_operation){.service = key.service,
                                                                        .name = key.name,
                                                                        .kind = key.kind,
                                                                        .duration_min = INT64_MAX,
                                                                        .duration_max = INT64_MIN};
  return number;
}

/* ---- one segment ---- */

static enum tk_status load_rows(struct taking *taking, struct rows *rows, struct tk_error *error) {
  struct tk_reader *reader = taking->reader;
  const struct tk_segment *segment = rows->segment;
  enum tk_status status;

  if ((status = tk_reader_starts(reader, segment, TK_ALL, &rows->starts, error)) != TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_RESOURCE, TK_ALL, &rows->resources, error)) !=
          TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_STATUS_CODE, TK_ALL, &rows->statuses, error)) !=
          TK_OK) {
    return status;
  }
  if (taking->parts & TK_CENSUS_SCOPES) {
    status = tk_row_ints(reader, segment, TK_COL_SCOPE, TK_ALL, &rows->scopes, error);
  }
  if (status != TK_OK || !(taking->parts & TK_CENSUS_OPERATIONS)) return status;
  if ((status = tk_row_ints(reader, segment, TK_COL_KIND, TK_ALL, &rows->kinds, error)) != TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_DURATION, TK_ALL, &rows->durations, error)) !=
          TK_OK) {
    return status;
  }
  return tk_reader_row_column(reader, segment, TK_COL_NAME, TK_ALL, &rows->names, error);
}

/* Position of `id` in the ascending ids of a list whose entries begin with the id. */
static uint32_t find_resource(const struct tk_stored_resource *const *list, uint32_t count,
                              int64_t id) {
  uint32_t begin = 0, end = count;
  while (begin < end) {
    uint32_t middle = begin + (end - begin) / 2;
    if (list[middle]->id < id) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin < count && list[begin]->id == id ? begin : UINT32_MAX;
}

static uint32_t find_scope(const struct tk_stored_scope *const *list, uint32_t count, int64_t id) {
  uint32_t begin = 0, end = count;
  while (begin < end) {
    uint32_t middle = begin + (end - begin) / 2;
    if (list[middle]->id < id) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin < count && list[begin]->id == id ? begin : UINT32_MAX;
}

/* Arrays by the segment's codes. They are the segment's, so freed with `codes`. */
static enum tk_status load_codes(struct taking *taking, struct rows *rows, struct tk_arena *codes,
                                 struct tk_error *error) {
  const struct tk_segment *segment = rows->segment;
  const struct tk_stored_resource *const *resources;
  const struct tk_stored_scope *const *scopes;
  uint32_t resource_count, scope_count;
  uint32_t dictionary =
      rows->names && rows->names->has_dictionary ? rows->names->dictionary_count : 0;

  tk_reader_resources(taking->reader, &resources, &resource_count);
  tk_reader_scopes(taking->reader, &scopes, &scope_count);
  rows->services = tk_arena_alloc(codes, segment->resource_count * sizeof *rows->services);
  rows->resource_index = tk_arena_alloc(codes, segment->resource_count * sizeof(uint32_t));
  rows->scope_index = tk_arena_alloc(codes, segment->scope_count * sizeof(uint32_t));
  rows->name_ids = tk_arena_alloc(codes, dictionary * sizeof *rows->name_ids);
  if (!rows->services || !rows->resource_index || !rows->scope_index || !rows->name_ids) {
    return tk_nomem(error);
  }
  memset(rows->name_ids, 0xFF, dictionary * sizeof *rows->name_ids);
  for (uint32_t i = 0; i < segment->resource_count; i++) {
    uint32_t at = find_resource(resources, resource_count, segment->resources[i]);
    if (at == UINT32_MAX) {
      return tk_corrupt(error, "segment %lld: resource %lld is not in tk_resource",
                        (long long)segment->summary.id, (long long)segment->resources[i]);
    }
    rows->resource_index[i] = at;
    if ((rows->services[i] = find_service(taking, resources[at]->service)) == TK_INTERNER_FAILED) {
      return tk_nomem(error);
    }
  }
  for (uint32_t i = 0; i < segment->scope_count; i++) {
    uint32_t at = find_scope(scopes, scope_count, segment->scopes[i]);
    if (at == UINT32_MAX) {
      return tk_corrupt(error, "segment %lld: scope %lld is not in tk_scope",
                        (long long)segment->summary.id, (long long)segment->scopes[i]);
    }
    rows->scope_index[i] = at;
  }
  return TK_OK;
}

/* Resource (scope) codes are indexes the reader has checked, but a damaged file must not make this
 * read beyond an array all the same. */
static enum tk_status check_codes(const struct rows *rows, struct tk_error *error) {
  const struct tk_segment *segment = rows->segment;
  for (uint32_t row = 0; row < segment->summary.span_count; row++) {
    if ((uint64_t)tk_ints_at(rows->resources, row) >= segment->resource_count ||
        (segment->scope_count > 0 &&
         (uint64_t)tk_ints_at(rows->scopes, row) >= segment->scope_count)) {
      return tk_corrupt(error, "segment %lld: row %u: no such resource or scope",
                        (long long)segment->summary.id, (unsigned)row);
    }
  }
  return TK_OK;
}

static uint32_t find_name(struct taking *taking, struct rows *rows, uint32_t row) {
  struct tk_census *census = taking->census;
  struct tk_text text = {NULL, 0};
  bool is_new;
  if (!rows->names) return intern(&census->names, &census->arena, text, &is_new);
  text = tk_column_text(rows->names, row);
  if (!rows->names->has_dictionary) return intern(&census->names, &census->arena, text, &is_new);
  uint32_t *known = &rows->name_ids[tk_column_code(rows->names, row)];
  if (*known == UINT32_MAX) *known = intern(&census->names, &census->arena, text, &is_new);
  return *known;
}

static uint32_t operation_of_row(struct taking *taking, struct rows *rows, uint32_t row) {
  const uint32_t resource = (uint32_t)tk_ints_at(rows->resources, row);
  const int64_t kind = tk_ints_at(rows->kinds, row);
  const uint32_t name = find_name(taking, rows, row);
  if (name == TK_INTERNER_FAILED) return name;
  const uint32_t slot =
      (name * 31u + rows->services[resource] * 1009u + (uint32_t)kind * 7u) % MEMO_SIZE;
  struct memo *memo = &taking->memo[slot];
  if (memo->operation == UINT32_MAX || memo->name != name || memo->kind != kind ||
      memo->resource != rows->services[resource]) {
    struct operation_key key = {rows->services[resource], name, kind};
    uint32_t operation = find_operation(taking, key);
    if (operation == TK_INTERNER_FAILED) return operation;
    *memo = (struct memo){rows->services[resource], name, kind, operation};
  }
  return memo->operation;
}

static enum tk_status count_rows(struct taking *taking, struct rows *rows, struct tk_error *error) {
  struct tk_census *census = taking->census;
  for (uint32_t row = 0; row < rows->segment->summary.span_count; row++) {
    const uint64_t start = (uint64_t)rows->starts[row];
    const int64_t status = tk_ints_at(rows->statuses, row);
    if (taking->parts & TK_CENSUS_RESOURCES) {
      const uint32_t resource = rows->resource_index[tk_ints_at(rows->resources, row)];
      add_span(&census->resource_tallies[resource], start, status);
    }
    if ((taking->parts & TK_CENSUS_SCOPES) && rows->segment->scope_count > 0) {
      const uint32_t scope = rows->scope_index[tk_ints_at(rows->scopes, row)];
      add_span(&census->scope_tallies[scope], start, status);
    }
    if (taking->parts & TK_CENSUS_OPERATIONS) {
      const uint32_t number = operation_of_row(taking, rows, row);
      if (number == TK_INTERNER_FAILED) return tk_nomem(error);
      struct tk_operation *operation = &census->operations[number];
      const int64_t duration = tk_ints_at(rows->durations, row);
      add_span(&operation->tally, start, status);
      if (duration < operation->duration_min) operation->duration_min = duration;
      if (duration > operation->duration_max) operation->duration_max = duration;
      tk_wide_sum_add(&operation->duration_sum, duration);
    }
  }
  return TK_OK;
}

/* Each service once a trace; of split traces, once for all parts. */
static enum tk_status count_traces(struct taking *taking, const struct rows *rows,
                                   struct tk_error *error) {
  struct tk_census *census = taking->census;
  const uint32_t *trace_rows;
  enum tk_status status = tk_reader_trace_rows(taking->reader, rows->segment, &trace_rows, error);
  if (status != TK_OK) return status;
  uint32_t *last_trace = sqlite3_malloc64((uint64_t)census->service_count * sizeof *last_trace + 1);
  if (!last_trace) return tk_nomem(error);
  memset(last_trace, 0xFF, census->service_count * sizeof *last_trace);
  for (uint32_t t = 0; status == TK_OK && t < rows->segment->summary.trace_count; t++) {
    const uint32_t split = taking->split.count == 0
                               ? TK_NOT_SPLIT
                               : tk_split_traces_find(&taking->split, rows->segment_index, t);
    for (uint32_t row = trace_rows[t]; row < trace_rows[t + 1]; row++) {
      const uint32_t service = rows->services[tk_ints_at(rows->resources, row)];
      if (last_trace[service] == t) continue;
      last_trace[service] = t;
      bool is_new = true;
      if (split != TK_NOT_SPLIT) {
        struct service_trace pair = {service, split};
        struct tk_text bytes = {(const char *)&pair, sizeof pair};
        if (intern(&taking->split_pairs, &census->arena, bytes, &is_new) == TK_INTERNER_FAILED) {
          status = tk_nomem(error);
          break;
        }
      }
      census->services[service].trace_count += is_new;
    }
  }
  sqlite3_free(last_trace);
  return status;
}

static enum tk_status take_segment(struct taking *taking, uint32_t index, struct tk_error *error) {
  struct rows rows = {.segment_index = index};
  struct tk_arena codes = {0};
  enum tk_status status;

  if ((status = tk_reader_segment(taking->reader, index, &rows.segment, error)) != TK_OK) {
    return status;
  }
  if ((status = load_rows(taking, &rows, error)) == TK_OK &&
      (status = load_codes(taking, &rows, &codes, error)) == TK_OK &&
      (status = check_codes(&rows, error)) == TK_OK) {
    status = count_rows(taking, &rows, error);
  }
  if (status == TK_OK && (taking->parts & TK_CENSUS_TRACES)) {
    status = count_traces(taking, &rows, error);
  }
  tk_arena_reset(&codes);
  tk_segment_release(rows.segment);
  return status;
}

/* ---- the whole ---- */

static bool allocate_tallies(struct tk_census *census, struct tk_reader *reader) {
  const struct tk_stored_resource *const *resources;
  const struct tk_stored_scope *const *scopes;
  uint32_t resource_count, scope_count;

  tk_reader_resources(reader, &resources, &resource_count);
  tk_reader_scopes(reader, &scopes, &scope_count);
  census->resource_tallies =
      tk_arena_alloc(&census->arena, resource_count * sizeof *census->resource_tallies);
  census->scope_tallies =
      tk_arena_alloc(&census->arena, scope_count * sizeof *census->scope_tallies);
  if (!census->resource_tallies || !census->scope_tallies) return false;
  memset(census->resource_tallies, 0, resource_count * sizeof *census->resource_tallies);
  memset(census->scope_tallies, 0, scope_count * sizeof *census->scope_tallies);
  return true;
}

static void fold_operations(struct tk_census *census) {
  for (uint32_t i = 0; i < census->operation_count; i++) {
    struct tk_service *service = &census->services[census->operations[i].service];
    add_tally(&service->tally, &census->operations[i].tally);
    service->operation_count++;
  }
}

enum tk_status tk_census_take(struct tk_census *census, struct tk_reader *reader, unsigned parts,
                              struct tk_error *error) {
  struct taking taking = {.census = census, .reader = reader, .parts = parts};
  enum tk_status status = TK_OK;

  *census = (struct tk_census){.service_count = 0};
  taking.memo = sqlite3_malloc64(MEMO_SIZE * sizeof *taking.memo);
  if (!taking.memo || !allocate_tallies(census, reader)) {
    status = tk_nomem(error);
    goto done;
  }
  for (uint32_t i = 0; i < MEMO_SIZE; i++) taking.memo[i].operation = UINT32_MAX;
  if (parts & TK_CENSUS_TRACES) {
    status = tk_split_traces_load(&taking.split, reader, error);
  }
  for (uint32_t s = 0; status == TK_OK && s < reader->segment_count; s++) {
    status = take_segment(&taking, s, error);
  }
  fold_operations(census);

done:
  sqlite3_free(taking.memo);
  tk_interner_reset(&taking.service_names);
  tk_interner_reset(&taking.operation_keys);
  tk_interner_reset(&taking.split_pairs);
  tk_split_traces_reset(&taking.split);
  if (status != TK_OK) tk_census_reset(census);
  return status;
}

void tk_census_reset(struct tk_census *census) {
  tk_interner_reset(&census->names);
  tk_arena_reset(&census->arena);
  sqlite3_free(census->services);
  sqlite3_free(census->operations);
  *census = (struct tk_census){.service_count = 0};
}
