/** @file kvonce_spans.h  Spans that carry kvonce.event.type and kvonce.event.key are KvOnce events
 * as well: lines in the form the project's own converter writes. */
#ifndef TK_CLI_INPUT_KVONCE_SPANS_H
#define TK_CLI_INPUT_KVONCE_SPANS_H

#include "cli/input/batch_builder.h"

/** The spans that follow are of another document. */
void tk_builder_note_document(struct tk_batch_builder *builder);
/** Adds a line for each such span of the batch; costs nothing where there are none. */
void tk_builder_add_span_events(struct tk_batch_builder *builder);

#endif
