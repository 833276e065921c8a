#include "tests/support/segment_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/catalog.h"
#include "store/segment/segment_writer.h"

extern const char tk_schema_sql[];

static void require(int condition, const char *what) {
  if (condition) return;
  printf("Bail out! %s\n", what);
  exit(1);
}

/* splitmix64 */
uint64_t sample_next(uint64_t *state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

struct maker {
  uint64_t state;
  struct tk_arena *arena;
  const struct sample_options *options;
  struct tk_resource *resources;
  struct tk_scope *scopes;
};

enum { RESOURCES = 5, SCOPES = 3 };

static uint32_t below(struct maker *maker, uint32_t limit) {
  return (uint32_t)(sample_next(&maker->state) % limit);
}

static int one_in(struct maker *maker, uint32_t count) {
  return below(maker, count) == 0;
}

static void *allocate(struct maker *maker, size_t count, size_t size) {
  void *memory = tk_arena_alloc(maker->arena, count * size);
  require(memory != NULL, "out of memory");
  memset(memory, 0, count * size);
  return memory;
}

static struct tk_text make_text(struct maker *maker, const char *prefix, uint32_t number) {
  char buffer[100];
  int size = snprintf(buffer, sizeof buffer, "%s%u", prefix, number);
  char *copy = allocate(maker, (size_t)size + 1, 1);
  memcpy(copy, buffer, (size_t)size);
  return (struct tk_text){copy, (uint32_t)size};
}

static struct tk_value make_value(struct maker *maker, uint32_t type, int depth);

static struct tk_value make_nested(struct maker *maker, uint32_t type, int depth) {
  struct tk_value value = {.type = type, .size = depth < 3 ? below(maker, 4) : 0};
  if (type == TK_VALUE_ARRAY) {
    struct tk_value *items = allocate(maker, value.size, sizeof *items);
    for (uint32_t i = 0; i < value.size; i++)
      items[i] = make_value(maker, below(maker, 8), depth + 1);
    value.as.items = items;
  } else {
    struct tk_attribute *members = allocate(maker, value.size, sizeof *members);
    for (uint32_t i = 0; i < value.size; i++) {
      members[i].key = make_text(maker, "member ", below(maker, 3));
      members[i].value = make_value(maker, below(maker, 8), depth + 1);
    }
    value.as.members = members;
  }
  return value;
}

static struct tk_value make_value(struct maker *maker, uint32_t type, int depth) {
  struct tk_value value = {.type = type};
  switch ((enum tk_value_type)type) {
    case TK_VALUE_EMPTY:
      break;
    case TK_VALUE_BOOL:
      value.as.integer = below(maker, 2);
      break;
    case TK_VALUE_INT:
      value.as.integer =
          one_in(maker, 50) ? (int64_t)sample_next(&maker->state) : (int64_t)below(maker, 600);
      break;
    case TK_VALUE_DOUBLE:
      value.as.real = below(maker, 1000) / 8.0;
      break;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES: {
      struct tk_text text = one_in(maker, 20) ? (struct tk_text){0}
                                              : make_text(maker, "some text ", below(maker, 3000));
      value.as.text = text.data;
      value.size = text.size;
      break;
    }
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      return make_nested(maker, type, depth);
  }
  return value;
}

/* Keys 0-9 are common, each with a type of its own most of the time; others are rare. */
static struct tk_attributes make_attributes(struct maker *maker, uint32_t most) {
  struct tk_attributes attributes = {.count = below(maker, most + 1)};
  struct tk_attribute *items = allocate(maker, attributes.count, sizeof *items);
  const int plain = maker->options->plain;
  for (uint32_t i = 0; i < attributes.count; i++) {
    uint32_t key = (uint32_t)(i + below(maker, 3)) % 10;
    uint32_t type = one_in(maker, 30) ? below(maker, 8) : (key + 1) % 8;
    if (!plain && one_in(maker, 40)) key = 10 + below(maker, 1000);
    if (!plain && i > 0 && one_in(maker, 25)) {
      items[i].key = items[i - 1].key; /* twice */
    } else {
      items[i].key = key ? make_text(maker, "key.", key) : (struct tk_text){0};
    }
    if (plain && i > 0) items[i].key = make_text(maker, "plain.", i);
    items[i].value = make_value(maker, type, 1);
  }
  attributes.items = items;
  if (!plain && one_in(maker, 10)) attributes.dropped_count = below(maker, 100);
  return attributes;
}

static struct tk_residual make_residual(struct maker *maker) {
  if (maker->options->plain || !one_in(maker, 15)) return (struct tk_residual){0};
  struct tk_text text = make_text(maker, "\"unknown\":", below(maker, 100));
  return (struct tk_residual){text.data, text.size, 1 + below(maker, 2)};
}

static void make_events(struct maker *maker, struct tk_span *span) {
  span->event_count = one_in(maker, 3) ? below(maker, 4) : 0;
  struct tk_event *events = allocate(maker, span->event_count, sizeof *events);
  for (uint32_t i = 0; i < span->event_count; i++) {
    events[i].time_unix_ns = span->start_unix_ns + below(maker, 100000) - 50;
    events[i].name = make_text(maker, "event ", below(maker, 5));
    events[i].attributes = make_attributes(maker, 4);
    events[i].residual = make_residual(maker);
  }
  span->events = events;
}

static void make_links(struct maker *maker, struct tk_span *span) {
  span->link_count = one_in(maker, 8) ? 1 + below(maker, 2) : 0;
  struct tk_link *links = allocate(maker, span->link_count, sizeof *links);
  for (uint32_t i = 0; i < span->link_count; i++) {
    for (int b = 0; b < 16; b++) links[i].trace_id[b] = (uint8_t)below(maker, 256);
    for (int b = 0; b < 8; b++) links[i].span_id[b] = (uint8_t)below(maker, 256);
    if (one_in(maker, 2)) links[i].trace_state = make_text(maker, "vendor=", below(maker, 9));
    links[i].attributes = make_attributes(maker, 3);
    links[i].residual = make_residual(maker);
    links[i].flags = below(maker, 4);
  }
  span->links = links;
}

static void put_id(uint8_t *id, size_t size, uint64_t number) {
  for (size_t i = 0; i < size; i++) id[i] = (uint8_t)(number >> 8 * (i % 8));
}

/* When span `i` starts, after those before it. */
static uint64_t start_time(struct maker *maker, const struct tk_span *spans, uint32_t i,
                           uint64_t begin) {
  const struct tk_span *span = &spans[i];
  uint64_t start = begin;
  if (maker->options->timing == SAMPLE_BY_ROW) {
    return begin + (uint64_t)i * 1000 + below(maker, 5000);
  }
  for (uint32_t k = 0; k < i; k++) {
    const int is_parent = memcmp(spans[k].span_id, span->parent_span_id, 8) == 0;
    const int is_sibling = memcmp(spans[k].parent_span_id, span->parent_span_id, 8) == 0;
    if (is_parent) start = spans[k].start_unix_ns;
    if (is_sibling && maker->options->timing == SAMPLE_SEQUENTIAL) start = spans[k].end_unix_ns;
  }
  if (maker->options->timing == SAMPLE_PARALLEL && i % 2) return start;
  return start + below(maker, 60) + (maker->options->timing == SAMPLE_PARALLEL ? 1000000 : 0);
}

/* Identity first: what relates spans of a trace to each other. */
static void place_span(struct maker *maker, struct tk_span *spans, uint32_t i, uint64_t trace,
                       uint64_t begin) {
  struct tk_span *span = &spans[i];
  put_id(span->trace_id, 16, trace * 0x9E3779B97F4A7C15u);
  put_id(span->span_id, 8, (trace << 24 | i) + 1);
  if (i == 0) {
    if (!maker->options->plain && one_in(maker, 4)) {
      put_id(span->parent_span_id, 8, trace ^ 0xABCDEF0123456789u); /* stored nowhere */
      span->presence |= TK_SPAN_HAS_PARENT;
    }
  } else if (!one_in(maker, 20)) {
    const uint32_t nearest = i > 8 ? i - 8 : 0;
    uint32_t parent = nearest + below(maker, i - nearest);
    if (maker->options->timing == SAMPLE_PARALLEL) parent = i % 2 ? 0 : i - 1;
    memcpy(span->parent_span_id, spans[parent].span_id, 8);
    span->presence |= TK_SPAN_HAS_PARENT;
  }
  span->start_unix_ns = start_time(maker, spans, i, begin);
  span->end_unix_ns = span->start_unix_ns + below(maker, 1000000);
  if (!maker->options->plain && one_in(maker, 100)) span->end_unix_ns = span->start_unix_ns - 5;
}

static void fill_span(struct maker *maker, struct tk_span *span) {
  span->kind = (int32_t)below(maker, 6);
  span->status_code = one_in(maker, 10) ? TK_STATUS_ERROR : TK_STATUS_UNSET;
  span->name = make_text(maker, "operation ", below(maker, 40));
  span->resource = &maker->resources[below(maker, RESOURCES)];
  span->scope = &maker->scopes[below(maker, SCOPES)];
  span->attributes = make_attributes(maker, 9);
  if (maker->options->plain) return;
  if (one_in(maker, 7)) span->trace_state = make_text(maker, "state=", below(maker, 9));
  if (one_in(maker, 9)) span->status_message = make_text(maker, "because of ", below(maker, 9));
  if (one_in(maker, 9)) span->presence |= TK_SPAN_HAS_STATUS;
  span->flags = below(maker, 2);
  span->dropped_events_count = one_in(maker, 20) ? below(maker, 9) : 0;
  span->dropped_links_count = one_in(maker, 20) ? below(maker, 9) : 0;
  span->residual = make_residual(maker);
  make_events(maker, span);
  make_links(maker, span);
}

static void make_owners(struct maker *maker) {
  maker->resources = allocate(maker, RESOURCES, sizeof *maker->resources);
  maker->scopes = allocate(maker, SCOPES, sizeof *maker->scopes);
  for (uint32_t i = 0; i < RESOURCES; i++) {
    struct tk_attribute *service = allocate(maker, 1, sizeof *service);
    service->key = (struct tk_text){"service.name", 12};
    struct tk_text name = make_text(maker, "service-", i);
    service->value =
        (struct tk_value){.type = TK_VALUE_STRING, .size = name.size, .as.text = name.data};
    maker->resources[i].attributes = (struct tk_attributes){service, 1, 0};
    maker->resources[i].schema_url = make_text(maker, "https://schema.test/", i);
  }
  for (uint32_t i = 0; i < SCOPES; i++) maker->scopes[i].name = make_text(maker, "scope-", i);
}

void sample_spans_make(struct sample_spans *samples, const struct sample_options *options) {
  *samples = (struct sample_spans){0};
  struct maker maker = {.state = options->seed, .arena = &samples->arena, .options = options};
  const uint32_t most = options->trace_count * options->largest_trace;
  make_owners(&maker);
  samples->spans = allocate(&maker, most, sizeof *samples->spans);
  samples->pointers = allocate(&maker, most, sizeof *samples->pointers);
  for (uint32_t t = 0; t < options->trace_count; t++) {
    const uint32_t size =
        t == 0 ? options->largest_trace : 1 + below(&maker, options->largest_trace) / 3;
    const uint64_t trace = options->seed * 100000 + t + 1;
    uint64_t begin = 1700000000000000000u + t * 1000000u;
    if (!options->plain && one_in(&maker, 50)) begin = UINT64_MAX - 100000000u;
    struct tk_span *spans = samples->spans + samples->count;
    const int is_text = !options->plain && one_in(&maker, 6);
    struct tk_text text = make_text(&maker, "trace named ", (uint32_t)trace);
    for (uint32_t i = 0; i < size; i++) {
      place_span(&maker, spans, i, trace, begin);
      fill_span(&maker, &spans[i]);
      if (!is_text) continue;
      spans[i].presence |= TK_SPAN_TEXT_TRACE_ID;
      spans[i].trace_id_text = text;
      tk_trace_id_from_text(text, spans[i].trace_id);
    }
    samples->count += size;
  }
  require(samples->count > 0, "no spans were made");
  for (uint32_t i = 0; i < samples->count; i++) samples->pointers[i] = &samples->spans[i];
}

void sample_spans_reset(struct sample_spans *samples) {
  tk_arena_reset(&samples->arena);
}

void sample_store_run(sqlite3 *db, const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK) return;
  printf("# %s: %s\n", sql, message ? message : "?");
  require(0, "SQL failed");
}

sqlite3 *sample_store_create(const char *path) {
  sqlite3 *db = NULL;
  require(sqlite3_open(path, &db) == SQLITE_OK, "cannot open a database");
  sample_store_run(db, tk_schema_sql);
  return db;
}

static int64_t read_generation(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  require(sqlite3_prepare_v2(db, "SELECT value FROM tk_meta WHERE key = 'generation'", -1,
                             &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW,
          "no generation");
  int64_t generation = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return generation;
}

int64_t sample_store_add(sqlite3 *db, const struct tk_span *const *spans, uint32_t count) {
  struct tk_segment_writer writer;
  struct tk_catalog *catalog;
  struct tk_error error = {{0}};
  int64_t id = 0;
  int64_t generation;
  require(tk_segment_writer_prepare(&writer, spans, count, &error) == TK_OK, error.message);
  for (uint32_t i = 0; i < writer.task_count; i++) tk_segment_writer_run(&writer, i);
  require(tk_segment_writer_finish(&writer, &error) == TK_OK, error.message);
  require(tk_catalog_open(db, &catalog, &error) == TK_OK, error.message);
  require(tk_catalog_begin(catalog, read_generation(db), &error) == TK_OK, error.message);
  require(tk_catalog_insert_segment(catalog, &writer, 0, &id, &error) == TK_OK, error.message);
  require(tk_catalog_commit(catalog, &generation, &error) == TK_OK, error.message);
  tk_catalog_close(catalog);
  tk_segment_writer_reset(&writer);
  return id;
}
