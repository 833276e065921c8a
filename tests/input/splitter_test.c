/* SPDX-License-Identifier: MIT
 * Records out of every framing, fed whole and byte by byte. */
#include "cli/input/splitter.h"

#include <stdlib.h>

#include "cli/input/format.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

enum { MAX_PIECES = 64, TEXT_SIZE = 8192 };

struct piece {
  enum tk_record_kind kind;
  uint64_t begin, end, line, hash;
  char text[256];
  char rule[32];
};

struct pieces {
  struct piece items[MAX_PIECES];
  size_t count;
};

static enum tk_status split(const char *text, size_t size, size_t piece_size,
                            const struct tk_splitter_options *options, struct pieces *pieces) {
  struct tk_byte_source *source = NULL;
  struct tk_splitter *splitter = NULL;
  struct tk_error error;
  bool found = false;
  pieces->count = 0;
  enum tk_status status =
      tk_byte_source_open_memory("memory", text, size, piece_size, &source, &error);
  if (status == TK_OK) status = tk_splitter_create(source, options, &splitter, &error);
  if (status == TK_OK) {
    tk_splitter_set_keys(splitter, &tk_input_format_find("otlp-json")->split_keys);
    do {
      struct tk_record record;
      status = tk_splitter_next(splitter, &record, &found, &error);
      if (status != TK_OK || !found) break;
      if (pieces->count == MAX_PIECES) abort();
      struct piece *piece = &pieces->items[pieces->count++];
      *piece = (struct piece){.kind = record.kind,
                              .begin = record.begin_offset,
                              .end = record.end_offset,
                              .line = record.line,
                              .hash = tk_splitter_hash(splitter)};
      snprintf(piece->text, sizeof piece->text, "%.*s", (int)record.size, record.text);
      if (record.kind == TK_RECORD_FAULT) {
        snprintf(piece->rule, sizeof piece->rule, "%s", tk_rule_name(record.rule));
      }
    } while (found);
  }
  tk_splitter_free(splitter);
  tk_byte_source_close(source);
  return status;
}

/* Splits whole and in pieces of one to a few bytes; all must agree. */
static struct pieces split_every_way(const char *text, const struct tk_splitter_options *options) {
  static const size_t sizes[] = {1, 2, 3, 7};
  const size_t size = strlen(text);
  struct pieces whole;
  memset(&whole, 0, sizeof whole);
  CHECK(split(text, size, 0, options, &whole) == TK_OK);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    struct pieces cut;
    memset(&cut, 0, sizeof cut);
    CHECK(split(text, size, sizes[i], options, &cut) == TK_OK);
    CHECK(cut.count == whole.count &&
          memcmp(cut.items, whole.items, whole.count * sizeof whole.items[0]) == 0);
  }
  uint64_t end = 0;
  for (size_t i = 0; i < whole.count; i++) {
    CHECK(whole.items[i].begin >= end && whole.items[i].end >= whole.items[i].begin);
    end = whole.items[i].end;
    CHECK(whole.items[i].hash == tk_hash64(text, (size_t)end));
  }
  return whole;
}

static const char *kind_letters = "WEM._!";

/* "W:text|E:text|..." : the pieces as one string, faults as "!rule:text". */
static const char *describe(const char *text, const struct tk_splitter_options *options) {
  static char description[TEXT_SIZE];
  const struct tk_splitter_options defaults = {0};
  const struct pieces pieces = split_every_way(text, options ? options : &defaults);
  size_t used = 0;
  description[0] = '\0';
  for (size_t i = 0; i < pieces.count; i++) {
    const struct piece *piece = &pieces.items[i];
    used += (size_t)snprintf(description + used, sizeof description - used, "%s%c%s:%s",
                             i ? "|" : "", kind_letters[piece->kind], piece->rule, piece->text);
  }
  return description;
}

static bool gives(const char *text, const char *expected) {
  const char *found = describe(text, NULL);
  if (strcmp(found, expected) == 0) return true;
  printf("# %s\n#   expected %s\n#   found    %s\n", text, expected, found);
  return false;
}

static void lines_are_records(void) {
  CHECK(gives("{\"a\":1}\n{\"b\":2}\n", "W:{\"a\":1}|W:{\"b\":2}"));
  CHECK(gives("{\"a\":1}\r\n\r\n\n  \n{\"b\":2}  \r\n", "W:{\"a\":1}|W:{\"b\":2}"));
  CHECK(gives("\xEF\xBB\xBF{\"a\":1}\n{\"b\":2}", "W:{\"a\":1}|W:{\"b\":2}"));
  CHECK(gives("\n{\"a\":1}", "W:{\"a\":1}"));
  CHECK(gives("", "") && gives(" \n\n", "") && gives("\xEF\xBB\xBF", ""));
}

static void documents_need_no_lines(void) {
  CHECK(gives("{\"a\":1}{\"b\":2} {\"c\":3}", "W:{\"a\":1}|W:{\"b\":2}|W:{\"c\":3}"));
  CHECK(gives("{\"a\":\n1}\n{\n}\n{\"b\":2}\n", "W:{\"a\":\n1}|W:{\n}|W:{\"b\":2}"));
  CHECK(gives("{\n\"a\":{}\n,\"b\":\"}\\\"{\"\n}\n", "W:{\n\"a\":{}\n,\"b\":\"}\\\"{\"\n}"));
  /* Two on a line that ends like one: left to the parser. */
  CHECK(gives("{\"a\":1}{\"b\":2}\n", "W:{\"a\":1}{\"b\":2}"));
}

static void lines_that_only_look_whole_are_looked_into(void) {
  CHECK(gives("{\"a\":{}\n,\"b\":{}\n}\n", "W:{\"a\":{}\n,\"b\":{}\n}"));
  CHECK(gives("{\"a\":[{}\n]}\n{}\n", "W:{\"a\":[{}\n]}|W:{}"));
}

static void big_documents_are_split_at_their_items(void) {
  CHECK(gives("{\n\"resourceSpans\":[{\"x\":1},\n {\"y\":[2]}]\n}\n{}\n",
              "E:{\"x\":1}|E:{\"y\":[2]}|.:|W:{}"));
  CHECK(gives("{\n\"trace\":{\"batches\":[{}],\"z\":1},\"metrics\":{\"a\":[]}}",
              "E:{}|M:\"z\":1|M:\"metrics\":{\"a\":[]}|.:"));
  CHECK(gives("{\n\"u\":[1,2],\"resource_spans\":[]}", "M:\"u\":[1,2]|.:"));
  CHECK(gives("{\n\"u\":1,\"scopeSpans\":[]}", "W:{\n\"u\":1,\"scopeSpans\":[]}"));
  CHECK(gives("{\n\"resourceSpans\":null}", "W:{\n\"resourceSpans\":null}"));
}

static void long_lines_are_split_too(void) {
  const struct tk_splitter_options options = {.line_limit = 20};
  const char *found =
      describe("{\"resourceSpans\":[{\"a\":1},{\"b\":2}]}\n{\"resourceSpans\":[]}\n", &options);
  CHECK(strcmp(found, "E:{\"a\":1}|E:{\"b\":2}|.:|.:") == 0);
  CHECK(strcmp(describe("{\"short\":1}\n{}\n", &options), "W:{\"short\":1}|W:{}") == 0);
}

static void top_level_arrays_are_split(void) {
  CHECK(gives("[{\"a\":1},{\"b\":2}]", "W:{\"a\":1}|W:{\"b\":2}"));
  CHECK(gives("[\n[{\"a\":1}],\n[]\n]\n[{}]\n{}\n", "W:{\"a\":1}|W:{}|W:{}"));
  CHECK(gives("[1,\"x\"]", "W:1|W:\"x\""));
}

static void garbage_is_one_fault_up_to_the_next_document(void) {
  CHECK(gives("hello\nworld\n{\"a\":1}\n", "!json.syntax:hello\nworld\n|W:{\"a\":1}"));
  CHECK(gives("{\"a\":1}\n{\"b\":x}\n{\"c\":3}\n", "W:{\"a\":1}|W:{\"b\":x}|W:{\"c\":3}"));
  CHECK(gives("{\"b\":x\n{\"c\":3}\n", "!json.syntax:{\"b\":x\n|W:{\"c\":3}"));
  CHECK(gives("{\n \"resourceSpans\":[\n  {\"x\":1},\n  oops\n ]\n}\n{\"c\":3}\n",
              "E:{\"x\":1}|!json.syntax:oops\n ]\n}\n|W:{\"c\":3}"));
  CHECK(gives("\x01\x02\xff", "!json.syntax:\x01\x02\xff"));
  CHECK(gives("]\n{}\n", "!json.syntax:]\n|W:{}"));
}

static void a_line_cut_in_the_middle_of_a_file_costs_only_itself(void) {
  CHECK(gives("{\"a\":[{\"b\":\"c\n{\"d\":1}\n{\"e\":2}\n",
              "!json.syntax:{\"a\":[{\"b\":\"c\n|W:{\"d\":1}|W:{\"e\":2}"));
  CHECK(
      gives("{\"a\":[\n{\"d\":1}\n{\"e\":2}\n", "!json.syntax:{\"a\":[\n|W:{\"d\":1}|W:{\"e\":2}"));
  CHECK(gives("{\"a\":[\n{\"d\":1}\n", "!record.truncated:{\"a\":[\n|W:{\"d\":1}"));
  CHECK(gives("{\"a\":[{}\n{\"d\":1}\n", "W:{\"a\":[{}|W:{\"d\":1}"));
}

static void a_cut_end_is_reported_and_not_consumed(void) {
  struct pieces pieces;
  const struct tk_splitter_options options = {0};
  const char *text = "{\"a\":1}\n{\"b\":[{}";
  CHECK(gives(text, "W:{\"a\":1}|!record.truncated:{\"b\":[{}"));
  CHECK(split(text, strlen(text), 0, &options, &pieces) == TK_OK && pieces.count == 2);
  CHECK(pieces.items[1].begin == 8 && pieces.items[1].end == 8 && pieces.items[1].line == 2);
  CHECK(gives("{\n\"resourceSpans\":[{\"x\":1}", "E:{\"x\":1}|!record.truncated:"));
  CHECK(gives("{\n\"resourceSpans\":[{\"x\":1},{\"y", "E:{\"x\":1}|!record.truncated:{\"y"));
  CHECK(gives("{", "!record.truncated:{"));
  CHECK(gives("[", "!record.truncated:"));
}

static void records_beyond_the_limit_are_skipped(void) {
  const struct tk_splitter_options options = {.line_limit = 8, .record_limit = 64};
  char text[4096];
  char big[1024];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  struct pieces pieces;
  snprintf(text, sizeof text, "{\"a\":\"%s\"}\n{\"ok\":1}\n", big);
  pieces = split_every_way(text, &options);
  CHECK(pieces.count == 2);
  CHECK(strcmp(pieces.items[0].rule, "record.too_long") == 0);
  CHECK(strcmp(pieces.items[1].text, "{\"ok\":1}") == 0 && pieces.items[1].line == 2);
  snprintf(text, sizeof text, "{\n\"resourceSpans\":[{\"a\":\"%s\"},{\"b\":2}],\"m\":\"%s\"}", big,
           big);
  pieces = split_every_way(text, &options);
  CHECK(pieces.count == 4);
  CHECK(strcmp(pieces.items[0].rule, "record.too_long") == 0);
  CHECK(pieces.items[1].kind == TK_RECORD_ELEMENT &&
        strcmp(pieces.items[1].text, "{\"b\":2}") == 0);
  CHECK(strcmp(pieces.items[2].rule, "record.too_long") == 0);
  CHECK(pieces.items[3].kind == TK_RECORD_END);
}

static void lines_are_counted(void) {
  const struct pieces pieces = split_every_way("\n{\n\"a\":1\n}\n{}\r\n\n{\"x\":[\n]}{}\n{}",
                                               &(struct tk_splitter_options){0});
  CHECK(pieces.count == 5);
  CHECK(pieces.items[0].line == 2 && pieces.items[1].line == 5 && pieces.items[2].line == 7);
  CHECK(pieces.items[3].line == 8 && pieces.items[4].line == 9);
}

static void a_watched_offset_gets_its_hash(void) {
  const char *text = "{\"a\":1}\n{\"b\":2}\n";
  for (size_t offset = 0; offset <= strlen(text); offset++) {
    struct tk_byte_source *source;
    struct tk_splitter *splitter;
    struct tk_record record;
    bool found = true;
    uint64_t hash;
    const struct tk_splitter_options options = {0};
    CHECK(tk_byte_source_open_memory("m", text, strlen(text), 3, &source, NULL) == TK_OK);
    CHECK(tk_splitter_create(source, &options, &splitter, NULL) == TK_OK);
    tk_splitter_watch(splitter, offset);
    while (found) CHECK(tk_splitter_next(splitter, &record, &found, NULL) == TK_OK);
    CHECK(tk_splitter_watched(splitter, &hash) && hash == tk_hash64(text, offset));
    tk_splitter_free(splitter);
    tk_byte_source_close(source);
  }
}

static void out_of_memory_is_reported_at_every_allocation(void) {
  const char *text = "{\"a\":1}\n{\n\"resourceSpans\":[{\"x\":1}]}\noops\n{";
  const struct tk_splitter_options options = {0};
  struct pieces pieces;
  int n = 1;
  for (;; n++) {
    fault_memory_fail_at(n);
    const enum tk_status status = split(text, strlen(text), 5, &options, &pieces);
    const int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    CHECK(status == (hits ? TK_NOMEM : TK_OK));
    if (!hits) break;
  }
  CHECK(n > 3);
}

int main(void) {
  fault_memory_install();
  const struct check_case cases[] = {
      CASE(lines_are_records),
      CASE(documents_need_no_lines),
      CASE(lines_that_only_look_whole_are_looked_into),
      CASE(big_documents_are_split_at_their_items),
      CASE(long_lines_are_split_too),
      CASE(top_level_arrays_are_split),
      CASE(garbage_is_one_fault_up_to_the_next_document),
      CASE(a_line_cut_in_the_middle_of_a_file_costs_only_itself),
      CASE(a_cut_end_is_reported_and_not_consumed),
      CASE(records_beyond_the_limit_are_skipped),
      CASE(lines_are_counted),
      CASE(a_watched_offset_gets_its_hash),
      CASE(out_of_memory_is_reported_at_every_allocation),
  };
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
