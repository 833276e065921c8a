/* Reads all that is in a store by every way there is: for tests that damage it. */
#ifndef TK_TESTS_READ_EVERYTHING_H
#define TK_TESTS_READ_EVERYTHING_H

#include "store/segment/segment.h"
#include "tracekeep/hash.h"

/** *digest_out is a hash of all spans. Stops at the first failure. */
enum tk_status read_everything(sqlite3 *db, uint64_t *digest_out, struct tk_error *error);

/** The same for one segment. */
enum tk_status read_segment(struct tk_reader *reader, const struct tk_segment *segment,
                            struct tk_hash *digest, struct tk_error *error);

#endif
