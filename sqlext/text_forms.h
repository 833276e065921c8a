/* How ids, instants and enumerations are written in columns. */
#ifndef TK_SQLEXT_TEXT_FORMS_H
#define TK_SQLEXT_TEXT_FORMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracekeep/span.h"

/** 2 * size lower-case digits, no terminator. */
void tk_hex_text(const uint8_t *bytes, size_t size, char *out);

/** Either letter case. False unless `text` is exactly 2 * size digits. */
bool tk_hex_parse(struct tk_text text, uint8_t *bytes, size_t size);

#define TK_INSTANT_TEXT_SIZE 30
/** `2026-11-20T13:00:00.123456789Z`, exact, no terminator; years 1970 to 2554. Texts of this form
 * compare as the times do. (tk_time_format of time_text.h is for signed times.) */
void tk_instant_text(uint64_t unix_ns, char out[TK_INSTANT_TEXT_SIZE]);

/** `unspecified`, `internal`, `server`, `client`, `producer`, `consumer`; NULL for other numbers,
 * which are shown as decimal text. */
const char *tk_kind_name(int64_t kind);
/** `unset`, `ok`, `error`; NULL for other numbers. */
const char *tk_status_code_name(int64_t code);

#endif
