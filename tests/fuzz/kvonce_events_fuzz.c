/* SPDX-License-Identifier: MIT
 * Lines of events out of any bytes, and everything that is computed from them. A value in canonical
 * form must be JSON, and stay as it is when it is read again; a fold must give issues only of keys
 * it has. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/kvonce/inventory_fold.h"
#include "sqlext/kvonce/kvonce_fold.h"
#include "sqlext/kvonce/observability_check.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tk_text canonical(struct tk_js_writer *writer, struct tk_text json) {
  writer->out.size = 0;
  tk_js_write_text(writer, json);
  uint8_t *padding = tk_byte_writer_reserve(&writer->out, TK_JSON_PADDING);
  REQUIRE(padding && !writer->out.failed);
  memset(padding, 0, TK_JSON_PADDING);
  return (struct tk_text){(const char *)writer->out.data, (uint32_t)writer->out.size};
}

static void check_canonical(struct tk_text json) {
  struct tk_js_writer first = {.member_count = 0}, second = {.member_count = 0};
  struct tk_json parsed;
  const struct tk_text once = canonical(&first, json);
  tk_json_init(&parsed, once.data, once.size);
  tk_json_skip(&parsed);
  REQUIRE(!parsed.expected && tk_json_at_end(&parsed));
  const struct tk_text twice = canonical(&second, once);
  REQUIRE(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
  tk_js_writer_reset(&first);
  tk_js_writer_reset(&second);
}

struct folds {
  struct tk_kvonce_fold kvonce;
  struct tk_inventory_fold inventory;
};

static void add_event(struct folds *folds, const struct tk_run_event *event) {
  struct tk_observability_issue issues[TK_OBSERVABILITY_ISSUES_MAX];
  struct tk_error error;
  check_canonical(event->raw);
  REQUIRE(tk_observability_check(event, 0, issues) <= TK_OBSERVABILITY_ISSUES_MAX);
  if (tk_json_is_null(event->raw)) return;
  REQUIRE(tk_kvonce_fold_add(&folds->kvonce, event, &error) == TK_OK);
  REQUIRE(tk_kvonce_fold_order(&folds->kvonce, &error) == TK_OK);
  REQUIRE(tk_inventory_fold_add(&folds->inventory, event, &error) == TK_OK);
}

static void check_folds(struct folds *folds) {
  struct tk_kvonce_issue issues[TK_KVONCE_ISSUES_MAX];
  struct tk_error error;
  REQUIRE(folds->kvonce.ordered_count <= folds->kvonce.keys.count);
  for (uint32_t i = 0; i < folds->kvonce.ordered_count; i++) {
    const struct tk_kvonce_entry *entry = folds->kvonce.ordered[i];
    const uint32_t count = tk_kvonce_issues(entry, issues);
    REQUIRE(count <= TK_KVONCE_ISSUES_MAX);
    for (uint32_t j = 0; j < count; j++) {
      REQUIRE(issues[j].ordinal >= entry->first_ordinal &&
              issues[j].ordinal <= entry->last_ordinal);
    }
  }
  REQUIRE(tk_inventory_fold_order(&folds->inventory, &error) == TK_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct folds folds = {.kvonce = {.keep = TK_KVONCE_VALUES | TK_KVONCE_LISTS | TK_KVONCE_TRACES}};
  struct tk_event_lines lines = {.at = NULL};
  struct tk_run_event event = {.ordinal = 0};
  struct tk_error error;
  char *text = calloc(1, size + TK_JSON_PADDING);
  REQUIRE(text);
  if (size > 0) memcpy(text, data, size);
  lines.at = text;
  lines.end = text + size;
  for (uint64_t ordinal = 0;; ordinal++) {
    struct tk_text line;
    REQUIRE(tk_event_lines_next(&lines, &line, &error) == TK_OK);
    if (!line.data) break;
    REQUIRE(line.size > 0 && tk_utf8_valid(line.data, line.size));
    event.ordinal = ordinal;
    if (tk_event_parse(&event, line)) add_event(&folds, &event);
  }
  check_folds(&folds);
  tk_kvonce_fold_reset(&folds.kvonce);
  tk_inventory_fold_reset(&folds.inventory);
  tk_event_lines_reset(&lines);
  free(text);
  return 0;
}
