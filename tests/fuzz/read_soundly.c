#include "tests/fuzz/read_soundly.h"

#include <string.h>

#include "tracekeep/document.h"
#include "tracekeep/hash.h"

/* Reading every byte lets sanitizers see texts that point nowhere. */
static void add_text(struct tk_hash *hash, const char *data, uint32_t size) {
  tk_hash_update(hash, &size, sizeof size);
  tk_hash_update(hash, data, size);
}

static void add_members(struct tk_hash *hash, const struct tk_attribute *items, uint32_t count);

static void add_value(struct tk_hash *hash, struct tk_value value) {
  tk_hash_update(hash, &value.type, sizeof value.type);
  REQUIRE(value.type <= TK_VALUE_BYTES);
  if (value.type == TK_VALUE_STRING || value.type == TK_VALUE_BYTES) {
    add_text(hash, value.as.text, value.size);
  } else if (value.type == TK_VALUE_ARRAY) {
    for (uint32_t i = 0; i < value.size; i++) add_value(hash, value.as.items[i]);
  } else if (value.type == TK_VALUE_KVLIST) {
    add_members(hash, value.as.members, value.size);
  } else if (value.type != TK_VALUE_EMPTY) {
    tk_hash_update(hash, &value.as.integer, sizeof value.as.integer);
  }
}

static void add_members(struct tk_hash *hash, const struct tk_attribute *items, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    add_text(hash, items[i].key.data, items[i].key.size);
    add_value(hash, items[i].value);
  }
}

static void add_residual(struct tk_hash *hash, struct tk_residual residual) {
  REQUIRE((residual.size > 0) == (residual.format != TK_RESIDUAL_NONE));
  add_text(hash, residual.data, residual.size);
}

static void add_span(struct tk_hash *hash, const struct tk_span *span) {
  static const uint8_t zero[8];
  const bool has_parent = span->presence & TK_SPAN_HAS_PARENT;
  REQUIRE(has_parent == (memcmp(span->parent_span_id, zero, sizeof zero) != 0));
  REQUIRE((span->trace_id_text.size > 0) == ((span->presence & TK_SPAN_TEXT_TRACE_ID) != 0));
  tk_hash_update(hash, span->trace_id, sizeof span->trace_id);
  tk_hash_update(hash, span->span_id, sizeof span->span_id);
  add_text(hash, span->name.data, span->name.size);
  add_text(hash, span->status_message.data, span->status_message.size);
  add_members(hash, span->attributes.items, span->attributes.count);
  add_residual(hash, span->residual);
  for (uint32_t i = 0; i < span->event_count; i++) {
    add_text(hash, span->events[i].name.data, span->events[i].name.size);
    add_members(hash, span->events[i].attributes.items, span->events[i].attributes.count);
    add_residual(hash, span->events[i].residual);
  }
  for (uint32_t i = 0; i < span->link_count; i++) {
    add_text(hash, span->links[i].trace_state.data, span->links[i].trace_state.size);
    add_members(hash, span->links[i].attributes.items, span->links[i].attributes.count);
    add_residual(hash, span->links[i].residual);
  }
  add_members(hash, span->resource->attributes.items, span->resource->attributes.count);
  add_residual(hash, span->resource->residual);
  add_residual(hash, span->resource->outer_residual);
  add_text(hash, span->scope->name.data, span->scope->name.size);
  add_residual(hash, span->scope->residual);
  add_residual(hash, span->scope->outer_residual);
}

static void add_document(struct tk_hash *hash, const struct tk_document *document) {
  const bool lines = tk_document_kind_is_lines(document->kind);
  REQUIRE(document->kind <= TK_DOCUMENT_SPACE && document->size > 0);
  REQUIRE(document->record_count >= (document->kind != TK_DOCUMENT_SPACE));
  REQUIRE(lines || (!document->origins && document->trace_id_count == 0));
  if (!lines) REQUIRE(document->text[document->size] == '\0');
  tk_hash_update(hash, &document->kind, sizeof document->kind);
  tk_hash_update(hash, document->text, document->size);
  tk_hash_update(hash, &document->record_count, sizeof document->record_count);
  add_text(hash, document->run_id.data, document->run_id.size);
  for (uint32_t i = 0; i < document->trace_id_count; i++) {
    add_text(hash, document->trace_ids[i].data, document->trace_ids[i].size);
  }
  for (uint32_t i = 0; document->origins && i < document->record_count; i++) {
    tk_hash_update(hash, document->origins[i].span_id, sizeof document->origins[i].span_id);
  }
}

static void add_batch(struct tk_hash *hash, const struct tk_batch *batch) {
  for (uint32_t i = 0; i < batch->span_count; i++) add_span(hash, &batch->spans[i]);
  for (uint32_t i = 0; i < batch->issue_count; i++) {
    const struct tk_issue *issue = &batch->issues[i];
    REQUIRE(issue->rule && issue->message.size > 0 && issue->raw.size <= TK_ISSUE_RAW_LIMIT);
    add_text(hash, issue->message.data, issue->message.size);
    add_text(hash, issue->raw.data, issue->raw.size);
  }
  for (uint32_t i = 0; i < batch->document_count; i++) add_document(hash, &batch->documents[i]);
  tk_hash_update(hash, &batch->record_count, sizeof batch->record_count);
  tk_hash_update(hash, &batch->rejected_count, sizeof batch->rejected_count);
  tk_hash_update(hash, &batch->end_hash, sizeof batch->end_hash);
}

uint64_t read_soundly(const uint8_t *data, size_t size, size_t piece,
                      const struct tk_input_options *options, batch_check *check) {
  struct tk_byte_source *source;
  struct tk_input *reader;
  struct tk_batch *batch;
  struct tk_hash hash;
  uint64_t end = 0;
  tk_hash_init(&hash);
  if (tk_byte_source_open_memory("fuzz", data, size, piece, &source, NULL) != TK_OK) return 0;
  if (tk_input_open_source(source, options, &reader, NULL) != TK_OK) return 0;
  while (tk_input_next(reader, &batch, NULL) == TK_OK && batch) {
    REQUIRE(batch->begin_offset == end && batch->end_offset >= end);
    end = batch->end_offset;
    add_batch(&hash, batch);
    if (check) check(batch);
    tk_batch_free(batch);
  }
  tk_input_close(reader);
  return tk_hash_digest(&hash);
}
