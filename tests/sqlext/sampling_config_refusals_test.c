/* What a sampling configuration is refused for, and in exactly which words. */
#include <string.h>

#include "store/sqlite_api.h"
#include "tests/support/check.h"
#include "tracekeep/sampling_config.h"

struct refusal {
  const char *text;
  const char *message;
};

/* clang-format off */
static const struct refusal collector[] = {
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: a, type: string_attribute, string_attribute: {key: k, values: [x, \"${env:TENANT}\"]}}\n",
     "bad.conf:3:80: tail_sampling policy 'a': expected values to be text that is known, found '${env:TENANT}': the value of the environment variable has to be put there"},
    {"kind: OpenTelemetryCollector\n"
     "spec:\n"
     "  config: |\n"
     "\n"
     "    processors:\n"
     "      probabilistic_sampler:\n"
     "        sampling_percentage: ten\n",
     "bad.conf:7:30: probabilistic_sampler: expected sampling_percentage to be a percentage, at least 0, found 'ten'"},
    {"spec:\n"
     "  config: |\n"
     "    processors: {\n",
     "bad.conf:4:5: expected YAML: while parsing a flow node: did not find expected node content"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: slow, type: latency, latency: {threshold_ms: fast}}\n",
     "bad.conf:3:59: tail_sampling policy 'slow': expected threshold_ms to be a number of milliseconds, found 'fast'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: slow, type: latency, latency: {threshold_ms: \"${env:SLOW:-500}\"}}\n",
     "bad.conf:3:59: tail_sampling policy 'slow': expected threshold_ms to be a number of milliseconds, found '${env:SLOW:-500}': the value of the environment variable has to be put there"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: slow, type: latency, latency: {threshold_ms: 1.5}}\n",
     "bad.conf:3:59: tail_sampling policy 'slow': expected threshold_ms to be a number of milliseconds, found '1.5'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: slow, type: latency, latency: {threshold_ms: 99999999999999999999}}\n",
     "bad.conf:3:59: tail_sampling policy 'slow': expected threshold_ms to be a number of milliseconds, found '99999999999999999999'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: slow, type: latency, latency: {threshold_ms: -1}}\n",
     "bad.conf:3:59: tail_sampling policy 'slow': expected threshold_ms to be a number of milliseconds, 0 to 9223372036854, found '-1'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: slow, type: latency}\n",
     "bad.conf:3:7: tail_sampling policy 'slow': expected threshold_ms, a number of milliseconds, found no such option"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: slow, type: latency, latency: {treshold_ms: 5}}\n",
     "bad.conf:3:45: tail_sampling policy 'slow': latency has no option 'treshold_ms'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: x\n"
     "      type: sampel\n",
     "bad.conf:4:13: tail_sampling policy 'x': expected type to be one of always_sample, latency, numeric_attribute, probabilistic, status_code, string_attribute, boolean_attribute, trace_state, trace_flags, rate_limiting, bytes_limiting, span_count, ottl_condition, and, not, drop, composite, found 'sampel'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: x\n",
     "bad.conf:3:7: tail_sampling policy 'x': expected type, the type of the policy, found no such option"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - type: always_sample\n",
     "bad.conf:3:7: tail_sampling: expected name, the name of the policy, found no such option"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: a, type: always_sample}\n"
     "    - {name: a, type: trace_flags}\n",
     "bad.conf:4:14: tail_sampling: expected policies of one list to have different names, found 'a' again (first on line 3)"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: e, type: status_code, status_code: {status_codes: [error]}}\n",
     "bad.conf:3:65: tail_sampling policy 'e': expected a status code to be UNSET, OK or ERROR, found 'error'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: e, type: status_code, status_code: {status_codes: []}}\n",
     "bad.conf:3:64: tail_sampling policy 'e': expected status_codes to be a list of OK, ERROR and UNSET, found an empty list"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: e, type: probabilistic, probabilistic: {sampling_percentage: -5}}\n",
     "bad.conf:3:75: tail_sampling policy 'e': expected sampling_percentage to be a percentage, at least 0, found '-5'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: e, type: probabilistic, probabilistic: {sampling_percentage: 5%}}\n",
     "bad.conf:3:75: tail_sampling policy 'e': expected sampling_percentage to be a percentage, at least 0, found '5%'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: e, type: boolean_attribute, boolean_attribute: {key: a, value: yes}}\n",
     "bad.conf:3:77: tail_sampling policy 'e': expected value to be true or false, found 'yes'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: e, type: string_attribute, string_attribute: {values: [a]}}\n",
     "bad.conf:3:59: tail_sampling policy 'e': expected key, the key of an attribute, found no such option"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: e, type: string_attribute, string_attribute: {key: a}}\n",
     "bad.conf:3:59: tail_sampling policy 'e': expected values, a list of values, found no such option"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: e, type: string_attribute, string_attribute: {key: a, values: b}}\n",
     "bad.conf:3:76: tail_sampling policy 'e': expected values to be a list, found 'b'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: shares\n"
     "      type: composite\n"
     "      composite:\n"
     "        max_total_spans_per_second: 100\n"
     "        policy_order: [a, c]\n"
     "        composite_sub_policy:\n"
     "          - {name: a, type: always_sample}\n"
     "          - {name: b, type: trace_flags}\n"
     "        rate_allocation:\n"
     "          - {policy: a, percent: 50}\n",
     "bad.conf:7:27: tail_sampling policy 'shares': expected policy_order to name a policy of composite_sub_policy, found 'c'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: shares\n"
     "      type: composite\n"
     "      composite:\n"
     "        max_total_spans_per_second: 100\n"
     "        policy_order: [shares]\n"
     "        composite_sub_policy:\n"
     "          - {name: a, type: always_sample}\n"
     "          - {name: b, type: trace_flags}\n"
     "        rate_allocation:\n"
     "          - {policy: a, percent: 50}\n",
     "bad.conf:7:24: tail_sampling policy 'shares': expected policy_order to name sub-policies, found 'shares', the composite itself"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: shares\n"
     "      type: composite\n"
     "      composite:\n"
     "        max_total_spans_per_second: 100\n"
     "        policy_order: [a, a]\n"
     "        composite_sub_policy:\n"
     "          - {name: a, type: always_sample}\n"
     "          - {name: b, type: trace_flags}\n"
     "        rate_allocation:\n"
     "          - {policy: a, percent: 50}\n",
     "bad.conf:7:27: tail_sampling policy 'shares': expected policy_order to name each policy once, found 'a' again"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: shares\n"
     "      type: composite\n"
     "      composite:\n"
     "        max_total_spans_per_second: 100\n"
     "        policy_order: [a]\n"
     "        composite_sub_policy:\n"
     "          - {name: a, type: always_sample}\n"
     "          - {name: b, type: trace_flags}\n"
     "        rate_allocation:\n"
     "          - {policy: z, percent: 50}\n",
     "bad.conf:12:22: tail_sampling policy 'shares': expected rate_allocation to name a policy of composite_sub_policy, found 'z'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: shares\n"
     "      type: composite\n"
     "      composite:\n"
     "        max_total_spans_per_second: 100\n"
     "        policy_order: [a]\n"
     "        composite_sub_policy:\n"
     "          - {name: a, type: always_sample}\n"
     "          - {name: b, type: trace_flags}\n"
     "        rate_allocation:\n"
     "          - {policy: a, percent: 101}\n",
     "bad.conf:12:34: tail_sampling policy 'shares': expected percent to be a percentage, 0 to 100, found '101'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: x\n"
     "      type: and\n"
     "      and:\n"
     "        and_sub_policy:\n"
     "          - {name: y, type: composite}\n",
     "bad.conf:7:29: tail_sampling policy 'y': expected no composite inside another policy"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: x\n"
     "      type: not\n"
     "      not:\n"
     "        not_sub_policy: {name: y, type: drop}\n",
     "bad.conf:6:41: tail_sampling policy 'y': expected no drop inside another policy"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: x\n"
     "      type: and\n"
     "      and: {and_sub_policy: []}\n",
     "bad.conf:5:29: tail_sampling policy 'x': expected and_sub_policy to be a list of policies, found an empty list"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - name: x\n"
     "      type: and\n"
     "      and:\n"
     "        and_sub_policy:\n"
     "          - {type: latency, latency: {threshold_ms: soon}}\n",
     "bad.conf:7:53: tail_sampling policy inside 'x': expected threshold_ms to be a number of milliseconds, found 'soon'"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: x, type: ottl_condition, ottl_condition: {error_mode: ignore}}\n",
     "bad.conf:3:55: tail_sampling policy 'x': expected span or spanevent, a list of conditions, found neither"},
    {"tail_sampling:\n"
     "  policies:\n"
     "    - {name: x, type: ottl_condition, ottl_condition: {error_mode: loud, span: [a]}}\n",
     "bad.conf:3:68: tail_sampling policy 'x': expected error_mode to be propagate, ignore or silent, found 'loud'"},
    {"tail_sampling:\n"
     "  decision_wait: 5s\n",
     "bad.conf:2:3: tail_sampling: expected policies, a list of policies, found no such option"},
    {"tail_sampling:\n"
     "  policies: []\n",
     "bad.conf:2:13: tail_sampling: expected policies to be a list of policies, found an empty list"},
    {"tail_sampling:\n"
     "  policies: {a: b}\n",
     "bad.conf:2:13: tail_sampling: expected policies to be a list, found a map"},
    {"tail_sampling:\n"
     "  decision_wait: 5 seconds\n"
     "  policies: [{name: a, type: always_sample}]\n",
     "bad.conf:2:18: tail_sampling: expected decision_wait to be a duration such as 10s, found '5 seconds'"},
    {"tail_sampling:\n"
     "  decision_waits: 5s\n"
     "  policies: [{name: a, type: always_sample}]\n",
     "bad.conf:2:3: tail_sampling: tail_sampling has no option 'decision_waits'"},
    {"processors:\n"
     "  probabilistic_sampler: {mode: equal, sampling_percentage: 5}\n",
     "bad.conf:2:33: probabilistic_sampler: expected mode to be hash_seed, proportional or equalizing, found 'equal'"},
    {"processors:\n"
     "  probabilistic_sampler: {hash_seed: 4294967296}\n",
     "bad.conf:2:38: probabilistic_sampler: expected hash_seed to be a whole number, 0 to 4294967295, found '4294967296'"},
    {"processors:\n"
     "  probabilistic_sampler: {sampling_precision: 0}\n",
     "bad.conf:2:47: probabilistic_sampler: expected sampling_precision to be a number of digits, 1 to 14, found '0'"},
    {"processors:\n"
     "  probabilistic_sampler: {sampling_percentage: -1}\n",
     "bad.conf:2:48: probabilistic_sampler: expected sampling_percentage to be a percentage, at least 0, found '-1'"},
    {"processors:\n"
     "  probabilistic_sampler: {sampling_percentage: 1e-17}\n",
     "bad.conf:2:48: probabilistic_sampler: expected sampling_percentage to be 0 or at least 1.4e-15, found '1e-17'"},
    {"processors:\n"
     "  probabilistic_sampler: {sampling_percentage: .nan}\n",
     "bad.conf:2:48: probabilistic_sampler: expected sampling_percentage to be a percentage, at least 0, found '.nan'"},
    {"processors:\n"
     "  probabilistic_sampler: {sampling_percentage: 5}\n"
     "service:\n"
     "  pipelines:\n"
     "    traces:\n"
     "      processors: [tail_sampling]\n",
     "bad.conf:6:20: expected pipeline traces to name processors that are configured, found 'tail_sampling'"},
    {"processors:\n"
     "  batch:\n"
     "service:\n"
     "  pipelines:\n"
     "    traces: {processors: [batch]}\n",
     "bad.conf:2:3: expected a processor that samples, tail_sampling or probabilistic_sampler, found none"},
};

static const struct refusal documents[] = {
    {"# only a comment\n",
     "bad.conf:1:1: expected a sampling configuration, found nothing"},
    {"",
     "bad.conf:1:1: expected a sampling configuration, found nothing"},
    {"hello: world\n",
     "bad.conf:1:1: expected a sampling configuration (a collector's with tail_sampling or probabilistic_sampler, Jaeger strategies, Refinery or X-Ray rules, OpenTelemetry SDK configuration), found something else"},
    {"- a\n"
     "- b\n",
     "bad.conf:1:1: expected a sampling configuration (a collector's with tail_sampling or probabilistic_sampler, Jaeger strategies, Refinery or X-Ray rules, OpenTelemetry SDK configuration), found something else"},
    {"processors:\n"
     "  tail_sampling: {policies: [{name: a, type: always_sample}]}\n"
     "  tail_sampling: {}\n",
     "bad.conf:3:3: expected each key once, found 'tail_sampling' a second time"},
    {"processors:\n"
     "  tail_sampling: {policies: [\n",
     "bad.conf:3:1: expected YAML: while parsing a flow node: did not find expected node content"},
    {"processors:\n"
     "\ttail_sampling:\n",
     "bad.conf:2:1: expected YAML: while scanning for the next token: found character that cannot start any token"},
    {"processors: *nowhere\n",
     "bad.conf:1:13: expected an alias to name an anchor above, found *nowhere"},
    {"processors: &p\n"
     "  tail_sampling: *p\n",
     "bad.conf:2:18: expected an alias to name something complete, found *p inside &p"},
    {"processors: {}\n"
     "---\n"
     "processors: {}\n",
     "bad.conf:2:1: expected one YAML document, found a second"},
    {"processors:\n"
     "  tail_sampling:\n"
     "    <<: 5\n",
     "bad.conf:3:9: expected << to name a map or a list of maps"},
    {"processors: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
     "bad.conf:1:76: expected lists and maps to nest at most 64 deep, found one more"},
};

static const struct refusal json[] = {
    {"{\"default_strategy\": {\"type\": \"probabilistic\", \"param\": 0.5,}}",
     "bad.conf:1:61: expected a string"},
    {"{\n"
     "  \"default_strategy\": {\"type\": \"probabilistic\", \"param\": \"0.5\"}\n"
     "}",
     "bad.conf:2:58: default_strategy: expected param to be a probability from 0 to 1, found '0.5'"},
};

static const struct refusal jaeger[] = {
    {"{\"default_strategy\": {\"type\": \"const\", \"param\": 1}}",
     "bad.conf:1:31: default_strategy: expected type to be probabilistic or ratelimiting, found 'const'"},
    {"{\"default_strategy\": {\"type\": \"probabilistic\", \"param\": 1.5}}",
     "bad.conf:1:57: default_strategy: expected param to be a probability from 0 to 1, found '1.5'"},
    {"{\"default_strategy\": {\"type\": \"probabilistic\"}}",
     "bad.conf:1:22: default_strategy: expected param, a probability, found no such option"},
    {"{\"service_strategies\": [{\"type\": \"probabilistic\", \"param\": 1}]}",
     "bad.conf:1:25: expected service, the name of a service, found no such option"},
    {"{\"service_strategies\": [\n"
     "{\"service\": \"a\", \"type\": \"probabilistic\", \"param\": 1},\n"
     "{\"service\": \"a\", \"type\": \"ratelimiting\", \"param\": 1}]}",
     "bad.conf:3:13: expected one strategy for each service, found 'a' again (first on line 2)"},
    {"{\"service_strategies\": [{\"service\": \"a\", \"type\": \"probabilistic\", \"param\": 1, \"operation_strategies\": [{\"type\": \"probabilistic\", \"param\": 2}]}]}",
     "bad.conf:1:104: strategy of service 'a': expected operation, the name of an operation, found no such option"},
    {"{\"service_strategies\": [{\"service\": \"a\", \"type\": \"probabilistic\", \"param\": 1, \"operation_strategies\": [{\"operation\": \"x\", \"type\": \"probabilistic\", \"param\": 2}]}]}",
     "bad.conf:1:157: strategy of service 'a': expected param to be a probability from 0 to 1, found '2'"},
    {"{\"strategyType\": \"PROBABILISTIC\"}",
     "bad.conf:1:1: expected probabilisticSampling, rateLimitingSampling or operationSampling, found none"},
    {"{\"strategyType\": \"PROBABILISTIC\", \"probabilisticSampling\": {\"samplingRate\": 42}}",
     "bad.conf:1:77: expected samplingRate to be a probability from 0 to 1, found '42'"},
};

static const struct refusal refinery[] = {
    {"RulesVersion: 1\n"
     "Samplers: {__default__: {DeterministicSampler: {SampleRate: 1}}}\n",
     "bad.conf:1:15: expected RulesVersion to be 2, found '1'"},
    {"RulesVersion: 2\n"
     "Samplers: {prod: {DeterministicSampler: {SampleRate: 1}}}\n",
     "bad.conf:2:11: expected a sampler for __default__, found none"},
    {"RulesVersion: 2\n"
     "Samplers: {__default__: {DeterministicSampler: {SampleRate: 0}}}\n",
     "bad.conf:2:61: __default__: expected SampleRate to be a sample rate, one in so many, at least 1, found '0'"},
    {"RulesVersion: 2\n"
     "Samplers: {__default__: {MagicSampler: {SampleRate: 0}}}\n",
     "bad.conf:2:26: __default__: expected a sampler: DeterministicSampler, DynamicSampler, EMADynamicSampler, EMAThroughputSampler, WindowedThroughputSampler, TotalThroughputSampler or RulesBasedSampler, found 'MagicSampler'"},
    {"RulesVersion: 2\n"
     "Samplers: {__default__: {DeterministicSampler: {SampleRate: 1}, DynamicSampler: {}}}\n",
     "bad.conf:2:25: __default__: expected one sampler, found 2"},
    {"RulesVersion: 2\n"
     "Samplers:\n"
     "  __default__:\n"
     "    RulesBasedSampler:\n"
     "      Rules:\n"
     "        - Name: r\n"
     "          Conditions:\n"
     "            - {Field: a, Operator: like, Value: x}\n",
     "bad.conf:8:36: __default__: rule 'r': expected Operator to be =, !=, >, >=, <, <=, starts-with, contains, does-not-contain, exists, not-exists, has-root-span, matches, in or not-in, found 'like'"},
    {"RulesVersion: 2\n"
     "Samplers:\n"
     "  __default__:\n"
     "    RulesBasedSampler:\n"
     "      Rules:\n"
     "        - Name: r\n"
     "          Conditions:\n"
     "            - {Field: a, Operator: \"=\"}\n",
     "bad.conf:8:15: __default__: rule 'r': expected Value, what the field is compared with, found no such option"},
    {"RulesVersion: 2\n"
     "Samplers:\n"
     "  __default__:\n"
     "    RulesBasedSampler:\n"
     "      Rules:\n"
     "        - Name: r\n"
     "          Conditions:\n"
     "            - {Field: a, Fields: [b], Operator: exists}\n",
     "bad.conf:8:15: __default__: rule 'r': expected Field or Fields, found both"},
    {"RulesVersion: 2\n"
     "Samplers:\n"
     "  __default__:\n"
     "    RulesBasedSampler:\n"
     "      Rules:\n"
     "        - Name: r\n"
     "          Conditions:\n"
     "            - {Operator: exists}\n",
     "bad.conf:8:15: __default__: rule 'r': expected Field, the name of a field, found no such option"},
    {"RulesVersion: 2\n"
     "Samplers:\n"
     "  __default__:\n"
     "    RulesBasedSampler:\n"
     "      Rules:\n"
     "        - Name: r\n"
     "          Conditions:\n"
     "            - {Field: a, Operator: \">\", Value: abc, Datatype: int}\n",
     "bad.conf:8:48: __default__: rule 'r': expected Value to be a whole number, as Datatype says, found 'abc'"},
    {"RulesVersion: 2\n"
     "Samplers:\n"
     "  __default__:\n"
     "    RulesBasedSampler:\n"
     "      Rules:\n"
     "        - Name: r\n"
     "          Conditions:\n"
     "            - {Field: a, Operator: \">\", Value: 1, Datatype: number}\n",
     "bad.conf:8:61: __default__: rule 'r': expected Datatype to be string, int, float or bool, found 'number'"},
    {"RulesVersion: 2\n"
     "Samplers:\n"
     "  __default__:\n"
     "    RulesBasedSampler:\n"
     "      Rules:\n"
     "        - {Name: r, Scope: root}\n",
     "bad.conf:6:28: __default__: rule 'r': expected Scope to be trace or span, found 'root'"},
    {"RulesVersion: 2\n"
     "Samplers:\n"
     "  __default__:\n"
     "    RulesBasedSampler:\n"
     "      Rules:\n"
     "        - {Name: r, Sampler: {RulesBasedSampler: {}}}\n",
     "bad.conf:6:31: __default__: rule 'r': expected a sampler: DeterministicSampler, DynamicSampler, EMADynamicSampler, EMAThroughputSampler, WindowedThroughputSampler, TotalThroughputSampler, found 'RulesBasedSampler'"},
};

static const struct refusal declarative[] = {
    {"tracer_provider:\n"
     "  sampler:\n"
     "    my_sampler:\n",
     "bad.conf:3:5: expected always_on, always_off, always_record, trace_id_ratio_based, probability/development, parent_based, jaeger_remote/development or composite/development, found 'my_sampler'"},
    {"tracer_provider:\n"
     "  sampler: {always_on: , always_off: }\n",
     "bad.conf:2:12: expected one sampler, found 2"},
    {"sampler: {trace_id_ratio_based: {ratio: 1.01}}\n",
     "bad.conf:1:41: trace_id_ratio_based: expected ratio to be a number from 0 to 1, found '1.01'"},
    {"sampler:\n"
     "  trace_id_ratio_based:\n"
     "    ratio: ${RATIO:-0.1}\n",
     "bad.conf:3:12: trace_id_ratio_based: expected ratio to be a number from 0 to 1, found '${RATIO:-0.1}': the value of the environment variable has to be put there"},
    {"sampler: {composite/development: {trace_id_ratio_based: {ratio: 0.1}}}\n",
     "bad.conf:1:35: composite: expected always_on, always_off, probability, parent_threshold, parent_based or rule_based, found 'trace_id_ratio_based'"},
    {"sampler: {composite/development: {rule_based: {rules: [{span_kinds: [server]}]}}}\n",
     "bad.conf:1:56: rule_based: expected sampler, a sampler, found no such option"},
    {"sampler: {composite/development: {rule_based: {rules: [{span_kinds: [serverr], sampler: {always_on: }}]}}}\n",
     "bad.conf:1:70: rule_based: expected span_kinds to be internal, server, client, producer or consumer, found 'serverr'"},
    {"sampler: {jaeger_remote/development: {endpoint: 'x:1'}}\n",
     "bad.conf:1:38: jaeger_remote: expected initial_sampler, a sampler, found no such option"},
};

static const struct refusal xray[] = {
    {"{\"version\": 2, \"rules\": [{\"host\": \"*\", \"fixed_target\": 1, \"rate\": 5}], \"default\": {\"fixed_target\": 1, \"rate\": 0.05}}",
     "bad.conf:1:67: expected rate to be a rate from 0 to 1, found '5'"},
    {"{\"version\": 2, \"rules\": [], \"SamplingRuleRecords\": null}",
     "bad.conf:1:1: expected default, what happens without a rule, found no such option"},
    {"{\"version\": 2, \"rules\": [{\"host\":\"*\"}]}",
     "bad.conf:1:1: expected a sampling configuration (a collector's with tail_sampling or probabilistic_sampler, Jaeger strategies, Refinery or X-Ray rules, OpenTelemetry SDK configuration), found something else"},
    {"{\"version\": 3, \"default\": {\"fixed_target\": 1, \"rate\": 0.05}}",
     "bad.conf:1:13: expected version to be the version of the rules, 1 to 2, found '3'"},
    {"{\"SamplingRule\": {\"RuleName\": \"a\", \"FixedRate\": 0.1, \"ReservoirSize\": 1}}",
     "bad.conf:1:18: rule 'a': expected Priority, the priority of the rule, found no such option"},
    {"{\"SamplingRule\": {\"RuleName\": \"a\", \"Priority\": 1, \"FixedRate\": 0.1, \"ReservoirSize\": -1}}",
     "bad.conf:1:86: rule 'a': expected ReservoirSize to be a number of requests a second, at least 0, found '-1'"},
};

static const struct refusal environment[] = {
    {"OTEL_TRACES_SAMPLER=sometimes\n",
     "bad.conf:1:21: expected OTEL_TRACES_SAMPLER to be always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio, jaeger_remote, parentbased_jaeger_remote or xray, found 'sometimes'"},
    {"X=1\n"
     "OTEL_TRACES_SAMPLER=traceidratio\n"
     "OTEL_TRACES_SAMPLER_ARG=half\n",
     "bad.conf:3:25: expected OTEL_TRACES_SAMPLER_ARG to be a number from 0 to 1, found 'half'"},
    {"OTEL_TRACES_SAMPLER=jaeger_remote\n"
     "OTEL_TRACES_SAMPLER_ARG=endpoint=http://x:1,interval=5\n",
     "bad.conf:2:45: expected OTEL_TRACES_SAMPLER_ARG to consist of endpoint=, pollingIntervalMs= and initialSamplingRate=, found 'interval=5'"},
    {"OTEL_TRACES_SAMPLER=jaeger_remote\n"
     "OTEL_TRACES_SAMPLER_ARG=endpoint=http://x:1,initialSamplingRate=5\n",
     "bad.conf:2:45: expected initialSamplingRate to be a number from 0 to 1, found '5'"},
};
/* clang-format on */

/* Whether this build can read it: YAML needs libyaml. */
static int is_readable(const char *text) {
#ifdef TK_HAVE_YAML
  (void)text;
  return 1;
#else
  return text[0] == '{' || strstr(text, "OTEL_TRACES_SAMPLER=") != NULL;
#endif
}

static void check_refusals(const struct refusal *refusals, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct tk_sampling_config *config = NULL;
    struct tk_error error = {{0}};
    const enum tk_status status = tk_sampling_config_parse(
        refusals[i].text, strlen(refusals[i].text), "bad.conf", &config, &error);
    CHECK(config == NULL);
    if (!is_readable(refusals[i].text)) {
      CHECK(status == TK_UNSUPPORTED);
      CHECK(strstr(error.message, "built without libyaml") != NULL);
      continue;
    }
    CHECK(status == TK_INVALID);
    CHECK(strcmp(error.message, refusals[i].message) == 0);
    if (strcmp(error.message, refusals[i].message) != 0) {
      printf("# expected: %s\n# found:    %s\n", refusals[i].message, error.message);
    }
  }
  CHECK(count > 0);
}

#define REFUSALS(list) check_refusals(list, sizeof list / sizeof list[0])

static void a_collector_is_refused_with_its_policy_and_option(void) {
  REFUSALS(collector);
}

static void documents_are_refused_with_line_and_column(void) {
  REFUSALS(documents);
  REFUSALS(json);
}

static void jaeger_strategies_are_refused_with_their_service(void) {
  REFUSALS(jaeger);
}

static void refinery_rules_are_refused_with_target_and_rule(void) {
  REFUSALS(refinery);
}

static void sdk_configurations_are_refused_with_their_sampler(void) {
  REFUSALS(declarative);
  REFUSALS(environment);
}

static void xray_rules_are_refused_with_their_name(void) {
  REFUSALS(xray);
}

/* ---- bounds ---- */

static enum tk_status parse(const char *text, size_t size, const char *name,
                            struct tk_error *error) {
  struct tk_sampling_config *config = NULL;
  const enum tk_status status = tk_sampling_config_parse(text, size, name, &config, error);
  CHECK((status == TK_OK) == (config != NULL));
  tk_sampling_config_free(config);
  return status;
}

static void a_document_that_is_too_long_is_refused_unread(void) {
  static const char text[] = "{}";
  struct tk_error error = {{0}};
  CHECK(parse(text, TK_SAMPLING_CONFIG_LIMIT + 1, "long.json", &error) == TK_INVALID);
  CHECK(strcmp(error.message,
               "long.json:1:1: expected a sampling configuration of at most 4194304"
               " bytes, found 4194305") == 0);
}

static void a_message_needs_no_name_and_nobody_to_read_it(void) {
  struct tk_error error = {{0}};
  CHECK(parse("{\"a\": 1}", 8, NULL, &error) == TK_INVALID);
  CHECK(strncmp(error.message, "line 1, column 1: expected a sampling configuration", 51) == 0);
  CHECK(parse("{\"a\": 1}", 8, "a.json", NULL) == TK_INVALID);
}

static void a_long_name_keeps_its_end(void) {
  char name[600];
  struct tk_error error = {{0}};
  memset(name, 'd', sizeof name);
  memcpy(name + sizeof name - 11, "/last.json", 11);
  CHECK(parse("{\"a\": 1}", 8, name, &error) == TK_INVALID);
  CHECK(strstr(error.message, "/last.json:1:1: expected a sampling configuration") != NULL);
}

#ifdef TK_HAVE_YAML
/* Nine levels of ten aliases each: a thousand million values if it were written out. */
static void aliases_are_counted_each_time_they_are_used(void) {
  char text[2000];
  size_t size = 0;
  struct tk_error error = {{0}};
  size += (size_t)snprintf(text, sizeof text, "a: &a [x]\n");
  for (char level = 'b'; level < 'k'; level++) {
    size += (size_t)snprintf(text + size, sizeof text - size, "%c: &%c [", level, level);
    for (int i = 0; i < 10; i++) {
      size += (size_t)snprintf(text + size, sizeof text - size, "*%c,", level - 1);
    }
    size += (size_t)snprintf(text + size, sizeof text - size, "]\n");
  }
  CHECK(parse(text, size, "laughs.yaml", &error) == TK_INVALID);
  CHECK(strstr(error.message, "expected at most 200000 values, aliases counted each time") != NULL);
}

/* Each line is one level deeper than the one it names. */
static void aliases_do_not_hide_depth(void) {
  char text[8000];
  size_t size = (size_t)snprintf(text, sizeof text, "l0: &l0 []\n");
  struct tk_error error = {{0}};
  for (int i = 1; i < 100; i++) {
    size += (size_t)snprintf(text + size, sizeof text - size, "l%d: &l%d [*l%d]\n", i, i, i - 1);
  }
  CHECK(parse(text, size, "deep.yaml", &error) == TK_INVALID);
  CHECK(strstr(error.message, "expected lists and maps to nest at most 64 deep") != NULL);
}

static void more_anchors_than_anybody_writes_are_refused(void) {
  static char text[100000];
  size_t size = (size_t)snprintf(text, sizeof text, "a:\n");
  struct tk_error error = {{0}};
  for (int i = 0; i < 2000; i++) {
    size += (size_t)snprintf(text + size, sizeof text - size, "  - &a%d x\n", i);
  }
  CHECK(parse(text, size, "anchors.yaml", &error) == TK_INVALID);
  CHECK(strcmp(error.message, "anchors.yaml:1002:5: expected at most 1000 anchors, found more") ==
        0);
}

static void a_map_with_too_many_keys_is_refused(void) {
  static char text[100000];
  size_t size = 0;
  struct tk_error error = {{0}};
  for (int i = 0; i < 5000; i++) {
    size += (size_t)snprintf(text + size, sizeof text - size, "key%d: 1\n", i);
  }
  CHECK(parse(text, size, "wide.yaml", &error) == TK_INVALID);
  CHECK(strcmp(error.message,
               "wide.yaml:4097:10: expected at most 4096 keys in a map, found more") == 0);
}
#else
static void aliases_are_counted_each_time_they_are_used(void) {
}
static void aliases_do_not_hide_depth(void) {
}
static void more_anchors_than_anybody_writes_are_refused(void) {
}
static void a_map_with_too_many_keys_is_refused(void) {
}
#endif

CHECK_MAIN(CASE(a_collector_is_refused_with_its_policy_and_option),
           CASE(documents_are_refused_with_line_and_column),
           CASE(jaeger_strategies_are_refused_with_their_service),
           CASE(refinery_rules_are_refused_with_target_and_rule),
           CASE(sdk_configurations_are_refused_with_their_sampler),
           CASE(xray_rules_are_refused_with_their_name),
           CASE(a_document_that_is_too_long_is_refused_unread),
           CASE(a_message_needs_no_name_and_nobody_to_read_it), CASE(a_long_name_keeps_its_end),
           CASE(aliases_are_counted_each_time_they_are_used), CASE(aliases_do_not_hide_depth),
           CASE(more_anchors_than_anybody_writes_are_refused),
           CASE(a_map_with_too_many_keys_is_refused))
