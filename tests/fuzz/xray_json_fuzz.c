/* SPDX-License-Identifier: MIT
 * Any bytes as AWS X-Ray's segment documents: every batch must be sound, two threads must give what
 * one gives, and what was read can be written in every format. The first byte chooses the limits.
 */
#include "tests/fuzz/read_foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return read_foreign("xray", data, size);
}
