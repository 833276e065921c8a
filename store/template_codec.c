/* SPDX-License-Identifier: MIT
 * The TEMPLATE layout: not written yet. */
#include "store/template_codec.h"

bool tk_template_list_encode(struct tk_byte_writer *out, const struct tk_text *texts,
                             const struct tk_granules *blocks) {
  (void)out, (void)texts, (void)blocks;
  return false;
}

enum tk_status tk_template_list_open(struct tk_template_list **list, struct tk_byte_reader *reader,
                                     uint32_t block_count, size_t *memory_bytes,
                                     struct tk_error *error) {
  (void)list, (void)reader, (void)block_count, (void)memory_bytes;
  return tk_corrupt(error, "templates");
}

enum tk_status tk_template_list_decode(const struct tk_template_list *list, uint32_t block,
                                       uint32_t count, size_t limit, struct tk_text_block *decoded,
                                       struct tk_error *error) {
  (void)list, (void)block, (void)count, (void)limit, (void)decoded;
  return tk_corrupt(error, "templates");
}

void tk_template_list_close(struct tk_template_list *list) {
  (void)list;
}
