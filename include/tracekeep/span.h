/** @file span.h  The records every part of tracekeep speaks: spans, and what was wrong with them.
 *
 * The model is OTLP's (opentelemetry-proto v1.11.0, trace/v1/trace.proto); a field means what it
 * means there. All structs are *borrowed views*: they point into memory of whoever made them (see
 * tk_batch), nothing is NUL-terminated, and nothing is ever changed after it was made. */
#ifndef TRACEKEEP_SPAN_H
#define TRACEKEEP_SPAN_H

#include <stddef.h>
#include <stdint.h>

#include "tracekeep/arena.h"

#ifdef __cplusplus
extern "C" {
#endif

/** UTF-8 text (or, where producers send broken bytes, just bytes). Empty: size 0, data may be NULL.
 */
struct tk_text {
  const char *data;
  uint32_t size;
};

/** Type of an attribute value (AnyValue). The numbers are stored: never change them. */
enum tk_value_type {
  TK_VALUE_EMPTY = 0, /**< an AnyValue with no member set; not the same as "" */
  TK_VALUE_STRING = 1,
  TK_VALUE_BOOL = 2,
  TK_VALUE_INT = 3,
  TK_VALUE_DOUBLE = 4,
  TK_VALUE_ARRAY = 5,
  TK_VALUE_KVLIST = 6,
  TK_VALUE_BYTES = 7
};

struct tk_attribute;

struct tk_value {
  uint32_t type; /**< enum tk_value_type */
  uint32_t size; /**< STRING, BYTES: bytes; ARRAY: items; KVLIST: members; otherwise 0 */
  union {
    const char *text;                   /**< STRING, BYTES */
    int64_t integer;                    /**< INT; BOOL as 0 or 1 */
    double real;                        /**< DOUBLE */
    const struct tk_value *items;       /**< ARRAY */
    const struct tk_attribute *members; /**< KVLIST */
  } as;
};

struct tk_attribute {
  struct tk_text key;
  struct tk_value value;
};

/** In the order received; a key may occur twice. */
struct tk_attributes {
  const struct tk_attribute *items;
  uint32_t count;
  uint32_t dropped_count; /**< dropped_attributes_count */
};

/** Fields of the input that the model has no place for, kept so that export gives them back. */
struct tk_residual {
  const char *data;
  uint32_t size;
  uint32_t format; /**< enum tk_residual_format */
};

/** The numbers are stored: never change them. */
enum tk_residual_format {
  TK_RESIDUAL_NONE = 0,
  TK_RESIDUAL_JSON = 1,    /**< members of a JSON object without the braces: `"a":1,"b":[2]` */
  TK_RESIDUAL_PROTOBUF = 2 /**< concatenated protobuf fields, tags included */
};

/** Resource and what stands beside it in ResourceSpans. Two resources with equal content are the
 * same resource. */
struct tk_resource {
  struct tk_attributes attributes;
  struct tk_text schema_url;         /**< ResourceSpans.schema_url */
  struct tk_residual residual;       /**< unknown fields of Resource, entity_refs included */
  struct tk_residual outer_residual; /**< unknown fields of ResourceSpans */
  uint32_t absent;                   /**< 1: ResourceSpans had no `resource` at all */
};

/** InstrumentationScope and what stands beside it in ScopeSpans. */
struct tk_scope {
  struct tk_text name;
  struct tk_text version;
  struct tk_attributes attributes;
  struct tk_text schema_url; /**< ScopeSpans.schema_url */
  struct tk_residual residual;
  struct tk_residual outer_residual;
  uint32_t absent; /**< 1: ScopeSpans had no `scope` */
};

struct tk_event {
  uint64_t time_unix_ns;
  struct tk_text name;
  struct tk_attributes attributes;
  struct tk_residual residual;
};

struct tk_link {
  uint8_t trace_id[16];
  uint8_t span_id[8];
  struct tk_text trace_state;
  struct tk_attributes attributes;
  struct tk_residual residual;
  uint32_t flags;
};

enum tk_span_kind {
  TK_KIND_UNSPECIFIED = 0,
  TK_KIND_INTERNAL = 1,
  TK_KIND_SERVER = 2,
  TK_KIND_CLIENT = 3,
  TK_KIND_PRODUCER = 4,
  TK_KIND_CONSUMER = 5
};

enum tk_status_code { TK_STATUS_UNSET = 0, TK_STATUS_OK = 1, TK_STATUS_ERROR = 2 };

/** What the fixed-size fields of a span cannot say about how it arrived. The bits are stored. */
enum tk_span_presence {
  TK_SPAN_HAS_PARENT = 1,          /**< parent_span_id is set and not all zero; clear: a root */
  TK_SPAN_HAS_STATUS = 2,          /**< a status message was there, even an empty one */
  TK_SPAN_ZERO_PARENT = 4,         /**< parent_span_id was there, as eight zero bytes */
  TK_SPAN_SHORT_TRACE_ID = 8,      /**< 64-bit trace id, left-padded with zeros here */
  TK_SPAN_TEXT_TRACE_ID = 16,      /**< trace_id is tk_trace_id_from_text() of trace_id_text */
  TK_SPAN_SYNTHETIC_TRACE_ID = 32, /**< had no usable trace id; trace_id is made up, but stable */
  TK_SPAN_SYNTHETIC_SPAN_ID = 64   /**< had no usable span id; span_id is made up, but stable */
};

struct tk_span {
  uint8_t trace_id[16];
  uint8_t span_id[8];
  uint8_t parent_span_id[8]; /**< all zero unless TK_SPAN_HAS_PARENT */
  uint64_t start_unix_ns;
  uint64_t end_unix_ns;
  int32_t kind;        /**< enum tk_span_kind; unknown numbers are kept */
  int32_t status_code; /**< enum tk_status_code; unknown numbers are kept */
  uint32_t flags;      /**< Span.flags: W3C trace flags and the two "parent is remote" bits */
  uint32_t presence;   /**< bits of enum tk_span_presence */
  struct tk_text name;
  struct tk_text trace_state;
  struct tk_text status_message;
  struct tk_text trace_id_text; /**< only with TK_SPAN_TEXT_TRACE_ID */
  struct tk_attributes attributes;
  const struct tk_event *events;
  const struct tk_link *links;
  uint32_t event_count;
  uint32_t link_count;
  uint32_t dropped_events_count;
  uint32_t dropped_links_count;
  struct tk_residual residual;
  const struct tk_resource *resource; /**< never NULL; shared by spans of a batch */
  const struct tk_scope *scope;       /**< never NULL */
};

enum tk_severity { TK_SEVERITY_INFO = 0, TK_SEVERITY_WARN = 1, TK_SEVERITY_ERROR = 2 };

/** Something wrong with the input, found while reading it. */
struct tk_issue {
  const char *rule; /**< a constant of the catalogue in docs/schema.md, e.g. "id.trace.length" */
  enum tk_severity severity;
  uint64_t line;          /**< 1-based line of the decoded input, 0 when lines mean nothing */
  uint64_t offset;        /**< byte of the decoded input where the record or the fault begins */
  struct tk_text message; /**< expected, found, what was done */
  struct tk_text raw;     /**< the offending text, cut to TK_ISSUE_RAW_LIMIT; may be empty */
  uint8_t trace_id[16];   /**< meaningful if has_trace */
  uint8_t span_id[8];     /**< meaningful if has_span */
  uint8_t has_trace;
  uint8_t has_span;
};

#define TK_ISSUE_RAW_LIMIT 4096

struct tk_document;

/** What one piece of input gave: the unit that moves from a reader to the store. The batch owns its
 * arena, and the arena everything the spans and issues point to. */
struct tk_batch {
  struct tk_arena arena;
  struct tk_span *spans;
  struct tk_issue *issues;
  struct tk_document *documents; /**< see tracekeep/document.h */
  uint32_t span_count;
  uint32_t issue_count;
  uint32_t document_count;
  uint32_t record_count;   /**< input records (documents, messages) in this batch */
  uint32_t rejected_count; /**< records or spans that cannot be stored at all; each has an issue */
  uint64_t begin_offset;   /**< bytes of decoded input before this batch */
  uint64_t end_offset;     /**< bytes of decoded input up to and including it */
  uint64_t end_hash;       /**< tk_hash of the decoded input from its start up to end_offset */
};

/** A new empty batch (from sqlite3_malloc64), or NULL. */
struct tk_batch *tk_batch_create(void);
void tk_batch_free(struct tk_batch *batch);

/** Id of a trace whose id is not hexadecimal, such as `kvonce-trace-001`: XXH64 of the text, then
 * XXH64 of the text followed by the byte 0x01, both little-endian. */
void tk_trace_id_from_text(struct tk_text text, uint8_t trace_id[16]);

#ifdef __cplusplus
}
#endif
#endif
