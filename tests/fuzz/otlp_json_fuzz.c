/* SPDX-License-Identifier: MIT
 * Any bytes through the whole reader: every batch must be sound, two threads must give what one
 * gives, and what was read can be written. The first byte chooses the limits. */
#include "tests/fuzz/write_otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  struct tk_input_options options = {.batch_bytes = data[0] & 1 ? 64 : 0,
                                     .line_limit = data[0] & 2 ? 16 : 0};
  const uint64_t expected = read_soundly(data + 1, size - 1, 0, &options, write_as_otlp);
  options.thread_count = data[0] & 4 ? 2 : 1;
  REQUIRE(read_soundly(data + 1, size - 1, data[0] & 8 ? 1 : 100, &options, NULL) == expected);
  return 0;
}
