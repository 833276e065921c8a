/* Reading segments: what went in comes out, as whole spans and as columns. */
#include "store/segment/segment.h"

#include <stdlib.h>

#include "store/codec/value_codec.h"
#include "store/segment/membership.h"
#include "store/segment/span_copy.h"
#include "tests/support/check.h"
#include "tests/support/segment_builder.h"

#define CHECK_OK(call)                                                    \
  do {                                                                    \
    struct tk_error *e = &error;                                          \
    if ((call) != TK_OK) {                                                \
      printf("# %s:%d: %s: %s\n", __FILE__, __LINE__, #call, e->message); \
      check_failures++;                                                   \
    }                                                                     \
  } while (0)

static struct tk_error error;

static int compare_identity(const void *left, const void *right) {
  const struct tk_span *a = left;
  const struct tk_span *b = right;
  int order = memcmp(a->trace_id, b->trace_id, 16);
  return order ? order : memcmp(a->span_id, b->span_id, 8);
}

/* A store of one segment, opened. */
struct fixture {
  struct sample_spans samples;
  sqlite3 *db;
  struct tk_reader *reader;
  const struct tk_segment *segment;
  struct tk_arena arena;
  struct tk_span *rows; /* all spans, as read back, by row */
};

static void open_fixture(struct fixture *fixture, struct sample_options options) {
  *fixture = (struct fixture){0};
  sample_spans_make(&fixture->samples, &options);
  fixture->db = sample_store_create(":memory:");
  sample_store_add(fixture->db, fixture->samples.pointers, fixture->samples.count);
  CHECK_OK(tk_reader_open(fixture->db, "main", &fixture->reader, &error));
  CHECK_OK(tk_reader_segment(fixture->reader, 0, &fixture->segment, &error));
  fixture->rows = tk_arena_alloc(&fixture->arena, fixture->samples.count * sizeof(struct tk_span));
  CHECK_OK(tk_reader_spans(fixture->reader, fixture->segment, 0, fixture->samples.count,
                           &fixture->arena, fixture->rows, &error));
}

static void close_fixture(struct fixture *fixture) {
  tk_segment_release(fixture->segment);
  tk_reader_close(fixture->reader);
  tk_segment_cache_clear();
  CHECK(tk_segment_cache_used() == 0);
  sqlite3_close(fixture->db);
  sample_spans_reset(&fixture->samples);
  tk_arena_reset(&fixture->arena);
}

static const struct sample_options shapes[] = {
    {.seed = 1, .trace_count = 1, .largest_trace = 1, .plain = 1},
    {.seed = 2, .trace_count = 1, .largest_trace = 1},
    {.seed = 3, .trace_count = 3, .largest_trace = 7},
    {.seed = 4, .trace_count = 40, .largest_trace = 30},
    {.seed = 5, .trace_count = 700, .largest_trace = 40},
    {.seed = 6, .trace_count = 3, .largest_trace = 5000},
    {.seed = 7, .trace_count = 2000, .largest_trace = 9, .plain = 1},
    {.seed = 8, .trace_count = 6000, .largest_trace = 2},
    {.seed = 9, .trace_count = 3600, .largest_trace = 30}, /* large enough for rare keys */
    {.seed = 10, .trace_count = 300, .largest_trace = 100, .timing = SAMPLE_PARALLEL},
    {.seed = 11, .trace_count = 300, .largest_trace = 100, .timing = SAMPLE_SEQUENTIAL},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void spans_come_back_as_they_went_in(void) {
  for (int s = 0; s < SHAPES; s++) {
    struct fixture fixture;
    open_fixture(&fixture, shapes[s]);
    struct tk_span *expected = fixture.samples.spans;
    const uint32_t count = fixture.samples.count;
    qsort(expected, count, sizeof *expected, compare_identity);
    qsort(fixture.rows, count, sizeof *fixture.rows, compare_identity);
    for (uint32_t i = 0; i < count; i++) {
      const char *difference = tk_span_difference(&expected[i], &fixture.rows[i]);
      CHECK(!difference);
      if (!difference) continue;
      printf("# shape %d, span %u: %s\n", s, i, difference);
      break;
    }
    close_fixture(&fixture);
  }
}

static void parts_of_rows_are_read_alike(void) {
  struct fixture fixture;
  open_fixture(&fixture, shapes[4]);
  uint64_t state = 99;
  for (int i = 0; i < 300; i++) {
    const uint32_t first = (uint32_t)(sample_next(&state) % fixture.samples.count);
    uint32_t count = 1 + (uint32_t)(sample_next(&state) % 40);
    if (count > fixture.samples.count - first) count = fixture.samples.count - first;
    struct tk_arena arena = {0};
    struct tk_span spans[40];
    CHECK_OK(tk_reader_spans(fixture.reader, fixture.segment, first, count, &arena, spans, &error));
    for (uint32_t r = 0; r < count; r++) {
      CHECK(!tk_span_difference(&spans[r], &fixture.rows[first + r]));
    }
    tk_arena_reset(&arena);
  }
  struct tk_span none;
  CHECK(tk_reader_spans(fixture.reader, fixture.segment, fixture.samples.count, 1, &fixture.arena,
                        &none, &error) == TK_INVALID);
  close_fixture(&fixture);
}

static void check_rows(const struct fixture *fixture, uint32_t granule, const int64_t *starts,
                       const uint32_t *parents, const uint32_t *traces, struct tk_ints depths) {
  const struct tk_segment *segment = fixture->segment;
  uint32_t begin = granule == TK_ALL || granule == 0 ? 0 : segment->rows.ends[granule - 1];
  uint32_t end = granule == TK_ALL ? segment->summary.span_count : segment->rows.ends[granule];
  const struct tk_column *ids = NULL;
  CHECK_OK(
      tk_reader_column(fixture->reader, segment, segment->fixed[TK_COL_TRACE_ID], &ids, &error));
  for (uint32_t row = begin; row < end; row++) {
    const struct tk_span *span = &fixture->rows[row];
    CHECK((uint64_t)starts[row] == span->start_unix_ns);
    CHECK(memcmp(ids->fixed + traces[row] * 16u, span->trace_id, 16) == 0);
    if (parents[row] == UINT32_MAX) {
      CHECK(tk_ints_at(depths, row) == 0);
      continue;
    }
    CHECK(parents[row] < row && tk_ints_at(depths, row) == tk_ints_at(depths, parents[row]) + 1);
    CHECK(memcmp(fixture->rows[parents[row]].span_id, span->parent_span_id, 8) == 0);
  }
}

static void derived_arrays_agree_with_the_spans(void) {
  int models[3] = {0};
  for (int s = 0; s < SHAPES; s++) {
    for (int all = 0; all < 2; all++) {
      struct fixture fixture;
      const int64_t *starts;
      struct tk_ints depths = {0};
      const uint32_t *parents, *traces;
      open_fixture(&fixture, shapes[s]);
      const uint32_t granules = fixture.segment->rows.count;
      models[fixture.segment->start_model]++;
      for (uint32_t i = 0; i < (all ? 1 : granules); i++) {
        const uint32_t granule = all ? TK_ALL : granules - 1 - i;
        const struct tk_column *depth = NULL;
        CHECK_OK(tk_reader_starts(fixture.reader, fixture.segment, granule, &starts, &error));
        CHECK_OK(tk_reader_parents(fixture.reader, fixture.segment, granule, &parents, &error));
        CHECK_OK(tk_reader_traces(fixture.reader, fixture.segment, granule, &traces, &error));
        CHECK_OK(tk_reader_row_column(fixture.reader, fixture.segment, TK_COL_DEPTH, granule,
                                      &depth, &error));
        if (depth) depths = depth->ints;
        check_rows(&fixture, granule, starts, parents, traces, depths);
      }
      CHECK(tk_reader_starts(fixture.reader, fixture.segment, granules, &starts, &error) ==
            TK_INVALID);
      close_fixture(&fixture);
    }
  }
  CHECK(models[TK_START_PREVIOUS_ROW] && models[TK_START_PARENT]);
  CHECK(models[TK_START_PREVIOUS_SIBLING]);
}

static void events_and_links_are_found_by_row(void) {
  struct fixture fixture;
  const uint32_t *events, *links;
  open_fixture(&fixture, shapes[4]);
  CHECK_OK(tk_reader_first_items(fixture.reader, fixture.segment, TK_SCOPE_EVENT, &events, &error));
  CHECK_OK(tk_reader_first_items(fixture.reader, fixture.segment, TK_SCOPE_LINK, &links, &error));
  CHECK(events && links && fixture.segment->summary.event_count > 100);
  for (uint32_t row = 0; row < fixture.samples.count; row++) {
    CHECK(events[row + 1] - events[row] == fixture.rows[row].event_count);
    CHECK(links[row + 1] - links[row] == fixture.rows[row].link_count);
  }
  close_fixture(&fixture);
  open_fixture(&fixture, shapes[6]);
  CHECK_OK(tk_reader_first_items(fixture.reader, fixture.segment, TK_SCOPE_EVENT, &events, &error));
  CHECK(!events);
  close_fixture(&fixture);
}

static struct tk_text text_of(const struct tk_value *value, struct tk_byte_writer *scratch) {
  if (value->type == TK_VALUE_STRING || value->type == TK_VALUE_BYTES) {
    return (struct tk_text){value->as.text, value->size};
  }
  scratch->size = 0;
  tk_value_encode(scratch, value);
  return (struct tk_text){(const char *)scratch->data, (uint32_t)scratch->size};
}

/* Value `at` of an attribute column is `value`. */
static int column_has(const struct tk_column *column, uint32_t at, const struct tk_value *value) {
  struct tk_byte_writer scratch = {0};
  int64_t bits = value->as.integer;
  int equal = 1;
  if (value->type == TK_VALUE_EMPTY) return 1;
  if (column->kind == TK_COLUMN_INT) {
    if (value->type == TK_VALUE_DOUBLE) memcpy(&bits, &value->as.real, sizeof bits);
    return tk_ints_at(column->ints, at) == bits;
  }
  const struct tk_text stored = tk_column_text(column, at);
  const struct tk_text expected = text_of(value, &scratch);
  equal = stored.size == expected.size &&
          (stored.size == 0 || memcmp(stored.data, expected.data, stored.size) == 0);
  tk_byte_writer_reset(&scratch);
  return equal;
}

static const struct tk_value *first_value(const struct tk_attributes *attributes,
                                          const struct tk_segment_column *column) {
  for (uint32_t i = 0; i < attributes->count; i++) {
    const struct tk_attribute *attribute = &attributes->items[i];
    if (attribute->value.type == column->type && attribute->key.size == column->key.size &&
        (column->key.size == 0 ||
         memcmp(attribute->key.data, column->key.data, column->key.size) == 0)) {
      return &attribute->value;
    }
  }
  return NULL;
}

static void check_value_index(const struct fixture *fixture, uint32_t index,
                              const uint32_t *value_index, const struct tk_column *values) {
  const struct tk_segment_column *column = &fixture->segment->columns[index];
  uint32_t item = 0;
  for (uint32_t row = 0; row < fixture->samples.count; row++) {
    const struct tk_span *span = &fixture->rows[row];
    const uint32_t count = column->scope == TK_SCOPE_SPAN    ? 1
                           : column->scope == TK_SCOPE_EVENT ? span->event_count
                                                             : span->link_count;
    for (uint32_t i = 0; i < count; i++, item++) {
      const struct tk_attributes *attributes = column->scope == TK_SCOPE_SPAN ? &span->attributes
                                               : column->scope == TK_SCOPE_EVENT
                                                   ? &span->events[i].attributes
                                                   : &span->links[i].attributes;
      const struct tk_value *value = first_value(attributes, column);
      CHECK(!value == (value_index[item] == UINT32_MAX));
      if (value && value_index[item] != UINT32_MAX) {
        CHECK(column_has(values, value_index[item], value));
      }
    }
  }
}

static void value_indexes_lead_to_the_values(void) {
  int extras_seen = 0;
  for (int s = 0; s < SHAPES; s++) {
    struct fixture fixture;
    open_fixture(&fixture, shapes[s]);
    const struct tk_segment *segment = fixture.segment;
    for (uint32_t c = 0; c < segment->column_count; c++) {
      const struct tk_segment_column *column = &segment->columns[c];
      const struct tk_column *values = NULL;
      const uint32_t *value_index = NULL;
      if (column->number < TK_COL_FIRST_ATTRIBUTE) continue;
      if (column->in_extras && c % 37) continue; /* there are a thousand of them */
      extras_seen += column->in_extras;
      CHECK(tk_segment_find_attribute(segment, (enum tk_attribute_scope)column->scope, column->key,
                                      (enum tk_value_type)column->type) == c);
      if (c % 2) { /* granule by granule, or at once */
        for (uint32_t g = segment->rows.count; g-- > 0;) {
          CHECK_OK(tk_reader_value_index(fixture.reader, segment, c, g, &value_index, &error));
        }
      } else {
        CHECK_OK(tk_reader_value_index(fixture.reader, segment, c, TK_ALL, &value_index, &error));
      }
      CHECK_OK(
          tk_reader_values(fixture.reader, segment, c, 0, column->value_count, &values, &error));
      if (value_index && values) check_value_index(&fixture, c, value_index, values);
    }
    CHECK(tk_segment_find_attribute(segment, TK_SCOPE_SPAN, (struct tk_text){"nobody", 6},
                                    TK_VALUE_INT) == TK_NO_COLUMN);
    close_fixture(&fixture);
  }
  CHECK(extras_seen > 0);
}

static void attributes_alone_are_those_of_the_span(void) {
  struct fixture fixture;
  open_fixture(&fixture, shapes[3]);
  uint32_t event = 0;
  struct tk_byte_writer alone = {0}, whole = {0};
  for (uint32_t row = 0; row < fixture.samples.count; row++) {
    const struct tk_span *span = &fixture.rows[row];
    struct tk_attributes attributes;
    struct tk_arena arena = {0};
    CHECK_OK(tk_reader_attributes(fixture.reader, fixture.segment, TK_SCOPE_SPAN, row, &arena,
                                  &attributes, &error));
    tk_attributes_encode(&alone, &attributes);
    tk_attributes_encode(&whole, &span->attributes);
    for (uint32_t i = 0; i < span->event_count; i++) {
      CHECK_OK(tk_reader_attributes(fixture.reader, fixture.segment, TK_SCOPE_EVENT, event++,
                                    &arena, &attributes, &error));
      tk_attributes_encode(&alone, &attributes);
      tk_attributes_encode(&whole, &span->events[i].attributes);
    }
    tk_arena_reset(&arena);
  }
  CHECK(event > 10 && alone.size == whole.size && memcmp(alone.data, whole.data, alone.size) == 0);
  tk_byte_writer_reset(&alone);
  tk_byte_writer_reset(&whole);
  close_fixture(&fixture);
}

static void traces_are_found_by_id(void) {
  for (int s = 2; s < SHAPES; s++) {
    struct fixture fixture;
    open_fixture(&fixture, shapes[s]);
    struct tk_trace_place *places;
    uint32_t count;
    const uint32_t *trace_rows;
    CHECK_OK(tk_reader_trace_rows(fixture.reader, fixture.segment, &trace_rows, &error));
    for (uint32_t row = 0; row < fixture.samples.count; row += 7) {
      const uint8_t *id = fixture.rows[row].trace_id;
      CHECK_OK(tk_reader_find_trace(fixture.reader, id, &places, &count, &error));
      CHECK(count == 1);
      if (count == 1) {
        CHECK(places->first_row <= row && row - places->first_row < places->row_count);
        CHECK(trace_rows[places->trace_index] == places->first_row);
        CHECK(trace_rows[places->trace_index + 1] == places->first_row + places->row_count);
      }
      sqlite3_free(places);
    }
    for (uint32_t i = 0; i < 200; i++) {
      uint8_t id[16] = {1, 2, 3, (uint8_t)i};
      CHECK_OK(tk_reader_find_trace(fixture.reader, id, &places, &count, &error));
      CHECK(count == 0);
      sqlite3_free(places);
    }
    close_fixture(&fixture);
  }
}

static void split_traces_are_found_in_all_their_segments(void) {
  struct fixture fixture;
  open_fixture(&fixture, shapes[3]);
  const struct tk_span *half = &fixture.samples.spans[0];
  struct tk_span late = *half;
  const struct tk_span *pointer = &late;
  late.span_id[0] ^= 0x55;
  late.start_unix_ns = 5; /* so that the later segment comes first in the list */
  late.end_unix_ns = 6;
  const int64_t id = sample_store_add(fixture.db, &pointer, 1);
  CHECK(fixture.reader->segment_count == 1);
  CHECK_OK(tk_reader_refresh(fixture.reader, &error));
  CHECK(fixture.reader->segment_count == 2 && fixture.reader->segments[0].id == id);

  struct tk_trace_place *places;
  uint32_t count;
  CHECK_OK(tk_reader_find_trace(fixture.reader, half->trace_id, &places, &count, &error));
  CHECK(count == 2 && places[0].segment_index == 1 && places[1].segment_index == 0);
  sqlite3_free(places);
  CHECK(fixture.segment->summary.span_count == fixture.samples.count);
  close_fixture(&fixture);
}

static void resources_and_scopes_are_listed_once(void) {
  struct fixture fixture;
  open_fixture(&fixture, shapes[4]);
  const struct tk_stored_resource *const *resources;
  const struct tk_stored_scope *const *scopes;
  uint32_t count;
  tk_reader_resources(fixture.reader, &resources, &count);
  CHECK(count == 5);
  for (uint32_t i = 0; i < count; i++) {
    CHECK(tk_reader_resource(fixture.reader, resources[i]->id) == resources[i]);
    CHECK(resources[i]->service.size == 9 &&
          memcmp(resources[i]->service.data, "service-", 8) == 0);
  }
  tk_reader_scopes(fixture.reader, &scopes, &count);
  CHECK(count == 3 && tk_reader_scope(fixture.reader, scopes[2]->id) == scopes[2]);
  CHECK(!tk_reader_resource(fixture.reader, 0) && !tk_reader_resource(fixture.reader, 999));
  CHECK(!tk_reader_resource(fixture.reader, INT64_MIN) && !tk_reader_scope(fixture.reader, -1));
  close_fixture(&fixture);
}

static void filters_never_deny_what_is_there(void) {
  struct fixture fixture;
  open_fixture(&fixture,
               (struct sample_options){.seed = 9, .trace_count = 900, .largest_trace = 30});
  const struct tk_segment *segment = fixture.segment;
  int filters = 0, denied = 0;
  for (uint32_t c = 0; c < segment->column_count; c++) {
    const struct tk_segment_column *column = &segment->columns[c];
    bool may = true;
    if (column->kind != TK_COLUMN_TEXT || !column->has_filter) continue;
    filters++;
    for (uint32_t row = 0; row < fixture.samples.count; row++) {
      const struct tk_value *value = first_value(&fixture.rows[row].attributes, column);
      if (!value || value->type != TK_VALUE_STRING || column->scope != TK_SCOPE_SPAN) continue;
      CHECK_OK(tk_reader_may_contain(fixture.reader, segment, c,
                                     (struct tk_text){value->as.text, value->size}, &may, &error));
      CHECK(may);
    }
    for (int i = 0; i < 100; i++) {
      char absent[30];
      int size = snprintf(absent, sizeof absent, "absent %d", i);
      CHECK_OK(tk_reader_may_contain(fixture.reader, segment, c,
                                     (struct tk_text){absent, (uint32_t)size}, &may, &error));
      denied += !may;
    }
  }
  CHECK(filters > 0 && denied > filters * 90);
  close_fixture(&fixture);
}

static void a_newer_format_is_refused_by_name(void) {
  struct fixture fixture;
  open_fixture(&fixture, shapes[2]);
  tk_segment_release(fixture.segment);
  fixture.segment = NULL;
  tk_reader_close(fixture.reader);
  tk_segment_cache_clear();
  sample_store_run(fixture.db, "UPDATE tk_segment SET format = 99");
  CHECK_OK(tk_reader_open(fixture.db, "main", &fixture.reader, &error));
  CHECK(tk_reader_segment(fixture.reader, 0, &fixture.segment, &error) == TK_UNSUPPORTED);
  CHECK(strstr(error.message, "segment 1") && strstr(error.message, "99"));
  close_fixture(&fixture);
}

static void what_is_no_store_is_refused(void) {
  sqlite3 *db = NULL;
  struct tk_reader *reader;
  CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK);
  CHECK(tk_reader_open(db, "main", &reader, &error) != TK_OK && !reader);
  CHECK(tk_reader_open(db, "nowhere", &reader, &error) != TK_OK && !reader);
  tk_reader_close(NULL);
  sqlite3_close(db);
}

CHECK_MAIN(CASE(spans_come_back_as_they_went_in), CASE(parts_of_rows_are_read_alike),
           CASE(derived_arrays_agree_with_the_spans), CASE(events_and_links_are_found_by_row),
           CASE(value_indexes_lead_to_the_values), CASE(attributes_alone_are_those_of_the_span),
           CASE(traces_are_found_by_id), CASE(split_traces_are_found_in_all_their_segments),
           CASE(resources_and_scopes_are_listed_once), CASE(filters_never_deny_what_is_there),
           CASE(a_newer_format_is_refused_by_name), CASE(what_is_no_store_is_refused))
