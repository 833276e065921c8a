/* Two forms of input, by the first byte: the bytes of a directory as stored (compressed), or its
 * body, which is wrapped here so that the fuzzer gets past compression. What decodes must encode,
 * and then decode to the same body again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/codec/compression.h"
#include "store/segment/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void wrap(struct tk_byte_writer *out, const uint8_t *body, size_t size) {
  tk_byte_writer_append_u8(out, 1);
  tk_byte_writer_append_varint(out, size);
  tk_pack_bytes(out, body, size, TK_LEVEL_CODES);
}

/* Everything that is pointed to, so that a sanitizer sees a wild pointer. */
static uint64_t touch(const struct tk_directory *directory) {
  uint64_t sum = 0;
  for (uint32_t g = 0; g < directory->rows.count; g++) {
    sum += directory->rows.ends[g] + directory->granule_first_trace[g + 1] +
           directory->granule_start_min[g] + directory->granule_start_max[g];
  }
  for (uint32_t i = 0; i < directory->column_count; i++) {
    const struct tk_segment_column *column = &directory->columns[i];
    for (uint32_t k = 0; k < column->key.size; k++) sum += (uint8_t)column->key.data[k];
    for (uint32_t g = 0; column->granule_first_value && g < directory->rows.count; g++) {
      if (column->granule_first_value[g] > column->value_count) abort();
    }
  }
  for (int scope = 0; scope < 3; scope++) {
    for (uint32_t k = 0; k < directory->keysets[scope].count; k++) {
      const struct tk_keyset *keyset = &directory->keysets[scope].items[k];
      for (uint32_t i = 0; i < keyset->count; i++) {
        if (keyset->columns[i] >= directory->column_count) abort();
      }
    }
  }
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tk_arena arena = {0};
  struct tk_byte_writer wrapped = {0}, again = {0}, third = {0};
  struct tk_directory directory, second;
  if (size == 0) return 0;
  if (data[0] % 2) {
    wrap(&wrapped, data + 1, size - 1);
  } else {
    tk_byte_writer_append(&wrapped, data + 1, size - 1);
  }
  if (tk_directory_decode(wrapped.data, wrapped.size, &arena, &directory, NULL) == TK_OK) {
    const uint64_t sum = touch(&directory);
    tk_directory_encode(&again, &directory);
    if (again.failed ||
        tk_directory_decode(again.data, again.size, &arena, &second, NULL) != TK_OK ||
        touch(&second) != sum) {
      abort();
    }
    tk_directory_encode(&third, &second);
    if (third.size != again.size || memcmp(third.data, again.data, third.size) != 0) abort();
  }
  tk_byte_writer_reset(&wrapped);
  tk_byte_writer_reset(&again);
  tk_byte_writer_reset(&third);
  tk_arena_reset(&arena);
  return 0;
}
