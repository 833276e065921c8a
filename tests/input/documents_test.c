/* SPDX-License-Identifier: MIT
 * What becomes of events, report envelopes and the other documents of a run. */
#include <stdlib.h>

#include "cli/input/checksum.h"
#include "cli/input/document_kind.h"
#include "tests/input/foreign_support.h"
#include "tracekeep/document.h"
#include "tracekeep/hash.h"

/* One of each kind: the keys that make it so, and some beside them. */
static const struct {
  enum tk_document_kind kind;
  const char *text;
} samples[] = {
    {TK_DOCUMENT_ENVELOPE,
     "{\"schemaVersion\":\"1.0.0\",\"source\":\"s\",\"correlation\":{\"runId\":\"1\"},\"summary\":{"
     "}}"},
    {TK_DOCUMENT_ENVELOPE, "{\"traceCorrelation\":{\"runId\":\"1\"},\"summary\":{\"cases\":7}}"},
    {TK_DOCUMENT_ENVELOPE,
     "{\"source\":\"s\",\"generatedAt\":\"2026-01-01T00:00:00Z\",\"correlation\":null}"},
    {TK_DOCUMENT_KVONCE_VALIDATION, "{\"generatedAt\":\"t\",\"valid\":true,\"issues\":[]}"},
    {TK_DOCUMENT_KVONCE_PROJECTION,
     "{\"schemaVersion\":\"kvonce/v1\",\"events\":[],\"perKey\":{}}"},
    {TK_DOCUMENT_KVONCE_PROJECTION, "{\"perKey\":{},\"stats\":{}}"},
    {TK_DOCUMENT_KVONCE_STATE_SEQUENCE,
     "[{\"index\":0,\"type\":\"retry\",\"key\":\"a\",\"event\":{},\"store\":{}}]"},
    {TK_DOCUMENT_CONFORMANCE_SUMMARY,
     "{\"events\":0,\"schemaErrors\":0,\"invariantViolations\":0,\"byType\":{}}"},
    {TK_DOCUMENT_TRACE_SUMMARY, "{\"traceDir\":\"d\",\"cases\":[],\"trace\":{}}"},
    {TK_DOCUMENT_INVENTORY_VALIDATION,
     "{\"schemaVersion\":\"inventory/validation/v1\",\"valid\":false,\"issues\":[]}"},
    {TK_DOCUMENT_INVENTORY_VALIDATION, "{\"valid\":false,\"issues\":[],\"finalState\":{}}"},
    {TK_DOCUMENT_INVENTORY_PROJECTION, "{\"finalState\":{},\"orders\":[],\"eventCount\":0}"},
    {TK_DOCUMENT_INVENTORY_STATE_SEQUENCE,
     "[{\"index\":0,\"type\":\"release\",\"key\":\"order-1\",\"state\":{}}]"},
    {TK_DOCUMENT_DOMAIN_SUMMARY, "{\"key\":\"inventory\",\"status\":\"valid\",\"traceIds\":[]}"},
    {TK_DOCUMENT_VERIFY_LITE_SUMMARY, "{\"flags\":{},\"steps\":{\"lint\":{}}}"},
    {TK_DOCUMENT_VERIFY_PROFILE_SUMMARY, "{\"profile\":\"conformance\",\"steps\":[]}"},
    {TK_DOCUMENT_LINT_SUMMARY, "{\"total\":3,\"rules\":[]}"},
    {TK_DOCUMENT_MUTATION_SUMMARY, "{\"totalMutants\":3,\"killed\":1}"},
    {TK_DOCUMENT_PAYLOAD_METADATA, "{\"sourceType\":\"url\",\"sha256\":\"00\"}"},
    {TK_DOCUMENT_TRACE_BUNDLE_SUMMARY, "{\"counts\":{},\"sampling\":{\"sampleRate\":1}}"},
    {TK_DOCUMENT_CONFORMANCE_VERIFY_RESULT, "{\"overall\":\"pass\",\"results\":[]}"},
    {TK_DOCUMENT_AUTOMATION_REPORT,
     "{\"tool\":\"t\",\"status\":\"resolved\",\"run\":{\"runId\":1}}"},
    {TK_DOCUMENT_TRACE_MAP, "{\"mappings\":[],\"spec\":{}}"},
    {TK_DOCUMENT_GRAFANA_VARIABLES, "{\"variables\":{},\"sources\":{},\"cases\":[]}"},
    {TK_DOCUMENT_REPLAY_SUMMARY, "{\"conformance\":{},\"tlc\":{}}"},
    {TK_DOCUMENT_TLA_SUMMARY, "{\"engine\":\"tlc\",\"ran\":false,\"status\":\"timeout\"}"},
    {TK_DOCUMENT_OBSERVABILITY_ARRAY,
     "[{\"traceId\":\"t\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"actor\":\"a\",\"event\":\"E\"}"
     "]"},
};
enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0] };

static bool is_document(const struct tk_batch *batch, uint32_t index, enum tk_document_kind kind,
                        const char *text) {
  if (index >= batch->document_count) return false;
  const struct tk_document *document = &batch->documents[index];
  const bool equal = document->kind == kind && document->size == strlen(text) &&
                     memcmp(document->text, text, document->size) == 0;
  if (!equal) {
    printf("# %s: %.*s\n", tk_document_kind_name(document->kind), (int)document->size,
           document->text);
  }
  return equal;
}

static void every_kind_is_recognised_by_its_keys(void) {
  for (int i = 0; i < SAMPLE_COUNT; i++) {
    struct tk_batch *batch = parse_text(samples[i].text);
    CHECK(batch->document_count == 1 && batch->rejected_count == 0 && batch->record_count == 1);
    CHECK(is_document(batch, 0, samples[i].kind, samples[i].text));
    CHECK(batch->issue_count == 0 && batch->span_count == 0);
    tk_batch_free(batch);
  }
}

static void the_order_of_keys_does_not_matter(void) {
  static const char *const texts[] = {
      "{\"summary\":{\"traceId\":\"x\",\"spanId\":\"y\",\"resourceSpans\":[]},\"correlation\":{}}",
      "{\"correlation\":{\"traceId\":\"x\",\"spanId\":\"y\"},\"summary\":{\"resourceSpans\":1}}",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct tk_batch *batch = parse_text(texts[i]);
    CHECK(is_document(batch, 0, TK_DOCUMENT_ENVELOPE, texts[i]));
    tk_batch_free(batch);
  }
}

static void a_key_behind_much_else_is_found(void) {
  enum { FILLER = 20000 };
  char *text = malloc(FILLER + 200);
  size_t size = (size_t)sprintf(text, "{\"filler\":\"");
  memset(text + size, 'x', FILLER);
  sprintf(text + size + FILLER, "\",\"perKey\":{},\"stats\":{}}");
  struct tk_batch *batch = parse_text(text);
  CHECK(is_document(batch, 0, TK_DOCUMENT_KVONCE_PROJECTION, text));
  tk_batch_free(batch);
  free(text);
}

static void documents_one_after_another_and_in_arrays_are_each_one(void) {
  struct tk_batch *batch = parse_text(
      "\n{\"valid\":true,\n \"issues\":[]}\n\n{\"total\":0,\"rules\":[]} "
      "[{\"perKey\":{}}, [{\"valid\":false,\"issues\":[]}]]\n");
  CHECK(batch->document_count == 4 && batch->record_count == 4 && batch->rejected_count == 0);
  CHECK(is_document(batch, 0, TK_DOCUMENT_KVONCE_VALIDATION,
                    "\n{\"valid\":true,\n \"issues\":[]}\n"));
  CHECK(is_document(batch, 1, TK_DOCUMENT_LINT_SUMMARY, "\n{\"total\":0,\"rules\":[]}"));
  CHECK(is_document(batch, 2, TK_DOCUMENT_KVONCE_PROJECTION, "{\"perKey\":{}}"));
  CHECK(is_document(batch, 3, TK_DOCUMENT_KVONCE_VALIDATION, "{\"valid\":false,\"issues\":[]}"));
  tk_batch_free(batch);
}

static void a_document_keeps_every_byte(void) {
  static const char text[] = "\xEF\xBB\xBF \r\n{ \"valid\" : true, \"issues\":[ ] }\r\n \n";
  uint8_t digest[TK_SHA256_SIZE];
  struct tk_batch *batch = parse_text(text);
  CHECK(is_document(batch, 0, TK_DOCUMENT_KVONCE_VALIDATION, text) && batch->document_count == 1);
  const bool known = tk_sha256(text, sizeof text - 1, digest);
  CHECK(known == tk_sha256_available() && known == (batch->documents[0].has_sha256 != 0));
  if (known) CHECK(memcmp(batch->documents[0].sha256, digest, sizeof digest) == 0);
  tk_batch_free(batch);
}

/* ---- lines ---- */

static void lines_keep_every_byte(void) {
  static const char text[] =
      "\r\n{\"traceId\":\"t1\",\"type\":\"success\",\"key\":\"a\"}\r\n\r\n"
      "{\"traceId\":\"t1\",\"type\":\"weird\",\"key\":null}\n"
      "  {\"traceId\":\"t2\",\"type\":\"retry\",\"key\":\"b\",\"context\":null}";
  struct tk_batch *batch = parse_text(text);
  CHECK(is_document(batch, 0, TK_DOCUMENT_KVONCE_EVENTS, text) && batch->document_count == 1);
  CHECK(batch->documents[0].record_count == 3 && batch->record_count == 3);
  CHECK(batch->documents[0].trace_id_count == 2);
  CHECK(text_is(batch->documents[0].trace_ids[1], "t2") && !batch->documents[0].origins);
  CHECK(strcmp(recognise(text), "kvonce-events") == 0);
  tk_batch_free(batch);
}

static void dialects_of_lines_are_told_apart(void) {
  static const char *const lines[] = {
      [TK_DOCUMENT_KVONCE_EVENTS] =
          "{\"type\":\"failure\",\"key\":\"k\",\"reason\":\"duplicate\"}\n",
      [TK_DOCUMENT_INVENTORY_EVENTS] =
          "{\"traceId\":\"i\",\"timestamp\":\"t\",\"type\":\"release\",\"key\":\"order-1\","
          "\"delta\":-3}\n",
      [TK_DOCUMENT_OBSERVABILITY_EVENTS] =
          "{\"traceId\":\"o\",\"timestamp\":\"t\",\"actor\":\"a\",\"event\":\"Placed\"}\n",
      [TK_DOCUMENT_RUN_LOG] =
          "{\"timestamp\":\"t\",\"level\":\"info\",\"event\":\"e\",\"message\":\"m\","
          "\"runId\":\"run-7\"}\n",
      [TK_DOCUMENT_SAMPLING_DECISIONS] = "{\"type\":\"sampling_decision\",\"trace_id\":\"x\"}\n"};
  char all[2000] = "";
  for (int kind = 0; kind <= TK_DOCUMENT_SAMPLING_DECISIONS; kind++) strcat(all, lines[kind]);
  struct tk_batch *batch = parse_text(all);
  CHECK(batch->document_count == 5 && batch->rejected_count == 0);
  for (int kind = 0; kind <= TK_DOCUMENT_SAMPLING_DECISIONS; kind++) {
    CHECK(is_document(batch, (uint32_t)kind, (enum tk_document_kind)kind, lines[kind]));
  }
  CHECK(text_is(batch->documents[TK_DOCUMENT_RUN_LOG].run_id, "run-7"));
  tk_batch_free(batch);
}

static void among_events_an_object_needs_no_member(void) {
  struct tk_batch *batch = parse_text("{\"type\":\"retry\",\"key\":\"k\"}\n{}\n{\"value\":1}\n");
  CHECK(batch->document_count == 1 && batch->documents[0].record_count == 3);
  tk_batch_free(batch);
}

static void events_over_several_lines_or_in_an_array_become_lines(void) {
  struct tk_batch *batch = parse_text(
      "{\n  \"type\": \"retry\",\n  \"key\": \"a b\"\n}\n[{\"type\":\"success\", "
      "\"key\":\"k\"}]\n");
  CHECK(
      is_document(batch, 0, TK_DOCUMENT_KVONCE_EVENTS,
                  "{\"type\":\"retry\",\"key\":\"a b\"}\n{\"type\":\"success\",\"key\":\"k\"}\n"));
  tk_batch_free(batch);
}

static void events_of_a_bundle_are_events_too(void) {
  static const char text[] =
      "{\"schemaVersion\":\"ae-trace-bundle/v1\",\"source\":{},\"events\":["
      "{\"traceId\":\"t\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"actor\":\"a\",\"event\":"
      "\"success\","
      "\"type\":\"success\",\"key\":\"k\"}, 5],\"grouping\":{}}";
  struct tk_batch *batch = parse_text(text);
  CHECK(batch->document_count == 2 && batch->record_count == 1 && batch->rejected_count == 0);
  CHECK(is_document(batch, 0, TK_DOCUMENT_TRACE_BUNDLE, text));
  CHECK(batch->document_count == 2 && batch->documents[1].kind == TK_DOCUMENT_KVONCE_EVENTS);
  tk_batch_free(batch);
}

/* ---- strangers ---- */

static void what_is_no_document_is_refused_and_the_rest_goes_on(void) {
  struct tk_batch *batch = parse_text(
      "{\"valid\":true,\"issues\":[]}\n{\"title\":\"dashboard\",\"panels\":[]}\n{\"broken\":\n"
      "{\"$schema\":\"s\",\"type\":\"object\",\"properties\":{}}\n[7]\n{\"total\":1,\"rules\":[]}"
      "\n");
  CHECK(batch->document_count == 2 && batch->rejected_count == 4);
  CHECK(count_issues(batch, "record.unknown") == 3 && count_issues(batch, "json.syntax") == 1);
  const struct tk_issue *issue = find_issue(batch, "record.unknown");
  CHECK(issue && issue->line == 2 && issue->severity == TK_SEVERITY_ERROR);
  CHECK(issue && memmem(issue->message.data, issue->message.size, "title, panels", 13));
  CHECK(issue && memmem(issue->message.data, issue->message.size, "a report envelope", 17));
  tk_batch_free(batch);
}

static void spans_among_documents_are_spans(void) {
  struct tk_batch *batch = parse_text(
      "{\"valid\":true,\"issues\":[]}\n{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":"
      "\"n\","
      "\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"eee19b7ec3c1b174\","
      "\"startTimeUnixNano\":\"1\",\"endTimeUnixNano\":\"2\"}]}]}]}\n");
  CHECK(batch->document_count == 1 && batch->span_count == 1 && batch->rejected_count == 0);
  tk_batch_free(batch);
}

static void spans_of_other_formats_are_no_documents(void) {
  static const char *const heads[] = {
      "{\"resourceSpans\":[",
      "{\"traceId\":\"1\",\"spanId\":\"2\",\"name\":\"n\",\"type\":\"x\",\"key\":\"y\"}",
      "[{\"traceId\":\"1\",\"id\":\"2\",\"timestamp\":1,\"duration\":2}]",
      "{\"data\":[{\"traceID\":\"1\",\"spans\":[]}],\"total\":0}",
      "",
      "   ",
      "\x08\x01",
  };
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    CHECK(!tk_document_begins(heads[i], strlen(heads[i])));
  }
}

/* ---- spans that are events ---- */

#define ATTRIBUTE(key, value) "{\"key\":\"" key "\",\"value\":" value "}"
#define EVENT                                                     \
  ATTRIBUTE("kvonce.event.type", "{\"stringValue\":\" retry \"}") \
  "," ATTRIBUTE("kvonce.event.key", "{\"intValue\":\"7\"}")

static void a_span_with_an_event_is_an_event_too(void) {
  struct tk_batch *batch = parse_text(
      "{\"resourceSpans\":[{\"resource\":{\"attributes\":[" ATTRIBUTE(
          "service.name", "{\"stringValue\":\"kv\"}") "]},\"scopeSpans\":[{\"spans\":["
      "{\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"spanId\":\"eee19b7ec3c1b174\",\"name\":\"n\","
      "\"startTimeUnixNano\":\"1760000001500999999\",\"endTimeUnixNano\":\"1760000001500999999\","
      "\"attributes\":[" EVENT "," ATTRIBUTE(
          "kvonce.event.context",
          "{\"kvlistValue\":{\"values\":[" ATTRIBUTE("attempt", "{\"intValue\":\"9007199254740993\"}") ","
          ATTRIBUTE("raw", "{\"bytesValue\":\"AP8=\"}") "," ATTRIBUTE(
              "parts", "{\"arrayValue\":{\"values\":[{\"doubleValue\":0.5},{\"boolValue\":true}]}}")
          "]}}") "]},"
      "{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"eee19b7ec3c1b175\",\"name\":\"n\","
      "\"startTimeUnixNano\":\"5\",\"endTimeUnixNano\":\"6\"}]}]}]}");
  CHECK(batch->span_count == 2 && batch->document_count == 1);
  CHECK(is_document(
      batch, 0, TK_DOCUMENT_KVONCE_EVENTS,
      "{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"timestamp\":"
      "\"2025-10-09T08:53:21.500Z\",\"actor\":\"kv\",\"event\":\"retry\",\"type\":\"retry\","
      "\"key\":\"7\",\"context\":{\"attempt\":9007199254740993,\"raw\":\"AP8=\","
      "\"parts\":[0.5,true]}}\n"));
  const struct tk_record_origin *origin = batch->documents[0].origins;
  CHECK(origin && hex_is(origin->span_id, "eee19b7ec3c1b174"));
  CHECK(origin && origin->start_unix_ns == 1760000001500999999);
  tk_batch_free(batch);
}

static void spans_without_a_trace_id_get_the_one_of_the_converter(void) {
  struct tk_batch *batch = parse_text(
      "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"n\",\"startTimeUnixNano\":"
      "\"1735689600000000000\",\"attributes\":[" EVENT
      "]}]},{\"spans\":[{\"name\":\"m\","
      "\"startTimeUnixNano\":\"1735689600000000001\"},{\"name\":\"n\",\"startTimeUnixNano\":"
      "\"1735689600000000002\",\"attributes\":[" EVENT "]}]}]}]}");
  CHECK(batch->document_count == 1 && batch->documents[0].record_count == 2);
  CHECK(text_is(batch->documents[0].trace_ids[0], "otlp-missing-traceid-r0-s0-p0"));
  CHECK(text_is(batch->documents[0].trace_ids[1], "otlp-missing-traceid-r0-s1-p1"));
  tk_batch_free(batch);
#define ONE_SPAN                                                                            \
  "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"n\",\"startTimeUnixNano\":" \
  "\"1735689600000000000\",\"attributes\":[" EVENT "]}]}]}]}\n"
  batch = parse_text(ONE_SPAN ONE_SPAN);
  CHECK(batch->documents[0].record_count == 2 && batch->documents[0].trace_id_count == 1);
  tk_batch_free(batch);
}

/* ---- however it arrives ---- */

static uint64_t digest_documents(const char *text, size_t size, size_t piece, unsigned threads,
                                 uint32_t *count) {
  const struct tk_input_options options = {.thread_count = threads, .batch_bytes = 300};
  struct tk_byte_source *source = NULL;
  struct tk_input *reader = NULL;
  struct tk_batch *batch = NULL;
  struct tk_hash hash;
  tk_hash_init(&hash);
  *count = 0;
  CHECK(tk_byte_source_open_memory("test", text, size, piece, &source, NULL) == TK_OK);
  CHECK(tk_input_open_source(source, &options, &reader, NULL) == TK_OK);
  while (tk_input_next(reader, &batch, NULL) == TK_OK && batch) {
    for (uint32_t i = 0; i < batch->document_count; i++) {
      tk_hash_update(&hash, &batch->documents[i].kind, sizeof batch->documents[i].kind);
      tk_hash_update(&hash, batch->documents[i].text, batch->documents[i].size);
      ++*count;
    }
    tk_hash_update(&hash, &batch->end_offset, sizeof batch->end_offset);
    tk_batch_free(batch);
  }
  tk_input_close(reader);
  return tk_hash_digest(&hash);
}

static void what_comes_of_it_does_not_depend_on_how_it_arrives(void) {
  char text[8000] = "";
  uint32_t expected_count, count;
  for (int i = 0; i < SAMPLE_COUNT; i++) {
    strcat(text, samples[i].text);
    strcat(text, i % 3 ? "\n" : "  \r\n\n");
    strcat(text, "{\"type\":\"retry\",\"key\":\"k\",\"context\":{\"attempt\":1}}\n");
  }
  const uint64_t expected = digest_documents(text, strlen(text), 0, 1, &expected_count);
  CHECK(expected_count == 2 * SAMPLE_COUNT);
  for (size_t piece = 1; piece < 100; piece += 7) {
    CHECK(digest_documents(text, strlen(text), piece, 1 + piece % 2, &count) == expected);
    CHECK(count == expected_count);
  }
}

/* One record: of several, those before the failure would still come. */
static void running_out_of_memory_gives_nothing_or_all(void) {
  char text[8000] = "[";
  for (int i = 0; i < SAMPLE_COUNT; i++) {
    strcat(text, samples[i].text);
    strcat(text, ",{\"traceId\":\"t\\u0041\",\"type\":\"retry\",\n\"key\":\"k\"},\n");
  }
  strcat(text,
         "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"n\",\"startTimeUnixNano\":"
         "\"5\","
         "\"endTimeUnixNano\":\"6\",\"attributes\":[" EVENT "]}]}]}]}]");
  check_out_of_memory(text, "documents");
}

static void a_digest_of_pieces_is_that_of_the_whole(void) {
  static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
  uint8_t digest[TK_SHA256_SIZE];
  struct tk_sha256_stream stream = {.context = NULL};
  tk_sha256_update(&stream, "a", 1);
  tk_sha256_update(&stream, "bc", 2);
  CHECK(tk_sha256_digest(&stream, digest) == tk_sha256_available());
  if (tk_sha256_available()) {
    CHECK(memcmp(digest, abc, sizeof abc) == 0);
    CHECK(tk_sha256("abc", 3, digest) && memcmp(digest, abc, sizeof abc) == 0);
  }
  tk_sha256_reset(&stream);
}

FAULTY_MAIN(CASE(every_kind_is_recognised_by_its_keys), CASE(the_order_of_keys_does_not_matter),
            CASE(a_key_behind_much_else_is_found),
            CASE(documents_one_after_another_and_in_arrays_are_each_one),
            CASE(a_document_keeps_every_byte), CASE(lines_keep_every_byte),
            CASE(dialects_of_lines_are_told_apart), CASE(among_events_an_object_needs_no_member),
            CASE(events_over_several_lines_or_in_an_array_become_lines),
            CASE(events_of_a_bundle_are_events_too),
            CASE(what_is_no_document_is_refused_and_the_rest_goes_on),
            CASE(spans_among_documents_are_spans), CASE(spans_of_other_formats_are_no_documents),
            CASE(a_span_with_an_event_is_an_event_too),
            CASE(spans_without_a_trace_id_get_the_one_of_the_converter),
            CASE(what_comes_of_it_does_not_depend_on_how_it_arrives),
            CASE(running_out_of_memory_gives_nothing_or_all),
            CASE(a_digest_of_pieces_is_that_of_the_whole))
