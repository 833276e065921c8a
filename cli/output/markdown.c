/* SPDX-License-Identifier: MIT
 * A pipe table for documents. Columns are not aligned here: whoever renders it does that. */
#include <string.h>

#include "cli/output/writer.h"

static void add_markdown_cell(struct tk_text_buffer *line, const char *text, size_t size) {
  tk_text_buffer_add(line, " ");
  for (size_t i = 0; i < size; i++) {
    switch (text[i]) {
      case '|':
        tk_text_buffer_add(line, "\\|");
        break;
      case '\n':
        tk_text_buffer_add(line, "<br>");
        break;
      case '\r':
        break;
      default:
        tk_text_buffer_add_char(line, text[i]);
    }
  }
  tk_text_buffer_add(line, " |");
}

/* The line under the headings says which columns are numbers, so it waits for the first row. */
static void write_markdown_headings(struct tk_writer *writer, const struct tk_cell *cells) {
  struct tk_text_buffer *line = &writer->line;
  if (writer->result_count > 0) tk_text_buffer_add_char(line, '\n');
  tk_text_buffer_add_char(line, '|');
  for (size_t i = 0; i < writer->column_count; i++) {
    add_markdown_cell(line, writer->names[i], strlen(writer->names[i]));
  }
  tk_text_buffer_add(line, "\n|");
  for (size_t i = 0; i < writer->column_count; i++) {
    bool right = cells && (cells[i].type == TK_CELL_INTEGER || cells[i].type == TK_CELL_REAL);
    tk_text_buffer_add(line, right ? "---:|" : "---|");
  }
  tk_text_buffer_add_char(line, '\n');
}

static void begin_markdown(struct tk_writer *writer) {
  (void)writer;
}

static void write_markdown_row(struct tk_writer *writer, const struct tk_cell *cells) {
  struct tk_text_buffer cell = {0};
  if (writer->row_count == 0) write_markdown_headings(writer, cells);
  tk_text_buffer_add_char(&writer->line, '|');
  for (size_t i = 0; i < writer->column_count; i++) {
    tk_text_buffer_clear(&cell);
    tk_cell_append(&cell, &cells[i]);
    add_markdown_cell(&writer->line, cell.size > 0 ? cell.data : "", cell.size);
  }
  if (cell.failed) writer->line.failed = true;
  tk_text_buffer_reset(&cell);
  tk_text_buffer_add_char(&writer->line, '\n');
  tk_writer_put_line(writer);
}

static void end_markdown(struct tk_writer *writer) {
  if (writer->row_count == 0) write_markdown_headings(writer, NULL);
  tk_writer_put_line(writer);
}

const struct tk_writer_format tk_format_markdown = {
    .name = "markdown", .begin = begin_markdown, .row = write_markdown_row, .end = end_markdown};
