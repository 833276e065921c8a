/* SPDX-License-Identifier: MIT
 * Decides in the order of traces' ends. See replay_order.h. The order is total: traces that end in
 * the same nanosecond follow one another by id. */
#include "sqlext/sampling/replay_order.h"

#include <stdlib.h>
#include <string.h>

/* What is kept of a trace; behind it the stages that decide by span, hits and errors. */
struct record {
  uint8_t trace_id[16];
  int64_t start, end;
  uint64_t bytes, randomness;
  uint32_t span_count, error_count, choice, unused;
};

struct key {
  int64_t end;
  uint8_t trace_id[16];
  uint32_t number;
};

static int compare_keys(const void *left, const void *right) {
  const struct key *a = left, *b = right;
  if (a->end != b->end) return a->end > b->end ? 1 : -1;
  return memcmp(a->trace_id, b->trace_id, 16);
}

static void pack(const struct tk_program *program, const struct tk_replay_facts *facts,
                 uint8_t *to) {
  struct record record = {.start = facts->start,
                          .end = facts->end,
                          .bytes = facts->bytes,
                          .randomness = facts->randomness,
                          .span_count = facts->span_count,
                          .error_count = facts->error_count,
                          .choice = facts->choice};
  const size_t stages = program->span_stage_count * sizeof(struct tk_span_stage);
  const size_t words = program->words * sizeof(uint64_t);
  memcpy(record.trace_id, facts->trace_id, 16);
  memcpy(to, &record, sizeof record);
  memcpy(to + sizeof record, facts->stages, stages);
  memcpy(to + sizeof record + stages, facts->hits, words);
  memcpy(to + sizeof record + stages + words, facts->errors, words);
}

static void unpack(const struct tk_program *program, const uint8_t *from,
                   struct tk_replay_facts *facts) {
  struct record record;
  const size_t stages = program->span_stage_count * sizeof(struct tk_span_stage);
  const size_t words = program->words * sizeof(uint64_t);
  memcpy(&record, from, sizeof record);
  memcpy(facts->trace_id, record.trace_id, 16);
  facts->start = record.start;
  facts->end = record.end;
  facts->bytes = record.bytes;
  facts->randomness = record.randomness;
  facts->span_count = record.span_count;
  facts->error_count = record.error_count;
  facts->choice = record.choice;
  memcpy(facts->stages, from + sizeof record, stages);
  memcpy(facts->hits, from + sizeof record + stages, words);
  memcpy(facts->errors, from + sizeof record + stages + words, words);
}

static enum tk_status append(struct tk_replay_order *order, const struct tk_program *program,
                             const struct tk_replay_facts *facts, struct tk_error *error) {
  if (order->count == order->capacity) {
    if (order->capacity > UINT32_MAX / 2) {
      return tk_fail(error, TK_UNSUPPORTED, "more traces than can be put in order");
    }
    const uint32_t capacity = order->capacity ? order->capacity * 2 : 256;
    void *larger = sqlite3_realloc64(order->records, (uint64_t)capacity * order->size);
    if (!larger) return tk_nomem(error);
    order->records = larger;
    order->capacity = capacity;
  }
  pack(program, facts, order->records + order->count++ * order->size);
  return TK_OK;
}

static enum tk_status collect(struct tk_replay_order *order, struct tk_replay_walk *walk,
                              struct tk_replay_facts *facts, struct tk_error *error) {
  enum tk_status status;
  bool found;
  while ((status = tk_replay_walk_next(walk, &found, error)) == TK_OK && found) {
    if ((status = tk_replay_walk_facts(walk, facts, error)) != TK_OK) return status;
    if ((status = append(order, walk->program, facts, error)) != TK_OK) return status;
  }
  return status;
}

static struct key *make_keys(const struct tk_replay_order *order) {
  struct key *keys = sqlite3_malloc64(order->count * sizeof *keys + 1);
  for (uint32_t i = 0; keys && i < order->count; i++) {
    struct record record;
    memcpy(&record, order->records + i * order->size, sizeof record);
    keys[i] = (struct key){.end = record.end, .number = i};
    memcpy(keys[i].trace_id, record.trace_id, 16);
  }
  if (keys && order->count > 1) qsort(keys, order->count, sizeof *keys, compare_keys);
  return keys;
}

enum tk_status tk_replay_order_decide(struct tk_replay_order *order, struct tk_replay_walk *walk,
                                      bool wants_probability, struct tk_error *error) {
  struct tk_program *program = walk->program;
  struct tk_replay_facts facts = {0};
  struct key *keys = NULL;
  enum tk_status status;

  order->size = sizeof(struct record) + program->span_stage_count * sizeof(struct tk_span_stage) +
                2 * program->words * sizeof(uint64_t);
  facts.hits = sqlite3_malloc64(2 * program->words * sizeof(uint64_t));
  if (!facts.hits) return tk_nomem(error);
  facts.errors = facts.hits + program->words;
  if ((status = collect(order, walk, &facts, error)) != TK_OK) goto done;
  keys = make_keys(order);
  order->decisions = sqlite3_malloc64(order->count * sizeof *order->decisions + 1);
  if (!keys || !order->decisions) {
    status = tk_nomem(error);
    goto done;
  }
  tk_program_rewind(program);
  for (uint32_t i = 0; i < order->count && status == TK_OK; i++) {
    unpack(program, order->records + keys[i].number * order->size, &facts);
    status = tk_program_decide(program, &facts, wants_probability,
                               &order->decisions[keys[i].number], error);
  }

done:
  sqlite3_free(keys);
  sqlite3_free(facts.hits);
  sqlite3_free(order->records);
  order->records = NULL;
  order->capacity = 0;
  return status;
}

void tk_replay_order_reset(struct tk_replay_order *order) {
  sqlite3_free(order->records);
  sqlite3_free(order->decisions);
  *order = (struct tk_replay_order){0};
}
