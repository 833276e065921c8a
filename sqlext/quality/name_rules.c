/* SPDX-License-Identifier: MIT
 * Names of spans that are many because they contain numbers or ids. A name becomes a *template*
 * when each number, UUID, or long run of hexadecimal digits in it is replaced by {}; a service
 * whose names give one template in many ways puts values into names. Names without such parts cost
 * nothing but a look at the dictionary. */
#include <string.h>

#include "sqlext/quality/quality.h"
#include "tracekeep/hash.h"

enum {
  TEMPLATE_MAX = 200,  /* longer ones are cut, and so may be taken for the same */
  HEX_LEAST = 8,       /* digits that make an id, if one is decimal */
  ID_LEAST = 16,       /* letters and digits that do, if */
  ID_DIGITS_LEAST = 4, /* so many are decimal */
  NAMES_MAX = 1 << 22  /* distinct names that are remembered */
};

struct name_group {
  uint64_t hash; /* of service and template; 0: a free slot */
  const struct quality_resource *resource;
  struct tk_text template, example;
  uint64_t names;
};

struct names {
  struct tk_arena arena;
  uint64_t *seen; /* hashes of service and name; 0: a free slot */
  uint64_t seen_count, seen_slots;
  struct name_group *groups;
  uint32_t group_count, group_slots;
};

/* ---- templates ---- */

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
static bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
static bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static uint32_t uuid_size(struct tk_text text, uint32_t at) {
  static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  const uint32_t size = sizeof form - 1;
  if (text.size - at < size) return 0;
  for (uint32_t i = 0; i < size; i++) {
    const char c = text.data[at + i];
    if (form[i] == '-' ? c != '-' : !is_hex(c)) return 0;
  }
  if (at + size < text.size && is_alphanumeric(text.data[at + size])) return 0;
  return size;
}

/* Whether a run of letters and digits is a value rather than a word. */
static bool is_value(struct tk_text run) {
  uint32_t digits = 0, hex = 0;
  for (uint32_t i = 0; i < run.size; i++) {
    digits += is_digit(run.data[i]);
    hex += is_hex(run.data[i]);
  }
  if (digits == run.size) return true;
  if (hex == run.size && run.size >= HEX_LEAST && digits > 0) return true;
  return run.size >= ID_LEAST && digits >= ID_DIGITS_LEAST;
}

/* The template of a name, in `out`; false: the name has no such part. */
static bool make_template(struct tk_text name, char out[TEMPLATE_MAX], struct tk_text *template) {
  uint32_t size = 0, at = 0;
  bool found = false;
  while (at < name.size && size + 2 < TEMPLATE_MAX) {
    uint32_t run = uuid_size(name, at);
    bool is = run > 0;
    if (!is) {
      while (at + run < name.size && is_alphanumeric(name.data[at + run])) run++;
      is = run > 0 && is_value((struct tk_text){name.data + at, run});
      if (run == 0) run = 1;
    }
    found |= is;
    if (is) {
      out[size++] = '{';
      out[size++] = '}';
    } else {
      if (run > TEMPLATE_MAX - size) run = TEMPLATE_MAX - size;
      memcpy(out + size, name.data + at, run);
      size += run;
    }
    at += run;
  }
  *template = (struct tk_text){out, size};
  return found;
}

/* ---- counting ---- */

static uint64_t hash_text(uint32_t service, struct tk_text text) {
  struct tk_hash hash;
  tk_hash_init(&hash);
  tk_hash_update(&hash, &service, sizeof service);
  if (text.size > 0) tk_hash_update(&hash, text.data, text.size);
  const uint64_t digest = tk_hash_digest(&hash);
  return digest ? digest : 1;
}

static uint64_t *find_seen(const struct names *names, uint64_t hash) {
  uint64_t slot = hash & (names->seen_slots - 1);
  while (names->seen[slot] != 0 && names->seen[slot] != hash) {
    slot = (slot + 1) & (names->seen_slots - 1);
  }
  return &names->seen[slot];
}

static bool grow_seen(struct names *names) {
  struct names larger = {.seen_slots = names->seen_slots ? names->seen_slots * 2 : 1024};
  larger.seen = sqlite3_malloc64(larger.seen_slots * sizeof *larger.seen);
  if (!larger.seen) return false;
  memset(larger.seen, 0, larger.seen_slots * sizeof *larger.seen);
  for (uint64_t i = 0; i < names->seen_slots; i++) {
    if (names->seen[i] != 0) *find_seen(&larger, names->seen[i]) = names->seen[i];
  }
  sqlite3_free(names->seen);
  names->seen = larger.seen;
  names->seen_slots = larger.seen_slots;
  return true;
}

static struct name_group *find_group(const struct names *names, uint64_t hash) {
  uint32_t slot = (uint32_t)hash & (names->group_slots - 1);
  while (names->groups[slot].hash != 0 && names->groups[slot].hash != hash) {
    slot = (slot + 1) & (names->group_slots - 1);
  }
  return &names->groups[slot];
}

static bool grow_groups(struct names *names) {
  struct names larger = {.group_slots = names->group_slots ? names->group_slots * 2 : 256};
  larger.groups = sqlite3_malloc64(larger.group_slots * sizeof *larger.groups);
  if (!larger.groups) return false;
  memset(larger.groups, 0, larger.group_slots * sizeof *larger.groups);
  for (uint32_t i = 0; i < names->group_slots; i++) {
    if (names->groups[i].hash != 0) *find_group(&larger, names->groups[i].hash) = names->groups[i];
  }
  sqlite3_free(names->groups);
  names->groups = larger.groups;
  names->group_slots = larger.group_slots;
  return true;
}

static bool copy_text(struct names *names, struct tk_text text, struct tk_text *copy_out) {
  char *copy = tk_arena_alloc_bytes(&names->arena, text.size);
  if (!copy) return false;
  if (text.size > 0) memcpy(copy, text.data, text.size);
  *copy_out = (struct tk_text){copy, text.size};
  return true;
}

static bool add_name(struct names *names, const struct quality_resource *resource,
                     struct tk_text name, struct tk_text template) {
  const uint64_t hash = hash_text(resource->service_number, name);
  if (names->seen_count * 2 >= names->seen_slots && !grow_seen(names)) return false;
  uint64_t *seen = find_seen(names, hash);
  if (*seen != 0 || names->seen_count == NAMES_MAX) return true;
  if (names->group_count * 2 >= names->group_slots && !grow_groups(names)) return false;
  const uint64_t group_hash = hash_text(resource->service_number, template);
  struct name_group *group = find_group(names, group_hash);
  if (group->hash == 0) {
    struct name_group made = {.hash = group_hash, .resource = resource};
    if (!copy_text(names, template, &made.template) || !copy_text(names, name, &made.example)) {
      return false;
    }
    *group = made;
    names->group_count++;
  }
  *seen = hash;
  names->seen_count++;
  group->names++;
  return true;
}

/* ---- a segment ---- */

struct segment_names {
  const struct tk_segment *segment;
  const struct tk_column *column;
  struct tk_ints resources;
  const int64_t *starts;
  uint8_t *marks; /* by code: 1 if the name has a template; NULL: no dictionary */
};

static enum tk_status add_rows(struct quality *quality, struct names *names,
                               const struct segment_names *in, struct tk_error *error) {
  char buffer[TEMPLATE_MAX];
  int64_t last_resource = -1;
  uint32_t last_code = UINT32_MAX;
  for (uint32_t row = 0; row < in->segment->summary.span_count; row++) {
    const int64_t code = tk_ints_at(in->resources, row);
    struct tk_text template;
    if (in->marks && !in->marks[tk_column_code(in->column, row)]) continue;
    if (in->starts && ((uint64_t)in->starts[row] < quality->since ||
                       (uint64_t)in->starts[row] >= quality->until)) {
      continue;
    }
    if (in->marks && code == last_resource && tk_column_code(in->column, row) == last_code)
      continue;
    last_resource = code;
    last_code = in->marks ? tk_column_code(in->column, row) : UINT32_MAX;
    const struct quality_resource *resource = tk_quality_resource_of(quality, in->segment, code);
    const struct tk_text name = tk_column_text(in->column, row);
    if (!resource->is_wanted || !make_template(name, buffer, &template)) continue;
    if (!add_name(names, resource, name, template)) return tk_nomem(error);
  }
  return TK_OK;
}

static enum tk_status mark_codes(struct segment_names *in, bool *any_out, struct tk_error *error) {
  char buffer[TEMPLATE_MAX];
  struct tk_text template;
  *any_out = true;
  if (!in->column->has_dictionary) return TK_OK;
  if (!(in->marks = sqlite3_malloc64((uint64_t)in->column->dictionary_count + 1))) {
    return tk_nomem(error);
  }
  *any_out = false;
  for (uint32_t code = 0; code < in->column->dictionary_count; code++) {
    in->marks[code] =
        make_template(tk_column_dictionary_entry(in->column, code), buffer, &template);
    *any_out |= in->marks[code];
  }
  return TK_OK;
}

static enum tk_status add_segment(struct quality *quality, struct names *names,
                                  uint32_t segment_index, struct tk_error *error) {
  struct segment_names in = {.segment = NULL};
  bool any;
  enum tk_status status = tk_quality_segment(quality, segment_index, &in.segment, error);
  if (status != TK_OK) return status;
  const uint32_t index = in.segment->fixed[TK_COL_NAME];
  if (index == TK_NO_COLUMN) return TK_OK;
  status = tk_reader_column(quality->reader, in.segment, index, &in.column, error);
  if (status == TK_OK) status = mark_codes(&in, &any, error);
  if (status == TK_OK && any) {
    status =
        tk_reader_row_column(quality->reader, in.segment, TK_COL_NAME, TK_ALL, &in.column, error);
    if (status == TK_OK) {
      status =
          tk_row_ints(quality->reader, in.segment, TK_COL_RESOURCE, TK_ALL, &in.resources, error);
    }
    if (status == TK_OK && quality->has_window) {
      status = tk_reader_starts(quality->reader, in.segment, TK_ALL, &in.starts, error);
    }
    if (status == TK_OK) status = add_rows(quality, names, &in, error);
  }
  sqlite3_free(in.marks);
  return status;
}

/* ---- findings ---- */

static void report_group(struct quality *quality, const struct name_group *group) {
  struct quality_findings *findings = &quality->findings;
  const int64_t most = tk_quality_threshold(quality, RULE_NAME_HIGH_CARDINALITY);
  if (group->names <= (uint64_t)most ||
      !tk_quality_find_service(quality, RULE_NAME_HIGH_CARDINALITY, group->resource)) {
    return;
  }
  tk_quality_say(findings, "%llu span names like ", (unsigned long long)group->names);
  tk_quality_say_text(findings, group->template);
  tk_quality_say(findings, ", expected at most %lld: values belong into attributes",
                 (long long)most);
  tk_quality_note_text(findings, "template", group->template);
  tk_quality_note_text(findings, "example", group->example);
  tk_quality_note_unsigned(findings, "found", group->names);
  tk_quality_note_int(findings, "expected_at_most", most);
}

struct service_names {
  const struct quality_resource *resource;
  uint64_t names, templates;
};

static enum tk_status report_services(struct quality *quality, const struct names *names,
                                      struct tk_error *error) {
  const int64_t most = tk_quality_threshold(quality, RULE_SPA_003);
  const uint64_t count = quality->service_count;
  struct service_names *services = sqlite3_malloc64(count * sizeof *services + 1);
  if (!services) return tk_nomem(error);
  memset(services, 0, count * sizeof *services);
  for (uint32_t i = 0; i < names->group_slots; i++) {
    const struct name_group *group = &names->groups[i];
    if (group->hash == 0 || group->names <= (uint64_t)most) continue;
    struct service_names *service = &services[group->resource->service_number];
    service->resource = group->resource;
    service->names += group->names;
    service->templates++;
  }
  for (uint64_t i = 0; i < count; i++) {
    if (!services[i].resource ||
        !tk_quality_find_service(quality, RULE_SPA_003, services[i].resource)) {
      continue;
    }
    tk_quality_say(
        &quality->findings, "%llu span names are %llu when numbers and ids are taken out of them",
        (unsigned long long)services[i].names, (unsigned long long)services[i].templates);
    tk_quality_note_unsigned(&quality->findings, "names", services[i].names);
    tk_quality_note_unsigned(&quality->findings, "templates", services[i].templates);
  }
  sqlite3_free(services);
  return TK_OK;
}

enum tk_status tk_quality_name_rules(struct quality *quality, struct tk_error *error) {
  struct names names = {.seen = NULL};
  enum tk_status status = TK_OK;

  if (!(quality->rules & (RULE_BIT(RULE_NAME_HIGH_CARDINALITY) | RULE_BIT(RULE_SPA_003)))) {
    return TK_OK;
  }
  for (uint32_t s = 0; s < quality->segments.count && status == TK_OK; s++) {
    status = add_segment(quality, &names, s, error);
    tk_quality_close_segments(quality);
  }
  if (status == TK_OK && tk_quality_wants(quality, RULE_NAME_HIGH_CARDINALITY)) {
    for (uint32_t i = 0; i < names.group_slots; i++) {
      if (names.groups[i].hash != 0) report_group(quality, &names.groups[i]);
    }
  }
  if (status == TK_OK && tk_quality_wants(quality, RULE_SPA_003)) {
    status = report_services(quality, &names, error);
  }
  sqlite3_free(names.seen);
  sqlite3_free(names.groups);
  tk_arena_reset(&names.arena);
  return status;
}
