/* SPDX-License-Identifier: MIT
 * Paths to attribute values as text. They are only written where something is to be kept. */
#include "cli/input/value_path.h"

#include <stdio.h>

static const char *const list_names[] = {[TK_PATH_ATTRIBUTE] = "attributes",
                                         [TK_PATH_ITEM] = "/arrayValue/values",
                                         [TK_PATH_MEMBER] = "/kvlistValue/values"};

/* Items of arrays are values themselves; those of the other lists have one. */
static const char *value_of(const struct tk_path_step *step) {
  return step->kind == TK_PATH_ITEM ? "" : "/value";
}

uint32_t tk_value_path_write(const struct tk_value_path *path, enum tk_path_end end,
                             char text[TK_VALUE_PATH_TEXT]) {
  uint32_t size = 0;
  if (path->size == 0 || path->size > TK_VALUE_PATH_LIMIT) return 0;
  for (uint32_t i = 0; i < path->size; i++) {
    const struct tk_path_step *step = &path->steps[i];
    size += (uint32_t)snprintf(text + size, TK_VALUE_PATH_TEXT - size, "%s%s/%u",
                               i > 0 ? value_of(step - 1) : "", list_names[step->kind],
                               (unsigned)step->index);
  }
  if (end == TK_PATH_AT_KEY_VALUE) return size;
  return size + (uint32_t)snprintf(text + size, TK_VALUE_PATH_TEXT - size, "%s%s",
                                   value_of(&path->steps[path->size - 1]),
                                   end == TK_PATH_AT_ARRAY    ? "/arrayValue"
                                   : end == TK_PATH_AT_KVLIST ? "/kvlistValue"
                                                              : "");
}
