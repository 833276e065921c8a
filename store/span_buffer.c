/* SPDX-License-Identifier: MIT
 * A cut works on four tables made for it alone (struct plan) and touches the buffer only when all
 * of them are complete, so that running out of memory leaves everything as it was. */
#include "store/span_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "store/segment/span_order.h"
#include "store/sqlite_api.h"

enum {
  MAX_TARGETS = 4,   /* a segment holds at most this many times the target */
  RESERVE_SHARE = 8, /* a trace is quiet when none of the last target/8 spans are its own */
  OPEN_SHARE = 4,    /* a last segment of up to target/4 stays open for the next ingest */
  TIER_SHARE = 64,   /* tiers of up to target/64 are always written again with the next */
  TIER_FACTOR = 2    /* and larger ones, if they have at most twice the spans of what follows */
};

/* ---- adding ---- */

static bool reserve(void *array_pointer, uint32_t *capacity, uint64_t wanted, size_t size) {
  void *old, *larger;
  if (wanted <= *capacity) return true;
  uint64_t grown = *capacity ? (uint64_t)*capacity * 2 : 64;
  if (grown < wanted) grown = wanted;
  if (grown > UINT32_MAX) return false;
  memcpy(&old, array_pointer, sizeof old);
  larger = sqlite3_realloc64(old, grown * size);
  if (!larger) return false;
  memcpy(array_pointer, &larger, sizeof larger);
  *capacity = (uint32_t)grown;
  return true;
}

enum tk_status tk_span_buffer_add(struct tk_span_buffer *buffer, struct tk_batch *batch,
                                  uint32_t source, struct tk_error *error) {
  if (!reserve(&buffer->batches, &buffer->batch_capacity, (uint64_t)buffer->batch_count + 1,
               sizeof(struct tk_batch *)) ||
      !reserve(&buffer->entries, &buffer->capacity, (uint64_t)buffer->count + batch->span_count,
               sizeof *buffer->entries)) {
    tk_batch_free(batch);
    return tk_nomem(error);
  }
  buffer->batches[buffer->batch_count++] = batch;
  for (uint32_t i = 0; i < batch->span_count; i++) {
    buffer->entries[buffer->count++] = (struct tk_buffered_span){&batch->spans[i], source};
  }
  return TK_OK;
}

static enum tk_status absorb_segment(struct tk_span_buffer *buffer, struct tk_reader *reader,
                                     uint32_t index, struct tk_error *error) {
  const struct tk_segment_summary summary = reader->segments[index];
  const struct tk_segment *segment = NULL;
  if (!reserve(&buffer->tiers, &buffer->tier_capacity, (uint64_t)buffer->tier_count + 1,
               sizeof *buffer->tiers)) {
    return tk_nomem(error);
  }
  struct tk_open_tier *tier = &buffer->tiers[buffer->tier_count++];
  *tier = (struct tk_open_tier){.segment_id = summary.id};
  /* First, because it finds out whether the count can be believed. */
  enum tk_status status = tk_reader_segment(reader, index, &segment, error);
  if (status != TK_OK) return status;
  struct tk_span *spans = tk_arena_alloc(&tier->arena, summary.span_count * sizeof *spans);
  if (!spans || !reserve(&buffer->entries, &buffer->capacity,
                         (uint64_t)buffer->count + summary.span_count, sizeof *buffer->entries)) {
    tk_segment_release(segment);
    return tk_nomem(error);
  }
  status = tk_reader_spans(reader, segment, 0, summary.span_count, &tier->arena, spans, error);
  if (status == TK_OK) tier->span_count = summary.span_count;
  for (uint32_t i = 0; i < summary.span_count && status == TK_OK; i++) {
    buffer->entries[buffer->count++] = (struct tk_buffered_span){&spans[i], TK_SETTLED};
  }
  buffer->settled_count = buffer->count;
  tk_segment_release(segment);
  return status;
}

enum tk_status tk_span_buffer_absorb(struct tk_span_buffer *buffer, struct tk_reader *reader,
                                     struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < reader->segment_count && status == TK_OK; i++) {
    if (!(reader->segments[i].flags & TK_SEGMENT_OPEN)) continue;
    status = absorb_segment(buffer, reader, i, error);
  }
  buffer->cut_count = buffer->count;
  return status;
}

static void free_batches(struct tk_batch **batches, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) tk_batch_free(batches[i]);
  sqlite3_free(batches);
}

void tk_span_buffer_reset(struct tk_span_buffer *buffer) {
  free_batches(buffer->batches, buffer->batch_count);
  sqlite3_free(buffer->entries);
  for (uint32_t i = 0; i < buffer->tier_count; i++) tk_arena_reset(&buffer->tiers[i].arena);
  sqlite3_free(buffer->tiers);
  *buffer = (struct tk_span_buffer){0};
}

bool tk_span_buffer_is_full(const struct tk_span_buffer *buffer, uint32_t target) {
  const uint32_t added = buffer->count - buffer->cut_count;
  /* The second: where ingests were killed again and again, each leaving a larger tail. */
  return (added >= target / 2 && buffer->count >= target + target / RESERVE_SHARE) ||
         (added >= target / RESERVE_SHARE && buffer->count / MAX_TARGETS >= target);
}

/* ---- planning a cut ---- */

/* The buffered spans of one trace. */
struct group {
  const struct tk_span *first;
  uint64_t start;                    /* earliest */
  uint32_t last_arrival;             /* entry index of its latest span */
  uint32_t kept;                     /* spans that are not duplicates */
  uint32_t written;                  /* of these, those not in tiers that stand */
  uint32_t place_first, place_count; /* where else the trace is stored: into plan.places */
  uint32_t noted_tier;               /* 1 + the last that was found to hold a part of it */
  bool has_new, held;
  bool in_piece; /* has spans outside of tiers that stand, perhaps all of them duplicates */
};

struct stored_span {
  const struct tk_span *span;
  uint32_t group;
};

struct plan {
  struct group *groups;
  uint32_t group_count;
  uint32_t *group_of; /* per entry */
  bool *keep;         /* per entry */
  int64_t *places;    /* segment ids */
  uint32_t place_count, place_capacity;
  struct stored_span *stored;
  uint32_t stored_count, stored_capacity;
  struct tk_arena stored_arena;
  uint32_t *slots; /* identity table: stored span + 1, or entry + 1 + stored_count */
  uint64_t slot_mask;
  uint32_t new_count, kept_count;
  uint32_t standing_tiers; /* that stay as they are */
  uint32_t standing_count; /* their entries, the first */
};

static void reset_plan(struct plan *plan) {
  sqlite3_free(plan->groups);
  sqlite3_free(plan->group_of);
  sqlite3_free(plan->keep);
  sqlite3_free(plan->places);
  sqlite3_free(plan->stored);
  sqlite3_free(plan->slots);
  tk_arena_reset(&plan->stored_arena);
}

static uint64_t read_word(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word); /* only for hashing in memory: byte order does not matter */
  return word;
}

/* Every bit of the result depends on every bit of the value, also where ids are small numbers. */
static uint64_t mix(uint64_t value) {
  value = (value ^ value >> 32) * 0x9E3779B97F4A7C15u;
  value = (value ^ value >> 29) * 0xBF58476D1CE4E5B9u;
  return value ^ value >> 32;
}

static uint64_t slots_for(uint64_t count) {
  uint64_t slots = 64;
  while (slots < count * 2) slots *= 2;
  return slots;
}

static enum tk_status group_entries(const struct tk_span_buffer *buffer, struct plan *plan,
                                    struct tk_error *error) {
  const uint64_t slot_count = slots_for(buffer->count);
  uint32_t *slots = sqlite3_malloc64(slot_count * sizeof *slots); /* group + 1 */
  plan->groups = sqlite3_malloc64(buffer->count * sizeof *plan->groups + 1);
  plan->group_of = sqlite3_malloc64(buffer->count * sizeof *plan->group_of + 1);
  plan->keep = sqlite3_malloc64(buffer->count * sizeof *plan->keep + 1);
  if (!slots || !plan->groups || !plan->group_of || !plan->keep) {
    sqlite3_free(slots);
    return tk_nomem(error);
  }
  memset(slots, 0, slot_count * sizeof *slots);
  for (uint32_t i = 0; i < buffer->count; i++) {
    const struct tk_span *span = buffer->entries[i].span;
    uint64_t slot = mix(read_word(span->trace_id) ^ read_word(span->trace_id + 8));
    uint32_t *at = &slots[slot & (slot_count - 1)];
    while (*at && memcmp(plan->groups[*at - 1].first->trace_id, span->trace_id, 16) != 0) {
      at = &slots[++slot & (slot_count - 1)];
    }
    if (!*at) {
      plan->groups[plan->group_count++] =
          (struct group){.first = span, .start = span->start_unix_ns};
      *at = plan->group_count;
    }
    struct group *group = &plan->groups[*at - 1];
    plan->group_of[i] = *at - 1;
    group->last_arrival = i;
    group->has_new |= buffer->entries[i].source != TK_SETTLED;
    group->in_piece |= i >= plan->standing_count;
    if (span->start_unix_ns < group->start) group->start = span->start_unix_ns;
  }
  sqlite3_free(slots);
  return TK_OK;
}

static bool is_open(const struct tk_span_buffer *buffer, int64_t segment_id) {
  for (uint32_t i = 0; i < buffer->tier_count; i++) {
    if (buffer->tiers[i].segment_id == segment_id) return true;
  }
  return false;
}

static enum tk_status load_spans(struct plan *plan, uint32_t group, struct tk_reader *reader,
                                 const struct tk_trace_place *place, struct tk_error *error) {
  const struct tk_segment *segment = NULL;
  struct tk_span *spans = tk_arena_alloc(&plan->stored_arena, place->row_count * sizeof *spans);
  if (!spans || !reserve(&plan->stored, &plan->stored_capacity,
                         (uint64_t)plan->stored_count + place->row_count, sizeof *plan->stored)) {
    return tk_nomem(error);
  }
  enum tk_status status = tk_reader_segment(reader, place->segment_index, &segment, error);
  if (status != TK_OK) return status;
  status = tk_reader_spans(reader, segment, place->first_row, place->row_count, &plan->stored_arena,
                           spans, error);
  for (uint32_t i = 0; i < place->row_count && status == TK_OK; i++) {
    plan->stored[plan->stored_count++] = (struct stored_span){&spans[i], group};
  }
  tk_segment_release(segment);
  return status;
}

/* Finds out where else each trace is stored, and loads those spans if new ones may repeat them. */
static enum tk_status find_stored(const struct tk_span_buffer *buffer, struct plan *plan,
                                  struct tk_reader *reader, struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t g = 0; g < plan->group_count && status == TK_OK; g++) {
    struct group *group = &plan->groups[g];
    struct tk_trace_place *places = NULL;
    uint32_t count = 0;
    if (!group->in_piece) continue; /* what is written of it stays as it is */
    status = tk_reader_find_trace(reader, group->first->trace_id, &places, &count, error);
    group->place_first = plan->place_count;
    for (uint32_t p = 0; p < count && status == TK_OK; p++) {
      const int64_t id = reader->segments[places[p].segment_index].id;
      if (is_open(buffer, id)) continue;
      if (!reserve(&plan->places, &plan->place_capacity, (uint64_t)plan->place_count + 1,
                   sizeof *plan->places)) {
        status = tk_nomem(error);
        break;
      }
      plan->places[plan->place_count++] = id;
      group->place_count++;
      if (group->has_new) status = load_spans(plan, g, reader, &places[p], error);
    }
    sqlite3_free(places);
  }
  return status;
}

/* ---- duplicates ---- */

struct identity {
  const struct tk_span *span;
  uint32_t group;
};

static struct identity identity_in_slot(const struct tk_span_buffer *buffer,
                                        const struct plan *plan, uint32_t slot) {
  if (slot <= plan->stored_count) {
    const struct stored_span *stored = &plan->stored[slot - 1];
    return (struct identity){stored->span, stored->group};
  }
  const uint32_t entry = slot - plan->stored_count - 1;
  return (struct identity){buffer->entries[entry].span, plan->group_of[entry]};
}

/* The span with this identity that came first, or NULL: then `slot` is noted for it. */
static const struct tk_span *find_or_note(const struct tk_span_buffer *buffer, struct plan *plan,
                                          struct identity wanted, uint32_t slot) {
  uint64_t at = mix(read_word(wanted.span->span_id) + mix(wanted.group) +
                    (uint64_t)(uint32_t)wanted.span->kind);
  for (; plan->slots[at & plan->slot_mask]; at++) {
    struct identity found = identity_in_slot(buffer, plan, plan->slots[at & plan->slot_mask]);
    if (found.group == wanted.group && found.span->kind == wanted.span->kind &&
        memcmp(found.span->span_id, wanted.span->span_id, 8) == 0) {
      return found.span;
    }
  }
  plan->slots[at & plan->slot_mask] = slot;
  return NULL;
}

static bool add_conflict(struct tk_cut *cut, const struct tk_span *span, const char *field,
                         uint32_t source) {
  if (!reserve(&cut->conflicts, &cut->conflict_capacity, (uint64_t)cut->conflict_count + 1,
               sizeof *cut->conflicts)) {
    return false;
  }
  cut->conflicts[cut->conflict_count++] = (struct tk_conflict){span, field, source};
  return true;
}

static bool allocate_identities(const struct tk_span_buffer *buffer, struct plan *plan) {
  const uint64_t slot_count = slots_for((uint64_t)buffer->count + plan->stored_count);
  plan->slots = sqlite3_malloc64(slot_count * sizeof *plan->slots);
  if (!plan->slots) return false;
  memset(plan->slots, 0, slot_count * sizeof *plan->slots);
  plan->slot_mask = slot_count - 1;
  return true;
}

static enum tk_status sort_out(const struct tk_span_buffer *buffer, struct plan *plan,
                               struct tk_cut *cut, struct tk_error *error) {
  if (!allocate_identities(buffer, plan)) return tk_nomem(error);
  for (uint32_t s = 0; s < plan->stored_count; s++) {
    find_or_note(buffer, plan, (struct identity){plan->stored[s].span, plan->stored[s].group},
                 s + 1);
  }
  for (uint32_t i = 0; i < buffer->count; i++) {
    const struct tk_buffered_span *entry = &buffer->entries[i];
    struct identity identity = {entry->span, plan->group_of[i]};
    const struct tk_span *first = find_or_note(buffer, plan, identity, i + 1 + plan->stored_count);
    const bool settled = entry->source == TK_SETTLED;
    plan->keep[i] = settled || first == NULL;
    plan->kept_count += plan->keep[i];
    plan->groups[plan->group_of[i]].kept += plan->keep[i];
    plan->groups[plan->group_of[i]].written += plan->keep[i] && i >= plan->standing_count;
    if (settled) continue;
    struct tk_source_tally *tally = &cut->tallies[entry->source];
    if (!first) {
      tally->spans_new++;
      plan->new_count++;
      continue;
    }
    const char *field = tk_span_difference(first, entry->span);
    if (!field) {
      tally->spans_duplicate++;
      continue;
    }
    tally->spans_conflicting++;
    if (!add_conflict(cut, entry->span, field, entry->source)) return tk_nomem(error);
  }
  return TK_OK;
}

/* ---- what goes where ---- */

static void choose_held(const struct tk_span_buffer *buffer, struct plan *plan,
                        const struct tk_cut_options *options) {
  const uint32_t reserve_count = options->target / RESERVE_SHARE;
  const uint32_t limit = options->target * (MAX_TARGETS - 1); /* of what may wait */
  uint64_t quiet = 0, held = 0;
  if (options->kind == TK_CUT_FINAL) return;
  if (options->kind == TK_CUT_TAIL) {
    for (uint32_t g = 0; g < plan->group_count; g++) plan->groups[g].held = true;
    return;
  }
  for (uint32_t g = 0; g < plan->group_count; g++) {
    struct group *group = &plan->groups[g];
    const bool recent = group->last_arrival + reserve_count >= buffer->count;
    /* A trace that never rests is not waited for: it would grow into the tail without end. */
    group->held = recent && group->kept <= limit;
    *(group->held ? &held : &quiet) += group->kept;
  }
  if (quiet >= options->target / 2 && held <= limit) return;
  /* Hardly anything is quiet, as with one very large trace: wait while there is room. */
  const bool wait = plan->kept_count <= limit;
  for (uint32_t g = 0; g < plan->group_count; g++) plan->groups[g].held = wait;
}

static int compare_groups(const void *left, const void *right, void *context) {
  const struct group *groups = context;
  const struct group *a = &groups[*(const uint32_t *)left], *b = &groups[*(const uint32_t *)right];
  if (a->start != b->start) return a->start > b->start ? 1 : -1;
  return memcmp(a->first->trace_id, b->first->trace_id, 16);
}

static int compare_spans(const void *left, const void *right) {
  const struct tk_span *a = *(const struct tk_span *const *)left;
  const struct tk_span *b = *(const struct tk_span *const *)right;
  if (a->start_unix_ns != b->start_unix_ns) return a->start_unix_ns > b->start_unix_ns ? 1 : -1;
  const int order = memcmp(a->span_id, b->span_id, 8);
  return order != 0 ? order : (a->kind > b->kind) - (a->kind < b->kind);
}

/* All spans to write now, traces in order of their start, each trace's spans together. `bounds`
 * gets the end of each trace. */
struct emission {
  const struct tk_span **spans;
  uint32_t span_count;
  uint32_t *groups; /* emitted groups, in order */
  uint32_t *ends;   /* end of each in spans */
  uint32_t group_count;
};

static enum tk_status gather_emission(const struct tk_span_buffer *buffer, const struct plan *plan,
                                      struct emission *emission, struct tk_error *error) {
  uint32_t *fill = sqlite3_malloc64(plan->group_count * sizeof *fill + 1); /* per group */
  emission->spans = sqlite3_malloc64(plan->kept_count * sizeof *emission->spans + 1);
  emission->groups = sqlite3_malloc64(plan->group_count * sizeof *emission->groups + 1);
  emission->ends = sqlite3_malloc64(plan->group_count * sizeof *emission->ends + 1);
  if (!fill || !emission->spans || !emission->groups || !emission->ends) {
    sqlite3_free(fill);
    return tk_nomem(error);
  }
  for (uint32_t g = 0; g < plan->group_count; g++) {
    if (!plan->groups[g].held && plan->groups[g].kept > 0) {
      emission->groups[emission->group_count++] = g;
    }
  }
  qsort_r(emission->groups, emission->group_count, sizeof *emission->groups, compare_groups,
          plan->groups);
  for (uint32_t e = 0; e < emission->group_count; e++) {
    fill[emission->groups[e]] = emission->span_count;
    emission->span_count += plan->groups[emission->groups[e]].kept;
    emission->ends[e] = emission->span_count;
  }
  for (uint32_t i = 0; i < buffer->count; i++) {
    const uint32_t g = plan->group_of[i];
    if (plan->keep[i] && !plan->groups[g].held) {
      emission->spans[fill[g]++] = buffer->entries[i].span;
    }
  }
  sqlite3_free(fill);
  return TK_OK;
}

static void reset_emission(struct emission *emission) {
  sqlite3_free(emission->spans);
  sqlite3_free(emission->groups);
  sqlite3_free(emission->ends);
}

static bool add_split(struct tk_cut *cut, const struct group *group, int64_t segment_id,
                      uint32_t piece) {
  if (!reserve(&cut->splits, &cut->split_capacity, (uint64_t)cut->split_count + 1,
               sizeof *cut->splits)) {
    return false;
  }
  struct tk_split_note *note = &cut->splits[cut->split_count++];
  *note = (struct tk_split_note){.segment_id = segment_id, .piece = piece};
  memcpy(note->trace_id, group->first->trace_id, 16);
  return true;
}

/* Notes that the trace is in `piece`, and in stored segments too. */
static bool note_places(struct tk_cut *cut, const struct plan *plan, const struct group *group,
                        uint32_t piece) {
  if (group->place_count == 0) return true;
  for (uint32_t p = 0; p < group->place_count; p++) {
    if (!add_split(cut, group, plan->places[group->place_first + p], 0)) return false;
  }
  return add_split(cut, group, 0, piece);
}

static bool add_piece(struct tk_cut *cut, const struct tk_span *const *spans, uint32_t count,
                      bool is_tail) {
  const struct tk_span **copy = sqlite3_malloc64(count * sizeof *copy + 1);
  struct tk_cut_piece *pieces =
      copy ? sqlite3_realloc64(cut->pieces, (cut->piece_count + 1) * sizeof *pieces) : NULL;
  if (!pieces) {
    sqlite3_free(copy);
    return false;
  }
  memcpy(copy, spans, count * sizeof *copy);
  cut->pieces = pieces;
  cut->pieces[cut->piece_count++] = (struct tk_cut_piece){copy, count, is_tail};
  return true;
}

/* A trace larger than any segment: pieces of the target size, by start. */
static bool add_giant(struct tk_cut *cut, const struct plan *plan, const struct group *group,
                      const struct tk_span **spans, uint32_t count, uint32_t target) {
  qsort(spans, count, sizeof *spans, compare_spans);
  for (uint32_t begin = 0; begin < count; begin += target) {
    const uint32_t size = count - begin < target ? count - begin : target;
    if (!add_piece(cut, spans + begin, size, false)) return false;
    const uint32_t piece = cut->piece_count - 1;
    if (!add_split(cut, group, 0, piece) || !note_places(cut, plan, group, piece)) return false;
  }
  return true;
}

static bool add_pieces(struct tk_cut *cut, const struct plan *plan,
                       const struct tk_cut_options *options, struct emission *emission) {
  const uint32_t target = options->target;
  const uint32_t wanted = (emission->span_count + target / 2) / target;
  const uint32_t limit = wanted > 1 ? emission->span_count / wanted + 1 : target * MAX_TARGETS;
  uint32_t begin = 0; /* of the piece being gathered */
  for (uint32_t e = 0; e < emission->group_count; e++) {
    const struct group *group = &plan->groups[emission->groups[e]];
    const uint32_t first = e ? emission->ends[e - 1] : 0, end = emission->ends[e];
    const bool giant = end - first > target * MAX_TARGETS;
    if (first > begin && (giant || end - begin > limit + limit / RESERVE_SHARE)) {
      if (!add_piece(cut, emission->spans + begin, first - begin, false)) return false;
      begin = first;
    }
    if (giant) {
      if (!add_giant(cut, plan, group, emission->spans + first, end - first, target)) return false;
      begin = end;
    } else if (!note_places(cut, plan, group, cut->piece_count)) {
      return false;
    }
  }
  const uint32_t left = emission->span_count - begin;
  return left == 0 || add_piece(cut, emission->spans + begin, left,
                                options->kind == TK_CUT_FINAL && left <= target / OPEN_SHARE);
}

/* ---- the tail ---- */

/* What the buffer will hold after the cut, as its last tier, and before it those that stand. */
struct tail {
  struct tk_arena arena;
  struct tk_buffered_span *entries; /* of all tiers */
  uint32_t count, first;            /* of its own */
};

static enum tk_status copy_tail(struct tail *tail, const struct tk_span_order *order,
                                struct tk_error *error) {
  struct tk_span_copier copier = {.arena = &tail->arena};
  for (uint32_t row = 0; row < order->span_count; row++) {
    struct tk_span *copy = tk_arena_alloc(&tail->arena, sizeof *copy);
    if (!copy || !tk_span_copy(&copier, order->rows[row], copy)) return tk_nomem(error);
    tail->entries[tail->first + tail->count++] = (struct tk_buffered_span){copy, TK_SETTLED};
  }
  return TK_OK;
}

/* Copies the held spans, in the order they will have in the store: an ingest that takes them up
 * from there must go on from the same state. */
static enum tk_status build_tail(const struct tk_span_buffer *buffer, const struct plan *plan,
                                 struct tail *tail, struct tk_error *error) {
  struct tk_span_order order = {0};
  uint32_t count = 0;
  const struct tk_span **held = sqlite3_malloc64(plan->kept_count * sizeof *held + 1);
  tail->entries = sqlite3_malloc64(plan->kept_count * sizeof *tail->entries + 1);
  tail->first = plan->standing_count; /* settled: all of them are kept */
  enum tk_status status = held && tail->entries ? TK_OK : tk_nomem(error);
  if (status == TK_OK && tail->first > 0) {
    memcpy(tail->entries, buffer->entries, tail->first * sizeof *tail->entries);
  }
  for (uint32_t i = tail->first; i < buffer->count && status == TK_OK; i++) {
    if (plan->keep[i] && plan->groups[plan->group_of[i]].held) {
      held[count++] = buffer->entries[i].span;
    }
  }
  if (status == TK_OK) status = tk_span_order_init(&order, held, count, error);
  if (status == TK_OK) status = copy_tail(tail, &order, error);
  tk_span_order_reset(&order);
  sqlite3_free(held);
  return status;
}

/* Traces of the tail that are in tiers that stand, too, are split for as long as those do. */
static bool note_standing_tiers(struct tk_cut *cut, const struct tk_span_buffer *buffer,
                                const struct plan *plan) {
  uint32_t entry = 0;
  for (uint32_t t = 0; t < plan->standing_tiers; t++) {
    for (uint32_t end = entry + buffer->tiers[t].span_count; entry < end; entry++) {
      struct group *group = &plan->groups[plan->group_of[entry]];
      if (group->written == 0 || group->noted_tier == t + 1) continue;
      if (group->noted_tier == 0 && !add_split(cut, group, 0, cut->piece_count - 1)) return false;
      if (!add_split(cut, group, buffer->tiers[t].segment_id, 0)) return false;
      group->noted_tier = t + 1;
    }
  }
  return true;
}

static enum tk_status add_tail_piece(struct tk_cut *cut, const struct tk_span_buffer *buffer,
                                     const struct plan *plan, const struct tail *tail,
                                     struct tk_error *error) {
  if (tail->count == 0) return TK_OK;
  const struct tk_span **spans = sqlite3_malloc64(tail->count * sizeof *spans);
  if (!spans) return tk_nomem(error);
  for (uint32_t i = 0; i < tail->count; i++) spans[i] = tail->entries[tail->first + i].span;
  bool ok = add_piece(cut, spans, tail->count, true);
  sqlite3_free(spans);
  for (uint32_t g = 0; g < plan->group_count && ok; g++) {
    const struct group *group = &plan->groups[g];
    if (group->held && group->written > 0) {
      ok = note_places(cut, plan, group, cut->piece_count - 1);
    }
  }
  if (ok) ok = note_standing_tiers(cut, buffer, plan);
  return ok ? TK_OK : tk_nomem(error);
}

/* ---- the cut ---- */

/* From here on nothing can fail: the buffer gives its memory to the cut and keeps the tail. */
static void hand_over(struct tk_span_buffer *buffer, const struct plan *plan,
                      const struct tk_cut_options *options, struct tk_cut *cut, struct tail *tail) {
  const uint32_t replaced_count = buffer->tier_count - plan->standing_tiers;
  cut->batches = buffer->batches;
  cut->batch_count = buffer->batch_count;
  for (uint32_t t = 0; t < replaced_count; t++) {
    cut->replaced[t] = buffer->tiers[plan->standing_tiers + t];
  }
  cut->replaced_count = replaced_count;
  buffer->tier_count = plan->standing_tiers;
  if (tail->count > 0) {
    buffer->tiers[buffer->tier_count++] =
        (struct tk_open_tier){.span_count = tail->count, .arena = tail->arena};
  }
  sqlite3_free(buffer->entries);
  buffer->entries = tail->entries;
  buffer->count = buffer->capacity = buffer->settled_count = tail->first + tail->count;
  if (options->kind != TK_CUT_TAIL) buffer->cut_count = buffer->count;
  buffer->batches = NULL;
  buffer->batch_count = buffer->batch_capacity = 0;
  *tail = (struct tail){.count = 0};
}

/* Everything new was a duplicate: the settled spans stay where they are. */
static void drop_new(struct tk_span_buffer *buffer, struct tk_cut *cut) {
  cut->batches = buffer->batches;
  cut->batch_count = buffer->batch_count;
  buffer->batches = NULL;
  buffer->batch_count = buffer->batch_capacity = 0;
  buffer->count = buffer->settled_count;
}

static enum tk_status distribute(const struct tk_span_buffer *buffer, struct plan *plan,
                                 const struct tk_cut_options *options, struct tk_cut *cut,
                                 struct tail *tail, struct tk_error *error) {
  struct emission emission = {0};
  choose_held(buffer, plan, options);
  enum tk_status status = gather_emission(buffer, plan, &emission, error);
  if (status == TK_OK && !add_pieces(cut, plan, options, &emission)) status = tk_nomem(error);
  if (status == TK_OK) status = build_tail(buffer, plan, tail, error);
  if (status == TK_OK) status = add_tail_piece(cut, buffer, plan, tail, error);
  reset_emission(&emission);
  return status;
}

/* Room for what hand_over will move. */
static enum tk_status reserve_tiers(struct tk_span_buffer *buffer, struct tk_cut *cut,
                                    struct tk_error *error) {
  cut->replaced = sqlite3_malloc64(buffer->tier_count * sizeof *cut->replaced + 1);
  if (!cut->replaced || !reserve(&buffer->tiers, &buffer->tier_capacity,
                                 (uint64_t)buffer->tier_count + 1, sizeof *buffer->tiers)) {
    return tk_nomem(error);
  }
  return TK_OK;
}

/* Which tiers a commit leaves alone: the large ones, each larger than all that follows together. */
static void choose_standing(const struct tk_span_buffer *buffer, struct plan *plan,
                            const struct tk_cut_options *options) {
  if (options->kind != TK_CUT_TAIL) return;
  const uint64_t small = options->target / TIER_SHARE;
  uint64_t written = buffer->count - buffer->settled_count;
  uint32_t standing = buffer->tier_count;
  plan->standing_count = buffer->settled_count;
  for (; standing > 0; standing--) {
    const uint32_t size = buffer->tiers[standing - 1].span_count;
    if (size > small && size > TIER_FACTOR * written) break;
    written += size;
    plan->standing_count -= size;
  }
  plan->standing_tiers = standing;
}

enum tk_status tk_span_buffer_cut(struct tk_span_buffer *buffer, struct tk_reader *reader,
                                  const struct tk_cut_options *options, struct tk_cut *cut,
                                  struct tk_error *error) {
  struct plan plan = {0};
  struct tail tail = {.count = 0};
  enum tk_status status;
  *cut = (struct tk_cut){.source_count = options->source_count};
  const uint64_t tally_bytes = options->source_count * sizeof *cut->tallies;
  cut->tallies = sqlite3_malloc64(tally_bytes + 1);
  if (!cut->tallies) return tk_nomem(error);
  memset(cut->tallies, 0, tally_bytes);

  choose_standing(buffer, &plan, options);
  status = group_entries(buffer, &plan, error);
  if (status == TK_OK) status = find_stored(buffer, &plan, reader, error);
  if (status == TK_OK) status = sort_out(buffer, &plan, cut, error);
  const bool join = options->kind == TK_CUT_FINAL && buffer->tier_count > 1;
  if (status == TK_OK && plan.new_count == 0 && !join) {
    drop_new(buffer, cut);
  } else if (status == TK_OK) {
    status = reserve_tiers(buffer, cut, error);
    if (status == TK_OK) status = distribute(buffer, &plan, options, cut, &tail, error);
    if (status == TK_OK) hand_over(buffer, &plan, options, cut, &tail);
  }
  if (status != TK_OK) tk_cut_reset(cut);
  reset_plan(&plan);
  tk_arena_reset(&tail.arena);
  sqlite3_free(tail.entries);
  return status;
}

void tk_cut_reset(struct tk_cut *cut) {
  for (uint32_t i = 0; i < cut->piece_count; i++) sqlite3_free(cut->pieces[i].spans);
  sqlite3_free(cut->pieces);
  sqlite3_free(cut->splits);
  sqlite3_free(cut->conflicts);
  sqlite3_free(cut->tallies);
  for (uint32_t i = 0; i < cut->replaced_count; i++) tk_arena_reset(&cut->replaced[i].arena);
  sqlite3_free(cut->replaced);
  free_batches(cut->batches, cut->batch_count);
  *cut = (struct tk_cut){0};
}
