/** @file format.h  The formats there are readers for: one row each. */
#ifndef TK_CLI_INPUT_FORMAT_H
#define TK_CLI_INPUT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"
#include "cli/input/splitter.h"

struct tk_input_format {
  const char *name; /**< as in `ingests.format` and --format */
  /** Whether input that begins with these bytes is of this format. Asked in the table's order. */
  bool (*probe)(const char *head, size_t size);
  struct tk_split_keys split_keys;
  /** Adds a record that is not a FAULT to the batch. Called from several threads, each with a
   * builder of its own. */
  void (*parse)(struct tk_batch_builder *builder, const struct tk_record *record);
};

/** NULL: no such format. */
const struct tk_input_format *tk_input_format_find(const char *name);
/** NULL: no probe recognises it. */
const struct tk_input_format *tk_input_format_recognise(const char *head, size_t size);
/** Never NULL: JSON that no probe recognises is left to the reader of documents, which knows OTLP
 * too, and other input to that of OTLP/JSON to complain about. */
const struct tk_input_format *tk_input_format_probe(const char *head, size_t size);
/** Row `index`, NULL behind the last. */
const struct tk_input_format *tk_input_format_at(size_t index);

#endif
