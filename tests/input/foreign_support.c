#include "tests/input/foreign_support.h"

#include <stdlib.h>
#include <string.h>

/* NULL batch: the input ended, or *status says why there is none. */
static struct tk_batch *read_once(const char *text, const char *format, enum tk_status *status) {
  const struct tk_input_options options = {.format = format, .batch_bytes = SIZE_MAX};
  struct tk_byte_source *source;
  struct tk_input *reader;
  struct tk_batch *batch = NULL;
  *status = tk_byte_source_open_memory("memory", text, strlen(text), 0, &source, NULL);
  if (*status != TK_OK) return NULL;
  *status = tk_input_open_source(source, &options, &reader, NULL);
  if (*status != TK_OK) return NULL;
  *status = tk_input_next(reader, &batch, NULL);
  tk_input_close(reader);
  return batch;
}

void check_out_of_memory(const char *text, const char *format) {
  enum tk_status status;
  struct tk_batch *expected = read_once(text, format, &status);
  CHECK(expected && expected->span_count > 0 && expected->rejected_count == 0);
  if (!expected) return;
  const uint64_t digest = digest_batch(expected);
  tk_batch_free(expected);
  int n = 1;
  for (;; n++) {
    fault_memory_fail_at(n);
    struct tk_batch *batch = read_once(text, format, &status);
    const int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    CHECK(status == (hits ? TK_NOMEM : TK_OK) && (batch != NULL) == !hits);
    if (batch) CHECK(digest_batch(batch) == digest);
    tk_batch_free(batch);
    if (!hits) break;
  }
  CHECK(n > 8);
}

const char *recognise(const char *text) {
  struct tk_byte_source *source;
  struct tk_input *reader;
  if (tk_byte_source_open_memory("memory", text, strlen(text), 0, &source, NULL) != TK_OK) abort();
  if (tk_input_open_source(source, NULL, &reader, NULL) != TK_OK) abort();
  const char *name = tk_input_format_name(reader);
  tk_input_close(reader);
  return name;
}

bool residual_is(struct tk_residual residual, const char *expected) {
  return text_is((struct tk_text){residual.data, residual.size}, expected) &&
         residual.format == (residual.size ? TK_RESIDUAL_JSON : TK_RESIDUAL_NONE);
}

bool value_is(struct tk_value value, const char *expected) {
  return value.type == TK_VALUE_STRING &&
         text_is((struct tk_text){value.as.text, value.size}, expected);
}
