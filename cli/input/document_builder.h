/** @file document_builder.h  Adding documents to a batch: whole ones, and lines of events. */
#ifndef TK_CLI_INPUT_DOCUMENT_BUILDER_H
#define TK_CLI_INPUT_DOCUMENT_BUILDER_H

#include "cli/input/batch_builder.h"
#include "tracekeep/document.h"

/** A line, or several, of a kind that is lines. */
struct tk_builder_line {
  enum tk_document_kind kind;
  struct tk_text text; /**< with its line end */
  uint32_t record_count;
  const struct tk_record_origin *origin; /**< of one record that was a span; or NULL */
  struct tk_text trace_id;               /**< in the batch's arena; may be empty */
  struct tk_text run_id;                 /**< likewise */
};

void tk_builder_add_line(struct tk_batch_builder *builder, const struct tk_builder_line *line);
/** As tk_builder_add_line for one whose text is written by the caller afterwards, to the stack
 * builder->documents.text. */
void tk_builder_begin_line(struct tk_batch_builder *builder, const struct tk_builder_line *line);
/** Lines that follow begin a document of their own. */
void tk_builder_close_lines(struct tk_batch_builder *builder);

/** A whole document, whose text is copied; or white space. */
void tk_builder_add_document(struct tk_batch_builder *builder, enum tk_document_kind kind,
                             struct tk_text text, uint64_t line);

void tk_builder_reset_documents(struct tk_batch_builder *builder);

#endif
