/** @file checksum.h  SHA-256, which checksums of artifacts are made with. Wraps OpenSSL's
 * libcrypto, if this build has it. */
#ifndef TK_CLI_INPUT_CHECKSUM_H
#define TK_CLI_INPUT_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TK_SHA256_SIZE = 32 };

/** Whether this build can. */
bool tk_sha256_available(void);

/** False: it cannot. */
bool tk_sha256(const void *bytes, size_t size, uint8_t digest[TK_SHA256_SIZE]);

/** Of bytes that come in pieces; zero-initialise. Where it cannot, nothing happens. */
struct tk_sha256_stream {
  void *context;
  bool failed;
};
void tk_sha256_update(struct tk_sha256_stream *stream, const void *bytes, size_t size);
/** The digest of all bytes so far; more may follow. False: it cannot. */
bool tk_sha256_digest(const struct tk_sha256_stream *stream, uint8_t digest[TK_SHA256_SIZE]);
void tk_sha256_reset(struct tk_sha256_stream *stream);

#endif
