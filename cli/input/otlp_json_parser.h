/** @file otlp_json_parser.h  What the files that read OTLP/JSON share: the parser's state, the keys
 * of its messages, and the readers of scalars and attributes. Nobody else's business. */
#ifndef TK_CLI_INPUT_OTLP_JSON_PARSER_H
#define TK_CLI_INPUT_OTLP_JSON_PARSER_H

#include "cli/input/batch_builder.h"
#include "cli/input/value_path.h"
#include "tracekeep/json.h"

/** The messages that have a table of keys. */
enum tk_otlp_keys {
  TK_KEYS_DOCUMENT,
  TK_KEYS_RESOURCE_SPANS,
  TK_KEYS_RESOURCE,
  TK_KEYS_SCOPE_SPANS,
  TK_KEYS_SCOPE,
  TK_KEYS_SPAN,
  TK_KEYS_STATUS,
  TK_KEYS_EVENT,
  TK_KEYS_LINK,
  TK_KEYS_KEY_VALUE,
  TK_KEYS_ANY_VALUE,
  TK_KEYS_LIST,
  TK_KEYS_COUNT
};

/** What a key stands for. */
enum tk_otlp_field {
  TK_OTLP_UNKNOWN,
  TK_OTLP_KEPT, /* known to OTLP, kept in the residual all the same */
  TK_OTLP_ATTRIBUTES,
  TK_OTLP_DROPPED_ATTRIBUTES,
  TK_OTLP_NAME,
  TK_OTLP_SCHEMA_URL,
  TK_OTLP_RESOURCE_SPANS,
  TK_OTLP_WRAPPER,
  TK_OTLP_OTHER_SIGNAL,
  TK_OTLP_RESOURCE,
  TK_OTLP_SCOPE_SPANS,
  TK_OTLP_SCOPE,
  TK_OTLP_SPANS,
  TK_OTLP_VERSION,
  TK_OTLP_TRACE_ID,
  TK_OTLP_SPAN_ID,
  TK_OTLP_PARENT_SPAN_ID,
  TK_OTLP_TRACE_STATE,
  TK_OTLP_FLAGS,
  TK_OTLP_KIND,
  TK_OTLP_START,
  TK_OTLP_END,
  TK_OTLP_EVENTS,
  TK_OTLP_DROPPED_EVENTS,
  TK_OTLP_LINKS,
  TK_OTLP_DROPPED_LINKS,
  TK_OTLP_STATUS,
  TK_OTLP_MESSAGE,
  TK_OTLP_CODE,
  TK_OTLP_DEPRECATED_CODE,
  TK_OTLP_TIME,
  TK_OTLP_KEY,
  TK_OTLP_VALUE,
  TK_OTLP_STRING,
  TK_OTLP_BOOL,
  TK_OTLP_INT,
  TK_OTLP_DOUBLE,
  TK_OTLP_ARRAY,
  TK_OTLP_KVLIST,
  TK_OTLP_BYTES,
  TK_OTLP_VALUES
};

struct tk_otlp_json_parser {
  struct tk_json json;
  struct tk_batch_builder *builder;
  uint32_t next_key[TK_KEYS_COUNT]; /* where the next search in a table begins */
  struct tk_value_path path;        /* of the attribute value at hand */
};

/** What is remembered of a message that no field has room for: members, as they stand, on the
 * builder's residual stack. Some are OTLP's own in protobuf; if all are, protobuf is what is kept,
 * so that the same resource is the same however it came. */
struct tk_otlp_residual {
  uint32_t begin;         /**< of the stack */
  uint32_t inner_begin;   /**< see residual_bytes.h */
  uint32_t encoded_size;  /**< of the members there that `encoded` says as well */
  struct tk_text encoded; /**< protobuf fields */
};

/* ---- otlp_json_keys.c ---- */

/** Field of the key, TK_OTLP_UNKNOWN if the table has none such. */
enum tk_otlp_field tk_otlp_json_find_field(struct tk_otlp_json_parser *parser,
                                           enum tk_otlp_keys table, struct tk_json_string key);
/* ---- otlp_json_residual.c ---- */

static inline struct tk_otlp_residual tk_otlp_json_begin_residual(
    const struct tk_otlp_json_parser *parser) {
  return (struct tk_otlp_residual){.begin = parser->builder->residual.count,
                                   .inner_begin = parser->builder->inner.count};
}

/** Takes the value of a member no field has room for, and remembers the member as it is. */
void tk_otlp_json_keep_member(struct tk_otlp_json_parser *parser, enum tk_otlp_field field,
                              struct tk_json_string key, struct tk_otlp_residual *residual);
/** The same for a member of an object within the message, which `path` leads to. */
void tk_otlp_json_keep_inner(struct tk_otlp_json_parser *parser, const char *path,
                             uint32_t path_size, struct tk_json_string key);
/** What has been remembered. */
struct tk_residual tk_otlp_json_take_residual(struct tk_otlp_json_parser *parser,
                                              struct tk_otlp_residual *residual);

/* ---- otlp_json_values.c ---- */

void tk_otlp_json_report_type(struct tk_otlp_json_parser *parser, const char *expected,
                              struct tk_text raw);
/** Takes a value that should be an object or array of the given type; false: it was something else,
 * has been skipped, and if it was not null, reported. */
bool tk_otlp_json_expect(struct tk_otlp_json_parser *parser, enum tk_json_type wanted);
uint32_t tk_otlp_json_read_uint32(struct tk_otlp_json_parser *parser);
uint64_t tk_otlp_json_read_time(struct tk_otlp_json_parser *parser);
int32_t tk_otlp_json_read_kind(struct tk_otlp_json_parser *parser);
int32_t tk_otlp_json_read_status_code(struct tk_otlp_json_parser *parser);
struct tk_text tk_otlp_json_read_text(struct tk_otlp_json_parser *parser);
/** As read_text, but a view of the input where possible: ids are decoded, not kept. */
struct tk_text tk_otlp_json_read_id(struct tk_otlp_json_parser *parser);
struct tk_attributes tk_otlp_json_attributes(struct tk_otlp_json_parser *parser,
                                             uint32_t dropped_count);

static inline struct tk_text tk_otlp_json_raw(struct tk_json_string string) {
  return (struct tk_text){string.data, string.size};
}

#endif
