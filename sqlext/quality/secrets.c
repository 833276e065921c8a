/* SPDX-License-Identifier: MIT
 * What looks like a secret: a value of a form that only keys and tokens have, or a key that says
 * so. Values that were redacted are none. */
#include <string.h>

#include "sqlext/quality/quality.h"

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* `word` is in lower case. */
static bool contains(struct tk_text text, const char *word) {
  const size_t size = strlen(word);
  for (uint32_t at = 0; at + size <= text.size; at++) {
    size_t i = 0;
    while (i < size && lower(text.data[at + i]) == word[i]) i++;
    if (i == size) return true;
  }
  return false;
}

static bool is_token(struct tk_text text, uint32_t begin, uint32_t least) {
  uint32_t size = 0;
  for (uint32_t i = begin; i < text.size; i++, size++) {
    const char c = lower(text.data[i]);
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) break;
  }
  return size >= least;
}

static bool is_redacted(struct tk_text value) {
  if (value.size == 0 || value.data[0] == '*' || value.data[0] == '?' || value.data[0] == '$' ||
      value.data[0] == '<' || value.data[0] == '[' || value.data[0] == '{') {
    return true;
  }
  return contains(value, "redacted") || contains(value, "xxxx") || contains(value, "****");
}

const char *tk_quality_secret_kind(struct tk_text key, struct tk_text value) {
  static const struct {
    const char *begin;
    uint32_t least; /* token characters behind it */
    const char *kind;
  } forms[] = {
      {"AKIA", 16, "an AWS access key"}, {"ASIA", 16, "an AWS access key"},
      {"ghp_", 36, "a GitHub token"},    {"github_pat_", 22, "a GitHub token"},
      {"xoxb-", 10, "a Slack token"},    {"xoxp-", 10, "a Slack token"},
      {"glpat-", 20, "a GitLab token"},  {"sk_live_", 16, "a Stripe key"},
      {"AIza", 35, "a Google API key"},  {"eyJ", 16, "a JSON web token"},
      {"Bearer ", 8, "a bearer token"},  {"Basic ", 8, "a password (basic authentication)"}};
  static const char *const words[] = {"password",      "passwd",        "secret_key", "secretkey",
                                      "client_secret", "api_key",       "apikey",     "api-key",
                                      "access_token",  "authorization", "private_key"};
  if (is_redacted(value)) return NULL;
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (text_begins(value, forms[i].begin) &&
        is_token(value, (uint32_t)strlen(forms[i].begin), forms[i].least)) {
      return forms[i].kind;
    }
  }
  if (text_begins(value, "-----BEGIN ") && contains(value, "private key")) return "a private key";
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (contains(key, words[i])) return "a password, key or token, by the name of the attribute";
  }
  return NULL;
}
