/* SPDX-License-Identifier: MIT */
#include "store/segment/span_order.h"

#include <stdlib.h>

#include "store/sqlite_api.h"
#include "tests/support/check.h"
#include "tests/support/span_builder.h"

/* Order of a whole batch; ends the test when there is none. */
static struct tk_span_order order_batch(const struct tk_batch *batch) {
  struct tk_span_order order = {0};
  const struct tk_span **spans = calloc(batch->span_count + 1, sizeof *spans);
  for (uint32_t i = 0; i < batch->span_count; i++) spans[i] = &batch->spans[i];
  CHECK(tk_span_order_init(&order, spans, batch->span_count, NULL) == TK_OK);
  CHECK(order.span_count == batch->span_count);
  free(spans);
  return order;
}

static uint64_t id_of(const struct tk_span *span) {
  uint64_t id = 0;
  for (int i = 0; i < 8; i++) id = id << 8 | span->span_id[i];
  return id;
}

/* Rows as text: "id@depth id@depth ...". */
static void check_rows(const struct tk_span_order *order, const char *expected) {
  char found[1024];
  size_t size = 0;
  found[0] = 0;
  for (uint32_t row = 0; row < order->span_count && size < sizeof found - 64; row++) {
    size += (size_t)snprintf(found + size, sizeof found - size, "%s%llu@%u", row ? " " : "",
                             (unsigned long long)id_of(order->rows[row]), order->depths[row]);
  }
  CHECK(strcmp(found, expected) == 0);
  if (strcmp(found, expected) != 0) printf("# expected %s\n# found    %s\n", expected, found);
}

/* What must hold of any order. */
static void check_invariants(const struct tk_span_order *order) {
  uint32_t bad = 0;
  for (uint32_t t = 0; t < order->trace_count; t++) {
    for (uint32_t row = order->trace_rows[t]; row < order->trace_rows[t + 1]; row++) {
      const uint32_t parent = order->parents[row];
      bad +=
          memcmp(order->rows[row]->trace_id, order->rows[order->trace_rows[t]]->trace_id, 16) != 0;
      if (parent == TK_NO_PARENT) {
        bad += order->depths[row] != 0;
        continue;
      }
      bad += parent >= row || parent < order->trace_rows[t];
      bad += order->depths[row] != order->depths[parent] + 1;
      bad += memcmp(order->rows[row]->parent_span_id, order->rows[parent]->span_id, 8) != 0;
      /* pre-order: between parent and child there are only descendants of the parent */
      if (row - parent < 1000) {
        for (uint32_t r = parent + 1; r < row; r++)
          bad += order->depths[r] <= order->depths[parent];
      }
    }
  }
  CHECK(bad == 0);
  CHECK(order->trace_rows[order->trace_count] == order->span_count);
}

static void finish(struct tk_span_order *order, struct tk_batch *batch) {
  check_invariants(order);
  tk_span_order_reset(order);
  tk_batch_free(batch);
}

static void siblings_are_ordered_by_start_then_id_then_kind(void) {
  struct tk_batch *batch = build_batch(16, 0);
  build_span(batch, 1, 5, 1, 20);
  build_span(batch, 1, 4, 1, 30);
  build_span(batch, 1, 3, 1, 20);
  build_span(batch, 1, 3, 1, 20)->kind = TK_KIND_CLIENT;
  build_span(batch, 1, 1, 0, 10);
  build_span(batch, 1, 6, 5, 5);
  struct tk_span_order order = order_batch(batch);
  check_rows(&order, "1@0 3@1 3@1 5@1 6@2 4@1");
  CHECK(order.rows[1]->kind == 0 && order.rows[2]->kind == TK_KIND_CLIENT);
  finish(&order, batch);
}

static void traces_are_ordered_by_their_earliest_start_as_unsigned(void) {
  struct tk_batch *batch = build_batch(16, 0);
  build_span(batch, 9, 1, 0, 1);
  build_span(batch, 8, 2, 0, UINT64_MAX);
  build_span(batch, 7, 3, 0, UINT64_C(1) << 63);
  build_span(batch, 6, 5, 0, 50);
  build_span(batch, 6, 4, 5, 0);
  build_span(batch, 5, 6, 0, 0);
  struct tk_span_order order = order_batch(batch);
  check_rows(&order, "6@0 5@0 4@1 1@0 3@0 2@0");
  CHECK(order.trace_count == 5);
  finish(&order, batch);
}

static void a_span_without_its_parent_is_a_root(void) {
  struct tk_batch *batch = build_batch(16, 0);
  build_span(batch, 1, 2, 77, 10);
  build_span(batch, 1, 3, 2, 5);
  build_span(batch, 1, 1, 0, 20);
  build_span(batch, 2, 77, 0, 1); /* of another trace: no parent */
  struct tk_span_order order = order_batch(batch);
  check_rows(&order, "77@0 2@0 3@1 1@0");
  finish(&order, batch);
}

static void a_span_that_is_its_own_parent_is_a_root(void) {
  struct tk_batch *batch = build_batch(16, 0);
  build_span(batch, 1, 1, 1, 10);
  build_span(batch, 1, 2, 1, 10);
  struct tk_span_order order = order_batch(batch);
  check_rows(&order, "1@0 2@1");
  finish(&order, batch);
}

static void a_cycle_is_entered_at_its_earliest_span(void) {
  struct tk_batch *batch = build_batch(16, 0);
  build_span(batch, 1, 1, 3, 30);
  build_span(batch, 1, 2, 1, 20);
  build_span(batch, 1, 3, 2, 10);
  build_span(batch, 1, 4, 2, 1); /* hangs on the cycle and is earlier than any of it */
  build_span(batch, 1, 5, 0, 40);
  struct tk_span_order order = order_batch(batch);
  /* 4 is not on the cycle: the earliest unplaced span decides, so it must not become a root. */
  check_rows(&order, "5@0 3@0 1@1 2@2 4@3");
  finish(&order, batch);
}

static void two_spans_that_share_an_id_prefer_the_receiver_as_parent(void) {
  struct tk_batch *batch = build_batch(16, 0);
  build_span(batch, 1, 1, 0, 10)->kind = TK_KIND_CLIENT;
  build_span(batch, 1, 1, 1, 11)->kind = TK_KIND_SERVER; /* Zipkin: shares the client's id */
  build_span(batch, 1, 2, 1, 12);
  struct tk_span_order order = order_batch(batch);
  CHECK(order.span_count == 3);
  for (uint32_t row = 0; row < order.span_count; row++) {
    if (id_of(order.rows[row]) != 2) continue;
    CHECK(order.parents[row] != TK_NO_PARENT);
    CHECK(order.rows[order.parents[row]]->kind == TK_KIND_SERVER);
  }
  check_rows(&order, "1@0 1@1 2@2");
  finish(&order, batch);
}

static void many_spans_with_one_id_take_no_quadratic_time(void) {
  enum { COUNT = 50000 };
  struct tk_batch *batch = build_batch(COUNT, 0);
  for (int i = 0; i < COUNT; i++) build_span(batch, 1, 7, 7, (uint64_t)i)->kind = i;
  struct tk_span_order order = order_batch(batch);
  CHECK(order.trace_count == 1);
  finish(&order, batch);
}

static void a_chain_of_a_hundred_thousand_spans_is_walked_without_recursion(void) {
  enum { COUNT = 100000 };
  struct tk_batch *batch = build_batch(COUNT, 0);
  for (uint64_t i = COUNT; i > 0; i--) build_span(batch, 1, i, i - 1, 1000 - i % 1000);
  struct tk_span_order order = order_batch(batch);
  uint32_t bad = 0;
  for (uint32_t row = 0; row < COUNT; row++) {
    bad += id_of(order.rows[row]) != row + 1 || order.depths[row] != row;
  }
  CHECK(bad == 0);
  finish(&order, batch);
}

static void a_cycle_of_a_hundred_thousand_spans_is_cut_once(void) {
  enum { COUNT = 100000 };
  struct tk_batch *batch = build_batch(COUNT, 0);
  for (uint64_t i = 1; i <= COUNT; i++) build_span(batch, 1, i, i > 1 ? i - 1 : COUNT, 500 + i % 7);
  struct tk_span_order order = order_batch(batch);
  CHECK(id_of(order.rows[0]) == 7 && order.depths[COUNT - 1] == COUNT - 1);
  finish(&order, batch);
}

static void a_root_may_have_a_hundred_thousand_children(void) {
  enum { COUNT = 100000 };
  struct tk_batch *batch = build_batch(COUNT + 1, 0);
  for (uint64_t i = COUNT; i > 0; i--) build_span(batch, 1, i + 1, 1, i);
  build_span(batch, 1, 1, 0, 0);
  struct tk_span_order order = order_batch(batch);
  uint32_t bad = 0;
  for (uint32_t row = 1; row <= COUNT; row++) {
    bad += id_of(order.rows[row]) != row + 1 || order.parents[row] != 0 || order.depths[row] != 1;
  }
  CHECK(bad == 0);
  finish(&order, batch);
}

static void the_order_does_not_depend_on_the_order_of_arrival(void) {
  enum { COUNT = 400 };
  for (uint64_t seed = 1; seed <= 50; seed++) {
    uint64_t random = seed;
    struct tk_batch *batch = build_batch(COUNT, 0);
    for (int i = 0; i < COUNT; i++) {
      const uint64_t id = next_random(&random) % 300 + 1, parent = next_random(&random) % 300;
      build_span(batch, next_random(&random) % 5, id, parent, next_random(&random) % 20)->kind = i;
    }
    struct tk_span_order order = order_batch(batch);
    struct tk_batch *shuffled = build_batch(COUNT, 0);
    for (int i = 0; i < COUNT; i++) build_copy(shuffled, &batch->spans[i]);
    for (uint32_t i = COUNT - 1; i > 0; i--) {
      const uint32_t j = (uint32_t)(next_random(&random) % (i + 1));
      const struct tk_span swapped = shuffled->spans[i];
      shuffled->spans[i] = shuffled->spans[j];
      shuffled->spans[j] = swapped;
    }
    struct tk_span_order other = order_batch(shuffled);
    uint32_t different = 0;
    for (uint32_t row = 0; row < COUNT; row++) {
      different += order.rows[row]->kind != other.rows[row]->kind ||
                   order.parents[row] != other.parents[row] ||
                   order.depths[row] != other.depths[row];
    }
    CHECK(different == 0);
    finish(&other, shuffled);
    finish(&order, batch);
  }
}

static void nothing_is_in_order(void) {
  struct tk_batch *batch = build_batch(0, 0);
  struct tk_span_order order = order_batch(batch);
  CHECK(order.trace_count == 0 && order.trace_rows[0] == 0);
  finish(&order, batch);
  CHECK(sqlite3_memory_used() == 0);
}

CHECK_MAIN(CASE(siblings_are_ordered_by_start_then_id_then_kind),
           CASE(traces_are_ordered_by_their_earliest_start_as_unsigned),
           CASE(a_span_without_its_parent_is_a_root), CASE(a_span_that_is_its_own_parent_is_a_root),
           CASE(a_cycle_is_entered_at_its_earliest_span),
           CASE(two_spans_that_share_an_id_prefer_the_receiver_as_parent),
           CASE(many_spans_with_one_id_take_no_quadratic_time),
           CASE(a_chain_of_a_hundred_thousand_spans_is_walked_without_recursion),
           CASE(a_cycle_of_a_hundred_thousand_spans_is_cut_once),
           CASE(a_root_may_have_a_hundred_thousand_children),
           CASE(the_order_does_not_depend_on_the_order_of_arrival), CASE(nothing_is_in_order))
