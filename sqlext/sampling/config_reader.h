/* Reading options out of a document into a model: what an option must be, and the sentence that
 * says so when it is not.
 *
 * The first refusal sticks: after it every call does nothing and gives the default, so that a
 * parser is a list of options and checks `status` where it allocates or loops. Whatever goes into
 * the model is copied into its arena. */
#ifndef TK_SAMPLING_CONFIG_READER_H
#define TK_SAMPLING_CONFIG_READER_H

#include "sqlext/sampling/config_document.h"
#include "tracekeep/sampling_config.h"

/** Policies of one configuration. */
#define TK_CONFIG_POLICY_LIMIT 20000

struct tk_config_reader {
  const struct tk_config_document *document;
  struct tk_sampling_config *config;
  struct tk_error *error;
  enum tk_status status;
  char where[160]; /* begins a refusal: "tail_sampling policy 'slow'"; may be empty */
};

/** What is being read, for refusals. */
void tk_config_where(struct tk_config_reader *reader, const char *format, ...) TK_PRINTF(2, 3);

/** Refuses the document because of what stands at `node`. */
void tk_config_fail(struct tk_config_reader *reader, const struct tk_config_node *node,
                    const char *format, ...) TK_PRINTF(3, 4);
/** "expected <what>, found <what the node is>". */
void tk_config_expect(struct tk_config_reader *reader, const struct tk_config_node *node,
                      const char *format, ...) TK_PRINTF(3, 4);
void tk_config_nomem(struct tk_config_reader *reader);

/* ---- finding ---- */

/** The member of a map; NULL if there is none, if it is null, or if `map` is no map. */
const struct tk_config_node *tk_config_get(const struct tk_config_node *map, const char *key);
bool tk_config_is_null(const struct tk_config_node *node);
bool tk_config_is_text(const struct tk_config_node *node, const char *text);
/** The key of that name: where an option begins. */
const struct tk_config_node *tk_config_key(const struct tk_config_node *map, const char *key);
/** As tk_config_get, and it must be there, and be a map or a list. */
const struct tk_config_node *tk_config_need(struct tk_config_reader *reader,
                                            const struct tk_config_node *map, const char *key,
                                            const char *what);
const struct tk_config_node *tk_config_map(struct tk_config_reader *reader,
                                           const struct tk_config_node *map, const char *key);
const struct tk_config_node *tk_config_list(struct tk_config_reader *reader,
                                            const struct tk_config_node *map, const char *key);
/** False, refused: `node` is not a map. `what` names it. */
bool tk_config_check_map(struct tk_config_reader *reader, const struct tk_config_node *node,
                         const char *what);
bool tk_config_check_list(struct tk_config_reader *reader, const struct tk_config_node *node,
                          const char *what);
/** Refuses a member of `map` that is not among `keys`, which ends with NULL. */
void tk_config_only(struct tk_config_reader *reader, const struct tk_config_node *map,
                    const char *owner, const char *const *keys);

/* ---- values ----
 *
 * `key` is looked up in `map`; without it the default is given, or, where `is_required`, the
 * document refused. `what` completes "expected KEY to be": "a number of milliseconds". */

struct tk_config_range {
  const char *what;
  int64_t min, max;
};

struct tk_sampling_integer tk_config_integer(struct tk_config_reader *reader,
                                             const struct tk_config_node *map, const char *key,
                                             const struct tk_config_range *range, int64_t fallback);
/** It must be there. */
int64_t tk_config_integer_needed(struct tk_config_reader *reader, const struct tk_config_node *map,
                                 const char *key, const struct tk_config_range *range);
struct tk_sampling_number tk_config_number(struct tk_config_reader *reader,
                                           const struct tk_config_node *map, const char *key,
                                           const char *what, double min, double max,
                                           double fallback);
bool tk_config_boolean(struct tk_config_reader *reader, const struct tk_config_node *map,
                       const char *key, bool fallback);
/** Go's notation, "1m30s"; a number without a unit counts nanoseconds if `allows_bare`. */
int64_t tk_config_duration(struct tk_config_reader *reader, const struct tk_config_node *map,
                           const char *key, bool allows_bare, int64_t fallback);
/** Empty without it. Numbers and words are taken as they are written. */
struct tk_text tk_config_text(struct tk_config_reader *reader, const struct tk_config_node *map,
                              const char *key);
struct tk_text tk_config_text_needed(struct tk_config_reader *reader,
                                     const struct tk_config_node *map, const char *key,
                                     const char *what);
/** A list of texts; at least one if `is_required`. */
struct tk_sampling_texts tk_config_texts(struct tk_config_reader *reader,
                                         const struct tk_config_node *map, const char *key,
                                         const char *what, bool is_required);
/** The index of the text among `words`, which ends with NULL; `fallback` without it. */
int tk_config_choice(struct tk_config_reader *reader, const struct tk_config_node *map,
                     const char *key, const char *const *words, int fallback);
/** The same of a node. */
int tk_config_word(struct tk_config_reader *reader, const struct tk_config_node *node,
                   const char *what, const char *const *words);
/** The text of a scalar, copied; refused if it is not one. */
struct tk_text tk_config_copy(struct tk_config_reader *reader, const struct tk_config_node *node,
                              const char *what);

/** What a scalar is by itself: TK_VALUE_STRING, INT, DOUBLE, BOOL, or EMPTY for null. A text points
 * into the document. */
void tk_config_resolve(const struct tk_config_node *node, struct tk_value *value_out);

/** The 64-bit integer, if it is one: decimal, or in YAML also hexadecimal, octal, binary, with
 * underscores between the digits. */
bool tk_config_parse_integer(const struct tk_config_node *node, int64_t *out);
bool tk_config_parse_number(const struct tk_config_node *node, double *out);
/** "1h2m3.5s". False: no duration, or longer than an int64_t of nanoseconds. */
bool tk_config_parse_duration(struct tk_text text, int64_t *ns_out);

/* ---- policies ---- */

/** Room for the children of `parent`, or for the roots (NULL). NULL when refused. */
struct tk_sampling_policy *tk_config_policies(struct tk_config_reader *reader,
                                              struct tk_sampling_policy *parent, uint32_t count);
/** Starts the next policy: its number, and its place. Call it in the order they are numbered. */
void tk_config_start(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                     const struct tk_sampling_policy *parent, enum tk_sampling_type type,
                     const struct tk_config_node *node);
/** Zeroed memory of the model. */
void *tk_config_allocate(struct tk_config_reader *reader, size_t count, size_t size);
struct tk_text tk_config_constant(const char *text);

/** Where the root is a manifest with a collector's configuration in it (a Helm chart's values, an
 * OpenTelemetryCollector resource), that becomes the root; else nothing happens. `text` is what the
 * document was read from. */
enum tk_status tk_config_unwrap(struct tk_config_document *document, struct tk_text text,
                                struct tk_error *error);

/* ---- dialects: the root is a map, and of theirs ---- */

void tk_config_read_collector(struct tk_config_reader *reader);
void tk_config_read_tail(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                         const struct tk_config_node *node);
void tk_config_read_jaeger_strategies(struct tk_config_reader *reader);
void tk_config_read_jaeger_answer(struct tk_config_reader *reader);
void tk_config_read_refinery(struct tk_config_reader *reader);
void tk_config_read_declarative(struct tk_config_reader *reader);
void tk_config_read_xray(struct tk_config_reader *reader);

/** One sampler of section "Sampler" of the declarative configuration. */
void tk_config_read_sampler(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                            const struct tk_sampling_policy *parent,
                            const struct tk_config_node *node);
/** Reads the sampler of spans without a parent, from its tk_config_start on. */
typedef void tk_config_root(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                            const struct tk_sampling_policy *parent, const void *context);
/** parent_based at the root of the configuration, its children as they default, but for the first
 * if `read_root` is given. */
void tk_config_imply_parent_based(struct tk_config_reader *reader,
                                  struct tk_sampling_policy *policy,
                                  const struct tk_config_node *at, tk_config_root *read_root,
                                  const void *context);
bool tk_config_is_sampler_name(struct tk_text name);

/** OTEL_TRACES_SAMPLER in lines NAME=VALUE. There is no document then but its name. */
void tk_config_read_environment(struct tk_config_reader *reader, const char *text, size_t size);
bool tk_config_is_environment(const char *text, size_t size);

/** Whether the key of a map is `name`, or `name` and an instance: "tail_sampling/edge". */
bool tk_config_is_component(struct tk_text key, const char *name);

#endif
