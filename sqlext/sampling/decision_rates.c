/* SPDX-License-Identifier: MIT
 * Decoders of Datadog and Honeycomb (Refinery), who record rates. */
#include "sqlext/sampling/decision_decoders.h"
#include "store/sqlite_api.h"

/* ---- Datadog ---- */

static struct tk_text mechanism_name(double number) {
  static const char *const names[] = {
      "default",   "agent_rate",       "remote_auto",        "local_rule", "manual",
      "appsec",    "remote_user",      "remote_datadog",     "span_rule",  "otlp_probabilistic",
      "data_jobs", "remote_user_rule", "remote_dynamic_rule"};
  const double positive = fabs(number);
  if (positive != floor(positive) || positive >= sizeof names / sizeof names[0]) {
    return (struct tk_text){NULL, 0};
  }
  return tk_literal(names[(size_t)positive]);
}

static enum tk_verdict verdict_of_priority(double priority) {
  if (priority == 1) return TK_VERDICT_KEEP;
  if (priority == 2) return TK_VERDICT_FORCED;
  return priority == 0 || priority == -1 ? TK_VERDICT_DROP : TK_VERDICT_UNKNOWN;
}

/* The field of the `dd` member: `s:1;o:rum;t.dm:-4`. */
static bool read_state_number(struct tk_text member, const char *name, double *number_out) {
  struct tk_text field;
  const size_t size = strlen(name);
  while (tk_next_part(&member, ';', &field)) {
    if (field.size <= size || field.data[size] != ':' || memcmp(field.data, name, size) != 0) {
      continue;
    }
    const struct tk_text digits = {field.data + size + 1, field.size - (uint32_t)size - 1};
    return tk_sampling_parse(digits, number_out);
  }
  return false;
}

static bool read_priority(const struct tk_decision_input *input, double *priority_out) {
  if (tk_has_key(input, TK_SAMPLING_DD_PRIORITY)) {
    return tk_sampling_key_number(input, TK_SAMPLING_DD_PRIORITY, priority_out);
  }
  const struct tk_text member = tk_trace_state_member(input->trace_state, "dd");
  return member.data && read_state_number(member, "s", priority_out);
}

/* Rule rate times what its limiter let through, or else the agent's rate. */
static bool read_rate(const struct tk_decision_input *input, double *rate_out) {
  double limit = 1;
  if (tk_has_key(input, TK_SAMPLING_DD_RULE_RATE)) {
    if (!tk_sampling_key_number(input, TK_SAMPLING_DD_RULE_RATE, rate_out)) return false;
    if (tk_has_key(input, TK_SAMPLING_DD_LIMIT_RATE) &&
        !tk_sampling_key_number(input, TK_SAMPLING_DD_LIMIT_RATE, &limit)) {
      return false;
    }
    if (!(*rate_out > 0 && *rate_out <= 1 && limit > 0 && limit <= 1)) return false;
    *rate_out *= limit;
    return true;
  }
  return tk_sampling_key_number(input, TK_SAMPLING_DD_AGENT_RATE, rate_out) ||
         tk_sampling_key_number(input, TK_SAMPLING_DD_KNUTH_RATE, rate_out);
}

void tk_decode_datadog(const struct tk_decision_input *input, struct tk_decision_list *list) {
  double priority, number, rate;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_DATADOG;
  decision->stage = TK_STAGE_HEAD;
  decision->trace_wide = true;
  if (tk_sampling_key_number(input, TK_SAMPLING_DD_MECHANISM, &number)) {
    decision->mechanism = mechanism_name(number);
  }
  if (read_priority(input, &priority)) decision->verdict = verdict_of_priority(priority);
  decision->is_forced = decision->verdict == TK_VERDICT_FORCED;
  if (read_rate(input, &rate) && tk_decision_set_probability(decision, rate)) {
    if (decision->verdict == TK_VERDICT_KEEP) {
      decision->rank = TK_RANK_DATADOG;
    } else {
      decision->adjusted_count = NAN; /* kept by a user, or by nobody: the rate had no part in it */
    }
  }
  tk_decision_set_raw(list, decision, input,
                      TK_KEY_BIT(DD_PRIORITY) | TK_KEY_BIT(DD_MECHANISM) |
                          TK_KEY_BIT(DD_AGENT_RATE) | TK_KEY_BIT(DD_RULE_RATE) |
                          TK_KEY_BIT(DD_LIMIT_RATE) | TK_KEY_BIT(DD_KNUTH_RATE));
}

/* Rates of single stages, from older tracers: facts, but of no use as weights. */
void tk_decode_datadog_rates(const struct tk_decision_input *input, struct tk_decision_list *list) {
  static const struct {
    enum tk_sampling_key key;
    const char *mechanism;
  } rates[] = {{TK_SAMPLING_DD_SAMPLE_RATE, "client_rate"},
               {TK_SAMPLING_DD_TRACER_RATE, "tracer_keep_rate"},
               {TK_SAMPLING_DD_ANALYTICS_RATE, "analytics_rate"}};
  for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
    double rate;
    if (!tk_has_key(input, rates[i].key)) continue;
    struct tk_decision *decision = tk_decision_list_add(list);
    if (!decision) return;
    decision->source = TK_SOURCE_DATADOG;
    decision->stage = TK_STAGE_HEAD;
    decision->mechanism = tk_literal(rates[i].mechanism);
    if (tk_sampling_key_number(input, rates[i].key, &rate)) {
      tk_decision_set_probability(decision, rate);
    }
    tk_decision_set_raw(list, decision, input, UINT64_C(1) << rates[i].key);
  }
}

/* The span was kept although its trace was not: the count is of such spans alone. */
void tk_decode_datadog_span(const struct tk_decision_input *input, struct tk_decision_list *list) {
  double mechanism, rate;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_DATADOG;
  decision->stage = TK_STAGE_HEAD;
  decision->mechanism = tk_literal("span_rule");
  if (tk_sampling_key_number(input, TK_SAMPLING_DD_SPAN_MECHANISM, &mechanism) && mechanism == 8) {
    decision->verdict = TK_VERDICT_KEEP;
  }
  if (tk_sampling_key_number(input, TK_SAMPLING_DD_SPAN_RATE, &rate) &&
      tk_decision_set_probability(decision, rate) && tk_has_key(input, TK_SAMPLING_DD_SPAN_LIMIT)) {
    decision->adjusted_count = NAN; /* how many the limit took away is not recorded */
  }
  tk_decision_set_raw(
      list, decision, input,
      TK_KEY_BIT(DD_SPAN_MECHANISM) | TK_KEY_BIT(DD_SPAN_RATE) | TK_KEY_BIT(DD_SPAN_LIMIT));
}

void tk_decode_datadog_state(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text member = tk_trace_state_member(input->trace_state, "dd");
  double number;
  if (!member.data) return;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_DATADOG;
  decision->stage = TK_STAGE_HEAD;
  if (read_state_number(member, "t.dm", &number)) decision->mechanism = mechanism_name(number);
  if (read_state_number(member, "s", &number)) decision->verdict = verdict_of_priority(number);
  decision->is_forced = decision->verdict == TK_VERDICT_FORCED;
  tk_decision_set_raw_text(list, decision, member);
}

/* ---- Honeycomb, Refinery ---- */

/* A rate is N of 1 in N: an integer from 1 on, whatever its type. */
static bool read_one_in(const struct tk_decision_input *input, enum tk_sampling_key key,
                        double *rate_out) {
  return tk_sampling_key_number(input, key, rate_out) && *rate_out >= 1 &&
         *rate_out <= 9007199254740992.0 && *rate_out == floor(*rate_out);
}

static void set_one_in(struct tk_decision *decision, double rate) {
  decision->probability = 1 / rate;
  decision->adjusted_count = rate;
}

/* The name of the rule in `rules/trace/<name>` and `rules/span/<name>:<sampler>`; of other reasons
 * the whole. */
static struct tk_text policy_of_reason(struct tk_text reason) {
  static const char *const prefixes[] = {"rules/trace/", "rules/span/"};
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    const uint32_t size = (uint32_t)strlen(prefixes[i]);
    if (reason.size <= size || memcmp(reason.data, prefixes[i], size) != 0) continue;
    struct tk_text name = {reason.data + size, reason.size - size};
    const char *colon = memchr(name.data, ':', name.size);
    if (colon && colon > name.data) name.size = (uint32_t)(colon - name.data);
    return name;
  }
  return reason;
}

static const uint64_t refinery_keys =
    TK_KEY_BIT(REFINERY_REASON) | TK_KEY_BIT(REFINERY_SEND_REASON) | TK_KEY_BIT(REFINERY_ORIGINAL) |
    TK_KEY_BIT(REFINERY_FINAL) | TK_KEY_BIT(REFINERY_SAMPLE_KEY) | TK_KEY_BIT(STRESSED);
static const uint64_t dry_run_keys =
    TK_KEY_BIT(DRYRUN_KEPT) | TK_KEY_BIT(DRYRUN_RATE) | TK_KEY_BIT(DRYRUN_OTHER);
static const uint64_t rate_keys = TK_KEY_BIT(SAMPLE_RATE) | TK_KEY_BIT(SAMPLE_RATE_LOWER);

/* The rate that what is stored was kept with: Refinery's final one, which has the head's in it,
 * else SampleRate. False also where the one that counts is malformed. */
static bool read_stored_rate(const struct tk_decision_input *input, double *rate_out) {
  const enum tk_sampling_key order[] = {TK_SAMPLING_REFINERY_FINAL, TK_SAMPLING_SAMPLE_RATE,
                                        TK_SAMPLING_SAMPLE_RATE_LOWER};
  for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
    if (tk_has_key(input, order[i])) return read_one_in(input, order[i], rate_out);
  }
  return false;
}

static void add_original_rate(const struct tk_decision_input *input,
                              struct tk_decision_list *list) {
  double rate;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_HONEYCOMB;
  decision->stage = TK_STAGE_HEAD;
  decision->trace_wide = true;
  decision->mechanism = tk_literal("sample_rate");
  if (read_one_in(input, TK_SAMPLING_REFINERY_ORIGINAL, &rate)) {
    decision->verdict = TK_VERDICT_KEEP;
    set_one_in(decision, rate);
  }
  tk_decision_set_raw(list, decision, input, TK_KEY_BIT(REFINERY_ORIGINAL));
}

/* In a dry run everything was sent: what would have been is no weight. */
static void decode_dry_run(const struct tk_decision_input *input, struct tk_decision *decision) {
  const int kept = tk_sampling_truth(input, TK_SAMPLING_DRYRUN_KEPT);
  double rate;
  decision->dry_run = true;
  decision->verdict = kept == 1   ? TK_VERDICT_KEEP
                      : kept == 0 ? TK_VERDICT_DROP
                                  : TK_VERDICT_UNKNOWN;
  if (read_one_in(input, TK_SAMPLING_DRYRUN_RATE, &rate) || read_stored_rate(input, &rate)) {
    decision->probability = 1 / rate;
  }
}

void tk_decode_honeycomb(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const bool is_refinery = (input->present & (refinery_keys | dry_run_keys)) != 0;
  struct tk_text reason = tk_sampling_text(input, TK_SAMPLING_REFINERY_REASON);
  double rate;
  struct tk_decision *decision;

  if (tk_has_key(input, TK_SAMPLING_REFINERY_ORIGINAL)) add_original_rate(input, list);
  if (!(decision = tk_decision_list_add(list))) return;
  decision->source = TK_SOURCE_HONEYCOMB;
  decision->stage = is_refinery ? TK_STAGE_TAIL : TK_STAGE_HEAD;
  decision->trace_wide = is_refinery;
  decision->mechanism = tk_literal(is_refinery ? "refinery" : "sample_rate");
  if (reason.data) decision->policy = policy_of_reason(reason);
  if (input->present & dry_run_keys) {
    decode_dry_run(input, decision);
  } else if (read_stored_rate(input, &rate)) {
    decision->verdict = TK_VERDICT_KEEP;
    decision->rank = TK_RANK_HONEYCOMB;
    set_one_in(decision, rate);
  } else if (!(input->present & rate_keys) && !tk_has_key(input, TK_SAMPLING_REFINERY_FINAL)) {
    decision->verdict = TK_VERDICT_KEEP; /* a reason without a rate */
  }
  tk_decision_set_raw(list, decision, input, refinery_keys | dry_run_keys | rate_keys);
}
