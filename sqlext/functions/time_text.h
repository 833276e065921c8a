/* Durations and instants as text, both ways, in integers: no nanosecond passes through a double. */
#ifndef TK_SQLEXT_TIME_TEXT_H
#define TK_SQLEXT_TIME_TEXT_H

#include <stdint.h>

#include "tracekeep/span.h"
#include "tracekeep/status.h"

/** Room for what the two format functions write, the final NUL included. */
#define TK_FORMATTED_SIZE 48

/** Three significant digits below a minute (`1.23s`, `45.6ms`, `12.3us`, `7ns`), the two largest
 * units from there on (`5m 12s`, `2h 5m`, `3d 4h`); rounded half away from zero. */
void tk_duration_format(int64_t duration_ns, char text[TK_FORMATTED_SIZE]);

/** A sum of numbers with units, `1h30m`, `1.5s`, `-250ms`, `5m 12s`; units ns us (or the micro
 * sign) ms s m (or min) h d w. What is finer than a nanosecond is cut off. TK_INVALID says what is
 * wrong. */
enum tk_status tk_duration_parse(struct tk_text text, int64_t *duration_ns_out,
                                 struct tk_error *error);

/** RFC 3339 in UTC with nine digits: `2026-11-20T13:00:00.000000000Z`. Negative: before 1970. */
void tk_time_format(int64_t unix_ns, char text[TK_FORMATTED_SIZE]);

/** `2026-11-20`, `2026-11-20T13:00`, `2026-11-20 13:00:00.5+01:00` (UTC unless an offset is given),
 * `now`, or a signed duration relative to `now_ns`: `-1h`, `+5m`, `now-1h`. A leap second 60 is the
 * second after 59. TK_INVALID says what is wrong, or that the time is outside 1677..2262. */
enum tk_status tk_time_parse(struct tk_text text, int64_t now_ns, int64_t *unix_ns_out,
                             struct tk_error *error);

#endif
