/** @file id_text.h  Trace and span ids as people write them: hexadecimal in either case, with 0x,
 * with leading zeros lost, base64, AWS X-Ray, or no id at all but some text. */
#ifndef TK_CLI_INPUT_ID_TEXT_H
#define TK_CLI_INPUT_ID_TEXT_H

#include <stdint.h>

#include "tracekeep/span.h"

/** What was noticed about an id's text. */
enum tk_id_form {
  TK_ID_EMPTY = 1,     /**< no text; the id is zero */
  TK_ID_ZERO = 2,      /**< well-formed, and all zero */
  TK_ID_UPPERCASE = 4, /**< hexadecimal with letters A to F */
  TK_ID_PREFIXED = 8,  /**< began with 0x, or was an X-Ray id */
  TK_ID_BASE64 = 16,
  TK_ID_PADDED = 32,        /**< leading zeros were missing */
  TK_ID_SHORT = 64,         /**< a 64-bit trace id */
  TK_ID_TEXT = 128,         /**< none of these; the id is a hash of the text */
  TK_ID_HEX_AS_BASE64 = 256 /**< bytes that were hexadecimal digits: see span_repair.h */
};

/** Both return bits of enum tk_id_form; 0: exactly as OTLP/JSON wants it. */
uint32_t tk_trace_id_read(struct tk_text text, uint8_t id[16]);
uint32_t tk_span_id_read(struct tk_text text, uint8_t id[8]);

#endif
