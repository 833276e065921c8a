/** @file flat_time.h  Times and durations whose unit is in a field's name, or has to be guessed. */
#ifndef TK_CLI_INPUT_FLAT_TIME_H
#define TK_CLI_INPUT_FLAT_TIME_H

#include "cli/input/plain_json.h"

/** The unit as a power of ten of nanoseconds, or one of these. */
enum { TK_UNIT_NS = 0, TK_UNIT_US = 3, TK_UNIT_MS = 6, TK_UNIT_S = 9, TK_UNIT_GUESS = -1 };

/** Unit named by the rest of a field's name, such as "unixnano" or "ms"; TK_UNIT_GUESS for none;
 * false: the rest is no unit. */
bool tk_flat_unit(const char *rest, int *unit);

/** A point in time: RFC 3339, or a number of `unit`; TK_UNIT_GUESS is decided by magnitude: from
 * 1e17 on nanoseconds, from 1e14 on microseconds, from 1e11 on milliseconds, else seconds. False:
 * neither. *unit_used (may be NULL) is TK_UNIT_GUESS for RFC 3339. */
bool tk_flat_time(struct tk_text text, int unit, uint64_t *unix_ns, int *unit_used);

/** A length of time: "1.5ms", or a number of `unit` (TK_UNIT_GUESS: nanoseconds). */
bool tk_flat_duration(struct tk_text text, int unit, uint64_t *ns);

#endif
