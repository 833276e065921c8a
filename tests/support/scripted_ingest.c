/* SPDX-License-Identifier: MIT */
#include "tests/support/scripted_ingest.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/fault_memory.h"
#include "tests/support/span_builder.h"
#include "tracekeep/hash.h"

enum { BATCH_BYTES = 100, CANDIDATES = 8 };

/* ---- spans ---- */

static void add_details(struct tk_batch *batch, struct tk_span *span, uint64_t n, uint64_t random) {
  char key[32];
  build_attribute(batch, &span->attributes, "http.route",
                  value_text(build_text(batch, "/items/%u", (unsigned)(random % 9))));
  build_attribute(batch, &span->attributes, "n", value_int((int64_t)n));
  if (n % 4 == 1) build_attribute(batch, &span->attributes, "n", value_double((double)n / 3));
  snprintf(key, sizeof key, "rare.%u", (unsigned)(n % 50));
  if (n % 7 == 0) build_attribute(batch, &span->attributes, key, value_bool(1));
  if (n % 5 == 2) {
    struct tk_event *events = build_events(batch, span, 2);
    for (int i = 0; i < 2; i++) {
      events[i].time_unix_ns = span->start_unix_ns + n % 10;
      events[i].name = build_text(batch, "event %d", i);
      build_attribute(batch, &events[i].attributes, "message",
                      value_text(build_text(batch, "took %llu ms", (unsigned long long)random)));
    }
  }
  if (n % 11 == 3) {
    struct tk_link *link = build_links(batch, span, 1);
    write_id(link->trace_id, 16, random);
    write_id(link->span_id, 8, n);
  }
}

static void add_span(struct tk_batch *batch, const struct script *script, uint64_t n,
                     struct tk_resource *const *resources) {
  uint64_t state = script->seed * 1000003 + n;
  const uint64_t random = next_random(&state);
  if (!script->plain && n % 13 == 5 && n > 40 + script->first_span) {
    add_span(batch, script, n - 1 - random % 40, resources); /* a duplicate */
    return;
  }
  const bool conflict = !script->plain && n % 29 == 7 && n > 40 + script->first_span;
  if (conflict) n -= 1 + random % 40;
  if (conflict) state = script->seed * 1000003 + n;
  const uint64_t pick = conflict ? next_random(&state) : random;
  const uint64_t trace = n / (script->trace_spans * 2) * 2 + pick % 2 + 1;
  struct tk_span *span = build_span(batch, trace, n + 1, pick % 3 ? n - pick % 4 : 0,
                                    UINT64_C(1700000000000000000) + n * 1000 - pick % 5000);
  span->name = build_text(batch, conflict ? "changed %u" : "step %u", (unsigned)(n % 17));
  span->kind = (int32_t)(pick % 6);
  span->resource = resources[n % 3];
  span->status_code = (int32_t)(n % 19 == 4) * 2;
  if (trace % 7 == 3) {
    span->presence |= TK_SPAN_TEXT_TRACE_ID;
    span->trace_id_text = build_text(batch, "case-%llu", (unsigned long long)trace);
    tk_trace_id_from_text(span->trace_id_text, span->trace_id);
  }
  add_details(batch, span, n, pick);
}

/* Scripts of another name are another source, though they may have the same spans. */
static uint64_t head_hash(const struct script *script) {
  return tk_hash64(script->name, strlen(script->name)) ^ script->seed;
}

static uint64_t hash_up_to(const struct script *script, uint64_t offset) {
  const uint64_t words[2] = {head_hash(script), offset};
  return offset == 0 ? tk_hash64("", 0) : tk_hash64(words, sizeof words);
}

struct tk_batch *script_batch(const struct script *script, uint32_t index) {
  static const char *const services[] = {"shop", "cart", "stock"};
  struct tk_resource *resources[3];
  const bool empty = !script->plain && index % 5 == 3;
  fault_memory_suspend();
  struct tk_batch *batch = build_batch(script->spans_per_batch, 1);
  for (int i = 0; i < 3; i++) resources[i] = build_resource(batch, services[i]);
  for (uint32_t i = 0; i < script->spans_per_batch && !empty; i++) {
    add_span(batch, script, script->first_span + (uint64_t)index * script->spans_per_batch + i,
             resources);
  }
  if (!script->plain && index % 3 == 1) build_issue(batch, "json.syntax", index);
  batch->record_count = batch->span_count;
  batch->rejected_count = batch->issue_count;
  batch->begin_offset = (uint64_t)index * BATCH_BYTES;
  batch->end_offset = batch->begin_offset + BATCH_BYTES;
  batch->end_hash = hash_up_to(script, batch->end_offset);
  fault_memory_resume();
  return batch;
}

/* ---- ingest ---- */

static enum tk_status ingest_source(struct tk_ingest *ingest, const struct script *script,
                                    const struct script_run *run, uint32_t *batches_left,
                                    struct tk_error *error) {
  struct tk_progress candidates[CANDIDATES];
  const struct tk_progress *continued = NULL;
  const uint64_t end = (uint64_t)script->batch_count * BATCH_BYTES;
  size_t count = 0;
  enum tk_status status = tk_ingest_find_progress(ingest, script->name, head_hash(script),
                                                  candidates, CANDIDATES, &count, error);
  for (size_t i = 0; i < count && !continued; i++) {
    if (candidates[i].offset <= end &&
        candidates[i].hash == hash_up_to(script, candidates[i].offset)) {
      continued = &candidates[i];
    }
  }
  if (status == TK_OK) {
    status =
        tk_ingest_source_begin(ingest, script->name, "script", head_hash(script), continued, error);
  }
  const uint64_t offset = continued ? continued->offset : 0;
  for (uint32_t i = (uint32_t)(offset / BATCH_BYTES); i < script->batch_count; i++) {
    if (status != TK_OK || *batches_left == 0) return status;
    status = tk_ingest_append(ingest, script_batch(script, i), error);
    --*batches_left;
    if (status == TK_OK && run->commit_every && (i + 1) % run->commit_every == 0) {
      status = tk_ingest_commit(ingest, error);
    }
  }
  return status == TK_OK && *batches_left > 0 ? tk_ingest_source_end(ingest, error) : status;
}

enum tk_status ingest_scripts(struct tk_store *store, const struct script *scripts, uint32_t count,
                              const struct script_run *run, struct tk_ingest_counts *counts_out,
                              struct tk_error *error) {
  const struct tk_ingest_options options = {.thread_count = run->threads,
                                            .spans_per_segment = run->spans_per_segment};
  struct tk_ingest *ingest = NULL;
  uint32_t batches_left = run->stop_after ? run->stop_after : UINT32_MAX;
  enum tk_status status = tk_ingest_begin(store, &options, &ingest, error);
  for (uint32_t i = 0; i < count && status == TK_OK && batches_left > 0; i++) {
    status = ingest_source(ingest, &scripts[i], run, &batches_left, error);
    if (status == TK_OK && run->commit_every) status = tk_ingest_commit(ingest, error);
  }
  if (status == TK_OK && batches_left > 0) return tk_ingest_finish(ingest, counts_out, error);
  tk_ingest_abort(ingest);
  return status;
}

enum tk_status ingest_scripts_into(const char *path, const struct script *scripts, uint32_t count,
                                   const struct script_run *run,
                                   struct tk_ingest_counts *counts_out, struct tk_error *error) {
  struct tk_store *store = NULL;
  enum tk_status status = tk_store_open(path, TK_OPEN_CREATE, &store, error);
  if (status == TK_OK) status = ingest_scripts(store, scripts, count, run, counts_out, error);
  tk_store_close(store);
  return status;
}
