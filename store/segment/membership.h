/* Membership filters: "is this value perhaps in the segment?", without loading the column.
 * A split-block Bloom filter as the Parquet format specifies it, about 10.5 bits a value, 1 % false
 * positives. docs/segment-format.md, "Filters", is normative. The blob begins with XXH64 of what
 * follows it. */
#ifndef TK_STORE_MEMBERSHIP_H
#define TK_STORE_MEMBERSHIP_H

#include <stdbool.h>

#include "store/codec/byte_writer.h"
#include "tracekeep/status.h"

/** Appends the blob for `count` hashes (tk_hash64 of each value); duplicates do no harm. */
void tk_membership_encode(struct tk_byte_writer *out, const uint64_t *hashes, uint32_t count);

/** Checks checksum and size of a blob once; afterwards tk_membership_may_contain may be called. */
enum tk_status tk_membership_verify(const uint8_t *blob, size_t size, struct tk_error *error);
bool tk_membership_may_contain(const uint8_t *blob, size_t size, uint64_t hash);

#endif
