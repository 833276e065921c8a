/** @file json_scanner.h  Finds where a JSON value ends in bytes that arrive in pieces.
 *
 * Nesting, commas, colons and quotes are checked; what numbers, literals and escapes look like is
 * left to the parser. */
#ifndef TK_CLI_INPUT_JSON_SCANNER_H
#define TK_CLI_INPUT_JSON_SCANNER_H

#include <stdbool.h>
#include <stdint.h>

#include "tracekeep/json.h"

enum tk_scan_state {
  TK_SCAN_VALUE,
  TK_SCAN_ITEM_OR_END,
  TK_SCAN_KEY_OR_END,
  TK_SCAN_KEY,
  TK_SCAN_COLON,
  TK_SCAN_AFTER, /* a value: a comma, or the end of its container */
  TK_SCAN_STRING,
  TK_SCAN_ESCAPE,
  TK_SCAN_SCALAR,
  TK_SCAN_DONE,
  TK_SCAN_ERROR
};

struct tk_json_scanner {
  enum tk_scan_state state;
  uint32_t depth;
  bool in_key;          /**< the string being scanned is a key */
  bool has_newline;     /**< there was a line end, which in a value is white space */
  const char *expected; /**< after an error */
  uint8_t is_object[TK_JSON_DEPTH_LIMIT];
};

void tk_json_scanner_init(struct tk_json_scanner *scanner);
/** Goes on from `at` and returns where it stopped: behind the value (TK_SCAN_DONE), at a fault
 * (TK_SCAN_ERROR), or at `end`, which must be a NUL with TK_JSON_PADDING readable bytes. */
const char *tk_json_scan(struct tk_json_scanner *scanner, const char *at, const char *end);

#endif
