/* SPDX-License-Identifier: MIT
 * Decoding UTF-8 strictly. */
#include "cli/output/utf8.h"

/* Length of the sequence a lead byte announces and the range its second byte must be in (which is
 * what excludes overlong forms, surrogates and code points above U+10FFFF); 0: not a lead byte. */
static size_t sequence_length(uint8_t lead, uint8_t *second_min, uint8_t *second_max) {
  *second_min = 0x80;
  *second_max = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (lead == 0xe0) *second_min = 0xa0;
    if (lead == 0xed) *second_max = 0x9f;
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (lead == 0xf0) *second_min = 0x90;
    if (lead == 0xf4) *second_max = 0x8f;
    return 4;
  }
  return 0;
}

size_t tk_utf8_decode(const char *text, size_t size, uint32_t *code_point_out, bool *valid_out) {
  const uint8_t *bytes = (const uint8_t *)text;
  uint8_t min, max;
  size_t length = sequence_length(bytes[0], &min, &max);
  uint32_t code_point = bytes[0];
  size_t read = 1;
  if (length > 1) code_point &= 0x7fu >> length; /* the bits of a lead byte that are data */
  while (read < length && read < size && bytes[read] >= min && bytes[read] <= max) {
    code_point = code_point << 6 | (bytes[read++] & 0x3fu);
    min = 0x80;
    max = 0xbf;
  }
  *valid_out = bytes[0] < 0x80 || (length > 0 && read == length);
  *code_point_out = *valid_out ? code_point : 0xfffd;
  return read;
}
