/* Sends messages over OTLP/HTTP as its specification asks of a client: gzip, what is tried again
 * and when, and what an answer means. */
#ifndef TK_CLI_OTLP_SENDER_H
#define TK_CLI_OTLP_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/http_client.h"

struct tk_otlp_sender {
  struct tk_http *http; /**< the caller's */
  bool json;            /**< messages are JSON; otherwise protobuf */
  bool gzip;
  uint64_t retry_for_ms;  /**< how long a message is tried again */
  uint64_t first_wait_ms; /**< before the second attempt; doubled each time, up to half a minute */
  uint64_t random_state;
  struct tk_text_buffer compressed;
  struct tk_http_answer answer;
  /** Called while it waits, with the reason; may be NULL. */
  void (*on_wait)(void *context, const char *reason, uint64_t ms);
  void *context;
};

enum tk_send_result {
  TK_SEND_ACCEPTED,    /**< also when some of its spans were rejected */
  TK_SEND_REFUSED,     /**< sending it again makes no sense */
  TK_SEND_UNREACHABLE, /**< nobody took it for as long as it was tried */
  TK_SEND_INTERRUPTED
};

struct tk_send_report {
  uint64_t rejected_spans;
  uint64_t bytes_sent; /**< of the body, once */
  uint64_t retries;
  char message[512]; /**< what the receiver said, or why there was no answer; "": nothing */
};

/** Bytes of the body that would be sent; it is in sender->compressed, or is the message itself. */
size_t tk_otlp_sender_encode(struct tk_otlp_sender *sender, const void *message, size_t size);
enum tk_send_result tk_otlp_sender_send(struct tk_otlp_sender *sender, const void *message,
                                        size_t size, struct tk_send_report *report);
/** Frees buffers. */
void tk_otlp_sender_reset(struct tk_otlp_sender *sender);

#endif
