/* SPDX-License-Identifier: MIT
 * Batches under construction. Lists grow on stacks that live as long as the builder and are copied
 * into the batch's arena when their length is known, so that the arena holds no slack.
 *
 * Texts of up to INTERN_LIMIT bytes go through a hash table per batch: attribute keys and most
 * values repeat from span to span, and the encoder compares pointers before it compares bytes. */
#include "cli/input/batch_builder.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/input/document_builder.h"

enum {
  INTERN_LIMIT = 96,
  FIRST_INTERNED = 2048,
  LARGEST_KEPT_INTERNED = 65536, /* the table of a giant record is not cleared batch after batch */
  PROBE_LIMIT = 64,              /* input made to collide costs no more than this */
  FIRST_STACK_BYTES = 4096
};

struct tk_interned_text {
  const char *data; /* NULL: free */
  uint32_t size;
  uint32_t hash;
  uint32_t list; /* number of the list that last used it as a key */
};

static const struct {
  const char *name;
  enum tk_severity severity;
  uint32_t limit;
} rules[TK_RULE_COUNT] = {
#define TK_RULE_ROW(suffix, name, severity, limit) {name, TK_SEVERITY_##severity, limit},
    TK_ISSUE_RULES(TK_RULE_ROW)
#undef TK_RULE_ROW
};

const char *tk_rule_name(enum tk_rule rule) {
  return rules[rule].name;
}

/* ---- stacks ---- */

static bool grow(struct tk_batch_builder *builder, struct tk_stack *stack, size_t extra,
                 size_t item_size) {
  size_t capacity = stack->capacity ? (size_t)stack->capacity * 2 : FIRST_STACK_BYTES / item_size;
  if (capacity < stack->count + extra) capacity = stack->count + extra;
  if (capacity > UINT32_MAX) {
    builder->out_of_memory = true;
    return false;
  }
  char *data = sqlite3_realloc64(stack->data, capacity * item_size);
  if (!data) {
    builder->out_of_memory = true;
    return false;
  }
  stack->data = data;
  stack->capacity = (uint32_t)capacity;
  return true;
}

void *tk_builder_push(struct tk_batch_builder *builder, struct tk_stack *stack, size_t item_size) {
  if (stack->count == stack->capacity && !grow(builder, stack, 1, item_size)) return NULL;
  return stack->data + item_size * stack->count++;
}

const void *tk_builder_take(struct tk_batch_builder *builder, struct tk_stack *stack,
                            uint32_t begin, size_t item_size) {
  const size_t size = item_size * (stack->count - begin);
  stack->count = begin;
  if (size == 0) return NULL;
  void *items = tk_arena_alloc(&builder->batch->arena, size);
  if (!items) {
    builder->out_of_memory = true;
    return NULL;
  }
  memcpy(items, stack->data + item_size * begin, size);
  return items;
}

void tk_builder_append(struct tk_batch_builder *builder, struct tk_stack *stack, const void *data,
                       size_t size) {
  if (size == 0) return;
  if (size > stack->capacity - stack->count && !grow(builder, stack, size, 1)) return;
  memcpy(stack->data + stack->count, data, size);
  stack->count += (uint32_t)size;
}

void tk_builder_push_bytes(struct tk_batch_builder *builder, const char *data, size_t size) {
  tk_builder_append(builder, &builder->residual, data, size);
}

/* ---- text ---- */

struct tk_text tk_builder_copy(struct tk_batch_builder *builder, const char *data, uint32_t size) {
  if (size == 0) return (struct tk_text){"", 0};
  char *copy = tk_arena_alloc_bytes(&builder->batch->arena, size);
  if (!copy) {
    builder->out_of_memory = true;
    return (struct tk_text){"", 0};
  }
  memcpy(copy, data, size);
  return (struct tk_text){copy, size};
}

static uint64_t load_8(const char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

/* The last bytes of a text, 8 or all if there are fewer; bytes may be in it twice. */
static uint64_t load_tail(const char *data, uint32_t size) {
  uint32_t first, last;
  if (size >= 8) return load_8(data + size - 8);
  if (size >= 4) {
    memcpy(&first, data, sizeof first);
    memcpy(&last, data + size - sizeof last, sizeof last);
    return (uint64_t)last << 32 | first;
  }
  if (size == 0) return 0;
  return (uint64_t)(unsigned char)data[0] | (uint64_t)(unsigned char)data[size / 2] << 8 |
         (uint64_t)(unsigned char)data[size - 1] << 16;
}

static uint32_t hash_short_text(const char *data, uint32_t size) {
  uint64_t hash = size * 0x9E3779B97F4A7C15u;
  for (uint32_t i = 0; i + 8 < size; i += 8) {
    hash = (hash ^ load_8(data + i)) * 0x9FB21C651E98DF25u;
    hash ^= hash >> 32;
  }
  hash = (hash ^ load_tail(data, size)) * 0x9FB21C651E98DF25u;
  return (uint32_t)(hash >> 32);
}

static bool same_bytes(const char *a, const char *b, uint32_t size) {
  for (uint32_t i = 0; i + 8 < size; i += 8) {
    if (load_8(a + i) != load_8(b + i)) return false;
  }
  return load_tail(a, size) == load_tail(b, size);
}

static bool rehash(struct tk_batch_builder *builder) {
  const uint32_t capacity =
      builder->interned_capacity ? builder->interned_capacity * 2 : FIRST_INTERNED;
  struct tk_interned_text *grown = sqlite3_malloc64(capacity * sizeof *grown);
  if (!grown) return false;
  memset(grown, 0, capacity * sizeof *grown);
  for (uint32_t i = 0; i < builder->interned_capacity; i++) {
    if (!builder->interned[i].data) continue;
    uint32_t slot = builder->interned[i].hash & (capacity - 1);
    while (grown[slot].data) slot = (slot + 1) & (capacity - 1);
    grown[slot] = builder->interned[i];
  }
  sqlite3_free(builder->interned);
  builder->interned = grown;
  builder->interned_capacity = capacity;
  return true;
}

/* NULL when out of memory, or where too many texts have been put already. */
static struct tk_interned_text *find_interned(struct tk_batch_builder *builder, const char *data,
                                              uint32_t size) {
  if (builder->interned_count >= builder->interned_capacity / 2 && !rehash(builder)) {
    builder->out_of_memory = true;
    return NULL;
  }
  const uint32_t hash = hash_short_text(data, size);
  const uint32_t mask = builder->interned_capacity - 1;
  uint32_t slot = hash & mask;
  struct tk_interned_text *entry;
  uint32_t probes = 0;
  for (; (entry = &builder->interned[slot])->data; slot = (slot + 1) & mask) {
    if (++probes > PROBE_LIMIT) return NULL;
    if (entry->hash == hash && entry->size == size && same_bytes(entry->data, data, size)) {
      return entry;
    }
  }
  const struct tk_text copy = tk_builder_copy(builder, data, size);
  if (builder->out_of_memory) return NULL;
  *entry = (struct tk_interned_text){.data = copy.data, .size = size, .hash = hash};
  builder->interned_count++;
  return entry;
}

const char *tk_builder_find_interned(const struct tk_batch_builder *builder, const char *data,
                                     uint32_t size) {
  const uint32_t hash = hash_short_text(data, size);
  const uint32_t mask = builder->interned_capacity - 1;
  if (builder->interned_capacity == 0) return NULL;
  for (uint32_t i = 0; i <= PROBE_LIMIT; i++) {
    const struct tk_interned_text *entry = &builder->interned[(hash + i) & mask];
    if (!entry->data) return NULL;
    if (entry->hash == hash && entry->size == size && memcmp(entry->data, data, size) == 0) {
      return entry->data;
    }
  }
  return NULL;
}

struct tk_text tk_builder_intern(struct tk_batch_builder *builder, const char *data,
                                 uint32_t size) {
  if (size > INTERN_LIMIT) return tk_builder_copy(builder, data, size);
  if (size == 0) data = ""; /* what a parser gives after an error has no address */
  const struct tk_interned_text *entry = find_interned(builder, data, size);
  return entry ? (struct tk_text){entry->data, size} : tk_builder_copy(builder, data, size);
}

static void report_invalid_utf8(struct tk_batch_builder *builder, struct tk_json_string string) {
  const struct tk_text raw = {string.data, string.size};
  tk_builder_issue(builder, TK_RULE_UTF8_INVALID, raw,
                   "expected UTF-8; the bytes are stored as they are, half surrogates as U+FFFD");
}

static struct tk_text copy_unescaped(struct tk_batch_builder *builder,
                                     struct tk_json_string string) {
  bool broken = string.non_ascii && !tk_utf8_valid(string.data, string.size);
  char *text = tk_arena_alloc_bytes(&builder->batch->arena, string.size);
  if (!text) {
    builder->out_of_memory = true;
    return (struct tk_text){"", 0};
  }
  const uint32_t size = tk_json_unescape(string, text, &broken);
  if (broken) report_invalid_utf8(builder, string);
  return (struct tk_text){text, size};
}

struct tk_text tk_builder_string(struct tk_batch_builder *builder, struct tk_json_string string) {
  if (string.escaped) return copy_unescaped(builder, string);
  if (string.non_ascii && !tk_utf8_valid(string.data, string.size)) {
    report_invalid_utf8(builder, string);
  }
  return tk_builder_intern(builder, string.data, string.size);
}

uint32_t tk_builder_begin_keys(struct tk_batch_builder *builder) {
  return ++builder->list_number;
}

struct tk_text tk_builder_key(struct tk_batch_builder *builder, struct tk_json_string key,
                              uint32_t list, bool *repeated) {
  struct tk_text text = {key.data, key.size};
  *repeated = false;
  if (key.escaped || key.non_ascii) text = tk_builder_string(builder, key);
  struct tk_interned_text *entry = find_interned(builder, text.data, text.size);
  if (!entry) return tk_builder_copy(builder, text.data, text.size);
  *repeated = entry->list == list;
  entry->list = list;
  return (struct tk_text){entry->data, text.size};
}

/* ---- issues ---- */

static struct tk_text cut_raw(struct tk_text raw) {
  if (raw.size <= TK_ISSUE_RAW_LIMIT) return raw;
  raw.size = TK_ISSUE_RAW_LIMIT;
  while (raw.size > TK_ISSUE_RAW_LIMIT - 4 && ((unsigned char)raw.data[raw.size] & 0xC0) == 0x80) {
    raw.size--;
  }
  return raw;
}

static void locate(const struct tk_record_place *place, const char *at, struct tk_issue *issue) {
  issue->line = place->line;
  issue->offset = place->offset;
  if (!at || place->compressed || at < place->text || at > place->text + place->size) return;
  issue->offset += (uint64_t)(at - place->text);
  for (const char *line = place->text; issue->line > 0; issue->line++) {
    line = memchr(line, '\n', (size_t)(at - line));
    if (!line) break;
    line++;
  }
}

/* Input that is no text is quoted as hexadecimal digits, two for a byte. */
static struct tk_text copy_raw(struct tk_batch_builder *builder, struct tk_text raw) {
  static const char digits[] = "0123456789abcdef";
  uint32_t i = 0;
  while (i < raw.size && ((unsigned char)raw.data[i] >= ' ' || strchr("\t\n\r", raw.data[i])) &&
         raw.data[i] != '\0') {
    i++;
  }
  if (i == raw.size) return tk_builder_copy(builder, raw.data, raw.size);
  if (raw.size > TK_ISSUE_RAW_LIMIT / 2) raw.size = TK_ISSUE_RAW_LIMIT / 2;
  char *text = tk_arena_alloc_bytes(&builder->batch->arena, (size_t)raw.size * 2);
  if (!text) {
    builder->out_of_memory = true;
    return (struct tk_text){"", 0};
  }
  for (i = 0; i < raw.size; i++) {
    text[2 * i] = digits[(unsigned char)raw.data[i] >> 4];
    text[2 * i + 1] = digits[(unsigned char)raw.data[i] & 15];
  }
  return (struct tk_text){text, raw.size * 2};
}

/* The parts of the input that messages quote may be cut anywhere. */
static void replace_broken_utf8(char *message, size_t size) {
  if (tk_utf8_valid(message, size)) return;
  for (size_t i = 0; i < size; i++) {
    if ((unsigned char)message[i] >= 0x80) message[i] = '?';
  }
}

static struct tk_issue *TK_PRINTF(4, 0)
    add_issue(struct tk_batch_builder *builder, enum tk_rule rule, struct tk_text raw,
              const char *format, va_list arguments) {
  char message[512];
  const int wanted = vsnprintf(message, sizeof message, format, arguments);
  size_t size = wanted < 0 ? 0 : (size_t)wanted;
  if (size >= sizeof message) size = sizeof message - 1;
  replace_broken_utf8(message, size);

  struct tk_issue *issue = tk_builder_push(builder, &builder->issues, sizeof *issue);
  if (!issue) return NULL;
  *issue = (struct tk_issue){.rule = rules[rule].name, .severity = rules[rule].severity};
  locate(&builder->place, raw.data, issue);
  raw = cut_raw(raw);
  issue->raw = copy_raw(builder, raw);
  issue->message = tk_builder_copy(builder, message, (uint32_t)size);
  return issue;
}

struct tk_issue *tk_builder_issue(struct tk_batch_builder *builder, enum tk_rule rule,
                                  struct tk_text raw, const char *format, ...) {
  va_list arguments;
  if (builder->rule_counts[rule]++ >= rules[rule].limit) return NULL;
  va_start(arguments, format);
  struct tk_issue *issue = add_issue(builder, rule, raw, format, arguments);
  va_end(arguments);
  return issue;
}

void tk_builder_json_issue(struct tk_batch_builder *builder, const struct tk_json *json) {
  const struct tk_record_place *place = &builder->place;
  const struct tk_text raw = {place->text, place->size};
  const size_t left = (size_t)(json->end - json->error_at);
  struct tk_issue fault = {0};
  locate(place, json->error_at, &fault);
  if (left == 0) {
    tk_builder_issue(builder, TK_RULE_JSON_SYNTAX, raw,
                     "line %llu, byte %llu: expected %s, found the end of the record; skipped it",
                     (unsigned long long)fault.line, (unsigned long long)fault.offset,
                     json->expected);
  } else {
    tk_builder_issue(builder, TK_RULE_JSON_SYNTAX, raw,
                     "line %llu, byte %llu: expected %s, found `%.*s`; skipped the record",
                     (unsigned long long)fault.line, (unsigned long long)fault.offset,
                     json->expected, (int)(left < 24 ? left : 24), json->error_at);
  }
}

static void TK_PRINTF(3, 4)
    add_summary(struct tk_batch_builder *builder, enum tk_rule rule, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add_issue(builder, rule, (struct tk_text){0}, format, arguments);
  va_end(arguments);
}

static void summarise_issues(struct tk_batch_builder *builder) {
  builder->place = (struct tk_record_place){.offset = builder->batch->begin_offset};
  for (int rule = 0; rule < TK_RULE_COUNT; rule++) {
    const uint32_t count = builder->rule_counts[rule];
    if (count <= rules[rule].limit) continue;
    add_summary(builder, (enum tk_rule)rule, "%u more of the kind in this part of the input",
                (unsigned)(count - rules[rule].limit));
  }
}

/* ---- life of a batch ---- */

void tk_batch_builder_begin(struct tk_batch_builder *builder) {
  tk_batch_free(builder->batch);
  builder->batch = tk_batch_create();
  builder->out_of_memory = !builder->batch;
  builder->spans.count = builder->issues.count = builder->attributes.count = 0;
  builder->values.count = builder->events.count = builder->links.count = 0;
  builder->residual.count = builder->inner.count = 0;
  tk_builder_reset_documents(builder);
  builder->interned_count = 0;
  builder->list_number = 0;
  memset(builder->rule_counts, 0, sizeof builder->rule_counts);
  if (builder->interned_capacity > LARGEST_KEPT_INTERNED) {
    sqlite3_free(builder->interned);
    builder->interned = NULL;
    builder->interned_capacity = 0;
  } else if (builder->interned) {
    memset(builder->interned, 0, builder->interned_capacity * sizeof *builder->interned);
  }
}

enum tk_status tk_batch_builder_finish(struct tk_batch_builder *builder,
                                       struct tk_batch **batch_out, struct tk_error *error) {
  struct tk_batch *batch = builder->batch;
  *batch_out = NULL;
  if (!batch || builder->out_of_memory) return tk_nomem(error);
  summarise_issues(builder);
  tk_builder_close_lines(builder);
  batch->document_count = builder->documents.documents.count;
  batch->span_count = builder->spans.count;
  batch->issue_count = builder->issues.count;
  /* The batch is the builder's own and not shared yet: its arrays may be written. */
  union {
    const void *taken;
    struct tk_span *spans;
    struct tk_issue *issues;
    struct tk_document *documents;
  } array;
  array.taken = tk_builder_take(builder, &builder->spans, 0, sizeof *batch->spans);
  batch->spans = array.spans;
  array.taken = tk_builder_take(builder, &builder->issues, 0, sizeof *batch->issues);
  batch->issues = array.issues;
  array.taken =
      tk_builder_take(builder, &builder->documents.documents, 0, sizeof *batch->documents);
  batch->documents = array.documents;
  if (builder->out_of_memory) return tk_nomem(error);
  builder->batch = NULL;
  *batch_out = batch;
  return TK_OK;
}

void tk_batch_builder_reset(struct tk_batch_builder *builder) {
  struct tk_stack *const stacks[] = {&builder->spans,
                                     &builder->issues,
                                     &builder->attributes,
                                     &builder->values,
                                     &builder->events,
                                     &builder->links,
                                     &builder->residual,
                                     &builder->inner,
                                     &builder->documents.documents,
                                     &builder->documents.text,
                                     &builder->documents.origins,
                                     &builder->documents.trace_ids,
                                     &builder->documents.first_spans};
  for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++) sqlite3_free(stacks[i]->data);
  sqlite3_free(builder->interned);
  tk_batch_free(builder->batch);
  *builder = (struct tk_batch_builder){0};
}

void tk_batch_builder_mark(const struct tk_batch_builder *builder, struct tk_builder_mark *mark) {
  mark->span_count = builder->spans.count;
  mark->issue_count = builder->issues.count;
  mark->record_count = builder->batch->record_count;
  mark->rejected_count = builder->batch->rejected_count;
  memcpy(mark->rule_counts, builder->rule_counts, sizeof mark->rule_counts);
}

void tk_batch_builder_roll_back(struct tk_batch_builder *builder,
                                const struct tk_builder_mark *mark) {
  builder->spans.count = mark->span_count;
  builder->issues.count = mark->issue_count;
  builder->batch->record_count = mark->record_count;
  builder->batch->rejected_count = mark->rejected_count;
  builder->attributes.count = builder->values.count = builder->residual.count = 0;
  builder->events.count = builder->links.count = builder->inner.count = 0;
  memcpy(builder->rule_counts, mark->rule_counts, sizeof mark->rule_counts);
}
