/* SPDX-License-Identifier: MIT
 * The table tk_split names the traces; where in a segment a part is follows from one pass over the
 * trace ids of the segments that are flagged as holding parts. Nothing is read for stores without
 * split traces. */
#include "sqlext/tables/split_traces.h"

#include <stdlib.h>
#include <string.h>

struct id_list {
  uint8_t (*ids)[16]; /* ascending */
  uint32_t count, capacity;
};

static enum tk_status read_ids(struct id_list *list, struct tk_reader *reader,
                               struct tk_error *error) {
  char *sql = sqlite3_mprintf("SELECT DISTINCT trace_id FROM \"%w\".tk_split ORDER BY trace_id",
                              reader->schema);
  sqlite3_stmt *statement = NULL;
  int rc;

  if (!sql) return tk_nomem(error);
  rc = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);
  sqlite3_free(sql);
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const void *id = sqlite3_column_blob(statement, 0);
    rc = SQLITE_OK;
    if (sqlite3_column_bytes(statement, 0) != 16) continue;
    if (list->count == list->capacity) {
      uint32_t capacity = list->capacity ? list->capacity * 2 : 64;
      void *ids = sqlite3_realloc64(list->ids, (uint64_t)capacity * 16);
      if (!ids) {
        rc = SQLITE_NOMEM;
        break;
      }
      list->ids = ids;
      list->capacity = capacity;
    }
    memcpy(list->ids[list->count++], id, 16);
  }
  sqlite3_finalize(statement);
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  if (rc == SQLITE_DONE) return TK_OK;
  return tk_fail(error, rc == SQLITE_BUSY ? TK_BUSY : TK_IO, "reading tk_split: %s",
                 sqlite3_errmsg(reader->db));
}

static uint32_t find_id(const struct id_list *list, const uint8_t *id) {
  uint32_t begin = 0, end = list->count;
  while (begin < end) {
    uint32_t middle = begin + (end - begin) / 2;
    int order = memcmp(list->ids[middle], id, 16);
    if (order == 0) return middle;
    if (order < 0) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return TK_NOT_SPLIT;
}

static bool append_part(struct tk_split_traces *split, uint32_t *capacity,
                        struct tk_split_part part) {
  if (split->part_count == *capacity) {
    uint32_t larger = *capacity ? *capacity * 2 : 64;
    void *parts = sqlite3_realloc64(split->by_segment, (uint64_t)larger * sizeof part);
    if (!parts) return false;
    split->by_segment = parts;
    *capacity = larger;
  }
  split->by_segment[split->part_count++] = part;
  return true;
}

static enum tk_status find_parts(struct tk_split_traces *split, uint32_t *capacity,
                                 const struct id_list *list, struct tk_reader *reader,
                                 uint32_t segment_index, struct tk_error *error) {
  const struct tk_segment *segment;
  const struct tk_column *ids = NULL;
  enum tk_status status = tk_reader_segment(reader, segment_index, &segment, error);

  if (status != TK_OK) return status;
  if (segment->fixed[TK_COL_TRACE_ID] != TK_NO_COLUMN) {
    status = tk_reader_values(reader, segment, segment->fixed[TK_COL_TRACE_ID], 0,
                              segment->summary.trace_count, &ids, error);
  }
  for (uint32_t t = 0; status == TK_OK && ids && t < segment->summary.trace_count; t++) {
    struct tk_split_part part = {find_id(list, ids->fixed + 16 * (size_t)t), segment_index, t};
    if (part.split != TK_NOT_SPLIT && !append_part(split, capacity, part)) {
      status = tk_nomem(error);
    }
  }
  tk_segment_release(segment);
  return status;
}

static int compare_parts(const void *left, const void *right) {
  const struct tk_split_part *a = left, *b = right;
  if (a->split != b->split) return a->split < b->split ? -1 : 1;
  return (a->segment_index > b->segment_index) - (a->segment_index < b->segment_index);
}

static bool arrange_by_trace(struct tk_split_traces *split) {
  split->by_trace = sqlite3_malloc64((uint64_t)split->part_count * sizeof *split->by_trace + 1);
  split->first_part = sqlite3_malloc64(((uint64_t)split->count + 1) * sizeof *split->first_part);
  if (!split->by_trace || !split->first_part) return false;
  if (split->part_count > 0) {
    memcpy(split->by_trace, split->by_segment, split->part_count * sizeof *split->by_trace);
    qsort(split->by_trace, split->part_count, sizeof *split->by_trace, compare_parts);
  }
  uint32_t part = 0;
  for (uint32_t i = 0; i <= split->count; i++) {
    while (part < split->part_count && split->by_trace[part].split < i) part++;
    split->first_part[i] = part;
  }
  return true;
}

enum tk_status tk_split_traces_load(struct tk_split_traces *split, struct tk_reader *reader,
                                    struct tk_error *error) {
  struct tk_split_traces loaded = {0};
  struct id_list list = {0};
  uint32_t capacity = 0, flagged = 0;
  enum tk_status status = TK_OK;

  *split = (struct tk_split_traces){0};
  for (uint32_t s = 0; s < reader->segment_count; s++) {
    flagged += (reader->segments[s].flags & TK_SEGMENT_HAS_SPLIT) != 0;
  }
  if (flagged == 0) return TK_OK;
  if ((status = read_ids(&list, reader, error)) != TK_OK) goto done;
  loaded.count = list.count;
  for (uint32_t s = 0; s < reader->segment_count; s++) {
    if (!(reader->segments[s].flags & TK_SEGMENT_HAS_SPLIT)) continue;
    status = find_parts(&loaded, &capacity, &list, reader, s, error);
    if (status != TK_OK) goto done;
  }
  if (!arrange_by_trace(&loaded)) {
    status = tk_nomem(error);
    goto done;
  }
  *split = loaded;
  loaded = (struct tk_split_traces){0};

done:
  sqlite3_free(list.ids);
  tk_split_traces_reset(&loaded);
  return status;
}

void tk_split_traces_reset(struct tk_split_traces *split) {
  sqlite3_free(split->by_segment);
  sqlite3_free(split->by_trace);
  sqlite3_free(split->first_part);
  *split = (struct tk_split_traces){0};
}

uint32_t tk_split_traces_find(const struct tk_split_traces *split, uint32_t segment_index,
                              uint32_t trace_index) {
  uint32_t begin = 0, end = split->part_count;
  while (begin < end) {
    uint32_t middle = begin + (end - begin) / 2;
    const struct tk_split_part *part = &split->by_segment[middle];
    if (part->segment_index < segment_index ||
        (part->segment_index == segment_index && part->trace_index < trace_index)) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  if (begin < split->part_count && split->by_segment[begin].segment_index == segment_index &&
      split->by_segment[begin].trace_index == trace_index) {
    return split->by_segment[begin].split;
  }
  return TK_NOT_SPLIT;
}
