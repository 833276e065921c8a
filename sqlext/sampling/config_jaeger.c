/* SPDX-License-Identifier: MIT
 * Jaeger: the strategies file, and the answer a client gets for one service.
 *
 * The file's rules are applied here, so that the model says what a client would be told: a service
 * takes over the operations of the default strategy that it lacks, and operations can only be
 * probabilistic; a rate-limiting one is left out, as Jaeger does with a warning. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/config_reader.h"

#define DEFAULT_PROBABILITY 0.001

static struct tk_sampling_number default_probability(void) {
  return (struct tk_sampling_number){DEFAULT_PROBABILITY, {"", 0}};
}

/* ---- the strategies file ---- */

/* Type and param: PROBABILISTIC or RATE_LIMITING. */
static void read_strategy(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                          const struct tk_config_node *node) {
  static const char *const types[] = {"probabilistic", "ratelimiting", NULL};
  const struct tk_config_node *type = tk_config_get(node, "type");
  const bool has_type = type && !tk_config_is_text(type, "");
  const int choice = has_type ? tk_config_word(reader, type, "type", types) : 0;
  policy->type = TK_SAMPLING_JAEGER_PROBABILISTIC;
  policy->as.jaeger.probability = default_probability();
  if (!has_type || reader->status != TK_OK) return;
  if (choice == 0) {
    tk_config_need(reader, node, "param", "a probability");
    policy->as.jaeger.probability =
        tk_config_number(reader, node, "param", "a probability from 0 to 1", 0, 1, 0);
  } else {
    tk_config_need(reader, node, "param", "a number of traces a second");
    policy->type = TK_SAMPLING_JAEGER_RATE_LIMITING;
    policy->as.jaeger.traces_per_second =
        (int32_t)tk_config_number(reader, node, "param", "a number of traces a second", 0,
                                  INT32_MAX, 0)
            .value;
  }
}

static bool is_rate_limiting(const struct tk_config_node *node) {
  return tk_config_is_text(tk_config_get(node, "type"), "ratelimiting");
}

static const struct tk_config_node *operations_of(const struct tk_config_node *strategy) {
  const struct tk_config_node *list = tk_config_get(strategy, "operation_strategies");
  return list && list->kind == TK_CONFIG_LIST && list->count > 0 ? list : NULL;
}

/* Operations that a service has itself, by name. */
struct operation_set {
  const struct tk_config_node **names;
  uint32_t count;
};

static int compare_names(const void *left, const void *right) {
  const struct tk_config_node *const *a = left, *const *b = right;
  return strcmp((*a)->text.data, (*b)->text.data);
}

static bool has_operation(const struct operation_set *set, const struct tk_config_node *name) {
  return set->count > 0 &&
         bsearch(&name, set->names, set->count, sizeof *set->names, compare_names) != NULL;
}

static void collect_operations(struct tk_config_reader *reader, struct operation_set *set,
                               const struct tk_config_node *list) {
  *set = (struct operation_set){NULL, 0};
  if (!list) return;
  set->names = tk_config_allocate(reader, list->count, sizeof *set->names);
  for (uint32_t i = 0; set->names && i < list->count; i++) {
    if (is_rate_limiting(list->items[i])) continue;
    set->names[set->count++] = tk_config_get(list->items[i], "operation");
  }
  if (set->count > 0) qsort(set->names, set->count, sizeof *set->names, compare_names);
}

static void check_operations(struct tk_config_reader *reader, const struct tk_config_node *list) {
  static const char *const keys[] = {"operation", "type", "param", NULL};
  for (uint32_t i = 0; list && i < list->count && reader->status == TK_OK; i++) {
    const struct tk_config_node *item = list->items[i];
    struct tk_sampling_policy strategy;
    if (!tk_config_check_map(reader, item, "an operation strategy")) return;
    tk_config_only(reader, item, "an operation strategy", keys);
    tk_config_text_needed(reader, item, "operation", "the name of an operation");
    read_strategy(reader, &strategy, item);
  }
}

/* How many of `list` clients are told about, without those that are in `hidden`. */
static uint32_t count_operations(const struct tk_config_node *list,
                                 const struct operation_set *hidden) {
  uint32_t count = 0;
  for (uint32_t i = 0; list && i < list->count; i++) {
    count += !is_rate_limiting(list->items[i]) &&
             !has_operation(hidden, tk_config_get(list->items[i], "operation"));
  }
  return count;
}

static void add_operations(struct tk_config_reader *reader, struct tk_sampling_policy *children,
                           const struct tk_sampling_policy *parent,
                           const struct tk_config_node *list, const struct operation_set *hidden,
                           bool is_inherited) {
  for (uint32_t i = 0; list && i < list->count && reader->status == TK_OK; i++) {
    const struct tk_config_node *item = list->items[i];
    const struct tk_config_node *name = tk_config_get(item, "operation");
    if (is_rate_limiting(item) || has_operation(hidden, name)) continue;
    tk_config_start(reader, children, parent, TK_SAMPLING_JAEGER_PROBABILISTIC, item);
    read_strategy(reader, children, item);
    children->service = parent->service;
    children->operation = tk_config_copy(reader, name, "operation");
    children->as.jaeger.inherited = is_inherited;
    children++;
  }
}

/* The operations of a service: its own, and what it takes over from `inherited`. */
static void read_operations(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                            const struct tk_config_node *own,
                            const struct tk_config_node *inherited,
                            const struct tk_sampling_policy *origin) {
  static const struct operation_set none = {NULL, 0};
  struct tk_sampling_jaeger *jaeger = &policy->as.jaeger;
  struct operation_set owned;
  if (!own && !inherited) return;
  jaeger->has_operations = true;
  jaeger->default_probability = policy->type == TK_SAMPLING_JAEGER_PROBABILISTIC
                                    ? jaeger->probability
                                : own ? default_probability()
                                      : origin->as.jaeger.default_probability;
  collect_operations(reader, &owned, own);
  const uint32_t count = count_operations(own, &none);
  const uint32_t more = count_operations(inherited, &owned);
  struct tk_sampling_policy *children =
      count + more > 0 ? tk_config_policies(reader, policy, count + more) : NULL;
  if (!children) return;
  add_operations(reader, children, policy, own, &none, false);
  add_operations(reader, children + count, policy, inherited, &owned, true);
}

static void read_service(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                         const struct tk_config_node *node, const struct tk_sampling_policy *origin,
                         const struct tk_config_node *inherited) {
  static const char *const keys[] = {"service", "type", "param", "operation_strategies", NULL};
  tk_config_start(reader, policy, NULL, TK_SAMPLING_JAEGER_PROBABILISTIC, node);
  if (!tk_config_check_map(reader, node, "a strategy")) return;
  tk_config_only(reader, node, "a strategy", keys);
  if (origin) {
    const struct tk_text service =
        tk_config_text_needed(reader, node, "service", "the name of a service");
    if (reader->status != TK_OK) return;
    policy->service = service;
    tk_config_where(reader, "strategy of service '%.60s'", service.data);
  } else {
    tk_config_where(reader, "default_strategy");
  }
  read_strategy(reader, policy, node);
  check_operations(reader, tk_config_list(reader, node, "operation_strategies"));
  if (reader->status != TK_OK) return;
  read_operations(reader, policy, operations_of(node), inherited, origin);
  reader->where[0] = '\0';
}

static void check_service(struct tk_config_reader *reader, const struct tk_sampling_policy *roots,
                          uint32_t index, const struct tk_config_node *node) {
  for (uint32_t i = 1; i < index && reader->status == TK_OK; i++) {
    if (roots[i].service.size != roots[index].service.size ||
        memcmp(roots[i].service.data, roots[index].service.data, roots[i].service.size) != 0) {
      continue;
    }
    tk_config_fail(reader, tk_config_get(node, "service"),
                   "expected one strategy for each service, found '%.60s' again (first on line %u)",
                   roots[i].service.data, roots[i].line);
  }
}

void tk_config_read_jaeger_strategies(struct tk_config_reader *reader) {
  static const char *const keys[] = {"default_strategy", "service_strategies", NULL};
  const struct tk_config_node *root = reader->document->root;
  const struct tk_config_node *standard = tk_config_get(root, keys[0]);
  const struct tk_config_node *services = tk_config_list(reader, root, keys[1]);
  const uint32_t count = services ? services->count : 0;
  tk_config_only(reader, root, "a strategies file", keys);
  struct tk_sampling_policy *roots = tk_config_policies(reader, NULL, count + 1);
  if (!roots) return;
  if (standard) {
    read_service(reader, &roots[0], standard, NULL, NULL);
  } else {
    tk_config_start(reader, &roots[0], NULL, TK_SAMPLING_JAEGER_PROBABILISTIC, root);
    roots[0].as.jaeger.probability = default_probability();
    roots[0].implied = true;
  }
  for (uint32_t i = 0; i < count && reader->status == TK_OK; i++) {
    read_service(reader, &roots[i + 1], services->items[i], &roots[0],
                 standard ? operations_of(standard) : NULL);
    if (reader->status == TK_OK) check_service(reader, roots, i + 1, services->items[i]);
  }
}

/* ---- the answer for one service ---- */

static struct tk_sampling_number read_rate(struct tk_config_reader *reader,
                                           const struct tk_config_node *node) {
  static const char *const keys[] = {"samplingRate", NULL};
  if (node) tk_config_only(reader, node, "probabilisticSampling", keys);
  /* What proto3 leaves out is 0. */
  return tk_config_number(reader, node, "samplingRate", "a probability from 0 to 1", 0, 1, 0);
}

static void read_answered_operations(struct tk_config_reader *reader,
                                     struct tk_sampling_policy *policy,
                                     const struct tk_config_node *node) {
  static const char *const keys[] = {
      "defaultSamplingProbability", "defaultLowerBoundTracesPerSecond",
      "defaultUpperBoundTracesPerSecond", "perOperationStrategies", NULL};
  static const char *const item_keys[] = {"operation", "probabilisticSampling", NULL};
  static const char rate[] = "a number of traces a second";
  struct tk_sampling_jaeger *jaeger = &policy->as.jaeger;
  const struct tk_config_node *list = tk_config_list(reader, node, keys[3]);
  tk_config_only(reader, node, "operationSampling", keys);
  jaeger->has_operations = true;
  jaeger->default_probability =
      tk_config_number(reader, node, keys[0], "a probability from 0 to 1", 0, 1, 0);
  jaeger->lower_bound = tk_config_number(reader, node, keys[1], rate, 0, 1e300, 0).value;
  jaeger->upper_bound = tk_config_number(reader, node, keys[2], rate, 0, 1e300, 0).value;
  struct tk_sampling_policy *children =
      list && list->count > 0 ? tk_config_policies(reader, policy, list->count) : NULL;
  for (uint32_t i = 0; children && i < list->count && reader->status == TK_OK; i++) {
    const struct tk_config_node *item = list->items[i];
    tk_config_start(reader, &children[i], policy, TK_SAMPLING_JAEGER_PROBABILISTIC, item);
    if (!tk_config_check_map(reader, item, "an operation strategy")) return;
    tk_config_only(reader, item, "an operation strategy", item_keys);
    children[i].operation =
        tk_config_text_needed(reader, item, "operation", "the name of an operation");
    tk_config_need(reader, item, item_keys[1], "a strategy");
    children[i].as.jaeger.probability =
        read_rate(reader, tk_config_map(reader, item, item_keys[1]));
  }
}

void tk_config_read_jaeger_answer(struct tk_config_reader *reader) {
  static const char *const keys[] = {"strategyType", "probabilisticSampling",
                                     "rateLimitingSampling", "operationSampling", NULL};
  static const char *const limit_keys[] = {"maxTracesPerSecond", NULL};
  static const struct tk_config_range limit = {"a number of traces a second", 0, INT32_MAX};
  const struct tk_config_node *root = reader->document->root;
  const struct tk_config_node *probabilistic = tk_config_map(reader, root, keys[1]);
  const struct tk_config_node *limiting = tk_config_map(reader, root, keys[2]);
  const struct tk_config_node *operations = tk_config_map(reader, root, keys[3]);
  tk_config_only(reader, root, "a sampling answer", keys);
  if (!probabilistic && !limiting && !operations) {
    tk_config_fail(reader, root,
                   "expected probabilisticSampling, rateLimitingSampling or operationSampling,"
                   " found none");
  }
  struct tk_sampling_policy *policy = tk_config_policies(reader, NULL, 1);
  if (!policy) return;
  tk_config_start(reader, policy, NULL,
                  probabilistic ? TK_SAMPLING_JAEGER_PROBABILISTIC
                  : limiting    ? TK_SAMPLING_JAEGER_RATE_LIMITING
                                : TK_SAMPLING_JAEGER_REMAINING,
                  root);
  policy->as.jaeger.probability = read_rate(reader, probabilistic);
  if (limiting) tk_config_only(reader, limiting, "rateLimitingSampling", limit_keys);
  policy->as.jaeger.traces_per_second =
      (int32_t)tk_config_integer(reader, limiting, limit_keys[0], &limit, 0).value;
  if (operations) read_answered_operations(reader, policy, operations);
}
