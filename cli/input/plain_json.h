/** @file plain_json.h  What the readers of all JSON formats but OTLP's share: values as JSON spells
 * them, times in other units than nanoseconds, lists of attributes, resources that many records
 * repeat, and the way through a record. */
#ifndef TK_CLI_INPUT_PLAIN_JSON_H
#define TK_CLI_INPUT_PLAIN_JSON_H

#include <string.h>

#include "cli/input/batch_builder.h"
#include "cli/input/record.h"
#include "cli/input/span_repair.h"
#include "tracekeep/json.h"

struct tk_plain {
  struct tk_json json;
  struct tk_batch_builder *builder;
  uint32_t value_depth; /**< of lists within lists */
  /** Within tk_plain_take: how things were before the value, but for its being counted. */
  const struct tk_builder_mark *mark;
};

/* ---- records ---- */

/** Takes one top-level value, or one element of a split array. True: it was of the format. */
typedef bool tk_plain_take(struct tk_plain *plain);

/** Goes through a record, also where it holds several values or an array of them, one
 * `take_object` for each object. What is none of the format is rolled back and reported as
 * "expected `what`"; broken JSON likewise. */
void tk_plain_parse(struct tk_batch_builder *builder, const struct tk_record *record,
                    tk_plain_take *take_object, const char *what);

/** A parser of its own over a copy of text that is JSON within JSON; false: out of memory. */
bool tk_plain_begin_text(struct tk_plain *plain, struct tk_batch_builder *builder,
                         struct tk_text text);

/* ---- scalars ---- */

/** Takes a value that should be of the given type; false: it was something else, has been skipped,
 * and if it was not null, reported. */
bool tk_plain_expect(struct tk_plain *plain, enum tk_json_type wanted);
void tk_plain_report_type(struct tk_plain *plain, const char *expected, struct tk_text raw);
/** A string, copied; null is empty; anything else is its JSON text. */
struct tk_text tk_plain_text(struct tk_plain *plain);
/** As tk_plain_text, but a view of the input where possible. */
struct tk_text tk_plain_view(struct tk_plain *plain);
/** Digits of a number, or of a string that holds one. Size 0: null, or reported. */
struct tk_text tk_plain_numeral(struct tk_plain *plain, const char *expected);
uint32_t tk_plain_uint32(struct tk_plain *plain);
/** `true`, "true" and 1 are true. */
bool tk_plain_bool(struct tk_plain *plain);
/** A number of microseconds as nanoseconds, by its digits; 0: null, or reported. */
uint64_t tk_plain_micros(struct tk_plain *plain);
/** The number times ten to the `power`, by its digits. */
enum tk_number tk_scale_decimal(struct tk_text digits, int power, uint64_t *out);
/** RFC 3339, also with a blank for the T and without a zone (UTC); false: something else. */
bool tk_parse_rfc3339(struct tk_text text, uint64_t *unix_ns);

/* ---- values and attributes ---- */

struct tk_value tk_string_value(struct tk_text text);
/** Any JSON value: integers INT, other numbers DOUBLE, null EMPTY, objects KVLIST. An object of one
 * member named $bytes, $double or $kvlist is what that says: see docs/formats.md. */
struct tk_value tk_plain_value(struct tk_plain *plain);
/** Pushes the members of an object; null is none. */
void tk_plain_push_members(struct tk_plain *plain);
struct tk_attributes tk_plain_attributes(struct tk_plain *plain);

void tk_push_attribute(struct tk_batch_builder *builder, struct tk_text key, struct tk_value value);
/** `key` is a constant. */
void tk_push_text(struct tk_batch_builder *builder, const char *key, struct tk_text text);
/** What has been pushed since `begin`, a former builder->attributes.count. */
struct tk_attributes tk_take_attributes(struct tk_batch_builder *builder, uint32_t begin);
const struct tk_attribute *tk_find_attribute(const struct tk_attribute *items, uint32_t count,
                                             const char *key);
bool tk_text_equals_nocase(struct tk_text text, const char *expected);

/* ---- resources and scopes ---- */

/** What spans have that came without either. */
extern const struct tk_resource tk_no_resource;
extern const struct tk_scope tk_no_scope;

/** One with equal content that a recent span of the batch has, or NULL. */
const struct tk_resource *tk_find_resource(const struct tk_batch_builder *builder,
                                           const struct tk_resource *resource);
/** The same, or else a copy in the arena; NULL: out of memory. */
const struct tk_resource *tk_share_resource(struct tk_batch_builder *builder,
                                            const struct tk_resource *resource);
const struct tk_scope *tk_share_scope(struct tk_batch_builder *builder,
                                      const struct tk_scope *scope);

/* ---- residual members: {"<format>":{...}} ---- */

/** Appends `"key":` with a comma if something has been pushed since `begin`. */
void tk_push_residual_key(struct tk_batch_builder *builder, uint32_t begin, const char *key);
/** A member that is a string. */
void tk_push_residual_string(struct tk_batch_builder *builder, uint32_t begin, const char *key,
                             struct tk_text text);
/** JSON as it stands in the input, less the white space between its tokens. */
void tk_push_residual_json(struct tk_batch_builder *builder, struct tk_text json);
/** A member as it stands in the input. */
void tk_push_residual_member(struct tk_batch_builder *builder, uint32_t begin,
                             struct tk_json_string key, struct tk_text raw);
/** What has been pushed since `begin`, as `"format":{...}`; nothing: none. */
struct tk_residual tk_take_residual(struct tk_batch_builder *builder, uint32_t begin,
                                    const char *format);

/* ---- events and links ---- */

/** Takes an object as one event, or fills in a link, whose ids are still to be repaired. */
typedef struct tk_event tk_plain_read_event(struct tk_plain *plain, void *context);
struct tk_plain_ids;
typedef void tk_plain_read_link(struct tk_plain *plain, struct tk_link *link,
                                struct tk_plain_ids *ids);

/** Takes a list of objects, one event or link each; null is none. */
void tk_plain_events(struct tk_plain *plain, struct tk_span *span, tk_plain_read_event *read,
                     void *context);
void tk_plain_links(struct tk_plain *plain, struct tk_span *span, tk_plain_read_link *read);

/* ---- spans ---- */

struct tk_plain_ids {
  struct tk_text trace, span, parent;
};

/** Reads the ids into the span; what was noticed is for tk_plain_add_span. */
void tk_plain_read_ids(const struct tk_plain_ids *ids, struct tk_span *span,
                       struct tk_span_ids *readings);
/** Repairs the span and adds it to the batch. */
void tk_plain_add_span(struct tk_plain *plain, struct tk_span *span,
                       const struct tk_span_ids *readings, struct tk_text raw);
/** Ids of a link; reports what is wrong with them. */
void tk_plain_link_ids(struct tk_plain *plain, struct tk_link *link, struct tk_text trace,
                       struct tk_text span);

/** With a constant, this is a comparison of sizes and then of a few words. */
static inline bool tk_text_equals(struct tk_text text, const char *expected) {
  return text.size == strlen(expected) && memcmp(text.data, expected, strlen(expected)) == 0;
}

static inline struct tk_text tk_raw_text(struct tk_json_string string) {
  return (struct tk_text){string.data, string.size};
}

#endif
