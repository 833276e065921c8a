/* SPDX-License-Identifier: MIT
 * A thin face of libcurl: one handle, which keeps its connection; no redirects, no other protocols.
 * Waiting ends when the program is interrupted. */
#include "cli/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/interrupt.h"
#include "cli/messages.h"

#ifdef TK_HAVE_CURL
#include <curl/curl.h>

enum { BODY_LIMIT = 64 * 1024, CONNECT_TIMEOUT_S = 10, ANSWER_TIMEOUT_S = 60 };

struct tk_http {
  CURL *curl;
  struct curl_slist *headers; /* of the caller */
  char *url, *address;
};

/* ---- opening ---- */

static char *copy_part(CURLU *parts, CURLUPart part) {
  char *text = NULL;
  if (curl_url_get(parts, part, &text, 0) != CURLUE_OK) return NULL;
  char *copy = tk_need_memory(strdup(text));
  curl_free(text);
  return copy;
}

static bool parse_url(struct tk_http *http, const char *url, const char *default_path) {
  CURLU *parts = tk_need_memory(curl_url());
  bool parsed = curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK;
  char *scheme = parsed ? copy_part(parts, CURLUPART_SCHEME) : NULL;
  char *path = parsed ? copy_part(parts, CURLUPART_PATH) : NULL;
  parsed = scheme && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
  if (parsed && (!path || strcmp(path, "/") == 0)) {
    parsed = curl_url_set(parts, CURLUPART_PATH, default_path, 0) == CURLUE_OK;
  }
  if (parsed) {
    http->url = copy_part(parts, CURLUPART_URL);
    curl_url_set(parts, CURLUPART_USER, NULL, 0);
    curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
    http->address = copy_part(parts, CURLUPART_URL);
  }
  free(scheme);
  free(path);
  curl_url_cleanup(parts);
  return parsed && http->url && http->address;
}

static const char *add_headers(struct tk_http *http, const struct tk_text_list *headers) {
  for (size_t i = 0; i < headers->count; i++) {
    const char *colon = strchr(headers->items[i], ':');
    if (!colon || colon == headers->items[i] || strpbrk(headers->items[i], "\r\n")) {
      return headers->items[i];
    }
    http->headers = tk_need_memory(curl_slist_append(http->headers, headers->items[i]));
  }
  return NULL;
}

static size_t take_body(char *data, size_t size, size_t count, void *context) {
  struct tk_http_answer *answer = context;
  const size_t room = BODY_LIMIT - answer->body.size;
  const size_t bytes = size * count;
  tk_text_buffer_append(&answer->body, data, bytes < room ? bytes : room);
  return bytes;
}

static int check_interrupt(void *context, curl_off_t download_total, curl_off_t downloaded,
                           curl_off_t upload_total, curl_off_t uploaded) {
  (void)context, (void)download_total, (void)downloaded, (void)upload_total, (void)uploaded;
  return tk_interrupted();
}

static void set_options(struct tk_http *http) {
  curl_easy_setopt(http->curl, CURLOPT_URL, http->url);
  curl_easy_setopt(http->curl, CURLOPT_POST, 1L);
  curl_easy_setopt(http->curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(http->curl, CURLOPT_USERAGENT, "tracekeep/" TK_VERSION);
  curl_easy_setopt(http->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
  curl_easy_setopt(http->curl, CURLOPT_TIMEOUT, (long)ANSWER_TIMEOUT_S);
  curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(http->curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(http->curl, CURLOPT_XFERINFOFUNCTION, check_interrupt);
}

bool tk_http_open(const char *url, const char *default_path, const struct tk_text_list *headers,
                  struct tk_http **http_out, char *message, size_t message_size) {
  struct tk_http *http = tk_need_memory(calloc(1, sizeof *http));
  *http_out = NULL;
  if (!parse_url(http, url, default_path)) {
    snprintf(message, message_size, "expected an address such as http://localhost:4318, not '%s'",
             url);
    tk_http_close(http);
    return false;
  }
  const char *wrong = add_headers(http, headers);
  if (wrong) {
    snprintf(message, message_size, "expected a header such as 'Name: value', not '%s'", wrong);
    tk_http_close(http);
    return false;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  http->curl = tk_need_memory(curl_easy_init());
  set_options(http);
  *http_out = http;
  return true;
}

void tk_http_close(struct tk_http *http) {
  if (!http) return;
  curl_easy_cleanup(http->curl);
  curl_slist_free_all(http->headers);
  free(http->url);
  free(http->address);
  free(http);
}

const char *tk_http_address(const struct tk_http *http) {
  return http->address;
}

/* ---- posting ---- */

static enum tk_http_outcome judge_failure(CURLcode code) {
  switch ((int)code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return TK_HTTP_INTERRUPTED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return TK_HTTP_UNREACHABLE;
    default:
      return TK_HTTP_FAILED;
  }
}

static void add_header(struct curl_slist **headers, const char *name, const char *value) {
  char line[256];
  snprintf(line, sizeof line, "%s: %s", name, value);
  *headers = tk_need_memory(curl_slist_append(*headers, line));
}

static void read_answer(struct tk_http *http, struct tk_http_answer *answer) {
  curl_off_t retry_after = 0;
  const char *type = NULL;
  curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &answer->status);
  curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &retry_after);
  curl_easy_getinfo(http->curl, CURLINFO_CONTENT_TYPE, &type);
  answer->retry_after_s = retry_after > 0 ? (uint64_t)retry_after : 0;
  answer->is_protobuf = type && strstr(type, "protobuf");
}

enum tk_http_outcome tk_http_post(struct tk_http *http, const char *content_type,
                                  const char *content_encoding, const void *body, size_t size,
                                  struct tk_http_answer *answer) {
  struct curl_slist *headers = NULL;
  char text[CURL_ERROR_SIZE] = "";
  tk_text_buffer_clear(&answer->body);
  *answer = (struct tk_http_answer){.body = answer->body};
  add_header(&headers, "Content-Type", content_type);
  if (content_encoding) add_header(&headers, "Content-Encoding", content_encoding);
  headers = tk_need_memory(curl_slist_append(headers, "Expect:")); /* no extra round trip */
  for (const struct curl_slist *at = http->headers; at; at = at->next) {
    headers = tk_need_memory(curl_slist_append(headers, at->data));
  }
  curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body);
  curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
  curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, answer);
  curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, text);
  const CURLcode code = curl_easy_perform(http->curl);
  curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, NULL);
  curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
  curl_slist_free_all(headers);
  if (answer->body.failed) tk_need_memory(NULL);
  if (code == CURLE_OK) {
    read_answer(http, answer);
    return TK_HTTP_ANSWERED;
  }
  snprintf(answer->message, sizeof answer->message, "%s",
           text[0] ? text : curl_easy_strerror(code));
  return judge_failure(code);
}

#else

bool tk_http_open(const char *url, const char *default_path, const struct tk_text_list *headers,
                  struct tk_http **http_out, char *message, size_t message_size) {
  (void)url, (void)default_path, (void)headers;
  *http_out = NULL;
  snprintf(message, message_size, "this tracekeep was built without libcurl");
  return false;
}

void tk_http_close(struct tk_http *http) {
  (void)http;
}

const char *tk_http_address(const struct tk_http *http) {
  (void)http;
  return "";
}

enum tk_http_outcome tk_http_post(struct tk_http *http, const char *content_type,
                                  const char *content_encoding, const void *body, size_t size,
                                  struct tk_http_answer *answer) {
  (void)http, (void)content_type, (void)content_encoding, (void)body, (void)size, (void)answer;
  return TK_HTTP_FAILED;
}

#endif
