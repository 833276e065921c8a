/* Values, resources and scopes: round trips, canonical bytes, and bytes that nobody encoded. */
#include "store/codec/value_codec.h"

#include "tests/support/check.h"
#include "tests/support/segment_builder.h"

static struct tk_value text_value(enum tk_value_type type, const char *text) {
  return (struct tk_value){.type = type, .size = (uint32_t)strlen(text), .as.text = text};
}

static enum tk_status decode(const struct tk_byte_writer *bytes, struct tk_arena *arena,
                             struct tk_value *value) {
  return tk_value_decode(bytes->data, bytes->size, arena, value, NULL);
}

/* Encoding what was decoded gives the same bytes again. */
static int is_stable(const struct tk_byte_writer *bytes) {
  struct tk_byte_writer again = {0};
  struct tk_arena arena = {0};
  struct tk_value value;
  int stable = decode(bytes, &arena, &value) == TK_OK;
  if (stable) tk_value_encode(&again, &value);
  stable = stable && again.size == bytes->size && memcmp(again.data, bytes->data, again.size) == 0;
  tk_byte_writer_reset(&again);
  tk_arena_reset(&arena);
  return stable;
}

static void values_have_the_documented_bytes(void) {
  static const struct tk_value items[] = {{.type = TK_VALUE_INT, .as.integer = -2},
                                          {.type = TK_VALUE_BOOL, .as.integer = 1},
                                          {.type = TK_VALUE_EMPTY}};
  const struct tk_attribute member = {{"k", 1}, {.type = TK_VALUE_DOUBLE, .as.real = 1.5}};
  const struct {
    struct tk_value value;
    const char *bytes;
    size_t size;
  } cases[] = {
      {{.type = TK_VALUE_EMPTY}, "\0", 1},
      {text_value(TK_VALUE_STRING, "ab"), "\1\2ab", 4},
      {text_value(TK_VALUE_BYTES, ""), "\7\0", 2},
      {{.type = TK_VALUE_INT, .as.integer = INT64_MIN},
       "\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\1",
       11},
      {{.type = TK_VALUE_ARRAY, .size = 3, .as.items = items}, "\5\3\3\3\2\1\0", 7},
      {{.type = TK_VALUE_KVLIST, .size = 1, .as.members = &member},
       "\6\1\1k\4\0\0\0\0\0\0\xf8\x3f",
       13},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tk_byte_writer out = {0};
    tk_value_encode(&out, &cases[i].value);
    CHECK(out.size == cases[i].size && memcmp(out.data, cases[i].bytes, out.size) == 0);
    CHECK(is_stable(&out));
    tk_byte_writer_reset(&out);
  }
}

static void nesting_has_a_limit(void) {
  struct tk_value levels[TK_VALUE_DEPTH_MAX + 1];
  struct tk_byte_writer out = {0};
  struct tk_arena arena = {0};
  struct tk_value value;
  levels[0] = (struct tk_value){.type = TK_VALUE_EMPTY};
  for (int i = 1; i <= TK_VALUE_DEPTH_MAX; i++) {
    levels[i] = (struct tk_value){.type = TK_VALUE_ARRAY, .size = 1, .as.items = &levels[i - 1]};
  }
  tk_value_encode(&out, &levels[TK_VALUE_DEPTH_MAX - 1]);
  CHECK(!out.failed && is_stable(&out));
  tk_byte_writer_reset(&out);
  tk_value_encode(&out, &levels[TK_VALUE_DEPTH_MAX]);
  CHECK(out.failed);
  tk_byte_writer_reset(&out);
  for (int i = 0; i < 100000; i++) tk_byte_writer_append(&out, "\5\1", 2);
  tk_byte_writer_append_u8(&out, 0);
  CHECK(decode(&out, &arena, &value) == TK_CORRUPT);
  tk_byte_writer_reset(&out);
  tk_arena_reset(&arena);
}

static void what_is_not_canonical_is_refused(void) {
  static const struct {
    const char *bytes;
    size_t size;
  } cases[] = {{"", 0},
               {"\x08", 1},
               {"\2\2", 2},
               {"\2", 1},
               {"\1\2a", 3},
               {"\0\0", 2},
               {"\3\x80\0", 3},
               {"\4\0\0\0\0\0\0\0", 8},
               {"\5\2\0", 3},
               {"\6\1\0", 3},
               {"\5\xff\xff\xff\xff\x0f", 6},
               {"\1\xff\xff\xff\xff\x0f", 6},
               {"\6\1\5k\0", 5}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tk_arena arena = {0};
    struct tk_error error;
    struct tk_value value;
    CHECK(tk_value_decode((const uint8_t *)cases[i].bytes, cases[i].size, &arena, &value, &error) ==
          TK_CORRUPT);
    tk_arena_reset(&arena);
  }
}

static void resources_and_scopes_come_back(void) {
  const struct tk_attribute items[] = {{{"service.name", 12}, text_value(TK_VALUE_STRING, "shop")},
                                       {{"n", 1}, {.type = TK_VALUE_INT, .as.integer = 7}}};
  const struct tk_residual residual = {"\"x\":1", 5, TK_RESIDUAL_JSON};
  const struct tk_resource resource = {
      .attributes = {items, 2, 3}, .schema_url = {"http://a", 8}, .outer_residual = residual};
  const struct tk_scope scope = {.name = {"lib", 3},
                                 .version = {"1.2", 3},
                                 .attributes = {items + 1, 1, 0},
                                 .residual = residual,
                                 .absent = 1};
  struct tk_byte_writer out = {0}, again = {0};
  struct tk_arena arena = {0};
  struct tk_resource resource_out;
  struct tk_scope scope_out;
  tk_resource_encode(&out, &resource);
  CHECK(out.data[0] == 1);
  CHECK(tk_resource_decode(out.data, out.size, &arena, &resource_out, NULL) == TK_OK);
  CHECK(resource_out.attributes.count == 2 && resource_out.attributes.dropped_count == 3);
  CHECK(resource_out.schema_url.size == 8 && !resource_out.absent);
  CHECK(resource_out.outer_residual.format == TK_RESIDUAL_JSON && !resource_out.residual.format);
  tk_resource_encode(&again, &resource_out);
  CHECK(again.size == out.size && memcmp(again.data, out.data, out.size) == 0);
  for (size_t size = 0; size < out.size; size++) {
    CHECK(tk_resource_decode(out.data, size, &arena, &resource_out, NULL) == TK_CORRUPT);
  }
  out.data[0] = 2;
  CHECK(tk_resource_decode(out.data, out.size, &arena, &resource_out, NULL) == TK_CORRUPT);

  out.size = again.size = 0;
  tk_scope_encode(&out, &scope);
  CHECK(tk_scope_decode(out.data, out.size, &arena, &scope_out, NULL) == TK_OK);
  CHECK(scope_out.absent == 1 && scope_out.name.size == 3 && scope_out.attributes.count == 1);
  tk_scope_encode(&again, &scope_out);
  CHECK(again.size == out.size && memcmp(again.data, out.data, out.size) == 0);
  for (size_t size = 0; size < out.size; size++) {
    CHECK(tk_scope_decode(out.data, size, &arena, &scope_out, NULL) == TK_CORRUPT);
  }
  tk_byte_writer_reset(&out);
  tk_byte_writer_reset(&again);
  tk_arena_reset(&arena);
}

static void extras_keep_their_positions(void) {
  struct tk_byte_writer out = {0};
  struct tk_arena arena = {0};
  struct tk_extra *extras;
  uint32_t count;
  for (uint32_t i = 0; i < 20; i++) {
    tk_extra_encode(&out, i * i,
                    &(struct tk_attribute){{"key", 3}, text_value(TK_VALUE_STRING, "v")});
  }
  CHECK(tk_extras_decode(out.data, out.size, &arena, &extras, &count, NULL) == TK_OK);
  CHECK(count == 20);
  for (uint32_t i = 0; i < count; i++) CHECK(extras[i].position == i * i);
  tk_extra_encode(&out, 361, &(struct tk_attribute){{"key", 3}, {0}}); /* the same once more */
  CHECK(tk_extras_decode(out.data, out.size, &arena, &extras, &count, NULL) == TK_CORRUPT);
  CHECK(tk_extras_decode(out.data, 0, &arena, &extras, &count, NULL) == TK_OK && count == 0);
  tk_byte_writer_reset(&out);
  tk_arena_reset(&arena);
}

static void random_attributes_come_back(void) {
  struct sample_spans samples;
  uint32_t attributes = 0;
  sample_spans_make(&samples,
                    &(struct sample_options){.seed = 77, .trace_count = 20, .largest_trace = 30});
  for (uint32_t i = 0; i < samples.count; i++) {
    for (uint32_t k = 0; k < samples.spans[i].attributes.count; k++, attributes++) {
      struct tk_byte_writer out = {0};
      tk_value_encode(&out, &samples.spans[i].attributes.items[k].value);
      CHECK(is_stable(&out));
      tk_byte_writer_reset(&out);
    }
  }
  CHECK(attributes > 100);
  sample_spans_reset(&samples);
}

CHECK_MAIN(CASE(values_have_the_documented_bytes), CASE(nesting_has_a_limit),
           CASE(what_is_not_canonical_is_refused), CASE(resources_and_scopes_come_back),
           CASE(extras_keep_their_positions), CASE(random_attributes_come_back))
