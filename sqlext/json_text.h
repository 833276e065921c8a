/* What a span holds, as JSON text.
 *
 * Text that is not UTF-8 comes out with U+FFFD for each broken byte. BYTES are base64 (standard
 * alphabet, padded). NaN and infinities are the strings "NaN", "Infinity", "-Infinity". */
#ifndef TK_SQLEXT_JSON_TEXT_H
#define TK_SQLEXT_JSON_TEXT_H

#include <stdint.h>

#include "store/codec/byte_writer.h"
#include "tracekeep/span.h"

void tk_json_text(struct tk_byte_writer *out, struct tk_text text); /* quoted and escaped */
void tk_json_value(struct tk_byte_writer *out, const struct tk_value *value);
/** An object; of a key that occurs twice the first value is kept. */
void tk_json_attributes(struct tk_byte_writer *out, const struct tk_attributes *attributes);
/** `{"name":..., "version":..., "attributes":{...}}`, absent members left out. */
void tk_json_scope(struct tk_byte_writer *out, const struct tk_scope *scope);
/** An array of {"time":"...","name":...,"attributes":{...}}, and of {"trace_id":...,...}. */
void tk_json_events(struct tk_byte_writer *out, const struct tk_event *events, uint32_t count);
void tk_json_links(struct tk_byte_writer *out, const struct tk_link *links, uint32_t count);

void tk_json_literal(struct tk_byte_writer *out, const char *text); /* appended as it is */

#endif
