/* SPDX-License-Identifier: MIT
 * A configuration is parsed before it is stored: one that is refused would answer no question
 * later, and its author should hear of it now. The issue stands at the line that is at fault. */
#include "cli/input/sampling_config.h"

#include <stdlib.h>
#include <string.h>

#include "cli/input/document_builder.h"
#include "tracekeep/sampling_config.h"

/* Line `number` of the text, from 1; the last one if there are fewer. */
static struct tk_text find_line(struct tk_text text, unsigned long number) {
  const char *at = text.data, *end = text.data + text.size;
  const char *stop = memchr(at, '\n', text.size);
  for (; number > 1 && stop; number--) {
    at = stop + 1;
    stop = memchr(at, '\n', (size_t)(end - at));
  }
  return (struct tk_text){at, (uint32_t)((stop ? stop : end) - at)};
}

/* The message begins "line 3, column 5: "; the issue has the line already. */
static unsigned long take_line(const char **message) {
  char *end;
  if (strncmp(*message, "line ", 5) != 0) return 1;
  const unsigned long line = strtoul(*message + 5, &end, 10);
  if (strncmp(end, ", ", 2) == 0) *message = end + 2;
  return line;
}

static void reject(struct tk_batch_builder *builder, struct tk_text value, const char *message) {
  const struct tk_text line = find_line(value, take_line(&message));
  builder->batch->rejected_count++;
  tk_builder_issue(builder, TK_RULE_SAMPLING_CONFIG, line, "%s; not stored", message);
}

void tk_builder_add_sampling_config(struct tk_batch_builder *builder, struct tk_text value,
                                    struct tk_text around, uint64_t line) {
  struct tk_sampling_config *config = NULL;
  struct tk_error error = {{0}};
  const enum tk_status status =
      tk_sampling_config_parse(value.data, value.size, NULL, &config, &error);
  tk_sampling_config_free(config);
  if (status == TK_OK) {
    tk_builder_add_document(builder, TK_DOCUMENT_SAMPLING_CONFIG, around, line);
  } else if (status == TK_NOMEM) {
    builder->out_of_memory = true;
  } else {
    reject(builder, value, error.message);
  }
}

void tk_sampling_config_parse_record(struct tk_batch_builder *builder,
                                     const struct tk_record *record) {
  const struct tk_text text = {record->text, record->size};
  if (builder->out_of_memory) return;
  builder->batch->record_count++;
  builder->place = (struct tk_record_place){.text = record->text,
                                            .size = record->size,
                                            .offset = record->begin_offset,
                                            .line = record->line,
                                            .first_span = builder->spans.count};
  tk_builder_add_sampling_config(builder, text, text, record->line);
}
