/** @file batch_builder.h  What all formats fill a tk_batch with: copied and interned text, lists
 * whose length is not known beforehand, issues within limits.
 *
 * Running out of memory is sticky: functions go on returning harmless values, and
 * tk_batch_builder_finish says TK_NOMEM. Long loops may look at `out_of_memory`. */
#ifndef TK_CLI_INPUT_BATCH_BUILDER_H
#define TK_CLI_INPUT_BATCH_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/input/issue_rules.h"
#include "tracekeep/json.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

/** A growing array. Lists that nest share one: each remembers where it began, and is cut off when
 * it is finished. */
struct tk_stack {
  char *data;
  uint32_t count;
  uint32_t capacity;
};

/** The text being read, so that an issue about a part of it knows its line and offset. */
struct tk_record_place {
  const char *text;
  uint64_t offset; /**< of text[0] in the decoded input */
  uint64_t line;   /**< of text[0], 1-based; 0: lines mean nothing */
  uint32_t size;
  uint32_t first_span; /**< of the record, in the builder's */
  bool compressed;     /**< see struct tk_record */
};

struct tk_interned_text;

/** Documents of the batch. Lines of one kind that follow each other are one of them, the last one
 * while it is open: its text, origins and trace ids are still on stacks. */
struct tk_document_stacks {
  struct tk_stack documents, text, origins, trace_ids;
  struct tk_stack first_spans; /**< of each document of spans in the batch: uint32_t */
  bool open;
};

struct tk_batch_builder {
  struct tk_batch *batch;
  struct tk_record_place place;
  struct tk_stack spans, issues, attributes, values, events, links, residual;
  struct tk_stack inner; /**< see residual_bytes.h */
  struct tk_document_stacks documents;
  struct tk_interned_text *interned;
  uint32_t interned_capacity; /**< a power of two */
  uint32_t interned_count;
  uint32_t list_number; /**< of the newest list whose keys are checked to be distinct */
  uint32_t rule_counts[TK_RULE_COUNT];
  bool out_of_memory;
};

/** The builder must be zeroed before first use, and is reusable batch after batch. */
void tk_batch_builder_begin(struct tk_batch_builder *builder);
/** Moves the batch out; on failure it is freed and *batch_out NULL. */
enum tk_status tk_batch_builder_finish(struct tk_batch_builder *builder,
                                       struct tk_batch **batch_out, struct tk_error *error);
void tk_batch_builder_reset(struct tk_batch_builder *builder);

/** A state to go back to when a record turns out to be broken half-way. Text stays in the arena. */
struct tk_builder_mark {
  uint32_t span_count;
  uint32_t issue_count;
  uint32_t record_count;
  uint32_t rejected_count;
  uint32_t rule_counts[TK_RULE_COUNT];
};
void tk_batch_builder_mark(const struct tk_batch_builder *builder, struct tk_builder_mark *mark);
void tk_batch_builder_roll_back(struct tk_batch_builder *builder,
                                const struct tk_builder_mark *mark);

/** Room for one more item at the end of `stack`, or NULL. Items of a stack have one size. */
void *tk_builder_push(struct tk_batch_builder *builder, struct tk_stack *stack, size_t item_size);
/** Moves the items from index `begin` on into the arena, and cuts the stack there. */
const void *tk_builder_take(struct tk_batch_builder *builder, struct tk_stack *stack,
                            uint32_t begin, size_t item_size);
/** Appends bytes to a stack of bytes. */
void tk_builder_append(struct tk_batch_builder *builder, struct tk_stack *stack, const void *data,
                       size_t size);
/** Appends bytes to the `residual` stack. */
void tk_builder_push_bytes(struct tk_batch_builder *builder, const char *data, size_t size);

struct tk_text tk_builder_copy(struct tk_batch_builder *builder, const char *data, uint32_t size);
/** As tk_builder_copy, but equal short texts of a batch share their bytes. */
struct tk_text tk_builder_intern(struct tk_batch_builder *builder, const char *data, uint32_t size);
/** The text that equal texts of the batch share, or NULL if none of them has been interned. */
const char *tk_builder_find_interned(const struct tk_batch_builder *builder, const char *data,
                                     uint32_t size);
/** Copies a JSON string without its escapes; broken UTF-8 is kept and reported. */
struct tk_text tk_builder_string(struct tk_batch_builder *builder, struct tk_json_string string);

/** A key of an attribute list that began with `list = tk_builder_begin_keys()`: interned;
 * *repeated says that this list has had the key before. Lists must not nest. */
uint32_t tk_builder_begin_keys(struct tk_batch_builder *builder);
struct tk_text tk_builder_key(struct tk_batch_builder *builder, struct tk_json_string key,
                              uint32_t list, bool *repeated);

/** Adds an issue about `raw`, which may be part of the current record (its line and offset are then
 * those of the issue) or not. Returns it, for the ids to be filled in, or NULL. */
struct tk_issue *tk_builder_issue(struct tk_batch_builder *builder, enum tk_rule rule,
                                  struct tk_text raw, const char *format, ...) TK_PRINTF(4, 5);

/** Adds a json.syntax issue for the error `json` stopped at, quoting the record from its start. */
void tk_builder_json_issue(struct tk_batch_builder *builder, const struct tk_json *json);

const char *tk_rule_name(enum tk_rule rule);

#endif
