/* SPDX-License-Identifier: MIT
 * Any bytes as what a span says of its sampling, and as a recorded decision: whatever comes out is
 * in range, and the same with and without `raw`. The input is parts that end with LF: tracestate,
 * residual, flags, then values, each behind two letters for its key and type; all of it is also
 * read as one record. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/decision.h"
#include "sqlext/sampling/decision_records.h"
#include "store/sqlite_api.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned touched;

static void check_text(struct tk_text text) {
  REQUIRE(text.data || text.size == 0);
  for (uint32_t i = 0; i < text.size; i++) touched += (unsigned char)text.data[i];
}

static void check_decision(const struct tk_decision *decision) {
  const int64_t range = INT64_C(1) << 56;
  REQUIRE(isnan(decision->probability) ||
          (decision->probability >= 0 && decision->probability <= 1));
  REQUIRE(isnan(decision->adjusted_count) || decision->adjusted_count >= 0);
  REQUIRE(decision->rank == TK_RANK_NONE || !isnan(decision->adjusted_count));
  REQUIRE(decision->rank == TK_RANK_NONE || !decision->dry_run);
  REQUIRE(decision->threshold >= -1 && decision->threshold < range);
  REQUIRE(decision->randomness >= -1 && decision->randomness < range);
  REQUIRE(decision->consistent >= -1 && decision->consistent <= 1);
  REQUIRE(tk_decision_source_name(decision->source) && tk_verdict_name(decision->verdict));
  check_text(decision->mechanism);
  check_text(decision->policy);
  check_text(decision->run_id);
  check_text(decision->raw);
}

static struct tk_text take_part(const char **at, const char *end) {
  const char *begin = *at, *stop = memchr(begin, '\n', (size_t)(end - begin));
  if (!stop) stop = end;
  *at = stop < end ? stop + 1 : end;
  return (struct tk_text){begin, (uint32_t)(stop - begin)};
}

static void set_value(struct tk_decision_input *input, struct tk_text part) {
  if (part.size < 2) return;
  const unsigned key = (unsigned char)part.data[0] % TK_SAMPLING_KEY_COUNT;
  struct tk_value *value = &input->values[key];
  const struct tk_text rest = {part.data + 2, part.size - 2};
  *value = (struct tk_value){.type = (unsigned char)part.data[1] % 8u};
  if (value->type == TK_VALUE_STRING || value->type == TK_VALUE_BYTES) {
    value->as.text = rest.data;
    value->size = rest.size;
  } else if (value->type == TK_VALUE_DOUBLE && rest.size >= sizeof value->as.real) {
    memcpy(&value->as.real, rest.data, sizeof value->as.real);
  } else if (value->type == TK_VALUE_INT && rest.size >= sizeof value->as.integer) {
    memcpy(&value->as.integer, rest.data, sizeof value->as.integer);
  } else if (value->type == TK_VALUE_BOOL) {
    value->as.integer = rest.size & 1;
  }
  input->present |= UINT64_C(1) << key;
}

static bool is_same_number(double a, double b) {
  return a == b || (isnan(a) && isnan(b));
}

static void decode(const char *text, size_t size) {
  static const uint8_t trace_id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  struct tk_decision_input input = {.trace_id = trace_id};
  struct tk_arena arenas[2] = {{0}, {0}};
  struct tk_decision_list lists[2] = {{.arena = &arenas[0]},
                                      {.arena = &arenas[1], .without_raw = true}};
  const char *at = text, *end = text + size;

  input.trace_state = take_part(&at, end);
  input.residual = take_part(&at, end);
  const struct tk_text flags = take_part(&at, end);
  input.flags = flags.size ? (unsigned char)flags.data[0] : 0;
  input.is_root = flags.size > 1;
  while (at < end) set_value(&input, take_part(&at, end));
  for (int i = 0; i < 2; i++) tk_decisions_decode(&input, TK_ALL_SOURCES, &lists[i]);
  REQUIRE(!lists[0].failed && !lists[1].failed && lists[0].count == lists[1].count);
  for (uint32_t i = 0; i < lists[0].count; i++) {
    const struct tk_decision *a = &lists[0].items[i], *b = &lists[1].items[i];
    check_decision(a);
    REQUIRE(a->raw.data && !b->raw.data && a->rank == b->rank && a->verdict == b->verdict);
    REQUIRE(is_same_number(a->adjusted_count, b->adjusted_count));
  }
  for (int i = 0; i < 2; i++) {
    tk_decision_list_reset(&lists[i]);
    tk_arena_reset(&arenas[i]);
  }
}

static void read_record(const char *text, size_t size) {
  struct tk_arena arena = {0};
  struct tk_decision_record record;
  bool out_of_memory;
  const struct tk_text line = {text, (uint32_t)size}, run = {"run", 3};
  if (tk_decision_record_read(line, run, &arena, &record, &out_of_memory)) {
    check_decision(&record.decision);
    check_text(record.trace_text);
    check_text(record.span_text);
    check_text(record.service);
    REQUIRE(record.decision.raw.size == size &&
            record.has_trace_id == (record.trace_text.data != NULL));
  }
  REQUIRE(!out_of_memory);
  tk_arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = size < (1u << 20) ? malloc(size + 1) : NULL; /* so that reading beyond is noticed */
  if (!text) return 0;
  if (size > 0) memcpy(text, data, size);
  decode(text, size);
  read_record(text, size);
  free(text);
  return 0;
}
