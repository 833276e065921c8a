/* SPDX-License-Identifier: MIT
 * Messages on stderr and exit codes. */
#include "cli/messages.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output/display.h"
#include "cli/output/text_buffer.h"
#include "cli/progress.h"

static bool has_complained;

bool tk_has_complained(void) {
  return has_complained;
}

void tk_complain(const char *format, ...) {
  char text[2048];
  struct tk_text_buffer line = {0};
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);

  has_complained = true;
  tk_progress_hide();
  fflush(stdout);                     /* keeps the order when both go to one place */
  for (const char *at = text; *at;) { /* a text of several lines keeps them */
    size_t size = strcspn(at, "\n");
    tk_text_buffer_add_display(&line, at, size, SIZE_MAX);
    at += size;
    if (*at == '\n') {
      tk_text_buffer_add_char(&line, '\n');
      at++;
    }
  }
  tk_text_buffer_add_char(&line, '\n');
  fputs("tracekeep: ", stderr);
  if (line.failed) {
    fprintf(stderr, "out of memory\n");
  } else {
    fwrite(line.data, 1, line.size, stderr);
  }
  tk_text_buffer_reset(&line);
}

int tk_exit_code_of(enum tk_status status) {
  switch (status) {
    case TK_OK:
      return TK_EXIT_OK;
    case TK_CORRUPT:
      return TK_EXIT_CORRUPT;
    case TK_NOMEM:
    case TK_IO:
    case TK_INVALID:
    case TK_UNSUPPORTED:
    case TK_BUSY:
      break;
  }
  return TK_EXIT_IO;
}

int tk_complain_status(const char *what, enum tk_status status, const struct tk_error *error) {
  const char *text = error->message[0] ? error->message : tk_status_name(status);
  if (strstr(text, what)) { /* it names the file already */
    tk_complain("%s", text);
  } else {
    tk_complain("%s: %s", what, text);
  }
  return tk_exit_code_of(status);
}

int tk_complain_sqlite(const char *what, sqlite3 *db, int rc) {
  tk_complain("%s: %s", what, sqlite3_errmsg(db));
  switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return TK_EXIT_CORRUPT;
    case SQLITE_INTERRUPT:
      return TK_EXIT_INTERRUPTED;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
      return TK_EXIT_IO;
    default:
      return TK_EXIT_USAGE;
  }
}

void *tk_need_memory(void *memory) {
  if (memory) return memory;
  fputs("tracekeep: out of memory\n", stderr);
  exit(TK_EXIT_IO);
}
