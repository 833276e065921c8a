/* What is wrong with sampling in a store: the checks, and the list they fill. docs/sampling.md
 * lists the types. */
#ifndef TK_SQLEXT_SAMPLING_SAMPLING_ISSUES_H
#define TK_SQLEXT_SAMPLING_SAMPLING_ISSUES_H

#include "sqlext/sampling/decision_records.h"
#include "sqlext/sampling/decision_traces.h"

/* TYPE(ID, "name", severity). Those up to FIRST_SUMMARY are about a trace or span. */
#define TK_SAMPLING_ISSUES(TYPE)                                      \
  TYPE(INCONSISTENT, "sampling.inconsistent", "error")                \
  TYPE(FLAG_THRESHOLD, "sampling.flag_threshold", "warn")             \
  TYPE(FLAG_UNSAMPLED, "sampling.flag_unsampled", "info")             \
  TYPE(THRESHOLD_MALFORMED, "sampling.threshold_malformed", "warn")   \
  TYPE(RANDOMNESS_MALFORMED, "sampling.randomness_malformed", "warn") \
  TYPE(POWER_MALFORMED, "sampling.power_malformed", "warn")           \
  TYPE(STATE_LENGTH, "sampling.state_length", "warn")                 \
  TYPE(THRESHOLD_DROPPED, "sampling.threshold_dropped", "warn")       \
  TYPE(DISAGREEMENT, "sampling.disagreement", "warn")                 \
  TYPE(STORED_REJECT, "sampling.stored_reject", "warn")               \
  TYPE(OFF_ROOT, "sampling.off_root", "warn")                         \
  TYPE(SAMPLE_RATE, "sampling.sample_rate", "warn")                   \
  TYPE(PROBABILITY, "sampling.probability", "warn")                   \
  TYPE(PARENT_THRESHOLD, "sampling.parent_threshold", "warn")         \
  TYPE(UNWEIGHTED_POLICY, "sampling.unweighted_policy", "info")       \
  TYPE(DISTRIBUTION, "sampling.distribution", "warn")                 \
  TYPE(RATIO_SAMPLER, "sampling.ratio_sampler", "info")

enum tk_sampling_issue_type {
#define TYPE(id, name, severity) TK_ISSUE_##id,
  TK_SAMPLING_ISSUES(TYPE)
#undef TYPE
      TK_SAMPLING_ISSUE_COUNT
};
#define TK_ISSUE_BIT(id) (UINT32_C(1) << TK_ISSUE_##id)
/** About services or policies, not about a trace. */
#define TK_SUMMARY_ISSUES \
  (TK_ISSUE_BIT(UNWEIGHTED_POLICY) | TK_ISSUE_BIT(DISTRIBUTION) | TK_ISSUE_BIT(RATIO_SAMPLER))

#define TK_NO_ROW UINT32_MAX

struct tk_sampling_issue {
  enum tk_sampling_issue_type type;
  bool has_part;                                 /**< about a trace of the walk */
  uint32_t part, row;                            /**< into walk->parts; TK_NO_ROW: no single span */
  struct tk_text trace_text, span_text, service; /**< where there is no part; data NULL: none */
  struct tk_text message, context;               /**< context: a JSON object */
};

/** Zero-initialise; sticky failure. */
struct tk_sampling_issue_list {
  struct tk_arena arena; /**< texts */
  struct tk_sampling_issue *items;
  uint32_t count, capacity;
  uint32_t types; /**< wanted ones, as TK_ISSUE_BIT */
  bool failed;
};

/** Adds one, with its message; NULL if the type is not wanted, or out of memory. */
struct tk_sampling_issue *tk_sampling_issue_add(struct tk_sampling_issue_list *list,
                                                enum tk_sampling_issue_type type,
                                                const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Sets the context; `format` as SQLite's printf. NULL issue: does nothing. */
void tk_sampling_issue_context(struct tk_sampling_issue_list *list, struct tk_sampling_issue *issue,
                               const char *format, ...) __attribute__((format(printf, 3, 4)));
void tk_sampling_issue_list_clear(struct tk_sampling_issue_list *list); /**< keeps the array */
void tk_sampling_issue_list_reset(struct tk_sampling_issue_list *list);

/** Checks the current trace of the walk. */
enum tk_status tk_sampling_issues_of_trace(struct tk_sampling_issue_list *list,
                                           const struct tk_decision_walk *walk,
                                           struct tk_error *error);
/** Checks a recorded decision; looks for its trace in the store. */
enum tk_status tk_sampling_issues_of_record(struct tk_sampling_issue_list *list,
                                            struct tk_reader *reader,
                                            const struct tk_decision_record *record,
                                            struct tk_error *error);

/* ---- over all traces ---- */

struct tk_sampling_census;

enum tk_status tk_sampling_census_create(struct tk_sampling_census **census_out,
                                         struct tk_error *error);
void tk_sampling_census_free(struct tk_sampling_census *census);
/** Counts the current trace of the walk, for UNWEIGHTED_POLICY. */
enum tk_status tk_sampling_census_add(struct tk_sampling_census *census,
                                      const struct tk_decision_walk *walk, struct tk_error *error);
/** Reads trace ids and thresholds of all traces, for DISTRIBUTION and RATIO_SAMPLER. */
enum tk_status tk_sampling_census_read(struct tk_sampling_census *census, struct tk_reader *reader,
                                       struct tk_error *error);
enum tk_status tk_sampling_census_issues(struct tk_sampling_census *census,
                                         struct tk_sampling_issue_list *list,
                                         struct tk_error *error);

#endif
