/* SPDX-License-Identifier: MIT
 * What the row formats share: the list of them, the order of calls, and the text of a cell. */
#include "cli/output/writer.h"

#include <math.h>
#include <string.h>

static const struct tk_writer_format *const formats[] = {
    &tk_format_table, &tk_format_csv, &tk_format_json, &tk_format_ndjson, &tk_format_markdown,
};

const struct tk_writer_format *tk_writer_format_find(const char *name) {
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    if (strcmp(formats[i]->name, name) == 0) return formats[i];
  }
  return NULL;
}

void tk_writer_begin(struct tk_writer *writer, const char *const *names, size_t column_count) {
  writer->names = names;
  writer->column_count = column_count;
  writer->row_count = 0;
  writer->format->begin(writer);
}

void tk_writer_row(struct tk_writer *writer, const struct tk_cell *cells) {
  writer->format->row(writer, cells);
  writer->row_count++;
}

void tk_writer_end(struct tk_writer *writer) {
  writer->format->end(writer);
  writer->result_count++;
  writer->names = NULL;
}

bool tk_writer_close(struct tk_writer *writer) {
  bool failed = writer->line.failed;
  if (fflush(writer->out) != 0 || ferror(writer->out)) failed = true;
  tk_text_buffer_reset(&writer->line);
  return failed;
}

void tk_writer_put_line(struct tk_writer *writer) {
  if (writer->line.size > 0) fwrite(writer->line.data, 1, writer->line.size, writer->out);
  tk_text_buffer_clear(&writer->line);
}

void tk_cell_append(struct tk_text_buffer *buffer, const struct tk_cell *cell) {
  switch (cell->type) {
    case TK_CELL_NULL:
      break;
    case TK_CELL_INTEGER:
      tk_text_buffer_add_int(buffer, cell->integer);
      break;
    case TK_CELL_REAL:
      if (isnan(cell->real)) {
        tk_text_buffer_add(buffer, "NaN");
      } else if (isinf(cell->real)) {
        tk_text_buffer_add(buffer, cell->real < 0 ? "-Infinity" : "Infinity");
      } else {
        tk_text_buffer_add_real(buffer, cell->real);
      }
      break;
    case TK_CELL_TEXT:
      tk_text_buffer_append(buffer, cell->text, cell->size);
      break;
    case TK_CELL_BLOB:
      tk_text_buffer_add(buffer, "x'");
      tk_text_buffer_add_hex(buffer, cell->text, cell->size);
      tk_text_buffer_add_char(buffer, '\'');
      break;
  }
}
