/* SPDX-License-Identifier: MIT
 * A collector's configuration: which of its processors sample, and which traces pipelines they are
 * in. Everything else in the file is somebody else's.
 *
 * Also fragments: the processors alone, one processor, or the policies of tail_sampling. Without
 * `service` there are no pipelines, and nothing is unused. */
#include <string.h>

#include "sqlext/sampling/config_reader.h"

/* A sampling processor, and where it comes among the roots. */
struct processor {
  const struct tk_config_node *key;
  const struct tk_config_node *body; /* a map, or null */
  uint32_t root;                     /* UINT32_MAX: not placed yet */
};

struct processors {
  struct processor *items;
  uint32_t count, placed;
};

static bool samples(struct tk_text name) {
  return tk_config_is_component(name, "tail_sampling") ||
         tk_config_is_component(name, "probabilistic_sampler");
}

static void read_probabilistic_sampler(struct tk_config_reader *reader,
                                       struct tk_sampling_policy *policy,
                                       const struct tk_config_node *node) {
  static const char *const keys[] = {
      "sampling_percentage", "hash_seed",          "mode",
      "fail_closed",         "sampling_precision", "attribute_source",
      "from_attribute",      "sampling_priority",  NULL};
  static const char *const modes[] = {"hash_seed", "proportional", "equalizing", NULL};
  static const struct tk_config_range seed = {"a whole number", 0, UINT32_MAX};
  static const struct tk_config_range digits = {"a number of digits", 1, 14};
  tk_config_only(reader, node, "probabilistic_sampler", keys);
  policy->as.probabilistic_sampler = (struct tk_sampling_probabilistic_sampler){
      .percentage = tk_config_number(reader, node, "sampling_percentage",
                                     "a percentage, at least 0", 0, 3.4028234663852886e38, 0),
      .mode =
          (enum tk_sampler_mode)tk_config_choice(reader, node, "mode", modes, TK_MODE_HASH_SEED),
      .hash_seed = (uint32_t)tk_config_integer(reader, node, "hash_seed", &seed, 0).value,
      .fail_closed = tk_config_boolean(reader, node, "fail_closed", true),
      .precision =
          (uint32_t)tk_config_integer(reader, node, "sampling_precision", &digits, 4).value};
  const float percentage = (float)policy->as.probabilistic_sampler.percentage.value;
  if (percentage > 0 && (double)percentage / 100 < 0x1p-56) {
    tk_config_expect(reader, tk_config_get(node, "sampling_percentage"),
                     "sampling_percentage to be 0 or at least 1.4e-15");
  }
}

static void read_processor(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                           const struct processor *processor) {
  struct tk_config_node nothing = {
      .kind = TK_CONFIG_MAP, .line = processor->key->line, .column = processor->key->column};
  const struct tk_config_node *body = processor->body;
  const bool is_tail = tk_config_is_component(processor->key->text, "tail_sampling");
  tk_config_start(reader, policy, NULL,
                  is_tail ? TK_SAMPLING_TAIL : TK_SAMPLING_PROBABILISTIC_SAMPLER, processor->key);
  policy->name = tk_config_copy(reader, processor->key, "a processor");
  if (reader->status != TK_OK) return;
  if (tk_config_is_null(body)) body = &nothing;
  if (!tk_config_check_map(reader, body, policy->name.data)) return;
  tk_config_where(reader, "%.80s", policy->name.data);
  if (is_tail) {
    tk_config_read_tail(reader, policy, body);
  } else {
    read_probabilistic_sampler(reader, policy, body);
  }
  reader->where[0] = '\0';
}

/* ---- pipelines ---- */

static struct processor *find_processor(const struct processors *processors,
                                        const struct tk_config_node *name) {
  for (uint32_t i = 0; i < processors->count; i++) {
    if (tk_config_is_text(name, processors->items[i].key->text.data)) {
      return &processors->items[i];
    }
  }
  return NULL;
}

/* The samplers of one pipeline; those met for the first time are the next roots. */
static void read_stages(struct tk_config_reader *reader, struct tk_sampling_pipeline *pipeline,
                        struct processors *processors, const struct tk_config_node *list,
                        uint32_t *stages) {
  for (uint32_t i = 0; i < list->count && reader->status == TK_OK; i++) {
    const struct tk_config_node *name = list->items[i];
    if (name->kind != TK_CONFIG_SCALAR || !samples(name->text)) continue;
    struct processor *processor = find_processor(processors, name);
    if (!processor) {
      tk_config_expect(reader, name, "pipeline %.60s to name processors that are configured",
                       pipeline->name.data);
      return;
    }
    if (processor->root == UINT32_MAX) processor->root = processors->placed++;
    stages[pipeline->stage_count++] = processor->root;
  }
}

/* Stages as indices of roots: the roots have no place yet. */
static uint32_t **read_pipelines(struct tk_config_reader *reader, struct processors *processors,
                                 const struct tk_config_node *pipelines) {
  struct tk_sampling_config *config = reader->config;
  struct tk_sampling_pipeline *read =
      tk_config_allocate(reader, pipelines->count + 1, sizeof *read);
  uint32_t **stages = tk_config_allocate(reader, pipelines->count + 1, sizeof *stages);
  if (!read || !stages) return NULL;
  config->pipelines = read;
  for (uint32_t i = 0; i < pipelines->count && reader->status == TK_OK; i++) {
    if (!tk_config_is_component(pipelines->keys[i]->text, "traces")) continue;
    const struct tk_config_node *list = tk_config_list(reader, pipelines->items[i], "processors");
    if (!list) continue;
    struct tk_sampling_pipeline *pipeline = &read[config->pipeline_count];
    pipeline->name = tk_config_copy(reader, pipelines->keys[i], "a pipeline");
    stages[config->pipeline_count] = tk_config_allocate(reader, list->count + 1, sizeof **stages);
    if (!stages[config->pipeline_count]) return NULL;
    read_stages(reader, pipeline, processors, list, stages[config->pipeline_count]);
    if (pipeline->stage_count > 0) config->pipeline_count++;
  }
  return reader->status == TK_OK ? stages : NULL;
}

static void resolve_stages(struct tk_config_reader *reader, uint32_t *const *stages) {
  struct tk_sampling_config *config = reader->config;
  /* The pipelines were made here, in the arena, and are not constant yet. */
  struct tk_sampling_pipeline *pipelines =
      tk_config_allocate(reader, config->pipeline_count, sizeof *pipelines);
  for (uint32_t i = 0; pipelines && i < config->pipeline_count; i++) {
    const struct tk_sampling_policy **items =
        tk_config_allocate(reader, config->pipelines[i].stage_count, sizeof *items);
    pipelines[i] = config->pipelines[i];
    for (uint32_t k = 0; items && k < pipelines[i].stage_count; k++) {
      items[k] = &config->roots[stages[i][k]];
    }
    pipelines[i].stages = items;
  }
  config->pipelines = pipelines;
}

/* ---- the file ---- */

static void read_roots(struct tk_config_reader *reader, struct processors *processors,
                       const struct tk_config_node *pipelines) {
  uint32_t **stages = NULL;
  if (pipelines && !(stages = read_pipelines(reader, processors, pipelines))) return;
  const uint32_t used = processors->placed;
  for (uint32_t i = 0; i < processors->count; i++) {
    if (processors->items[i].root == UINT32_MAX) processors->items[i].root = processors->placed++;
  }
  struct tk_sampling_policy *roots = tk_config_policies(reader, NULL, processors->count);
  for (uint32_t root = 0; roots && root < processors->count && reader->status == TK_OK; root++) {
    uint32_t at = 0;
    while (processors->items[at].root != root) at++;
    read_processor(reader, &roots[root], &processors->items[at]);
    roots[root].unused = pipelines && root >= used;
  }
  if (stages && reader->status == TK_OK) resolve_stages(reader, stages);
}

static void read_processors(struct tk_config_reader *reader, const struct tk_config_node *map,
                            const struct tk_config_node *pipelines) {
  struct processors processors = {0};
  processors.items = tk_config_allocate(reader, map->count + 1, sizeof *processors.items);
  for (uint32_t i = 0; processors.items && i < map->count; i++) {
    if (!samples(map->keys[i]->text)) continue;
    processors.items[processors.count++] =
        (struct processor){.key = map->keys[i], .body = map->items[i], .root = UINT32_MAX};
  }
  if (processors.count == 0) {
    tk_config_fail(reader, map,
                   "expected a processor that samples, tail_sampling or probabilistic_sampler,"
                   " found none");
    return;
  }
  read_roots(reader, &processors, pipelines);
}

void tk_config_read_collector(struct tk_config_reader *reader) {
  const struct tk_config_node *root = reader->document->root;
  const struct tk_config_node *processors = tk_config_map(reader, root, "processors");
  const struct tk_config_node *service = tk_config_map(reader, root, "service");
  const struct tk_config_node *pipelines = tk_config_map(reader, service, "pipelines");
  if (reader->status != TK_OK) return;
  if (processors) {
    read_processors(reader, processors, pipelines);
  } else if (tk_config_get(root, "policies")) {
    struct tk_sampling_policy *policy = tk_config_policies(reader, NULL, 1);
    if (!policy) return;
    tk_config_start(reader, policy, NULL, TK_SAMPLING_TAIL, root);
    policy->name = tk_config_constant("tail_sampling");
    tk_config_read_tail(reader, policy, root);
  } else {
    read_processors(reader, root, NULL);
  }
}
