/* Sampling configurations: what is read from each dialect, and told from everything else.
 *
 * The files of samples/sampling are read from the folder TK_SAMPLES. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/config_options.h"
#include "store/sqlite_api.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tracekeep/sampling_config.h"

#ifdef TK_HAVE_YAML
#define HAS_YAML 1
#else
#define HAS_YAML 0
#endif

/* ---- support ---- */

static const char *const yaml_samples[] = {"collector.yaml", "policies.yaml", "sdk.yaml",
                                           "refinery-rules.yaml", "sdk-rules.yaml"};
static const char *const other_samples[] = {"collector.json",  "jaeger-strategies.json",
                                            "xray-rules.json", "jaeger-answer.json",
                                            "sampler.env",     "xray-local-rules.json"};
enum {
  YAML_SAMPLES = sizeof yaml_samples / sizeof yaml_samples[0],
  OTHER_SAMPLES = sizeof other_samples / sizeof other_samples[0]
};

/* Freed with free(). An empty or missing file fails. */
static char *read_file(const char *folder, const char *name, size_t *size_out) {
  char path[1024];
  char *text = calloc(1, 4 << 20);
  const char *root = getenv("TK_SAMPLES");
  snprintf(path, sizeof path, "%s/%s/%s", root ? root : "samples", folder, name);
  FILE *file = fopen(path, "rb");
  *size_out = file ? fread(text, 1, 4 << 20, file) : 0;
  if (file) fclose(file);
  CHECK(*size_out > 0);
  return text;
}

static struct tk_sampling_config *parse_text(const char *text) {
  struct tk_sampling_config *config = NULL;
  struct tk_error error = {{0}};
  const enum tk_status status =
      tk_sampling_config_parse(text, strlen(text), "test", &config, &error);
  CHECK(status == TK_OK);
  if (status != TK_OK) {
    printf("# %s\n", error.message);
    exit(1);
  }
  return config;
}

static struct tk_sampling_config *parse_sample(const char *name) {
  size_t size;
  char *text = read_file("sampling", name, &size);
  struct tk_sampling_config *config = parse_text(text);
  free(text);
  return config;
}

static int is(struct tk_text text, const char *expected) {
  return text.size == strlen(expected) && strcmp(text.data, expected) == 0;
}

static int has_texts(struct tk_sampling_texts texts, const char *first, const char *second) {
  return texts.count == (second ? 2 : 1) && is(texts.items[0], first) &&
         (!second || is(texts.items[1], second));
}

/* The policy of that name; there must be one. */
static const struct tk_sampling_policy *find(const struct tk_sampling_config *config,
                                             const char *name) {
  const struct tk_sampling_policy *policy = NULL;
  while ((policy = tk_sampling_config_next(config, policy))) {
    if (is(policy->name, name)) return policy;
  }
  printf("# no policy %s\n", name);
  exit(1);
}

/* Ordinals count, parents are where children say, and everything is visited once. */
static void check_tree(const struct tk_sampling_config *config) {
  const struct tk_sampling_policy *policy = NULL;
  uint32_t count = 0;
  while ((policy = tk_sampling_config_next(config, policy))) {
    CHECK(policy->ordinal == count);
    CHECK(policy->line > 0 && policy->column > 0);
    if (policy->parent) {
      CHECK(policy >= policy->parent->children &&
            policy < policy->parent->children + policy->parent->child_count);
    }
    count++;
  }
  CHECK(count == config->policy_count && count > 0);
}

/* ---- the collector ---- */

static void a_collector_has_its_samplers_in_pipeline_order(void) {
  if (!HAS_YAML) return;
  struct tk_sampling_config *config = parse_sample("collector.yaml");
  CHECK(config->dialect == TK_DIALECT_COLLECTOR);
  CHECK(config->root_count == 4 && config->pipeline_count == 1);
  CHECK(is(config->pipelines[0].name, "traces") && config->pipelines[0].stage_count == 2);
  CHECK(config->pipelines[0].stages[0] == &config->roots[0]);
  CHECK(config->pipelines[0].stages[1] == &config->roots[1]);
  CHECK(is(config->roots[0].name, "probabilistic_sampler/crowd") && !config->roots[0].unused);
  CHECK(is(config->roots[1].name, "tail_sampling") && !config->roots[1].unused);
  CHECK(is(config->roots[2].name, "probabilistic_sampler") && config->roots[2].unused);
  CHECK(is(config->roots[3].name, "tail_sampling/next") && config->roots[3].unused);
  check_tree(config);
  tk_sampling_config_free(config);
}

static void a_probabilistic_sampler_has_its_options_and_defaults(void) {
  if (!HAS_YAML) return;
  struct tk_sampling_config *config = parse_sample("collector.yaml");
  const struct tk_sampling_probabilistic_sampler *crowd =
      &config->roots[0].as.probabilistic_sampler;
  const struct tk_sampling_probabilistic_sampler *old = &config->roots[2].as.probabilistic_sampler;
  CHECK(crowd->mode == TK_MODE_PROPORTIONAL && crowd->percentage.value == 25);
  CHECK(is(crowd->percentage.text, "25") && crowd->precision == 6);
  CHECK(crowd->fail_closed && crowd->hash_seed == 0);
  CHECK(old->mode == TK_MODE_HASH_SEED && old->hash_seed == 22 && old->precision == 4);
  tk_sampling_config_free(config);
}

static void anchors_aliases_and_merge_keys_are_followed(void) {
  if (!HAS_YAML) return;
  struct tk_sampling_config *config = parse_sample("collector.yaml");
  const struct tk_sampling_tail *tail = &config->roots[1].as.tail;
  const struct tk_sampling_tail *next = &config->roots[3].as.tail;
  CHECK(tail->decision_wait_ns == INT64_C(5000000000) && tail->trace_limit == 100000);
  CHECK(!tail->sample_on_first_match && next->sample_on_first_match);
  CHECK(next->decision_wait_ns == tail->decision_wait_ns);
  CHECK(next->trace_limit == 100000 && next->sampled_cache_size == 200000);
  CHECK(next->non_sampled_cache_size == 2000000);
  CHECK(config->roots[3].child_count == 2 && is(config->roots[3].children[0].name, "errors"));
  CHECK(config->roots[3].children[0].type == TK_SAMPLING_STATUS_CODE);
  CHECK(config->roots[3].children[0].line == config->roots[1].children[1].line);
  tk_sampling_config_free(config);
}

static void a_composite_shares_its_rate(void) {
  if (!HAS_YAML) return;
  struct tk_sampling_config *config = parse_sample("collector.yaml");
  const struct tk_sampling_policy *shares = find(config, "shares");
  const struct tk_sampling_composite *composite = &shares->as.composite;
  CHECK(composite->max_spans_per_second == 300 && shares->child_count == 2);
  CHECK(composite->order_count == 2 && composite->order[0] == 0 && composite->order[1] == 1);
  CHECK(composite->shares[0].allocated && composite->shares[0].percent == 40);
  CHECK(composite->shares[0].spans_per_second == 120 && composite->shares[0].order == 0);
  CHECK(composite->shares[1].spans_per_second == 180 && composite->shares[1].order == 1);
  tk_sampling_config_free(config);
}

static void a_sub_policy_without_a_share_gets_none_and_0_an_equal_one(void) {
  struct tk_sampling_config *config = parse_text(
      "{\"policies\": [{\"name\": \"c\", \"type\": \"composite\", \"composite\": {"
      "\"max_total_spans_per_second\": 100, \"policy_order\": [\"b\"], \"composite_sub_policy\": ["
      "{\"name\": \"a\", \"type\": \"always_sample\"}, {\"name\": \"b\", \"type\": "
      "\"trace_flags\"},"
      "{\"name\": \"d\", \"type\": \"trace_flags\"}], \"rate_allocation\": ["
      "{\"policy\": \"b\", \"percent\": 33}, {\"policy\": \"d\"}]}}]}");
  const struct tk_sampling_share *shares = find(config, "c")->as.composite.shares;
  CHECK(!shares[0].allocated && shares[0].spans_per_second == 0 && shares[0].order == UINT32_MAX);
  CHECK(shares[1].allocated && shares[1].spans_per_second == 33 && shares[1].order == 0);
  CHECK(shares[2].allocated && shares[2].percent == 0 && shares[2].spans_per_second == 33);
  tk_sampling_config_free(config);
}

static void every_policy_type_is_read(void) {
  if (!HAS_YAML) return;
  struct tk_sampling_config *config = parse_sample("policies.yaml");
  const struct tk_sampling_policy *tail = &config->roots[0];
  const struct tk_sampling_policy *policy = tail->children;
  CHECK(config->root_count == 1 && !tail->unused && config->pipeline_count == 0);
  CHECK(tail->as.tail.decision_wait_ns == INT64_C(90000000000));
  CHECK(tail->as.tail.decision_wait_after_root_ns == INT64_C(2000000000));
  CHECK(tail->child_count == 15 && policy[0].type == TK_SAMPLING_ALWAYS_SAMPLE);
  CHECK(policy[1].as.latency.threshold_ns == INT64_C(5000000000));
  CHECK(policy[1].as.latency.upper_threshold_ns == INT64_C(10000000000));
  CHECK(is(policy[2].as.numeric_attribute.key, "http.status_code"));
  CHECK(policy[2].as.numeric_attribute.min.written &&
        policy[2].as.numeric_attribute.min.value == 0);
  CHECK(policy[2].as.numeric_attribute.max.value == 399 &&
        policy[2].as.numeric_attribute.invert_match);
  CHECK(policy[3].as.probabilistic.percentage.value == 12.5);
  CHECK(is(policy[3].as.probabilistic.hash_salt, "edge"));
  CHECK(policy[4].as.status_code.codes == (1u << TK_STATUS_ERROR | 1u << TK_STATUS_UNSET));
  CHECK(has_texts(policy[5].as.string_attribute.values, "gold", "silver"));
  CHECK(!policy[5].as.string_attribute.is_regex && !policy[5].as.string_attribute.invert_match);
  CHECK(is(policy[6].as.boolean_attribute.key, "app.force_sample"));
  CHECK(policy[6].as.boolean_attribute.value);
  CHECK(is(policy[7].as.trace_state.key, "vendor"));
  CHECK(has_texts(policy[7].as.trace_state.values, "a", "b"));
  CHECK(policy[8].type == TK_SAMPLING_TRACE_FLAGS);
  CHECK(policy[9].as.limit.per_second == 35 && !policy[9].as.limit.burst.written);
  CHECK(policy[9].as.limit.burst.value == 70);
  CHECK(policy[10].as.limit.per_second == 1024000 && policy[10].as.limit.burst.value == 5242880);
  CHECK(policy[11].as.span_count.min == 2 && policy[11].as.span_count.max == 20);
  CHECK(policy[12].as.ottl_condition.error_mode == TK_OTTL_PROPAGATE);
  CHECK(has_texts(policy[12].as.ottl_condition.span, "attributes[\"a\"] == \"b\"", NULL));
  CHECK(policy[13].type == TK_SAMPLING_AND && policy[13].child_count == 2);
  CHECK(policy[13].children[1].type == TK_SAMPLING_NOT);
  CHECK(is(policy[13].children[1].children[0].name, "inner"));
  CHECK(policy[14].type == TK_SAMPLING_DROP && policy[14].child_count == 1);
  check_tree(config);
  tk_sampling_config_free(config);
}

/* As Kubernetes resources and Helm values have it. */
static const char resource_map[] =
    "---\napiVersion: opentelemetry.io/v1beta1\nkind: OpenTelemetryCollector\nspec:\n"
    "  env:\n    - name: config\n  config:\n    receivers: {otlp: {}}\n    processors:\n"
    "      batch: {}\n      tail_sampling:\n        policies:\n"
    "          - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}\n"
    "    service: {pipelines: {traces: {processors: [tail_sampling, batch]}}}\n  mode: x\n";
static const char resource_text[] =
    "kind: OpenTelemetryCollector\nspec:\n  config: |\n\n    # thin out\n    processors:\n"
    "      probabilistic_sampler:\n        sampling_percentage: 10\n  mode: x\n";
static const char helm_values[] =
    "mode: daemonset\nconfig:\n  exporters:\n    otlp: {endpoint: \"${env:ENDPOINT}\"}\n"
    "  processors:\n    probabilistic_sampler: {sampling_percentage: 5}\nresources: {}\n";
static const char resource_json[] =
    "{\"kind\":\"OpenTelemetryCollector\",\"spec\":{\"mode\":\"x\",\"config\":{\"receivers\":{},"
    "\"processors\":{\"tail_sampling\":{\"policies\":["
    "{\"name\":\"all\",\"type\":\"always_sample\"}]}}}}}";

static void a_configuration_is_found_in_the_manifest_that_deploys_it(void) {
  struct tk_sampling_config *config = parse_text(resource_json);
  CHECK(config->dialect == TK_DIALECT_COLLECTOR && config->root_count == 1);
  CHECK(is(config->roots[0].children[0].name, "all"));
  tk_sampling_config_free(config);
  if (!HAS_YAML) return;

  config = parse_text(resource_map);
  CHECK(config->dialect == TK_DIALECT_COLLECTOR && config->root_count == 1);
  CHECK(config->pipeline_count == 1 && !config->roots[0].unused);
  CHECK(config->roots[0].children[0].line == 13);
  tk_sampling_config_free(config);

  config = parse_text(resource_text);
  CHECK(config->root_count == 1 && config->roots[0].line == 7);
  CHECK(config->roots[0].as.probabilistic_sampler.percentage.value == 10);
  tk_sampling_config_free(config);

  config = parse_text(helm_values);
  CHECK(config->root_count == 1 && config->roots[0].line == 6);
  CHECK(config->roots[0].as.probabilistic_sampler.percentage.value == 5);
  tk_sampling_config_free(config);
}

static void json_is_read_as_yaml_is(void) {
  struct tk_sampling_config *config = parse_sample("collector.json");
  CHECK(config->root_count == 2 && is(config->roots[0].name, "tail_sampling/edge"));
  CHECK(is(config->pipelines[0].name, "traces/edge") && config->pipelines[0].stage_count == 2);
  CHECK(config->roots[0].as.tail.decision_wait_ns == INT64_C(20000000000));
  CHECK(config->roots[1].as.probabilistic_sampler.percentage.value == 0.5);
  CHECK(is(config->roots[1].as.probabilistic_sampler.percentage.text, "0.5"));
  CHECK(!config->roots[1].as.probabilistic_sampler.fail_closed);
  CHECK(is(find(config, "rest")->as.probabilistic.hash_salt, "default-hash-seed"));
  check_tree(config);
  tk_sampling_config_free(config);
}

/* ---- round trips ---- */

static char *options_of(const struct tk_sampling_policy *policy) {
  struct tk_byte_writer writer = {0};
  tk_sampling_options_json(&writer, policy);
  char *text = calloc(1, writer.size + 1);
  memcpy(text, writer.data, writer.size);
  tk_byte_writer_reset(&writer);
  return text;
}

/* The options as they are shown, written into a configuration, are read as they were. */
static void options_that_are_shown_can_be_read_again(void) {
  if (!HAS_YAML) return;
  struct tk_sampling_config *config = parse_sample("policies.yaml");
  int compared = 0;
  for (uint32_t i = 0; i < config->roots[0].child_count; i++) {
    const struct tk_sampling_policy *policy = &config->roots[0].children[i];
    char text[2000];
    if (policy->child_count > 0) continue;
    char *options = options_of(policy);
    const char *type = tk_sampling_type_name(policy->type);
    snprintf(text, sizeof text, "{\"policies\": [{\"name\": \"p\", \"type\": \"%s\", \"%s\": %s}]}",
             type, type, options);
    struct tk_sampling_config *again = parse_text(text);
    char *shown = options_of(&again->roots[0].children[0]);
    CHECK(again->roots[0].children[0].type == policy->type);
    CHECK(strcmp(options, shown) == 0);
    free(shown);
    free(options);
    tk_sampling_config_free(again);
    compared++;
  }
  CHECK(compared == 13);
  tk_sampling_config_free(config);
}

/* ---- Jaeger ---- */

static void a_service_takes_over_the_operations_it_lacks(void) {
  struct tk_sampling_config *config = parse_sample("jaeger-strategies.json");
  const struct tk_sampling_policy *standard = &config->roots[0], *checkout = &config->roots[1],
                                  *notification = &config->roots[2];
  CHECK(config->dialect == TK_DIALECT_JAEGER_STRATEGIES && config->root_count == 3);
  CHECK(standard->service.size == 0 && standard->as.jaeger.probability.value == 0.5);
  CHECK(standard->as.jaeger.has_operations && standard->child_count == 2);
  CHECK(is(checkout->service, "checkout") && checkout->child_count == 4);
  CHECK(is(checkout->children[0].operation, "POST /orders"));
  CHECK(checkout->children[1].as.jaeger.probability.value == 0.2);
  /* Its own /health is rate limiting, which operations cannot be: the default's counts. */
  CHECK(is(checkout->children[2].operation, "/health"));
  CHECK(checkout->children[2].as.jaeger.inherited);
  CHECK(is(checkout->children[2].service, "checkout"));
  CHECK(notification->type == TK_SAMPLING_JAEGER_RATE_LIMITING);
  CHECK(notification->as.jaeger.traces_per_second == 5 && notification->child_count == 2);
  CHECK(notification->as.jaeger.default_probability.value == 0.5);
  check_tree(config);
  tk_sampling_config_free(config);
}

static void what_strategies_leave_out_is_jaegers_default(void) {
  struct tk_sampling_config *config = parse_text(
      "{\"service_strategies\": [{\"service\": \"a\", \"type\": \"ratelimiting\", \"param\": 2.9},"
      "{\"service\": \"b\", \"operation_strategies\": [{\"operation\": \"x\", \"type\":"
      " \"probabilistic\", \"param\": 0.25}]}]}");
  CHECK(config->roots[0].implied && config->roots[0].as.jaeger.probability.value == 0.001);
  CHECK(config->roots[1].as.jaeger.traces_per_second == 2);
  CHECK(!config->roots[1].as.jaeger.has_operations);
  CHECK(config->roots[2].as.jaeger.has_operations && config->roots[2].child_count == 1);
  CHECK(config->roots[2].as.jaeger.default_probability.value == 0.001);
  tk_sampling_config_free(config);
}

static void an_answer_says_what_one_service_was_told(void) {
  struct tk_sampling_config *config = parse_sample("jaeger-answer.json");
  const struct tk_sampling_jaeger *jaeger = &config->roots[0].as.jaeger;
  CHECK(config->dialect == TK_DIALECT_JAEGER_ANSWER && config->root_count == 1);
  CHECK(jaeger->probability.value == 0.42 && jaeger->has_operations);
  CHECK(jaeger->lower_bound == 0.0167 && jaeger->upper_bound == 0);
  CHECK(config->roots[0].child_count == 2);
  CHECK(config->roots[0].children[1].as.jaeger.probability.value == 0);
  tk_sampling_config_free(config);

  config = parse_text("{\"strategyType\":1,\"rateLimitingSampling\":{\"maxTracesPerSecond\":5}}");
  CHECK(config->roots[0].type == TK_SAMPLING_JAEGER_RATE_LIMITING);
  CHECK(config->roots[0].as.jaeger.traces_per_second == 5);
  tk_sampling_config_free(config);
}

/* ---- Refinery ---- */

static void refinery_rules_have_conditions_and_samplers(void) {
  if (!HAS_YAML) return;
  struct tk_sampling_config *config = parse_sample("refinery-rules.yaml");
  const struct tk_sampling_policy *production = find(config, "production");
  const struct tk_sampling_policy *rules = production->children;
  const struct tk_refinery_condition *slow = rules[2].as.refinery_rule.conditions;
  CHECK(config->dialect == TK_DIALECT_REFINERY && config->root_count == 3);
  CHECK(find(config, "__default__")->as.refinery_deterministic.rate == 10);
  CHECK(find(config, "staging")->as.refinery_dynamic.goal_throughput == 50);
  CHECK(find(config, "staging")->as.refinery_dynamic.interval_ns == INT64_C(30000000000));
  CHECK(production->type == TK_SAMPLING_REFINERY_RULES && production->child_count == 4);
  CHECK(rules[0].as.refinery_rule.drop && rules[0].as.refinery_rule.condition_count == 1);
  CHECK(rules[0].as.refinery_rule.conditions[0].op == TK_REFINERY_IN);
  CHECK(rules[0].as.refinery_rule.conditions[0].value_count == 2);
  CHECK(has_texts(rules[0].as.refinery_rule.conditions[0].fields, "http.route", "url.path"));
  CHECK(rules[1].as.refinery_rule.by_span && rules[1].as.refinery_rule.rate == 1);
  CHECK(rules[1].as.refinery_rule.conditions[0].values[0].type == TK_VALUE_STRING);
  CHECK(slow[0].op == TK_REFINERY_GREATER_OR_EQUAL && slow[0].datatype == TK_REFINERY_FLOAT);
  CHECK(slow[0].values[0].type == TK_VALUE_INT && slow[0].values[0].as.integer == 1500);
  CHECK(slow[1].op == TK_REFINERY_HAS_ROOT_SPAN && slow[1].fields.count == 0);
  CHECK(slow[1].values[0].type == TK_VALUE_BOOL && slow[1].values[0].as.integer == 1);
  CHECK(rules[3].child_count == 1 && rules[3].as.refinery_rule.condition_count == 0);
  CHECK(rules[3].children[0].type == TK_SAMPLING_REFINERY_EMA_DYNAMIC);
  CHECK(rules[3].children[0].as.refinery_dynamic.goal_rate == 20);
  check_tree(config);
  tk_sampling_config_free(config);
}

/* ---- SDKs ---- */

static void parent_based_has_all_its_children(void) {
  if (!HAS_YAML) return;
  static const enum tk_sampling_type types[] = {TK_SAMPLING_TRACE_ID_RATIO, TK_SAMPLING_ALWAYS_ON,
                                                TK_SAMPLING_ALWAYS_RECORD, TK_SAMPLING_ALWAYS_ON,
                                                TK_SAMPLING_ALWAYS_OFF};
  struct tk_sampling_config *config = parse_sample("sdk.yaml");
  const struct tk_sampling_policy *root = &config->roots[0];
  CHECK(config->dialect == TK_DIALECT_DECLARATIVE && root->type == TK_SAMPLING_PARENT_BASED);
  CHECK(root->child_count == 5);
  for (uint32_t i = 0; i < 5; i++) {
    CHECK(root->children[i].type == types[i]);
    CHECK(root->children[i].role == (enum tk_sampling_role)(TK_ROLE_ROOT + i));
    CHECK(root->children[i].implied == (i != 0 && i != 2));
  }
  CHECK(root->children[0].as.ratio.ratio.value == 0.1);
  CHECK(root->children[2].children[0].type == TK_SAMPLING_ALWAYS_OFF);
  check_tree(config);
  tk_sampling_config_free(config);
}

static void a_provider_without_a_sampler_follows_its_parent(void) {
  struct tk_sampling_config *config =
      parse_text("{\"file_format\": \"1.0\", \"tracer_provider\": {\"processors\": []}}");
  CHECK(config->roots[0].type == TK_SAMPLING_PARENT_BASED && config->roots[0].implied);
  CHECK(config->roots[0].children[0].type == TK_SAMPLING_ALWAYS_ON);
  tk_sampling_config_free(config);
}

static void rules_of_a_composable_sampler_are_read(void) {
  if (!HAS_YAML) return;
  struct tk_sampling_config *config = parse_sample("sdk-rules.yaml");
  const struct tk_sampling_policy *rules = config->roots[0].children[0].children;
  CHECK(config->roots[0].type == TK_SAMPLING_COMPOSABLE);
  CHECK(config->roots[0].children[0].type == TK_SAMPLING_RULE_BASED);
  CHECK(config->roots[0].children[0].child_count == 3);
  CHECK(rules[0].as.rule.has_values && !rules[0].as.rule.has_patterns);
  CHECK(has_texts(rules[0].as.rule.values, "/healthz", "/metrics"));
  CHECK(rules[1].as.rule.has_patterns && is(rules[1].as.rule.patterns_key, "url.path"));
  CHECK(rules[1].as.rule.kinds == 1u << TK_KIND_SERVER);
  CHECK(rules[1].as.rule.parents == (TK_PARENT_NONE | TK_PARENT_REMOTE));
  CHECK(rules[2].children[0].type == TK_SAMPLING_PARENT_THRESHOLD);
  CHECK(rules[2].children[0].children[0].as.ratio.ratio.value == 0.05);
  check_tree(config);
  tk_sampling_config_free(config);
}

static void an_environment_names_a_sampler(void) {
  struct tk_sampling_config *config = parse_sample("sampler.env");
  CHECK(config->dialect == TK_DIALECT_ENVIRONMENT);
  CHECK(config->roots[0].type == TK_SAMPLING_PARENT_BASED && config->roots[0].child_count == 5);
  CHECK(config->roots[0].children[0].type == TK_SAMPLING_TRACE_ID_RATIO);
  CHECK(config->roots[0].children[0].as.ratio.ratio.value == 0.25);
  check_tree(config);
  tk_sampling_config_free(config);

  config = parse_text("OTEL_TRACES_SAMPLER=always_on\nOTEL_TRACES_SAMPLER='traceidratio'\r\n");
  CHECK(config->roots[0].type == TK_SAMPLING_TRACE_ID_RATIO);
  CHECK(config->roots[0].as.ratio.ratio.value == 1 && config->roots[0].line == 2);
  tk_sampling_config_free(config);

  config = parse_text(
      "OTEL_TRACES_SAMPLER=parentbased_jaeger_remote\nOTEL_TRACES_SAMPLER_ARG="
      "endpoint=http://jaeger:5778,pollingIntervalMs=5000,initialSamplingRate=0.5");
  const struct tk_sampling_policy *remote = &config->roots[0].children[0];
  CHECK(remote->type == TK_SAMPLING_JAEGER_REMOTE && remote->child_count == 1);
  CHECK(is(remote->as.remote.endpoint, "http://jaeger:5778"));
  CHECK(remote->as.remote.interval_ns == INT64_C(5000000000));
  CHECK(remote->children[0].role == TK_ROLE_INITIAL);
  check_tree(config);
  tk_sampling_config_free(config);
}

/* ---- X-Ray ---- */

static void xray_rules_come_by_priority(void) {
  struct tk_sampling_config *config = parse_sample("xray-rules.json");
  const struct tk_sampling_xray *checkout = &config->roots[0].as.xray;
  CHECK(config->dialect == TK_DIALECT_XRAY && config->root_count == 2);
  CHECK(is(config->roots[0].name, "checkout") && is(config->roots[0].service, "checkout-*"));
  CHECK(checkout->priority == 100 && checkout->reservoir_per_second == 10);
  CHECK(checkout->rate.value == 0.5 && checkout->attribute_count == 1);
  CHECK(is(checkout->attributes[0].key, "tenant") && !checkout->is_default);
  CHECK(config->roots[1].as.xray.is_default && config->roots[1].ordinal == 1);
  check_tree(config);
  tk_sampling_config_free(config);

  config = parse_sample("xray-local-rules.json");
  CHECK(config->root_count == 3 && config->roots[2].as.xray.is_default);
  CHECK(is(config->roots[0].as.xray.http_method, "POST"));
  CHECK(config->roots[1].as.xray.reservoir_per_second == 0);
  check_tree(config);
  tk_sampling_config_free(config);
}

/* ---- telling them from others ---- */

static void samples_are_recognised(void) {
  for (int i = 0; i < YAML_SAMPLES + OTHER_SAMPLES; i++) {
    size_t size;
    const char *name = i < YAML_SAMPLES ? yaml_samples[i] : other_samples[i - YAML_SAMPLES];
    char *text = read_file("sampling", name, &size);
    CHECK(tk_sampling_config_probe(text, size));
    if (!tk_sampling_config_probe(text, size)) printf("# %s\n", name);
    free(text);
  }
}

static void manifests_are_recognised(void) {
  static const char *const texts[] = {resource_map, resource_text, helm_values, resource_json};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    CHECK(tk_sampling_config_probe(texts[i], strlen(texts[i])));
  }
}

static void nothing_else_is(void) {
  static const char *const others[] = {
      "",
      "{}",
      "[]",
      "---\n",
      "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"tail_sampling\"}]}]}]}",
      "{\"data\":[{\"traceID\":\"1\",\"processes\":{\"p1\":{\"serviceName\":\"a\"}}}]}",
      "[{\"traceId\":\"1\",\"id\":\"2\",\"tags\":{\"sampler.type\":\"probabilistic\"}}]",
      "{\"type\":\"sampling_decision\",\"trace_id\":\"1\",\"policy\":\"tail_sampling\"}\n",
      "{\"version\":1,\"rules\":[],\"default\":{\"a\":1}}",
      "{\"policies\":[{\"name\":\"a\",\"type\":\"object\"}]}",
      "{\"processors\":{\"batch\":{}}}",
      "processors:\n  batch:\n  # tail_sampling:\n",
      "receivers:\n  otlp:\nexporters:\n  tail_sampling:\n",
      "a,b\nOTEL_TRACES,1\n",
      "name: tail_sampling\nsteps:\n  - run: make\n",
      "text that mentions OTEL_TRACES_SAMPLER=always_on in the middle\n",
      "{\"a\":{\"default_strategy\":1}}",
      "config:\n  level: info\n  processors:\n    batch: {}\n",
      "config:\n  level: info\nprocessors:\n  batch: {}\n",
      "a:\n  config:\n    processors:\n      tail_sampling: {}\n",
      "spec:\n  a:\n    config:\n      processors:\n        tail_sampling: {}\n",
      "{\"config\":{\"a\":1},\"b\":{\"c\":{\"tail_sampling\":1}}}",
      "{\"spec\":{\"a\":{\"config\":{\"processors\":{\"tail_sampling\":1}}}}}",
  };
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    CHECK(!tk_sampling_config_probe(others[i], strlen(others[i])));
    if (tk_sampling_config_probe(others[i], strlen(others[i]))) printf("# %s\n", others[i]);
  }
  static const char *const dumps[] = {"pretty.otlp.json", "webshop-late.otlp.jsonl",
                                      "webshop.otlp.jsonl", "webshop.zipkin.json.zst",
                                      "webshop.otlp.be4.pb.zst"};
  for (size_t i = 0; i < sizeof dumps / sizeof dumps[0]; i++) {
    size_t size;
    char *text = read_file("dumps", dumps[i], &size);
    CHECK(!tk_sampling_config_probe(text, size));
    free(text);
  }
}

/* ---- out of memory ---- */

static void fail_each_allocation(const char *name, const char *text, size_t size,
                                 void (*arm)(int)) {
  int hits = 1, steps = 0;
  for (int n = 1; hits > 0; n++, steps++) {
    struct tk_sampling_config *config = NULL;
    struct tk_error error = {{0}};
    arm(n);
    const enum tk_status status = tk_sampling_config_parse(text, size, name, &config, &error);
    hits = fault_memory_hits();
    arm(0);
    CHECK(status == (hits > 0 ? TK_NOMEM : TK_OK));
    CHECK((config != NULL) == (status == TK_OK));
    tk_sampling_config_free(config);
  }
  CHECK(steps > 3);
}

static void fail_sample(const char *name) {
  size_t size;
  char *text = read_file("sampling", name, &size);
  fail_each_allocation(name, text, size, fault_memory_fail_at);
  fail_each_allocation(name, text, size, fault_memory_fail_from);
  free(text);
}

static void running_out_of_memory_is_said_and_leaks_nothing(void) {
  for (int i = 0; i < OTHER_SAMPLES; i++) fail_sample(other_samples[i]);
  for (int i = 0; HAS_YAML && i < YAML_SAMPLES; i++) fail_sample(yaml_samples[i]);
  if (HAS_YAML) {
    fail_each_allocation("r", resource_text, strlen(resource_text), fault_memory_fail_at);
    fail_each_allocation("r", resource_text, strlen(resource_text), fault_memory_fail_from);
  }
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(a_collector_has_its_samplers_in_pipeline_order),
      CASE(a_probabilistic_sampler_has_its_options_and_defaults),
      CASE(anchors_aliases_and_merge_keys_are_followed),
      CASE(a_composite_shares_its_rate),
      CASE(a_sub_policy_without_a_share_gets_none_and_0_an_equal_one),
      CASE(every_policy_type_is_read),
      CASE(a_configuration_is_found_in_the_manifest_that_deploys_it),
      CASE(json_is_read_as_yaml_is),
      CASE(options_that_are_shown_can_be_read_again),
      CASE(a_service_takes_over_the_operations_it_lacks),
      CASE(what_strategies_leave_out_is_jaegers_default),
      CASE(an_answer_says_what_one_service_was_told),
      CASE(refinery_rules_have_conditions_and_samplers),
      CASE(parent_based_has_all_its_children),
      CASE(a_provider_without_a_sampler_follows_its_parent),
      CASE(rules_of_a_composable_sampler_are_read),
      CASE(an_environment_names_a_sampler),
      CASE(xray_rules_come_by_priority),
      CASE(samples_are_recognised),
      CASE(manifests_are_recognised),
      CASE(nothing_else_is),
      CASE(running_out_of_memory_is_said_and_leaks_nothing)};
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
