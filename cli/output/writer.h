/* Results of a query, row by row, in one of several formats.
 *
 *   table     aligned columns for people; rows after the first TABLE_SAMPLE keep their widths
 *   csv       RFC 4180 with \n; NULL is nothing at all, an empty text is ""
 *   json      one array of objects per statement
 *   ndjson    one object per line
 *   markdown  a pipe table
 *
 * In every format: integers are exact, reals the shortest text that reads back the same, and a BLOB
 * is the SQL literal x'..'. In JSON, infinities and NaN are strings, as in protobuf's JSON. */
#ifndef TK_CLI_OUTPUT_WRITER_H
#define TK_CLI_OUTPUT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/output/text_buffer.h"

enum tk_cell_type { TK_CELL_NULL, TK_CELL_INTEGER, TK_CELL_REAL, TK_CELL_TEXT, TK_CELL_BLOB };

struct tk_cell {
  enum tk_cell_type type;
  int64_t integer;
  double real;
  const char *text; /**< TEXT, BLOB */
  size_t size;
};

struct tk_writer;

struct tk_writer_format {
  const char *name;
  void (*begin)(struct tk_writer *writer);
  void (*row)(struct tk_writer *writer, const struct tk_cell *cells);
  void (*end)(struct tk_writer *writer);
};

extern const struct tk_writer_format tk_format_table, tk_format_csv, tk_format_json,
    tk_format_ndjson, tk_format_markdown;

/** By name, or NULL. */
const struct tk_writer_format *tk_writer_format_find(const char *name);
#define TK_WRITER_FORMATS "table|csv|json|ndjson|markdown"

/** The caller's memory; zero-initialise, set the first block, then begin, row..., end. Failures are
 * sticky: ask tk_writer_failed at the end. */
struct tk_writer {
  const struct tk_writer_format *format;
  FILE *out;
  size_t width;     /**< columns of the terminal; 0: never cut anything */
  bool colour;      /**< bold headings */
  bool no_headings; /**< table, csv: rows only */

  const char *const *names; /**< set by tk_writer_begin, valid until tk_writer_end */
  size_t column_count;
  uint64_t row_count;
  uint64_t result_count; /**< finished begin..end pairs */
  struct tk_text_buffer line;
  void *state; /**< the format's own, from begin to end */
};

void tk_writer_begin(struct tk_writer *writer, const char *const *names, size_t column_count);
void tk_writer_row(struct tk_writer *writer, const struct tk_cell *cells);
void tk_writer_end(struct tk_writer *writer);
/** Frees what the writer holds; true when memory ran out or the file could not be written. */
bool tk_writer_close(struct tk_writer *writer);

/** For formats: hands `writer->line` to the file and empties it. */
void tk_writer_put_line(struct tk_writer *writer);
/** For formats: the cell as plain text (a NULL is nothing), the same in every format. */
void tk_cell_append(struct tk_text_buffer *buffer, const struct tk_cell *cell);

#endif
