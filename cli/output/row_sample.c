/* SPDX-License-Identifier: MIT
 * Remembers the first rows of a result and how wide their cells are. */
#include "cli/output/row_sample.h"

#include <sqlite3.h>
#include <string.h>

#include "cli/output/display.h"

void tk_row_sample_free(struct tk_row_sample *sample) {
  if (!sample) return;
  tk_text_buffer_reset(&sample->text);
  sqlite3_free(sample->columns);
  sqlite3_free(sample->ends);
  sqlite3_free(sample);
}

struct tk_row_sample *tk_row_sample_create(const struct tk_writer *writer) {
  struct tk_row_sample *sample = sqlite3_malloc64(sizeof *sample);
  if (!sample) return NULL;
  *sample = (struct tk_row_sample){0};
  sample->columns = sqlite3_malloc64(writer->column_count * sizeof *sample->columns);
  sample->cell_capacity = writer->column_count * TK_ROW_SAMPLE_SIZE;
  sample->ends = sqlite3_malloc64(sample->cell_capacity * sizeof *sample->ends);
  if (!sample->columns || !sample->ends) {
    tk_row_sample_free(sample);
    return NULL;
  }
  for (size_t i = 0; i < writer->column_count; i++) {
    sample->columns[i] = (struct tk_sample_column){
        .width = tk_display_width(writer->names[i], strlen(writer->names[i]))};
  }
  return sample;
}

bool tk_row_sample_add(struct tk_row_sample *sample, const struct tk_writer *writer,
                       const struct tk_cell *cells) {
  for (size_t i = 0; i < writer->column_count; i++) {
    struct tk_sample_column *column = &sample->columns[i];
    size_t begin = sample->text.size;
    tk_cell_append(&sample->text, &cells[i]);
    if (sample->text.failed || sample->cell_count == sample->cell_capacity) return false;
    sample->ends[sample->cell_count++] = sample->text.size;
    size_t width = tk_display_width(sample->text.data + begin, sample->text.size - begin);
    if (width > column->width) column->width = width;
    if (cells[i].type == TK_CELL_TEXT || cells[i].type == TK_CELL_BLOB) column->is_text = true;
    if (cells[i].type == TK_CELL_INTEGER || cells[i].type == TK_CELL_REAL) column->is_number = true;
    if (column->is_text) column->is_number = false;
  }
  return true;
}

const char *tk_row_sample_cell(const struct tk_row_sample *sample, size_t index, size_t *size_out) {
  size_t begin = index > 0 ? sample->ends[index - 1] : 0;
  *size_out = sample->ends[index] - begin;
  return *size_out > 0 ? sample->text.data + begin : "";
}
