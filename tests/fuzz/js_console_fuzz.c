/* SPDX-License-Identifier: MIT
 * Any bytes as what the JavaScript SDK's ConsoleSpanExporter prints: every batch must be sound, two
 * threads must give what one gives, and what was read can be written in every format. The first
 * byte chooses the limits. */
#include "tests/fuzz/read_foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return read_foreign("js-console", data, size);
}
