/* SPDX-License-Identifier: MIT
 * Thresholds of tracestate against the values the specification's formula gives. */
#include "sqlext/sampling/consistent_sampling.h"

#include <math.h>

#include "sqlext/sampling/sampler_math.h"
#include "tests/support/check.h"

static const uint8_t all_random[16] = {[9] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* As the decoder puts the parts together. */
static bool find_count(struct tk_text trace_state, const uint8_t trace_id[16], double *count_out) {
  struct tk_ot_member member;
  if (!tk_ot_member_read(trace_state, &member) || !member.th.is_valid) return false;
  if (member.rv.is_there && !member.rv.is_valid) return false;
  if ((member.rv.is_there ? member.rv.value : tk_trace_randomness(trace_id)) < member.th.value) {
    return false;
  }
  *count_out = tk_threshold_count(member.th.value);
  return true;
}

static double count_of(const char *trace_state) {
  double count = -1;
  struct tk_text text = {trace_state, (uint32_t)strlen(trace_state)};
  return find_count(text, all_random, &count) ? count : -1;
}

static void thresholds_give_counts(void) {
  static const struct {
    const char *trace_state;
    double count;
  } cases[] = {
      {"ot=th:0", 1},
      {"ot=th:08", 1.0322580645161290},
      {"ot=th:4", 4.0 / 3},
      {"ot=th:8", 2},
      {"ot=th:c", 4},
      {"ot=th:f", 16},
      {"ot=th:e668", 10.002442002442002},
      {"ot=th:fd70a", 99.99771123402623},
      {"ot=th:c;rv:c7494c1131926e", 4},
      {"vendor=1, ot=rv:ffffffffffffff;th:8 ,other@x=2", 2},
      {"ot=x:1;th:c;y:2", 4},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    CHECK(fabs(count_of(cases[i].trace_state) - cases[i].count) < 1e-9 * cases[i].count);
  }
}

static void what_is_not_said_is_not_known(void) {
  static const char *const cases[] = {
      "",
      "ot=",
      "ot=rv:c7494c1131926e",
      "dd=th:8",
      "ot=th:",
      "ot=th:C",
      "ot=th:0123456789abcde",
      "ot=th:8;th:c",
      "ot=th:c;rv:c7494c",
      "ot=th:zz",
      "th:8",
      "xot=th:8",
      ",;,",
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) CHECK(count_of(cases[i]) < 0);
}

static void a_rejected_span_stands_for_nothing_known(void) {
  const uint8_t zero[16] = {0};
  double count;
  CHECK(!find_count((struct tk_text){"ot=th:8", 7}, zero, &count));
  CHECK(find_count((struct tk_text){"ot=th:0", 7}, zero, &count) && count == 1);
  CHECK(!find_count((struct tk_text){"ot=th:8;rv:7fffffffffffff", 25}, all_random, &count));
}

CHECK_MAIN(CASE(thresholds_give_counts), CASE(what_is_not_said_is_not_known),
           CASE(a_rejected_span_stands_for_nothing_known))
