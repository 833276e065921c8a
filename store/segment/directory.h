/* The directory of a segment: what columns there are, where granules end, which keysets exist.
 * docs/segment-format.md, "Directory", is normative. */
#ifndef TK_STORE_DIRECTORY_H
#define TK_STORE_DIRECTORY_H

#include "store/codec/byte_writer.h"
#include "store/segment/segment.h"

struct tk_directory {
  struct tk_segment_summary summary; /**< id, flags and stored_bytes are not part of the bytes */
  enum tk_start_model start_model;
  struct tk_granules rows;
  const uint32_t *granule_first_trace;                   /**< rows.count + 1 */
  const uint64_t *granule_start_min, *granule_start_max; /**< rows.count */
  uint32_t resource_count, scope_count;                  /**< how many the segment refers to */
  struct tk_keysets keysets[3];
  const struct tk_segment_column *columns;
  uint32_t column_count;
};

/** Appends the encoded directory (a version byte, then zstd) to `out`; sticky failure. */
void tk_directory_encode(struct tk_byte_writer *out, const struct tk_directory *directory);

/** Everything the result points to is in `arena`. Verified here, so that readers need not: granule
 * ends ascend and end at span_count; first traces ascend and end at trace_count; columns ascend by
 * number, and kind and value_count fit the number; keysets name attribute columns of their scope,
 * each at most once; granule_first_value ascends within value_count. */
enum tk_status tk_directory_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                                   struct tk_directory *directory_out, struct tk_error *error);

/** What kind of column `number` is (attribute columns: by type), and how many values it must have
 * given the counts of `summary`; UINT32_MAX where that is not determined (sparse and attributes).
 * False: no such column. */
bool tk_directory_expect(const struct tk_segment_summary *summary, uint16_t number, uint8_t type,
                         enum tk_column_kind *kind_out, uint32_t *value_count_out);

#endif
