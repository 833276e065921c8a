/* What the encoder and the decoder of templates agree on. Change docs/segment-format.md too. */
#ifndef TK_STORE_TEMPLATE_FORMAT_H
#define TK_STORE_TEMPLATE_FORMAT_H

/* Stands for a slot in the text of a template. Texts that contain it are stored raw. */
enum { TK_SLOT_MARK = 0 };

/* A slot's kind; the last three take a number of digits as their low five bits. */
enum tk_slot_kind {
  TK_SLOT_RAW = 0,         /* the value is a length, the bytes are in the block's raw bytes */
  TK_SLOT_DECIMAL = 1,     /* without leading zeros */
  TK_SLOT_ENUMERATED = 2,  /* digit strings numbered by length, then value: 0..9, 00..99, 000.. */
  TK_SLOT_PADDED = 0x20,   /* decimal digits, 1 to 19 */
  TK_SLOT_HEX = 0x40,      /* lower-case hexadecimal digits, 1 to 16 */
  TK_SLOT_HEX_UPPER = 0x60 /* upper-case ones */
};

enum {
  TK_SLOT_DIGITS_MASK = 0x1F,
  TK_DECIMAL_DIGITS_MAX = 19, /* of PADDED and ENUMERATED: what fits in 64 bits */
  TK_HEX_DIGITS_MAX = 16,
  TK_TEMPLATE_SLOTS_MAX = 64, /* in one template */
  TK_TEMPLATES_MAX = 1 << 14,
  TK_SLOT_GROUPS_MAX = 256
};

#endif
