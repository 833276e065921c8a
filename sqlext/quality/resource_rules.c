/* SPDX-License-Identifier: MIT
 * Rules about resources: those whose spans were counted, that is, that spans of the store (or of
 * the window) have. One finding is about all resources of a service that lack something, or about
 * all that share an instance id. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/quality/quality.h"

static const struct tk_attributes *attributes_of(const struct quality_resource *resource) {
  return &resource->stored->resource.attributes;
}

static struct tk_text text_attribute(const struct quality_resource *resource, const char *key) {
  const struct tk_attribute *attribute = tk_quality_attribute(attributes_of(resource), key);
  if (!attribute || attribute->value.type != TK_VALUE_STRING || attribute->value.size == 0) {
    return (struct tk_text){NULL, 0};
  }
  return (struct tk_text){attribute->value.as.text, attribute->value.size};
}

/* ---- what each resource lacks, by service ---- */

static bool lacks_instance(const struct quality_resource *resource) {
  return tk_quality_attribute(attributes_of(resource), "service.instance.id") == NULL;
}

static bool lacks_pod_uid(const struct quality_resource *resource) {
  return text_attribute(resource, "k8s.pod.name").data &&
         !tk_quality_attribute(attributes_of(resource), "k8s.pod.uid");
}

static bool is_unknown(const struct quality_resource *resource) {
  return text_begins(resource->stored->service, "unknown_service");
}

static bool dropped_attributes(const struct quality_resource *resource) {
  return attributes_of(resource)->dropped_count > 0;
}

static const struct lack {
  enum quality_rule rule;
  bool (*is)(const struct quality_resource *resource);
  const char *words;
} lacks[] = {
    {RULE_RES_001, lacks_instance, "without service.instance.id"},
    {RULE_RES_003, lacks_pod_uid, "of a pod (k8s.pod.name), and without k8s.pod.uid"},
    {RULE_SERVICE_UNKNOWN, is_unknown, "with the name that an SDK makes up; expected service.name"},
    {RULE_ATTR_DROPPED, dropped_attributes, "with lost attributes (dropped_attributes_count)"},
};

struct tally {
  const struct quality_resource *first;
  uint32_t resources, faulty;
  uint64_t spans;
};

static void report_lack(struct quality *quality, const struct lack *lack,
                        const struct tally *tally) {
  struct quality_findings *findings = &quality->findings;
  if (tally->faulty == 0 || !tk_quality_find_service(quality, lack->rule, tally->first)) return;
  tk_quality_say(findings, "%u of ", tally->faulty);
  tk_quality_say_count(findings, tally->resources, "resource");
  tk_quality_say(findings, " of the service %s (", lack->words);
  tk_quality_say_count(findings, tally->spans, "span");
  tk_quality_say(findings, ")");
  tk_quality_note_unsigned(findings, "resources", tally->faulty);
  tk_quality_note_unsigned(findings, "of_resources", tally->resources);
  tk_quality_note_unsigned(findings, "count", tally->spans);
  tk_quality_note_int(findings, "example_resource_id", tally->first->stored->id);
}

static enum tk_status check_lack(struct quality *quality, const struct lack *lack,
                                 struct tk_error *error) {
  const uint64_t services = quality->service_count;
  struct tally *tallies = sqlite3_malloc64(services * sizeof *tallies + 1);
  if (!tallies) return tk_nomem(error);
  memset(tallies, 0, services * sizeof *tallies);
  for (uint32_t i = 0; i < quality->resource_count; i++) {
    const struct quality_resource *resource = &quality->resources[i];
    struct tally *tally = &tallies[resource->service_number];
    if (resource->span_count == 0) continue;
    tally->resources++;
    if (!lack->is(resource)) continue;
    if (tally->faulty++ == 0) tally->first = resource;
    tally->spans += resource->span_count;
  }
  for (uint64_t s = 0; s < services; s++) report_lack(quality, lack, &tallies[s]);
  sqlite3_free(tallies);
  return TK_OK;
}

static void check_service_name(struct quality *quality, const struct quality_resource *resource) {
  struct quality_findings *findings = &quality->findings;
  if (resource->stored->service.data || !tk_quality_find_service(quality, RULE_RES_005, resource)) {
    return;
  }
  const struct tk_attribute *name = tk_quality_attribute(attributes_of(resource), "service.name");
  const char *found = !name                                 ? "none"
                      : name->value.type == TK_VALUE_STRING ? "an empty one"
                                                            : "one that is no text";
  tk_quality_say(findings, "expected service.name, found %s (resource %lld, ", found,
                 (long long)resource->stored->id);
  tk_quality_say_count(findings, resource->span_count, "span");
  tk_quality_say(findings, ")");
  tk_quality_note_word(findings, "found", found);
  tk_quality_note_unsigned(findings, "count", resource->span_count);
  tk_quality_note_int(findings, "example_resource_id", resource->stored->id);
}

/* ---- resources with one instance id ---- */

struct instance {
  const struct quality_resource *resource;
  struct tk_text id, name_space;
};

static int compare_texts(struct tk_text a, struct tk_text b) {
  const uint32_t shorter = a.size < b.size ? a.size : b.size;
  const int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
  return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_instances(const void *left, const void *right) {
  const struct instance *a = left, *b = right;
  if (a->resource->service_number != b->resource->service_number) {
    return a->resource->service_number > b->resource->service_number ? 1 : -1;
  }
  int order = compare_texts(a->name_space, b->name_space);
  if (order == 0) order = compare_texts(a->id, b->id);
  if (order != 0) return order;
  return (a->resource->stored->id > b->resource->stored->id) -
         (a->resource->stored->id < b->resource->stored->id);
}

static bool is_same_instance(const struct instance *a, const struct instance *b) {
  return a->resource->service_number == b->resource->service_number &&
         tk_text_equal(a->name_space, b->name_space) && tk_text_equal(a->id, b->id);
}

/* What tells workloads apart. */
static const char *const workload_keys[] = {"k8s.pod.uid", "k8s.pod.name", "host.id", "host.name",
                                            "container.id"};

/* Resources [0, count) share an instance id: whether `key` tells some of them apart. */
static bool values_differ(const struct instance *instances, uint32_t count, const char *key) {
  struct tk_text first = {NULL, 0};
  for (uint32_t i = 0; i < count; i++) {
    const struct tk_text text = text_attribute(instances[i].resource, key);
    if (!first.data) first = text;
    if (text.data && !tk_text_equal(text, first)) return true;
  }
  return false;
}

static void report_instance(struct quality *quality, enum quality_rule rule,
                            const struct instance *instances, uint32_t count, struct tk_text key,
                            const char *what) {
  struct quality_findings *findings = &quality->findings;
  if (!tk_quality_find_service(quality, rule, instances->resource)) return;
  tk_quality_say(findings, "%u resources have the service.instance.id ", count);
  tk_quality_say_text(findings, instances->id);
  tk_quality_say(findings, ", %s ", what);
  tk_quality_say_text(findings, key);
  tk_quality_note_text(findings, "service.instance.id", instances->id);
  tk_quality_note_text(findings, "key", key);
  tk_quality_note_unsigned(findings, "resources", count);
  tk_quality_note_int(findings, "example_resource_id", instances->resource->stored->id);
}

static bool same_value(const struct tk_value *a, const struct tk_value *b) {
  if (a->type != b->type) return false;
  if (a->type == TK_VALUE_STRING) {
    return tk_text_equal((struct tk_text){a->as.text, a->size},
                         (struct tk_text){b->as.text, b->size});
  }
  if (a->type == TK_VALUE_INT || a->type == TK_VALUE_BOOL) return a->as.integer == b->as.integer;
  return true; /* lists and the like are not compared */
}

/* An attribute, and whose it is. */
struct owned {
  const struct tk_attribute *attribute;
  const struct quality_resource *owner;
};

static int compare_owned(const void *left, const void *right) {
  const struct owned *a = left, *b = right;
  const int order = compare_texts(a->attribute->key, b->attribute->key);
  if (order != 0) return order;
  const int64_t x = a->owner->stored->id, y = b->owner->stored->id;
  return (x > y) - (x < y);
}

/* The first key, in their order, that two of the resources have with different values; NULL: none.
 */
static enum tk_status find_conflict(const struct instance *instances, uint32_t count,
                                    const struct tk_attribute **conflict_out,
                                    struct tk_error *error) {
  uint64_t total = 0, filled = 0;
  *conflict_out = NULL;
  for (uint32_t r = 0; r < count; r++) total += attributes_of(instances[r].resource)->count;
  struct owned *list = sqlite3_malloc64(total * sizeof *list + 1);
  if (!list) return tk_nomem(error);
  for (uint32_t r = 0; r < count; r++) {
    const struct tk_attributes *attributes = attributes_of(instances[r].resource);
    for (uint32_t i = 0; i < attributes->count; i++) {
      list[filled++] = (struct owned){&attributes->items[i], instances[r].resource};
    }
  }
  qsort(list, filled, sizeof *list, compare_owned);
  for (uint64_t first = 0, i = 1; i < filled && !*conflict_out; i++) {
    if (!tk_text_equal(list[i].attribute->key, list[first].attribute->key)) {
      first = i;
    } else if (list[i].owner != list[first].owner &&
               !same_value(&list[i].attribute->value, &list[first].attribute->value)) {
      *conflict_out = list[i].attribute;
    }
  }
  sqlite3_free(list);
  return TK_OK;
}

static enum tk_status check_instances(struct quality *quality, const struct instance *instances,
                                      uint32_t count, struct tk_error *error) {
  const struct tk_attribute *conflict = NULL;
  for (size_t k = 0; k < sizeof workload_keys / sizeof *workload_keys; k++) {
    if (!values_differ(instances, count, workload_keys[k])) continue;
    if (tk_quality_wants(quality, RULE_RES_002)) {
      report_instance(quality, RULE_RES_002, instances, count,
                      (struct tk_text){workload_keys[k], (uint32_t)strlen(workload_keys[k])},
                      "and are told apart by");
    }
    return TK_OK;
  }
  if (!tk_quality_wants(quality, RULE_RESOURCE_CONFLICT)) return TK_OK;
  enum tk_status status = find_conflict(instances, count, &conflict, error);
  if (conflict) {
    report_instance(quality, RULE_RESOURCE_CONFLICT, instances, count, conflict->key,
                    "and different values of");
  }
  return status;
}

static enum tk_status check_shared_instances(struct quality *quality, struct tk_error *error) {
  struct instance *instances =
      sqlite3_malloc64((uint64_t)quality->resource_count * sizeof *instances + 1);
  uint32_t count = 0;
  if (!instances) return tk_nomem(error);
  for (uint32_t i = 0; i < quality->resource_count; i++) {
    const struct quality_resource *resource = &quality->resources[i];
    const struct tk_text id = text_attribute(resource, "service.instance.id");
    if (resource->span_count == 0 || !id.data) continue;
    instances[count++] =
        (struct instance){resource, id, text_attribute(resource, "service.namespace")};
  }
  if (count > 1) qsort(instances, count, sizeof *instances, compare_instances);
  enum tk_status status = TK_OK;
  for (uint32_t begin = 0, end; begin < count && status == TK_OK; begin = end) {
    end = begin + 1;
    while (end < count && is_same_instance(&instances[begin], &instances[end])) end++;
    if (end - begin > 1) status = check_instances(quality, &instances[begin], end - begin, error);
  }
  sqlite3_free(instances);
  return status;
}

/* ---- all of them ---- */

enum tk_status tk_quality_resource_rules(struct quality *quality, struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (size_t i = 0; i < sizeof lacks / sizeof *lacks && status == TK_OK; i++) {
    if (tk_quality_wants(quality, lacks[i].rule)) status = check_lack(quality, &lacks[i], error);
  }
  for (uint32_t i = 0; i < quality->resource_count && tk_quality_wants(quality, RULE_RES_005);
       i++) {
    if (quality->resources[i].span_count > 0) {
      check_service_name(quality, &quality->resources[i]);
    }
  }
  if (status == TK_OK &&
      quality->rules & (RULE_BIT(RULE_RES_002) | RULE_BIT(RULE_RESOURCE_CONFLICT))) {
    status = check_shared_instances(quality, error);
  }
  return status;
}
