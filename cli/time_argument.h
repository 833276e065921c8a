/* Times on the command line. */
#ifndef TK_CLI_TIME_ARGUMENT_H
#define TK_CLI_TIME_ARGUMENT_H

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;

/** What the SQL function parse_time understands: `2026-11-20T13:00:00Z`, `-1h`, ... or unix
 * nanoseconds. Complains and gives false when it makes no sense. `option` is for the message. */
bool tk_parse_time_argument(struct sqlite3 *db, const char *option, const char *text,
                            uint64_t *unix_ns_out);

/** A length of time: "500ms", "2s", "5m", "1h". Complains as above. */
bool tk_parse_interval_argument(const char *option, const char *text, uint64_t *ms_out);

#endif
