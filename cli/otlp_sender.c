/* SPDX-License-Identifier: MIT
 * The client's side of the OTLP/HTTP specification: 429, 502, 503 and 504 and lost connections are
 * tried again, after what Retry-After says or with exponential backoff; nothing else is, and
 * nothing that was accepted in part. */
#include "cli/otlp_sender.h"

#include <cjson/cJSON.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef TK_HAVE_ZLIB
#define ZLIB_CONST
#include <zlib.h>
#endif

#include "cli/input/wire_format.h"
#include "cli/interrupt.h"
#include "cli/messages.h"

enum { LONGEST_WAIT_MS = 30000, INTERRUPT_CHECK_MS = 200 };

/* ---- the body ---- */

#ifdef TK_HAVE_ZLIB

static bool compress_message(struct tk_text_buffer *out, const void *message, size_t size) {
  const int gzip_window = 15 + 16, default_memory = 8;
  z_stream stream = {0};
  unsigned char piece[16384];
  int result = Z_OK;
  if (size > UINT32_MAX) return false;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_window, default_memory,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    tk_need_memory(NULL);
  }
  stream.next_in = message;
  stream.avail_in = (uInt)size;
  while (result == Z_OK) {
    stream.next_out = piece;
    stream.avail_out = sizeof piece;
    result = deflate(&stream, Z_FINISH);
    tk_text_buffer_append(out, piece, sizeof piece - stream.avail_out);
    if (result == Z_BUF_ERROR) result = Z_OK;
  }
  deflateEnd(&stream);
  if (out->failed) tk_need_memory(NULL);
  return result == Z_STREAM_END;
}

#else

static bool compress_message(struct tk_text_buffer *out, const void *message, size_t size) {
  (void)out, (void)message, (void)size;
  return false;
}

#endif

size_t tk_otlp_sender_encode(struct tk_otlp_sender *sender, const void *message, size_t size) {
  tk_text_buffer_clear(&sender->compressed);
  if (sender->gzip) sender->gzip = compress_message(&sender->compressed, message, size);
  return sender->gzip ? sender->compressed.size : size;
}

/* ---- answers ---- */

static void copy_message(struct tk_send_report *report, const void *text, size_t size) {
  if (size >= sizeof report->message) size = sizeof report->message - 1;
  memcpy(report->message, text, size);
  report->message[size] = '\0';
}

/* ExportTraceServiceResponse: 1 partial_success {1 rejected_spans, 2 error_message}. An error is a
 * google.rpc.Status {1 code, 2 message}. */
static void read_protobuf(const struct tk_text_buffer *body, bool accepted,
                          struct tk_send_report *report) {
  struct tk_wire wire = tk_wire_of(body->data, (uint32_t)body->size);
  struct tk_wire_field field;
  while (body->size > 0 && tk_wire_next(&wire, &field)) {
    if (accepted && field.number == 1 && field.type == TK_WIRE_BYTES) {
      const struct tk_text_buffer partial = {.data = (char *)(uintptr_t)field.data,
                                             .size = field.size};
      struct tk_wire inner = tk_wire_of(partial.data, field.size);
      struct tk_wire_field member;
      while (tk_wire_next(&inner, &member)) {
        if (member.number == 1 && member.type == TK_WIRE_VARINT) {
          report->rejected_spans = (int64_t)member.value > 0 ? member.value : 0;
        } else if (member.number == 2 && member.type == TK_WIRE_BYTES) {
          copy_message(report, member.data, member.size);
        }
      }
    } else if (!accepted && field.number == 2 && field.type == TK_WIRE_BYTES) {
      copy_message(report, field.data, field.size);
    }
  }
}

static const cJSON *find_member(const cJSON *object, const char *name, const char *other_name) {
  const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
  return member ? member : cJSON_GetObjectItemCaseSensitive(object, other_name);
}

static bool read_json(const struct tk_text_buffer *body, bool accepted,
                      struct tk_send_report *report) {
  cJSON *document = body->size > 0 ? cJSON_ParseWithLength(body->data, body->size) : NULL;
  const cJSON *object = document;
  if (accepted) object = find_member(document, "partialSuccess", "partial_success");
  const cJSON *count = find_member(object, "rejectedSpans", "rejected_spans");
  const cJSON *text = accepted ? find_member(object, "errorMessage", "error_message")
                               : find_member(object, "message", "error");
  if (accepted && cJSON_IsString(count)) {
    report->rejected_spans = strtoull(count->valuestring, NULL, 10);
  } else if (accepted && cJSON_IsNumber(count) && count->valuedouble > 0) {
    report->rejected_spans = (uint64_t)count->valuedouble;
  }
  if (cJSON_IsString(text)) copy_message(report, text->valuestring, strlen(text->valuestring));
  const bool parsed = document != NULL;
  cJSON_Delete(document);
  return parsed;
}

static void read_answer(const struct tk_http_answer *answer, bool accepted,
                        struct tk_send_report *report) {
  report->message[0] = '\0';
  if (answer->is_protobuf) {
    read_protobuf(&answer->body, accepted, report);
  } else if (!read_json(&answer->body, accepted, report) && !accepted) {
    copy_message(report, answer->body.data ? answer->body.data : "", answer->body.size);
    report->message[strcspn(report->message, "\r\n")] = '\0';
  }
  if (accepted) return;
  char text[sizeof report->message];
  snprintf(text, sizeof text, "HTTP %ld%s%.400s", answer->status, report->message[0] ? ": " : "",
           report->message);
  copy_message(report, text, strlen(text));
}

/* ---- waiting ---- */

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Between half of `ms` and all of it, so that clients that failed together do not come back
 * together. */
static uint64_t shorten(struct tk_otlp_sender *sender, uint64_t ms) {
  sender->random_state = sender->random_state * 6364136223846793005u + 1442695040888963407u;
  return ms / 2 + (sender->random_state >> 33) % (ms / 2 + 1);
}

static uint64_t choose_wait(struct tk_otlp_sender *sender, uint64_t attempt) {
  if (sender->answer.retry_after_s > 0) return sender->answer.retry_after_s * 1000;
  uint64_t wait = sender->first_wait_ms;
  while (attempt-- > 0 && wait < LONGEST_WAIT_MS) wait *= 2;
  return shorten(sender, wait < LONGEST_WAIT_MS ? wait : LONGEST_WAIT_MS);
}

static void wait_ms(struct tk_otlp_sender *sender, const char *reason, uint64_t ms) {
  const uint64_t end = now_ms() + ms;
  for (uint64_t now; !tk_interrupted() && (now = now_ms()) < end;) {
    if (sender->on_wait) sender->on_wait(sender->context, reason, end - now);
    poll(NULL, 0, end - now < INTERRUPT_CHECK_MS ? (int)(end - now) : INTERRUPT_CHECK_MS);
  }
}

/* ---- sending ---- */

static bool is_temporary(long status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

enum tk_send_result tk_otlp_sender_send(struct tk_otlp_sender *sender, const void *message,
                                        size_t size, struct tk_send_report *report) {
  const uint64_t begin = now_ms();
  *report = (struct tk_send_report){.bytes_sent = tk_otlp_sender_encode(sender, message, size)};
  const void *body = sender->gzip ? sender->compressed.data : message;
  const char *type = sender->json ? "application/json" : "application/x-protobuf";
  for (uint64_t attempt = 0;; attempt++) {
    const enum tk_http_outcome outcome =
        tk_http_post(sender->http, type, sender->gzip ? "gzip" : NULL, body, report->bytes_sent,
                     &sender->answer);
    if (outcome == TK_HTTP_INTERRUPTED) return TK_SEND_INTERRUPTED;
    if (outcome == TK_HTTP_ANSWERED) {
      const bool accepted = sender->answer.status >= 200 && sender->answer.status < 300;
      read_answer(&sender->answer, accepted, report);
      if (accepted) return TK_SEND_ACCEPTED;
      if (!is_temporary(sender->answer.status)) return TK_SEND_REFUSED;
    } else {
      copy_message(report, sender->answer.message, strlen(sender->answer.message));
      if (outcome == TK_HTTP_FAILED) return TK_SEND_REFUSED;
    }
    const uint64_t wait = choose_wait(sender, attempt);
    if (now_ms() + wait > begin + sender->retry_for_ms) return TK_SEND_UNREACHABLE;
    wait_ms(sender, report->message, wait);
    if (tk_interrupted()) return TK_SEND_INTERRUPTED;
    report->retries++;
  }
}

void tk_otlp_sender_reset(struct tk_otlp_sender *sender) {
  tk_text_buffer_reset(&sender->compressed);
  tk_text_buffer_reset(&sender->answer.body);
}
