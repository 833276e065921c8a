/** @file zipkin_annotation.h  Events that OpenTelemetry's exporters wrote as Zipkin annotations. */
#ifndef TK_CLI_INPUT_ZIPKIN_ANNOTATION_H
#define TK_CLI_INPUT_ZIPKIN_ANNOTATION_H

#include "cli/input/batch_builder.h"

/** If the event's name is `name|{"key":value}|dropped`, `"name": {...}` or `{"name": {...}}`,
 * splits it into name and attributes; otherwise leaves it as it is. */
void tk_zipkin_split_annotation(struct tk_batch_builder *builder, struct tk_event *event);

/** Adds the link that a tag `otlp.link.N` says: `trace|span|state|{"key":value}|dropped`; false: it
 * says none. */
bool tk_zipkin_push_link(struct tk_batch_builder *builder, struct tk_text text);

#endif
