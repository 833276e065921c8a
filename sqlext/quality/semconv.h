/* What the semantic conventions say of attributes: generated from tk_semconv_attributes.tsv, facts
 * of the registry of OpenTelemetry's semantic conventions 1.44.0. The attributes that moved to a
 * registry of their own (gen_ai.*, openai.*, mcp.*) do not count as deprecated, and the values of
 * error.type and deployment.environment.name, which are anybody's, are not listed. */
#ifndef TK_SQLEXT_QUALITY_SEMCONV_H
#define TK_SQLEXT_QUALITY_SEMCONV_H

#include <stdbool.h>
#include <stdint.h>

#include "tracekeep/span.h"

enum semconv_type {
  SEMCONV_STRING,
  SEMCONV_ENUM, /* a string, of which the members are known */
  SEMCONV_INT,
  SEMCONV_DOUBLE,
  SEMCONV_BOOLEAN,
  SEMCONV_ARRAY,
  SEMCONV_ANY,
  SEMCONV_TEMPLATE_STRING, /* the key is what the attributes' keys begin with */
  SEMCONV_TEMPLATE_ARRAY
};

struct semconv_attribute {
  const char *key;
  uint8_t type; /**< enum semconv_type */
  uint8_t is_deprecated;
  const char *replacements; /**< separated by |; may be empty */
  const char *members;      /**< of ENUM, separated by |; empty: not known */
};

extern const struct semconv_attribute tk_semconv_attributes[]; /* ascending keys */
extern const unsigned tk_semconv_attribute_count;

/** What is said of `key`, also by a template; NULL: nothing. */
const struct semconv_attribute *tk_semconv_find(struct tk_text key);
/** False: a value of this type contradicts what is said. Whole numbers may stand for reals. */
bool tk_semconv_allows_type(const struct semconv_attribute *attribute, uint32_t value_type);
/** As in the registry: `string`, `int`, ... */
const char *tk_semconv_type_name(const struct semconv_attribute *attribute);
/** False: the members are known, and `value` is none. */
bool tk_semconv_allows_value(const struct semconv_attribute *attribute, struct tk_text value);
/** An attribute that only resources (only spans) have. */
bool tk_semconv_is_of_resource(struct tk_text key);
bool tk_semconv_is_of_span(struct tk_text key);

#endif
