/* SPDX-License-Identifier: MIT
 * The numbers that probabilistic policies draw: one for each salt, with the thresholds that they
 * compare it with. */
#include <string.h>

#include "sqlext/sampling/policy_compiled.h"
#include "sqlext/sampling/sampler_math.h"

enum { DRAW_LIMIT = 1000 /* probabilistic policies */ };

static double probability_of(const struct tk_sampling_policy *policy) {
  const double ratio = policy->as.probabilistic.percentage.value / 100;
  return !(ratio > 0) ? 0 : ratio > 1 ? 1 : ratio;
}

static bool same_text(struct tk_text a, struct tk_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void add_level(struct tk_draw *draw, uint64_t threshold, double probability) {
  uint32_t at = 0;
  while (at < draw->level_count && draw->levels[at].threshold < threshold) at++;
  if (at < draw->level_count && draw->levels[at].threshold == threshold) return;
  memmove(draw->levels + at + 1, draw->levels + at,
          (draw->level_count - at) * sizeof *draw->levels);
  draw->levels[at] = (struct tk_level){threshold, probability};
  draw->level_count++;
}

static enum tk_status make_memo(struct tk_program *program, struct tk_error *error) {
  struct tk_probability_memo *memo = &program->draws->memo;
  struct tk_arena *arena = &program->pool.arena;
  memo->width = 2 * program->words + 3;
  memo->keys = tk_arena_alloc(arena, (size_t)TK_MEMO_SLOTS * memo->width * sizeof *memo->keys);
  memo->key = tk_arena_alloc(arena, memo->width * sizeof *memo->key);
  memo->values = tk_arena_alloc(arena, TK_MEMO_SLOTS * sizeof *memo->values);
  if (!memo->keys || !memo->key || !memo->values) return tk_nomem(error);
  for (int i = 0; i < TK_MEMO_SLOTS; i++) memo->values[i] = -2;
  return TK_OK;
}

enum tk_status tk_find_draws(struct tk_program *program, struct tk_error *error) {
  struct tk_arena *arena = &program->pool.arena;
  const struct tk_sampling_policy *policy = NULL;
  uint32_t most = 0;
  while ((policy = tk_sampling_config_next(program->config, policy)) != NULL) {
    most += policy->type == TK_SAMPLING_PROBABILISTIC;
    if (most > DRAW_LIMIT) {
      return tk_program_refuse(program, policy, 0, TK_UNSUPPORTED, error,
                               "more than %d of its type", DRAW_LIMIT);
    }
  }
  struct tk_program_draws *draws = tk_arena_alloc(arena, sizeof *draws);
  if (!draws) return tk_nomem(error);
  *draws = (struct tk_program_draws){.items = tk_arena_alloc(arena, most * sizeof *draws->items),
                                     .cell = tk_arena_alloc(arena, most * sizeof *draws->cell)};
  if (!draws->items || !draws->cell) return tk_nomem(error);
  while ((policy = tk_sampling_config_next(program->config, policy)) != NULL) {
    if (policy->type != TK_SAMPLING_PROBABILISTIC) continue;
    uint32_t salt = 0;
    while (salt < draws->count &&
           !same_text(draws->items[salt].salt, policy->as.probabilistic.hash_salt)) {
      salt++;
    }
    struct tk_draw *draw = &draws->items[salt];
    if (salt == draws->count) {
      *draw = (struct tk_draw){.salt = policy->as.probabilistic.hash_salt,
                               .levels = tk_arena_alloc(arena, most * sizeof *draw->levels)};
      if (!draw->levels) return tk_nomem(error);
      draws->count++;
    }
    tk_compiled_of(program, policy)->salt = salt;
    add_level(draw, tk_tail_threshold(policy->as.probabilistic.percentage.value),
              probability_of(policy));
  }
  while ((policy = tk_sampling_config_next(program->config, policy)) != NULL) {
    if (policy->type != TK_SAMPLING_PROBABILISTIC) continue;
    struct tk_compiled_policy *compiled = tk_compiled_of(program, policy);
    const uint64_t threshold = tk_tail_threshold(policy->as.probabilistic.percentage.value);
    compiled->level = 0;
    while (draws->items[compiled->salt].levels[compiled->level].threshold != threshold) {
      compiled->level++;
    }
  }
  program->draws = draws;
  return make_memo(program, error);
}
