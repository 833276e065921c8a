/* SPDX-License-Identifier: MIT
 * The pipeline. The caller's thread cuts the input into units, copies of consecutive records that
 * become one batch each; parse threads turn units into batches; the caller takes them in order.
 *
 * Units are linked oldest first. The mutex guards the links, `unparsed` and the units' `done`; a
 * unit that is being parsed belongs to its thread. Bytes in flight are bounded, so a slow consumer
 * stops the splitting. */
#include "cli/input/reader.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "cli/input/describe.h"
#include "cli/input/format.h"
#include "cli/input/kvonce_spans.h"
#include "cli/input/splitter.h"
#include "tracekeep/sampling_config.h"

enum { MAX_THREADS = 64, UNITS_PER_THREAD = 4 };
/* Where a configuration is looked for in what nothing else is. */
#define TK_CONFIG_HEAD_SIZE ((size_t)256 << 10)
#define IN_FLIGHT_LIMIT ((size_t)32 << 20)

struct unit_record {
  struct tk_record record;
  size_t text_at; /* in the unit's text, which moves while it grows */
  size_t message_at;
};

struct unit {
  struct unit *next;
  char *text;
  size_t size;
  size_t capacity;
  struct unit_record *records;
  uint32_t record_count;
  uint32_t record_capacity;
  uint64_t begin_offset;
  uint64_t end_offset;
  uint64_t end_hash;
  bool done;
  struct tk_batch *batch;
  enum tk_status status;
};

struct tk_input {
  struct tk_byte_source *source;
  struct tk_splitter *splitter;
  const struct tk_input_format *format;
  const char *framing; /* in words */
  struct tk_input_options options;
  uint64_t head_hash;
  size_t head_size;
  uint64_t offset; /* where the next unit begins */
  uint64_t hash;   /* of the input up to there */
  bool input_ended;
  enum tk_status input_status; /* returned when the units before it are */
  struct tk_error input_error;
  struct unit *spare;
  struct tk_batch_builder builder; /* of the caller's thread */

  pthread_t threads[MAX_THREADS];
  unsigned thread_count; /* running; 0: the caller parses */
  bool synchronised;     /* mutex and conditions exist */
  pthread_mutex_t mutex;
  pthread_cond_t work_ready;
  pthread_cond_t work_done;
  bool stopping;
  struct unit *oldest;
  struct unit *newest;
  struct unit *unparsed; /* the oldest that no thread has taken */
  size_t in_flight_bytes;
  unsigned in_flight_units;
};

/* ---- units ---- */

static void free_unit(struct unit *unit) {
  if (!unit) return;
  tk_batch_free(unit->batch);
  sqlite3_free(unit->text);
  sqlite3_free(unit->records);
  sqlite3_free(unit);
}

/* Keeps one unit's memory for the next, unless a giant record has been in it. */
static void recycle_unit(struct tk_input *reader, struct unit *unit) {
  const size_t largest_kept = 4 * TK_READER_BATCH_BYTES;
  if (unit->capacity > largest_kept) {
    free_unit(unit);
    return;
  }
  unit->next = reader->spare;
  reader->spare = unit;
}

static struct unit *obtain_unit(struct tk_input *reader) {
  struct unit *unit = reader->spare;
  if (unit) {
    reader->spare = unit->next;
    *unit = (struct unit){.text = unit->text,
                          .capacity = unit->capacity,
                          .records = unit->records,
                          .record_capacity = unit->record_capacity};
    return unit;
  }
  unit = sqlite3_malloc64(sizeof *unit);
  if (unit) *unit = (struct unit){0};
  return unit;
}

/* Appends text, its NUL and the padding parsers need. */
static enum tk_status append_text(struct unit *unit, const char *text, size_t size, size_t *at_out,
                                  struct tk_error *error) {
  const size_t wanted = unit->size + size + TK_JSON_PADDING;
  if (wanted > unit->capacity) {
    size_t capacity = unit->capacity ? unit->capacity * 2 : TK_READER_BATCH_BYTES;
    if (capacity < wanted) capacity = wanted;
    char *grown = sqlite3_realloc64(unit->text, capacity);
    if (!grown) return tk_nomem(error);
    unit->text = grown;
    unit->capacity = capacity;
  }
  if (size > 0) memcpy(unit->text + unit->size, text, size);
  memset(unit->text + unit->size + size, 0, TK_JSON_PADDING);
  *at_out = unit->size;
  unit->size = wanted;
  return TK_OK;
}

static enum tk_status append_record(struct unit *unit, const struct tk_record *record,
                                    struct tk_error *error) {
  struct unit_record added = {.record = *record};
  if (unit->record_count == unit->record_capacity) {
    const uint32_t capacity = unit->record_capacity ? unit->record_capacity * 2 : 16;
    struct unit_record *grown = sqlite3_realloc64(unit->records, capacity * sizeof *grown);
    if (!grown) return tk_nomem(error);
    unit->records = grown;
    unit->record_capacity = capacity;
  }
  enum tk_status status = append_text(unit, record->text, record->size, &added.text_at, error);
  if (status == TK_OK && record->kind == TK_RECORD_FAULT) {
    status = append_text(unit, record->message, strlen(record->message), &added.message_at, error);
  }
  if (status == TK_OK) unit->records[unit->record_count++] = added;
  return status;
}

/* Fills a unit with the next records. What was read before a failure is still delivered. */
static enum tk_status fill_unit(struct tk_input *reader, struct unit *unit,
                                struct tk_error *error) {
  enum tk_status status = TK_OK;
  unit->begin_offset = unit->end_offset = reader->offset;
  unit->end_hash = reader->hash;
  while (status == TK_OK && unit->end_offset - unit->begin_offset < reader->options.batch_bytes) {
    struct tk_record record;
    bool found;
    status = tk_splitter_next(reader->splitter, &record, &found, error);
    if (status != TK_OK) break;
    if (!found) {
      reader->input_ended = true;
      break;
    }
    /* A record that is cut off at the end of the input is not passed, nor the space before it. */
    const bool cut_off = record.end_offset == record.begin_offset && record.kind == TK_RECORD_FAULT;
    if (cut_off && reader->options.growing) continue;
    status = append_record(unit, &record, error);
    if (status != TK_OK) break;
    if (cut_off) continue;
    unit->end_offset = record.end_offset;
    unit->end_hash = tk_splitter_hash(reader->splitter);
  }
  reader->offset = unit->end_offset;
  reader->hash = unit->end_hash;
  return status;
}

/* ---- parsing ---- */

static void add_fault(struct tk_batch_builder *builder, const struct tk_record *record) {
  builder->place = (struct tk_record_place){.text = record->text,
                                            .size = record->size,
                                            .offset = record->begin_offset,
                                            .line = record->line};
  builder->batch->record_count++;
  builder->batch->rejected_count++;
  tk_builder_issue(builder, record->rule, (struct tk_text){record->text, record->size}, "%s",
                   record->message);
}

static void parse_unit(const struct tk_input_format *format, struct tk_batch_builder *builder,
                       struct unit *unit) {
  tk_batch_builder_begin(builder);
  if (builder->batch) {
    builder->batch->begin_offset = unit->begin_offset;
    builder->batch->end_offset = unit->end_offset;
    builder->batch->end_hash = unit->end_hash;
  }
  for (uint32_t i = 0; i < unit->record_count && !builder->out_of_memory; i++) {
    struct tk_record *record = &unit->records[i].record;
    record->text = unit->text + unit->records[i].text_at;
    record->message = unit->text + unit->records[i].message_at;
    if (record->kind == TK_RECORD_WHOLE || record->begins_message) {
      tk_builder_note_document(builder);
    }
    if (record->kind == TK_RECORD_FAULT) {
      add_fault(builder, record);
    } else {
      format->parse(builder, record);
    }
  }
  tk_builder_add_span_events(builder);
  unit->status = tk_batch_builder_finish(builder, &unit->batch, NULL);
}

static struct unit *take_unparsed(struct tk_input *reader) {
  while (!reader->stopping && !reader->unparsed) {
    pthread_cond_wait(&reader->work_ready, &reader->mutex);
  }
  if (reader->stopping) return NULL;
  struct unit *unit = reader->unparsed;
  reader->unparsed = unit->next;
  return unit;
}

static void *run_parser(void *context) {
  struct tk_input *reader = context;
  struct tk_batch_builder builder = {0};
  struct unit *unit;
  pthread_mutex_lock(&reader->mutex);
  while ((unit = take_unparsed(reader))) {
    pthread_mutex_unlock(&reader->mutex);
    parse_unit(reader->format, &builder, unit);
    pthread_mutex_lock(&reader->mutex);
    unit->done = true;
    pthread_cond_signal(&reader->work_done);
  }
  pthread_mutex_unlock(&reader->mutex);
  tk_batch_builder_reset(&builder);
  return NULL;
}

/* Fewer threads than asked for, or none, are no failure. */
static void start_threads(struct tk_input *reader) {
  unsigned wanted = reader->options.thread_count;
  if (wanted < 2) return;
  if (wanted > MAX_THREADS) wanted = MAX_THREADS;
  if (!reader->synchronised) {
    if (pthread_mutex_init(&reader->mutex, NULL) != 0) return;
    pthread_cond_init(&reader->work_ready, NULL);
    pthread_cond_init(&reader->work_done, NULL);
    reader->synchronised = true;
  }
  while (reader->thread_count < wanted &&
         pthread_create(&reader->threads[reader->thread_count], NULL, run_parser, reader) == 0) {
    reader->thread_count++;
  }
}

static void stop_threads(struct tk_input *reader) {
  if (!reader->synchronised) return;
  pthread_mutex_lock(&reader->mutex);
  reader->stopping = true;
  pthread_cond_broadcast(&reader->work_ready);
  pthread_mutex_unlock(&reader->mutex);
  for (unsigned i = 0; i < reader->thread_count; i++) pthread_join(reader->threads[i], NULL);
  pthread_cond_destroy(&reader->work_done);
  pthread_cond_destroy(&reader->work_ready);
  pthread_mutex_destroy(&reader->mutex);
}

/* ---- batches ---- */

static void enqueue(struct tk_input *reader, struct unit *unit) {
  reader->in_flight_bytes += unit->capacity;
  reader->in_flight_units++;
  if (reader->thread_count == 0) {
    parse_unit(reader->format, &reader->builder, unit);
    unit->done = true;
    reader->oldest = unit;
    return;
  }
  pthread_mutex_lock(&reader->mutex);
  if (reader->oldest) {
    reader->newest->next = unit;
  } else {
    reader->oldest = unit;
  }
  reader->newest = unit;
  if (!reader->unparsed) reader->unparsed = unit;
  pthread_cond_signal(&reader->work_ready);
  pthread_mutex_unlock(&reader->mutex);
}

static bool wants_more(const struct tk_input *reader) {
  if (reader->input_ended) return false;
  if (reader->in_flight_units == 0) return true;
  return reader->thread_count > 0 && reader->in_flight_bytes < IN_FLIGHT_LIMIT &&
         reader->in_flight_units < UNITS_PER_THREAD * reader->thread_count;
}

static void split_more(struct tk_input *reader) {
  while (wants_more(reader)) {
    struct unit *unit = obtain_unit(reader);
    if (unit) {
      reader->input_status = fill_unit(reader, unit, &reader->input_error);
    } else {
      reader->input_status = tk_nomem(&reader->input_error);
    }
    if (reader->input_status != TK_OK) reader->input_ended = true;
    if (unit && unit->record_count > 0) {
      enqueue(reader, unit);
    } else {
      free_unit(unit);
    }
  }
}

static struct unit *dequeue(struct tk_input *reader) {
  struct unit *unit = reader->oldest;
  if (!unit) return NULL;
  if (reader->thread_count > 0) {
    pthread_mutex_lock(&reader->mutex);
    while (!unit->done) pthread_cond_wait(&reader->work_done, &reader->mutex);
    reader->oldest = unit->next;
    pthread_mutex_unlock(&reader->mutex);
  } else {
    reader->oldest = NULL;
  }
  reader->in_flight_bytes -= unit->capacity;
  reader->in_flight_units--;
  return unit;
}

enum tk_status tk_input_next(struct tk_input *reader, struct tk_batch **batch_out,
                             struct tk_error *error) {
  *batch_out = NULL;
  split_more(reader);
  struct unit *unit = dequeue(reader);
  if (!unit) {
    if (error && reader->input_status != TK_OK) *error = reader->input_error;
    return reader->input_status;
  }
  const enum tk_status status = unit->status;
  *batch_out = unit->batch;
  unit->batch = NULL;
  recycle_unit(reader, unit);
  /* A gap must not be stepped over: after this nothing else is delivered. */
  if (status != TK_OK) {
    reader->input_ended = true;
    reader->input_status = tk_nomem(&reader->input_error);
    return tk_nomem(error);
  }
  return TK_OK;
}

/* ---- resuming ---- */

static enum tk_status restart_splitter(struct tk_input *reader, struct tk_error *error) {
  const struct tk_splitter_options options = {.line_limit = reader->options.line_limit,
                                              .record_limit = reader->options.record_limit,
                                              .growing = reader->options.growing};
  tk_splitter_free(reader->splitter);
  const enum tk_status status =
      tk_splitter_create(reader->source, &options, &reader->splitter, error);
  if (status == TK_OK && reader->format) {
    tk_splitter_set_keys(reader->splitter, &reader->format->split_keys);
  }
  return status;
}

/* The candidate with the smallest offset above `above`; NULL: none. */
static const struct tk_progress *find_next_candidate(const struct tk_progress *candidates,
                                                     size_t count, uint64_t above) {
  const struct tk_progress *next = NULL;
  for (size_t i = 0; i < count; i++) {
    if (candidates[i].offset > above && (!next || candidates[i].offset < next->offset)) {
      next = &candidates[i];
    }
  }
  return next;
}

/* Goes on to the end of the record `offset` is in or behind. *hash_out is that of the bytes before
 * `offset`, *reached false if the input is shorter or a record spans the offset. A fault may: where
 * the input had ended in what is still garbage, the rest of the garbage is passed over. */
static enum tk_status advance_to(struct tk_input *reader, uint64_t offset, uint64_t *hash_out,
                                 bool *reached, struct tk_error *error) {
  struct tk_record record = {0};
  bool found = true;
  enum tk_status status = TK_OK;
  *reached = false;
  if (tk_splitter_offset(reader->splitter) > offset) return TK_OK;
  tk_splitter_watch(reader->splitter, offset);
  while (status == TK_OK && found && tk_splitter_offset(reader->splitter) < offset) {
    status = tk_splitter_next(reader->splitter, &record, &found, error);
  }
  *reached = status == TK_OK && tk_splitter_watched(reader->splitter, hash_out) &&
             (tk_splitter_offset(reader->splitter) == offset || record.kind == TK_RECORD_FAULT ||
              record.begin_offset + record.size <= offset);
  return status;
}

/* One pass over the input: the matching candidate with the largest offset. */
static enum tk_status find_match(struct tk_input *reader, const struct tk_progress *candidates,
                                 size_t count, const struct tk_progress **matched_out,
                                 struct tk_error *error) {
  const struct tk_progress *candidate = find_next_candidate(candidates, count, 0);
  for (; candidate; candidate = find_next_candidate(candidates, count, candidate->offset)) {
    uint64_t hash;
    bool reached;
    const enum tk_status status = advance_to(reader, candidate->offset, &hash, &reached, error);
    if (status != TK_OK) return status;
    for (size_t i = 0; reached && i < count; i++) {
      if (candidates[i].offset == candidate->offset && candidates[i].hash == hash) {
        *matched_out = &candidates[i];
      }
    }
  }
  return TK_OK;
}

enum tk_status tk_input_resume(struct tk_input *reader, const struct tk_progress *candidates,
                               size_t count, const struct tk_progress **matched_out,
                               struct tk_error *error) {
  uint64_t hash;
  bool reached;
  *matched_out = NULL;
  if (count == 0) return TK_OK;
  /* The second pass needs a second reading: find out before the first. */
  enum tk_status status = tk_byte_source_rewind(reader->source, error);
  if (status == TK_UNSUPPORTED) return TK_OK;
  if (status == TK_OK) status = restart_splitter(reader, error);
  if (status == TK_OK) status = find_match(reader, candidates, count, matched_out, error);
  if (status == TK_OK || status == TK_CORRUPT || status == TK_IO) {
    /* Broken input is for tk_input_next to report, after what came before it. */
    status = tk_byte_source_rewind(reader->source, error);
  }
  if (status == TK_OK) status = restart_splitter(reader, error);
  if (status == TK_OK && *matched_out) {
    reader->offset = (*matched_out)->offset;
    reader->hash = (*matched_out)->hash;
    status = advance_to(reader, reader->offset, &hash, &reached, error);
  }
  if (status != TK_OK) *matched_out = NULL;
  return status;
}

bool tk_input_continue(struct tk_input *reader) {
  if (reader->in_flight_units > 0 || reader->input_status != TK_OK) return false;
  if (!tk_splitter_continue(reader->splitter)) return false;
  reader->input_ended = false;
  return true;
}

bool tk_input_was_short(const struct tk_input *reader) {
  return reader->head_size < TK_SOURCE_HEAD_SIZE;
}

/* ---- life ---- */

/* Configurations in YAML say late what they are: text that nothing else is may be one. */
static enum tk_status look_further(struct tk_input *reader, struct tk_error *error) {
  const char *head;
  size_t size;
  const enum tk_status status =
      tk_splitter_head(reader->splitter, TK_CONFIG_HEAD_SIZE, &head, &size, error);
  if (status != TK_OK) return status;
  if (tk_sampling_config_probe(head, size)) {
    reader->format = tk_input_format_find("sampling-config");
  }
  return TK_OK;
}

static enum tk_status choose_format(struct tk_input *reader, struct tk_error *error) {
  static const char sqlite_header[] = "SQLite format 3"; /* and a NUL */
  const char *name = reader->options.format;
  const char *head;
  size_t size;
  enum tk_status status = restart_splitter(reader, error);
  if (status != TK_OK) return status;
  status = tk_splitter_head(reader->splitter, TK_SOURCE_HEAD_SIZE, &head, &size, error);
  if (status != TK_OK) return status;
  if (!name && size >= sizeof sqlite_header &&
      memcmp(head, sqlite_header, sizeof sqlite_header) == 0) {
    return tk_fail(error, TK_INVALID,
                   "an SQLite database, and no dump; of a store, `tracekeep export` writes one");
  }
  reader->head_hash = tk_hash64(head, size);
  reader->head_size = size;
  reader->hash = tk_hash64("", 0);
  reader->format = name ? tk_input_format_find(name) : tk_input_format_probe(head, size);
  if (!reader->format) return tk_fail(error, TK_INVALID, "%s: no such input format", name);
  reader->framing = reader->format->split_keys.blocks
                        ? "objects as consoles print them"
                        : tk_describe_framing(head, size, reader->format->split_keys.binary);
  if (!name && size == TK_SOURCE_HEAD_SIZE && !tk_input_format_recognise(head, size) &&
      (status = look_further(reader, error)) != TK_OK) {
    return status;
  }
  tk_splitter_set_keys(reader->splitter, &reader->format->split_keys);
  return TK_OK;
}

enum tk_status tk_input_open_source(struct tk_byte_source *source,
                                    const struct tk_input_options *options,
                                    struct tk_input **reader_out, struct tk_error *error) {
  struct tk_input *reader = sqlite3_malloc64(sizeof *reader);
  *reader_out = NULL;
  if (!reader) {
    tk_byte_source_close(source);
    return tk_nomem(error);
  }
  memset(reader, 0, sizeof *reader);
  reader->source = source;
  if (options) reader->options = *options;
  if (!reader->options.batch_bytes) reader->options.batch_bytes = TK_READER_BATCH_BYTES;
  const enum tk_status status = choose_format(reader, error);
  if (status != TK_OK) {
    tk_input_close(reader);
    return status;
  }
  start_threads(reader);
  *reader_out = reader;
  return TK_OK;
}

enum tk_status tk_input_open(const char *path, const struct tk_input_options *options,
                             struct tk_input **reader_out, struct tk_error *error) {
  struct tk_byte_source *source;
  *reader_out = NULL;
  const enum tk_status status = tk_byte_source_open(path, &source, error);
  if (status != TK_OK) return status;
  return tk_input_open_source(source, options, reader_out, error);
}

void tk_input_close(struct tk_input *reader) {
  if (!reader) return;
  stop_threads(reader);
  while (reader->oldest) {
    struct unit *unit = reader->oldest;
    reader->oldest = unit->next;
    free_unit(unit);
  }
  while (reader->spare) {
    struct unit *unit = reader->spare;
    reader->spare = unit->next;
    free_unit(unit);
  }
  tk_batch_builder_reset(&reader->builder);
  tk_splitter_free(reader->splitter);
  tk_byte_source_close(reader->source);
  sqlite3_free(reader);
}

uint64_t tk_input_head_hash(const struct tk_input *reader) {
  return reader->head_hash;
}

bool tk_input_sha256(const struct tk_input *reader, uint8_t digest[32]) {
  return tk_splitter_sha256(reader->splitter, digest);
}

bool tk_input_is_exact(const struct tk_input *reader) {
  return reader->format->split_keys.exact;
}

const char *tk_input_format_name(const struct tk_input *reader) {
  return reader->format->name;
}

const char *tk_input_framing(const struct tk_input *reader) {
  return reader->framing;
}

enum tk_compression tk_input_compression(const struct tk_input *reader) {
  return tk_byte_source_compression(reader->source);
}

uint64_t tk_input_position(const struct tk_input *reader) {
  return tk_byte_source_position(reader->source);
}

uint64_t tk_input_size(const struct tk_input *reader) {
  return tk_byte_source_size(reader->source);
}
