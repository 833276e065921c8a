/* Directories: what is encoded comes back, and what contradicts itself is refused. */
#include "store/segment/directory.h"

#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tests/support/segment_builder.h"

/* A small segment: 5 spans in 3 traces and 2 granules, 2 events, 3 attribute columns. */
struct sample {
  uint32_t ends[2], first_trace[3], first_values[4][2];
  uint64_t start_min[2], start_max[2];
  struct tk_segment_column columns[12];
  uint16_t keyset_columns[2][3];
  struct tk_keyset span_keysets[3], event_keysets[1];
  struct tk_directory directory;
};

static struct tk_segment_column *add_column(struct sample *sample, uint16_t number,
                                            enum tk_column_kind kind, uint32_t value_count) {
  struct tk_segment_column *column = &sample->columns[sample->directory.column_count++];
  *column = (struct tk_segment_column){.number = number,
                                       .kind = (uint8_t)kind,
                                       .value_count = value_count,
                                       .int_min = -5,
                                       .int_max = 1000,
                                       .distinct_count = kind == TK_COLUMN_TEXT,
                                       .chunk_size = 10u + number,
                                       .chunk_hash = number * 0x123456789abcdefu};
  return column;
}

static void add_attribute(struct sample *sample, uint16_t number, const char *key, uint8_t type,
                          uint8_t scope, uint32_t value_count, const uint32_t *first_values) {
  struct tk_segment_column *column = add_column(
      sample, number, type == TK_VALUE_STRING ? TK_COLUMN_TEXT : TK_COLUMN_INT, value_count);
  column->key = (struct tk_text){key, (uint32_t)strlen(key)};
  column->type = type;
  column->scope = scope;
  column->granule_first_value = first_values;
}

static void make_sample(struct sample *sample) {
  *sample = (struct sample){.ends = {3, 5},
                            .first_trace = {0, 1, 3},
                            .first_values = {{0, 2}, {0, 0}, {0, 1}, {0, 1}},
                            .start_min = {1000, 1500},
                            .start_max = {1200, 1700},
                            .keyset_columns = {{7, 6}, {9}},
                            .directory = {.summary = {.span_count = 5,
                                                      .trace_count = 3,
                                                      .event_count = 2,
                                                      .error_count = 1,
                                                      .start_min = 1000,
                                                      .start_max = 1700,
                                                      .end_max = 900,
                                                      .duration_min = -7,
                                                      .duration_max = INT64_MAX,
                                                      .raw_bytes = 12345},
                                          .start_model = TK_START_PARENT,
                                          .resource_count = 2,
                                          .scope_count = 1}};
  struct tk_directory *directory = &sample->directory;
  add_column(sample, TK_COL_TRACE_ID, TK_COLUMN_FIXED, 3)->has_filter = true;
  add_column(sample, TK_COL_TRACE_ROWS, TK_COLUMN_INT, 3);
  add_column(sample, TK_COL_SPAN_ID, TK_COLUMN_FIXED, 5);
  add_column(sample, TK_COL_NAME, TK_COLUMN_TEXT, 5);
  add_column(sample, TK_COL_EXTRA_ROW, TK_COLUMN_INT, 2);
  add_column(sample, TK_COL_EXTRA, TK_COLUMN_TEXT, 2);
  add_attribute(sample, 64, "", TK_VALUE_STRING, TK_SCOPE_SPAN, 4, sample->first_values[0]);
  add_attribute(sample, 65, "b", TK_VALUE_EMPTY, TK_SCOPE_SPAN, 2, sample->first_values[1]);
  add_attribute(sample, 66, "rare", TK_VALUE_INT, TK_SCOPE_SPAN, 2, NULL);
  add_attribute(sample, 67, "b", TK_VALUE_DOUBLE, TK_SCOPE_EVENT, 2, sample->first_values[3]);
  sample->columns[7].chunk_size = sample->columns[8].chunk_size = 0;
  sample->columns[8].in_extras = true;
  sample->span_keysets[1] = (struct tk_keyset){sample->keyset_columns[0], 2};
  sample->span_keysets[2] = (struct tk_keyset){sample->keyset_columns[0], 1};
  sample->event_keysets[0] = (struct tk_keyset){sample->keyset_columns[1], 1};
  directory->rows = (struct tk_granules){sample->ends, 2};
  directory->granule_first_trace = sample->first_trace;
  directory->granule_start_min = sample->start_min;
  directory->granule_start_max = sample->start_max;
  directory->keysets[TK_SCOPE_SPAN] = (struct tk_keysets){sample->span_keysets, 3};
  directory->keysets[TK_SCOPE_EVENT] = (struct tk_keysets){sample->event_keysets, 1};
  directory->columns = sample->columns;
}

static enum tk_status encode_and_decode(const struct sample *sample, struct tk_arena *arena,
                                        struct tk_directory *directory) {
  struct tk_byte_writer out = {0};
  struct tk_error error = {{0}};
  tk_directory_encode(&out, &sample->directory);
  enum tk_status status =
      out.failed ? TK_INVALID : tk_directory_decode(out.data, out.size, arena, directory, &error);
  tk_byte_writer_reset(&out);
  return status;
}

static void a_directory_comes_back(void) {
  struct sample sample;
  struct tk_arena arena = {0};
  struct tk_directory back;
  make_sample(&sample);
  CHECK(encode_and_decode(&sample, &arena, &back) == TK_OK);
  const struct tk_segment_summary *summary = &back.summary;
  CHECK(summary->span_count == 5 && summary->trace_count == 3 && summary->event_count == 2);
  CHECK(summary->start_min == 1000 && summary->start_max == 1700 && summary->end_max == 900);
  CHECK(summary->duration_min == -7 && summary->duration_max == INT64_MAX);
  CHECK(summary->raw_bytes == 12345 && summary->error_count == 1 && summary->link_count == 0);
  CHECK(back.start_model == TK_START_PARENT && back.resource_count == 2 && back.scope_count == 1);
  CHECK(back.rows.count == 2 && memcmp(back.rows.ends, sample.ends, sizeof sample.ends) == 0);
  CHECK(memcmp(back.granule_first_trace, sample.first_trace, sizeof sample.first_trace) == 0);
  CHECK(memcmp(back.granule_start_min, sample.start_min, sizeof sample.start_min) == 0);
  CHECK(memcmp(back.granule_start_max, sample.start_max, sizeof sample.start_max) == 0);
  CHECK(back.column_count == 10);
  for (uint32_t i = 0; i < back.column_count; i++) {
    const struct tk_segment_column *a = &back.columns[i];
    const struct tk_segment_column *b = &sample.columns[i];
    CHECK(a->number == b->number && a->kind == b->kind && a->value_count == b->value_count);
    CHECK(a->type == b->type && a->scope == b->scope && a->in_extras == b->in_extras);
    CHECK(a->has_filter == b->has_filter && a->chunk_size == b->chunk_size);
    CHECK(a->chunk_size == 0 || a->chunk_hash == b->chunk_hash);
    CHECK(a->key.size == b->key.size);
    CHECK(a->key.size == 0 || memcmp(a->key.data, b->key.data, a->key.size) == 0);
    CHECK(!a->granule_first_value == !b->granule_first_value);
  }
  CHECK(back.columns[1].int_min == -5 && back.columns[1].int_max == 1000);
  CHECK(back.columns[8].int_min == INT64_MIN && back.columns[8].int_max == INT64_MAX);
  CHECK(back.columns[6].granule_first_value[1] == 2);
  CHECK(back.keysets[0].count == 3 && back.keysets[1].count == 1 && back.keysets[2].count == 0);
  CHECK(back.keysets[0].items[0].count == 0 && back.keysets[0].items[1].count == 2);
  CHECK(back.keysets[0].items[1].columns[0] == 7 && back.keysets[0].items[1].columns[1] == 6);
  CHECK(back.keysets[1].items[0].columns[0] == 9);
  tk_arena_reset(&arena);
}

static void drop_column(struct sample *sample, uint32_t index) {
  struct tk_directory *directory = &sample->directory;
  directory->column_count--;
  memmove(&sample->columns[index], &sample->columns[index + 1],
          (directory->column_count - index) * sizeof sample->columns[0]);
}

static void break_it(struct sample *sample, int way) {
  struct tk_segment_summary *summary = &sample->directory.summary;
  struct tk_segment_column *columns = sample->columns;
  switch (way) {
    case 0:
      summary->span_count = 6;
      break;
    case 1:
      summary->trace_count = 4;
      break;
    case 2:
      summary->trace_count = 0;
      break;
    case 3:
      summary->error_count = 6;
      break;
    case 4:
      sample->directory.resource_count = 0;
      break;
    case 5:
      sample->directory.scope_count = 0;
      break;
    case 6:
      sample->ends[0] = 0;
      break;
    case 7:
      sample->ends[1] = 4;
      break;
    case 8:
      sample->first_trace[1] = 0;
      break;
    case 9:
      sample->first_trace[1] = 3;
      break;
    case 10:
      sample->start_min[1] = 999;
      break;
    case 11:
      sample->start_max[1] = 1701;
      break;
    case 12:
      sample->start_max[0] = 999;
      break;
    case 13:
      columns[3].number = TK_COL_SPAN_ID;
      break; /* twice */
    case 14:
      columns[3].number = 29;
      break; /* there is no such column */
    case 15:
      columns[3].distinct_count = 0;
      break;
    case 16:
      columns[3].chunk_size = 0;
      break;
    case 17:
      columns[4].value_count = 1;
      break; /* the pair differs */
    case 18:
      drop_column(sample, 5);
      break; /* half a pair */
    case 19:
      drop_column(sample, 0);
      break;
    case 20:
      drop_column(sample, 1);
      break;
    case 21:
      drop_column(sample, 2);
      break;
    case 22:
      columns[6].value_count = 6;
      break; /* more values than spans */
    case 23:
      columns[6].value_count = 1;
      break; /* positions beyond them */
    case 24:
      columns[6].granule_first_value = NULL;
      break;
    case 25:
      columns[6].scope = 3;
      break;
    case 26:
      columns[6].type = 8;
      break;
    case 27:
      columns[6].in_extras = true;
      break; /* but keysets name it */
    case 28:
      sample->keyset_columns[0][1] = 7;
      break; /* twice in one keyset */
    case 29:
      sample->keyset_columns[0][1] = 3;
      break; /* no attribute */
    case 30:
      sample->keyset_columns[0][1] = 9;
      break; /* of another scope */
    case 31:
      sample->keyset_columns[0][1] = 8;
      break; /* in extras */
    case 32:
      sample->keyset_columns[0][1] = 10;
      break; /* not there */
    case 33:
      columns[3].in_extras = true;
      break; /* no attribute */
    case 34:
      columns[3].granule_first_value = sample->first_values[0];
      break;
    case 35:
      sample->directory.start_model = (enum tk_start_model)3;
      break;
    case 36:
      summary->duration_max = -8;
      break;
    case 37:
      sample->directory.rows.count = 0;
      break;
    default:
      summary->start_max = 999;
      break;
  }
}

static void what_contradicts_itself_is_refused(void) {
  for (int way = 0; way <= 38; way++) {
    struct sample sample;
    struct tk_arena arena = {0};
    struct tk_directory back;
    make_sample(&sample);
    break_it(&sample, way);
    const enum tk_status status = encode_and_decode(&sample, &arena, &back);
    CHECK(status == TK_CORRUPT || status == TK_INVALID);
    if (status == TK_OK) printf("# %d was accepted\n", way);
    tk_arena_reset(&arena);
  }
}

static void cut_and_prolonged_bytes_are_refused(void) {
  struct sample sample;
  struct tk_byte_writer out = {0};
  struct tk_directory back;
  make_sample(&sample);
  tk_directory_encode(&out, &sample.directory);
  tk_byte_writer_append_u8(&out, 0);
  for (size_t size = 0; size <= out.size; size++) {
    struct tk_arena arena = {0};
    const enum tk_status status = tk_directory_decode(out.data, size, &arena, &back, NULL);
    CHECK(size == out.size - 1 ? status == TK_OK : status == TK_CORRUPT);
    tk_arena_reset(&arena);
  }
  tk_byte_writer_reset(&out);
}

static void without_memory_both_ways_say_so(void) {
  struct sample sample;
  int decoding_faults = 0;
  make_sample(&sample);
  for (int n = 1, hits = 1; hits; n++) {
    struct tk_arena arena = {0};
    struct tk_byte_writer out = {0};
    struct tk_directory back;
    tk_directory_encode(&out, &sample.directory);
    fault_memory_fail_at(n);
    enum tk_status status = tk_directory_decode(out.data, out.size, &arena, &back, NULL);
    hits = fault_memory_hits();
    fault_memory_fail_at(0);
    CHECK(status == (hits ? TK_NOMEM : TK_OK));
    decoding_faults += hits;
    tk_byte_writer_reset(&out);
    tk_arena_reset(&arena);
    fault_memory_fail_at(n);
    tk_directory_encode(&out, &sample.directory);
    CHECK(out.failed == (fault_memory_hits() > 0));
    hits |= fault_memory_hits();
    fault_memory_fail_at(0);
    tk_byte_writer_reset(&out);
  }
  CHECK(decoding_faults > 1);
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(a_directory_comes_back),
      CASE(what_contradicts_itself_is_refused),
      CASE(cut_and_prolonged_bytes_are_refused),
      CASE(without_memory_both_ways_say_so),
  };
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
