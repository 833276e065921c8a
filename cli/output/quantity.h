/* Quantities as people read them. */
#ifndef TK_CLI_OUTPUT_QUANTITY_H
#define TK_CLI_OUTPUT_QUANTITY_H

#include <stdint.h>

enum { TK_FORMAT_SIZE = 48 };

/** "0 B", "999 B", "1.2 kB", "45.6 MB": powers of 1000. */
void tk_format_bytes(uint64_t bytes, char text[TK_FORMAT_SIZE]);
/** "81", "8.1k", "2.0M": for rates, where digits say nothing. */
void tk_format_count(uint64_t count, char text[TK_FORMAT_SIZE]);
/** "12 345 678": all digits, in groups of three. */
void tk_format_number(uint64_t number, char text[TK_FORMAT_SIZE]);
/** "0ns", "12.3us", "393.1ms", "1.5s", "2m03s", "1h05m"; negative with a minus. */
void tk_format_duration(int64_t ns, char text[TK_FORMAT_SIZE]);
/** "2026-11-20 13:00:00.123456789" in UTC, with `digits` (0, 3, 6, 9) of the second's fraction. */
void tk_format_time(uint64_t unix_ns, int digits, char text[TK_FORMAT_SIZE]);

#endif
