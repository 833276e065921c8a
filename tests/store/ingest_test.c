/* SPDX-License-Identifier: MIT
 * What goes in comes out: ingest and scan as their user sees them. */
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/segment/segment.h"
#include "store/segment/span_copy.h"
#include "tests/support/check.h"
#include "tests/support/scripted_ingest.h"
#include "tests/support/span_builder.h"
#include "tests/support/store_compare.h"
#include "tracekeep/hash.h"
#include "tracekeep/scan.h"

static const char path[] = "ingest_test.db";
static const char other_path[] = "ingest_test_other.db";

/* ---- helpers ---- */

/* Ingests the batches as one source; takes ownership. */
static enum tk_status ingest_batches(struct tk_batch **batches, uint32_t count,
                                     uint32_t spans_per_segment, struct tk_ingest_counts *counts) {
  static uint64_t sources;
  const struct tk_ingest_options options = {.thread_count = 2,
                                            .spans_per_segment = spans_per_segment};
  struct tk_store *store = NULL;
  struct tk_ingest *ingest = NULL;
  struct tk_error error = {{0}};
  enum tk_status status = tk_store_open(path, TK_OPEN_CREATE, &store, &error);
  if (status == TK_OK) status = tk_ingest_begin(store, &options, &ingest, &error);
  sources++;
  if (status == TK_OK) {
    status = tk_ingest_source_begin(ingest, "test", "hand", sources, NULL, &error);
  }
  for (uint32_t i = 0; i < count; i++) {
    batches[i]->begin_offset = i;
    batches[i]->end_offset = i + 1;
    batches[i]->end_hash = sources * 1000 + i;
    if (status == TK_OK) {
      status = tk_ingest_append(ingest, batches[i], &error);
    } else {
      tk_batch_free(batches[i]);
    }
  }
  if (status == TK_OK) status = tk_ingest_source_end(ingest, &error);
  if (status == TK_OK) {
    status = tk_ingest_finish(ingest, counts, &error);
  } else {
    tk_ingest_abort(ingest);
  }
  CHECK(status == TK_OK);
  if (status != TK_OK) printf("# %s\n", error.message);
  tk_store_close(store);
  return status;
}

static struct tk_ingest_counts ingest_batch(struct tk_batch *batch, uint32_t spans_per_segment) {
  struct tk_ingest_counts counts = {0};
  ingest_batches(&batch, 1, spans_per_segment, &counts);
  return counts;
}

static int compare_identities(const void *left, const void *right) {
  const struct tk_span *a = *(const struct tk_span *const *)left;
  const struct tk_span *b = *(const struct tk_span *const *)right;
  int order = memcmp(a->trace_id, b->trace_id, 16);
  if (order == 0) order = memcmp(a->span_id, b->span_id, 8);
  return order ? order : (a->kind > b->kind) - (a->kind < b->kind);
}

/* Checks that the store holds the spans of the batch, each as it is there, and no others. */
static void check_holds(const struct tk_batch *batch) {
  struct tk_store *store = NULL;
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  struct tk_error error = {{0}};
  uint32_t found = 0, different = 0, unknown = 0;
  const struct tk_span **expected = calloc(batch->span_count + 1, sizeof *expected);
  for (uint32_t i = 0; i < batch->span_count; i++) expected[i] = &batch->spans[i];
  qsort(expected, batch->span_count, sizeof *expected, compare_identities);
  enum tk_status status = tk_store_open(path, TK_OPEN_READ, &store, &error);
  if (status == TK_OK) status = tk_scan_open(store, NULL, &scan, &error);
  while (status == TK_OK && (status = tk_scan_next(scan, &trace, &error)) == TK_OK && trace) {
    for (uint32_t i = 0; i < trace->span_count; i++) {
      const struct tk_span *span = &trace->spans[i];
      const struct tk_span **match =
          bsearch(&span, expected, batch->span_count, sizeof *expected, compare_identities);
      const char *field = match ? tk_span_difference(*match, span) : NULL;
      if (field && different++ == 0) {
        printf("# span %llu: another %s\n", (unsigned long long)span->start_unix_ns, field);
      }
      unknown += !match;
      found++;
    }
  }
  CHECK(status == TK_OK);
  if (status != TK_OK) printf("# %s\n", error.message);
  CHECK(batch->span_count > 0 && found == batch->span_count);
  CHECK(different == 0 && unknown == 0);
  tk_scan_close(scan);
  tk_store_close(store);
  free(expected);
}

/* Ingests what `make` gives and expects to find it again. */
static void check_round_trip(struct tk_batch *(*make)(uint64_t seed), uint64_t seed,
                             uint32_t spans_per_segment) {
  remove_store(path);
  struct tk_batch *expected = make(seed);
  struct tk_ingest_counts counts = ingest_batch(make(seed), spans_per_segment);
  CHECK(counts.spans_new == expected->span_count);
  check_holds(expected);
  CHECK(store_is_sound(path));
  tk_batch_free(expected);
}

static int64_t query_integer(const char *sql) {
  sqlite3 *db = NULL;
  sqlite3_stmt *statement = NULL;
  int64_t value = INT64_MIN;
  CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
  CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
  if (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return value;
}

/* ---- round trips ---- */

static void add_every_value(struct tk_batch *batch, struct tk_attributes *attributes) {
  const struct tk_value scalars[] = {value_int(INT64_MIN),
                                     value_int(INT64_MAX),
                                     value_double(-0.0),
                                     value_double(1e308),
                                     value_bool(0),
                                     value_empty(),
                                     value_text((struct tk_text){"", 0}),
                                     value_bytes((struct tk_text){"\0\xff", 2}),
                                     value_text((struct tk_text){"\0a\xc3\xa9", 4})};
  enum { SCALARS = sizeof scalars / sizeof scalars[0] };
  const double strange[] = {0.0 / 0.0, 1 / 0.0, -1 / 0.0, 5e-324};
  struct tk_attribute members[SCALARS + 1];
  char key[32];
  for (int i = 0; i < SCALARS; i++) {
    snprintf(key, sizeof key, "scalar.%d", i);
    build_attribute(batch, attributes, key, scalars[i]);
    members[i] = (struct tk_attribute){build_text(batch, "m%d", i), scalars[i]};
  }
  for (int i = 0; i < 4; i++) build_attribute(batch, attributes, "same", value_double(strange[i]));
  const struct tk_value array = value_array(batch, scalars, SCALARS);
  build_attribute(batch, attributes, "array", array);
  build_attribute(batch, attributes, "array", value_array(batch, NULL, 0));
  members[SCALARS] = (struct tk_attribute){build_text(batch, "deep"), array};
  build_attribute(batch, attributes, "list", value_kvlist(batch, members, SCALARS + 1));
  build_attribute(batch, attributes, "list", value_kvlist(batch, NULL, 0));
  build_attribute(batch, attributes, "", value_text(build_text(batch, "empty key")));
  build_attribute(batch, attributes, "", value_int(7));
  build_attribute(batch, attributes, "", value_int(7));
  attributes->dropped_count = UINT32_MAX;
}

static void set_residual(struct tk_residual *residual, uint32_t format) {
  *residual = format == TK_RESIDUAL_JSON ? (struct tk_residual){"\"a\":1,\"b\":[2]", 13, format}
                                         : (struct tk_residual){"\x08\x00\xff", 3, format};
}

static void fill_span(struct tk_batch *batch, struct tk_span *span) {
  struct tk_resource *resource = build_resource(batch, "shop");
  struct tk_scope *scope = build_scope(batch, "lib");
  span->name = build_text(batch, "GET /a");
  span->trace_state = build_text(batch, "k=v");
  span->status_message = build_text(batch, "it broke");
  span->status_code = TK_STATUS_ERROR;
  span->presence |= TK_SPAN_HAS_STATUS;
  span->flags = UINT32_MAX;
  span->kind = TK_KIND_SERVER;
  span->dropped_events_count = 1;
  span->dropped_links_count = UINT32_MAX;
  add_every_value(batch, &span->attributes);
  set_residual(&span->residual, TK_RESIDUAL_PROTOBUF);
  add_every_value(batch, &resource->attributes);
  resource->schema_url = build_text(batch, "https://example.org/1");
  set_residual(&resource->residual, TK_RESIDUAL_JSON);
  set_residual(&resource->outer_residual, TK_RESIDUAL_PROTOBUF);
  span->resource = resource;
  scope->version = build_text(batch, "1.2");
  add_every_value(batch, &scope->attributes);
  scope->schema_url = build_text(batch, "https://example.org/2");
  set_residual(&scope->residual, TK_RESIDUAL_PROTOBUF);
  set_residual(&scope->outer_residual, TK_RESIDUAL_JSON);
  span->scope = scope;
  struct tk_event *events = build_events(batch, span, 3);
  events[1].time_unix_ns = UINT64_MAX;
  events[1].name = build_text(batch, "exception");
  add_every_value(batch, &events[1].attributes);
  set_residual(&events[1].residual, TK_RESIDUAL_JSON);
  struct tk_link *links = build_links(batch, span, 3);
  memset(links[1].trace_id, 0xff, 16);
  memset(links[1].span_id, 0xee, 8);
  links[1].trace_state = build_text(batch, "x=y");
  links[1].flags = 0x301;
  add_every_value(batch, &links[1].attributes);
  set_residual(&links[1].residual, TK_RESIDUAL_PROTOBUF);
}

static void set_text_id(struct tk_span *span, struct tk_text text) {
  span->presence |= TK_SPAN_TEXT_TRACE_ID;
  span->trace_id_text = text;
  tk_trace_id_from_text(text, span->trace_id);
}

static struct tk_batch *make_every_field(uint64_t seed) {
  struct tk_batch *batch = build_batch(64, 0);
  fill_span(batch, build_span(batch, 1, 1, 0, 100 + seed));
  build_span(batch, 1, 2, 1, 0);
  fill_span(batch, build_span(batch, 1, 3, 2, 105));
  build_span(batch, 2, 1, 0, 7)->presence |= TK_SPAN_ZERO_PARENT;
  build_span(batch, 2, 2, 0, 7)->presence |= TK_SPAN_HAS_STATUS;
  build_span(batch, 3, 1, 0, 7)->presence |= TK_SPAN_SHORT_TRACE_ID;
  build_span(batch, 4, 1, 0, 7)->presence |= TK_SPAN_SYNTHETIC_TRACE_ID;
  build_span(batch, 4, 2, 1, 7)->presence |= TK_SPAN_SYNTHETIC_SPAN_ID;
  set_text_id(build_span(batch, 0, 1, 0, 50), build_text(batch, "kvonce-trace-001"));
  set_text_id(build_span(batch, 0, 2, 1, 50), build_text(batch, "kvonce-trace-001"));
  set_text_id(build_span(batch, 0, 1, 0, 50), build_text(batch, "kvonce-trace-002"));
  set_text_id(build_span(batch, 0, 1, 0, 50), build_text(batch, "Gr\xc3\xbc\xc3\x9f\x65 \xff"));
  build_span(batch, 0, 0, 0, 1); /* all-zero ids are ids too */
  struct tk_resource *empty = build_resource(batch, "");
  *empty = (struct tk_resource){0};
  struct tk_scope *nameless = build_scope(batch, "");
  struct tk_span *span = build_span(batch, 5, 1, 9, 10);
  span->resource = empty; /* there, and empty: not the same as absent */
  span->scope = nameless;
  return batch;
}

static void every_field_survives(void) {
  check_round_trip(make_every_field, 0, 0);
  check_round_trip(make_every_field, 0, 8);
}

static struct tk_batch *make_extreme_numbers(uint64_t seed) {
  static const uint64_t times[] = {
      0, 1, UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1, UINT64_MAX - 1, UINT64_MAX};
  static const int32_t numbers[] = {INT32_MIN, -1, 6, INT32_MAX};
  enum { TIMES = 6, NUMBERS = 4 };
  struct tk_batch *batch = build_batch(TIMES * TIMES + NUMBERS * NUMBERS, 0);
  for (uint64_t i = 0; i < TIMES * TIMES; i++) {
    struct tk_span *span =
        build_span(batch, seed ? 1 : i, i + 1, seed ? i / 2 : 0, times[i / TIMES]);
    span->end_unix_ns = times[i % TIMES];
  }
  for (uint64_t i = 0; i < NUMBERS * NUMBERS; i++) {
    struct tk_span *span = build_span(batch, 100, i + 1, 0, i);
    span->kind = numbers[i / NUMBERS];
    span->status_code = numbers[i % NUMBERS];
  }
  return batch;
}

static void extreme_times_and_unknown_numbers_survive(void) {
  check_round_trip(make_extreme_numbers, 0, 0);
  check_round_trip(make_extreme_numbers, 1, 0);
  check_round_trip(make_extreme_numbers, 1, 8);
}

/* Attributes drawn so that keys have many types, and values nest. */
static struct tk_value random_value(struct tk_batch *batch, uint64_t *random, int depth) {
  const uint64_t pick = next_random(random) % (depth < 4 ? 11 : 9);
  struct tk_value items[4];
  struct tk_attribute members[4];
  const uint32_t count = (uint32_t)(next_random(random) % 4);
  switch (pick) {
    case 0:
      return value_empty();
    case 1:
      return value_bool((int)(next_random(random) & 1));
    case 2:
      return value_int((int64_t)next_random(random));
    case 3:
      return value_int((int64_t)(next_random(random) % 100) * 1000);
    case 4:
      return value_double((double)(next_random(random) % 1000) / 8);
    case 5:
      return value_bytes(build_long_text(batch, (uint32_t)(next_random(random) % 40), *random));
    case 6:
      return value_text(build_long_text(batch, (uint32_t)(next_random(random) % 60), *random));
    case 7:
      return value_text(build_text(batch, "/api/v%u/item/%u", (unsigned)(next_random(random) % 3),
                                   (unsigned)next_random(random)));
    case 8:
      return value_text(build_text(batch, "%016llx", (unsigned long long)next_random(random)));
    case 9:
      for (uint32_t i = 0; i < count; i++) items[i] = random_value(batch, random, depth + 1);
      return value_array(batch, items, count);
    default:
      for (uint32_t i = 0; i < count; i++) {
        members[i].key = build_text(batch, "k%u", (unsigned)(next_random(random) % 5));
        members[i].value = random_value(batch, random, depth + 1);
      }
      return value_kvlist(batch, members, count);
  }
}

static void add_random_attributes(struct tk_batch *batch, struct tk_attributes *attributes,
                                  uint64_t *random) {
  char key[32];
  const uint64_t count = next_random(random) % 8;
  for (uint64_t i = 0; i < count; i++) {
    snprintf(key, sizeof key, "key.%u", (unsigned)(next_random(random) % 20));
    build_attribute(batch, attributes, key, random_value(batch, random, 0));
  }
  if (next_random(random) % 9 == 0) attributes->dropped_count = (uint32_t)next_random(random);
}

static void add_random_span(struct tk_batch *batch, uint64_t *random, uint64_t n) {
  struct tk_span *span =
      build_span(batch, next_random(random) % 40, n + 1, next_random(random) % 600,
                 1000000 + next_random(random) % 5000);
  struct tk_resource *resource = build_resource(batch, next_random(random) % 2 ? "a" : "b");
  struct tk_scope *scope = build_scope(batch, "scope");
  if (next_random(random) % 10 == 0) add_random_attributes(batch, &resource->attributes, random);
  if (next_random(random) % 10 == 0) add_random_attributes(batch, &scope->attributes, random);
  if (next_random(random) % 3) span->resource = resource;
  if (next_random(random) % 3) span->scope = scope;
  if (next_random(random) % 5 == 0) set_residual(&span->residual, TK_RESIDUAL_JSON);
  span->end_unix_ns = span->start_unix_ns + next_random(random) % 100 - 10;
  span->kind = (int32_t)(next_random(random) % 6);
  add_random_attributes(batch, &span->attributes, random);
  const uint32_t events = (uint32_t)(next_random(random) % 3),
                 links = (uint32_t)(next_random(random) % 2);
  struct tk_event *event = build_events(batch, span, events);
  for (uint32_t i = 0; i < events; i++) {
    event[i].time_unix_ns = next_random(random) >> (next_random(random) % 64);
    event[i].name = build_text(batch, "event %u", (unsigned)(next_random(random) % 4));
    add_random_attributes(batch, &event[i].attributes, random);
  }
  struct tk_link *link = build_links(batch, span, links);
  for (uint32_t i = 0; i < links; i++) {
    write_id(link[i].trace_id, 16, next_random(random));
    write_id(link[i].span_id, 8, next_random(random));
    add_random_attributes(batch, &link[i].attributes, random);
  }
}

static struct tk_batch *make_random_spans(uint64_t seed) {
  uint64_t random = seed;
  struct tk_batch *batch = build_batch(600, 0);
  for (uint64_t i = 0; i < 600; i++) add_random_span(batch, &random, i);
  return batch;
}

static void random_spans_survive(void) {
  for (uint64_t seed = 1; seed <= 12; seed++) {
    check_round_trip(make_random_spans, seed, seed % 3 ? 8 << seed % 4 : 0);
  }
}

static struct tk_batch *make_many_keys(uint64_t keys) {
  struct tk_batch *batch = build_batch(200, 0);
  char key[32];
  for (uint64_t i = 0; i < 200; i++) {
    struct tk_span *span = build_span(batch, i / 4, i + 1, 0, i);
    for (uint64_t k = i; k < keys; k += 200) {
      snprintf(key, sizeof key, "key.%llu", (unsigned long long)k);
      build_attribute(batch, &span->attributes, key,
                      k % 3 ? value_int((int64_t)k) : value_text(build_text(batch, "v%d", (int)k)));
    }
  }
  return batch;
}

static void thousands_of_keys_survive(void) {
  check_round_trip(make_many_keys, 2000, 0);
  check_round_trip(make_many_keys, 2000, 32);
  check_round_trip(make_many_keys, 20000, 0);
}

static struct tk_batch *make_long_values(uint64_t size) {
  struct tk_batch *batch = build_batch(20, 0);
  for (uint64_t i = 0; i < 20; i++) {
    struct tk_span *span = build_span(batch, i / 4, i + 1, 0, i);
    build_attribute(batch, &span->attributes, "body",
                    value_text(build_long_text(batch, (uint32_t)(i % 3 ? size : i), i)));
    if (i == 3) span->name = build_long_text(batch, (uint32_t)size, 1);
    if (i == 4) span->residual = (struct tk_residual){span[-1].name.data, (uint32_t)size, 1};
    if (i == 5) build_attribute(batch, &span->attributes, span[-2].name.data, value_int(1));
  }
  return batch;
}

static void long_values_survive(void) {
  check_round_trip(make_long_values, 65536, 0);
  check_round_trip(make_long_values, 65535, 8);
  check_round_trip(make_long_values, 1 << 20, 0);
}

/* An array in an array in an array ...: value_codec.h sets a limit to what can be read again. */
static struct tk_batch *make_nested_values(uint64_t depth) {
  struct tk_batch *batch = build_batch(2, 0);
  struct tk_value value = value_int(1);
  for (uint64_t i = 0; i < depth; i++) value = value_array(batch, &value, 1);
  build_attribute(batch, &build_span(batch, 1, 1, 0, 5)->attributes, "nested", value);
  struct tk_resource *resource = build_resource(batch, "deep");
  build_attribute(batch, &resource->attributes, "nested", value);
  build_span(batch, 1, 2, 1, 6)->resource = resource;
  return batch;
}

static void nested_values_survive(void) {
  check_round_trip(make_nested_values, 10, 0);
  check_round_trip(make_nested_values, 127, 0);
}

/* Either refused or readable again, but never stored and lost. */
static void values_nested_too_deeply_do_no_harm(void) {
  for (uint64_t depth = 128; depth < 4000; depth *= 3) {
    struct tk_store *store = NULL;
    struct tk_ingest *ingest = NULL;
    struct tk_error error = {{0}};
    remove_store(path);
    ingest_batch(make_extreme_numbers(0), 0);
    CHECK(tk_store_open(path, TK_OPEN_WRITE, &store, NULL) == TK_OK);
    CHECK(tk_ingest_begin(store, NULL, &ingest, NULL) == TK_OK);
    CHECK(tk_ingest_source_begin(ingest, "deep", "hand", 1, NULL, NULL) == TK_OK);
    enum tk_status status = tk_ingest_append(ingest, make_nested_values(depth), &error);
    if (status == TK_OK) {
      status = tk_ingest_finish(ingest, NULL, &error);
    } else {
      tk_ingest_abort(ingest);
    }
    CHECK(status == TK_OK || status == TK_INVALID);
    tk_store_close(store);
    CHECK(store_is_sound(path));
    char *dump = store_dump(path);
    CHECK(dump != NULL);
    free(dump);
  }
}

/* ---- big traces ---- */

static struct tk_batch *make_chain(uint64_t count) {
  struct tk_batch *batch = build_batch((uint32_t)count, 0);
  for (uint64_t i = 0; i < count; i++) build_span(batch, 1, i + 1, i, 1000 + i);
  return batch;
}

static struct tk_batch *make_star(uint64_t count) {
  struct tk_batch *batch = build_batch((uint32_t)count, 0);
  for (uint64_t i = count; i > 0; i--) build_span(batch, 1, i, i > 1, 1000 + i % 77);
  return batch;
}

static void a_trace_of_a_hundred_thousand_spans_survives(void) {
  check_round_trip(make_chain, 100000, 0);
  check_round_trip(make_star, 100000, 0);
}

static void a_trace_larger_than_any_segment_is_split_and_rejoined(void) {
  check_round_trip(make_chain, 3000, 64);
  CHECK(query_integer("SELECT count(*) FROM tk_segment") > 10);
  CHECK(query_integer("SELECT count(*) = (SELECT count(*) FROM tk_segment) FROM tk_split") == 1);
  check_round_trip(make_star, 3000, 64);
}

/* Every fourth span is of one trace without end, the others of many short ones. */
static void add_restless_spans(struct tk_batch *batch, uint64_t first, uint64_t count) {
  for (uint64_t n = first; n < first + count; n++) {
    build_span(batch, n % 4 == 0 ? 1 : 100 + n / 10, n + 1, 0, 1000 + n);
  }
}

/* Such a trace is never quiet, but must not be held for ever. */
static void a_trace_that_never_rests_does_not_grow_the_tail_without_bound(void) {
  enum { BATCHES = 60, SPANS = 160, TARGET = 64 };
  const struct tk_ingest_options options = {.thread_count = 1, .spans_per_segment = TARGET};
  struct tk_batch *batches[BATCHES];
  struct tk_batch *expected = build_batch(BATCHES * SPANS, 0);
  struct tk_store *store = NULL;
  struct tk_ingest *ingest = NULL;
  add_restless_spans(expected, 0, BATCHES * SPANS);
  remove_store(path);
  CHECK(tk_store_open(path, TK_OPEN_CREATE, &store, NULL) == TK_OK);
  CHECK(tk_ingest_begin(store, &options, &ingest, NULL) == TK_OK);
  CHECK(tk_ingest_source_begin(ingest, "restless", "hand", 1, NULL, NULL) == TK_OK);
  for (uint64_t b = 0; b < BATCHES; b++) {
    batches[b] = build_batch(SPANS, 0);
    add_restless_spans(batches[b], b * SPANS, SPANS);
    CHECK(tk_ingest_append(ingest, batches[b], NULL) == TK_OK);
  }
  tk_ingest_abort(ingest);
  tk_store_close(store);
  CHECK(query_integer("SELECT max(span_count) FROM tk_segment") <= 4 * TARGET);
  for (uint64_t b = 0; b < BATCHES; b++) {
    batches[b] = build_batch(SPANS, 0);
    add_restless_spans(batches[b], b * SPANS, SPANS);
  }
  ingest_batches(batches, BATCHES, TARGET, NULL);
  check_holds(expected);
  CHECK(store_is_sound(path));
  CHECK(query_integer("SELECT max(span_count) FROM tk_segment") <= 4 * TARGET);
  tk_batch_free(expected);
}

/* The last batch is stored, and the program dies before it says that this was all. */
static void a_source_cut_off_at_its_very_end_is_completed_when_continued(void) {
  const struct script script = {
      .name = "end", .seed = 9, .batch_count = 4, .spans_per_batch = 30, .trace_spans = 5};
  const struct tk_ingest_options options = {.thread_count = 2, .spans_per_segment = 8};
  const struct script_run run = {.threads = 1, .spans_per_segment = 8};
  struct tk_store *store = NULL;
  struct tk_ingest *ingest = NULL;
  remove_store(path);
  CHECK(tk_store_open(path, TK_OPEN_CREATE, &store, NULL) == TK_OK);
  CHECK(tk_ingest_begin(store, &options, &ingest, NULL) == TK_OK);
  CHECK(tk_ingest_source_begin(ingest, "end", "script", script.seed, NULL, NULL) == TK_OK);
  for (uint32_t i = 0; i < script.batch_count; i++) {
    CHECK(tk_ingest_append(ingest, script_batch(&script, i), NULL) == TK_OK);
  }
  struct tk_batch *last = script_batch(&script, script.batch_count - 1);
  for (int i = 0; i < 5000 && query_integer("SELECT max(offset) FROM tk_ingest") < 400; i++) {
    struct tk_batch *nothing = build_batch(0, 0);
    nothing->begin_offset = nothing->end_offset = last->end_offset;
    nothing->end_hash = last->end_hash;
    CHECK(tk_ingest_append(ingest, nothing, NULL) == TK_OK); /* commits once it is encoded */
    usleep(1000);
  }
  tk_batch_free(last);
  tk_ingest_abort(ingest);
  tk_store_close(store);
  CHECK(query_integer("SELECT complete FROM tk_ingest") == 0);
  CHECK(ingest_scripts_into(path, &script, 1, &run, NULL, NULL) == TK_OK);
  CHECK(query_integer("SELECT complete AND finished_at IS NOT NULL FROM tk_ingest") == 1);
  CHECK(query_integer("SELECT count(*) FROM tk_ingest") == 1);
}

/* ---- duplicates ---- */

static struct tk_batch *make_plain_spans(uint64_t count) {
  struct tk_batch *batch = build_batch((uint32_t)count, 0);
  for (uint64_t i = 0; i < count; i++) build_span(batch, i / 5, i + 1, 0, i);
  return batch;
}

static void duplicates_are_dropped_wherever_they_are(void) {
  remove_store(path);
  struct tk_batch *twice = build_batch(200, 0), *expected = make_plain_spans(100);
  for (uint32_t i = 0; i < 100; i++) build_copy(twice, &expected->spans[i]);
  for (uint32_t i = 0; i < 100; i++) build_copy(twice, &expected->spans[i]);
  struct tk_ingest_counts counts = ingest_batch(twice, 16);
  CHECK(counts.spans_new == 100 && counts.spans_duplicate == 100 && counts.spans_conflicting == 0);
  check_holds(expected);
  struct tk_batch *batches[3] = {make_plain_spans(50), make_plain_spans(100), make_plain_spans(70)};
  ingest_batches(batches, 3, 16, &counts);
  CHECK(counts.spans_new == 0 && counts.spans_duplicate == 220);
  CHECK(counts.segments_written == 0);
  check_holds(expected);
  CHECK(store_is_sound(path));
  tk_batch_free(expected);
}

static void the_same_ids_with_another_kind_are_another_span(void) {
  remove_store(path);
  struct tk_batch *both = build_batch(2, 0), *expected = build_batch(2, 0);
  build_span(both, 1, 1, 0, 5)->kind = TK_KIND_CLIENT;
  build_span(both, 1, 1, 0, 5)->kind = TK_KIND_SERVER;
  build_copy(expected, &both->spans[0]);
  build_copy(expected, &both->spans[1]);
  CHECK(ingest_batch(both, 0).spans_new == 2);
  check_holds(expected);
  tk_batch_free(expected);
}

static void of_conflicting_spans_the_first_is_kept_and_an_issue_recorded_once(void) {
  remove_store(path);
  struct tk_batch *expected = make_plain_spans(20);
  struct tk_batch *inside = make_plain_spans(20);
  inside->spans[19] = inside->spans[3];
  inside->spans[19].name = build_text(inside, "changed");
  struct tk_ingest_counts counts = ingest_batch(inside, 0);
  CHECK(counts.spans_new == 19 && counts.spans_conflicting == 1 && counts.issues == 1);
  for (int repeat = 0; repeat < 2; repeat++) {
    struct tk_batch *later = make_plain_spans(20);
    later->spans[5].end_unix_ns++;
    later->spans[3].name = build_text(later, "changed");
    counts = ingest_batch(later, 0);
    CHECK(counts.spans_new == (repeat == 0));
    CHECK(counts.spans_conflicting == 2 && counts.spans_duplicate == 18u - (repeat == 0));
    CHECK(counts.issues == (repeat == 0));
  }
  check_holds(expected);
  CHECK(query_integer("SELECT count(*) FROM tk_issue WHERE rule = 'dup.conflict'") == 2);
  CHECK(store_is_sound(path));
  tk_batch_free(expected);
}

static void spans_of_one_batch_that_conflict_with_each_other_count_once_each(void) {
  remove_store(path);
  struct tk_batch *batch = build_batch(3, 0);
  for (int i = 0; i < 3; i++) build_span(batch, 1, 1, 0, 5)->name = build_text(batch, "n%d", i);
  struct tk_ingest_counts counts = ingest_batch(batch, 0);
  CHECK(counts.spans_new == 1 && counts.spans_conflicting == 2);
}

/* ---- late spans ---- */

static void late_spans_rejoin_their_trace(void) {
  enum { ROUNDS = 6, SPANS = 60 };
  struct tk_batch *expected = build_batch(ROUNDS * SPANS, 0);
  remove_store(path);
  for (uint64_t round = 0; round < ROUNDS; round++) {
    struct tk_batch *batch = build_batch(SPANS, 0);
    for (uint64_t i = 0; i < SPANS; i++) {
      const uint64_t id = round * SPANS + i + 1;
      struct tk_span *span = build_span(batch, i % 20, id, round ? id - SPANS : 0, 1000 + id);
      if (i % 20 == 4) set_text_id(span, (struct tk_text){"case four", 9});
      build_copy(expected, span);
    }
    ingest_batch(batch, 16);
    CHECK(store_is_sound(path));
  }
  CHECK(query_integer("SELECT count(*) FROM tk_split") > 0);
  check_holds(expected);
  char *dump = store_dump(path);
  CHECK(dump && strstr(dump, "case four"));
  free(dump);
  tk_batch_free(expected);
}

static void a_scan_by_id_gives_the_whole_of_a_split_trace(void) {
  late_spans_rejoin_their_trace();
  struct tk_store *store = NULL;
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  uint8_t ids[3][16];
  write_id(ids[0], 16, 7);
  write_id(ids[1], 16, 7777);
  tk_trace_id_parse((struct tk_text){"case four", 9}, ids[2]);
  const struct tk_scan_options options = {.trace_ids = (const uint8_t(*)[16])ids,
                                          .trace_id_count = 3};
  CHECK(tk_store_open(path, TK_OPEN_READ, &store, NULL) == TK_OK);
  CHECK(tk_scan_open(store, &options, &scan, NULL) == TK_OK);
  for (int i = 0; i < 2; i++) {
    CHECK(tk_scan_next(scan, &trace, NULL) == TK_OK && trace);
    if (!trace) break;
    CHECK(trace->span_count == 18);
    CHECK(memcmp(trace->trace_id, ids[i * 2], 16) == 0);
    CHECK(trace->depths[17] == 5);
  }
  CHECK(tk_scan_next(scan, &trace, NULL) == TK_OK && !trace);
  CHECK(tk_scan_next(scan, &trace, NULL) == TK_OK && !trace);
  tk_scan_close(scan);
  tk_store_close(store);
}

/* Spans a scan of this range gives; every trace of the plain sort has one span at its id. */
static uint32_t count_in_range(struct tk_store *store, uint64_t since, uint64_t until) {
  const struct tk_scan_options options = {.since_unix_ns = since, .until_unix_ns = until};
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  uint32_t count = 0;
  CHECK(tk_scan_open(store, &options, &scan, NULL) == TK_OK);
  while (tk_scan_next(scan, &trace, NULL) == TK_OK && trace) count += trace->span_count;
  tk_scan_close(scan);
  return count;
}

static void a_time_range_gives_whole_traces_that_overlap_it(void) {
  struct tk_store *store = NULL;
  remove_store(path);
  for (uint64_t round = 0; round < 3; round++) { /* each trace is split over three segments */
    struct tk_batch *batch = build_batch(100, 0);
    for (uint64_t i = 1; i <= 100; i++) {
      build_span(batch, i, i + 1000 * round, 0, i * 100 + round * 10);
    }
    ingest_batch(batch, 16);
  }
  CHECK(tk_store_open(path, TK_OPEN_READ, &store, NULL) == TK_OK);
  CHECK(count_in_range(store, 0, 0) == 300);
  CHECK(count_in_range(store, 5000, 0) == 51 * 3);
  CHECK(count_in_range(store, 5020, 0) == 51 * 3);
  CHECK(count_in_range(store, 5021, 0) == 50 * 3);
  CHECK(count_in_range(store, 0, 5000) == 49 * 3);
  CHECK(count_in_range(store, 0, 5001) == 50 * 3);
  CHECK(count_in_range(store, 5015, 5016) == 3); /* one span before, one after: as documented */
  CHECK(count_in_range(store, 5030, 5090) == 0);
  CHECK(count_in_range(store, UINT64_MAX, 0) == 0);
  CHECK(count_in_range(store, 0, 1) == 0);
  tk_store_close(store);
}

static void calls_in_the_wrong_order_are_refused(void) {
  const struct tk_ingest_options too_small = {.spans_per_segment = 7};
  struct tk_store *store = NULL;
  struct tk_ingest *ingest = NULL;
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  remove_store(path);
  CHECK(tk_store_open(path, TK_OPEN_CREATE, &store, NULL) == TK_OK);
  CHECK(tk_ingest_begin(store, &too_small, &ingest, NULL) == TK_INVALID && !ingest);
  CHECK(tk_ingest_begin(store, NULL, &ingest, NULL) == TK_OK);
  CHECK(tk_ingest_source_end(ingest, NULL) == TK_INVALID);
  CHECK(tk_ingest_source_begin(ingest, "a", "hand", 1, NULL, NULL) == TK_OK);
  CHECK(tk_ingest_source_begin(ingest, "b", "hand", 2, NULL, NULL) == TK_INVALID);
  CHECK(tk_ingest_source_end(ingest, NULL) == TK_OK);
  CHECK(tk_ingest_append(ingest, make_plain_spans(3), NULL) == TK_INVALID);
  CHECK(tk_ingest_finish(ingest, NULL, NULL) == TK_INVALID);
  tk_ingest_abort(NULL);
  CHECK(tk_scan_open(store, NULL, &scan, NULL) == TK_OK);
  CHECK(tk_scan_next(scan, &trace, NULL) == TK_OK && !trace);
  CHECK(tk_scan_next(scan, &trace, NULL) == TK_OK && !trace);
  tk_scan_close(scan);
  tk_scan_close(NULL);
  tk_store_close(store);
  tk_store_close(NULL);
}

/* ---- the same result, however it came about ---- */

static const struct script long_script = {
    .name = "long", .seed = 11, .batch_count = 40, .spans_per_batch = 25, .trace_spans = 9};

static void ingest_clean(const char *to, const struct script *scripts, uint32_t count,
                         unsigned threads, uint32_t spans_per_segment) {
  const struct script_run run = {.threads = threads, .spans_per_segment = spans_per_segment};
  struct tk_error error = {{0}};
  remove_store(to);
  CHECK(ingest_scripts_into(to, scripts, count, &run, NULL, &error) == TK_OK);
  if (error.message[0]) printf("# %s\n", error.message);
}

static void the_number_of_threads_changes_nothing(void) {
  for (uint32_t spans = 8; spans <= 256; spans *= 2) {
    ingest_clean(path, &long_script, 1, 1, spans);
    CHECK(store_is_sound(path));
    for (unsigned threads = 2; threads <= 4; threads += 2) {
      ingest_clean(other_path, &long_script, 1, threads, spans);
      CHECK(stores_are_identical(path, other_path));
    }
  }
}

static void the_size_of_segments_changes_no_content(void) {
  ingest_clean(path, &long_script, 1, 1, 0);
  for (uint32_t spans = 8; spans <= 256; spans *= 2) {
    ingest_clean(other_path, &long_script, 1, 2, spans);
    CHECK(stores_have_equal_content(path, other_path));
  }
}

static const struct script two_scripts[] = {
    {.name = "first", .seed = 21, .batch_count = 12, .spans_per_batch = 20, .trace_spans = 6},
    {.name = "second",
     .seed = 21,
     .batch_count = 11,
     .spans_per_batch = 21,
     .trace_spans = 6,
     .first_span = 100}};

/* Ingests with an abort after every `stride` batches until the end is reached. */
static void ingest_in_pieces(const char *to, const struct script *scripts, uint32_t count,
                             uint32_t stride, uint32_t spans_per_segment) {
  uint32_t attempts = 0, stop_after = stride;
  remove_store(to);
  for (;; attempts++) {
    struct script_run run = {.threads = 1 + attempts % 2,
                             .spans_per_segment = spans_per_segment,
                             .stop_after = stop_after};
    uint64_t before = 0, after = 0;
    char *hashes = attempts ? store_table_hashes(to) : NULL;
    before = hashes ? tk_hash64(hashes, strlen(hashes)) : 0;
    free(hashes);
    if (stop_after > 200) run.stop_after = 0;
    CHECK(ingest_scripts_into(to, scripts, count, &run, NULL, NULL) == TK_OK);
    if (run.stop_after == 0) break;
    CHECK(store_is_sound(to));
    hashes = store_table_hashes(to);
    after = hashes ? tk_hash64(hashes, strlen(hashes)) : 0;
    free(hashes);
    if (before == after) stop_after += stride; /* too short to reach a commit */
  }
}

static void an_ingest_aborted_anywhere_and_continued_equals_a_clean_one(void) {
  static const uint32_t sizes[] = {8, 64, 128};
  for (int s = 0; s < 3; s++) {
    ingest_clean(path, two_scripts, 2, 1, sizes[s]);
    for (uint32_t stride = 1; stride <= 16; stride += stride) {
      ingest_in_pieces(other_path, two_scripts, 2, stride, sizes[s]);
      CHECK(stores_are_identical(path, other_path));
    }
  }
}

/* Stops once, after exactly so many batches, for each number there is. */
static void an_ingest_aborted_once_and_continued_equals_a_clean_one(void) {
  const uint32_t all = two_scripts[0].batch_count + two_scripts[1].batch_count;
  for (uint32_t spans = 8; spans <= 64; spans *= 8) {
    ingest_clean(path, two_scripts, 2, 1, spans);
    for (uint32_t stop = 1; stop <= all; stop++) {
      const struct script_run first = {
          .threads = 1, .spans_per_segment = spans, .stop_after = stop};
      const struct script_run rest = {.threads = 2, .spans_per_segment = spans};
      remove_store(other_path);
      CHECK(ingest_scripts_into(other_path, two_scripts, 2, &first, NULL, NULL) == TK_OK);
      CHECK(ingest_scripts_into(other_path, two_scripts, 2, &rest, NULL, NULL) == TK_OK);
      CHECK(stores_are_identical(path, other_path));
    }
  }
}

static void ingesting_the_same_again_changes_nothing(void) {
  const struct script_run run = {.threads = 2, .spans_per_segment = 32};
  struct tk_ingest_counts counts;
  ingest_clean(path, two_scripts, 2, 1, 32);
  CHECK(copy_store(path, other_path));
  CHECK(ingest_scripts_into(path, two_scripts, 2, &run, &counts, NULL) == TK_OK);
  CHECK(counts.spans_new == 0 && counts.segments_written == 0);
  CHECK(stores_are_identical(path, other_path));
}

static void an_empty_source_is_noted_once(void) {
  const struct script empty = {.name = "empty", .seed = 5};
  const struct script_run run = {.threads = 1, .spans_per_segment = 32};
  remove_store(path);
  for (int i = 0; i < 3; i++) {
    CHECK(ingest_scripts_into(path, &empty, 1, &run, NULL, NULL) == TK_OK);
  }
  CHECK(query_integer("SELECT count(*) FROM tk_ingest") == 1);
  CHECK(query_integer("SELECT complete FROM tk_ingest") == 1);
}

static void a_source_that_grew_continues_where_it_ended(void) {
  const struct script_run run = {.threads = 1, .spans_per_segment = 32};
  struct script growing = long_script;
  struct tk_ingest_counts counts;
  uint64_t records = 0;
  remove_store(path);
  for (uint32_t size = 8; size <= long_script.batch_count; size += 8) {
    growing.batch_count = size;
    CHECK(ingest_scripts_into(path, &growing, 1, &run, &counts, NULL) == TK_OK);
    CHECK(counts.bytes_in == 800);
    records += counts.records;
    CHECK(store_is_sound(path));
  }
  CHECK(query_integer("SELECT count(*) FROM tk_ingest") == 1);
  CHECK(query_integer("SELECT complete FROM tk_ingest") == 1);
  CHECK((uint64_t)query_integer("SELECT records FROM tk_ingest") == records && records > 0);
  ingest_clean(other_path, &long_script, 1, 1, 32);
  CHECK(stores_have_equal_content(path, other_path));
}

static void the_next_ingest_takes_up_the_open_segment(void) {
  remove_store(path);
  for (uint64_t i = 0; i < 40; i++) {
    struct tk_batch *batch = build_batch(2, 0);
    build_span(batch, i + 1, 1, 0, 100 + i);
    build_span(batch, i / 2 + 1, 2 + i, 1, 100 + i);
    ingest_batch(batch, 64);
  }
  CHECK(query_integer("SELECT sum(span_count) FROM tk_segment") == 80);
  CHECK(query_integer("SELECT count(*) FROM tk_segment") <= 6);
  CHECK(query_integer("SELECT count(*) FROM tk_segment WHERE flags & 2") <= 1);
  CHECK(store_is_sound(path));
}

/* ---- two at once ---- */

/* Begins a source of its own on a new connection. */
static struct tk_ingest *begin_beside(struct tk_store **store, const char *name) {
  const struct tk_ingest_options options = {.thread_count = 1, .spans_per_segment = 32};
  struct tk_ingest *ingest = NULL;
  CHECK(tk_store_open(path, TK_OPEN_CREATE, store, NULL) == TK_OK);
  CHECK(tk_ingest_begin(*store, &options, &ingest, NULL) == TK_OK);
  CHECK(tk_ingest_source_begin(ingest, name, "hand", 1, NULL, NULL) == TK_OK);
  return ingest;
}

/* One ingest of a few spans, begun before and finished after another has changed the store. */
static void check_second_ingest_is_busy(bool append_before) {
  struct tk_store *one = NULL, *two = NULL;
  struct tk_error error = {{0}};
  remove_store(path);
  ingest_batch(make_plain_spans(6), 64); /* leaves an open segment */
  struct tk_ingest *first = begin_beside(&one, "one"), *second = begin_beside(&two, "two");
  enum tk_status status = TK_OK;
  if (append_before) status = tk_ingest_append(second, make_plain_spans(10), &error);
  CHECK(status == TK_OK);
  CHECK(tk_ingest_append(first, make_plain_spans(8), NULL) == TK_OK);
  CHECK(tk_ingest_source_end(first, NULL) == TK_OK);
  CHECK(tk_ingest_finish(first, NULL, NULL) == TK_OK);
  tk_segment_cache_clear(); /* the second is another process: what it reads, it reads itself */
  if (!append_before) status = tk_ingest_append(second, make_plain_spans(10), &error);
  if (status == TK_OK) {
    CHECK(tk_ingest_source_end(second, NULL) == TK_OK);
    status = tk_ingest_finish(second, NULL, &error);
  } else {
    tk_ingest_abort(second);
  }
  CHECK(status == TK_BUSY);
  if (status != TK_BUSY) printf("# %s: %s\n", tk_status_name(status), error.message);
  tk_store_close(one);
  tk_store_close(two);
  CHECK(store_is_sound(path));
  struct tk_batch *expected = make_plain_spans(8);
  check_holds(expected);
  tk_batch_free(expected);
  CHECK(ingest_batch(make_plain_spans(10), 64).spans_new == 2);
}

static void of_two_ingests_at_once_the_second_is_told_to_try_again(void) {
  check_second_ingest_is_busy(true);
  check_second_ingest_is_busy(false);
}

static void nothing_is_left_behind(void) {
  remove_store(path);
  remove_store(other_path);
  tk_segment_cache_clear();
  CHECK(sqlite3_memory_used() == 0);
}

CHECK_MAIN(CASE(every_field_survives), CASE(extreme_times_and_unknown_numbers_survive),
           CASE(random_spans_survive), CASE(thousands_of_keys_survive), CASE(long_values_survive),
           CASE(nested_values_survive), CASE(values_nested_too_deeply_do_no_harm),
           CASE(a_trace_of_a_hundred_thousand_spans_survives),
           CASE(a_trace_larger_than_any_segment_is_split_and_rejoined),
           CASE(a_trace_that_never_rests_does_not_grow_the_tail_without_bound),
           CASE(a_source_cut_off_at_its_very_end_is_completed_when_continued),
           CASE(duplicates_are_dropped_wherever_they_are),
           CASE(the_same_ids_with_another_kind_are_another_span),
           CASE(of_conflicting_spans_the_first_is_kept_and_an_issue_recorded_once),
           CASE(spans_of_one_batch_that_conflict_with_each_other_count_once_each),
           CASE(late_spans_rejoin_their_trace), CASE(a_scan_by_id_gives_the_whole_of_a_split_trace),
           CASE(a_time_range_gives_whole_traces_that_overlap_it),
           CASE(calls_in_the_wrong_order_are_refused), CASE(the_number_of_threads_changes_nothing),
           CASE(the_size_of_segments_changes_no_content),
           CASE(an_ingest_aborted_anywhere_and_continued_equals_a_clean_one),
           CASE(an_ingest_aborted_once_and_continued_equals_a_clean_one),
           CASE(ingesting_the_same_again_changes_nothing), CASE(an_empty_source_is_noted_once),
           CASE(a_source_that_grew_continues_where_it_ended),
           CASE(the_next_ingest_takes_up_the_open_segment),
           CASE(of_two_ingests_at_once_the_second_is_told_to_try_again),
           CASE(nothing_is_left_behind))
