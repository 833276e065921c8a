/** @file sampling_config.h  Sampling configurations: what was told to keep which traces.
 *
 * One parser for every dialect that decides about traces, and one model: a tree of
 * `struct tk_sampling_policy`, of which `type` says which member of `as` holds. Everything a
 * decision depends on is in it; what a value defaults to is said beside it, with where the default
 * comes from:
 *   [C1] collector contrib, processor/probabilisticsamplerprocessor/config.go and factory.go
 *   [C4] collector contrib, processor/tailsamplingprocessor/config.go, factory.go and README.md
 *   [J2] jaeger, internal/sampling/samplingstrategy/file; jaeger-idl, sampling.proto
 *   [H3] honeycomb refinery, config/metadata/rulesMeta.yaml and config/sampler_config.go
 *   [O1] opentelemetry-specification, configuration/sdk-environment-variables.md
 *   [O5] opentelemetry-configuration, schema/tracer_provider.yaml
 *   [A1] AWS X-Ray API, SamplingRule; X-Ray SDK, local sampling rules
 *
 * What differs between versions of a collector is not decided here: the model says what was
 * written, and who replays it says which version's semantics are meant. */
#ifndef TRACEKEEP_SAMPLING_CONFIG_H
#define TRACEKEEP_SAMPLING_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracekeep/arena.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Longest document that is read. */
#define TK_SAMPLING_CONFIG_LIMIT ((size_t)4 << 20)

enum tk_sampling_dialect {
  /** OpenTelemetry collector: probabilistic_sampler, tail_sampling; also inside Helm values and
   * OpenTelemetryCollector resources. */
  TK_DIALECT_COLLECTOR,
  TK_DIALECT_JAEGER_STRATEGIES, /**< Jaeger's strategies file */
  TK_DIALECT_JAEGER_ANSWER,     /**< what GET /sampling?service= answered, for one service */
  TK_DIALECT_REFINERY,          /**< Honeycomb Refinery rules */
  TK_DIALECT_DECLARATIVE,       /**< OpenTelemetry declarative configuration of an SDK */
  TK_DIALECT_ENVIRONMENT,       /**< OTEL_TRACES_SAMPLER in an environment file */
  TK_DIALECT_XRAY               /**< AWS X-Ray: local rules, or the answer of GetSamplingRules */
};

/** The texts of `sampling_policies.type` are those of tk_sampling_type_name. */
enum tk_sampling_type {
  /* Collector processors: roots. */
  TK_SAMPLING_PROBABILISTIC_SAMPLER, /**< as.probabilistic_sampler */
  TK_SAMPLING_TAIL,                  /**< as.tail; children: policies, as written */
  /* Policies of tail_sampling. */
  TK_SAMPLING_ALWAYS_SAMPLE,
  TK_SAMPLING_LATENCY,           /**< as.latency */
  TK_SAMPLING_NUMERIC_ATTRIBUTE, /**< as.numeric_attribute */
  TK_SAMPLING_PROBABILISTIC,     /**< as.probabilistic */
  TK_SAMPLING_STATUS_CODE,       /**< as.status_code */
  TK_SAMPLING_STRING_ATTRIBUTE,  /**< as.string_attribute */
  TK_SAMPLING_BOOLEAN_ATTRIBUTE, /**< as.boolean_attribute */
  TK_SAMPLING_TRACE_STATE,       /**< as.trace_state */
  TK_SAMPLING_TRACE_FLAGS,
  TK_SAMPLING_RATE_LIMITING,  /**< as.limit: spans */
  TK_SAMPLING_BYTES_LIMITING, /**< as.limit: bytes */
  TK_SAMPLING_SPAN_COUNT,     /**< as.span_count */
  TK_SAMPLING_OTTL_CONDITION, /**< as.ottl_condition */
  TK_SAMPLING_AND,            /**< children: all must keep; at least one */
  TK_SAMPLING_NOT,            /**< one child */
  TK_SAMPLING_DROP,           /**< children: all keep means drop; at least one */
  TK_SAMPLING_COMPOSITE,      /**< as.composite; children: sub-policies, as written */
  /* Jaeger: a root for each service, the default first (its service empty); children: operations,
   * each TK_SAMPLING_JAEGER_PROBABILISTIC. */
  TK_SAMPLING_JAEGER_PROBABILISTIC, /**< as.jaeger */
  TK_SAMPLING_JAEGER_RATE_LIMITING, /**< as.jaeger */
  TK_SAMPLING_JAEGER_REMAINING,     /**< as.jaeger: an answer with operations only */
  /* Refinery: a root for each target (its environment or dataset is the name). */
  TK_SAMPLING_REFINERY_DETERMINISTIC,       /**< as.refinery_deterministic */
  TK_SAMPLING_REFINERY_DYNAMIC,             /**< as.refinery_dynamic, as are the next four */
  TK_SAMPLING_REFINERY_EMA_DYNAMIC,         /**< */
  TK_SAMPLING_REFINERY_EMA_THROUGHPUT,      /**< */
  TK_SAMPLING_REFINERY_WINDOWED_THROUGHPUT, /**< */
  TK_SAMPLING_REFINERY_TOTAL_THROUGHPUT,    /**< */
  TK_SAMPLING_REFINERY_RULES, /**< as.refinery_rules; children: rules in order, the first to match
                                   wins; none matches: everything is kept, rate 1 [H3] */
  TK_SAMPLING_REFINERY_RULE,  /**< as.refinery_rule; the child, if there is one, is the sampler */
  /* SDK samplers: one root. */
  TK_SAMPLING_ALWAYS_ON,
  TK_SAMPLING_ALWAYS_OFF,
  TK_SAMPLING_ALWAYS_RECORD,  /**< one child, role ROOT: it decides, what it drops is recorded */
  TK_SAMPLING_TRACE_ID_RATIO, /**< as.ratio; how it compares differs by language */
  TK_SAMPLING_PROBABILITY,    /**< as.ratio; consistent probability, by threshold */
  TK_SAMPLING_PARENT_BASED,   /**< five children, one of each role from ROOT on, in that order */
  TK_SAMPLING_JAEGER_REMOTE,  /**< as.remote; the child, if there is one, is the initial sampler */
  TK_SAMPLING_XRAY_REMOTE,    /**< as.remote */
  TK_SAMPLING_COMPOSABLE,     /**< composite/development: one child, of these or the next four */
  TK_SAMPLING_PARENT_THRESHOLD, /**< one child, role ROOT */
  TK_SAMPLING_RULE_BASED,       /**< children: TK_SAMPLING_RULE; the first to match wins, none
                                     matches: not sampled [O5] */
  TK_SAMPLING_RULE,             /**< as.rule; one child: the sampler */
  /* X-Ray: roots, by priority; the first to match wins. */
  TK_SAMPLING_XRAY_RULE /**< as.xray */
};
#define TK_SAMPLING_TYPE_COUNT (TK_SAMPLING_XRAY_RULE + 1)

/** What a child is to its parent, where its position does not say it. */
enum tk_sampling_role {
  TK_ROLE_NONE,
  TK_ROLE_ROOT, /**< spans without a parent */
  TK_ROLE_REMOTE_PARENT_SAMPLED,
  TK_ROLE_REMOTE_PARENT_NOT_SAMPLED,
  TK_ROLE_LOCAL_PARENT_SAMPLED,
  TK_ROLE_LOCAL_PARENT_NOT_SAMPLED,
  TK_ROLE_INITIAL /**< until the remote sampler has its first answer */
};

/** A number that need not be an integer. */
struct tk_sampling_number {
  double value;
  struct tk_text text; /**< as written; empty: not written, `value` is the default */
};

struct tk_sampling_texts {
  const struct tk_text *items;
  uint32_t count;
};

/** An integer that may be left out. */
struct tk_sampling_integer {
  int64_t value; /**< the default where it was left out */
  bool written;
};

enum tk_sampler_mode { TK_MODE_HASH_SEED, TK_MODE_PROPORTIONAL, TK_MODE_EQUALIZING };

struct tk_sampling_probabilistic_sampler {
  struct tk_sampling_number percentage; /**< sampling_percentage; default 0: nothing is kept [C1].
                                             May exceed 100, which is 100. The collector holds it
                                             as a float: (float)percentage.value */
  enum tk_sampler_mode mode;            /**< default hash_seed [C1] */
  uint32_t hash_seed;                   /**< default 0 [C1] */
  bool fail_closed;                     /**< default true [C1] */
  uint32_t precision; /**< sampling_precision, hexadecimal digits 1 to 14; default 4 [C1] */
};

enum tk_tail_strategy { TK_TAIL_TRACE_COMPLETE, TK_TAIL_SPAN_INGEST };

struct tk_sampling_tail {
  int64_t decision_wait_ns;            /**< default 30 s [C4] */
  int64_t decision_wait_after_root_ns; /**< default 0: not used [C4] */
  uint64_t trace_limit;                /**< num_traces; default 50000 [C4] */
  uint64_t sampled_cache_size;         /**< default 0: no cache [C4] */
  uint64_t non_sampled_cache_size;     /**< default 0: no cache [C4] */
  uint64_t trace_size_limit;           /**< maximum_trace_size_bytes; default 0: none [C4] */
  bool sample_on_first_match;          /**< default false [C4] */
  enum tk_tail_strategy strategy;      /**< default trace-complete [C4] */
};

struct tk_sampling_latency {
  int64_t threshold_ns;       /**< threshold_ms; default 0 [C4] */
  int64_t upper_threshold_ns; /**< upper_threshold_ms; default 0: no upper bound [C4] */
};

struct tk_sampling_numeric_attribute {
  struct tk_text key;
  struct tk_sampling_integer min; /**< min_value; left out: 0, which older versions and 0 as
                                       written make "no bound" [C4] */
  struct tk_sampling_integer max; /**< max_value, likewise */
  bool invert_match;              /**< default false [C4] */
};

struct tk_sampling_probabilistic {
  struct tk_sampling_number percentage; /**< default 0; 100 and more keeps all [C4] */
  struct tk_text hash_salt;             /**< default "default-hash-seed" [C4]; never empty */
};

struct tk_sampling_status_code {
  uint32_t codes; /**< bit 1 << code of enum tk_status_code for each; never 0 */
};

struct tk_sampling_string_attribute {
  struct tk_text key;
  struct tk_sampling_texts values; /**< at least one */
  bool is_regex;     /**< enabled_regex_matching: unanchored, RE2; default false [C4] */
  bool invert_match; /**< default false [C4] */
};

struct tk_sampling_boolean_attribute {
  struct tk_text key;
  bool value;        /**< default false [C4] */
  bool invert_match; /**< default false [C4] */
};

struct tk_sampling_trace_state {
  struct tk_text key;
  struct tk_sampling_texts values; /**< at least one */
};

struct tk_sampling_limit {
  int64_t per_second;               /**< spans_per_second, bytes_per_second */
  struct tk_sampling_integer burst; /**< burst_capacity; left out: 2 * per_second [C4] */
};

struct tk_sampling_span_count {
  int32_t min; /**< min_spans; default 0 [C4] */
  int32_t max; /**< max_spans; default 0: no upper bound [C4] */
};

enum tk_ottl_error_mode { TK_OTTL_PROPAGATE, TK_OTTL_IGNORE, TK_OTTL_SILENT };

struct tk_sampling_ottl_condition {
  enum tk_ottl_error_mode error_mode;   /**< default propagate [C4] */
  struct tk_sampling_texts span;        /**< either list may be empty, not both */
  struct tk_sampling_texts span_events; /**< spanevent */
};

/** What a composite gives one of its sub-policies, in their order. */
struct tk_sampling_share {
  bool allocated;  /**< named in rate_allocation; if not, the collector gives it 0 spans a second */
  int64_t percent; /**< 0 to 100; 0 stands for an equal share among the sub-policies [C4] */
  int64_t spans_per_second; /**< which makes this many, truncated as the collector does */
  uint32_t order;           /**< position in policy_order, or UINT32_MAX */
};

struct tk_sampling_composite {
  int64_t max_spans_per_second;           /**< max_total_spans_per_second */
  const struct tk_sampling_share *shares; /**< one for each child */
  /** policy_order, as indices of children. The collector's code tries sub-policies as written, in
   * the order of the children, and does not look at this list. */
  const uint32_t *order;
  uint32_t order_count;
};

/** A service's strategy, or an operation's. The rules of the file are applied [J2]: a service that
 * has operations, or whose default has them, has those of the default that it lacks as well, and an
 * operation whose strategy is rate limiting is not there. */
struct tk_sampling_jaeger {
  /** PROBABILISTIC: samplingRate. Otherwise unused. Default for a strategy whose type is missing or
   * empty: 0.001 [J2]. */
  struct tk_sampling_number probability;
  int32_t traces_per_second; /**< RATE_LIMITING; a fraction is cut off [J2] */
  /** The client uses the operations and, for those not listed, `default_probability`; the strategy
   * itself is not used then. */
  bool has_operations;
  struct tk_sampling_number default_probability;
  double lower_bound; /**< traces a second of each operation that are always kept; 0 in a file */
  double upper_bound; /**< defaultUpperBoundTracesPerSecond; 0: none */
  bool inherited;     /**< an operation that comes from the default strategy */
};

struct tk_sampling_refinery_deterministic {
  int64_t rate; /**< SampleRate: one in so many; at least 1 */
};

/** The samplers whose rates vary with key and time. Only what says what they are aimed at is kept:
 * what they did can be read only from the rates they recorded. */
struct tk_sampling_refinery_dynamic {
  int64_t goal_rate;       /**< SampleRate, GoalSampleRate; 0 for throughput samplers */
  int64_t goal_throughput; /**< GoalThroughputPerSec; 0 for the other two */
  int64_t initial_rate;    /**< InitialSampleRate of EMAThroughput; default 10 [H3] */
  int64_t interval_ns; /**< ClearFrequency, AdjustmentInterval, UpdateFrequency; default 30 s, 15 s
                            of EMA samplers, 1 s of the windowed one [H3] */
  struct tk_sampling_texts fields; /**< FieldList; at least one */
  int64_t key_limit;               /**< MaxKeys; default 500 [H3] */
  bool use_trace_length;           /**< default false [H3] */
  bool use_cluster_size;           /**< default false [H3] */
};

enum tk_refinery_operator {
  TK_REFINERY_EQUAL,
  TK_REFINERY_NOT_EQUAL,
  TK_REFINERY_GREATER,
  TK_REFINERY_GREATER_OR_EQUAL,
  TK_REFINERY_LESS,
  TK_REFINERY_LESS_OR_EQUAL,
  TK_REFINERY_STARTS_WITH,
  TK_REFINERY_CONTAINS,
  TK_REFINERY_DOES_NOT_CONTAIN,
  TK_REFINERY_EXISTS,
  TK_REFINERY_NOT_EXISTS,
  TK_REFINERY_HAS_ROOT_SPAN,
  TK_REFINERY_MATCHES, /**< a regular expression (Go's), unanchored */
  TK_REFINERY_IN,
  TK_REFINERY_NOT_IN
};

enum tk_refinery_datatype {
  TK_REFINERY_BY_FIELD, /**< no Datatype: compared by the type of the field [H3] */
  TK_REFINERY_STRING,
  TK_REFINERY_INT,
  TK_REFINERY_FLOAT,
  TK_REFINERY_BOOL
};

struct tk_refinery_condition {
  struct tk_sampling_texts fields; /**< Field or Fields: the first that has a value counts; `root.`
                                        asks the root span, `?.` names a computed field. Empty only
                                        with HAS_ROOT_SPAN */
  enum tk_refinery_operator op;
  enum tk_refinery_datatype datatype;
  /** Value, by what it is in the file: STRING, INT, DOUBLE, BOOL; EMPTY without one. One value,
   * but for IN and NOT_IN. */
  const struct tk_value *values;
  uint32_t value_count;
  uint32_t line;
};

struct tk_sampling_refinery_rules {
  bool check_nested_fields; /**< default false [H3] */
};

/** What happens when a rule matches: its sampler decides, if it has one; else `drop`; else one in
 * `rate` is kept [H3]. */
struct tk_sampling_refinery_rule {
  bool drop;    /**< default false [H3] */
  bool by_span; /**< Scope "span": one span must meet all conditions; default "trace" [H3] */
  int64_t rate; /**< SampleRate; default 0: nothing is kept [H3] */
  const struct tk_refinery_condition *conditions; /**< all must hold; none: always matches */
  uint32_t condition_count;
};

struct tk_sampling_ratio {
  struct tk_sampling_number ratio; /**< 0 to 1; default 1 [O5] [O1] */
};

struct tk_sampling_remote {
  struct tk_text endpoint; /**< may be empty in an environment file */
  int64_t interval_ns;     /**< how often it is asked; default 60 s [O5], X-Ray's SDKs 300 s */
};

/** A rule of composite/development: rule_based. Whatever is given must hold. */
struct tk_sampling_rule {
  bool has_values; /**< attribute_values: the attribute is one of */
  struct tk_text values_key;
  struct tk_sampling_texts values;
  bool has_patterns; /**< attribute_patterns: `*` and `?` are wildcards */
  struct tk_text patterns_key;
  struct tk_sampling_texts included; /**< empty: all */
  struct tk_sampling_texts excluded;
  uint32_t kinds;   /**< bit 1 << enum tk_span_kind for each; 0: any */
  uint32_t parents; /**< bits of enum tk_sampling_parent; 0: any */
};

enum tk_sampling_parent { TK_PARENT_NONE = 1, TK_PARENT_REMOTE = 2, TK_PARENT_LOCAL = 4 };

/** Patterns match whole values, `*` any run of characters and `?` one; letter case does not count.
 * Where a rule does not name one it is `*`, which matches everything. The rule's ServiceName is
 * the policy's `service`. */
struct tk_sampling_xray {
  int64_t priority;               /**< lower first; local rules: their position, from 1 */
  int64_t reservoir_per_second;   /**< ReservoirSize, fixed_target: kept before the rate counts */
  struct tk_sampling_number rate; /**< FixedRate, rate: 0 to 1 */
  struct tk_text host;
  struct tk_text http_method;
  struct tk_text url_path;
  struct tk_text service_type;
  struct tk_text resource_arn;
  const struct tk_attribute *attributes; /**< key and pattern (STRING), all to be met */
  uint32_t attribute_count;
  bool is_default; /**< "Default", or `default` of local rules: matches all */
};

/** One sampler, policy or rule. */
struct tk_sampling_policy {
  enum tk_sampling_type type;
  enum tk_sampling_role role;
  struct tk_text name;      /**< of the policy, the rule, the processor (`tail_sampling/edge`), the
                                 target; empty where the dialect has no names */
  struct tk_text service;   /**< Jaeger: service, empty: any; X-Ray: its pattern */
  struct tk_text operation; /**< Jaeger; empty: any */
  uint32_t ordinal;         /**< number in the configuration, depth first, from 0 */
  uint32_t line, column;    /**< where it is written, from 1 */
  bool implied;             /**< not written: a default of the dialect, e.g. of parent_based */
  bool unused;              /**< a processor that is in no traces pipeline */
  const struct tk_sampling_policy *parent; /**< NULL at a root */
  const struct tk_sampling_policy *children;
  uint32_t child_count;
  union {
    struct tk_sampling_probabilistic_sampler probabilistic_sampler;
    struct tk_sampling_tail tail;
    struct tk_sampling_latency latency;
    struct tk_sampling_numeric_attribute numeric_attribute;
    struct tk_sampling_probabilistic probabilistic;
    struct tk_sampling_status_code status_code;
    struct tk_sampling_string_attribute string_attribute;
    struct tk_sampling_boolean_attribute boolean_attribute;
    struct tk_sampling_trace_state trace_state;
    struct tk_sampling_limit limit;
    struct tk_sampling_span_count span_count;
    struct tk_sampling_ottl_condition ottl_condition;
    struct tk_sampling_composite composite;
    struct tk_sampling_jaeger jaeger;
    struct tk_sampling_refinery_deterministic refinery_deterministic;
    struct tk_sampling_refinery_dynamic refinery_dynamic;
    struct tk_sampling_refinery_rules refinery_rules;
    struct tk_sampling_refinery_rule refinery_rule;
    struct tk_sampling_ratio ratio;
    struct tk_sampling_remote remote;
    struct tk_sampling_rule rule;
    struct tk_sampling_xray xray;
  } as;
};

/** A traces pipeline of a collector and the samplers in it, in the order spans pass them. */
struct tk_sampling_pipeline {
  struct tk_text name; /**< "traces", "traces/edge" */
  const struct tk_sampling_policy *const *stages;
  uint32_t stage_count;
};

struct tk_sampling_config {
  struct tk_arena arena; /**< holds everything below */
  struct tk_text name;   /**< as given: a path */
  enum tk_sampling_dialect dialect;
  /** Top-level samplers: collector, in pipeline order (the pipelines as written, unused processors
   * last); the others as their types say. */
  const struct tk_sampling_policy *roots;
  uint32_t root_count;
  uint32_t policy_count;                        /**< of the whole tree: ordinals are below it */
  const struct tk_sampling_pipeline *pipelines; /**< collector: those with a sampler. None, and no
                                                     root unused: a fragment without `service` */
  uint32_t pipeline_count;
};

/** Parses `size` bytes; texts are NUL-terminated copies. `name` stands in messages and may be NULL.
 * TK_INVALID: refused; the message begins "name:line:column: " and says what was expected and what
 * was found. TK_UNSUPPORTED: YAML, and this build has none. TK_NOMEM. *config_out is NULL then. */
enum tk_status tk_sampling_config_parse(const char *text, size_t size, const char *name,
                                        struct tk_sampling_config **config_out,
                                        struct tk_error *error);
/** NULL does nothing. */
void tk_sampling_config_free(struct tk_sampling_config *config);

/** Whether these bytes look like a sampling configuration: cheap, allocates nothing, and never true
 * of traces, envelopes or answers of trace APIs. The beginning of a document will do. */
bool tk_sampling_config_probe(const char *text, size_t size);

/** "collector", "jaeger-strategies", "jaeger-answer", "refinery", "declarative", "environment",
 * "xray". */
const char *tk_sampling_dialect_name(enum tk_sampling_dialect dialect);
/** The word of the dialect itself where it has one: "tail_sampling", "latency",
 * "RulesBasedSampler", "parent_based". */
const char *tk_sampling_type_name(enum tk_sampling_type type);
/** "root", "remote_parent_sampled", ...; NULL for TK_ROLE_NONE. */
const char *tk_sampling_role_name(enum tk_sampling_role role);

/** One line on what samples how, cut to `size` bytes with its NUL: "probabilistic_sampler 25 %,
 * tail_sampling (7 policies)". */
void tk_sampling_config_summary(const struct tk_sampling_config *config, char *out, size_t size);

/** The policy that comes after `policy` depth first, NULL after the last; NULL gives the first. */
const struct tk_sampling_policy *tk_sampling_config_next(const struct tk_sampling_config *config,
                                                         const struct tk_sampling_policy *policy);

#ifdef __cplusplus
}
#endif
#endif
