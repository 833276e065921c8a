/* What fuzz targets of readers share: reading everything, and touching every byte of what it gave.
 */
#ifndef TK_TESTS_FUZZ_READ_SOUNDLY_H
#define TK_TESTS_FUZZ_READ_SOUNDLY_H

#include <stdlib.h>

#include "cli/input/reader.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

typedef void batch_check(const struct tk_batch *batch);

/** A hash of all that reading `data` gives, `piece` bytes at a time (0: all); aborts where a batch
 * cannot be right. `check`, if not NULL, sees every batch. */
uint64_t read_soundly(const uint8_t *data, size_t size, size_t piece,
                      const struct tk_input_options *options, batch_check *check);

#endif
