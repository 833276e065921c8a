/* SPDX-License-Identifier: MIT
 * The table of decoders, the known keys, and what decoders share. See decision.h. */
#include "sqlext/sampling/decision.h"

#include <math.h>
#include <string.h>

#include "sqlext/sampling/decision_decoders.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/vtab_support.h"
#include "store/sqlite_api.h"
#include "tracekeep/json.h"

/* ---- names ---- */

static const struct tk_text key_texts[] = {
#define KEY(id, text) [TK_SAMPLING_##id] = {text, sizeof text - 1},
    TK_SAMPLING_KEYS(KEY)
#undef KEY
};

/* Other spellings: headers as instrumentations record them, keys of earlier releases. */
#define ALIAS(text, key) \
  { {text, sizeof text - 1}, TK_SAMPLING_##key }
static const struct {
  struct tk_text text;
  enum tk_sampling_key key;
} aliases[] = {
    ALIAS("meta.refinery.dryrun.kept", DRYRUN_KEPT),
    ALIAS("meta.refinery.dryrun.sample_rate", DRYRUN_RATE),
    ALIAS("meta.refinery.stressed", STRESSED),
    ALIAS("aws.xray.sampling_rule", XRAY_RULE),
    ALIAS("x-amzn-trace-id", XRAY_HEADER),
    ALIAS("http.request.header.x-amzn-trace-id", XRAY_HEADER),
    ALIAS("http.request.header.x_amzn_trace_id", XRAY_HEADER),
    ALIAS("sentry-sample_rate", SENTRY_RATE),
    ALIAS("sentry-sample_rand", SENTRY_RAND),
    ALIAS("sentry-sampled", SENTRY_SAMPLED),
    ALIAS("http.request.header.baggage", BAGGAGE),
    ALIAS("http.request.header.b3", B3_HEADER),
    ALIAS("x-b3-sampled", B3_SAMPLED),
    ALIAS("http.request.header.x-b3-sampled", B3_SAMPLED),
    ALIAS("x-b3-flags", B3_FLAGS),
    ALIAS("http.request.header.x-b3-flags", B3_FLAGS),
    ALIAS("x-cloud-trace-context", GOOGLE_HEADER),
    ALIAS("http.request.header.x-cloud-trace-context", GOOGLE_HEADER),
};
#undef ALIAS

static const char *const dry_run_prefixes[] = {"meta.dryrun.", "meta.refinery.dryrun."};

enum tk_sampling_key tk_sampling_key_find(struct tk_text key) {
  for (size_t i = 0; i < TK_SAMPLING_KEY_COUNT; i++) {
    if (tk_text_equal(key, key_texts[i])) return (enum tk_sampling_key)i;
  }
  for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
    if (tk_text_equal(key, aliases[i].text)) return aliases[i].key;
  }
  for (size_t i = 0; i < sizeof dry_run_prefixes / sizeof dry_run_prefixes[0]; i++) {
    const size_t size = strlen(dry_run_prefixes[i]);
    if (key.size > size && memcmp(key.data, dry_run_prefixes[i], size) == 0) {
      return TK_SAMPLING_DRYRUN_OTHER;
    }
  }
  return TK_SAMPLING_NO_KEY;
}

const char *tk_sampling_key_text(enum tk_sampling_key key) {
  return key_texts[key].data;
}

const char *tk_decision_source_name(enum tk_decision_source source) {
  static const char *const names[] = {
#define SOURCE(id, name) [TK_SOURCE_##id] = name,
      TK_DECISION_SOURCES(SOURCE)
#undef SOURCE
  };
  return names[source];
}

const char *tk_decision_stage_name(enum tk_decision_stage stage) {
  static const char *const names[] = {[TK_STAGE_NONE] = NULL,
                                      [TK_STAGE_HEAD] = "head",
                                      [TK_STAGE_COLLECTOR] = "collector",
                                      [TK_STAGE_TAIL] = "tail",
                                      [TK_STAGE_BACKEND] = "backend"};
  return names[stage];
}

const char *tk_verdict_name(enum tk_verdict verdict) {
  static const char *const names[] = {[TK_VERDICT_UNKNOWN] = "unknown",
                                      [TK_VERDICT_KEEP] = "keep",
                                      [TK_VERDICT_DROP] = "drop",
                                      [TK_VERDICT_FORCED] = "forced"};
  return names[verdict];
}

/* ---- lists ---- */

void tk_decision_list_reset(struct tk_decision_list *list) {
  sqlite3_free(list->items);
  list->items = NULL;
  list->count = list->capacity = 0;
  list->failed = false;
}

struct tk_decision *tk_decision_list_add(struct tk_decision_list *list) {
  if (list->count == list->capacity) {
    const uint32_t capacity = list->capacity ? list->capacity * 2 : 16;
    void *items = sqlite3_realloc64(list->items, (uint64_t)capacity * sizeof *list->items);
    if (!items) {
      list->failed = true;
      return NULL;
    }
    list->items = items;
    list->capacity = capacity;
  }
  struct tk_decision *decision = &list->items[list->count++];
  *decision = (struct tk_decision){.consistent = -1,
                                   .probability = NAN,
                                   .adjusted_count = NAN,
                                   .threshold = -1,
                                   .randomness = -1};
  return decision;
}

/* ---- values ---- */

bool tk_sampling_parse(struct tk_text text, double *number_out) {
  text = tk_trim(text);
  return text.size > 0 && tk_parse_double(text.data, text.size, number_out) == TK_NUMBER_OK &&
         isfinite(*number_out);
}

/* A truth value is no number: a rate of `true` is not 1. */
static bool number_of(const struct tk_value *value, double *number_out) {
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_INT:
      *number_out = (double)value->as.integer;
      return true;
    case TK_VALUE_DOUBLE:
      *number_out = value->as.real;
      return isfinite(*number_out);
    case TK_VALUE_STRING:
      return tk_sampling_parse((struct tk_text){value->as.text, value->size}, number_out);
    case TK_VALUE_EMPTY:
    case TK_VALUE_BOOL:
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
    case TK_VALUE_BYTES:
    default:
      return false;
  }
}

struct tk_text tk_sampling_text(const struct tk_decision_input *input, enum tk_sampling_key key) {
  const struct tk_value *value = &input->values[key];
  if (!tk_has_key(input, key) || value->type != TK_VALUE_STRING) return (struct tk_text){NULL, 0};
  return (struct tk_text){value->size ? value->as.text : "", value->size};
}

bool tk_sampling_key_number(const struct tk_decision_input *input, enum tk_sampling_key key,
                            double *number_out) {
  return tk_has_key(input, key) && number_of(&input->values[key], number_out);
}

int tk_sampling_truth(const struct tk_decision_input *input, enum tk_sampling_key key) {
  double number;
  const struct tk_value *value = &input->values[key];
  const struct tk_text text = tk_sampling_text(input, key);
  if (tk_has_key(input, key) && value->type == TK_VALUE_BOOL) return value->as.integer != 0;
  if (text.data && (tk_text_is(text, "true") || tk_text_is(text, "True"))) return 1;
  if (text.data && (tk_text_is(text, "false") || tk_text_is(text, "False"))) return 0;
  if (!tk_sampling_key_number(input, key, &number)) return -1;
  return number == 1 ? 1 : number == 0 ? 0 : -1;
}

bool tk_decision_set_probability(struct tk_decision *decision, double probability) {
  if (!(probability > 0 && probability <= 1) || !isfinite(1 / probability)) return false;
  decision->probability = probability;
  decision->adjusted_count = 1 / probability;
  return true;
}

/* ---- raw ---- */

void tk_decision_set_raw_text(struct tk_decision_list *list, struct tk_decision *decision,
                              struct tk_text text) {
  if (list->without_raw) return;
  char *copy = tk_arena_alloc_bytes(list->arena, (size_t)text.size + 1);
  if (!copy) {
    list->failed = true;
    return;
  }
  if (text.size > 0) memcpy(copy, text.data, text.size);
  decision->raw = (struct tk_text){copy, text.size};
}

void tk_decision_set_raw(struct tk_decision_list *list, struct tk_decision *decision,
                         const struct tk_decision_input *input, uint64_t keys) {
  struct tk_byte_writer json = {0};

  if (list->without_raw) return;
  keys &= input->present;
  tk_json_literal(&json, "{");
  for (uint32_t key = 0; key < TK_SAMPLING_KEY_COUNT; key++) {
    if (!(keys >> key & 1)) continue;
    if (json.size > 1) tk_json_literal(&json, ",");
    tk_json_text(&json, key_texts[key]);
    tk_json_literal(&json, ":");
    tk_json_value(&json, &input->values[key]);
  }
  tk_json_literal(&json, "}");
  if (json.failed) {
    list->failed = true;
  } else {
    tk_decision_set_raw_text(list, decision,
                             (struct tk_text){(const char *)json.data, (uint32_t)json.size});
  }
  tk_byte_writer_reset(&json);
}

/* ---- the table ---- */

struct decoder {
  enum tk_decision_source source;
  uint64_t keys; /* any of these; 0: see the flags */
  bool trace_state, residual, flags;
  tk_decoder *decode;
};

#define K(key) TK_KEY_BIT(key)
static const struct decoder decoders[] = {
    {TK_SOURCE_TRACE_STATE, .trace_state = true, .decode = tk_decode_ot},
    {TK_SOURCE_FLAGS, .flags = true, .decode = tk_decode_flags},
    {TK_SOURCE_JAEGER, K(SAMPLER_TYPE) | K(SAMPLER_PARAM), .decode = tk_decode_jaeger},
    {TK_SOURCE_JAEGER, .residual = true, .decode = tk_decode_jaeger_debug},
    {TK_SOURCE_ZIPKIN, .residual = true, .decode = tk_decode_zipkin_debug},
    {TK_SOURCE_DATADOG,
     K(DD_PRIORITY) | K(DD_MECHANISM) | K(DD_AGENT_RATE) | K(DD_RULE_RATE) | K(DD_LIMIT_RATE) |
         K(DD_KNUTH_RATE),
     .decode = tk_decode_datadog},
    {TK_SOURCE_DATADOG, K(DD_SAMPLE_RATE) | K(DD_TRACER_RATE) | K(DD_ANALYTICS_RATE),
     .decode = tk_decode_datadog_rates},
    {TK_SOURCE_DATADOG, K(DD_SPAN_MECHANISM) | K(DD_SPAN_RATE) | K(DD_SPAN_LIMIT),
     .decode = tk_decode_datadog_span},
    {TK_SOURCE_DATADOG, .trace_state = true, .decode = tk_decode_datadog_state},
    {TK_SOURCE_HONEYCOMB,
     K(SAMPLE_RATE) | K(SAMPLE_RATE_LOWER) | K(REFINERY_REASON) | K(REFINERY_SEND_REASON) |
         K(REFINERY_ORIGINAL) | K(REFINERY_FINAL) | K(REFINERY_SAMPLE_KEY) | K(STRESSED) |
         K(DRYRUN_KEPT) | K(DRYRUN_RATE) | K(DRYRUN_OTHER),
     .decode = tk_decode_honeycomb},
    {TK_SOURCE_TAIL, K(TAIL_POLICY) | K(TAIL_COMPOSITE) | K(TAIL_CACHED), .decode = tk_decode_tail},
    {TK_SOURCE_XRAY, K(XRAY_RULE), .decode = tk_decode_xray},
    {TK_SOURCE_XRAY, K(XRAY_HEADER), .decode = tk_decode_xray_header},
    {TK_SOURCE_SENTRY, K(SENTRY_RATE) | K(SENTRY_RAND) | K(SENTRY_SAMPLED),
     .decode = tk_decode_sentry},
    {TK_SOURCE_SENTRY, K(BAGGAGE), .decode = tk_decode_baggage},
    {TK_SOURCE_ELASTIC, K(ELASTIC_RATE) | K(ELASTIC_SAMPLED), .decode = tk_decode_elastic},
    {TK_SOURCE_ELASTIC, .trace_state = true, .decode = tk_decode_elastic_state},
    {TK_SOURCE_NEW_RELIC, K(NEW_RELIC_PRIORITY) | K(NEW_RELIC_SAMPLED),
     .decode = tk_decode_new_relic},
    {TK_SOURCE_NEW_RELIC, .trace_state = true, .decode = tk_decode_new_relic_state},
    {TK_SOURCE_B3, K(B3_HEADER) | K(B3_SAMPLED) | K(B3_FLAGS), .decode = tk_decode_b3},
    {TK_SOURCE_GOOGLE, K(GOOGLE_HEADER), .decode = tk_decode_google},
    {TK_SOURCE_ATTRIBUTE, K(PRIORITY), .decode = tk_decode_priority},
    {TK_SOURCE_ATTRIBUTE, K(PROBABILITY), .decode = tk_decode_probability},
    {TK_SOURCE_ATTRIBUTE, K(THRESHOLD) | K(RANDOMNESS), .decode = tk_decode_log_sampling},
};
#undef K
enum { DECODER_COUNT = sizeof decoders / sizeof decoders[0] };

void tk_decisions_decode(const struct tk_decision_input *input, uint32_t sources,
                         struct tk_decision_list *list) {
  for (size_t i = 0; i < DECODER_COUNT; i++) {
    const struct decoder *decoder = &decoders[i];
    if (!(sources & TK_SOURCE_BIT(decoder->source))) continue;
    if ((input->present & decoder->keys) || (decoder->trace_state && input->trace_state.size > 0) ||
        (decoder->residual && input->residual.size > 0) || (decoder->flags && input->flags != 0)) {
      decoder->decode(input, list);
    }
  }
}

uint64_t tk_decision_keys(uint32_t sources) {
  uint64_t keys = 0;
  for (size_t i = 0; i < DECODER_COUNT; i++) {
    if (sources & TK_SOURCE_BIT(decoders[i].source)) keys |= decoders[i].keys;
  }
  return keys;
}

bool tk_decision_uses_trace_state(uint32_t sources) {
  for (size_t i = 0; i < DECODER_COUNT; i++) {
    if (decoders[i].trace_state && sources & TK_SOURCE_BIT(decoders[i].source)) return true;
  }
  return false;
}

bool tk_decision_uses_residual(uint32_t sources) {
  for (size_t i = 0; i < DECODER_COUNT; i++) {
    if (decoders[i].residual && sources & TK_SOURCE_BIT(decoders[i].source)) return true;
  }
  return false;
}
