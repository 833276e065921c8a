/* A configuration as its file has it, whatever the notation: scalars, lists and maps, each with
 * its place. Made by config_yaml.c or config_json.c, read by config_reader.c.
 *
 * YAML's aliases share nodes, so this is a graph without cycles; `weight` counts what it would be
 * as a tree, and is bounded, so that walking it is too. */
#ifndef TK_SAMPLING_CONFIG_DOCUMENT_H
#define TK_SAMPLING_CONFIG_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracekeep/arena.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

/** Lists and maps nest no deeper, aliases followed. */
#define TK_CONFIG_DEPTH_LIMIT 64
/** Members of one map: far more than any has, and few enough to compare each with each. */
#define TK_CONFIG_MEMBER_LIMIT 4096
/** Scalars, lists and maps of a document, those behind an alias counted each time it is used. */
#define TK_CONFIG_WEIGHT_LIMIT 200000
/** Longest name of a document in a message. */
#define TK_CONFIG_NAME_LIMIT 160

enum tk_config_kind { TK_CONFIG_SCALAR, TK_CONFIG_LIST, TK_CONFIG_MAP };

struct tk_config_node {
  enum tk_config_kind kind;
  bool is_quoted;        /* text, even if it looks like a number */
  bool is_string;        /* JSON: in quotes, so no number whatever it looks like */
  bool is_block;         /* YAML: text of several lines behind a `|` */
  uint32_t line, column; /* from 1 */
  uint32_t weight;
  uint32_t height;                     /* of a scalar 0, of others one more than their highest */
  uint32_t count;                      /* items, members */
  struct tk_text text;                 /* SCALAR; NUL-terminated */
  const struct tk_config_node **items; /* LIST, and the values of a MAP */
  const struct tk_config_node **keys;  /* MAP; scalars, all different */
};

struct tk_config_document {
  struct tk_arena arena;
  const struct tk_config_node *root; /* NULL: there is nothing in it */
  bool is_json;
  /* What stands before the text in the file it is part of; 0: it is the file. */
  uint32_t lines_before, columns_before;
  char name[TK_CONFIG_NAME_LIMIT + 1]; /* for messages */
};

/** Both take text that ends with NUL and is followed by TK_JSON_PADDING bytes in all. TK_INVALID:
 * not of that notation, and the message says where. TK_UNSUPPORTED: built without libyaml. The
 * document's name is set before, and its arena reset by the caller, whatever is returned. */
enum tk_status tk_config_read_yaml(struct tk_config_document *document, const char *text,
                                   size_t size, struct tk_error *error);
enum tk_status tk_config_read_json(struct tk_config_document *document, const char *text,
                                   size_t size, struct tk_error *error);

/** The message "name:line:column: " and what follows. */
enum tk_status tk_config_refuse(const struct tk_config_document *document, uint32_t line,
                                uint32_t column, struct tk_error *error, const char *format, ...)
    TK_PRINTF(5, 6);

/* ---- for those who make documents ---- */

/** Lists and maps that are not complete yet, innermost last. */
struct tk_config_builder {
  struct tk_config_document *document;
  struct tk_error *error;
  struct tk_config_open {
    struct tk_config_node *node;
    const struct tk_config_node *key; /* of a map: read, and waiting for its value */
    uint32_t capacity;
  } open[TK_CONFIG_DEPTH_LIMIT];
  uint32_t depth;
};

/** A node, not yet anywhere; NULL when out of memory. The text is copied. */
struct tk_config_node *tk_config_make(struct tk_config_builder *builder, enum tk_config_kind kind,
                                      uint32_t line, uint32_t column);
bool tk_config_set_text(struct tk_config_builder *builder, struct tk_config_node *node,
                        const char *text, size_t size);
/** Puts a complete node where it belongs: into the open list, as key or value into the open map, or
 * at the root. */
enum tk_status tk_config_place(struct tk_config_builder *builder,
                               const struct tk_config_node *node);
/** Opens `node`, a list or a map: what is placed now goes into it, until it is closed. */
enum tk_status tk_config_begin(struct tk_config_builder *builder, struct tk_config_node *node);
/** Completes the innermost open node, which counts and is placed now. */
enum tk_status tk_config_end(struct tk_config_builder *builder);

#endif
