/* One HTTP POST after another to the same address. The only file that knows libcurl; without it
 * (meson -Dreplay=disabled) nothing can be opened. */
#ifndef TK_CLI_HTTP_CLIENT_H
#define TK_CLI_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/command.h"
#include "cli/output/text_buffer.h"

struct tk_http;

enum tk_http_outcome {
  TK_HTTP_ANSWERED,
  TK_HTTP_UNREACHABLE, /**< no answer came; another attempt may succeed */
  TK_HTTP_FAILED,      /**< nor will there be one: a certificate that is not trusted, say */
  TK_HTTP_INTERRUPTED  /**< tk_interrupted() */
};

struct tk_http_answer {
  long status;                /**< 200 */
  uint64_t retry_after_s;     /**< 0: not said */
  bool is_protobuf;           /**< by the content type; otherwise JSON or text */
  struct tk_text_buffer body; /**< cut after a limit; cleared by the next post */
  char message[256];          /**< why there was no answer */
};

/** `url` is http or https; one without a path gets `default_path`. Headers are "Name: value".
 * False: `message` says what makes no sense, or that this program was built without libcurl. */
bool tk_http_open(const char *url, const char *default_path, const struct tk_text_list *headers,
                  struct tk_http **http_out, char *message, size_t message_size);
void tk_http_close(struct tk_http *http);

/** The address that is posted to, without a password. */
const char *tk_http_address(const struct tk_http *http);

/** `content_encoding` may be NULL. The caller resets answer->body in the end. */
enum tk_http_outcome tk_http_post(struct tk_http *http, const char *content_type,
                                  const char *content_encoding, const void *body, size_t size,
                                  struct tk_http_answer *answer);

#endif
