/* The first byte chooses what the others are: a value, a resource, a scope, or extras. What decodes
 * must encode to the same bytes again, since the encoding is canonical. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/codec/value_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_and_encode(uint8_t what, const uint8_t *bytes, size_t size,
                              struct tk_arena *arena, struct tk_byte_writer *again, int *decoded) {
  struct tk_value value;
  struct tk_resource resource;
  struct tk_scope scope;
  struct tk_extra *extras;
  uint32_t count;
  switch (what % 4) {
    case 0:
      *decoded = tk_value_decode(bytes, size, arena, &value, NULL) == TK_OK;
      if (*decoded) tk_value_encode(again, &value);
      break;
    case 1:
      *decoded = tk_resource_decode(bytes, size, arena, &resource, NULL) == TK_OK;
      if (*decoded) tk_resource_encode(again, &resource);
      break;
    case 2:
      *decoded = tk_scope_decode(bytes, size, arena, &scope, NULL) == TK_OK;
      if (*decoded) tk_scope_encode(again, &scope);
      break;
    default:
      *decoded = tk_extras_decode(bytes, size, arena, &extras, &count, NULL) == TK_OK;
      for (uint32_t i = 0; *decoded && i < count; i++) {
        tk_extra_encode(again, extras[i].position, &extras[i].attribute);
      }
      break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tk_arena arena = {0};
  struct tk_byte_writer again = {0};
  int decoded = 0;
  if (size == 0) return 0;
  decode_and_encode(data[0], data + 1, size - 1, &arena, &again, &decoded);
  if (decoded && (again.size != size - 1 ||
                  (again.size > 0 && memcmp(again.data, data + 1, again.size) != 0))) {
    abort();
  }
  tk_byte_writer_reset(&again);
  tk_arena_reset(&arena);
  return 0;
}
