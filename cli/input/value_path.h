/** @file value_path.h  Where in a list of attributes a reader is, so that what an attribute or
 * value has beyond OTLP's fields can be kept with the message that owns the list, and be given
 * back.
 *
 * The place is written as the path one would take in OTLP/JSON from the owner on:
 * `attributes/3` is the fourth attribute, `attributes/3/value` its value,
 * `attributes/3/value/arrayValue/values/0` the first item of that. Residuals in JSON have members
 * named so; cli/output/residual.h puts what they hold back. */
#ifndef TK_CLI_INPUT_VALUE_PATH_H
#define TK_CLI_INPUT_VALUE_PATH_H

#include <stdint.h>

enum { TK_VALUE_PATH_LIMIT = 128, TK_VALUE_PATH_TEXT = TK_VALUE_PATH_LIMIT * 36 };

enum tk_path_kind { TK_PATH_ATTRIBUTE, TK_PATH_ITEM, TK_PATH_MEMBER };

struct tk_value_path {
  uint32_t size;
  struct tk_path_step {
    enum tk_path_kind kind; /**< of list */
    uint32_t index;
  } steps[TK_VALUE_PATH_LIMIT];
};

/** Whose fields are meant: of the attribute or item of the last step, its value, or its list. */
enum tk_path_end { TK_PATH_AT_KEY_VALUE, TK_PATH_AT_VALUE, TK_PATH_AT_ARRAY, TK_PATH_AT_KVLIST };

/** Before and after the items of a list are read; in between, for each. */
static inline void tk_value_path_enter(struct tk_value_path *path, enum tk_path_kind kind) {
  if (path->size < TK_VALUE_PATH_LIMIT) path->steps[path->size].kind = kind;
  path->size++;
}
static inline void tk_value_path_leave(struct tk_value_path *path) {
  path->size--;
}
static inline void tk_value_path_at(struct tk_value_path *path, uint32_t index) {
  if (path->size <= TK_VALUE_PATH_LIMIT) path->steps[path->size - 1].index = index;
}

/** Returns the size of the text; 0: values nest too deeply for it. */
uint32_t tk_value_path_write(const struct tk_value_path *path, enum tk_path_end end,
                             char text[TK_VALUE_PATH_TEXT]);

#endif
