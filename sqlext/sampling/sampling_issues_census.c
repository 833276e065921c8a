/* SPDX-License-Identifier: MIT
 * Checks over all traces of a service: whether what is said of the sampling agrees with which trace
 * ids are there.
 *
 * Where a threshold T was stated, the randomness R of what was kept is uniform in [T, 2^56); so
 * (R - T) / (2^56 - T) is uniform in [0, 1), whatever mixture of thresholds there is, and the
 * Kolmogorov-Smirnov distance of n traces from that exceeds sqrt(-ln(a / 2) / 2n) with probability
 * a. a is 0.0001, so that of a thousand healthy services hardly one is suspected, and n at least
 * 100. Where nothing was stated, the ratio samplers of SDKs show in their scores: of n uniform ones
 * all would be below m with probability m^n only. A score whose greatest is m, with m^n below
 * 10^-9, and that is uniform in [0, m], tells the SDK and its ratio; what is uniform in none and
 * not in [0, 1) either was made by no random generator. Where a probability was stated (Jaeger,
 * Datadog), the ratio that shows must be that. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/decision_decoders.h"
#include "sqlext/sampling/hash_functions.h"
#include "sqlext/sampling/sampler_math.h"
#include "sqlext/sampling/sampling_issues.h"
#include "sqlext/vtab_support.h"
#include "store/sqlite_api.h"

enum { LEAST_TRACES = 100 };
#define SIGNIFICANCE 1e-4
#define SAMPLER_SIGNIFICANCE 1e-9
#define LEAST_RATIO 1e-6 /* what looks like less is no sampler, but ids that count */

struct policy {
  struct tk_text name, service; /* service of the first trace */
  uint64_t traces, unweighted;
};

/* What is known of a trace's sampling. */
enum stated { STATED_NOTHING, STATED_OTHERWISE, STATED_PROBABILITY, STATED_THRESHOLD };

struct trace_sample {
  uint8_t id[16];
  uint32_t service;
  uint8_t stated;
  double number; /* STATED_THRESHOLD: where R is in [T, 2^56); STATED_PROBABILITY: that */
};

struct tk_sampling_census {
  struct tk_arena arena;
  struct policy *policies;
  uint32_t policy_count, policy_capacity;
  struct trace_sample *traces;
  uint32_t trace_count, trace_capacity;
  struct tk_text *services;
  uint32_t service_count, service_capacity;
};

enum tk_status tk_sampling_census_create(struct tk_sampling_census **census_out,
                                         struct tk_error *error) {
  struct tk_sampling_census *census = sqlite3_malloc64(sizeof *census);
  *census_out = census;
  if (!census) return tk_nomem(error);
  memset(census, 0, sizeof *census);
  return TK_OK;
}

void tk_sampling_census_free(struct tk_sampling_census *census) {
  if (!census) return;
  tk_arena_reset(&census->arena);
  sqlite3_free(census->policies);
  sqlite3_free(census->traces);
  sqlite3_free(census->services);
  sqlite3_free(census);
}

/* ---- policies ---- */

static bool copy_text(struct tk_sampling_census *census, struct tk_text text,
                      struct tk_text *copy) {
  char *bytes = tk_arena_alloc_bytes(&census->arena, (size_t)text.size + 1);
  if (!bytes) return false;
  if (text.size > 0) memcpy(bytes, text.data, text.size);
  *copy = (struct tk_text){bytes, text.size};
  return true;
}

static enum tk_status count_policy(struct tk_sampling_census *census, struct tk_text name,
                                   bool is_weighted, struct tk_error *error) {
  uint32_t i = 0;
  while (i < census->policy_count && !tk_text_equal(census->policies[i].name, name)) i++;
  if (i == census->policy_count) {
    if (!tk_grow_zeroed(&census->policies, &census->policy_capacity, i + 1,
                        sizeof *census->policies)) {
      return tk_nomem(error);
    }
    census->policies[i] = (struct policy){.traces = 0};
    if (!copy_text(census, name, &census->policies[i].name)) return tk_nomem(error);
    census->policy_count++;
  }
  census->policies[i].traces++;
  census->policies[i].unweighted += !is_weighted;
  return TK_OK;
}

enum tk_status tk_sampling_census_add(struct tk_sampling_census *census,
                                      const struct tk_decision_walk *walk, struct tk_error *error) {
  const struct tk_decision *policy = NULL;
  bool is_weighted = false;
  for (uint32_t i = 0; i < walk->list.count; i++) {
    const struct tk_decision *decision = &walk->list.items[i];
    if (decision->source == TK_SOURCE_TAIL && decision->policy.data && !policy) policy = decision;
    is_weighted |= decision->rank != TK_RANK_NONE;
  }
  return policy ? count_policy(census, policy->policy, is_weighted, error) : TK_OK;
}

/* ---- trace ids ---- */

static enum tk_status find_service(struct tk_sampling_census *census, struct tk_text name,
                                   uint32_t *service_out, struct tk_error *error) {
  uint32_t i = 0;
  while (i < census->service_count && !tk_text_equal(census->services[i], name)) i++;
  *service_out = i;
  if (i < census->service_count) return TK_OK;
  if (!tk_grow_zeroed(&census->services, &census->service_capacity, i + 1,
                      sizeof *census->services) ||
      !copy_text(census, name, &census->services[i])) {
    return tk_nomem(error);
  }
  census->service_count++;
  return TK_OK;
}

/* What the decisions of a row state of the probability. */
static void read_stated(const struct tk_decision_list *list, struct trace_sample *trace) {
  for (uint32_t i = 0; i < list->count; i++) {
    const struct tk_decision *decision = &list->items[i];
    if (decision->source == TK_SOURCE_TRACE_STATE && decision->threshold >= 0 &&
        decision->randomness >= 0) {
      const uint64_t threshold = (uint64_t)decision->threshold;
      trace->stated = STATED_OTHERWISE;
      if (decision->consistent == 0) return; /* an issue of its own */
      trace->stated = STATED_THRESHOLD;
      trace->number = (double)((uint64_t)decision->randomness - threshold) /
                      (double)(TK_THRESHOLD_RANGE - threshold);
      return;
    }
    const bool is_ratio = decision->rank == TK_RANK_DATADOG || decision->rank == TK_RANK_JAEGER ||
                          decision->rank == TK_RANK_PROBABILITY;
    if (is_ratio && trace->stated == STATED_NOTHING) {
      trace->stated = STATED_PROBABILITY;
      trace->number = decision->probability;
    } else if (decision->adjusted_count >= 0 || decision->is_forced ||
               decision->source == TK_SOURCE_TAIL || decision->source == TK_SOURCE_HONEYCOMB) {
      trace->stated = STATED_OTHERWISE;
    }
  }
}

/* The first row of each trace: its root, or its earliest span here. */
static enum tk_status read_segment(struct tk_sampling_census *census, struct tk_reader *reader,
                                   struct tk_decision_rows *rows, struct tk_decision_list *list,
                                   uint32_t *services, struct tk_error *error) {
  const struct tk_segment *segment = rows->segment;
  const uint32_t *trace_rows;
  struct tk_decision_input input;
  enum tk_status status = tk_reader_trace_rows(reader, segment, &trace_rows, error);

  if (status == TK_OK && rows->any) status = tk_decision_rows_prepare(rows, TK_ALL, error);
  for (uint32_t t = 0; t < segment->summary.trace_count && status == TK_OK; t++) {
    struct trace_sample trace = {.stated = STATED_NOTHING};
    const uint8_t *id;
    int64_t code, presence;
    bool any = false;
    status = tk_fixed_value(reader, segment, TK_COL_TRACE_ID, t, &id, error);
    if (status == TK_OK) {
      status = tk_int_value(reader, segment, TK_COL_RESOURCE, trace_rows[t], &code, error);
    }
    if (status == TK_OK) {
      status = tk_int_value(reader, segment, TK_COL_PRESENCE, trace_rows[t], &presence, error);
    }
    if (status != TK_OK) return status;
    if (presence & (TK_SPAN_TEXT_TRACE_ID | TK_SPAN_SYNTHETIC_TRACE_ID)) continue;
    memcpy(trace.id, id, 16);
    trace.service = (uint64_t)code < segment->resource_count ? services[code] : 0;
    if (rows->any) status = tk_decision_rows_read(rows, trace_rows[t], &input, &any, error);
    if (status == TK_OK && any) {
      list->count = 0;
      tk_decisions_decode(&input, rows->sources, list);
      read_stated(list, &trace);
      tk_arena_reset(list->arena);
    }
    if (status != TK_OK) return status;
    if (list->failed || !tk_grow_zeroed(&census->traces, &census->trace_capacity,
                                        census->trace_count + 1, sizeof *census->traces)) {
      return tk_nomem(error);
    }
    census->traces[census->trace_count++] = trace;
  }
  return status;
}

static enum tk_status name_services(struct tk_sampling_census *census, struct tk_reader *reader,
                                    const struct tk_segment *segment, uint32_t **services_out,
                                    struct tk_error *error) {
  enum tk_status status = TK_OK;
  uint32_t *services = sqlite3_malloc64(((uint64_t)segment->resource_count + 1) * sizeof *services);
  *services_out = services;
  if (!services) return tk_nomem(error);
  for (uint32_t code = 0; code < segment->resource_count && status == TK_OK; code++) {
    const struct tk_stored_resource *resource =
        tk_reader_resource(reader, segment->resources[code]);
    const struct tk_text none = {"", 0};
    status = find_service(census, resource && resource->service.data ? resource->service : none,
                          &services[code], error);
  }
  return status;
}

enum tk_status tk_sampling_census_read(struct tk_sampling_census *census, struct tk_reader *reader,
                                       struct tk_error *error) {
  const uint32_t sources = TK_ALL_SOURCES & ~TK_SOURCE_BIT(TK_SOURCE_FLAGS);
  struct tk_arena arena = {0};
  struct tk_decision_list list = {.arena = &arena, .without_raw = true};
  struct tk_segment_list segments = {0};
  enum tk_status status = tk_segment_list_init(&segments, reader, error);

  for (uint32_t s = 0; s < segments.count && status == TK_OK; s++) {
    const struct tk_segment *segment = NULL;
    struct tk_decision_rows rows = {.reader = NULL};
    uint32_t *services = NULL;
    status = tk_segment_list_open(&segments, reader, s, &segment, error);
    if (status != TK_OK) break;
    status = tk_decision_rows_open(&rows, reader, segment, sources, error);
    if (status == TK_OK) status = name_services(census, reader, segment, &services, error);
    if (status == TK_OK) status = read_segment(census, reader, &rows, &list, services, error);
    sqlite3_free(services);
    tk_decision_rows_close(&rows);
    tk_segment_release(segment);
  }
  tk_segment_list_reset(&segments);
  tk_decision_list_reset(&list);
  tk_arena_reset(&arena);
  return status;
}

/* ---- distributions ---- */

static int compare_doubles(const void *left, const void *right) {
  double a, b;
  memcpy(&a, left, sizeof a);
  memcpy(&b, right, sizeof b);
  return (a > b) - (a < b);
}

/* The greatest distance between the sorted values and the uniform distribution in [0, top]. */
static double distance(const double *values, uint32_t count, double top) {
  double greatest = 0;
  for (uint32_t i = 0; i < count; i++) {
    const double expected = values[i] / top;
    const double above = (double)(i + 1) / count - expected, below = expected - (double)i / count;
    if (above > greatest) greatest = above;
    if (below > greatest) greatest = below;
  }
  return greatest;
}

static double critical(uint32_t count) {
  return sqrt(-log(SIGNIFICANCE / 2) / (2 * (double)count));
}

static struct tk_sampling_issue *add_issue(struct tk_sampling_issue_list *list,
                                           enum tk_sampling_issue_type type, struct tk_text service,
                                           const char *message, uint32_t count, double found) {
  struct tk_sampling_issue *issue =
      tk_sampling_issue_add(list, type, "%s (%u traces, distance %.4f, expected below %.4f)",
                            message, (unsigned)count, found, critical(count));
  if (issue && service.size > 0) issue->service = service;
  return issue;
}

static void check_stated(struct tk_sampling_issue_list *list, struct tk_text service,
                         double *numbers, uint32_t count) {
  if (count < LEAST_TRACES) return;
  qsort(numbers, count, sizeof *numbers, compare_doubles);
  const double found = distance(numbers, count, 1);
  if (found < critical(count)) return;
  struct tk_sampling_issue *issue =
      add_issue(list, TK_ISSUE_DISTRIBUTION, service,
                "expected randomness to be uniform above the stated thresholds: either they were "
                "not applied, or trace ids are not random",
                count, found);
  tk_sampling_issue_context(list, issue,
                            "{\"traces\":%u,\"distance\":%.6g,\"critical\":%.6g,"
                            "\"significance\":%.3g}",
                            (unsigned)count, found, critical(count), SIGNIFICANCE);
}

/* What samplers compare with their ratio: those of SDKs, Jaeger's clients, Datadog's agents; and
 * what those do that keep high randomness. */
enum score {
  SCORE_GO,
  SCORE_GO_OLD,
  SCORE_JAVA,
  SCORE_JS,
  SCORE_JAEGER,
  SCORE_DATADOG,
  SCORE_CONSISTENT,
  SCORE_COUNT
};

static const char *const score_names[SCORE_COUNT] = {
    "go, rust or python", "go before 1.12", "java or dotnet",        "js",
    "jaeger client",      "datadog",        "consistent probability"};

/* In [0, 1]. */
static double score_of(enum score kind, const uint8_t id[16]) {
  static const enum tk_sdk sdks[] = {TK_SDK_GO, TK_SDK_GO_OLD, TK_SDK_JAVA, TK_SDK_JS};
  const uint64_t low = tk_big_endian_64(id + 8);
  if (kind == SCORE_JAEGER) return (double)(low & INT64_MAX) / 0x1p63;
  if (kind == SCORE_DATADOG) return (double)tk_knuth_hash(low) / 0x1p64;
  if (kind != SCORE_CONSISTENT) return tk_sdk_score(sdks[kind], id);
  return 1 - (double)(tk_trace_randomness(id) + 1) / (double)TK_THRESHOLD_RANGE;
}

/* A sampler that explains which ids are there. */
struct explanation {
  enum score kind;
  double ratio, top, distance;
};

/* False: none does. Then `scores` are sorted, of the last kind: the randomness. */
static bool explain(const struct trace_sample *const *traces, uint32_t count, double *scores,
                    struct explanation *found) {
  for (int kind = 0; kind < SCORE_COUNT; kind++) {
    for (uint32_t i = 0; i < count; i++) {
      scores[i] = score_of((enum score)kind, traces[i]->id);
    }
    qsort(scores, count, sizeof *scores, compare_doubles);
    const double top = scores[count - 1];
    if (!(top > LEAST_RATIO) || count * log(top) > log(SAMPLER_SIGNIFICANCE)) continue;
    *found = (struct explanation){(enum score)kind, top * (count + 1.0) / count, top,
                                  distance(scores, count, top)};
    if (found->distance < critical(count)) return true;
  }
  return false;
}

static void check_unstated(struct tk_sampling_issue_list *list, struct tk_text service,
                           const struct trace_sample *const *traces, uint32_t count,
                           double *scores) {
  struct tk_sampling_issue *issue;
  struct explanation found;
  if (count < LEAST_TRACES) return;
  if (explain(traces, count, scores, &found)) {
    issue = tk_sampling_issue_add(
        list, TK_ISSUE_RATIO_SAMPLER,
        "trace ids look sampled by %s with a ratio of about %.4g, which no span says (%u traces)",
        score_names[found.kind], found.ratio, (unsigned)count);
    if (issue && service.size > 0) issue->service = service;
    tk_sampling_issue_context(list, issue,
                              "{\"sampler\":\"%s\",\"ratio\":%.6g,\"traces\":%u,"
                              "\"distance\":%.6g}",
                              score_names[found.kind], found.ratio, (unsigned)count,
                              found.distance);
    return;
  }
  found.distance = distance(scores, count, 1);
  if (found.distance < critical(count)) return;
  issue = add_issue(list, TK_ISSUE_DISTRIBUTION, service,
                    "expected random trace ids: thresholds and ratios mean nothing with these",
                    count, found.distance);
  tk_sampling_issue_context(list, issue,
                            "{\"traces\":%u,\"distance\":%.6g,\"critical\":%.6g,"
                            "\"significance\":%.3g}",
                            (unsigned)count, found.distance, critical(count), SIGNIFICANCE);
}

/* Where the ids show a ratio, it has to be the one that is stated. (Where they show none, the
 * sampler may have thrown dice.) Of services that state one probability all the time. */
static void check_probability(struct tk_sampling_issue_list *list, struct tk_text service,
                              const struct trace_sample *const *traces, uint32_t count,
                              double *scores) {
  struct explanation found;
  if (count < LEAST_TRACES) return;
  const double stated = traces[0]->number;
  for (uint32_t i = 1; i < count; i++) {
    if (fabs(traces[i]->number - stated) > 1e-9) return;
  }
  if (!explain(traces, count, scores, &found)) return;
  if (found.top <= stated * (1 + 1e-9) && count * log(found.top / stated) > log(SIGNIFICANCE)) {
    return;
  }
  struct tk_sampling_issue *issue =
      tk_sampling_issue_add(list, TK_ISSUE_DISTRIBUTION,
                            "expected a probability of %.4g, as stated; trace ids look sampled by "
                            "%s with a ratio of about "
                            "%.4g (%u traces)",
                            stated, score_names[found.kind], found.ratio, (unsigned)count);
  if (issue && service.size > 0) issue->service = service;
  tk_sampling_issue_context(list, issue,
                            "{\"stated\":%.6g,\"sampler\":\"%s\",\"ratio\":%.6g,\"traces\":%u,"
                            "\"significance\":%.3g}",
                            stated, score_names[found.kind], found.ratio, (unsigned)count,
                            SIGNIFICANCE);
}

/* A trace in several segments counts once: with what was stated, if anything was. */
static int compare_traces(const void *left, const void *right) {
  const struct trace_sample *a = left, *b = right;
  const int order = memcmp(a->id, b->id, 16);
  return order != 0 ? order : (b->stated > a->stated) - (b->stated < a->stated);
}

static void drop_duplicates(struct tk_sampling_census *census) {
  uint32_t kept = 0;
  if (census->trace_count < 2) return;
  qsort(census->traces, census->trace_count, sizeof *census->traces, compare_traces);
  for (uint32_t i = 0; i < census->trace_count; i++) {
    if (kept > 0 && memcmp(census->traces[kept - 1].id, census->traces[i].id, 16) == 0) continue;
    census->traces[kept++] = census->traces[i];
  }
  census->trace_count = kept;
}

static void add_policies(const struct tk_sampling_census *census,
                         struct tk_sampling_issue_list *list) {
  for (uint32_t i = 0; i < census->policy_count; i++) {
    const struct policy *policy = &census->policies[i];
    if (policy->unweighted == 0) continue;
    struct tk_sampling_issue *issue = tk_sampling_issue_add(
        list, TK_ISSUE_UNWEIGHTED_POLICY,
        "%llu of %llu traces that policy \"%.*s\" kept carry no weight; replaying the "
        "configuration that was in force gives some",
        (unsigned long long)policy->unweighted, (unsigned long long)policy->traces,
        (int)policy->name.size, policy->name.data);
    struct tk_byte_writer json = {0};
    tk_json_text(&json, policy->name);
    tk_byte_writer_append_u8(&json, 0);
    if (json.failed) {
      list->failed = true;
    } else {
      tk_sampling_issue_context(list, issue, "{\"policy\":%s,\"traces\":%llu,\"unweighted\":%llu}",
                                (const char *)json.data, (unsigned long long)policy->traces,
                                (unsigned long long)policy->unweighted);
    }
    tk_byte_writer_reset(&json);
  }
}

static int compare_services(const void *left, const void *right) {
  const struct trace_sample *a = left, *b = right;
  return (a->service > b->service) - (a->service < b->service);
}

/* Traces [begin, end), which are of one service. */
static void check_service(const struct tk_sampling_census *census,
                          struct tk_sampling_issue_list *list, uint32_t begin, uint32_t end,
                          double *numbers, const struct trace_sample **samples) {
  const struct tk_text service = census->services[census->traces[begin].service];
  uint32_t count = 0;
  for (uint32_t i = begin; i < end; i++) {
    if (census->traces[i].stated == STATED_THRESHOLD) numbers[count++] = census->traces[i].number;
  }
  check_stated(list, service, numbers, count);
  count = 0;
  for (uint32_t i = begin; i < end; i++) {
    if (census->traces[i].stated == STATED_NOTHING) samples[count++] = &census->traces[i];
  }
  check_unstated(list, service, samples, count, numbers);
  count = 0;
  for (uint32_t i = begin; i < end; i++) {
    if (census->traces[i].stated == STATED_PROBABILITY) samples[count++] = &census->traces[i];
  }
  check_probability(list, service, samples, count, numbers);
}

enum tk_status tk_sampling_census_issues(struct tk_sampling_census *census,
                                         struct tk_sampling_issue_list *list,
                                         struct tk_error *error) {
  double *numbers;
  const struct trace_sample **samples;

  add_policies(census, list);
  drop_duplicates(census);
  const uint64_t count = (uint64_t)census->trace_count + 1;
  numbers = sqlite3_malloc64(count * sizeof *numbers);
  samples = sqlite3_malloc64(count * sizeof *samples);
  if (!numbers || !samples) list->failed = true;
  if (census->trace_count > 1) {
    qsort(census->traces, census->trace_count, sizeof *census->traces, compare_services);
  }
  for (uint32_t begin = 0; begin < census->trace_count && !list->failed;) {
    uint32_t end = begin + 1;
    while (end < census->trace_count &&
           census->traces[end].service == census->traces[begin].service) {
      end++;
    }
    check_service(census, list, begin, end, numbers, samples);
    begin = end;
  }
  sqlite3_free(numbers);
  sqlite3_free(samples);
  return list->failed ? tk_nomem(error) : TK_OK;
}
