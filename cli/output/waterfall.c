/* SPDX-License-Identifier: MIT
 * Draws one trace. A line is: mark, service, tree and name, kind, duration, bar. The marks (!
 * error, ? parent not stored) say in text what colour says on a terminal. */
#include "cli/output/waterfall.h"

#include <math.h>
#include <sqlite3.h>
#include <string.h>

#include "cli/output/display.h"
#include "cli/output/quantity.h"
#include "cli/output/text_buffer.h"
#include "cli/output/value_text.h"

enum {
  MARK_WIDTH = 2,
  KIND_WIDTH = 4,
  DURATION_WIDTH = 8,
  GAP = 2,
  INDENT = 2, /* columns of a branch */
  SERVICE_WIDTH_MAX = 16,
  BAR_WIDTH_MIN = 16,
  TICK_COUNT = 4
};

/* What lines are drawn with. `full`, `left` and `right` are a cell and its halves. */
struct glyphs {
  const char *branch, *last, *pipe, *full, *left, *right, *detail;
};
static const struct glyphs unicode_glyphs = {.branch = "├ ",
                                             .last = "└ ",
                                             .pipe = "│ ",
                                             .full = "█",
                                             .left = "▌",
                                             .right = "▐",
                                             .detail = "· "};
static const struct glyphs ascii_glyphs = {.branch = "|-",
                                           .last = "`-",
                                           .pipe = "| ",
                                           .full = "#",
                                           .left = "#",
                                           .right = "#",
                                           .detail = "- "};

#define RED "\x1b[31m"
#define DIM "\x1b[2m"
#define BOLD "\x1b[1m"
#define PLAIN "\x1b[0m"

struct waterfall {
  const struct tk_trace *trace;
  const struct tk_waterfall_options *options;
  const struct glyphs *glyphs;
  struct tk_text_buffer text;
  uint64_t begin_ns, end_ns;
  size_t service_width, label_width, bar_width;
  uint32_t service_count, error_count, orphan_count;
  uint8_t *is_last;       /* by span: no later sibling */
  uint8_t *ancestor_last; /* by depth: of the span being drawn and its ancestors */
};

static struct tk_text service_of(const struct tk_span *span) {
  return tk_attributes_find_text(&span->resource->attributes, "service.name");
}

static bool same_text(struct tk_text a, struct tk_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool is_orphan(const struct waterfall *w, uint32_t i) {
  return w->trace->depths[i] == 0 && (w->trace->spans[i].presence & TK_SPAN_HAS_PARENT);
}

static const char *kind_name(int32_t kind) {
  static const char *const names[] = {"", "int", "srv", "cli", "pro", "con"};
  return kind >= 0 && kind <= TK_KIND_CONSUMER ? names[kind] : "?";
}

/* ---- measuring ---- */

static void count_services(struct waterfall *w) {
  enum { REMEMBERED = 256 };
  struct tk_text seen[REMEMBERED];
  for (uint32_t i = 0; i < w->trace->span_count; i++) {
    struct tk_text service = service_of(&w->trace->spans[i]);
    uint32_t at = 0;
    while (at < w->service_count && !same_text(seen[at], service)) at++;
    if (at == w->service_count && at < REMEMBERED) seen[w->service_count++] = service;
    size_t width = tk_display_width(service.data, service.size);
    if (width > w->service_width) w->service_width = width;
  }
  if (w->service_width > SERVICE_WIDTH_MAX) w->service_width = SERVICE_WIDTH_MAX;
  if (w->service_width < strlen("service")) w->service_width = strlen("service");
}

static void measure_spans(struct waterfall *w) {
  const struct tk_trace *trace = w->trace;
  w->begin_ns = trace->spans[0].start_unix_ns;
  for (uint32_t i = 0; i < trace->span_count; i++) {
    const struct tk_span *span = &trace->spans[i];
    if (span->start_unix_ns < w->begin_ns) w->begin_ns = span->start_unix_ns;
    if (span->start_unix_ns > w->end_ns) w->end_ns = span->start_unix_ns;
    if (span->end_unix_ns > w->end_ns) w->end_ns = span->end_unix_ns;
    if (span->status_code == TK_STATUS_ERROR) w->error_count++;
    if (is_orphan(w, i)) w->orphan_count++;
    size_t width =
        INDENT * (size_t)trace->depths[i] + tk_display_width(span->name.data, span->name.size);
    if (width > w->label_width) w->label_width = width;
  }
}

static void share_width(struct waterfall *w) {
  size_t width = w->options->width;
  size_t fixed = MARK_WIDTH + w->service_width + GAP + KIND_WIDTH + 1 + DURATION_WIDTH + GAP;
  size_t rest = width > fixed + 2 * BAR_WIDTH_MIN ? width - fixed : 2 * BAR_WIDTH_MIN;
  size_t most = rest * 55 / 100;
  if (w->label_width > most) w->label_width = most;
  if (w->label_width < 12) w->label_width = 12;
  w->bar_width = rest - w->label_width - GAP;
}

/* The tree's shape, from the last span to the first: a span is the last of its siblings if none of
 * its depth was seen since its parent's depth. */
static bool find_last_siblings(struct waterfall *w) {
  uint32_t count = w->trace->span_count;
  uint32_t deepest = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (w->trace->depths[i] > deepest) deepest = w->trace->depths[i];
  }
  w->is_last = sqlite3_malloc64(count);
  w->ancestor_last = sqlite3_malloc64((uint64_t)deepest + 1);
  if (!w->is_last || !w->ancestor_last) return false;
  memset(w->ancestor_last, 1, (size_t)deepest + 1);
  for (uint32_t i = count; i-- > 0;) {
    uint32_t depth = w->trace->depths[i];
    w->is_last[i] = w->ancestor_last[depth];
    w->ancestor_last[depth] = 0;
    /* Deeper levels belonged to spans after this one; for those before it they start anew. */
    for (uint32_t d = depth + 1; d <= deepest && !w->ancestor_last[d]; d++) w->ancestor_last[d] = 1;
  }
  return true;
}

/* ---- lines ---- */

static void put_line(struct waterfall *w, FILE *out) {
  while (w->text.size > 0 && w->text.data[w->text.size - 1] == ' ') w->text.size--;
  tk_text_buffer_add_char(&w->text, '\n');
  if (w->text.size > 0) fwrite(w->text.data, 1, w->text.size, out);
  tk_text_buffer_clear(&w->text);
}

static void add_colour(struct waterfall *w, const char *colour) {
  if (w->options->colour) tk_text_buffer_add(&w->text, colour);
}

/* A text in a column of fixed width, then spaces. */
static void add_cell(struct waterfall *w, const char *text, size_t size, size_t width, size_t gap) {
  size_t used = tk_text_buffer_add_display(&w->text, text, size, width);
  tk_text_buffer_repeat(&w->text, " ", width - used + gap);
}

static void add_right(struct waterfall *w, const char *text, size_t width) {
  size_t size = strlen(text);
  if (size < width) tk_text_buffer_repeat(&w->text, " ", width - size);
  tk_text_buffer_add(&w->text, text);
}

static void write_header(struct waterfall *w, FILE *out) {
  struct tk_text_buffer *text = &w->text;
  char time[TK_FORMAT_SIZE], duration[TK_FORMAT_SIZE], line[256];
  tk_format_time(w->begin_ns, 3, time);
  tk_format_duration((int64_t)(w->end_ns - w->begin_ns), duration);
  uint32_t spans = w->trace->span_count;
  tk_text_buffer_add(text, "trace ");
  add_colour(w, BOLD);
  struct tk_text id = w->trace->spans[0].trace_id_text;
  if (id.size > 0) {
    tk_text_buffer_add_display(text, id.data, id.size, SIZE_MAX);
  } else {
    tk_text_buffer_add_hex(text, w->trace->trace_id, 16);
  }
  add_colour(w, PLAIN);
  put_line(w, out);
  snprintf(line, sizeof line, "%s UTC, %s, %u span%s, %u service%s", time, duration, spans,
           spans == 1 ? "" : "s", w->service_count, w->service_count == 1 ? "" : "s");
  tk_text_buffer_add(text, line);
  if (w->error_count > 0) {
    snprintf(line, sizeof line, ", %u error%s (!)", w->error_count, w->error_count == 1 ? "" : "s");
    add_colour(w, RED);
    tk_text_buffer_add(text, line);
    add_colour(w, PLAIN);
  }
  if (w->orphan_count > 0) {
    snprintf(line, sizeof line, ", %u without stored parent (?)", w->orphan_count);
    tk_text_buffer_add(text, line);
  }
  put_line(w, out);
  put_line(w, out);
}

/* Headings, with the time at each quarter of the bars. */
static void write_headings(struct waterfall *w, FILE *out) {
  struct tk_text_buffer *text = &w->text;
  add_colour(w, DIM);
  tk_text_buffer_repeat(text, " ", MARK_WIDTH);
  add_cell(w, "service", strlen("service"), w->service_width, GAP);
  add_cell(w, "span", strlen("span"), w->label_width, GAP);
  add_cell(w, "kind", strlen("kind"), KIND_WIDTH, 1);
  add_right(w, "duration", DURATION_WIDTH);
  tk_text_buffer_repeat(text, " ", GAP);
  size_t used = 0;
  size_t ticks = w->bar_width >= 52 ? TICK_COUNT : w->bar_width >= 26 ? 2 : 1;
  for (size_t tick = 0; tick <= ticks; tick++) {
    char label[TK_FORMAT_SIZE];
    size_t at = w->bar_width * tick / ticks;
    tk_format_duration((int64_t)((w->end_ns - w->begin_ns) / ticks * tick), label);
    if (tick == 0) snprintf(label, sizeof label, "0");
    size_t size = strlen(label);
    if (tick == ticks) at = at > size ? at - size : 0;
    if (at < used + (tick > 0)) continue;
    tk_text_buffer_repeat(text, " ", at - used);
    tk_text_buffer_add(text, label);
    used = at + size;
  }
  add_colour(w, PLAIN);
  put_line(w, out);
}

/* Branches up to the depth of span `i`; too deep to draw: the depth as a number. */
static size_t add_branches(struct waterfall *w, uint32_t i, bool for_detail) {
  uint32_t depth = w->trace->depths[i];
  if (INDENT * (size_t)depth > w->label_width * 2 / 3) {
    char number[16];
    snprintf(number, sizeof number, "[%u] ", depth);
    if (for_detail) memset(number, ' ', strlen(number));
    tk_text_buffer_add(&w->text, number);
    return strlen(number);
  }
  add_colour(w, DIM);
  for (uint32_t level = 1; level <= depth; level++) {
    bool last = w->ancestor_last[level];
    const char *branch = last ? "  " : w->glyphs->pipe;
    if (level == depth && !for_detail) branch = last ? w->glyphs->last : w->glyphs->branch;
    tk_text_buffer_add(&w->text, branch);
  }
  add_colour(w, PLAIN);
  return INDENT * (size_t)depth;
}

/* In half cells: where in the bar an instant is. */
static size_t bar_position(const struct waterfall *w, uint64_t unix_ns, bool up) {
  double total = w->end_ns > w->begin_ns ? (double)(w->end_ns - w->begin_ns) : 1;
  double at = (double)(unix_ns - w->begin_ns) / total * (double)(2 * w->bar_width);
  return (size_t)(up ? ceil(at) : floor(at));
}

static void add_bar(struct waterfall *w, const struct tk_span *span) {
  size_t limit = 2 * w->bar_width;
  uint64_t end_ns =
      span->end_unix_ns > span->start_unix_ns ? span->end_unix_ns : span->start_unix_ns;
  size_t begin = bar_position(w, span->start_unix_ns, false);
  size_t end = bar_position(w, end_ns, true);
  if (begin >= limit) begin = limit - 1;
  if (end <= begin) end = begin + 1;
  for (size_t cell = 0; 2 * cell < end; cell++) {
    bool left = 2 * cell >= begin;
    bool right = 2 * cell + 1 >= begin && 2 * cell + 1 < end;
    const char *glyph = left && right ? w->glyphs->full
                        : left        ? w->glyphs->left
                        : right       ? w->glyphs->right
                                      : " ";
    tk_text_buffer_add(&w->text, glyph);
  }
}

static void write_span(struct waterfall *w, uint32_t i, uint32_t hidden, FILE *out) {
  const struct tk_span *span = &w->trace->spans[i];
  bool is_error = span->status_code == TK_STATUS_ERROR;
  struct tk_text service = service_of(span);
  char duration[TK_FORMAT_SIZE], more[48] = "";
  tk_format_duration((int64_t)(span->end_unix_ns - span->start_unix_ns), duration);
  if (hidden > 0) snprintf(more, sizeof more, " (+%u)", hidden);

  add_colour(w, is_error ? RED : "");
  tk_text_buffer_add(&w->text, is_error ? "!" : " ");
  tk_text_buffer_add(&w->text, is_orphan(w, i) ? "?" : " ");
  add_cell(w, service.data, service.size, w->service_width, GAP);
  size_t used = add_branches(w, i, false);
  size_t room = w->label_width > used ? w->label_width - used : 0;
  add_colour(w, is_error ? RED : "");
  size_t name_room = room > strlen(more) ? room - strlen(more) : 0;
  size_t drawn = tk_text_buffer_add_display(&w->text, span->name.data, span->name.size, name_room);
  tk_text_buffer_add(&w->text, more);
  drawn += strlen(more);
  tk_text_buffer_repeat(&w->text, " ", (room > drawn ? room - drawn : 0) + GAP);
  add_cell(w, kind_name(span->kind), strlen(kind_name(span->kind)), KIND_WIDTH, 1);
  add_right(w, duration, DURATION_WIDTH);
  tk_text_buffer_repeat(&w->text, " ", GAP);
  add_bar(w, span);
  add_colour(w, PLAIN);
  put_line(w, out);
}

/* ---- details under a span ---- */

/* One line under the name of span `i`: `what`, then `value` if there is one; cut to the width. */
static void write_detail(struct waterfall *w, uint32_t i, bool has_children, const char *what,
                         size_t what_size, const struct tk_value *value, FILE *out) {
  struct tk_text_buffer line = {0};
  tk_text_buffer_repeat(&w->text, " ", MARK_WIDTH + w->service_width + GAP);
  size_t used = MARK_WIDTH + w->service_width + GAP + add_branches(w, i, true);
  add_colour(w, DIM);
  tk_text_buffer_add(&w->text, has_children ? w->glyphs->pipe : "  ");
  tk_text_buffer_add(&w->text, w->glyphs->detail);
  add_colour(w, PLAIN);
  used += INDENT + 2;
  tk_text_buffer_append(&line, what, what_size);
  if (value) {
    tk_text_buffer_add(&line, " = ");
    tk_value_append_text(&line, value);
  }
  if (line.failed) w->text.failed = true;
  tk_text_buffer_add_display(&w->text, line.size > 0 ? line.data : "", line.size,
                             w->options->width > used + 20 ? w->options->width - used : 20);
  tk_text_buffer_reset(&line);
  put_line(w, out);
}

static void write_attributes(struct waterfall *w, uint32_t i, bool has_children, const char *indent,
                             const struct tk_attributes *attributes, FILE *out) {
  struct tk_text_buffer key = {0};
  for (uint32_t a = 0; a < attributes->count; a++) {
    tk_text_buffer_clear(&key);
    tk_text_buffer_add(&key, indent);
    tk_text_buffer_append(&key, attributes->items[a].key.data, attributes->items[a].key.size);
    if (key.failed) w->text.failed = true;
    write_detail(w, i, has_children, key.data, key.size, &attributes->items[a].value, out);
  }
  tk_text_buffer_reset(&key);
}

static void write_events(struct waterfall *w, uint32_t i, bool has_children, FILE *out) {
  const struct tk_span *span = &w->trace->spans[i];
  struct tk_text_buffer line = {0};
  for (uint32_t e = 0; e < span->event_count; e++) {
    const struct tk_event *event = &span->events[e];
    char offset[TK_FORMAT_SIZE];
    tk_format_duration((int64_t)(event->time_unix_ns - w->begin_ns), offset);
    tk_text_buffer_clear(&line);
    tk_text_buffer_add(&line, "event ");
    tk_text_buffer_append(&line, event->name.data, event->name.size);
    tk_text_buffer_add(&line, " at ");
    tk_text_buffer_add(&line, offset);
    write_detail(w, i, has_children, line.data ? line.data : "", line.size, NULL, out);
    write_attributes(w, i, has_children, "  ", &event->attributes, out);
  }
  for (uint32_t l = 0; l < span->link_count; l++) {
    tk_text_buffer_clear(&line);
    tk_text_buffer_add(&line, "link to trace ");
    tk_text_buffer_add_hex(&line, span->links[l].trace_id, 16);
    tk_text_buffer_add(&line, " span ");
    tk_text_buffer_add_hex(&line, span->links[l].span_id, 8);
    write_detail(w, i, has_children, line.data ? line.data : "", line.size, NULL, out);
    write_attributes(w, i, has_children, "  ", &span->links[l].attributes, out);
  }
  if (line.failed) w->text.failed = true;
  tk_text_buffer_reset(&line);
}

static void write_details(struct waterfall *w, uint32_t i, bool has_children, FILE *out) {
  const struct tk_span *span = &w->trace->spans[i];
  struct tk_value message = {.type = TK_VALUE_STRING, .size = span->status_message.size};
  message.as.text = span->status_message.data;
  if (message.size > 0) {
    write_detail(w, i, has_children, "status", strlen("status"), &message, out);
  }
  if (w->options->attributes) write_attributes(w, i, has_children, "", &span->attributes, out);
  if (w->options->events) write_events(w, i, has_children, out);
}

static void write_spans(struct waterfall *w, FILE *out) {
  const struct tk_trace *trace = w->trace;
  unsigned max_depth = w->options->max_depth ? w->options->max_depth - 1 : UINT32_MAX;
  uint32_t drawn = 0;
  for (uint32_t i = 0; i < trace->span_count;) {
    uint32_t depth = trace->depths[i];
    uint32_t next = i + 1;
    if (w->options->limit > 0 && drawn == w->options->limit) {
      uint32_t left = trace->span_count - i;
      fprintf(out, "... and %u more span%s (--limit 0 shows all)\n", left, left == 1 ? "" : "s");
      return;
    }
    while (depth >= max_depth && next < trace->span_count && trace->depths[next] > depth) next++;
    w->ancestor_last[depth] = w->is_last[i];
    bool has_children = next < trace->span_count && trace->depths[next] > depth;
    write_span(w, i, next - i - 1, out);
    write_details(w, i, has_children, out);
    drawn++;
    i = next;
  }
}

bool tk_waterfall_write(const struct tk_trace *trace, const struct tk_waterfall_options *options,
                        FILE *out) {
  struct waterfall w = {.trace = trace,
                        .options = options,
                        .glyphs = options->ascii ? &ascii_glyphs : &unicode_glyphs};
  if (trace->span_count == 0) return true;
  bool written = find_last_siblings(&w);
  if (written) {
    count_services(&w);
    measure_spans(&w);
    share_width(&w);
    write_header(&w, out);
    write_headings(&w, out);
    write_spans(&w, out);
    written = !w.text.failed && fflush(out) == 0 && !ferror(out);
  }
  tk_text_buffer_reset(&w.text);
  sqlite3_free(w.is_last);
  sqlite3_free(w.ancestor_last);
  return written;
}
