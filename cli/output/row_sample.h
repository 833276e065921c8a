/* The first rows of a result as text, kept until the widths of the columns are known. */
#ifndef TK_CLI_OUTPUT_ROW_SAMPLE_H
#define TK_CLI_OUTPUT_ROW_SAMPLE_H

#include "cli/output/writer.h"

enum { TK_ROW_SAMPLE_SIZE = 1000 };

struct tk_sample_column {
  size_t width;   /**< of the widest text so far, heading included */
  bool is_number; /**< every value so far is a number or NULL, and one is not NULL */
  bool is_text;   /**< some value is neither */
};

struct tk_row_sample {
  struct tk_sample_column *columns;
  struct tk_text_buffer text; /**< all cells, one after another */
  size_t *ends;               /**< of each cell in `text` */
  size_t cell_count, cell_capacity;
  bool is_complete; /**< the widths are final and the rows were written */
};

/** NULL when out of memory. */
struct tk_row_sample *tk_row_sample_create(const struct tk_writer *writer);
void tk_row_sample_free(struct tk_row_sample *sample);
/** Takes the texts of one row. False when out of memory. */
bool tk_row_sample_add(struct tk_row_sample *sample, const struct tk_writer *writer,
                       const struct tk_cell *cells);
/** Text of a cell that was added: borrowed. */
const char *tk_row_sample_cell(const struct tk_row_sample *sample, size_t index, size_t *size_out);

#endif
