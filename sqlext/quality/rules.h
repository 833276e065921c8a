/* The catalogue of trace-quality rules, and what a store sets for them.
 *
 * One row a rule: X(enum suffix, id, stage, severity, scope, enabled, threshold, unit, source,
 * description). `scope` says how its findings are made: of a span by itself (SPAN), of a whole
 * trace (TRACE), of spans of several traces (ACROSS), or one for all spans of a service that have
 * the same fault (GROUP; these name no trace). `threshold` 0 with the unit "" means that the rule
 * has none. docs/validation.md lists the same rows for people; a test compares them. */
#ifndef TK_SQLEXT_QUALITY_RULES_H
#define TK_SQLEXT_QUALITY_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite_api.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

enum quality_stage { STAGE_SPAN, STAGE_TRACE, STAGE_RESOURCE, STAGE_SEMCONV };

enum quality_scope { SCOPE_SPAN = 1, SCOPE_TRACE = 2, SCOPE_ACROSS = 4, SCOPE_GROUP = 8 };

/* clang-format off */
#define QUALITY_RULES(X) \
  X(TIME_FUTURE, "time.future", SPAN, WARN, SCOPE_SPAN, true, 3600, "s", "tracekeep", \
    "the span starts or ends later than now, by more than the threshold") \
  X(TIME_ANCIENT, "time.ancient", SPAN, WARN, SCOPE_SPAN, true, 1262304000, "unix s", "tracekeep", \
    "the span starts before the threshold (1 January 2010)") \
  X(TIME_DURATION_EXTREME, "time.duration_extreme", SPAN, WARN, SCOPE_SPAN, true, 86400, "s", "tracekeep", \
    "the span took longer than the threshold") \
  X(TIME_EVENT_OUTSIDE, "time.event_outside_span", SPAN, INFO, SCOPE_SPAN, true, 1000000, "ns", "tracekeep", \
    "events lie before the start or after the end of their span, by more than the threshold") \
  X(TREE_ORPHAN, "tree.orphan", TRACE, WARN, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "the parent is not in the trace, and the flags do not say whether it is of another process") \
  X(TREE_LOCAL_PARENT, "tree.local_parent_missing", TRACE, WARN, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "the parent is of the same process (flags) and not in the trace: a span was lost") \
  X(TREE_REMOTE_PARENT, "tree.parent_is_remote_but_missing", TRACE, INFO, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "the parent is of another process (flags) and not in the trace: not instrumented, or sampled elsewhere") \
  X(TREE_NO_ROOT, "tree.no_root", TRACE, INFO, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "every span of the trace names a parent") \
  X(TREE_MULTIPLE_ROOTS, "tree.multiple_roots", TRACE, WARN, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "several spans of the trace have no parent") \
  X(TREE_CYCLE, "tree.cycle", TRACE, ERROR, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "spans are each other's parents") \
  X(TREE_SELF_PARENT, "tree.self_parent", TRACE, ERROR, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "the span names itself as its parent") \
  X(TREE_ROOT_CLIENT, "tree.root_client", TRACE, INFO, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "the root is a client span: what made the call is not in the trace (SPA-004, by span)") \
  X(TREE_CHILD_BEFORE, "tree.child_before_parent", TRACE, WARN, SCOPE_TRACE, true, 1000000, "ns", "tracekeep", \
    "the span starts before its parent, by more than the threshold, on the same host") \
  X(TREE_CHILD_AFTER, "tree.child_after_parent", TRACE, INFO, SCOPE_TRACE, false, 1000000, "ns", "tracekeep", \
    "the span starts after its parent ended, by more than the threshold: legal for asynchronous work") \
  X(SKEW_SUSPECT, "skew.suspect", TRACE, WARN, SCOPE_TRACE, true, 1000000, "ns", "tracekeep", \
    "times of parent and child, perhaps of different hosts, contradict each other: clocks may differ") \
  X(DUP_CONFLICT, "dup.conflict", TRACE, WARN, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "spans of a trace share a span id, and are not the two sides of one call") \
  X(DUP_ZIPKIN_SHARED, "dup.zipkin_shared", TRACE, INFO, SCOPE_TRACE, true, 0, "", "tracekeep", \
    "client and server (or producer and consumer) share one span id, as Zipkin does: legal") \
  X(DUP_ACROSS_TRACES, "dup.across_traces", TRACE, INFO, SCOPE_ACROSS, true, 0, "", "tracekeep", \
    "spans of several traces have this span id") \
  X(SERVICE_UNKNOWN, "service.unknown", RESOURCE, WARN, SCOPE_GROUP, true, 0, "", "tracekeep", \
    "service.name is what an SDK writes when it was told none (unknown_service)") \
  X(RESOURCE_CONFLICT, "resource.conflict", RESOURCE, WARN, SCOPE_GROUP, true, 0, "", "tracekeep", \
    "resources with the same service.instance.id have different values of an attribute") \
  X(ATTR_TOO_LONG, "attr.too_long", SPAN, INFO, SCOPE_SPAN, true, 4096, "bytes", "tracekeep", \
    "an attribute value is longer than the threshold (exception.stacktrace aside)") \
  X(ATTR_TOO_MANY, "attr.too_many", SPAN, INFO, SCOPE_SPAN, true, 128, "attributes", "tracekeep", \
    "the span has more attributes than the threshold, which SDKs take for their limit") \
  X(ATTR_DROPPED, "attr.dropped", SPAN, WARN, SCOPE_SPAN | SCOPE_GROUP, true, 0, "", "tracekeep", \
    "the producer dropped attributes, events or links (of a resource: one finding a service)") \
  X(ATTR_NULL_VALUE, "attr.null_value", SPAN, INFO, SCOPE_SPAN, true, 0, "", "tracekeep", \
    "an attribute has no value") \
  X(NAME_EMPTY, "name.empty", SPAN, WARN, SCOPE_SPAN, true, 0, "", "tracekeep", \
    "the span has no name") \
  X(NAME_HIGH_CARDINALITY, "name.high_cardinality", SPAN, WARN, SCOPE_GROUP, true, 10, "names", "tracekeep", \
    "span names of a service differ only in numbers or ids, and are more than the threshold") \
  X(STATUS_MESSAGE, "status.message_without_error", SPAN, INFO, SCOPE_SPAN, true, 0, "", "tracekeep", \
    "a status message, though the status is not error") \
  X(STATUS_OK_EXCEPTION, "status.ok_with_exception", SPAN, INFO, SCOPE_SPAN, true, 0, "", "tracekeep", \
    "the status is ok, and an exception was recorded (it may have been handled)") \
  X(STATUS_HTTP, "status.http_mismatch", SPAN, WARN, SCOPE_SPAN, true, 0, "", "tracekeep", \
    "HTTP status 5xx and the span is no error, or 4xx of a server span that is an error") \
  X(KIND_UNSPECIFIED, "kind.unspecified", SPAN, INFO, SCOPE_GROUP, true, 0, "", "tracekeep", \
    "spans of a service say no kind") \
  X(LINK_SELF, "link.self", SPAN, WARN, SCOPE_SPAN, true, 0, "", "tracekeep", \
    "the span links to itself") \
  X(TRACESTATE_INVALID, "tracestate.invalid", SPAN, INFO, SCOPE_SPAN, true, 0, "", "W3C Trace Context", \
    "the trace state is not what W3C Trace Context allows") \
  X(SECRET_SUSPECT, "secret.suspect", SPAN, WARN, SCOPE_SPAN, false, 0, "", "tracekeep", \
    "an attribute looks like a password, key or token") \
  X(DEPRECATED, "deprecated", SEMCONV, INFO, SCOPE_GROUP, true, 0, "", "Weaver, semconv 1.44.0", \
    "attributes that the semantic conventions have renamed or given up") \
  X(TYPE_MISMATCH, "type_mismatch", SEMCONV, WARN, SCOPE_GROUP, true, 0, "", "Weaver, semconv 1.44.0", \
    "attribute values of another type than the semantic conventions say") \
  X(UNDEFINED_ENUM, "undefined_enum_variant", SEMCONV, INFO, SCOPE_GROUP, true, 0, "", "Weaver, semconv 1.44.0", \
    "attribute values that the conventions do not list, where they list values") \
  X(REQUIRED_MISSING, "required_attribute_not_present", SEMCONV, INFO, SCOPE_GROUP, true, 0, "", "Weaver, semconv 1.44.0", \
    "spans of a kind that a convention is about lack an attribute it requires") \
  X(DUP_NAMES_DISAGREE, "dup_names_disagree", SEMCONV, WARN, SCOPE_SPAN, true, 0, "", "tracekeep", \
    "an attribute is there by its old and by its new name, with different values") \
  X(SPA_001, "SPA-001", TRACE, INFO, SCOPE_TRACE, true, 10, "spans", "Instrumentation Score", \
    "more INTERNAL spans of one service in a trace than the threshold") \
  X(SPA_002, "SPA-002", TRACE, INFO, SCOPE_TRACE, true, 0, "", "Instrumentation Score", \
    "spans of a service in a trace whose parent is not there (by span: tree.orphan and its kin)") \
  X(SPA_003, "SPA-003", SPAN, WARN, SCOPE_GROUP, true, 10, "names", "Instrumentation Score", \
    "span names of a service are not bounded: as name.high_cardinality, one finding a service") \
  X(SPA_004, "SPA-004", TRACE, INFO, SCOPE_TRACE, true, 0, "", "Instrumentation Score", \
    "a root of the trace is a client span (by span: tree.root_client)") \
  X(SPA_005, "SPA-005", TRACE, INFO, SCOPE_TRACE, true, 20, "spans", "Instrumentation Score", \
    "more spans shorter than 5 ms in a trace than the threshold; a finding for each service that has some") \
  X(RES_001, "RES-001", RESOURCE, INFO, SCOPE_GROUP, true, 0, "", "Instrumentation Score", \
    "resources of a service without service.instance.id") \
  X(RES_002, "RES-002", RESOURCE, WARN, SCOPE_GROUP, true, 0, "", "Instrumentation Score", \
    "one service.instance.id for several pods, hosts or containers") \
  X(RES_003, "RES-003", RESOURCE, INFO, SCOPE_GROUP, true, 0, "", "Instrumentation Score", \
    "resources of a pod without k8s.pod.uid") \
  X(RES_004, "RES-004", RESOURCE, WARN, SCOPE_GROUP, true, 0, "", "Instrumentation Score", \
    "attributes of a resource on spans, or of spans on a resource") \
  X(RES_005, "RES-005", RESOURCE, ERROR, SCOPE_GROUP, true, 0, "", "Instrumentation Score", \
    "a resource without service.name, or with an empty one")
/* clang-format on */

enum quality_rule {
#define QUALITY_ENUM(suffix, ...) RULE_##suffix,
  QUALITY_RULES(QUALITY_ENUM)
#undef QUALITY_ENUM
      RULE_COUNT
};

/** Sets of rules are bits of an uint64_t. */
#define RULE_BIT(rule) ((uint64_t)1 << (rule))

/** What the Instrumentation Score is made of, as far as traces can tell. */
#define SCORE_RULES                                                           \
  (RULE_BIT(RULE_SPA_001) | RULE_BIT(RULE_SPA_002) | RULE_BIT(RULE_SPA_003) | \
   RULE_BIT(RULE_SPA_004) | RULE_BIT(RULE_SPA_005) | RULE_BIT(RULE_RES_001) | \
   RULE_BIT(RULE_RES_002) | RULE_BIT(RULE_RES_003) | RULE_BIT(RULE_RES_004) | \
   RULE_BIT(RULE_RES_005))

struct quality_rule_info {
  const char *id;
  enum quality_stage stage;
  enum tk_severity severity;
  unsigned scope; /**< bits of enum quality_scope */
  bool enabled;
  int64_t threshold;
  const char *unit; /**< of the threshold; "": it has none */
  const char *source;
  const char *description;
};

extern const struct quality_rule_info tk_quality_rules[RULE_COUNT];

const char *tk_quality_stage_name(enum quality_stage stage);
const char *tk_quality_severity_name(enum tk_severity severity);

/** The rule with this id (exactly), or RULE_COUNT. */
enum quality_rule tk_quality_rule_find(const char *id);

struct quality_settings {
  uint64_t enabled;
  int64_t thresholds[RULE_COUNT];
};

void tk_quality_settings_default(struct quality_settings *settings);

/** The defaults, changed by what tk_rule_setting of `schema` says. Rows about rules that do not
 * exist, and values that are no integers, change nothing. */
enum tk_status tk_quality_settings_load(struct quality_settings *settings, sqlite3 *db,
                                        const char *schema, struct tk_error *error);

#endif
