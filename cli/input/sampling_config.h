/** @file sampling_config.h  Sampling configurations among the documents: only those that can be
 * parsed are taken. */
#ifndef TK_CLI_INPUT_SAMPLING_CONFIG_H
#define TK_CLI_INPUT_SAMPLING_CONFIG_H

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"

/** Takes all of an input as a sampling configuration, which may be YAML. */
void tk_sampling_config_parse_record(struct tk_batch_builder *builder,
                                     const struct tk_record *record);

/** Adds `value`, within builder->place, as a document; or rejects it, and an issue says what in it
 * cannot be. `around` is what is kept of the input: the value and its white space. */
void tk_builder_add_sampling_config(struct tk_batch_builder *builder, struct tk_text value,
                                    struct tk_text around, uint64_t line);

#endif
