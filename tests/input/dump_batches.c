/* SPDX-License-Identifier: MIT
 * Prints everything a reader makes of files, one JSON object per line, for check_against_json.py to
 * compare with what Python's json module says is in them.
 * Usage: dump_batches [-t threads] [-l line limit] file... */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/input/reader.h"

static void print_string(const char *data, uint32_t size) {
  putchar('"');
  for (uint32_t i = 0; i < size; i++) {
    const unsigned char byte = (unsigned char)data[i];
    if (byte == '"' || byte == '\\') {
      printf("\\%c", byte);
    } else if (byte < 0x20) {
      printf("\\u%04x", byte);
    } else {
      putchar(byte);
    }
  }
  putchar('"');
}

static void print_text(const char *name, struct tk_text text) {
  printf(",\"%s\":", name);
  print_string(text.data, text.size);
}

static void print_hex(const char *name, const void *bytes, size_t size) {
  const uint8_t *byte = bytes;
  printf(",\"%s\":\"", name);
  for (size_t i = 0; i < size; i++) printf("%02x", byte[i]);
  putchar('"');
}

static void print_residual(const char *name, struct tk_residual residual) {
  printf(",\"%s\":{", name);
  for (uint32_t i = 0; i < residual.size; i++) {
    const char byte = residual.data[i]; /* pretty-printed members have line ends */
    putchar(byte == '\n' || byte == '\r' ? ' ' : byte);
  }
  putchar('}');
}

static void print_members(const struct tk_attribute *items, uint32_t count);

/* Doubles as their bits: the comparison is to be exact. */
static void print_value(struct tk_value value) {
  uint64_t bits;
  switch (value.type) {
    case TK_VALUE_STRING:
      print_string(value.as.text, value.size);
      break;
    case TK_VALUE_BOOL:
      printf("{\"bool\":%" PRId64 "}", value.as.integer);
      break;
    case TK_VALUE_INT:
      printf("{\"int\":%" PRId64 "}", value.as.integer);
      break;
    case TK_VALUE_DOUBLE:
      memcpy(&bits, &value.as.real, sizeof bits);
      printf("{\"double\":%" PRIu64 "}", bits);
      break;
    case TK_VALUE_ARRAY:
      printf("{\"array\":[");
      for (uint32_t i = 0; i < value.size; i++) {
        if (i) putchar(',');
        print_value(value.as.items[i]);
      }
      printf("]}");
      break;
    case TK_VALUE_KVLIST:
      printf("{\"kvlist\":");
      print_members(value.as.members, value.size);
      putchar('}');
      break;
    case TK_VALUE_BYTES:
      printf("{\"x\":0");
      print_hex("bytes", value.as.text, value.size);
      putchar('}');
      break;
    default:
      printf("null");
      break;
  }
}

static void print_members(const struct tk_attribute *items, uint32_t count) {
  putchar('[');
  for (uint32_t i = 0; i < count; i++) {
    printf(i ? ",[" : "[");
    print_string(items[i].key.data, items[i].key.size);
    putchar(',');
    print_value(items[i].value);
    putchar(']');
  }
  putchar(']');
}

static void print_attributes(struct tk_attributes attributes) {
  printf(",\"dropped\":%" PRIu32 ",\"attributes\":", attributes.dropped_count);
  print_members(attributes.items, attributes.count);
}

static void print_resource(const struct tk_resource *resource) {
  printf(",\"resource\":{\"absent\":%" PRIu32, resource->absent);
  print_attributes(resource->attributes);
  print_text("schema_url", resource->schema_url);
  print_residual("residual", resource->residual);
  print_residual("outer", resource->outer_residual);
  putchar('}');
}

static void print_scope(const struct tk_scope *scope) {
  printf(",\"scope\":{\"absent\":%" PRIu32, scope->absent);
  print_text("name", scope->name);
  print_text("version", scope->version);
  print_attributes(scope->attributes);
  print_text("schema_url", scope->schema_url);
  print_residual("residual", scope->residual);
  print_residual("outer", scope->outer_residual);
  putchar('}');
}

static void print_events(const struct tk_span *span) {
  printf(",\"events\":[");
  for (uint32_t i = 0; i < span->event_count; i++) {
    const struct tk_event *event = &span->events[i];
    printf("%s{\"time\":%" PRIu64, i ? "," : "", event->time_unix_ns);
    print_text("name", event->name);
    print_attributes(event->attributes);
    print_residual("residual", event->residual);
    putchar('}');
  }
  putchar(']');
}

static void print_links(const struct tk_span *span) {
  printf(",\"links\":[");
  for (uint32_t i = 0; i < span->link_count; i++) {
    const struct tk_link *link = &span->links[i];
    printf("%s{\"flags\":%" PRIu32, i ? "," : "", link->flags);
    print_hex("trace_id", link->trace_id, sizeof link->trace_id);
    print_hex("span_id", link->span_id, sizeof link->span_id);
    print_text("trace_state", link->trace_state);
    print_attributes(link->attributes);
    print_residual("residual", link->residual);
    putchar('}');
  }
  putchar(']');
}

static void print_span(const struct tk_span *span) {
  printf("{\"presence\":%" PRIu32 ",\"start\":%" PRIu64 ",\"end\":%" PRIu64 ",\"kind\":%" PRId32
         ",\"status\":%" PRId32 ",\"flags\":%" PRIu32 ",\"dropped_events\":%" PRIu32
         ",\"dropped_links\":%" PRIu32,
         span->presence, span->start_unix_ns, span->end_unix_ns, span->kind, span->status_code,
         span->flags, span->dropped_events_count, span->dropped_links_count);
  print_hex("trace_id", span->trace_id, sizeof span->trace_id);
  print_hex("span_id", span->span_id, sizeof span->span_id);
  print_hex("parent", span->parent_span_id, sizeof span->parent_span_id);
  print_text("trace_id_text", span->trace_id_text);
  print_text("name", span->name);
  print_text("trace_state", span->trace_state);
  print_text("message", span->status_message);
  print_attributes(span->attributes);
  print_events(span);
  print_links(span);
  print_residual("residual", span->residual);
  print_resource(span->resource);
  print_scope(span->scope);
  printf("}\n");
}

static void print_issue(const struct tk_issue *issue) {
  printf("{\"rule\":\"%s\",\"severity\":%d,\"line\":%" PRIu64 ",\"offset\":%" PRIu64, issue->rule,
         (int)issue->severity, issue->line, issue->offset);
  print_text("message", issue->message);
  print_text("raw", issue->raw);
  printf("}\n");
}

static void print_batch(const struct tk_batch *batch) {
  for (uint32_t i = 0; i < batch->span_count; i++) print_span(&batch->spans[i]);
  for (uint32_t i = 0; i < batch->issue_count; i++) print_issue(&batch->issues[i]);
  printf("{\"records\":%" PRIu32 ",\"rejected\":%" PRIu32 ",\"begin\":%" PRIu64
         ",\"finish\":%" PRIu64 ",\"hash\":%" PRIu64 "}\n",
         batch->record_count, batch->rejected_count, batch->begin_offset, batch->end_offset,
         batch->end_hash);
}

static enum tk_status print_file(const char *path, const struct tk_input_options *options,
                                 struct tk_error *error) {
  struct tk_input *reader;
  struct tk_batch *batch;
  enum tk_status status = tk_input_open(path, options, &reader, error);
  if (status != TK_OK) return status;
  while ((status = tk_input_next(reader, &batch, error)) == TK_OK && batch) {
    print_batch(batch);
    tk_batch_free(batch);
  }
  tk_input_close(reader);
  return status;
}

int main(int argc, char **argv) {
  struct tk_input_options options = {0};
  for (int option; (option = getopt(argc, argv, "t:l:")) != -1;) {
    if (option == 't') options.thread_count = (unsigned)strtoul(optarg, NULL, 10);
    if (option == 'l') options.line_limit = strtoul(optarg, NULL, 10);
    if (option == '?') return 2;
  }
  for (int i = optind; i < argc; i++) {
    struct tk_error error = {""};
    if (print_file(argv[i], &options, &error) != TK_OK) {
      fprintf(stderr, "dump_batches: %s\n", error.message);
      return 1;
    }
  }
  return 0;
}
