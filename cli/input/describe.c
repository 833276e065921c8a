/* SPDX-License-Identifier: MIT
 * Words for people. The splitter does not need them: it takes whatever comes. */
#include "cli/input/describe.h"

#include <string.h>

#include "cli/input/framing.h"

static const char *describe_protobuf(const char *head, size_t size) {
  switch (tk_framing_recognise(head, size)) {
    case TK_FRAMING_BARE:
      return "one protobuf message";
    case TK_FRAMING_LENGTH:
      return "protobuf messages behind their lengths (4 bytes)";
    case TK_FRAMING_VARINT:
      return "protobuf messages behind their lengths (varints)";
    case TK_FRAMING_UNKNOWN:
      break;
  }
  return "unknown";
}

const char *tk_describe_framing(const char *head, size_t size, bool binary) {
  if (binary) return describe_protobuf(head, size);
  const char *at = head;
  const char *end = head + size;
  if (size >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3;
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')) at++;
  if (at == end) return "empty";
  if (*at == '[') return "a JSON array";
  if (*at != '{') return "not JSON";
  const char *newline = memchr(at, '\n', (size_t)(end - at));
  if (!newline) return "JSON on one line, or long lines";
  while (newline > at && (newline[-1] == '\r' || newline[-1] == ' ')) newline--;
  return newline[-1] == '}' ? "JSON lines" : "JSON documents over several lines";
}

bool tk_head_has_key(const char *head, size_t size, const char *key) {
  const size_t key_size = strlen(key);
  const char *end = head + size;
  for (const char *at = head; (at = memmem(at, (size_t)(end - at), key, key_size)); at++) {
    const char *next = at + key_size;
    if (at == head || at[-1] != '"' || next == end || *next != '"') continue;
    do next++;
    while (next < end && (*next == ' ' || *next == '\t' || *next == '\r' || *next == '\n'));
    if (next < end && *next == ':') return true;
  }
  return false;
}
