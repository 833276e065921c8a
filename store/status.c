/* SPDX-License-Identifier: MIT
 * Error texts. */
#include "tracekeep/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cuts an unfinished UTF-8 sequence off the end of a text that vsnprintf truncated. */
static void trim_partial_sequence(char *text, size_t size) {
  size_t end = size;
  while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80) end--;
  if (end > 0 && (unsigned char)text[end - 1] >= 0xC0) text[end - 1] = '\0';
}

static void format_message(struct tk_error *error, const char *format, va_list arguments) {
  if (!error) return;
  int wanted = vsnprintf(error->message, sizeof error->message, format, arguments);
  if (wanted >= (int)sizeof error->message) {
    trim_partial_sequence(error->message, sizeof error->message - 1);
  }
}

enum tk_status tk_fail(struct tk_error *error, enum tk_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  format_message(error, format, arguments);
  va_end(arguments);
  return status;
}

enum tk_status tk_corrupt(struct tk_error *error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  format_message(error, format, arguments);
  va_end(arguments);
  return TK_CORRUPT;
}

enum tk_status tk_nomem(struct tk_error *error) {
  return tk_fail(error, TK_NOMEM, "out of memory");
}

const char *tk_status_name(enum tk_status status) {
  switch (status) {
    case TK_OK:
      return "ok";
    case TK_NOMEM:
      return "out of memory";
    case TK_IO:
      return "input/output error";
    case TK_CORRUPT:
      return "corrupt";
    case TK_INVALID:
      return "invalid";
    case TK_UNSUPPORTED:
      return "unsupported";
    case TK_BUSY:
      return "busy";
  }
  return "unknown";
}
