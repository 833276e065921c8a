/* SPDX-License-Identifier: MIT
 * CSV after RFC 4180, with \n between lines. Results of several statements are separated by an
 * empty line. */
#include <string.h>

#include "cli/output/writer.h"

static void add_field(struct tk_text_buffer *line, const char *text, size_t size) {
  bool plain = size > 0 && text[0] != ' ' && text[size - 1] != ' ';
  for (size_t i = 0; i < size && plain; i++) plain = !strchr(",\"\r\n", text[i]) || text[i] == 0;
  if (plain) {
    tk_text_buffer_append(line, text, size);
    return;
  }
  tk_text_buffer_add_char(line, '"');
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '"') tk_text_buffer_add_char(line, '"');
    tk_text_buffer_add_char(line, text[i]);
  }
  tk_text_buffer_add_char(line, '"');
}

static void begin_csv(struct tk_writer *writer) {
  if (writer->result_count > 0) tk_text_buffer_add_char(&writer->line, '\n');
  for (size_t i = 0; i < writer->column_count && !writer->no_headings; i++) {
    if (i > 0) tk_text_buffer_add_char(&writer->line, ',');
    add_field(&writer->line, writer->names[i], strlen(writer->names[i]));
  }
  if (!writer->no_headings) tk_text_buffer_add_char(&writer->line, '\n');
  tk_writer_put_line(writer);
}

static void write_csv_row(struct tk_writer *writer, const struct tk_cell *cells) {
  for (size_t i = 0; i < writer->column_count; i++) {
    if (i > 0) tk_text_buffer_add_char(&writer->line, ',');
    if (cells[i].type == TK_CELL_TEXT) {
      add_field(&writer->line, cells[i].text, cells[i].size);
    } else {
      tk_cell_append(&writer->line, &cells[i]);
    }
  }
  tk_text_buffer_add_char(&writer->line, '\n');
  tk_writer_put_line(writer);
}

static void end_csv(struct tk_writer *writer) {
  (void)writer;
}

const struct tk_writer_format tk_format_csv = {
    .name = "csv", .begin = begin_csv, .row = write_csv_row, .end = end_csv};
