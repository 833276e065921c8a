/* SPDX-License-Identifier: MIT
 * Any bytes as documents: every batch must be sound, the same however the bytes arrive and on two
 * threads, and nothing that is kept exactly may be more than was there. Recognising the beginning
 * must agree with itself. The first byte chooses limits and the format. */
#include <string.h>

#include "cli/input/document_kind.h"
#include "cli/input/format.h"
#include "tests/fuzz/read_soundly.h"
#include "tracekeep/document.h"

static uint64_t kept_bytes;

static void count_bytes(const struct tk_batch *batch) {
  for (uint32_t i = 0; i < batch->document_count; i++) {
    const struct tk_document *document = &batch->documents[i];
    if (!document->origins) kept_bytes += document->size;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const formats[] = {"documents", "kvonce-events", "inventory-events", NULL};
  if (size < 5) return 0;
  const char *text = (const char *)data + 1;
  if (memcmp(text, "\x28\xB5\x2F\xFD", 4) == 0 || memcmp(text, "\x1F\x8B", 2) == 0) return 0;
  struct tk_input_options options = {.format = formats[data[0] & 3],
                                     .batch_bytes = data[0] & 4 ? 64 : 0};
  (void)tk_document_begins(text, size - 1);
  (void)tk_document_may_be_envelope(text, size - 1);
  for (int kind = 0; kind < TK_DOCUMENT_KIND_COUNT; kind++) {
    if (tk_document_begins_with(text, size - 1, (enum tk_document_kind)kind)) {
      REQUIRE(tk_document_begins(text, size - 1));
    }
  }
  kept_bytes = 0;
  const uint64_t expected = read_soundly(data + 1, size - 1, 0, &options, count_bytes);
  /* Events of a bundle are there twice, and a line made of what was none gets a line end. */
  REQUIRE(kept_bytes <= 2 * size + size / 2);
  options.thread_count = data[0] & 8 ? 2 : 1;
  REQUIRE(read_soundly(data + 1, size - 1, data[0] & 16 ? 1 : 100, &options, NULL) == expected);
  return 0;
}
