/* Text lists in the TEMPLATE layout; see text_codec.h, the only user. */
#ifndef TK_STORE_TEMPLATE_CODEC_H
#define TK_STORE_TEMPLATE_CODEC_H

#include "store/codec/text_codec.h"

/** Appends the list; false, with nothing useful appended, if templates do not suit the texts or
 * memory ran out (out->failed). */
bool tk_template_list_encode(struct tk_byte_writer *out, const struct tk_text *texts,
                             const struct tk_granules *blocks);

/** As tk_text_list_open, after the layout byte; *list is allocated, *memory_bytes added to. */
enum tk_status tk_template_list_open(struct tk_template_list **list, struct tk_byte_reader *reader,
                                     uint32_t block_count, size_t *memory_bytes,
                                     struct tk_error *error);

/** As tk_text_list_decode; decoded->ends is allocated already. */
enum tk_status tk_template_list_decode(const struct tk_template_list *list, uint32_t block,
                                       uint32_t count, size_t limit, struct tk_text_block *decoded,
                                       struct tk_error *error);

/** NULL is fine. */
void tk_template_list_close(struct tk_template_list *list);

#endif
