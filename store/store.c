/* SPDX-License-Identifier: MIT
 * The public handle of a store: a connection, and a reader of its segments. */
#include "store/store.h"

#include <string.h>

#include "store/database.h"

enum tk_status tk_store_open(const char *path, enum tk_open_mode mode, struct tk_store **store_out,
                             struct tk_error *error) {
  struct tk_store *store = sqlite3_malloc64(sizeof *store);
  *store_out = NULL;
  if (!store) return tk_nomem(error);
  memset(store, 0, sizeof *store);
  enum tk_status status = tk_database_open(path, mode, &store->db, error);
  if (status == TK_OK) status = tk_reader_open(store->db, "main", &store->reader, error);
  if (status != TK_OK) {
    tk_store_close(store);
    return status;
  }
  *store_out = store;
  return TK_OK;
}

void tk_store_close(struct tk_store *store) {
  if (!store) return;
  tk_reader_close(store->reader);
  sqlite3_close(store->db);
  sqlite3_free(store);
}

sqlite3 *tk_store_database(struct tk_store *store) {
  return store->db;
}

/* A trace in n segments is counted n times by the segments; tk_split has those rows. */
static enum tk_status count_split_surplus(struct tk_store *store, int64_t *surplus_out,
                                          struct tk_error *error) {
  return tk_database_integer(store->db, "SELECT count(*) - count(DISTINCT trace_id) FROM tk_split",
                             0, surplus_out, error);
}

enum tk_status tk_store_info(struct tk_store *store, struct tk_store_info *info_out,
                             struct tk_error *error) {
  struct tk_store_info info = {0};
  int64_t surplus = 0, file_bytes = 0, version = 0;
  enum tk_status status =
      tk_database_integer(store->db,
                          "SELECT page_count * page_size FROM pragma_page_count, "
                          "pragma_page_size",
                          0, &file_bytes, error);
  if (status == TK_OK) status = count_split_surplus(store, &surplus, error);
  if (status == TK_OK) {
    status = tk_database_integer(store->db, "PRAGMA user_version", 0, &version, error);
  }
  if (status == TK_OK) status = tk_reader_refresh(store->reader, error);
  if (status != TK_OK) return status;
  for (uint32_t i = 0; i < store->reader->segment_count; i++) {
    const struct tk_segment_summary *summary = &store->reader->segments[i];
    if (i == 0 || summary->start_min < info.start_min_unix_ns) {
      info.start_min_unix_ns = summary->start_min;
    }
    if (summary->end_max > info.end_max_unix_ns) info.end_max_unix_ns = summary->end_max;
    info.segments++;
    info.spans += summary->span_count;
    info.traces += summary->trace_count;
    info.events += summary->event_count;
    info.links += summary->link_count;
    info.errors += summary->error_count;
    info.raw_bytes += summary->raw_bytes;
  }
  info.traces -= (uint64_t)surplus;
  info.file_bytes = (uint64_t)file_bytes;
  info.schema_version = (uint32_t)version;
  *info_out = info;
  return TK_OK;
}
