/* SPDX-License-Identifier: MIT
 * JSON: an array of objects per statement, one object a line; or the lines alone (ndjson). */
#include <math.h>
#include <string.h>

#include "cli/output/writer.h"

static void add_object(struct tk_writer *writer, const struct tk_cell *cells) {
  struct tk_text_buffer *line = &writer->line;
  tk_text_buffer_add_char(line, '{');
  for (size_t i = 0; i < writer->column_count; i++) {
    const struct tk_cell *cell = &cells[i];
    if (i > 0) tk_text_buffer_add_char(line, ',');
    tk_text_buffer_add_json_string(line, writer->names[i], strlen(writer->names[i]));
    tk_text_buffer_add_char(line, ':');
    if (cell->type == TK_CELL_NULL) {
      tk_text_buffer_add(line, "null");
    } else if (cell->type == TK_CELL_TEXT) {
      tk_text_buffer_add_json_string(line, cell->text, cell->size);
    } else {
      bool quoted =
          cell->type == TK_CELL_BLOB || (cell->type == TK_CELL_REAL && !isfinite(cell->real));
      if (quoted) tk_text_buffer_add_char(line, '"');
      tk_cell_append(line, cell);
      if (quoted) tk_text_buffer_add_char(line, '"');
    }
  }
  tk_text_buffer_add_char(line, '}');
}

static void begin_json(struct tk_writer *writer) {
  tk_text_buffer_add_char(&writer->line, '[');
}

static void write_json_row(struct tk_writer *writer, const struct tk_cell *cells) {
  if (writer->row_count > 0) tk_text_buffer_add(&writer->line, ",\n");
  add_object(writer, cells);
  tk_writer_put_line(writer);
}

static void end_json(struct tk_writer *writer) {
  tk_text_buffer_add(&writer->line, "]\n");
  tk_writer_put_line(writer);
}

const struct tk_writer_format tk_format_json = {
    .name = "json", .begin = begin_json, .row = write_json_row, .end = end_json};

static void do_nothing(struct tk_writer *writer) {
  (void)writer;
}

static void write_ndjson_row(struct tk_writer *writer, const struct tk_cell *cells) {
  add_object(writer, cells);
  tk_text_buffer_add_char(&writer->line, '\n');
  tk_writer_put_line(writer);
}

const struct tk_writer_format tk_format_ndjson = {
    .name = "ndjson", .begin = do_nothing, .row = write_ndjson_row, .end = do_nothing};
