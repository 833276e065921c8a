/* SPDX-License-Identifier: MIT
 * Lines are collected on stacks, since how many come is known only when another kind follows. */
#include "cli/input/document_builder.h"

#include <string.h>

#include "cli/input/checksum.h"

static struct tk_document *open_document(struct tk_batch_builder *builder) {
  struct tk_stack *stack = &builder->documents.documents;
  if (!builder->documents.open || stack->count == 0) return NULL;
  struct tk_document *documents = (struct tk_document *)(void *)stack->data;
  return &documents[stack->count - 1];
}

static struct tk_document *push_document(struct tk_batch_builder *builder,
                                         enum tk_document_kind kind) {
  struct tk_document *document =
      tk_builder_push(builder, &builder->documents.documents, sizeof *document);
  if (document) *document = (struct tk_document){.kind = kind, .text = ""};
  return document;
}

void tk_builder_close_lines(struct tk_batch_builder *builder) {
  struct tk_document_stacks *stacks = &builder->documents;
  struct tk_document *document = open_document(builder);
  if (document) {
    document->size = stacks->text.count;
    document->trace_id_count = stacks->trace_ids.count;
    document->text = tk_builder_take(builder, &stacks->text, 0, 1);
    document->origins =
        tk_builder_take(builder, &stacks->origins, 0, sizeof(struct tk_record_origin));
    document->trace_ids = tk_builder_take(builder, &stacks->trace_ids, 0, sizeof(struct tk_text));
  }
  stacks->text.count = stacks->origins.count = stacks->trace_ids.count = 0;
  stacks->open = false;
}

void tk_builder_begin_line(struct tk_batch_builder *builder, const struct tk_builder_line *line) {
  struct tk_document_stacks *stacks = &builder->documents;
  struct tk_document *document = open_document(builder);
  if (!document || document->kind != line->kind ||
      (stacks->origins.count > 0) != (line->origin != NULL)) {
    tk_builder_close_lines(builder);
    document = push_document(builder, line->kind);
    if (!document) return;
    stacks->open = true;
  }
  document->record_count += line->record_count;
  if (document->run_id.size == 0) document->run_id = line->run_id;
  if (line->origin) {
    struct tk_record_origin *origin =
        tk_builder_push(builder, &stacks->origins, sizeof *line->origin);
    if (origin) *origin = *line->origin;
  }
  if (line->trace_id.size == 0) return;
  const struct tk_text *ids = (const struct tk_text *)(const void *)stacks->trace_ids.data;
  const struct tk_text *last = stacks->trace_ids.count ? &ids[stacks->trace_ids.count - 1] : NULL;
  if (last && last->size == line->trace_id.size &&
      memcmp(last->data, line->trace_id.data, last->size) == 0) {
    return;
  }
  struct tk_text *id = tk_builder_push(builder, &stacks->trace_ids, sizeof *id);
  if (id) *id = line->trace_id;
}

void tk_builder_add_line(struct tk_batch_builder *builder, const struct tk_builder_line *line) {
  tk_builder_begin_line(builder, line);
  tk_builder_append(builder, &builder->documents.text, line->text.data, line->text.size);
}

void tk_builder_add_document(struct tk_batch_builder *builder, enum tk_document_kind kind,
                             struct tk_text text, uint64_t line) {
  tk_builder_close_lines(builder);
  struct tk_document *document = push_document(builder, kind);
  char *copy = tk_arena_alloc_bytes(&builder->batch->arena, (size_t)text.size + 1);
  if (!document || !copy) {
    builder->out_of_memory = true;
    return;
  }
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  document->record_count = kind != TK_DOCUMENT_SPACE;
  document->text = copy;
  document->size = text.size;
  document->line = line;
  if (kind != TK_DOCUMENT_SPACE) {
    document->has_sha256 = tk_sha256(copy, text.size, document->sha256);
  }
}

void tk_builder_reset_documents(struct tk_batch_builder *builder) {
  struct tk_document_stacks *stacks = &builder->documents;
  stacks->documents.count = stacks->first_spans.count = 0;
  stacks->text.count = stacks->origins.count = stacks->trace_ids.count = 0;
  stacks->open = false;
}
