/* SPDX-License-Identifier: MIT
 * Looking up the table of the semantic conventions. */
#include "sqlext/quality/semconv.h"

#include <string.h>

static int compare_key(const char *key, struct tk_text text) {
  const size_t size = strlen(key), shorter = size < text.size ? size : text.size;
  const int order = shorter ? memcmp(key, text.data, shorter) : 0;
  return order != 0 ? order : (size > text.size) - (size < text.size);
}

static const struct semconv_attribute *find_exactly(struct tk_text key) {
  unsigned low = 0, high = tk_semconv_attribute_count;
  while (low < high) {
    const unsigned middle = low + (high - low) / 2;
    const int order = compare_key(tk_semconv_attributes[middle].key, key);
    if (order == 0) return &tk_semconv_attributes[middle];
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return NULL;
}

static bool is_template(const struct semconv_attribute *attribute) {
  return attribute->type == SEMCONV_TEMPLATE_STRING || attribute->type == SEMCONV_TEMPLATE_ARRAY;
}

const struct semconv_attribute *tk_semconv_find(struct tk_text key) {
  const struct semconv_attribute *found = find_exactly(key);
  if (found) return is_template(found) ? NULL : found;
  for (uint32_t size = key.size; size > 0; size--) {
    if (key.data[size - 1] != '.') continue;
    found = find_exactly((struct tk_text){key.data, size - 1});
    if (found) return is_template(found) ? found : NULL;
  }
  return NULL;
}

bool tk_semconv_allows_type(const struct semconv_attribute *attribute, uint32_t value_type) {
  if (value_type == TK_VALUE_EMPTY) return true; /* attr.null_value */
  switch ((enum semconv_type)attribute->type) {
    case SEMCONV_STRING:
    case SEMCONV_ENUM:
    case SEMCONV_TEMPLATE_STRING:
      return value_type == TK_VALUE_STRING;
    case SEMCONV_INT:
      return value_type == TK_VALUE_INT;
    case SEMCONV_DOUBLE:
      return value_type == TK_VALUE_DOUBLE || value_type == TK_VALUE_INT;
    case SEMCONV_BOOLEAN:
      return value_type == TK_VALUE_BOOL;
    case SEMCONV_ARRAY:
    case SEMCONV_TEMPLATE_ARRAY:
      return value_type == TK_VALUE_ARRAY;
    case SEMCONV_ANY:
      break;
  }
  return true;
}

const char *tk_semconv_type_name(const struct semconv_attribute *attribute) {
  static const char *const names[] = {[SEMCONV_STRING] = "string",
                                      [SEMCONV_ENUM] = "string",
                                      [SEMCONV_INT] = "int",
                                      [SEMCONV_DOUBLE] = "double",
                                      [SEMCONV_BOOLEAN] = "bool",
                                      [SEMCONV_ARRAY] = "array",
                                      [SEMCONV_ANY] = "any",
                                      [SEMCONV_TEMPLATE_STRING] = "string",
                                      [SEMCONV_TEMPLATE_ARRAY] = "array"};
  return names[attribute->type];
}

bool tk_semconv_allows_value(const struct semconv_attribute *attribute, struct tk_text value) {
  const char *member = attribute->members;
  if (attribute->type != SEMCONV_ENUM || !*member) return true;
  while (*member) {
    const size_t size = strcspn(member, "|");
    if (size == value.size && memcmp(member, value.data, size) == 0) return true;
    member += size + (member[size] == '|');
  }
  return false;
}

/* ---- whose attributes ---- */

static bool begins_with(struct tk_text key, const char *const *prefixes) {
  for (; *prefixes; prefixes++) {
    const size_t size = strlen(*prefixes);
    if (key.size >= size && memcmp(key.data, *prefixes, size) == 0) return true;
  }
  return false;
}

static bool is_one_of(struct tk_text key, const char *const *keys) {
  for (; *keys; keys++) {
    if (compare_key(*keys, key) == 0) return true;
  }
  return false;
}

bool tk_semconv_is_of_resource(struct tk_text key) {
  static const char *const keys[] = {"service.name",
                                     "service.namespace",
                                     "service.version",
                                     "service.instance.id",
                                     "deployment.environment",
                                     "deployment.environment.name",
                                     "host.id",
                                     "host.name",
                                     "container.id",
                                     NULL};
  static const char *const prefixes[] = {"telemetry.sdk.", "telemetry.distro.", "k8s.pod.",
                                         "k8s.namespace.", "k8s.deployment.",   "k8s.node.",
                                         "k8s.cluster.",   "k8s.container.",    NULL};
  return is_one_of(key, keys) || begins_with(key, prefixes);
}

bool tk_semconv_is_of_span(struct tk_text key) {
  static const char *const prefixes[] = {"http.",      "url.",       "db.",       "rpc.",
                                         "messaging.", "exception.", "net.peer.", NULL};
  return begins_with(key, prefixes);
}
