/* SPDX-License-Identifier: MIT
 * A pushdown automaton over the punctuation of JSON: one bit of stack per level, no look-ahead, so
 * that it can stop and go on at any byte. */
#include "cli/input/json_scanner.h"

#include <string.h>

void tk_json_scanner_init(struct tk_json_scanner *scanner) {
  scanner->state = TK_SCAN_VALUE;
  scanner->depth = 0;
  scanner->in_key = false;
  scanner->expected = NULL;
}

static void fail(struct tk_json_scanner *scanner, const char *expected) {
  scanner->state = TK_SCAN_ERROR;
  scanner->expected = expected;
}

static void end_value(struct tk_json_scanner *scanner) {
  scanner->state = scanner->depth == 0 ? TK_SCAN_DONE : TK_SCAN_AFTER;
}

static void open_container(struct tk_json_scanner *scanner, bool object) {
  if (scanner->depth == TK_JSON_DEPTH_LIMIT) {
    fail(scanner, "fewer levels of nesting");
    return;
  }
  scanner->is_object[scanner->depth++] = object;
  scanner->state = object ? TK_SCAN_KEY_OR_END : TK_SCAN_ITEM_OR_END;
}

static void close_container(struct tk_json_scanner *scanner, bool object) {
  if (scanner->depth == 0 || scanner->is_object[scanner->depth - 1] != object) {
    fail(scanner, object ? "']' or ','" : "'}' or ','");
    return;
  }
  scanner->depth--;
  end_value(scanner);
}

static bool starts_scalar(char byte) {
  return byte == '-' || (byte >= '0' && byte <= '9') || byte == 't' || byte == 'f' || byte == 'n';
}

static bool continues_scalar(char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || byte == '.' ||
         byte == '+' || byte == '-' || byte == 'E';
}

static void start_string(struct tk_json_scanner *scanner, bool key) {
  scanner->in_key = key;
  scanner->state = TK_SCAN_STRING;
}

static void start_value(struct tk_json_scanner *scanner, char byte) {
  if (byte == '{' || byte == '[') {
    open_container(scanner, byte == '{');
  } else if (byte == '"') {
    start_string(scanner, false);
  } else if (starts_scalar(byte)) {
    scanner->state = TK_SCAN_SCALAR;
  } else {
    fail(scanner, "a value");
  }
}

/* A byte of punctuation in any state outside strings and scalars. */
static void take_byte(struct tk_json_scanner *scanner, char byte) {
  switch (scanner->state) {
    case TK_SCAN_ITEM_OR_END:
      if (byte == ']') {
        close_container(scanner, false);
        return;
      }
      start_value(scanner, byte);
      return;
    case TK_SCAN_VALUE:
      start_value(scanner, byte);
      return;
    case TK_SCAN_KEY_OR_END:
    case TK_SCAN_KEY:
      if (byte == '"') {
        start_string(scanner, true);
      } else if (byte == '}' && scanner->state == TK_SCAN_KEY_OR_END) {
        close_container(scanner, true);
      } else {
        fail(scanner, "a key");
      }
      return;
    case TK_SCAN_COLON:
      scanner->state = TK_SCAN_VALUE;
      if (byte != ':') fail(scanner, "':' after a key");
      return;
    case TK_SCAN_AFTER:
      if (byte == ',') {
        scanner->state = scanner->is_object[scanner->depth - 1] ? TK_SCAN_KEY : TK_SCAN_VALUE;
      } else if (byte == '}' || byte == ']') {
        close_container(scanner, byte == '}');
      } else {
        fail(scanner, scanner->is_object[scanner->depth - 1] ? "',' or '}' after a member"
                                                             : "',' or ']' after an item");
      }
      return;
    case TK_SCAN_STRING:
    case TK_SCAN_ESCAPE:
    case TK_SCAN_SCALAR:
    case TK_SCAN_DONE:
    case TK_SCAN_ERROR:
      return;
  }
}

static const char *scan_string(struct tk_json_scanner *scanner, const char *at, const char *end) {
  uint8_t non_ascii = 0;
  at = tk_json_find_string_stop(at, &non_ascii);
  if (at >= end) return end;
  if (*at == '"') {
    if (scanner->in_key) {
      scanner->state = TK_SCAN_COLON;
    } else {
      end_value(scanner);
    }
    return at + 1;
  }
  if (*at == '\\') {
    scanner->state = TK_SCAN_ESCAPE;
    return at + 1;
  }
  fail(scanner, "no control character in a string");
  return at;
}

const char *tk_json_scan(struct tk_json_scanner *scanner, const char *at, const char *end) {
  while (at < end) {
    switch (scanner->state) {
      case TK_SCAN_STRING:
        at = scan_string(scanner, at, end);
        break;
      case TK_SCAN_ESCAPE:
        scanner->state = TK_SCAN_STRING;
        if ((unsigned char)*at >= ' ') at++; /* a control character is the string's fault */
        break;
      case TK_SCAN_SCALAR:
        while (at < end && continues_scalar(*at)) at++;
        if (at < end) end_value(scanner);
        break;
      case TK_SCAN_DONE:
      case TK_SCAN_ERROR:
        return at;
      case TK_SCAN_VALUE:
      case TK_SCAN_ITEM_OR_END:
      case TK_SCAN_KEY_OR_END:
      case TK_SCAN_KEY:
      case TK_SCAN_COLON:
      case TK_SCAN_AFTER:
        while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
        if (at == end) return at;
        take_byte(scanner, *at);
        if (scanner->state == TK_SCAN_ERROR) return at;
        if (scanner->state != TK_SCAN_SCALAR) at++;
        break;
    }
  }
  return at;
}
