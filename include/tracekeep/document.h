/** @file document.h  What a run leaves beside its spans: events in lines, and whole documents such
 * as report envelopes. They travel in a tk_batch, beside the spans, and are kept byte for byte.
 *
 * As with spans, everything here is a borrowed view into the batch's arena. */
#ifndef TRACEKEEP_DOCUMENT_H
#define TRACEKEEP_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracekeep/span.h"
#include "tracekeep/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Longest document that is kept as a whole, in bytes. Those that are lines may be of any length.
 */
#define TK_DOCUMENT_LIMIT ((size_t)64 << 20)

/** X(enum suffix, name in `documents.kind`, 1: made of lines). docs/formats.md describes them. */
#define TK_DOCUMENT_KINDS(X)                                   \
  X(KVONCE_EVENTS, "kvonce-events", 1)                         \
  X(INVENTORY_EVENTS, "inventory-events", 1)                   \
  X(OBSERVABILITY_EVENTS, "observability-events", 1)           \
  X(RUN_LOG, "run-log", 1)                                     \
  X(SAMPLING_DECISIONS, "sampling-decisions", 1)               \
  X(OBSERVABILITY_ARRAY, "observability-array", 0)             \
  X(ENVELOPE, "envelope", 0)                                   \
  X(KVONCE_VALIDATION, "kvonce-validation", 0)                 \
  X(KVONCE_PROJECTION, "kvonce-projection", 0)                 \
  X(KVONCE_STATE_SEQUENCE, "kvonce-state-sequence", 0)         \
  X(CONFORMANCE_SUMMARY, "kvonce-conformance-summary", 0)      \
  X(TRACE_SUMMARY, "kvonce-trace-summary", 0)                  \
  X(INVENTORY_VALIDATION, "inventory-validation", 0)           \
  X(INVENTORY_PROJECTION, "inventory-projection", 0)           \
  X(INVENTORY_STATE_SEQUENCE, "inventory-state-sequence", 0)   \
  X(DOMAIN_SUMMARY, "domain-summary", 0)                       \
  X(VERIFY_LITE_SUMMARY, "verify-lite-summary", 0)             \
  X(VERIFY_PROFILE_SUMMARY, "verify-profile-summary", 0)       \
  X(LINT_SUMMARY, "lint-summary", 0)                           \
  X(MUTATION_SUMMARY, "mutation-summary", 0)                   \
  X(PAYLOAD_METADATA, "payload-metadata", 0)                   \
  X(TRACE_BUNDLE, "trace-bundle", 0)                           \
  X(TRACE_BUNDLE_SUMMARY, "trace-bundle-summary", 0)           \
  X(CONFORMANCE_VERIFY_RESULT, "conformance-verify-result", 0) \
  X(AUTOMATION_REPORT, "automation-report", 0)                 \
  X(TRACE_MAP, "trace-map", 0)                                 \
  X(GRAFANA_VARIABLES, "grafana-variables", 0)                 \
  X(REPLAY_SUMMARY, "replay-summary", 0)                       \
  X(TLA_SUMMARY, "tla-summary", 0)                             \
  X(SAMPLING_CONFIG, "sampling-config", 0)

enum tk_document_kind {
#define TK_DOCUMENT_ENUM(suffix, name, lines) TK_DOCUMENT_##suffix,
  TK_DOCUMENT_KINDS(TK_DOCUMENT_ENUM)
#undef TK_DOCUMENT_ENUM
      TK_DOCUMENT_KIND_COUNT,
  /** White space behind the last record of a source: belongs to the document before it. */
  TK_DOCUMENT_SPACE = TK_DOCUMENT_KIND_COUNT
};

/** The name in `documents.kind`. */
const char *tk_document_kind_name(enum tk_document_kind kind);
/** The kind of that name; TK_DOCUMENT_KIND_COUNT: there is none. */
enum tk_document_kind tk_document_kind_find(const char *name);
/** 1: its documents are lines, one record each. */
int tk_document_kind_is_lines(enum tk_document_kind kind);

/** Where a record that was a span came from. */
struct tk_record_origin {
  uint8_t trace_id[16];
  uint8_t span_id[8];
  uint64_t start_unix_ns;
};

/** A whole document, or some lines of one. Of a kind that is lines, all that a source has is one
 * document. */
struct tk_document {
  enum tk_document_kind kind;
  uint32_t record_count; /**< lines that are records; 1 of a whole document */
  const char *text;      /**< exactly as in the input; followed by NUL if whole */
  size_t size;
  const struct tk_record_origin *origins; /**< record_count of them, where these were spans */
  const struct tk_text *trace_ids;        /**< that are named in it; may repeat. Lines only */
  uint32_t trace_id_count;
  struct tk_text run_id; /**< that the text itself names; empty: none */
  uint64_t line;         /**< where it begins; 0: lines mean nothing */
  uint8_t sha256[32];    /**< of the text, if has_sha256; whole documents only */
  uint8_t has_sha256;
};

/** A whole document's substance, which makes it the same as another: without white space around it
 * and a byte order mark before it. A view of `text`. */
struct tk_text tk_document_trim(const char *text, size_t size);

struct tk_store;

/** Takes the next bytes of a document. False: no more are wanted. */
typedef bool tk_document_sink(void *context, const char *bytes, size_t size);

/** Gives the bytes of a stored document to `sink`, in pieces, each with its checksum verified.
 * TK_INVALID: there is no such document; TK_CORRUPT: it is damaged, and the text says where. */
enum tk_status tk_store_read_document(struct tk_store *store, int64_t id, tk_document_sink *sink,
                                      void *context, struct tk_error *error);

#ifdef __cplusplus
}
#endif
#endif
