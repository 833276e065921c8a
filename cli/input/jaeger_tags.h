/** @file jaeger_tags.h  Tags of spans, logs and processes in Jaeger's JSON. */
#ifndef TK_CLI_INPUT_JAEGER_TAGS_H
#define TK_CLI_INPUT_JAEGER_TAGS_H

#include "cli/input/plain_json.h"

/** Where tags stand that may be "binary": hexadecimal in Elasticsearch's form, where a span has its
 * process inside, base64 elsewhere. Whether it has one is only looked up when somebody asks. */
struct tk_jaeger_place {
  struct tk_json span; /**< at the beginning of the span's object */
  enum { TK_JAEGER_UNKNOWN, TK_JAEGER_HEX, TK_JAEGER_BASE64 } binary;
};

/** Takes {"key","type","value"}, members in any order. `place` may be NULL: base64. False: there
 * was none. */
bool tk_jaeger_read_tag(struct tk_plain *plain, struct tk_attribute *tag,
                        struct tk_jaeger_place *place);

/** Takes a member of Elasticsearch's map of tags, where dots of keys became '@'. */
bool tk_jaeger_next_mapped_tag(struct tk_plain *plain, struct tk_attribute *tag);

#endif
