/* SPDX-License-Identifier: MIT
 * Decoders of Jaeger, Zipkin and B3, X-Ray, Google, Sentry, Elastic and New Relic. */
#include "sqlext/sampling/decision_decoders.h"
#include "store/sqlite_api.h"
#include "tracekeep/json.h"

/* ---- Jaeger ---- */

static void decode_jaeger_type(const struct tk_decision_input *input, struct tk_text type,
                               struct tk_decision *decision) {
  double param;
  if (tk_text_is(type, "probabilistic")) {
    if (tk_sampling_key_number(input, TK_SAMPLING_SAMPLER_PARAM, &param) &&
        tk_decision_set_probability(decision, param)) {
      decision->verdict = TK_VERDICT_KEEP;
    }
  } else if (tk_text_is(type, "const")) {
    const int keeps = tk_sampling_truth(input, TK_SAMPLING_SAMPLER_PARAM);
    if (keeps == 1) tk_decision_set_probability(decision, 1);
    if (keeps == 0) decision->probability = 0;
    decision->verdict = keeps == 1   ? TK_VERDICT_KEEP
                        : keeps == 0 ? TK_VERDICT_DROP
                                     : TK_VERDICT_UNKNOWN;
  } else if (tk_text_is(type, "ratelimiting") || tk_text_is(type, "lowerbound") ||
             tk_text_is(type, "remote")) {
    decision->verdict = TK_VERDICT_KEEP; /* a rate is no probability */
  }
}

/* Only the root of a trace has these tags by right, and then they are about the trace. */
void tk_decode_jaeger(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text type = tk_sampling_text(input, TK_SAMPLING_SAMPLER_TYPE);
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_JAEGER;
  decision->stage = TK_STAGE_HEAD;
  decision->trace_wide = input->is_root;
  decision->mechanism = type;
  if (type.data) decode_jaeger_type(input, type, decision);
  if (input->is_root && decision->adjusted_count >= 1) decision->rank = TK_RANK_JAEGER;
  tk_decision_set_raw(list, decision, input, TK_KEY_BIT(SAMPLER_TYPE) | TK_KEY_BIT(SAMPLER_PARAM));
}

/* ---- debug ---- */

/* A copy that the parser may read beyond; NULL: out of memory. */
static const char *pad(struct tk_decision_list *list, struct tk_text text) {
  char *copy = tk_arena_alloc_bytes(list->arena, (size_t)text.size + 2 + TK_JSON_PADDING);
  if (!copy) {
    list->failed = true;
    return NULL;
  }
  copy[0] = '{';
  memcpy(copy + 1, text.data, text.size);
  memset(copy + 1 + text.size, 0, 1 + TK_JSON_PADDING);
  copy[1 + text.size] = '}';
  return copy;
}

/* The text of `member` of the object `format` among the members of the residual. */
static struct tk_text find_residual(struct tk_decision_list *list, struct tk_text residual,
                                    const char *format, const char *member) {
  struct tk_text found = {NULL, 0};
  struct tk_json json;
  const char *text = pad(list, residual);

  if (!text) return found;
  tk_json_init(&json, text, (size_t)residual.size + 2);
  for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
    const struct tk_json_string name = tk_json_key(&json);
    if (!tk_text_is((struct tk_text){name.data, name.size}, format) ||
        tk_json_peek(&json) != TK_JSON_OBJECT) {
      tk_json_skip(&json);
      continue;
    }
    for (bool inner = tk_json_enter_object(&json); inner; inner = tk_json_next_member(&json)) {
      const struct tk_json_string key = tk_json_key(&json);
      const struct tk_text value = tk_json_skip(&json);
      if (tk_text_is((struct tk_text){key.data, key.size}, member)) found = value;
    }
  }
  return json.expected ? (struct tk_text){NULL, 0} : tk_trim(found);
}

static void add_debug(struct tk_decision_list *list, enum tk_decision_source source,
                      struct tk_text raw) {
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = source;
  decision->stage = TK_STAGE_HEAD;
  decision->mechanism = tk_literal("debug");
  decision->verdict = TK_VERDICT_FORCED;
  decision->is_forced = true;
  tk_decision_set_raw_text(list, decision, raw);
}

/* Bit 1 of Jaeger's own flags. */
void tk_decode_jaeger_debug(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text flags = find_residual(list, input->residual, "jaeger", "flags");
  int64_t number;
  if (flags.data && tk_parse_int64(flags.data, flags.size, &number) == TK_NUMBER_OK && number & 2) {
    add_debug(list, TK_SOURCE_JAEGER, flags);
  }
}

void tk_decode_zipkin_debug(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text debug = find_residual(list, input->residual, "zipkin", "debug");
  if (debug.data && tk_text_is(debug, "true")) add_debug(list, TK_SOURCE_ZIPKIN, debug);
}

/* ---- headers ---- */

static struct tk_decision *add_header(const struct tk_decision_input *input,
                                      struct tk_decision_list *list, enum tk_decision_source source,
                                      uint64_t keys) {
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return NULL;
  decision->source = source;
  decision->stage = TK_STAGE_HEAD;
  decision->mechanism = tk_literal("header");
  tk_decision_set_raw(list, decision, input, keys);
  return decision;
}

/* `{trace}-{span}-{1|0|d}-{parent}`, or the state alone. */
static char b3_state(struct tk_text header) {
  struct tk_text part, state = header;
  int number = 0;
  if (header.size == 1) return header.data[0];
  while (tk_next_part(&header, '-', &part)) {
    if (number++ == 2) state = part;
  }
  return number > 2 && state.size == 1 ? state.data[0] : '?';
}

void tk_decode_b3(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text header = tk_sampling_text(input, TK_SAMPLING_B3_HEADER);
  const struct tk_text sampled = tk_sampling_text(input, TK_SAMPLING_B3_SAMPLED);
  char state = '?';
  struct tk_decision *decision =
      add_header(input, list, TK_SOURCE_B3,
                 TK_KEY_BIT(B3_HEADER) | TK_KEY_BIT(B3_SAMPLED) | TK_KEY_BIT(B3_FLAGS));
  if (!decision) return;
  const int truth = tk_sampling_truth(input, TK_SAMPLING_B3_SAMPLED);
  if (tk_sampling_truth(input, TK_SAMPLING_B3_FLAGS) == 1) {
    state = 'd';
  } else if (header.data) {
    state = b3_state(header);
  } else if (sampled.data && tk_text_is(sampled, "d")) {
    state = 'd';
  } else if (truth >= 0) {
    state = (char)('0' + truth);
  }
  decision->verdict = state == 'd'   ? TK_VERDICT_FORCED
                      : state == '1' ? TK_VERDICT_KEEP
                      : state == '0' ? TK_VERDICT_DROP
                                     : TK_VERDICT_UNKNOWN;
  decision->is_forced = state == 'd';
}

/* The value of `name=` in a list whose items `separator` divides. */
static struct tk_text find_item(struct tk_text list, char separator, const char *name) {
  const uint32_t size = (uint32_t)strlen(name);
  struct tk_text item;
  while (tk_next_part(&list, separator, &item)) {
    item = tk_trim(item);
    if (item.size > size && item.data[size] == '=' && memcmp(item.data, name, size) == 0) {
      item.data += size + 1;
      item.size -= size + 1;
      const char *end = memchr(item.data, ';', item.size); /* properties of a baggage item */
      if (end) item.size = (uint32_t)(end - item.data);
      return tk_trim(item);
    }
  }
  return (struct tk_text){NULL, 0};
}

static enum tk_verdict verdict_of_digit(struct tk_text text) {
  if (!text.data) return TK_VERDICT_UNKNOWN;
  if (tk_text_is(text, "1") || tk_text_is(text, "true")) return TK_VERDICT_KEEP;
  return tk_text_is(text, "0") || tk_text_is(text, "false") ? TK_VERDICT_DROP : TK_VERDICT_UNKNOWN;
}

/* `Root=1-5759e988-...;Parent=...;Sampled=1`; `?` leaves it to whoever comes next. */
void tk_decode_xray_header(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text header = tk_sampling_text(input, TK_SAMPLING_XRAY_HEADER);
  struct tk_decision *decision = add_header(input, list, TK_SOURCE_XRAY, TK_KEY_BIT(XRAY_HEADER));
  if (decision && header.data) {
    decision->verdict = verdict_of_digit(find_item(header, ';', "Sampled"));
  }
}

/* Which rule; whether its reservoir or its rate is not recorded, so there is no weight. */
void tk_decode_xray(const struct tk_decision_input *input, struct tk_decision_list *list) {
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_XRAY;
  decision->stage = TK_STAGE_HEAD;
  decision->trace_wide = true;
  decision->mechanism = tk_literal("rule");
  decision->policy = tk_sampling_text(input, TK_SAMPLING_XRAY_RULE);
  if (decision->policy.data) decision->verdict = TK_VERDICT_KEEP;
  tk_decision_set_raw(list, decision, input, TK_KEY_BIT(XRAY_RULE));
}

/* `TRACE_ID/SPAN_ID;o=1`; bit 0 of o. */
void tk_decode_google(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text header = tk_sampling_text(input, TK_SAMPLING_GOOGLE_HEADER);
  struct tk_decision *decision =
      add_header(input, list, TK_SOURCE_GOOGLE, TK_KEY_BIT(GOOGLE_HEADER));
  struct tk_text options;
  int64_t number;
  if (!decision || !header.data) return;
  options = find_item(header, ';', "o");
  if (options.data && tk_parse_int64(options.data, options.size, &number) == TK_NUMBER_OK) {
    decision->verdict = number & 1 ? TK_VERDICT_KEEP : TK_VERDICT_DROP;
  }
}

/* ---- Sentry ---- */

/* Kept if rand < rate; both are of the trace. */
static void set_sentry(struct tk_decision *decision, double rate, double rand, int sampled) {
  decision->stage = TK_STAGE_HEAD;
  decision->trace_wide = true;
  decision->mechanism = tk_literal("dsc");
  decision->verdict = sampled == 1   ? TK_VERDICT_KEEP
                      : sampled == 0 ? TK_VERDICT_DROP
                                     : TK_VERDICT_UNKNOWN;
  if (!tk_decision_set_probability(decision, rate)) return;
  if (rand >= 0 && rand < 1) decision->consistent = rand < rate;
  if (sampled < 0) decision->verdict = TK_VERDICT_KEEP; /* it is here */
  if (sampled == 0 || decision->consistent == 0) {
    decision->adjusted_count = NAN;
  } else {
    decision->rank = TK_RANK_SENTRY;
  }
}

void tk_decode_sentry(const struct tk_decision_input *input, struct tk_decision_list *list) {
  double rate = NAN, rand = NAN;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_SENTRY;
  if (!tk_sampling_key_number(input, TK_SAMPLING_SENTRY_RATE, &rate)) rate = NAN;
  if (!tk_sampling_key_number(input, TK_SAMPLING_SENTRY_RAND, &rand)) rand = NAN;
  set_sentry(decision, rate, rand, tk_sampling_truth(input, TK_SAMPLING_SENTRY_SAMPLED));
  tk_decision_set_raw(
      list, decision, input,
      TK_KEY_BIT(SENTRY_RATE) | TK_KEY_BIT(SENTRY_RAND) | TK_KEY_BIT(SENTRY_SAMPLED));
}

void tk_decode_baggage(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text baggage = tk_sampling_text(input, TK_SAMPLING_BAGGAGE);
  if (!baggage.data) return;
  const struct tk_text rate_text = find_item(baggage, ',', "sentry-sample_rate");
  const struct tk_text rand_text = find_item(baggage, ',', "sentry-sample_rand");
  const enum tk_verdict sampled = verdict_of_digit(find_item(baggage, ',', "sentry-sampled"));
  double rate = NAN, rand = NAN;
  if (!rate_text.data && sampled == TK_VERDICT_UNKNOWN) return;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_SENTRY;
  if (!rate_text.data || !tk_sampling_parse(rate_text, &rate)) rate = NAN;
  if (!rand_text.data || !tk_sampling_parse(rand_text, &rand)) rand = NAN;
  set_sentry(decision, rate, rand,
             sampled == TK_VERDICT_KEEP   ? 1
             : sampled == TK_VERDICT_DROP ? 0
                                          : -1);
  tk_decision_set_raw(list, decision, input, TK_KEY_BIT(BAGGAGE));
}

/* ---- hints: Elastic, New Relic ---- */

/* Transactions that were not sampled are stored all the same, with rate 0. */
static void set_elastic(struct tk_decision *decision, double rate, int sampled) {
  decision->source = TK_SOURCE_ELASTIC;
  decision->stage = TK_STAGE_HEAD;
  decision->mechanism = tk_literal("sample_rate");
  if (rate == 0) decision->probability = 0;
  decision->verdict = sampled == 0 || rate == 0 ? TK_VERDICT_DROP
                      : sampled == 1            ? TK_VERDICT_KEEP
                                                : TK_VERDICT_UNKNOWN;
  if (!tk_decision_set_probability(decision, rate)) return;
  if (sampled == 0) {
    decision->adjusted_count = NAN;
    return;
  }
  decision->verdict = TK_VERDICT_KEEP;
  decision->rank = TK_RANK_ELASTIC;
}

void tk_decode_elastic(const struct tk_decision_input *input, struct tk_decision_list *list) {
  double rate;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  if (!tk_sampling_key_number(input, TK_SAMPLING_ELASTIC_RATE, &rate)) rate = NAN;
  set_elastic(decision, rate, tk_sampling_truth(input, TK_SAMPLING_ELASTIC_SAMPLED));
  tk_decision_set_raw(list, decision, input,
                      TK_KEY_BIT(ELASTIC_RATE) | TK_KEY_BIT(ELASTIC_SAMPLED));
}

/* `es=s:0.1`. */
void tk_decode_elastic_state(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text member = tk_trace_state_member(input->trace_state, "es");
  struct tk_text rest = member, field;
  double rate = NAN;
  if (!member.data) return;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  while (tk_next_part(&rest, ';', &field)) {
    if (field.size > 2 && memcmp(field.data, "s:", 2) == 0 &&
        !tk_sampling_parse((struct tk_text){field.data + 2, field.size - 2}, &rate)) {
      rate = NAN;
    }
  }
  set_elastic(decision, rate, -1);
  tk_decision_set_raw_text(list, decision, member);
}

/* Both keys are too common to mean anything alone. */
void tk_decode_new_relic(const struct tk_decision_input *input, struct tk_decision_list *list) {
  double priority;
  const int sampled = tk_sampling_truth(input, TK_SAMPLING_NEW_RELIC_SAMPLED);
  if (sampled < 0 || !tk_sampling_key_number(input, TK_SAMPLING_NEW_RELIC_PRIORITY, &priority)) {
    return;
  }
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_NEW_RELIC;
  decision->stage = TK_STAGE_HEAD;
  decision->mechanism = tk_literal("priority");
  decision->verdict = sampled ? TK_VERDICT_KEEP : TK_VERDICT_DROP;
  tk_decision_set_raw(list, decision, input,
                      TK_KEY_BIT(NEW_RELIC_PRIORITY) | TK_KEY_BIT(NEW_RELIC_SAMPLED));
}

/* `33@nr=0-0-33-5043-<span>-<transaction>-<sampled>-<priority>-<time>`. */
void tk_decode_new_relic_state(const struct tk_decision_input *input,
                               struct tk_decision_list *list) {
  const struct tk_text member = tk_trace_state_tenant(input->trace_state, "nr");
  struct tk_text rest = member, field;
  if (!member.data) return;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_NEW_RELIC;
  decision->stage = TK_STAGE_HEAD;
  decision->mechanism = tk_literal("tracestate");
  for (int number = 0; tk_next_part(&rest, '-', &field); number++) {
    if (number == 6) decision->verdict = verdict_of_digit(field);
  }
  tk_decision_set_raw_text(list, decision, member);
}
