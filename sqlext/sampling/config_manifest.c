/* SPDX-License-Identifier: MIT
 * A collector's configuration inside what deploys the collector: the `config` of a Helm chart's
 * values, `spec.config` of an OpenTelemetryCollector resource. There it is a map, or the text of a
 * file of its own (a block scalar, as older resources have it), whose places are told as those of
 * the text around it. */
#include "sqlext/sampling/config_reader.h"

/* Where the configuration stands; NULL: this is no manifest. */
static const struct tk_config_node *find_inside(const struct tk_config_node *root) {
  const struct tk_config_node *config = tk_config_get(root, "config");
  return config ? config : tk_config_get(tk_config_get(root, "spec"), "config");
}

/* How far the text of a block scalar is indented; `number` is the line of its `|`, from 1. */
static uint32_t indent_below(struct tk_text text, uint32_t number) {
  const char *at = text.data, *end = text.data + text.size;
  uint32_t indent = 0;
  for (; at < end && number > 0; at++) number -= *at == '\n';
  for (; at < end && (*at == ' ' || *at == '\n' || *at == '\r'); at++) {
    indent = *at == ' ' ? indent + 1 : 0;
  }
  return indent;
}

enum tk_status tk_config_unwrap(struct tk_config_document *document, struct tk_text text,
                                struct tk_error *error) {
  const struct tk_config_node *inside = find_inside(document->root);
  if (!inside || inside->kind == TK_CONFIG_LIST) return TK_OK;
  if (inside->kind == TK_CONFIG_MAP) {
    document->root = inside;
    return TK_OK;
  }
  if (!inside->is_block) return TK_OK;
  document->lines_before = inside->line;
  document->columns_before = indent_below(text, inside->line);
  document->root = NULL;
  return tk_config_read_yaml(document, inside->text.data, inside->text.size, error);
}
