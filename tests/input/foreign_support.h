/* What the tests of formats other than OTLP share. */
#ifndef TK_TESTS_INPUT_FOREIGN_SUPPORT_H
#define TK_TESTS_INPUT_FOREIGN_SUPPORT_H

#include "tests/input/parse_support.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

/** Reads the text with every allocation failing once: TK_NOMEM, or all of it. */
void check_out_of_memory(const char *text, const char *format);
/** What format the reader takes the text for. */
const char *recognise(const char *text);
bool residual_is(struct tk_residual residual, const char *expected);
bool value_is(struct tk_value value, const char *expected);

#define FAULTY_MAIN(...)                                            \
  int main(void) {                                                  \
    const struct check_case cases[] = {__VA_ARGS__};                \
    fault_memory_install();                                         \
    return check_run(cases, (int)(sizeof cases / sizeof cases[0])); \
  }

#endif
