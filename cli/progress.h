/* A progress bar on stderr, only when that is a terminal. There is at most one at a time. */
#ifndef TK_CLI_PROGRESS_H
#define TK_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/** `total_bytes`: 0 when it is not known (then there is no bar and no remaining time, only counts).
 * `wanted` false: nothing is ever shown. */
void tk_progress_begin(uint64_t total_bytes, bool wanted);
/** Shows `label` and how far it is; cheap, and draws at most ten times a second. */
void tk_progress_update(const char *label, uint64_t bytes_done, uint64_t spans_done);
/** Shows a line of the caller's own words instead. */
void tk_progress_show(const char *text);
/** Clears the line, so that something else can be printed; the next update draws it again. */
void tk_progress_hide(void);
void tk_progress_end(void);

#endif
