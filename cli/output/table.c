/* SPDX-License-Identifier: MIT
 * Aligned columns for people. The first rows decide the widths; numbers stand right. On a terminal
 * the widest texts are cut until a line fits. */
#include <string.h>

#include "cli/output/display.h"
#include "cli/output/row_sample.h"
#include "cli/output/writer.h"

enum { GAP = 2, SHORTEST_CUT = 8 };

static void begin_table(struct tk_writer *writer) {
  writer->state = tk_row_sample_create(writer);
  if (!writer->state) writer->line.failed = true;
}

/* Takes columns from the widest text until the table fits the terminal, or none can give any. */
static void fit_columns(struct tk_row_sample *sample, size_t column_count, size_t terminal_width) {
  size_t total = (column_count - 1) * GAP;
  for (size_t i = 0; i < column_count; i++) total += sample->columns[i].width;
  while (total > terminal_width) {
    struct tk_sample_column *widest = NULL;
    for (size_t i = 0; i < column_count; i++) {
      struct tk_sample_column *column = &sample->columns[i];
      if (!column->is_number && column->width > SHORTEST_CUT &&
          (!widest || column->width > widest->width)) {
        widest = column;
      }
    }
    if (!widest) return;
    widest->width--;
    total--;
  }
}

static void add_aligned(struct tk_writer *writer, const char *text, size_t size, size_t width,
                        bool right, bool last) {
  struct tk_text_buffer *line = &writer->line;
  size_t limit = writer->width > 0 && !right ? width : SIZE_MAX;
  if (right) {
    size_t used = tk_display_width(text, size);
    if (used < width) tk_text_buffer_repeat(line, " ", width - used);
  }
  size_t used = tk_text_buffer_add_display(line, text, size, limit);
  if (!right && !last && used < width) tk_text_buffer_repeat(line, " ", width - used);
}

static void write_headings(struct tk_writer *writer, const struct tk_row_sample *sample) {
  struct tk_text_buffer *line = &writer->line;
  if (writer->result_count > 0) tk_text_buffer_add_char(line, '\n');
  if (writer->no_headings) return;
  if (writer->colour) tk_text_buffer_add(line, "\x1b[1m");
  for (size_t i = 0; i < writer->column_count; i++) {
    const struct tk_sample_column *column = &sample->columns[i];
    if (i > 0) tk_text_buffer_repeat(line, " ", GAP);
    add_aligned(writer, writer->names[i], strlen(writer->names[i]), column->width,
                column->is_number, i + 1 == writer->column_count);
  }
  if (writer->colour) tk_text_buffer_add(line, "\x1b[0m");
  tk_text_buffer_add_char(line, '\n');
  for (size_t i = 0; i < writer->column_count; i++) {
    if (i > 0) tk_text_buffer_repeat(line, " ", GAP);
    tk_text_buffer_repeat(line, "\xe2\x94\x80", sample->columns[i].width);
  }
  tk_text_buffer_add_char(line, '\n');
}

static void write_sampled_row(struct tk_writer *writer, const struct tk_row_sample *sample,
                              size_t first_cell) {
  for (size_t i = 0; i < writer->column_count; i++) {
    const struct tk_sample_column *column = &sample->columns[i];
    size_t size;
    const char *text = tk_row_sample_cell(sample, first_cell + i, &size);
    if (i > 0) tk_text_buffer_repeat(&writer->line, " ", GAP);
    add_aligned(writer, text, size, column->width, column->is_number,
                i + 1 == writer->column_count);
  }
  while (writer->line.size > 0 && writer->line.data[writer->line.size - 1] == ' ') {
    writer->line.size--;
  }
  tk_text_buffer_add_char(&writer->line, '\n');
  tk_writer_put_line(writer);
}

static void write_sample(struct tk_writer *writer, struct tk_row_sample *sample) {
  if (writer->width > 0) fit_columns(sample, writer->column_count, writer->width);
  write_headings(writer, sample);
  tk_writer_put_line(writer);
  for (size_t i = 0; i < sample->cell_count; i += writer->column_count) {
    write_sampled_row(writer, sample, i);
  }
  sample->is_complete = true;
}

/* One row as the only content of the sample: for rows after the widths were decided. */
static bool take_row(struct tk_row_sample *sample, struct tk_writer *writer,
                     const struct tk_cell *cells) {
  sample->cell_count = 0;
  tk_text_buffer_clear(&sample->text);
  for (size_t i = 0; i < writer->column_count; i++) {
    tk_cell_append(&sample->text, &cells[i]);
    sample->ends[sample->cell_count++] = sample->text.size;
  }
  return !sample->text.failed;
}

static void write_table_row(struct tk_writer *writer, const struct tk_cell *cells) {
  struct tk_row_sample *sample = writer->state;
  if (!sample) return;
  if (!sample->is_complete && writer->row_count == TK_ROW_SAMPLE_SIZE) write_sample(writer, sample);
  bool taken = sample->is_complete ? take_row(sample, writer, cells)
                                   : tk_row_sample_add(sample, writer, cells);
  if (!taken) writer->line.failed = true;
  if (taken && sample->is_complete) write_sampled_row(writer, sample, 0);
}

static void end_table(struct tk_writer *writer) {
  struct tk_row_sample *sample = writer->state;
  if (sample && !sample->is_complete) write_sample(writer, sample);
  tk_row_sample_free(sample);
  writer->state = NULL;
}

const struct tk_writer_format tk_format_table = {
    .name = "table", .begin = begin_table, .row = write_table_row, .end = end_table};
