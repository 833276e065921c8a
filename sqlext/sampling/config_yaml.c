/* SPDX-License-Identifier: MIT
 * YAML to a document, by libyaml's events: scalars stay text, anchors are kept until the end, an
 * alias shares the node it names. One YAML document, UTF-8. Without libyaml this says so. */
#include "sqlext/sampling/config_document.h"

#ifdef TK_HAVE_YAML

#include <string.h>
#include <yaml.h>

/* Far more than anybody writes by hand, and few enough to look through for each alias. */
enum { ANCHOR_LIMIT = 1000 };

struct anchor {
  struct anchor *next;
  const struct tk_config_node *node;
  bool is_complete;
  const char *name;
};

struct yaml_reader {
  struct tk_config_builder builder;
  yaml_parser_t parser;
  struct anchor *anchors; /* newest first: a name may be used again */
  uint32_t anchor_count;
  uint32_t document_count;
};

static uint32_t line_of(const struct tk_config_document *document, yaml_mark_t mark) {
  return document->lines_before + (uint32_t)mark.line + 1;
}

static uint32_t column_of(const struct tk_config_document *document, yaml_mark_t mark) {
  return document->columns_before + (uint32_t)mark.column + 1;
}

static enum tk_status refuse_syntax(struct yaml_reader *reader) {
  const yaml_parser_t *parser = &reader->parser;
  const struct tk_config_document *document = reader->builder.document;
  struct tk_error *error = reader->builder.error;
  if (parser->error == YAML_MEMORY_ERROR) return tk_nomem(error);
  if (parser->error == YAML_READER_ERROR) {
    return tk_config_refuse(document, line_of(document, parser->mark),
                            column_of(document, parser->mark), error, "expected YAML in UTF-8: %s",
                            parser->problem);
  }
  return tk_config_refuse(document, line_of(document, parser->problem_mark),
                          column_of(document, parser->problem_mark), error, "expected YAML: %s%s%s",
                          parser->context ? parser->context : "", parser->context ? ": " : "",
                          parser->problem);
}

/* Remembers a node that has an anchor. */
static enum tk_status add_anchor(struct yaml_reader *reader, const yaml_char_t *name,
                                 const struct tk_config_node *node) {
  struct tk_arena *arena = &reader->builder.document->arena;
  if (!name) return TK_OK;
  if (reader->anchor_count++ == ANCHOR_LIMIT) {
    return tk_config_refuse(reader->builder.document, node->line, node->column,
                            reader->builder.error, "expected at most %d anchors, found more",
                            ANCHOR_LIMIT);
  }
  const size_t size = strlen((const char *)name) + 1;
  struct anchor *anchor = tk_arena_alloc(arena, sizeof *anchor);
  char *copy = tk_arena_alloc_bytes(arena, size);
  if (!anchor || !copy) return tk_nomem(reader->builder.error);
  memcpy(copy, name, size);
  *anchor = (struct anchor){reader->anchors, node, node->kind == TK_CONFIG_SCALAR, copy};
  reader->anchors = anchor;
  return TK_OK;
}

static enum tk_status take_alias(struct yaml_reader *reader, const yaml_event_t *event) {
  const char *name = (const char *)event->data.alias.anchor;
  const struct tk_config_document *document = reader->builder.document;
  const struct anchor *anchor = reader->anchors;
  while (anchor && strcmp(anchor->name, name) != 0) anchor = anchor->next;
  if (anchor && anchor->is_complete) return tk_config_place(&reader->builder, anchor->node);
  return tk_config_refuse(
      document, line_of(document, event->start_mark), column_of(document, event->start_mark),
      reader->builder.error,
      anchor ? "expected an alias to name something complete, found *%.60s inside &%.60s"
             : "expected an alias to name an anchor above, found *%.60s",
      name, name);
}

static enum tk_status take_scalar(struct yaml_reader *reader, const yaml_event_t *event) {
  struct tk_config_builder *builder = &reader->builder;
  const char *tag = (const char *)event->data.scalar.tag;
  struct tk_config_node *node =
      tk_config_make(builder, TK_CONFIG_SCALAR, line_of(builder->document, event->start_mark),
                     column_of(builder->document, event->start_mark));
  if (!node || !tk_config_set_text(builder, node, (const char *)event->data.scalar.value,
                                   event->data.scalar.length)) {
    return tk_nomem(builder->error);
  }
  node->is_block = event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE;
  node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
                    (tag && strcmp(tag, YAML_STR_TAG) == 0);
  const enum tk_status status = add_anchor(reader, event->data.scalar.anchor, node);
  return status == TK_OK ? tk_config_place(builder, node) : status;
}

static enum tk_status begin(struct yaml_reader *reader, const yaml_event_t *event,
                            enum tk_config_kind kind, const yaml_char_t *anchor) {
  struct tk_config_builder *builder = &reader->builder;
  struct tk_config_node *node =
      tk_config_make(builder, kind, line_of(builder->document, event->start_mark),
                     column_of(builder->document, event->start_mark));
  if (!node) return tk_nomem(builder->error);
  const enum tk_status status = add_anchor(reader, anchor, node);
  return status == TK_OK ? tk_config_begin(builder, node) : status;
}

static enum tk_status end(struct yaml_reader *reader) {
  struct tk_config_builder *builder = &reader->builder;
  const struct tk_config_node *node = builder->open[builder->depth - 1].node;
  struct anchor *anchor = reader->anchors;
  while (anchor && anchor->node != node) anchor = anchor->next;
  if (anchor) anchor->is_complete = true;
  return tk_config_end(builder);
}

static enum tk_status take_event(struct yaml_reader *reader, const yaml_event_t *event) {
  const struct tk_config_document *document = reader->builder.document;
  switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
      if (reader->document_count++ == 0) return TK_OK;
      return tk_config_refuse(document, line_of(document, event->start_mark),
                              column_of(document, event->start_mark), reader->builder.error,
                              "expected one YAML document, found a second");
    case YAML_ALIAS_EVENT:
      return take_alias(reader, event);
    case YAML_SCALAR_EVENT:
      return take_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
      return begin(reader, event, TK_CONFIG_LIST, event->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
      return begin(reader, event, TK_CONFIG_MAP, event->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      return end(reader);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
      break;
  }
  return TK_OK;
}

enum tk_status tk_config_read_yaml(struct tk_config_document *document, const char *text,
                                   size_t size, struct tk_error *error) {
  struct yaml_reader reader = {.builder = {.document = document, .error = error}};
  enum tk_status status = TK_OK;
  bool at_end = false;
  if (!yaml_parser_initialize(&reader.parser)) return tk_nomem(error);
  yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
  yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
  while (status == TK_OK && !at_end) {
    yaml_event_t event;
    if (!yaml_parser_parse(&reader.parser, &event)) {
      status = refuse_syntax(&reader);
      break;
    }
    status = take_event(&reader, &event);
    at_end = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&reader.parser);
  return status;
}

#else

enum tk_status tk_config_read_yaml(struct tk_config_document *document, const char *text,
                                   size_t size, struct tk_error *error) {
  (void)text, (void)size;
  tk_config_refuse(document, 1, 1, error,
                   "expected JSON, since this tracekeep was built without libyaml, found YAML");
  return TK_UNSUPPORTED;
}

#endif
