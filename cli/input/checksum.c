/* SPDX-License-Identifier: MIT
 * The one file that includes OpenSSL. The algorithm is looked up once: that takes longer than to
 * digest a small file. */
#include "cli/input/checksum.h"

#ifdef TK_HAVE_CRYPTO

#include <openssl/evp.h>
#include <pthread.h>

static const EVP_MD *algorithm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_algorithm(void) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
#else
  algorithm = EVP_sha256();
#endif
}

static const EVP_MD *sha256(void) {
  pthread_once(&once, find_algorithm);
  return algorithm;
}

bool tk_sha256_available(void) {
  return sha256() != NULL;
}

bool tk_sha256(const void *bytes, size_t size, uint8_t digest[TK_SHA256_SIZE]) {
  return sha256() && EVP_Digest(bytes, size, digest, NULL, sha256(), NULL) == 1;
}

void tk_sha256_update(struct tk_sha256_stream *stream, const void *bytes, size_t size) {
  if (stream->failed) return;
  if (!stream->context) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    stream->context = context;
    stream->failed = !context || !sha256() || EVP_DigestInit_ex(context, sha256(), NULL) != 1;
  }
  if (!stream->failed && EVP_DigestUpdate(stream->context, bytes, size) != 1) stream->failed = true;
}

bool tk_sha256_digest(const struct tk_sha256_stream *stream, uint8_t digest[TK_SHA256_SIZE]) {
  if (!stream->context || stream->failed) return false;
  EVP_MD_CTX *copy = EVP_MD_CTX_new();
  const bool done = copy && EVP_MD_CTX_copy_ex(copy, stream->context) == 1 &&
                    EVP_DigestFinal_ex(copy, digest, NULL) == 1;
  EVP_MD_CTX_free(copy);
  return done;
}

void tk_sha256_reset(struct tk_sha256_stream *stream) {
  EVP_MD_CTX_free(stream->context);
  *stream = (struct tk_sha256_stream){.context = NULL};
}

#else

bool tk_sha256_available(void) {
  return false;
}

bool tk_sha256(const void *bytes, size_t size, uint8_t digest[TK_SHA256_SIZE]) {
  (void)bytes, (void)size, (void)digest;
  return false;
}

void tk_sha256_update(struct tk_sha256_stream *stream, const void *bytes, size_t size) {
  (void)stream, (void)bytes, (void)size;
}

bool tk_sha256_digest(const struct tk_sha256_stream *stream, uint8_t digest[TK_SHA256_SIZE]) {
  (void)stream, (void)digest;
  return false;
}

void tk_sha256_reset(struct tk_sha256_stream *stream) {
  (void)stream;
}

#endif
