/** @file jaeger_tags.h  Tags of spans, logs and processes in Jaeger's JSON. */
#ifndef TK_CLI_INPUT_JAEGER_TAGS_H
#define TK_CLI_INPUT_JAEGER_TAGS_H

#include "cli/input/plain_json.h"

/** Takes {"key","type","value"}, members in any order. `hex`: "binary" is hexadecimal, as in
 * Elasticsearch's form, not base64. False: there was none. */
bool tk_jaeger_read_tag(struct tk_plain *plain, struct tk_attribute *tag, bool hex);

/** Takes a member of Elasticsearch's map of tags, where dots of keys became '@'. */
bool tk_jaeger_next_mapped_tag(struct tk_plain *plain, struct tk_attribute *tag);

#endif
