/* SPDX-License-Identifier: MIT
 * Drawing the graph of services, in one pass over the segments.
 *
 * Parents with children: a span whose parent is in another service is a call of its service by the
 * parent's. Pairs: a CLIENT or PRODUCER span with the SERVER or CONSUMER span that is its child
 * (or, as Zipkin does it, has the same id); what has no partner is a database, somebody outside, or
 * unpaired. The kernel works on arrays by row: a segment's own, or those of a trace that was put
 * together from several segments. */
#include "sqlext/metrics/service_graph.h"

#include <string.h>

#include "sqlext/spans/spans_values.h"
#include "sqlext/tables/split_rows.h"
#include "sqlext/tables/split_traces.h"
#include "sqlext/tables/table_support.h"

/* Attributes that name the other side. */
enum peer_key {
  PEER_SERVICE,
  SERVER_ADDRESS,
  NETWORK_PEER_ADDRESS,
  NETWORK_PEER_PORT,
  DB_NAMESPACE,
  DB_NAME,
  DB_SYSTEM,
  DB_SYSTEM_NAME,
  PEER_KEYS
};
static const char *const peer_keys[PEER_KEYS] = {
    "peer.service", "server.address", "network.peer.address", "network.peer.port", "db.namespace",
    "db.name",      "db.system",      "db.system.name"};

/* What a row of a split trace has beside what tk_split_row says. */
struct payload {
  uint32_t service, database, peer;
  int32_t status;
};

struct drawing {
  struct tk_service_graph *graph;
  struct tk_reader *reader;
  const struct spans_columns *columns;
  const struct tk_service_graph_options *options;
  uint32_t peer_columns[PEER_KEYS]; /* of spans; UINT32_MAX: no span has the key */
  struct tk_split_traces split;
  struct tk_split_rows split_rows;
  struct payload *payloads;
  uint32_t payload_count, payload_capacity;
  struct spans_scratch scratch;
  struct tk_byte_writer joined;
  uint32_t user; /* number of the name "user" */
};

/* Spans of whole traces, by row. */
struct rows {
  struct tk_ints durations, statuses, kinds;
  const int64_t *starts;    /* NULL: not needed */
  const uint32_t *services; /* TK_NO_NODE: no service.name */
  const uint32_t *parents;
  uint8_t *paired;                /* pairs only: found its partner, or needs none */
  struct spans_segment *segment;  /* NULL: of split traces */
  const struct payload *payloads; /* split traces only, as are: */
  const struct tk_whole_trace *trace;
};

static bool has_window(const struct tk_service_graph_options *options) {
  return options->since > 0 || options->until < UINT64_MAX;
}

/* ---- names and edges ---- */

static enum tk_status number_name(struct drawing *drawing, struct tk_text text, uint32_t *number,
                                  struct tk_error *error) {
  struct tk_service_graph *graph = drawing->graph;
  bool is_new = false;

  *number = tk_interner_add(&graph->names, text, &is_new);
  if (*number == TK_INTERNER_FAILED) return tk_nomem(error);
  if (!is_new) return TK_OK;
  char *copy = tk_arena_alloc_bytes(&graph->arena, (size_t)text.size + 1);
  if (!copy) return tk_nomem(error);
  if (text.size > 0) memcpy(copy, text.data, text.size);
  graph->names.items[*number].data = copy;
  return TK_OK;
}

static uint64_t hash_edge(uint32_t client, uint32_t server, enum tk_edge_type type) {
  uint64_t key = ((uint64_t)client << 32 | server) * 0x9E3779B97F4A7C15u + (uint64_t)type;
  key = (key ^ key >> 32) * 0xD6E8FEB86659FD93u;
  return key ^ key >> 32;
}

static enum tk_status grow_slots(struct tk_service_graph *graph, struct tk_error *error) {
  uint32_t count = graph->slot_count ? graph->slot_count * 2 : 256;
  uint32_t *slots = sqlite3_malloc64(count * sizeof *slots);
  if (!slots) return tk_nomem(error);
  memset(slots, 0, count * sizeof *slots);
  for (uint32_t i = 0; i < graph->edge_count; i++) {
    const struct tk_edge *edge = &graph->edges[i];
    uint64_t at = hash_edge(edge->client, edge->server, edge->type) & (count - 1);
    while (slots[at]) at = (at + 1) & (count - 1);
    slots[at] = i + 1;
  }
  sqlite3_free(graph->slots);
  graph->slots = slots;
  graph->slot_count = count;
  return TK_OK;
}

static enum tk_status find_edge(struct tk_service_graph *graph, uint32_t client, uint32_t server,
                                enum tk_edge_type type, uint32_t *number, struct tk_error *error) {
  enum tk_status status;

  if (graph->edge_count >= graph->slot_count / 2 && (status = grow_slots(graph, error)) != TK_OK) {
    return status;
  }
  uint64_t at = hash_edge(client, server, type) & (graph->slot_count - 1);
  for (; graph->slots[at]; at = (at + 1) & (graph->slot_count - 1)) {
    const struct tk_edge *edge = &graph->edges[graph->slots[at] - 1];
    if (edge->client == client && edge->server == server && edge->type == type) {
      *number = graph->slots[at] - 1;
      return TK_OK;
    }
  }
  if (graph->edge_count == graph->edge_capacity) {
    uint32_t grown = graph->edge_capacity ? graph->edge_capacity * 2 : 64;
    struct tk_edge *edges = sqlite3_realloc64(graph->edges, grown * sizeof *edges);
    if (!edges) return tk_nomem(error);
    graph->edges = edges;
    graph->edge_capacity = grown;
  }
  *number = graph->edge_count++;
  graph->edges[*number] = (struct tk_edge){.client = client, .server = server, .type = type};
  graph->slots[at] = *number + 1;
  return TK_OK;
}

/* ---- rows ---- */

static bool is_kind(const struct rows *rows, uint32_t row, int64_t kind, int64_t messaging_kind) {
  int64_t found = tk_ints_at(rows->kinds, row);
  return (found == kind || found == messaging_kind) && rows->services[row] != TK_NO_NODE;
}

static bool is_client(const struct rows *rows, uint32_t row) {
  return is_kind(rows, row, TK_KIND_CLIENT, TK_KIND_PRODUCER);
}

static bool is_server(const struct rows *rows, uint32_t row) {
  return is_kind(rows, row, TK_KIND_SERVER, TK_KIND_CONSUMER);
}

static bool is_error(const struct rows *rows, uint32_t row) {
  return tk_ints_at(rows->statuses, row) == TK_STATUS_ERROR;
}

/* Counts a call whose sides are rows; UINT32_MAX: there is no such span. */
static enum tk_status add_call(struct drawing *drawing, const struct rows *rows, uint32_t client,
                               uint32_t server, enum tk_edge_type type, uint32_t client_row,
                               uint32_t server_row, struct tk_error *error) {
  const struct tk_service_graph_options *options = drawing->options;
  struct tk_service_graph *graph = drawing->graph;
  uint32_t number = 0, receiving = server_row != UINT32_MAX ? server_row : client_row;
  bool kept = true;

  if (rows->starts) {
    uint64_t start = (uint64_t)rows->starts[receiving];
    if (start < options->since || start >= options->until) return TK_OK;
  }
  enum tk_status status = find_edge(graph, client, server, type, &number, error);
  if (status != TK_OK) return status;
  bool failed = server_row != UINT32_MAX && is_error(rows, server_row);
  /* A parent's own failure is not its child's; a client's is its call's. */
  if (client_row != UINT32_MAX && options->by_pairs) failed |= is_error(rows, client_row);
  graph->edges[number].calls++;
  graph->edges[number].failed += failed;
  if (!options->wants_quantiles) return TK_OK;
  if (!tk_group_samples_reserve(&graph->client_durations, number + 1) ||
      !tk_group_samples_reserve(&graph->server_durations, number + 1)) {
    return tk_nomem(error);
  }
  if (client_row != UINT32_MAX) {
    kept = tk_group_samples_add(&graph->client_durations, number,
                                tk_ints_at(rows->durations, client_row));
  }
  if (server_row != UINT32_MAX && kept) {
    kept = tk_group_samples_add(&graph->server_durations, number,
                                tk_ints_at(rows->durations, server_row));
  }
  return kept ? TK_OK : tk_nomem(error);
}

/* ---- parents with children ---- */

static enum tk_status join_children(struct drawing *drawing, const struct rows *rows,
                                    uint32_t begin, uint32_t end, struct tk_error *error) {
  const uint32_t *services = rows->services, *parents = rows->parents;

  for (uint32_t row = begin; row < end; row++) {
    uint32_t parent = parents[row];
    if (parent == UINT32_MAX || services[parent] == services[row]) continue;
    if (services[parent] == TK_NO_NODE || services[row] == TK_NO_NODE) continue;
    enum tk_status status =
        add_call(drawing, rows, services[parent], services[row], TK_EDGE_CALL, parent, row, error);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

/* ---- attributes ---- */

static bool has_value(const struct spans_attribute *attribute, uint32_t row) {
  for (uint32_t i = 0; i < attribute->part_count; i++) {
    if (attribute->parts[i].value_index[row] != UINT32_MAX) return true;
  }
  return false;
}

/* Text that is not empty, or a number where `number_too`; size 0: none. */
static enum tk_status peer_text(struct drawing *drawing, struct spans_segment *segment,
                                uint32_t row, enum peer_key key, bool number_too,
                                struct tk_text *text, struct tk_error *error) {
  struct tk_sql_value value = {.type = TK_SQL_NULL};
  struct spans_binding *binding;

  *text = (struct tk_text){NULL, 0};
  if (drawing->peer_columns[key] == UINT32_MAX) return TK_OK;
  enum tk_status status = tk_spans_bind(segment, drawing->peer_columns[key], &binding, error);
  if (status != TK_OK || binding->attributes[0].part_count == 0) return status;
  if (row < binding->ready_begin || row >= binding->ready_end) {
    status = tk_spans_prepare(segment, binding, row, error);
  }
  if (status != TK_OK || !has_value(&binding->attributes[0], row)) return status;
  status = tk_spans_value(segment, binding, row, &drawing->scratch, &value, error);
  if (status == TK_OK && value.type == TK_SQL_TEXT) *text = value.as.text;
  if (status == TK_OK && value.type == TK_SQL_INT && number_too) {
    sqlite3_snprintf(sizeof drawing->scratch.text, drawing->scratch.text, "%lld",
                     (long long)value.as.integer);
    *text = (struct tk_text){drawing->scratch.text, (uint32_t)strlen(drawing->scratch.text)};
  }
  return status;
}

/* The first of the keys [first, last] that the span has; TK_NO_NODE: none. */
static enum tk_status first_name(struct drawing *drawing, struct spans_segment *segment,
                                 uint32_t row, enum peer_key first, enum peer_key last,
                                 uint32_t *number, struct tk_error *error) {
  struct tk_text text;

  *number = TK_NO_NODE;
  for (int key = (int)first; key <= (int)last; key++) {
    enum tk_status status =
        peer_text(drawing, segment, row, (enum peer_key)key, false, &text, error);
    if (status != TK_OK) return status;
    if (text.size > 0) return number_name(drawing, text, number, error);
  }
  return TK_OK;
}

static enum tk_status address_name(struct drawing *drawing, struct spans_segment *segment,
                                   uint32_t row, uint32_t *number, struct tk_error *error) {
  struct tk_byte_writer *joined = &drawing->joined;
  struct tk_text text;
  enum tk_status status =
      peer_text(drawing, segment, row, NETWORK_PEER_ADDRESS, false, &text, error);

  if (status != TK_OK || text.size == 0) return status;
  joined->size = 0;
  tk_byte_writer_append(joined, text.data, text.size);
  status = peer_text(drawing, segment, row, NETWORK_PEER_PORT, true, &text, error);
  if (status != TK_OK) return status;
  if (text.size > 0) {
    tk_byte_writer_append_u8(joined, ':');
    tk_byte_writer_append(joined, text.data, text.size);
  }
  if (joined->failed) return tk_nomem(error);
  text = (struct tk_text){(const char *)joined->data, (uint32_t)joined->size};
  return number_name(drawing, text, number, error);
}

/* The database that a CLIENT span asks; TK_NO_NODE: none. */
static enum tk_status database_name(struct drawing *drawing, struct spans_segment *segment,
                                    uint32_t row, uint32_t *number, struct tk_error *error) {
  uint32_t fallback;
  enum tk_status status =
      first_name(drawing, segment, row, DB_NAMESPACE, DB_SYSTEM_NAME, &fallback, error);

  *number = TK_NO_NODE;
  if (status != TK_OK || fallback == TK_NO_NODE) return status;
  status = first_name(drawing, segment, row, PEER_SERVICE, SERVER_ADDRESS, number, error);
  if (status == TK_OK && *number == TK_NO_NODE) {
    status = address_name(drawing, segment, row, number, error);
  }
  if (*number == TK_NO_NODE) *number = fallback;
  return status;
}

/* Who is on the other side of a span that has no partner; TK_NO_NODE: not known. */
static enum tk_status peer_name(struct drawing *drawing, struct spans_segment *segment,
                                uint32_t row, uint32_t *number, struct tk_error *error) {
  enum tk_status status =
      first_name(drawing, segment, row, PEER_SERVICE, PEER_SERVICE, number, error);
  if (status != TK_OK || *number != TK_NO_NODE) return status;
  return first_name(drawing, segment, row, DB_NAME, DB_SYSTEM_NAME, number, error);
}

static enum tk_status database_of(struct drawing *drawing, const struct rows *rows, uint32_t row,
                                  uint32_t *number, struct tk_error *error) {
  if (rows->segment) return database_name(drawing, rows->segment, row, number, error);
  *number = rows->payloads[row].database;
  return TK_OK;
}

static enum tk_status peer_of(struct drawing *drawing, const struct rows *rows, uint32_t row,
                              uint32_t *number, struct tk_error *error) {
  if (rows->segment) return peer_name(drawing, rows->segment, row, number, error);
  *number = rows->payloads[row].peer;
  return TK_OK;
}

/* ---- pairs ---- */

static enum tk_status find_databases(struct drawing *drawing, struct rows *rows, uint32_t begin,
                                     uint32_t end, struct tk_error *error) {
  for (uint32_t row = begin; row < end; row++) {
    uint32_t database = TK_NO_NODE;
    rows->paired[row] = 0;
    if (!is_client(rows, row) || tk_ints_at(rows->kinds, row) != TK_KIND_CLIENT) continue;
    enum tk_status status = database_of(drawing, rows, row, &database, error);
    if (status == TK_OK && database != TK_NO_NODE) {
      rows->paired[row] = 2; /* takes no partner */
      status = add_call(drawing, rows, rows->services[row], database, TK_EDGE_DATABASE, row,
                        UINT32_MAX, error);
    }
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

static enum tk_status add_pair(struct drawing *drawing, struct rows *rows, uint32_t client,
                               uint32_t server, struct tk_error *error) {
  bool messaging = tk_ints_at(rows->kinds, client) == TK_KIND_PRODUCER ||
                   tk_ints_at(rows->kinds, server) == TK_KIND_CONSUMER;
  rows->paired[client] = rows->paired[server] = 1;
  return add_call(drawing, rows, rows->services[client], rows->services[server],
                  messaging ? TK_EDGE_MESSAGING : TK_EDGE_CALL, client, server, error);
}

static enum tk_status span_ids(const struct rows *rows, uint32_t row, const uint8_t **id,
                               struct tk_error *error) {
  const struct tk_column *ids;

  if (!rows->segment) {
    *id = rows->trace->rows[row]->span_id;
    return TK_OK;
  }
  enum tk_status status = tk_reader_row_column(rows->segment->reader, rows->segment->segment,
                                               TK_COL_SPAN_ID, TK_ALL, &ids, error);
  if (status == TK_OK && !ids) status = tk_corrupt(error, "a segment has no span ids");
  if (status == TK_OK) *id = ids->fixed + (size_t)row * 8;
  return status;
}

/* Zipkin's way: the server's span has its client's id. */
static enum tk_status pair_same_ids(struct drawing *drawing, struct rows *rows, uint32_t begin,
                                    uint32_t end, uint32_t server, struct tk_error *error) {
  const uint8_t *id, *other;
  enum tk_status status = span_ids(rows, server, &id, error);

  for (uint32_t row = begin; row < end && status == TK_OK; row++) {
    if (rows->paired[row] || !is_client(rows, row)) continue;
    status = span_ids(rows, row, &other, error);
    if (status == TK_OK && memcmp(id, other, 8) == 0) {
      return add_pair(drawing, rows, row, server, error);
    }
  }
  return status;
}

static enum tk_status has_parent_id(const struct rows *rows, uint32_t row, bool *has_parent,
                                    struct tk_error *error) {
  const uint8_t *id = NULL;
  enum tk_status status = TK_OK;

  if (!rows->segment) {
    *has_parent = rows->trace->rows[row]->has_parent;
    return TK_OK;
  }
  if (rows->parents[row] == UINT32_MAX) {
    status =
        tk_reader_external_parent(rows->segment->reader, rows->segment->segment, row, &id, error);
  }
  *has_parent = rows->parents[row] != UINT32_MAX || id != NULL;
  return status;
}

static enum tk_status add_lonely(struct drawing *drawing, struct rows *rows, uint32_t row,
                                 struct tk_error *error) {
  bool client = is_client(rows, row), has_parent = true;
  uint32_t peer = TK_NO_NODE, service = rows->services[row];
  enum tk_status status = client ? TK_OK : has_parent_id(rows, row, &has_parent, error);

  if (status == TK_OK && (client || !has_parent)) {
    status = peer_of(drawing, rows, row, &peer, error);
  }
  if (status != TK_OK) return status;
  if (!has_parent && peer == TK_NO_NODE) peer = drawing->user;
  return add_call(drawing, rows, client ? service : peer, client ? peer : service,
                  peer == TK_NO_NODE ? TK_EDGE_UNPAIRED : TK_EDGE_VIRTUAL,
                  client ? row : UINT32_MAX, client ? UINT32_MAX : row, error);
}

/* One trace. */
static enum tk_status join_pairs(struct drawing *drawing, struct rows *rows, uint32_t begin,
                                 uint32_t end, struct tk_error *error) {
  uint32_t servers_left = 0, clients_left = 0;
  enum tk_status status = find_databases(drawing, rows, begin, end, error);

  for (uint32_t row = begin; row < end && status == TK_OK; row++) {
    uint32_t parent = rows->parents[row];
    if (!is_server(rows, row)) continue;
    if (parent != UINT32_MAX && is_client(rows, parent) && rows->paired[parent] != 2) {
      status = add_pair(drawing, rows, parent, row, error);
    } else {
      servers_left++;
    }
  }
  for (uint32_t row = begin; row < end && status == TK_OK; row++) {
    clients_left += !rows->paired[row] && is_client(rows, row);
  }
  for (uint32_t row = begin; row < end && status == TK_OK && servers_left && clients_left; row++) {
    if (rows->paired[row] || !is_server(rows, row)) continue;
    status = pair_same_ids(drawing, rows, begin, end, row, error);
  }
  for (uint32_t row = begin; row < end && status == TK_OK && servers_left + clients_left; row++) {
    if (rows->paired[row] || !(is_server(rows, row) || is_client(rows, row))) continue;
    status = add_lonely(drawing, rows, row, error);
  }
  return status;
}

/* ---- segments ---- */

static enum tk_status number_services(struct drawing *drawing, const struct tk_segment *segment,
                                      struct tk_ints resources, uint32_t *services,
                                      struct tk_error *error) {
  uint32_t *by_code = sqlite3_malloc64(segment->resource_count * sizeof *by_code + 1);
  enum tk_status status = by_code ? TK_OK : tk_nomem(error);

  for (uint32_t i = 0; i < segment->resource_count && status == TK_OK; i++) {
    const struct tk_stored_resource *resource =
        tk_reader_resource(drawing->reader, segment->resources[i]);
    by_code[i] = TK_NO_NODE;
    if (!resource) {
      status = tk_corrupt(error, "resource %lld is missing", (long long)segment->resources[i]);
    } else if (resource->service.data) {
      status = number_name(drawing, resource->service, &by_code[i], error);
    }
  }
  if (status == TK_OK && segment->resource_count == 0) {
    status = tk_corrupt(error, "segment %lld has no resource", (long long)segment->summary.id);
  }
  for (uint32_t row = 0; row < segment->summary.span_count && status == TK_OK; row++) {
    services[row] = by_code[tk_ints_at(resources, row)];
  }
  sqlite3_free(by_code);
  return status;
}

static enum tk_status load_rows(struct drawing *drawing, const struct tk_segment *segment,
                                struct rows *rows, struct tk_error *error) {
  struct tk_reader *reader = drawing->reader;
  const struct tk_service_graph_options *options = drawing->options;
  enum tk_status status;

  if ((status = tk_reader_parents(reader, segment, TK_ALL, &rows->parents, error)) ||
      (status = tk_row_ints(reader, segment, TK_COL_STATUS_CODE, TK_ALL, &rows->statuses, error))) {
    return status;
  }
  if (options->wants_quantiles) {
    status = tk_row_ints(reader, segment, TK_COL_DURATION, TK_ALL, &rows->durations, error);
  }
  if (status == TK_OK && options->by_pairs) {
    status = tk_row_ints(reader, segment, TK_COL_KIND, TK_ALL, &rows->kinds, error);
  }
  if (status == TK_OK && has_window(options)) {
    status = tk_reader_starts(reader, segment, TK_ALL, &rows->starts, error);
  }
  return status;
}

/* A part of a split trace: kept until all parts are there. */
static enum tk_status keep_part(struct drawing *drawing, const struct rows *rows, uint32_t split,
                                uint32_t begin, uint32_t end, struct tk_error *error) {
  const struct tk_segment *segment = rows->segment->segment;
  enum tk_status status = tk_split_rows_add(&drawing->split_rows, drawing->reader, segment, split,
                                            begin, end, drawing->payload_count, error);

  if (status != TK_OK) return status;
  uint64_t wanted = (uint64_t)drawing->payload_count + (end - begin);
  if (wanted > drawing->payload_capacity) {
    uint64_t grown = wanted * 2;
    struct payload *payloads = sqlite3_realloc64(drawing->payloads, grown * sizeof *payloads);
    if (!payloads) return tk_nomem(error);
    drawing->payloads = payloads;
    drawing->payload_capacity = (uint32_t)grown;
  }
  for (uint32_t row = begin; row < end && status == TK_OK; row++) {
    struct payload *payload = &drawing->payloads[drawing->payload_count++];
    *payload = (struct payload){rows->services[row], TK_NO_NODE, TK_NO_NODE,
                                (int32_t)tk_ints_at(rows->statuses, row)};
    if (!drawing->options->by_pairs) continue;
    status = database_name(drawing, rows->segment, row, &payload->database, error);
    if (status == TK_OK) status = peer_name(drawing, rows->segment, row, &payload->peer, error);
  }
  return status;
}

static enum tk_status draw_traces(struct drawing *drawing, struct rows *rows, uint32_t index,
                                  struct tk_error *error) {
  const struct tk_segment *segment = rows->segment->segment;
  bool has_split = segment->summary.flags & TK_SEGMENT_HAS_SPLIT;
  const uint32_t *trace_rows;
  enum tk_status status;

  if (!has_split && !drawing->options->by_pairs) {
    return join_children(drawing, rows, 0, segment->summary.span_count, error);
  }
  status = tk_reader_trace_rows(drawing->reader, segment, &trace_rows, error);
  for (uint32_t t = 0; t < segment->summary.trace_count && status == TK_OK; t++) {
    uint32_t begin = trace_rows[t], end = trace_rows[t + 1];
    uint32_t split = has_split ? tk_split_traces_find(&drawing->split, index, t) : TK_NOT_SPLIT;
    if (split != TK_NOT_SPLIT) {
      status = keep_part(drawing, rows, split, begin, end, error);
    } else if (drawing->options->by_pairs) {
      status = join_pairs(drawing, rows, begin, end, error);
    } else {
      status = join_children(drawing, rows, begin, end, error);
    }
  }
  return status;
}

static enum tk_status draw_segment(struct drawing *drawing, uint32_t index,
                                   struct tk_error *error) {
  struct rows rows = {.starts = NULL};
  struct tk_ints resources;
  enum tk_status status =
      tk_spans_segment_open(drawing->reader, drawing->columns, index, &rows.segment, error);

  if (status != TK_OK) return status;
  const struct tk_segment *segment = rows.segment->segment;
  uint64_t count = segment->summary.span_count;
  uint32_t *services = sqlite3_malloc64(count * sizeof *services + 1);
  rows.paired = drawing->options->by_pairs ? sqlite3_malloc64(count + 1) : NULL;
  rows.services = services;
  rows.segment->whole = true;
  if (!services || (drawing->options->by_pairs && !rows.paired)) status = tk_nomem(error);
  if (status == TK_OK) {
    status = tk_row_ints(drawing->reader, segment, TK_COL_RESOURCE, TK_ALL, &resources, error);
  }
  if (status == TK_OK) status = number_services(drawing, segment, resources, services, error);
  if (status == TK_OK) status = load_rows(drawing, segment, &rows, error);
  if (status == TK_OK) status = draw_traces(drawing, &rows, index, error);
  sqlite3_free(services);
  sqlite3_free(rows.paired);
  tk_spans_segment_free(rows.segment);
  return status;
}

/* A trace of several segments. */
static enum tk_status draw_whole_trace(void *context, const struct tk_whole_trace *trace,
                                       struct tk_error *error) {
  struct drawing *drawing = context;
  struct tk_arena arena = {0};
  uint32_t count = trace->count;
  int64_t *durations = tk_arena_alloc(&arena, count * sizeof *durations);
  int64_t *statuses = tk_arena_alloc(&arena, count * sizeof *statuses);
  int64_t *kinds = tk_arena_alloc(&arena, count * sizeof *kinds);
  int64_t *starts = tk_arena_alloc(&arena, count * sizeof *starts);
  uint32_t *services = tk_arena_alloc(&arena, count * sizeof *services);
  struct payload *payloads = tk_arena_alloc(&arena, count * sizeof *payloads);
  uint8_t *paired = tk_arena_alloc(&arena, count);
  enum tk_status status = TK_OK;

  if (!durations || !statuses || !kinds || !starts || !services || !payloads || !paired) {
    status = tk_nomem(error);
  }
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    payloads[i] = drawing->payloads[trace->rows[i]->payload];
    durations[i] = (int64_t)(trace->rows[i]->end - trace->rows[i]->start);
    statuses[i] = payloads[i].status;
    kinds[i] = trace->rows[i]->kind;
    starts[i] = (int64_t)trace->rows[i]->start;
    services[i] = payloads[i].service;
  }
  struct rows rows = {.durations = {.values = durations, .width = sizeof *durations},
                      .statuses = {.values = statuses, .width = sizeof *statuses},
                      .kinds = {.values = kinds, .width = sizeof *kinds},
                      .starts = has_window(drawing->options) ? starts : NULL,
                      .services = services,
                      .parents = trace->parents,
                      .paired = paired,
                      .payloads = payloads,
                      .trace = trace};
  if (status == TK_OK) {
    status = drawing->options->by_pairs ? join_pairs(drawing, &rows, 0, count, error)
                                        : join_children(drawing, &rows, 0, count, error);
  }
  tk_arena_reset(&arena);
  return status;
}

/* ---- the whole ---- */

static void find_peer_columns(struct drawing *drawing) {
  const struct spans_columns *columns = drawing->columns;
  for (int key = 0; key < PEER_KEYS; key++) {
    struct tk_text text = {peer_keys[key], (uint32_t)strlen(peer_keys[key])};
    drawing->peer_columns[key] = UINT32_MAX;
    for (uint32_t i = SPANS_FIRST_ATTRIBUTE; i < columns->count; i++) {
      if (columns->items[i].source == SOURCE_SPAN_ATTRIBUTE &&
          tk_text_equal(columns->items[i].key, text)) {
        drawing->peer_columns[key] = i;
      }
    }
  }
}

static enum tk_status find_quantiles(struct tk_service_graph *graph, struct tk_error *error) {
  static const double qs[TK_EDGE_QUANTILES] = {0.5, 0.95, 0.99};
  uint64_t size = (uint64_t)graph->edge_count * TK_EDGE_QUANTILES * sizeof(double) + 1;

  graph->client_quantiles = sqlite3_malloc64(size);
  graph->server_quantiles = sqlite3_malloc64(size);
  if (!graph->client_quantiles || !graph->server_quantiles ||
      !tk_group_samples_quantiles(&graph->client_durations, graph->edge_count, qs,
                                  TK_EDGE_QUANTILES, graph->client_quantiles) ||
      !tk_group_samples_quantiles(&graph->server_durations, graph->edge_count, qs,
                                  TK_EDGE_QUANTILES, graph->server_quantiles)) {
    return tk_nomem(error);
  }
  return TK_OK;
}

enum tk_status tk_service_graph_draw(struct tk_service_graph *graph, struct tk_reader *reader,
                                     const struct spans_columns *columns,
                                     const struct tk_service_graph_options *options,
                                     struct tk_error *error) {
  struct drawing drawing = {
      .graph = graph, .reader = reader, .columns = columns, .options = options};
  enum tk_status status;

  *graph = (struct tk_service_graph){0};
  find_peer_columns(&drawing);
  status = number_name(&drawing, (struct tk_text){"user", 4}, &drawing.user, error);
  if (status == TK_OK) status = tk_split_traces_load(&drawing.split, reader, error);
  for (uint32_t i = 0; i < reader->segment_count && status == TK_OK; i++) {
    status = draw_segment(&drawing, i, error);
  }
  if (status == TK_OK) {
    status = tk_split_rows_each(&drawing.split_rows, draw_whole_trace, &drawing, error);
  }
  if (status == TK_OK && options->wants_quantiles) status = find_quantiles(graph, error);
  tk_split_traces_reset(&drawing.split);
  tk_split_rows_reset(&drawing.split_rows);
  sqlite3_free(drawing.payloads);
  tk_spans_scratch_reset(&drawing.scratch);
  tk_byte_writer_reset(&drawing.joined);
  if (status != TK_OK) tk_service_graph_reset(graph);
  return status;
}

void tk_service_graph_reset(struct tk_service_graph *graph) {
  tk_interner_reset(&graph->names);
  tk_arena_reset(&graph->arena);
  tk_group_samples_reset(&graph->client_durations);
  tk_group_samples_reset(&graph->server_durations);
  sqlite3_free(graph->edges);
  sqlite3_free(graph->slots);
  sqlite3_free(graph->client_quantiles);
  sqlite3_free(graph->server_quantiles);
  *graph = (struct tk_service_graph){0};
}
