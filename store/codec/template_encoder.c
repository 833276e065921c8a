/* SPDX-License-Identifier: MIT
 * Texts to templates and numbers.
 *
 * A text is cut at runs of digits and at words of hexadecimal digits; what remains, with a mark for
 * each cut, is the key of its template. Only when all texts are cut is it decided how the values of
 * a slot are written (plain decimal, padded, ...), and a slot that never changes goes back into the
 * constant part. Values go to groups, one integer stream each: slots with many values have a group
 * of their own, others share one by the number of bits they need. */
#include <string.h>

#include "store/codec/bit_packing.h"
#include "store/codec/compression.h"
#include "store/codec/template_codec.h"
#include "store/codec/template_format.h"
#include "store/sqlite_api.h"
#include "tracekeep/hash.h"

/* The reader allocates what texts could take at most, twenty bytes for a number of one digit. */
#define LARGEST_LIST (TK_MAX_DECODED_BYTES / 32)

enum {
  LONGEST_TEXT = 4096,   /* longer ones are stored raw */
  SHORTEST_HEX_WORD = 6, /* shorter ones are words with digits in them */
  LONGEST_HEX_WORD = 64,
  FEWEST_TEXTS = 16,      /* below this templates are not tried */
  EARLY_CHECK = 2048,     /* texts after which hopeless columns are given up */
  OWN_GROUP_VALUES = 768, /* that a slot must have for a group of its own */
  OWN_GROUPS_MAX = 128,
  SHORTEST_ID = 12,        /* digits of hexadecimal numbers that never have a group of their own */
  SHARED_GROUP_VALUES = 64 /* smaller groups are joined with the next wider one */
};

struct slot {
  uint64_t smallest, largest; /* of the numbers; later of what is stored */
  uint32_t count;
  uint8_t shortest, longest; /* digits */
  bool leading_zero;
  bool is_constant;
  uint8_t kind;
  uint32_t group;
};

struct template {
  size_t key_begin;
  uint32_t key_size;
  uint32_t slot_count;
  uint32_t first_slot;
  uint32_t count; /* of texts */
};

/* Number of one slot in one text. */
struct number {
  uint64_t value;
  uint8_t digits; /* as written */
};

/* Growable arrays share a sticky failure. */
struct encoder {
  struct tk_byte_writer keys;
  struct template *templates;
  uint32_t template_count, template_capacity;
  uint32_t *buckets; /* hash table: template + 1 */
  uint32_t bucket_count;
  struct number *numbers; /* of all texts in order */
  size_t number_count, number_capacity;
  uint32_t *codes; /* template of each text */
  struct slot *slots;
  uint32_t slot_count;
  uint32_t group_count;
  bool failed;
};

/* ---- cutting ---- */

enum { DIGIT = 1, LOWER_HEX = 2, UPPER_HEX = 4, OTHER_LETTER = 8 };

static uint8_t class_of(unsigned char c) {
  if (c >= '0' && c <= '9') return DIGIT;
  if (c >= 'a' && c <= 'f') return LOWER_HEX;
  if (c >= 'A' && c <= 'F') return UPPER_HEX;
  if ((c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z')) return OTHER_LETTER;
  return 0;
}

static void add_number(struct encoder *encoder, uint64_t value, uint32_t digits) {
  if (encoder->number_count == encoder->number_capacity) {
    size_t capacity = encoder->number_capacity ? 2 * encoder->number_capacity : 1024;
    struct number *numbers =
        sqlite3_realloc64(encoder->numbers, capacity * sizeof *encoder->numbers);
    if (!numbers) {
      encoder->failed = true;
      return;
    }
    encoder->numbers = numbers;
    encoder->number_capacity = capacity;
  }
  encoder->numbers[encoder->number_count++] =
      (struct number){.value = value, .digits = (uint8_t)digits};
}

/* A key being built for one text; the numbers go to the encoder. */
struct cutter {
  struct encoder *encoder;
  unsigned char key[LONGEST_TEXT + 3 * TK_TEMPLATE_SLOTS_MAX];
  uint32_t key_size;
  uint32_t slot_count;
};

static void add_mark(struct cutter *cutter, char kind, uint32_t digits) {
  cutter->key[cutter->key_size++] = TK_SLOT_MARK;
  cutter->key[cutter->key_size++] = (unsigned char)kind;
  cutter->key[cutter->key_size++] = (unsigned char)digits;
  cutter->slot_count++;
}

static void cut_decimal(struct cutter *cutter, const unsigned char *text, uint32_t size) {
  uint64_t value = 0;
  for (uint32_t i = 0; i < size; i++) value = 10 * value + (uint64_t)(text[i] - '0');
  add_mark(cutter, 'd', 0);
  add_number(cutter->encoder, value, size);
}

/* As many slots as it takes with 16 digits each; `kind` is 'h' or 'H'. */
static void cut_hex(struct cutter *cutter, const unsigned char *text, uint32_t size, char kind) {
  while (size > 0) {
    uint32_t digits = size < TK_HEX_DIGITS_MAX ? size : TK_HEX_DIGITS_MAX;
    uint64_t value = 0;
    for (uint32_t i = 0; i < digits; i++) {
      unsigned char c = text[i];
      value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    add_mark(cutter, kind, digits);
    add_number(cutter->encoder, value, digits);
    text += digits;
    size -= digits;
  }
}

/* Class bits of all characters of the word at `text`, whose size is returned. */
static uint32_t scan_word(const unsigned char *text, uint32_t size, uint8_t *classes) {
  uint32_t end = 0;
  *classes = 0;
  for (; end < size; end++) {
    uint8_t class = class_of(text[end]);
    if (!class) break;
    *classes |= class;
  }
  return end;
}

/* 8-4-4-4-12 hexadecimal digits in one letter case; then the kind of the digits, else 0. */
static char is_uuid(const unsigned char *text, uint32_t size) {
  uint8_t classes = 0;
  if (size < 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') {
    return 0;
  }
  for (uint32_t i = 0; i < 36; i++) {
    uint8_t class = class_of(text[i]);
    if (!class && (i == 8 || i == 13 || i == 18 || i == 23)) continue;
    if (!class) return 0;
    classes |= class;
  }
  if (size > 36 && class_of(text[36])) return 0;
  if (!(classes & (UPPER_HEX | OTHER_LETTER))) return 'h';
  return classes & (LOWER_HEX | OTHER_LETTER) ? 0 : 'H';
}

static void cut_uuid(struct cutter *cutter, const unsigned char *text, char kind) {
  static const uint8_t sizes[] = {8, 4, 4, 4, 12};
  for (size_t i = 0; i < sizeof sizes; i++) {
    if (i > 0) cutter->key[cutter->key_size++] = *text++;
    cut_hex(cutter, text, sizes[i], kind);
    text += sizes[i];
  }
}

/* A word with no hexadecimal meaning: only its runs of digits are cut out. */
static void cut_word(struct cutter *cutter, const unsigned char *text, uint32_t size) {
  for (uint32_t i = 0; i < size;) {
    uint32_t end = i;
    while (end < size && text[end] >= '0' && text[end] <= '9') end++;
    if (end > i && end - i <= TK_DECIMAL_DIGITS_MAX) {
      cut_decimal(cutter, text + i, end - i);
      i = end;
      continue;
    }
    if (end == i) end++;
    memcpy(cutter->key + cutter->key_size, text + i, end - i);
    cutter->key_size += end - i;
    i = end;
  }
}

/* False if the text must be stored raw. */
static bool cut_text(struct cutter *cutter, struct tk_text text) {
  const unsigned char *bytes = (const unsigned char *)text.data;
  cutter->key_size = 0;
  cutter->slot_count = 0;
  if (text.size > LONGEST_TEXT) return false;
  for (uint32_t i = 0; i < text.size;) {
    uint8_t classes = 0;
    uint32_t size = scan_word(bytes + i, text.size - i, &classes);
    if (size == 0) {
      if (bytes[i] == TK_SLOT_MARK) return false;
      cutter->key[cutter->key_size++] = bytes[i++];
      continue;
    }
    char uuid = size == 8 ? is_uuid(bytes + i, text.size - i) : 0;
    bool lower = !(classes & (UPPER_HEX | OTHER_LETTER));
    bool upper = !(classes & (LOWER_HEX | OTHER_LETTER));
    bool number = classes == DIGIT && size <= TK_DECIMAL_DIGITS_MAX;
    bool hex = (lower || upper) && (classes & DIGIT) && !number && size >= SHORTEST_HEX_WORD &&
               size <= LONGEST_HEX_WORD;
    uint32_t needed = classes & DIGIT ? (size + 1) / 2 : 0; /* slots, at most */
    if (hex) needed = (size + TK_HEX_DIGITS_MAX - 1) / TK_HEX_DIGITS_MAX;
    if (uuid) needed = 5;
    if (cutter->slot_count + needed > TK_TEMPLATE_SLOTS_MAX) return false;
    if (uuid) {
      cut_uuid(cutter, bytes + i, uuid);
      size = 36;
    } else if (hex) {
      cut_hex(cutter, bytes + i, size, lower ? 'h' : 'H');
    } else {
      cut_word(cutter, bytes + i, size);
    }
    i += size;
  }
  return true;
}

/* ---- templates ---- */

static bool grow_buckets(struct encoder *encoder) {
  uint32_t count = encoder->bucket_count ? 2 * encoder->bucket_count : 256;
  uint32_t *buckets = sqlite3_malloc64(count * (sqlite3_uint64)sizeof *buckets);
  if (!buckets) return false;
  memset(buckets, 0, count * sizeof *buckets);
  for (uint32_t i = 0; i < encoder->template_count; i++) {
    const struct template *template = &encoder->templates[i];
    uint32_t at = (uint32_t)tk_hash64(encoder->keys.data + template->key_begin, template->key_size);
    for (at &= count - 1; buckets[at]; at = (at + 1) & (count - 1)) continue;
    buckets[at] = i + 1;
  }
  sqlite3_free(encoder->buckets);
  encoder->buckets = buckets;
  encoder->bucket_count = count;
  return true;
}

static uint32_t add_template(struct encoder *encoder, const struct cutter *cutter) {
  if (encoder->template_count == encoder->template_capacity) {
    uint32_t capacity = encoder->template_capacity ? 2 * encoder->template_capacity : 64;
    struct template *templates =
        sqlite3_realloc64(encoder->templates, capacity * sizeof *encoder->templates);
    if (!templates) {
      encoder->failed = true;
      return 0;
    }
    encoder->templates = templates;
    encoder->template_capacity = capacity;
  }
  encoder->templates[encoder->template_count] = (struct template){.key_begin = encoder->keys.size,
                                                                  .key_size = cutter->key_size,
                                                                  .slot_count = cutter->slot_count};
  tk_byte_writer_append(&encoder->keys, cutter->key, cutter->key_size);
  encoder->failed |= encoder->keys.failed;
  return encoder->template_count++;
}

static uint32_t find_template(struct encoder *encoder, const struct cutter *cutter) {
  if (encoder->template_count >= encoder->bucket_count / 2 && !grow_buckets(encoder)) {
    encoder->failed = true;
    return 0;
  }
  uint32_t mask = encoder->bucket_count - 1;
  uint32_t at = (uint32_t)tk_hash64(cutter->key, cutter->key_size) & mask;
  for (; encoder->buckets[at]; at = (at + 1) & mask) {
    const struct template *template = &encoder->templates[encoder->buckets[at] - 1];
    if (template->key_size == cutter->key_size &&
        memcmp(encoder->keys.data + template->key_begin, cutter->key, cutter->key_size) == 0) {
      return encoder->buckets[at] - 1;
    }
  }
  uint32_t found = add_template(encoder, cutter);
  if (!encoder->failed) encoder->buckets[at] = found + 1;
  return found;
}

/* Cuts all texts. False if they have too little in common. */
static bool cut_all(struct encoder *encoder, const struct tk_text *texts, uint32_t count) {
  struct cutter *cutter = sqlite3_malloc64(sizeof *cutter);
  encoder->codes = sqlite3_malloc64(count * (sqlite3_uint64)sizeof *encoder->codes);
  /* Never NULL, though every key may be empty. */
  bool suits = cutter && encoder->codes && tk_byte_writer_reserve(&encoder->keys, 1);
  encoder->failed |= !suits;
  if (suits) cutter->encoder = encoder;
  for (uint32_t i = 0; suits && i < count && !encoder->failed; i++) {
    size_t numbers = encoder->number_count;
    if (!cut_text(cutter, texts[i])) {
      encoder->number_count = numbers;
      cutter->key_size = 0;
      cutter->slot_count = 0;
      add_mark(cutter, 'r', 0);
      add_number(encoder, texts[i].size, 0);
    }
    uint32_t template = find_template(encoder, cutter);
    encoder->codes[i] = template;
    if (!encoder->failed) encoder->templates[template].count++;
    if (encoder->template_count > TK_TEMPLATES_MAX) suits = false;
    if (i == EARLY_CHECK && encoder->template_count > EARLY_CHECK / 4) suits = false;
  }
  sqlite3_free(cutter);
  return suits && !encoder->failed && encoder->template_count <= count / 3 &&
         encoder->number_count > 0;
}

/* ---- slots ---- */

/* The key's marks, in order. Calls for slot `i` of `template`: its kind character and digits. */
static const unsigned char *next_mark(const unsigned char *key, const unsigned char *end) {
  while (key < end && *key != TK_SLOT_MARK) key++;
  return key;
}

static bool make_slots(struct encoder *encoder) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < encoder->template_count; i++) {
    encoder->templates[i].first_slot = count;
    count += encoder->templates[i].slot_count;
  }
  encoder->slot_count = count;
  encoder->slots = sqlite3_malloc64((count + (sqlite3_uint64)1) * sizeof *encoder->slots);
  if (!encoder->slots) {
    encoder->failed = true;
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    encoder->slots[i] = (struct slot){.smallest = UINT64_MAX, .shortest = UINT8_MAX};
  }
  return true;
}

static void note_number(struct slot *slot, struct number number) {
  static const uint64_t powers[] = {UINT64_C(0),
                                    UINT64_C(10),
                                    UINT64_C(100),
                                    UINT64_C(1000),
                                    UINT64_C(10000),
                                    UINT64_C(100000),
                                    UINT64_C(1000000),
                                    UINT64_C(10000000),
                                    UINT64_C(100000000),
                                    UINT64_C(1000000000),
                                    UINT64_C(10000000000),
                                    UINT64_C(100000000000),
                                    UINT64_C(1000000000000),
                                    UINT64_C(10000000000000),
                                    UINT64_C(100000000000000),
                                    UINT64_C(1000000000000000),
                                    UINT64_C(10000000000000000),
                                    UINT64_C(100000000000000000),
                                    UINT64_C(1000000000000000000)};
  if (number.value < slot->smallest) slot->smallest = number.value;
  if (number.value > slot->largest) slot->largest = number.value;
  if (number.digits < slot->shortest) slot->shortest = number.digits;
  if (number.digits > slot->longest) slot->longest = number.digits;
  if (number.digits >= 1 && number.digits <= TK_DECIMAL_DIGITS_MAX &&
      number.value < powers[number.digits - 1]) {
    slot->leading_zero = true;
  }
  slot->count++;
}

/* Number of the first digit string of `digits` digits in the enumeration by length. */
static uint64_t enumeration_begin(unsigned digits) {
  uint64_t begin = 0;
  uint64_t power = 10;
  for (unsigned i = 1; i < digits; i++, power *= 10) begin += power;
  return begin;
}

static uint8_t kind_of_decimal(const struct slot *slot) {
  if (!slot->leading_zero) return TK_SLOT_DECIMAL;
  if (slot->shortest == slot->longest) return (uint8_t)(TK_SLOT_PADDED | slot->shortest);
  return TK_SLOT_ENUMERATED;
}

static void decide_kinds(struct encoder *encoder) {
  for (uint32_t i = 0; i < encoder->template_count; i++) {
    const struct template *template = &encoder->templates[i];
    const unsigned char *key = encoder->keys.data + template->key_begin;
    const unsigned char *end = key + template->key_size;
    for (uint32_t s = 0; s < template->slot_count; s++) {
      struct slot *slot = &encoder->slots[template->first_slot + s];
      key = next_mark(key, end);
      char kind = (char)key[1];
      slot->is_constant =
          kind != 'r' && slot->smallest == slot->largest && slot->shortest == slot->longest;
      if (kind == 'r') slot->kind = TK_SLOT_RAW;
      if (kind == 'd') slot->kind = kind_of_decimal(slot);
      if (kind == 'h') slot->kind = (uint8_t)(TK_SLOT_HEX | key[2]);
      if (kind == 'H') slot->kind = (uint8_t)(TK_SLOT_HEX_UPPER | key[2]);
      if (slot->kind == TK_SLOT_ENUMERATED) {
        slot->smallest = 0;
        slot->largest = enumeration_begin(slot->longest + 1u) - 1;
      }
      key += 3;
    }
  }
}

static void gather_slots(struct encoder *encoder, uint32_t count) {
  size_t number = 0;
  for (uint32_t i = 0; i < count; i++) {
    const struct template *template = &encoder->templates[encoder->codes[i]];
    for (uint32_t s = 0; s < template->slot_count; s++) {
      note_number(&encoder->slots[template->first_slot + s], encoder->numbers[number++]);
    }
  }
}

/* Ids: the same ones come in slots of several templates, next to each other. */
static bool is_long_hex(const struct slot *slot) {
  return (slot->kind & TK_SLOT_HEX) && (slot->kind & TK_SLOT_DIGITS_MASK) >= SHORTEST_ID;
}

static void assign_groups(struct encoder *encoder) {
  uint32_t totals[65] = {0};
  uint32_t groups[65] = {0};
  for (uint32_t i = 0; i < encoder->slot_count; i++) {
    struct slot *slot = &encoder->slots[i];
    slot->group = UINT32_MAX;
    if (slot->is_constant) continue;
    if (slot->count >= OWN_GROUP_VALUES && encoder->group_count < OWN_GROUPS_MAX &&
        !is_long_hex(slot)) {
      slot->group = encoder->group_count++;
    } else {
      totals[tk_bit_length(slot->largest - slot->smallest)] += slot->count;
    }
  }
  uint32_t waiting = 0;
  for (uint32_t width = 0; width <= 64; width++) {
    waiting += totals[width];
    groups[width] = encoder->group_count;
    if (waiting >= SHARED_GROUP_VALUES || (width == 64 && waiting > 0)) {
      encoder->group_count++;
      waiting = 0;
    }
  }
  for (uint32_t i = 0; i < encoder->slot_count; i++) {
    struct slot *slot = &encoder->slots[i];
    if (slot->is_constant || slot->group != UINT32_MAX) continue;
    slot->group = groups[tk_bit_length(slot->largest - slot->smallest)];
  }
}

/* ---- writing ---- */

static void append_digits(struct tk_byte_writer *out, uint8_t kind, uint64_t value,
                          uint32_t digits) {
  const char *alphabet = (kind & 0x60) == 0x60 ? "0123456789ABCDEF" : "0123456789abcdef";
  unsigned radix = (kind & TK_SLOT_HEX) ? 16 : 10;
  char text[32];
  for (uint32_t i = digits; i > 0; i--, value /= radix) text[i - 1] = alphabet[value % radix];
  tk_byte_writer_append(out, text, digits);
}

/* The template's stored text: constant slots filled in, one mark for every other. */
static void append_template(struct tk_byte_writer *out, const struct encoder *encoder,
                            const struct template *template) {
  const unsigned char *key = encoder->keys.data + template->key_begin;
  const unsigned char *end = key + template->key_size;
  for (uint32_t s = 0; s < template->slot_count; s++) {
    const struct slot *slot = &encoder->slots[template->first_slot + s];
    const unsigned char *mark = next_mark(key, end);
    tk_byte_writer_append(out, key, (size_t)(mark - key));
    if (slot->is_constant) {
      append_digits(out, slot->kind, slot->smallest, slot->shortest);
    } else {
      tk_byte_writer_append_u8(out, TK_SLOT_MARK);
    }
    key = mark + 3;
  }
  tk_byte_writer_append(out, key, (size_t)(end - key));
}

static void write_templates(struct tk_byte_writer *out, const struct encoder *encoder) {
  struct tk_byte_writer joined = {0};
  struct tk_byte_writer slots = {0};
  tk_byte_writer_append_varint(out, encoder->template_count);
  for (uint32_t i = 0; i < encoder->template_count; i++) {
    size_t before = joined.size;
    append_template(&joined, encoder, &encoder->templates[i]);
    tk_byte_writer_append_varint(&slots, joined.size - before);
  }
  for (uint32_t i = 0; i < encoder->slot_count; i++) {
    const struct slot *slot = &encoder->slots[i];
    if (slot->is_constant) continue;
    tk_byte_writer_append_u8(&slots, slot->kind);
    tk_byte_writer_append_varint(&slots, slot->group);
    tk_byte_writer_append_varint(&slots, slot->smallest);
  }
  if (!joined.failed && !slots.failed) {
    tk_byte_writer_append_varint(out, joined.size);
    tk_pack_bytes(out, joined.data, joined.size, TK_LEVEL_TEXT);
    tk_byte_writer_append_varint(out, slots.size);
    tk_pack_bytes(out, slots.data, slots.size, TK_LEVEL_TEXT);
  }
  out->failed |= joined.failed || slots.failed;
  tk_byte_writer_reset(&joined);
  tk_byte_writer_reset(&slots);
}

static uint64_t stored_value(const struct slot *slot, struct number number) {
  uint64_t value = number.value;
  if (slot->kind == TK_SLOT_ENUMERATED) value += enumeration_begin(number.digits);
  return value - slot->smallest;
}

/* Values of one group with where its blocks end. */
struct group {
  int64_t *values;
  uint32_t *ends;
  uint32_t count;
};

/* Distributes all numbers; `groups` have room for theirs. */
static void fill_groups(const struct encoder *encoder, struct group *groups,
                        const struct tk_granules *blocks) {
  size_t number = 0;
  uint32_t i = 0;
  for (uint32_t block = 0; block < blocks->count; block++) {
    for (; i < blocks->ends[block]; i++) {
      const struct template *template = &encoder->templates[encoder->codes[i]];
      const struct slot *slot = &encoder->slots[template->first_slot];
      for (uint32_t s = 0; s < template->slot_count; s++, slot++, number++) {
        if (slot->is_constant) continue;
        struct group *group = &groups[slot->group];
        group->values[group->count++] = (int64_t)stored_value(slot, encoder->numbers[number]);
      }
    }
    for (uint32_t g = 0; g < encoder->group_count; g++) groups[g].ends[block] = groups[g].count;
  }
}

static void write_groups(struct tk_byte_writer *out, const struct encoder *encoder,
                         const struct tk_granules *blocks) {
  uint32_t count = encoder->group_count;
  struct group *groups = sqlite3_malloc64((count + (sqlite3_uint64)1) * sizeof *groups);
  int64_t *values = sqlite3_malloc64((encoder->number_count + 1) * sizeof *values);
  uint32_t *ends = sqlite3_malloc64((count * (sqlite3_uint64)blocks->count + 1) * sizeof *ends);
  if (!groups || !values || !ends) {
    out->failed = true;
    goto done;
  }
  memset(groups, 0, (count + (size_t)1) * sizeof *groups);
  for (uint32_t i = 0; i < encoder->slot_count; i++) {
    const struct slot *slot = &encoder->slots[i];
    if (!slot->is_constant) groups[slot->group].count += slot->count;
  }
  int64_t *next = values;
  for (uint32_t g = 0; g < count; g++) {
    groups[g].values = next;
    groups[g].ends = ends + (size_t)g * blocks->count;
    next += groups[g].count;
    groups[g].count = 0;
  }
  fill_groups(encoder, groups, blocks);
  tk_byte_writer_append_varint(out, count);
  for (uint32_t g = 0; g < count; g++) {
    tk_int_stream_encode(out, groups[g].values,
                         &(struct tk_granules){groups[g].ends, blocks->count});
  }

done:
  sqlite3_free(groups);
  sqlite3_free(values);
  sqlite3_free(ends);
}

static void write_codes(struct tk_byte_writer *out, const struct encoder *encoder,
                        const struct tk_granules *blocks, uint32_t count) {
  int64_t *codes = sqlite3_malloc64(count * (sqlite3_uint64)sizeof *codes);
  if (!codes) {
    out->failed = true;
    return;
  }
  for (uint32_t i = 0; i < count; i++) codes[i] = encoder->codes[i];
  tk_int_stream_encode(out, codes, blocks);
  sqlite3_free(codes);
}

/* The texts that were not cut; a flag says whether there are any. */
static void write_raw_texts(struct tk_byte_writer *out, const struct encoder *encoder,
                            const struct tk_text *texts, const struct tk_granules *blocks) {
  struct tk_byte_writer payload = {0};
  struct tk_byte_writer joined = {0};
  uint32_t raw = UINT32_MAX;
  for (uint32_t i = 0; i < encoder->slot_count; i++) {
    if (encoder->slots[i].kind == TK_SLOT_RAW) raw = i;
  }
  tk_byte_writer_append_u8(out, raw != UINT32_MAX);
  if (raw == UINT32_MAX) return;
  uint32_t *ends = sqlite3_malloc64(blocks->count * (sqlite3_uint64)sizeof *ends);
  for (uint32_t block = 0, i = 0; ends && block < blocks->count; block++) {
    joined.size = 0;
    for (; i < blocks->ends[block]; i++) {
      const struct template *template = &encoder->templates[encoder->codes[i]];
      if (template->slot_count != 1 || template->first_slot != raw) continue;
      tk_byte_writer_append(&joined, texts[i].data, texts[i].size);
    }
    if (!joined.failed) tk_pack_bytes(&payload, joined.data, joined.size, TK_LEVEL_TEXT);
    ends[block] = (uint32_t)payload.size;
  }
  out->failed |= !ends || joined.failed || payload.failed;
  if (!out->failed) tk_write_blocks(out, &payload, ends, blocks->count);
  sqlite3_free(ends);
  tk_byte_writer_reset(&joined);
  tk_byte_writer_reset(&payload);
}

bool tk_template_list_encode(struct tk_byte_writer *out, const struct tk_text *texts,
                             const struct tk_granules *blocks) {
  uint32_t count = blocks->count ? blocks->ends[blocks->count - 1] : 0;
  struct encoder encoder = {0};
  uint64_t bytes = 0;
  bool encoded = false;

  for (uint32_t i = 0; i < count; i++) bytes += texts[i].size;
  if (count < FEWEST_TEXTS || bytes > LARGEST_LIST) return false;
  if (cut_all(&encoder, texts, count) && make_slots(&encoder)) {
    gather_slots(&encoder, count);
    decide_kinds(&encoder);
    assign_groups(&encoder);
    tk_byte_writer_append_u8(out, TK_TEXT_TEMPLATE);
    write_templates(out, &encoder);
    write_codes(out, &encoder, blocks, count);
    write_groups(out, &encoder, blocks);
    write_raw_texts(out, &encoder, texts, blocks);
    encoded = !out->failed;
  }
  out->failed |= encoder.failed;
  tk_byte_writer_reset(&encoder.keys);
  sqlite3_free(encoder.templates);
  sqlite3_free(encoder.buckets);
  sqlite3_free(encoder.numbers);
  sqlite3_free(encoder.codes);
  sqlite3_free(encoder.slots);
  return encoded;
}
