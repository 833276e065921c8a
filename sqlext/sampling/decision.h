/* What spans say about why they were kept: one decoder for each dialect.
 *
 * The input is what one span carries that has to do with sampling: tracestate, flags, the rest of
 * its source record, and the values of known keys, of the span or else its scope or its resource. A
 * decoder appends decisions: facts, as they were recorded. Nothing here is about storage. */
#ifndef TK_SQLEXT_SAMPLING_DECISION_H
#define TK_SQLEXT_SAMPLING_DECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/sampling/consistent_sampling.h"
#include "tracekeep/arena.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

/* SOURCE(ID, "name") as in the column `source`. */
#define TK_DECISION_SOURCES(SOURCE)       \
  SOURCE(TRACE_STATE, "otel.tracestate")  \
  SOURCE(FLAGS, "otel.flags")             \
  SOURCE(JAEGER, "jaeger")                \
  SOURCE(ZIPKIN, "zipkin")                \
  SOURCE(DATADOG, "datadog")              \
  SOURCE(HONEYCOMB, "honeycomb")          \
  SOURCE(TAIL, "collector.tail_sampling") \
  SOURCE(XRAY, "xray")                    \
  SOURCE(SENTRY, "sentry")                \
  SOURCE(ELASTIC, "elastic")              \
  SOURCE(NEW_RELIC, "newrelic")           \
  SOURCE(B3, "b3")                        \
  SOURCE(GOOGLE, "google")                \
  SOURCE(ATTRIBUTE, "attribute")          \
  SOURCE(RECORD, "record")                \
  SOURCE(BUNDLE, "trace-bundle")          \
  SOURCE(HEAD_SAMPLING, "head_sampling")

enum tk_decision_source {
#define SOURCE(id, name) TK_SOURCE_##id,
  TK_DECISION_SOURCES(SOURCE)
#undef SOURCE
      TK_SOURCE_COUNT
};

/* KEY(ID, "key"); of a key spelt in several ways several lines. */
#define TK_SAMPLING_KEYS(KEY)                                  \
  KEY(SAMPLER_TYPE, "sampler.type")                            \
  KEY(SAMPLER_PARAM, "sampler.param")                          \
  KEY(PRIORITY, "sampling.priority")                           \
  KEY(PROBABILITY, "sampling.probability")                     \
  KEY(THRESHOLD, "sampling.threshold")                         \
  KEY(RANDOMNESS, "sampling.randomness")                       \
  KEY(SAMPLE_RATE, "SampleRate")                               \
  KEY(SAMPLE_RATE_LOWER, "sampleRate")                         \
  KEY(REFINERY_REASON, "meta.refinery.reason")                 \
  KEY(REFINERY_SEND_REASON, "meta.refinery.send_reason")       \
  KEY(REFINERY_ORIGINAL, "meta.refinery.original_sample_rate") \
  KEY(REFINERY_FINAL, "meta.refinery.final_sample_rate")       \
  KEY(REFINERY_SAMPLE_KEY, "meta.refinery.sample_key")         \
  KEY(STRESSED, "meta.stressed")                               \
  KEY(DRYRUN_KEPT, "meta.dryrun.kept")                         \
  KEY(DRYRUN_RATE, "meta.dryrun.sample_rate")                  \
  KEY(DRYRUN_OTHER, "meta.dryrun.")                            \
  KEY(DD_PRIORITY, "_sampling_priority_v1")                    \
  KEY(DD_MECHANISM, "_dd.p.dm")                                \
  KEY(DD_AGENT_RATE, "_dd.agent_psr")                          \
  KEY(DD_RULE_RATE, "_dd.rule_psr")                            \
  KEY(DD_LIMIT_RATE, "_dd.limit_psr")                          \
  KEY(DD_KNUTH_RATE, "_dd.p.ksr")                              \
  KEY(DD_SAMPLE_RATE, "_sample_rate")                          \
  KEY(DD_TRACER_RATE, "_dd.tracer_kr")                         \
  KEY(DD_ANALYTICS_RATE, "_dd1.sr.eausr")                      \
  KEY(DD_SPAN_MECHANISM, "_dd.span_sampling.mechanism")        \
  KEY(DD_SPAN_RATE, "_dd.span_sampling.rule_rate")             \
  KEY(DD_SPAN_LIMIT, "_dd.span_sampling.max_per_second")       \
  KEY(TAIL_POLICY, "tailsampling.policy")                      \
  KEY(TAIL_COMPOSITE, "tailsampling.composite_policy")         \
  KEY(TAIL_CACHED, "tailsampling.cached_decision")             \
  KEY(XRAY_RULE, "aws.xray.sampling_rule_name")                \
  KEY(XRAY_HEADER, "X-Amzn-Trace-Id")                          \
  KEY(SENTRY_RATE, "sentry.dsc.sample_rate")                   \
  KEY(SENTRY_RAND, "sentry.dsc.sample_rand")                   \
  KEY(SENTRY_SAMPLED, "sentry.dsc.sampled")                    \
  KEY(BAGGAGE, "baggage")                                      \
  KEY(ELASTIC_RATE, "transaction.sample_rate")                 \
  KEY(ELASTIC_SAMPLED, "transaction.sampled")                  \
  KEY(NEW_RELIC_PRIORITY, "priority")                          \
  KEY(NEW_RELIC_SAMPLED, "sampled")                            \
  KEY(B3_HEADER, "b3")                                         \
  KEY(B3_SAMPLED, "X-B3-Sampled")                              \
  KEY(B3_FLAGS, "X-B3-Flags")                                  \
  KEY(GOOGLE_HEADER, "X-Cloud-Trace-Context")

enum tk_sampling_key {
#define KEY(id, text) TK_SAMPLING_##id,
  TK_SAMPLING_KEYS(KEY)
#undef KEY
      TK_SAMPLING_KEY_COUNT,
  TK_SAMPLING_NO_KEY = TK_SAMPLING_KEY_COUNT
};

/** Which known key this is, however it is spelt; TK_SAMPLING_NO_KEY: none. */
enum tk_sampling_key tk_sampling_key_find(struct tk_text key);
const char *tk_sampling_key_text(enum tk_sampling_key key);

enum tk_decision_stage {
  TK_STAGE_NONE,
  TK_STAGE_HEAD,
  TK_STAGE_COLLECTOR,
  TK_STAGE_TAIL,
  TK_STAGE_BACKEND
};
enum tk_verdict { TK_VERDICT_UNKNOWN, TK_VERDICT_KEEP, TK_VERDICT_DROP, TK_VERDICT_FORCED };

/** Which decisions may give the weight of a span: the lowest there is wins. */
enum tk_weight_rank {
  TK_RANK_NONE,
  TK_RANK_THRESHOLD,
  TK_RANK_HONEYCOMB,
  TK_RANK_DATADOG,
  TK_RANK_JAEGER,
  TK_RANK_PROBABILITY,
  TK_RANK_POWER,
  TK_RANK_SENTRY,
  TK_RANK_ELASTIC,
  TK_RANK_RECORD,
  TK_RANK_HEAD,
  TK_RANK_COUNT
};

/** One recorded fact. Texts with data NULL, numbers that are NaN or negative: not known. */
struct tk_decision {
  enum tk_decision_source source;
  enum tk_decision_stage stage;
  enum tk_verdict verdict;
  enum tk_weight_rank rank; /**< NONE: not a weight, whatever it says */
  bool trace_wide;          /**< about the trace, not this span */
  bool is_forced;           /**< the trace is here for a reason that has no probability */
  bool dry_run;
  int8_t consistent;     /**< 0 or 1; -1: not known */
  double probability;    /**< of being kept up to and including this stage; NaN */
  double adjusted_count; /**< NaN */
  int64_t threshold;     /**< 56 bits; -1 */
  int64_t randomness;    /**< 56 bits; -1 */
  struct tk_text mechanism, policy, run_id, raw;
};

/** Zero-initialise but for `arena`; sticky failure. */
struct tk_decision_list {
  struct tk_arena *arena; /**< of texts that are made */
  struct tk_decision *items;
  uint32_t count, capacity;
  bool without_raw; /**< leave `raw` out: for weights */
  bool failed;      /**< out of memory */
};
void tk_decision_list_reset(struct tk_decision_list *list);
/** A new one at the end, about nothing yet; NULL out of memory. */
struct tk_decision *tk_decision_list_add(struct tk_decision_list *list);

/** What a span carries. Pointers are borrowed. */
struct tk_decision_input {
  const uint8_t *trace_id;    /**< 16 bytes */
  struct tk_text trace_state; /**< size 0: none */
  struct tk_text residual;    /**< members of a JSON object that OTLP has no place for; size 0 */
  int64_t flags;
  bool is_root;     /**< has no parent */
  uint64_t present; /**< bit k: values[k] is set */
  struct tk_value values[TK_SAMPLING_KEY_COUNT];
};

static inline bool tk_has_key(const struct tk_decision_input *input, enum tk_sampling_key key) {
  return input->present >> key & 1;
}

/** Sources as bits. */
#define TK_SOURCE_BIT(source) (UINT32_C(1) << (source))
#define TK_ALL_SOURCES (TK_SOURCE_BIT(TK_SOURCE_COUNT) - 1)

/** Appends what the input says, of these sources only. */
void tk_decisions_decode(const struct tk_decision_input *input, uint32_t sources,
                         struct tk_decision_list *list);
/** Keys that these sources look at, as bits. */
uint64_t tk_decision_keys(uint32_t sources);
/** Whether any of these sources looks at tracestate, or the residual. */
bool tk_decision_uses_trace_state(uint32_t sources);
bool tk_decision_uses_residual(uint32_t sources);

/** NULL-terminated names; NULL for TK_STAGE_NONE. */
const char *tk_decision_source_name(enum tk_decision_source source);
const char *tk_decision_stage_name(enum tk_decision_stage stage);
const char *tk_verdict_name(enum tk_verdict verdict);

#endif
