/* Evaluating trace-quality rules over the traces of a store.
 *
 * A `struct quality` is one evaluation: which rules, over which snapshot of the store. What its
 * rules find goes to `findings`, batch by batch: the rows of one granule, or of one trace; then
 * what takes the whole store. Nothing is read that no wanted rule takes. */
#ifndef TK_SQLEXT_QUALITY_QUALITY_H
#define TK_SQLEXT_QUALITY_QUALITY_H

#include "sqlext/quality/findings.h"
#include "sqlext/quality/rules.h"
#include "sqlext/tables/split_traces.h"
#include "sqlext/tables/table_support.h"
#include "store/segment/segment.h"
#include "tracekeep/arena.h"

/** A resource of the store, and what rules ask of it. */
struct quality_resource {
  const struct tk_stored_resource *stored;
  struct tk_text host;     /**< host.id, else the first host.ip, else host.name; data NULL: none */
  uint32_t service_number; /**< equal services (or none) have equal numbers, from 0 */
  uint64_t span_count;     /**< in the window; filled by tk_quality_groups */
  bool is_wanted;          /**< findings about its service are */
};

/** A trace's rows in one segment. */
struct quality_part {
  uint32_t segment_index, trace_index;
  uint32_t begin, end, granule;
};

struct quality_tree;   /* trace_tree.h: memory for one trace */
struct quality_lookup; /* span_rules.c: what is known of the current segment */

/** Span ids that several traces have, ascending: to be kept while the store is the same, so that
 * asking for trace after trace does not look for them each time. Zero-initialise. */
struct quality_repeats {
  struct quality_repeat {
    uint64_t id;
    uint32_t traces;
  } * items;
  uint32_t count, capacity;
  bool is_known;
};

void tk_quality_repeats_reset(struct quality_repeats *repeats);

/** Zero-initialise but for reader, rules, settings, findings.wants_texts, then tk_quality_begin. */
struct quality {
  struct tk_reader *reader;
  uint64_t rules; /**< what to evaluate */
  struct quality_settings settings;
  uint64_t now_ns; /**< what time.future compares with; 0: the clock's */
  bool has_window; /**< only spans (of trace rules: traces) that start in [since, until) */
  uint64_t since, until;

  struct quality_repeats *repeats; /**< NULL: nobody keeps them */
  bool wants_repeats;              /**< they are worth finding, for more to come */

  struct quality_findings findings;
  struct tk_segment_list segments;
  const struct tk_segment **opened; /**< by index into segments; NULL: closed */
  uint32_t opened_low, opened_high; /**< all that are open are in [low, high) */
  struct tk_split_traces split;
  struct quality_resource *resources; /**< ascending ids */
  uint32_t resource_count, service_count;
  struct quality_tree *tree;
  struct quality_lookup *lookup;
};

/** Takes the snapshot. `with_split`: traces will be evaluated that were not looked up by id. */
enum tk_status tk_quality_begin(struct quality *quality, bool with_split, struct tk_error *error);
void tk_quality_end(struct quality *quality);

static inline bool tk_quality_wants(const struct quality *quality, enum quality_rule rule) {
  return quality->rules >> rule & 1;
}
static inline int64_t tk_quality_threshold(const struct quality *quality, enum quality_rule rule) {
  return quality->settings.thresholds[rule];
}
/** Those of `rules` that have findings of these scopes (bits). */
uint64_t tk_quality_rules_of(uint64_t rules, unsigned scopes);

/** Opens segment `index`; it stays open until tk_quality_close_segments. */
enum tk_status tk_quality_segment(struct quality *quality, uint32_t index,
                                  const struct tk_segment **segment_out, struct tk_error *error);
void tk_quality_close_segments(struct quality *quality);

struct quality_resource *tk_quality_resource_of(const struct quality *quality,
                                                const struct tk_segment *segment, int64_t code);

/** Adds a finding about `row` of a segment, or (NO_PLACE) its trace; false if it is not wanted. */
bool tk_quality_find_row(struct quality *quality, enum quality_rule rule, uint32_t segment_index,
                         uint32_t trace_index, uint32_t row,
                         const struct quality_resource *resource);
/** Adds one about a service as such. */
bool tk_quality_find_service(struct quality *quality, enum quality_rule rule,
                             const struct quality_resource *resource);

/** Where the attributes of spans, events and links are stored, by scope. */
enum { ITEM_SCOPES = TK_SCOPE_LINK + 1 };
struct quality_columns {
  enum tk_column_number keyset, extra_row, extra;
};
extern const struct quality_columns tk_quality_columns_of[ITEM_SCOPES];

/* ---- the rules ---- */

/** Rules of scope SPAN, of rows [begin, end) of a granule. */
enum tk_status tk_quality_spans(struct quality *quality, const struct quality_part *range,
                                struct tk_error *error);
void tk_quality_lookup_free(struct quality_lookup *lookup);

/** Rules of scope TRACE, of a trace that lies in these parts. */
enum tk_status tk_quality_trace(struct quality *quality, const struct quality_part *parts,
                                uint32_t part_count, struct tk_error *error);
void tk_quality_tree_free(struct quality_tree *tree);

/** Rules of scope SPAN and TRACE, of a granule; of a trace in several segments with its first part.
 * Takes tk_quality_begin with `with_split`. */
enum tk_status tk_quality_granule(struct quality *quality, uint32_t segment_index, uint32_t granule,
                                  struct tk_error *error);
/** False: nothing in the segment can be the place of a wanted finding of these scopes. */
bool tk_quality_may_find(const struct quality *quality, const struct tk_segment *segment);

/** Rules of scope ACROSS: of all spans, or (part_count > 0) of those in these parts. */
enum tk_status tk_quality_across(struct quality *quality, const struct quality_part *parts,
                                 uint32_t part_count, struct tk_error *error);

/** Rules of scope GROUP. Also counts the spans of each resource. */
enum tk_status tk_quality_groups(struct quality *quality, struct tk_error *error);

/** Part of tk_quality_groups: rules about resources, once their spans are counted. */
enum tk_status tk_quality_resource_rules(struct quality *quality, struct tk_error *error);
/** Part of tk_quality_groups: rules about the names of spans. */
enum tk_status tk_quality_name_rules(struct quality *quality, struct tk_error *error);

/* ---- texts ---- */

/** What is wrong with a tracestate header value, in words; NULL: nothing. */
const char *tk_quality_tracestate_fault(struct tk_text text);

/** What the attribute looks like ("an AWS access key"); NULL: nothing that should be secret. */
const char *tk_quality_secret_kind(struct tk_text key, struct tk_text value);

/** True if a key, as a whole, equals a literal. */
static inline bool text_is(struct tk_text text, const char *literal) {
  const size_t size = __builtin_strlen(literal);
  return text.size == size && __builtin_memcmp(text.data, literal, size) == 0;
}
static inline bool text_begins(struct tk_text text, const char *literal) {
  const size_t size = __builtin_strlen(literal);
  return text.size >= size && __builtin_memcmp(text.data, literal, size) == 0;
}
/** The first attribute with this key; NULL: none. */
const struct tk_attribute *tk_quality_attribute(const struct tk_attributes *attributes,
                                                const char *key);

#endif
