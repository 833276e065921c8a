/* Numbers of the on-disk format. Change docs/segment-format.md in the same commit.
 *
 *   segment   := tk_segment row, whose `directory` names the columns, and one tk_chunk row a column
 *   chunk id  := segment id << 16 | column number
 *   rows      := traces by start; inside a trace depth-first pre-order, siblings by start
 *   granule   := a run of whole traces (row granule), or of values (attribute columns) */
#ifndef TK_STORE_SEGMENT_FORMAT_H
#define TK_STORE_SEGMENT_FORMAT_H

#include <stdint.h>

enum {
  TK_APPLICATION_ID = 0x54524B50, /* "TRKP" */
  TK_SCHEMA_VERSION = 1,          /* PRAGMA user_version; newer: refuse the file */
  TK_SEGMENT_FORMAT = 1,          /* tk_segment.format; newer: refuse the segment */

  TK_SPANS_PER_SEGMENT = 65536,      /* what a full segment aims at */
  TK_SPANS_PER_SEGMENT_MAX = 262144, /* a trace larger than this is split */
  TK_ROWS_PER_GRANULE = 2048 /* a row granule ends at the first trace end at or after this */
};

/* Column numbers. A column in which every value is the default (0, "", none) is not stored. */
enum tk_column_number {
  /* per trace */
  TK_COL_TRACE_ID = 0,   /* FIXED 16 */
  TK_COL_TRACE_ROWS = 1, /* INT: spans of the trace in this segment */

  /* per span (row) */
  TK_COL_SPAN_ID = 2,             /* FIXED 8 */
  TK_COL_DEPTH = 3,               /* INT: distance from the row that is a root here */
  TK_COL_START = 4,               /* INT: see enum tk_start_model; read through tk_reader_starts */
  TK_COL_DURATION = 5,            /* INT: end - start, wrapping (negative: ends before it starts) */
  TK_COL_NAME = 6,                /* TEXT */
  TK_COL_KIND = 7,                /* INT */
  TK_COL_STATUS_CODE = 8,         /* INT */
  TK_COL_STATUS_MESSAGE = 9,      /* TEXT */
  TK_COL_TRACE_STATE = 10,        /* TEXT */
  TK_COL_FLAGS = 11,              /* INT */
  TK_COL_RESOURCE = 12,           /* INT: index into tk_segment.resources */
  TK_COL_SCOPE = 13,              /* INT: index into tk_segment.scopes */
  TK_COL_KEYSET = 14,             /* INT: index into the directory's span keysets */
  TK_COL_PRESENCE = 15,           /* INT: enum tk_span_presence without TK_SPAN_HAS_PARENT */
  TK_COL_DROPPED_ATTRIBUTES = 16, /* INT */
  TK_COL_DROPPED_EVENTS = 17,     /* INT */
  TK_COL_DROPPED_LINKS = 18,      /* INT */
  TK_COL_EVENT_COUNT = 19,        /* INT */
  TK_COL_LINK_COUNT = 20,         /* INT */

  /* sparse: a ROW column (INT, ascending rows) and a value column of the same length */
  TK_COL_PARENT_ROW = 21, /* rows of depth 0 that have a parent id all the same */
  TK_COL_PARENT_ID = 22,  /* FIXED 8 */
  TK_COL_EXTRA_ROW = 23,  /* spans with attributes that have no column */
  TK_COL_EXTRA = 24,      /* TEXT: value_codec.h, "extras" */
  TK_COL_RESIDUAL_ROW = 25,
  TK_COL_RESIDUAL = 26,       /* TEXT: format byte, then the residual */
  TK_COL_TRACE_TEXT_ROW = 27, /* traces (not rows) whose id is a text */
  TK_COL_TRACE_TEXT = 28,     /* TEXT */

  /* per event, in row order */
  TK_COL_EVENT_TIME = 32, /* INT: time - start of its span, wrapping */
  TK_COL_EVENT_NAME = 33,
  TK_COL_EVENT_KEYSET = 34,
  TK_COL_EVENT_DROPPED_ATTRIBUTES = 35,
  TK_COL_EVENT_EXTRA_ROW = 36,
  TK_COL_EVENT_EXTRA = 37,
  TK_COL_EVENT_RESIDUAL_ROW = 38,
  TK_COL_EVENT_RESIDUAL = 39,

  /* per link, in row order */
  TK_COL_LINK_TRACE_ID = 48, /* FIXED 16 */
  TK_COL_LINK_SPAN_ID = 49,  /* FIXED 8 */
  TK_COL_LINK_TRACE_STATE = 50,
  TK_COL_LINK_FLAGS = 51,
  TK_COL_LINK_KEYSET = 52,
  TK_COL_LINK_DROPPED_ATTRIBUTES = 53,
  TK_COL_LINK_EXTRA_ROW = 54,
  TK_COL_LINK_EXTRA = 55,
  TK_COL_LINK_RESIDUAL_ROW = 56,
  TK_COL_LINK_RESIDUAL = 57,

  TK_COL_FIRST_ATTRIBUTE = 64, /* attribute columns, in the order of the directory */
  TK_COL_LAST_ATTRIBUTE = 65535
};

/* Who an attribute column belongs to. (Those of resources, scopes are in tk_resource, tk_scope.) */
enum tk_attribute_scope {
  TK_SCOPE_SPAN = 0,
  TK_SCOPE_EVENT = 1,
  TK_SCOPE_LINK = 2,
  TK_SCOPE_RESOURCE = 3, /* in the catalogue only */
  TK_SCOPE_SCOPE = 4     /* in the catalogue only */
};

/* What TK_COL_START is a difference to; the smallest on the data is chosen. The first row of a
 * trace is always relative to the first row of the trace before it in the granule (or to the
 * segment's start_min). Differences wrap. */
enum tk_start_model {
  TK_START_PREVIOUS_ROW = 0,
  TK_START_PARENT = 1, /* start of the parent row; a further root: start of the previous root */
  TK_START_PREVIOUS_SIBLING = 2 /* end of the previous sibling; first child: start of the parent */
};

#endif
