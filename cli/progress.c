/* SPDX-License-Identifier: MIT
 * Draws one line, over and over: `label  [####    ]  42%  12.3 MB/s  81k spans/s  0:12 left`. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/output/display.h"
#include "cli/output/quantity.h"
#include "cli/output/text_buffer.h"
#include "cli/terminal.h"

enum { BAR_CELLS = 20, DRAW_INTERVAL_MS = 100, LABEL_WIDTH = 24 };

static struct {
  bool active;  /* shown at all */
  bool visible; /* the line is on the screen now */
  uint64_t total_bytes;
  int64_t begin_ms, drawn_ms;
} progress;

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void tk_progress_begin(uint64_t total_bytes, bool wanted) {
  progress.active = wanted && tk_terminal_of(stderr).is_terminal;
  progress.visible = false;
  progress.total_bytes = total_bytes;
  progress.begin_ms = now_ms();
  progress.drawn_ms = 0;
}

static void add_bar(struct tk_text_buffer *line, uint64_t bytes_done) {
  uint64_t total = progress.total_bytes;
  uint64_t done = bytes_done < total ? bytes_done : total;
  size_t cells = (size_t)((double)done / (double)total * BAR_CELLS);
  char percent[16];
  tk_text_buffer_add(line, " [");
  tk_text_buffer_repeat(line, "#", cells);
  tk_text_buffer_repeat(line, " ", BAR_CELLS - cells);
  snprintf(percent, sizeof percent, "] %3d%%", (int)((double)done / (double)total * 100));
  tk_text_buffer_add(line, percent);
}

static void add_rates(struct tk_text_buffer *line, uint64_t bytes_done, uint64_t spans_done,
                      double seconds) {
  char size[TK_FORMAT_SIZE], count[TK_FORMAT_SIZE], text[2 * TK_FORMAT_SIZE + 32];
  tk_format_bytes((uint64_t)((double)bytes_done / seconds), size);
  tk_format_count((uint64_t)((double)spans_done / seconds), count);
  snprintf(text, sizeof text, "  %s/s  %s spans/s", size, count);
  tk_text_buffer_add(line, text);
  if (progress.total_bytes > bytes_done && bytes_done > 0 && seconds > 1) {
    double left = seconds * ((double)progress.total_bytes / (double)bytes_done - 1);
    unsigned whole = left < 86400 ? (unsigned)left : 86400;
    snprintf(text, sizeof text, "  %u:%02u left", whole / 60, whole % 60);
    tk_text_buffer_add(line, text);
  }
}

void tk_progress_update(const char *label, uint64_t bytes_done, uint64_t spans_done) {
  if (!progress.active) return;
  int64_t now = now_ms();
  if (now - progress.drawn_ms < DRAW_INTERVAL_MS) return;
  progress.drawn_ms = now;

  struct tk_text_buffer line = {0};
  tk_text_buffer_add(&line, "\r");
  size_t used = tk_text_buffer_add_display(&line, label, strlen(label), LABEL_WIDTH);
  tk_text_buffer_repeat(&line, " ", LABEL_WIDTH - used);
  if (progress.total_bytes > 0) add_bar(&line, bytes_done);
  int64_t elapsed = now - progress.begin_ms;
  add_rates(&line, bytes_done, spans_done, elapsed > 0 ? (double)elapsed / 1000 : 0.001);
  tk_text_buffer_add(&line, "\x1b[K");
  if (!line.failed) fwrite(line.data, 1, line.size, stderr);
  fflush(stderr);
  tk_text_buffer_reset(&line);
  progress.visible = true;
}

void tk_progress_show(const char *text) {
  struct tk_text_buffer line = {0};
  if (!progress.active) return;
  tk_text_buffer_add(&line, "\r");
  tk_text_buffer_add_display(&line, text, strlen(text), tk_terminal_of(stderr).width - 1);
  tk_text_buffer_add(&line, "\x1b[K");
  if (!line.failed) fwrite(line.data, 1, line.size, stderr);
  fflush(stderr);
  tk_text_buffer_reset(&line);
  progress.visible = true;
}

void tk_progress_hide(void) {
  if (!progress.visible) return;
  fputs("\r\x1b[K", stderr);
  progress.visible = false;
  progress.drawn_ms = 0;
}

void tk_progress_end(void) {
  tk_progress_hide();
  progress.active = false;
}
