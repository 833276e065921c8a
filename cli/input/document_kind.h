/** @file document_kind.h  Which kind of document a JSON value is: by its outermost keys and the
 * types of their values, in whatever order they come, never by the name of a file. */
#ifndef TK_CLI_INPUT_DOCUMENT_KIND_H
#define TK_CLI_INPUT_DOCUMENT_KIND_H

#include <stdbool.h>

#include "tracekeep/document.h"
#include "tracekeep/json.h"

/** What a value that is no document is, as far as that can be said. */
enum tk_document_stranger {
  TK_STRANGER_NONE,   /**< it is a document */
  TK_STRANGER_OTLP,   /**< spans */
  TK_STRANGER_SCHEMA, /**< a JSON Schema */
  TK_STRANGER_OTHER
};

/** What the keys of an object, or of the items of an array, say. */
struct tk_document_look {
  enum tk_document_kind kind; /**< if stranger is TK_STRANGER_NONE */
  enum tk_document_stranger stranger;
  bool is_span;                   /**< has the keys of a span */
  struct tk_json_string trace_id; /**< `traceId` if that is a string; data NULL: none */
  struct tk_json_string run_id;   /**< `runId`, likewise */
};

/** Takes the object that comes next and judges it. */
struct tk_document_look tk_document_look_at(struct tk_json *json);
/** Takes the array that comes next. True: it is a document as a whole, of *kind. */
bool tk_document_look_at_array(struct tk_json *json, enum tk_document_kind *kind);

/** Whether the beginning of input, which may be cut anywhere, is that of a document rather than of
 * spans. */
bool tk_document_begins(const char *head, size_t size);
/** Whether it is an object of this kind. */
bool tk_document_begins_with(const char *head, size_t size, enum tk_document_kind kind);
/** Whether input that begins so may hold an envelope: false of events, spans, and other documents
 * that are recognised. */
bool tk_document_may_be_envelope(const char *head, size_t size);

#endif
