/* What readers kept of a message beyond the model, and how it goes back: members of JSON, protobuf
 * fields, what belongs inside the message's status and attribute values (see
 * cli/input/value_path.h), and the little that both JSON and protobuf have a place for. */
#ifndef TK_CLI_OUTPUT_RESIDUAL_H
#define TK_CLI_OUTPUT_RESIDUAL_H

#include <stdbool.h>

#include "cli/output/text_buffer.h"
#include "tracekeep/span.h"

/* ---- members of JSON ---- */

struct tk_json_member {
  struct tk_text key, value; /**< as they stand: the key without its quotes */
};

/** Members of the object `"format":{...}` of a residual; empty: there is none such. */
struct tk_text tk_residual_members(const struct tk_residual *residual, const char *format);
/** Takes the first member off `rest`; false: no more. */
bool tk_next_json_member(struct tk_text *rest, struct tk_json_member *member);
/** Value of a member, as it stands; empty: there is none such. */
struct tk_text tk_find_json_member(struct tk_text members, const char *key);
/** Appends all members but those listed (NULL ends the list). */
void tk_json_add_members_but(struct tk_text_buffer *out, struct tk_text members,
                             const char *const *handled);
/** Appends `key` with the value of the member of that name; false: there is none such. */
bool tk_json_add_kept(struct tk_text_buffer *out, struct tk_text members, const char *key);

/* ---- residuals of OTLP ---- */

/** Whose residual it is: what its fields mean depends on that. */
enum tk_residual_owner {
  TK_OWNER_SPAN,
  TK_OWNER_EVENT,
  TK_OWNER_LINK,
  TK_OWNER_RESOURCE,
  TK_OWNER_OTHER
};

/** Which ids a writer of protobuf writes. */
enum tk_id_choice {
  TK_IDS_AS_THEY_CAME, /**< also text, or of the wrong length; made-up ones are left out */
  TK_IDS_VALID         /**< every span has ids of 16 and 8 bytes, which receivers insist on */
};

/** Writes everything but what goes inside the status and attributes, as members or as fields; with
 * TK_IDS_VALID without ids, too. */
void tk_residual_add_json(struct tk_text_buffer *out, const struct tk_residual *residual,
                          enum tk_residual_owner owner);
void tk_residual_add_protobuf(struct tk_text_buffer *out, const struct tk_residual *residual,
                              enum tk_residual_owner owner, enum tk_id_choice ids);
/** Members that belong inside the span's status. */
void tk_residual_add_status(struct tk_text_buffer *out, const struct tk_residual *residual);
/** Whether there are members that protobuf has no place for. */
bool tk_residual_needs_json(const struct tk_residual *residual, enum tk_residual_owner owner);

/** Writes the member `key` with the text of an id that is not hexadecimal, which OTLP/JSON calls
 * `member` and protobuf `field`; false: the id is no such text. */
bool tk_residual_add_id(struct tk_text_buffer *out, const char *key,
                        const struct tk_residual *residual, const char *member, uint32_t field);
/** The text alone, without quotes and escapes. */
bool tk_residual_add_id_text(struct tk_text_buffer *out, const struct tk_residual *residual,
                             const char *member, uint32_t field);
bool tk_residual_has_id(const struct tk_residual *residual, const char *member, uint32_t field);

/* ---- inside attribute values ---- */

enum { TK_PATCH_PATH_LIMIT = 4608 };

/** Where in its attributes the writer of a message is. NULL stands for: nothing is to be put back
 * into them. */
struct tk_patches {
  const struct tk_residual *residual;
  uint32_t size;
  char path[TK_PATCH_PATH_LIMIT];
};

/** Prepares `patches` if the residual has something for attribute values, and returns it; NULL: it
 * has not. */
struct tk_patches *tk_patches_of(struct tk_patches *patches, const struct tk_residual *residual);
/** Goes one step further, `name` alone or with an index behind it; returns where to go back to. */
uint32_t tk_patches_enter(struct tk_patches *patches, const char *name);
uint32_t tk_patches_enter_item(struct tk_patches *patches, const char *name, uint32_t index);
void tk_patches_leave(struct tk_patches *patches, uint32_t size);
/** Writes what goes into the object, or message, at hand. */
void tk_patches_add_json(struct tk_text_buffer *out, const struct tk_patches *patches);
void tk_patches_add_protobuf(struct tk_text_buffer *out, const struct tk_patches *patches);

#endif
