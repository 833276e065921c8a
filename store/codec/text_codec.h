/* Lists of texts in blocks: the values of a text column, or the entries of its dictionary.
 *
 * docs/segment-format.md, "Text lists", is normative. */
#ifndef TK_STORE_TEXT_CODEC_H
#define TK_STORE_TEXT_CODEC_H

#include "store/codec/int_codec.h"

/** How a list is laid out. Stored. */
enum tk_text_layout {
  TK_TEXT_PLAIN = 1,    /**< lengths, and the bytes one after the other */
  TK_TEXT_FRONT = 2,    /**< without what a text shares with the beginning of the one before */
  TK_TEXT_TEMPLATE = 3, /**< constant parts said once, and numbers in them as integers */
  TK_TEXT_LAYOUTS
};

/** Appends the list in the layout that is smallest; `sorted` makes TK_TEXT_FRONT a candidate. */
void tk_text_list_encode(struct tk_byte_writer *out, const struct tk_text *texts,
                         const struct tk_granules *blocks, bool sorted);

struct tk_template_list;

/** A list opened for reading; the bytes read from stay borrowed. */
struct tk_text_list {
  enum tk_text_layout layout;
  uint32_t block_count;
  struct tk_int_stream lengths; /**< PLAIN: of the texts; FRONT: of what is not shared */
  struct tk_int_stream shared;  /**< FRONT */
  const uint8_t *payload;
  uint32_t *block_ends; /**< in payload */
  struct tk_template_list *templates;
  size_t memory_bytes;
};

/** One block of texts: text i is bytes[ends[i - 1] .. ends[i]), from 0 for the first. */
struct tk_text_block {
  uint8_t *bytes;
  uint32_t *ends;
  size_t size; /**< of `bytes` */
};

enum tk_status tk_text_list_open(struct tk_text_list *list, struct tk_byte_reader *reader,
                                 uint32_t block_count, struct tk_error *error);

/** Decodes block `block` of `count` texts, which may not take more than `limit` bytes. The caller
 * frees it with tk_text_block_reset. */
enum tk_status tk_text_list_decode(const struct tk_text_list *list, uint32_t block, uint32_t count,
                                   size_t limit, struct tk_text_block *decoded,
                                   struct tk_error *error);

void tk_text_list_close(struct tk_text_list *list);
void tk_text_block_reset(struct tk_text_block *block);

/* ---- shared by the layouts ---- */

/** Appends block sizes and the blocks: `ends[b]` is where block b ends in `payload`. */
void tk_write_blocks(struct tk_byte_writer *out, const struct tk_byte_writer *payload,
                     const uint32_t *ends, uint32_t block_count);
/** Reads them: allocates *ends. */
enum tk_status tk_read_blocks(struct tk_byte_reader *reader, uint32_t block_count,
                              const uint8_t **payload, uint32_t **ends, struct tk_error *error);

#endif
