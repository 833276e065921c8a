/* SPDX-License-Identifier: MIT
 * Token buckets and per-second counters, in integers: what a limiter let through is the same on
 * every machine. */
#include "sqlext/sampling/policy_compiled.h"

#define MILLION INT64_C(1000000)
#define SECOND INT64_C(1000000000)

bool tk_limiter_take(struct tk_limiter *limiter, int64_t now, int64_t count) {
  const tk_tokens full = (tk_tokens)limiter->burst * SECOND;
  const tk_tokens cost = (tk_tokens)count * MILLION * SECOND;
  if (!limiter->is_started) {
    limiter->is_started = true;
    limiter->tokens = full;
    limiter->last = now;
  }
  tk_tokens tokens = limiter->tokens;
  if (now > limiter->last) {
    tokens += (tk_tokens)((uint64_t)now - (uint64_t)limiter->last) * limiter->rate;
    limiter->last = now;
  }
  if (tokens > full) tokens = full;
  limiter->tokens = tokens;
  if (cost > tokens) return false;
  limiter->tokens -= cost;
  return true;
}

static int64_t second_of(int64_t ns) {
  const int64_t rest = ns % SECOND;
  return (ns - (rest < 0 ? rest + SECOND : rest)) / SECOND;
}

int64_t *tk_second_used(struct tk_second *second, int64_t now) {
  const int64_t current = second_of(now);
  if (!second->is_started || second->second != current) {
    *second = (struct tk_second){.second = current, .is_started = true};
  }
  return &second->used;
}
