/* SPDX-License-Identifier: MIT
 * Templates and numbers back to texts; the other direction is template_encoder.c.
 *
 *   list   template-count {template-sizes slots} codes group-count groups... raw
 *
 * A block is decoded in two passes: one finds how many numbers it takes from each group and how
 * long the texts can get at most, which leaves nothing to check in the second, which writes them.
 */
#include "store/codec/template_codec.h"

#include <string.h>

#include "store/codec/compression.h"
#include "store/codec/template_format.h"
#include "store/sqlite_api.h"

/* Bytes that may be read beyond texts of templates, and written beyond texts, so that short copies
 * have a constant size. What is written too much is overwritten by what comes next. */
enum { SLACK = 16 };

struct slot {
  uint32_t literal_size; /* constant bytes before it */
  uint32_t group;
  uint64_t base;
  uint8_t kind;
};

struct template {
  uint32_t text_begin, text_size; /* in texts */
  uint32_t first_slot, slot_count;
  uint32_t largest_size; /* of what it expands to, without raw bytes */
};

struct tk_template_list {
  uint8_t *texts;
  size_t texts_size;
  struct template *templates;
  uint32_t template_count;
  struct slot *slots;
  uint32_t slot_count;
  struct tk_int_stream codes;
  struct tk_int_stream *groups;
  uint32_t group_count;
  const uint8_t *raw; /* NULL if no slot is raw */
  uint32_t *raw_ends;
};

/* ---- opening ---- */

/* Packed bytes with their size in front; *bytes is allocated. */
static enum tk_status read_packed(struct tk_byte_reader *reader, size_t limit, uint8_t **bytes,
                                  size_t *size, struct tk_error *error) {
  *size = (size_t)tk_byte_reader_varint_max(reader, limit);
  if (reader->failed) return tk_corrupt(error, "templates are too large");
  *bytes = sqlite3_malloc64((sqlite3_uint64)*size + SLACK);
  if (!*bytes) return tk_nomem(error);
  memset(*bytes + *size, 0, SLACK);
  return tk_unpack_bytes(reader, *bytes, *size, error);
}

/* Digits a number of this kind takes at most; 0 for an unknown kind. */
static uint32_t largest_digits(uint8_t kind) {
  uint32_t digits = kind & TK_SLOT_DIGITS_MASK;
  switch (kind & ~TK_SLOT_DIGITS_MASK) {
    case 0:
      return kind <= TK_SLOT_ENUMERATED ? 20 : 0;
    case TK_SLOT_PADDED:
      return digits <= TK_DECIMAL_DIGITS_MAX ? digits : 0;
    default:
      return kind < 0x80 && digits <= TK_HEX_DIGITS_MAX ? digits : 0;
  }
}

static enum tk_status count_slots(struct tk_template_list *list, struct tk_byte_reader *reader,
                                  struct tk_error *error) {
  uint64_t end = 0;
  uint64_t slots = 0;
  for (uint32_t i = 0; i < list->template_count; i++) {
    struct template *template = &list->templates[i];
    uint64_t size = tk_byte_reader_varint_max(reader, list->texts_size - end);
    if (reader->failed) return tk_corrupt(error, "bad size of a template");
    *template = (struct template){
        .text_begin = (uint32_t)end, .text_size = (uint32_t)size, .first_slot = (uint32_t)slots};
    for (uint64_t at = end; at < end + size; at++) {
      if (list->texts[at] == TK_SLOT_MARK) template->slot_count++;
    }
    if (template->slot_count > TK_TEMPLATE_SLOTS_MAX) {
      return tk_corrupt(error, "too many slots in a template");
    }
    end += size;
    slots += template->slot_count;
  }
  if (end != list->texts_size) return tk_corrupt(error, "templates have a wrong size");
  list->slot_count = (uint32_t)slots;
  return TK_OK;
}

static enum tk_status read_slots(struct tk_template_list *list, struct tk_byte_reader *reader,
                                 struct tk_error *error) {
  for (uint32_t i = 0; i < list->template_count; i++) {
    struct template *template = &list->templates[i];
    const uint8_t *text = list->texts + template->text_begin;
    template->largest_size = template->text_size;
    for (uint32_t s = 0; s < template->slot_count; s++) {
      struct slot *slot = &list->slots[template->first_slot + s];
      const uint8_t *mark =
          memchr(text, TK_SLOT_MARK, list->texts_size - (size_t)(text - list->texts));
      if (!mark) return tk_corrupt(error, "bad template");
      slot->literal_size = (uint32_t)(mark - text);
      slot->kind = tk_byte_reader_u8(reader);
      slot->group = (uint32_t)tk_byte_reader_varint_max(reader, TK_SLOT_GROUPS_MAX - 1);
      slot->base = tk_byte_reader_varint(reader);
      if (reader->failed || !largest_digits(slot->kind)) {
        return tk_corrupt(error, "bad slot of a template");
      }
      template->largest_size += largest_digits(slot->kind);
      text = mark + 1;
    }
  }
  if (tk_byte_reader_finished(reader)) return TK_OK;
  return tk_corrupt(error, "slots of templates have a wrong size");
}

static enum tk_status read_templates(struct tk_template_list *list, struct tk_byte_reader *reader,
                                     struct tk_error *error) {
  struct tk_byte_reader heads;
  uint8_t *bytes = NULL;
  size_t size = 0;
  /* A template takes at least a byte of a head, a slot a byte of the text. */
  enum { LARGEST_TEXTS = 1 << 26, LARGEST_HEADS = 1 << 26 };

  list->template_count = (uint32_t)tk_byte_reader_varint_max(reader, TK_TEMPLATES_MAX);
  enum tk_status status =
      read_packed(reader, LARGEST_TEXTS, &list->texts, &list->texts_size, error);
  if (status != TK_OK) return status;
  if ((status = read_packed(reader, LARGEST_HEADS, &bytes, &size, error)) != TK_OK) goto done;
  list->templates =
      sqlite3_malloc64((list->template_count + (sqlite3_uint64)1) * sizeof *list->templates);
  if (!list->templates) {
    status = tk_nomem(error);
    goto done;
  }
  tk_byte_reader_init(&heads, bytes, size);
  if ((status = count_slots(list, &heads, error)) != TK_OK) goto done;
  list->slots = sqlite3_malloc64((list->slot_count + (sqlite3_uint64)1) * sizeof *list->slots);
  status = list->slots ? read_slots(list, &heads, error) : tk_nomem(error);

done:
  sqlite3_free(bytes);
  return status;
}

static enum tk_status read_groups(struct tk_template_list *list, struct tk_byte_reader *reader,
                                  uint32_t block_count, struct tk_error *error) {
  uint32_t count = (uint32_t)tk_byte_reader_varint_max(reader, TK_SLOT_GROUPS_MAX);
  for (uint32_t i = 0; i < list->slot_count; i++) {
    if (list->slots[i].group >= count) return tk_corrupt(error, "slot without a group");
  }
  list->groups = sqlite3_malloc64((count + (sqlite3_uint64)1) * sizeof *list->groups);
  if (!list->groups) return tk_nomem(error);
  for (; list->group_count < count; list->group_count++) {
    enum tk_status status =
        tk_int_stream_open(&list->groups[list->group_count], reader, block_count, error);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

static enum tk_status read_raw(struct tk_template_list *list, struct tk_byte_reader *reader,
                               uint32_t block_count, struct tk_error *error) {
  uint8_t has_raw = tk_byte_reader_u8(reader);
  if (reader->failed || has_raw > 1) return tk_corrupt(error, "bad end of templates");
  if (has_raw) return tk_read_blocks(reader, block_count, &list->raw, &list->raw_ends, error);
  for (uint32_t i = 0; i < list->slot_count; i++) {
    if (list->slots[i].kind == TK_SLOT_RAW) return tk_corrupt(error, "raw slot without bytes");
  }
  return TK_OK;
}

static size_t measure(const struct tk_template_list *list, uint32_t block_count) {
  size_t size = sizeof *list + list->texts_size + list->template_count * sizeof *list->templates +
                list->slot_count * sizeof *list->slots + list->codes.memory_bytes;
  if (list->raw_ends) size += block_count * sizeof *list->raw_ends;
  for (uint32_t i = 0; i < list->group_count; i++) {
    size += sizeof list->groups[i] + list->groups[i].memory_bytes;
  }
  return size;
}

enum tk_status tk_template_list_open(struct tk_template_list **list, struct tk_byte_reader *reader,
                                     uint32_t block_count, size_t *memory_bytes,
                                     struct tk_error *error) {
  struct tk_template_list *opened = sqlite3_malloc64(sizeof *opened);
  enum tk_status status;
  *list = NULL;
  if (!opened) return tk_nomem(error);
  *opened = (struct tk_template_list){0};
  if ((status = read_templates(opened, reader, error)) != TK_OK) goto done;
  status = tk_int_stream_open(&opened->codes, reader, block_count, error);
  if (status != TK_OK) goto done;
  if ((status = read_groups(opened, reader, block_count, error)) != TK_OK) goto done;
  if ((status = read_raw(opened, reader, block_count, error)) != TK_OK) goto done;
  *memory_bytes += measure(opened, block_count);
  *list = opened;
  opened = NULL;

done:
  tk_template_list_close(opened);
  return status;
}

void tk_template_list_close(struct tk_template_list *list) {
  if (!list) return;
  for (uint32_t i = 0; i < list->group_count; i++) tk_int_stream_close(&list->groups[i]);
  tk_int_stream_close(&list->codes);
  sqlite3_free(list->texts);
  sqlite3_free(list->templates);
  sqlite3_free(list->slots);
  sqlite3_free(list->groups);
  sqlite3_free(list->raw_ends);
  sqlite3_free(list);
}

/* ---- decoding a block ---- */

/* What a block needs while it is decoded. */
struct block {
  uint64_t *codes;
  uint64_t *numbers;        /* of all groups, one group after the other */
  const uint64_t **cursors; /* next number of each group */
  uint32_t *counts;         /* numbers of each group */
  uint64_t number_count;
  uint64_t largest_size; /* of the texts */
  uint8_t *raw;
  size_t raw_size;
};

static void free_block(struct block *block) {
  sqlite3_free(block->codes);
  sqlite3_free(block->numbers);
  sqlite3_free(block->cursors);
  sqlite3_free(block->counts);
  sqlite3_free(block->raw);
}

/* First pass: counts numbers by group, and bounds the size. */
static enum tk_status count_numbers(const struct tk_template_list *list, uint32_t count,
                                    struct block *block, struct tk_error *error) {
  for (uint32_t i = 0; i < count; i++) {
    if (block->codes[i] >= list->template_count) return tk_corrupt(error, "unknown template");
    const struct template *template = &list->templates[block->codes[i]];
    const struct slot *slot = &list->slots[template->first_slot];
    for (uint32_t s = 0; s < template->slot_count; s++) block->counts[slot[s].group]++;
    block->number_count += template->slot_count;
    block->largest_size += template->largest_size;
  }
  if (block->number_count * sizeof(uint64_t) <= TK_MAX_DECODED_BYTES) return TK_OK;
  return tk_corrupt(error, "too many numbers in a block");
}

static enum tk_status decode_numbers(const struct tk_template_list *list, uint32_t index,
                                     struct block *block, struct tk_error *error) {
  block->numbers = sqlite3_malloc64((block->number_count + 1) * sizeof *block->numbers);
  if (!block->numbers) return tk_nomem(error);
  uint64_t *next = block->numbers;
  for (uint32_t g = 0; g < list->group_count; g++) {
    enum tk_status status =
        tk_int_stream_decode(&list->groups[g], index, block->counts[g], next, error);
    if (status != TK_OK) return status;
    block->cursors[g] = next;
    next += block->counts[g];
  }
  return TK_OK;
}

/* Adds up the lengths of raw slots, and unpacks their bytes. */
static enum tk_status unpack_raw(const struct tk_template_list *list, uint32_t index,
                                 uint32_t count, size_t limit, struct block *block,
                                 struct tk_error *error) {
  uint64_t size = 0;
  if (!list->raw) return TK_OK;
  /* Raw lengths may share a group with others, so the groups are walked as for writing. */
  for (uint32_t i = 0; i < count; i++) {
    const struct template *template = &list->templates[block->codes[i]];
    const struct slot *slot = &list->slots[template->first_slot];
    for (uint32_t s = 0; s < template->slot_count; s++) {
      uint64_t number = *block->cursors[slot[s].group]++ + slot[s].base;
      if (slot[s].kind != TK_SLOT_RAW) continue;
      if (number > limit - size) return tk_corrupt(error, "raw texts are too long");
      size += number;
    }
  }
  const uint64_t *next = block->numbers;
  for (uint32_t g = 0; g < list->group_count; g++) {
    block->cursors[g] = next;
    next += block->counts[g];
  }
  block->raw_size = (size_t)size;
  block->largest_size += size;
  block->raw = sqlite3_malloc64(size + 1);
  if (!block->raw) return tk_nomem(error);
  struct tk_byte_reader reader;
  uint32_t begin = index ? list->raw_ends[index - 1] : 0;
  tk_byte_reader_init(&reader, list->raw + begin, list->raw_ends[index] - begin);
  return tk_unpack_bytes(&reader, block->raw, block->raw_size, error);
}

/* Two digits at a time: most of the time of a template block goes into these functions. */
static const char decimal_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static uint8_t *write_padded(uint8_t *at, uint64_t value, unsigned digits) {
  unsigned i = digits;
  for (; i >= 2; i -= 2, value /= 100) memcpy(at + i - 2, decimal_pairs + 2 * (value % 100), 2);
  if (i) *at = (uint8_t)('0' + value % 10);
  return at + digits;
}

static uint8_t *write_decimal(uint8_t *at, uint64_t value) {
  unsigned digits = 1;
  for (uint64_t rest = value; rest >= 10; rest /= 100) digits += rest >= 100 ? 2 : 1;
  return write_padded(at, value, digits);
}

/* Eight hexadecimal digits of `value` as bytes, the highest first: nibbles are spread to bytes, and
 * those above nine moved to the letters. */
static void write_eight_hex(uint8_t *at, uint32_t value, uint64_t letter_distance) {
  uint64_t spread = value;
  spread = (spread | spread << 16) & 0x0000FFFF0000FFFFu;
  spread = (spread | spread << 8) & 0x00FF00FF00FF00FFu;
  spread = (spread | spread << 4) & 0x0F0F0F0F0F0F0F0Fu;
  uint64_t letters = (spread + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
  spread += 0x3030303030303030u + letters * letter_distance;
  for (unsigned i = 0; i < 8; i++) at[i] = (uint8_t)(spread >> (56 - 8 * i));
}

/* Writes eight or sixteen bytes, of which `digits` count: see SLACK. */
static uint8_t *write_hex(uint8_t *at, uint64_t value, unsigned digits, char ten) {
  uint64_t letter_distance = (uint64_t)(ten - '0' - 10);
  value <<= 64 - 4 * digits;
  write_eight_hex(at, (uint32_t)(value >> 32), letter_distance);
  if (digits > 8) write_eight_hex(at + 8, (uint32_t)value, letter_distance);
  return at + digits;
}

/* Strings of one digit come first, then those of two, ... */
static uint8_t *write_enumerated(uint8_t *at, uint64_t number) {
  uint64_t power = 10;
  unsigned digits = 1;
  while (digits < TK_DECIMAL_DIGITS_MAX && number >= power) {
    number -= power;
    power *= 10;
    digits++;
  }
  return write_padded(at, number, digits);
}

static uint8_t *write_number(uint8_t *at, uint8_t kind, uint64_t number) {
  unsigned digits = kind & TK_SLOT_DIGITS_MASK;
  switch (kind & ~TK_SLOT_DIGITS_MASK) {
    case TK_SLOT_PADDED:
      return write_padded(at, number, digits);
    case TK_SLOT_HEX:
      return write_hex(at, number, digits, 'a');
    case TK_SLOT_HEX_UPPER:
      return write_hex(at, number, digits, 'A');
    default:
      return kind == TK_SLOT_DECIMAL ? write_decimal(at, number) : write_enumerated(at, number);
  }
}

/* Short pieces, which most are, are copied as SLACK bytes, whatever their size. */
static uint8_t *copy_literal(uint8_t *at, const uint8_t *text, size_t size) {
  if (size <= SLACK) {
    memcpy(at, text, SLACK);
  } else {
    memcpy(at, text, size);
  }
  return at + size;
}

/* Second pass. `bytes` has room for block->largest_size and SLACK. */
static size_t write_texts(const struct tk_template_list *list, uint32_t count, struct block *block,
                          uint8_t *bytes, uint32_t *ends) {
  uint8_t *at = bytes;
  const uint8_t *raw = block->raw;
  for (uint32_t i = 0; i < count; i++) {
    const struct template *template = &list->templates[block->codes[i]];
    const struct slot *slot = &list->slots[template->first_slot];
    const uint8_t *text = list->texts + template->text_begin;
    const uint8_t *text_end = text + template->text_size;
    for (uint32_t s = 0; s < template->slot_count; s++, slot++) {
      uint64_t number = *block->cursors[slot->group]++ + slot->base;
      at = copy_literal(at, text, slot->literal_size);
      text += slot->literal_size + 1;
      if (slot->kind != TK_SLOT_RAW) {
        at = write_number(at, slot->kind, number);
        continue;
      }
      memcpy(at, raw, (size_t)number);
      at += number;
      raw += number;
    }
    at = copy_literal(at, text, (size_t)(text_end - text));
    ends[i] = (uint32_t)(at - bytes);
  }
  return (size_t)(at - bytes);
}

static enum tk_status decode_codes(const struct tk_template_list *list, uint32_t index,
                                   uint32_t count, struct block *block, struct tk_error *error) {
  uint64_t groups = list->group_count + (uint64_t)1;
  block->codes = sqlite3_malloc64((count + (sqlite3_uint64)1) * sizeof *block->codes);
  block->cursors = sqlite3_malloc64(groups * sizeof *block->cursors);
  block->counts = sqlite3_malloc64(groups * sizeof *block->counts);
  if (!block->codes || !block->cursors || !block->counts) return tk_nomem(error);
  memset(block->counts, 0, groups * sizeof *block->counts);
  enum tk_status status = tk_int_stream_decode(&list->codes, index, count, block->codes, error);
  if (status != TK_OK) return status;
  return count_numbers(list, count, block, error);
}

enum tk_status tk_template_list_decode(const struct tk_template_list *list, uint32_t block,
                                       uint32_t count, size_t limit, struct tk_text_block *decoded,
                                       struct tk_error *error) {
  struct block work = {0};
  enum tk_status status = decode_codes(list, block, count, &work, error);
  if (status != TK_OK) goto done;
  if ((status = decode_numbers(list, block, &work, error)) != TK_OK) goto done;
  if ((status = unpack_raw(list, block, count, limit, &work, error)) != TK_OK) goto done;
  if (work.largest_size > limit) {
    status = tk_corrupt(error, "texts are too long");
    goto done;
  }
  decoded->bytes = sqlite3_malloc64(work.largest_size + SLACK);
  if (!decoded->bytes) {
    status = tk_nomem(error);
    goto done;
  }
  decoded->size = write_texts(list, count, &work, decoded->bytes, decoded->ends);
  if (decoded->size < work.largest_size) {
    uint8_t *fitting = sqlite3_realloc64(decoded->bytes, decoded->size + 1);
    if (fitting) decoded->bytes = fitting;
  }

done:
  free_block(&work);
  return status;
}
