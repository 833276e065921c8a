/* JSON values as JavaScript reads and writes them: what JSON.stringify(JSON.parse(text)) gives.
 *
 * The checks of a run were first defined by programs in JavaScript, and their answers depend on its
 * rules: numbers are doubles and printed with the fewest digits, members of an object whose names
 * are array indexes come first and ascending, and of a member that occurs twice the last value
 * stands in the place of the first. A text in this form, "canonical" below, is also the identity of
 * a value: two values are the same exactly if their canonical texts are. */
#ifndef TK_SQLEXT_KVONCE_JS_VALUE_H
#define TK_SQLEXT_KVONCE_JS_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/codec/byte_writer.h"
#include "tracekeep/json.h"

struct tk_js_member;

/** Zero-initialise. `out` is the caller's to read and to empty. */
struct tk_js_writer {
  struct tk_byte_writer out;
  struct tk_js_member *members; /**< of the objects that are open, innermost last */
  uint32_t member_count, member_capacity;
  struct tk_byte_writer reordered;
};

void tk_js_writer_reset(struct tk_js_writer *writer);

/** Appends the next value of `json`, and takes it. Where `json` has an error, what was appended is
 * of no use. Out of memory: out.failed. */
void tk_js_write_value(struct tk_js_writer *writer, struct tk_json *json);
/** Appends the value whose text is given; the text is valid JSON and inside something that ends as
 * struct tk_json wants it. */
void tk_js_write_text(struct tk_js_writer *writer, struct tk_text text);
/** Appends a string, quoted, escaped as JSON.stringify does. `text` is UTF-8. */
void tk_js_write_string(struct tk_byte_writer *out, struct tk_text text);
/** Appends a string as it stands between the quotes of some JSON, quoted, in canonical form. */
void tk_js_write_json_string(struct tk_byte_writer *out, struct tk_json_string string);
/** Appends as JSON.stringify does: what is not finite as null. */
void tk_js_write_number(struct tk_byte_writer *out, double value);

#define TK_JS_NUMBER_SIZE 32
/** String(value): `1`, `0.1`, `1e+21`, `Infinity`; NUL-terminated. Returns its length. */
uint32_t tk_js_number_text(double value, char text[TK_JS_NUMBER_SIZE]);

/** Number(text) for the text of a string; NaN where that is not a number. */
double tk_js_string_to_number(struct tk_text text);

/** Thousandths of +(part / whole).toFixed(3), where part <= whole; 0 if whole is 0. Of the nearest
 * double to the quotient, exactly; a tie goes up. */
uint32_t tk_js_rate_thousandths(uint64_t part, uint64_t whole);

/** Whether a property of this name is sorted by its number, which goes to *index. */
bool tk_js_array_index(struct tk_text name, uint32_t *index);

/** `text` without what String.prototype.trim takes away. */
struct tk_text tk_js_trim(struct tk_text text);

/** Order of String.prototype.localeCompare for ASCII (the root collation of Unicode); other
 * characters by code point, behind all of ASCII. */
int tk_js_locale_compare(struct tk_text a, struct tk_text b);

#endif
