/* Columns for the tests of column encodings: each generator aims at one encoding. */
#ifndef TK_TESTS_COLUMN_SAMPLES_H
#define TK_TESTS_COLUMN_SAMPLES_H

#include "store/codec/column_codec.h"

struct sample {
  const char *name;
  enum tk_column_kind kind;
  uint8_t encoding; /* that `count` of at least 2,000 values must get; 0: any */
  int64_t (*make_int)(uint64_t random, uint32_t i);
  /* Writes a text of at most SAMPLE_TEXT_SIZE bytes, gives its size. */
  uint32_t (*make_text)(uint64_t random, uint32_t i, char *text);
};

enum { SAMPLE_TEXT_SIZE = 200 };

extern const struct sample samples[];
extern const uint32_t sample_count;

/* Values of a sample; ints or texts is NULL. */
struct sample_values {
  int64_t *ints;
  struct tk_text *texts;
  char *bytes;
};

uint64_t sample_random(uint64_t *state);
void sample_make(const struct sample *sample, uint32_t count, uint64_t seed,
                 struct sample_values *values);
void sample_free(struct sample_values *values);

#endif
