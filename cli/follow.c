/* SPDX-License-Identifier: MIT
 * Works in rounds: list the files, read what each has that is new, commit, wait. After a round the
 * store has everything up to the progress of each file, so that the next goes on exactly there,
 * whether it is of this process or another one.
 *
 * A file is known by its device and inode: a rotated one keeps its reader under another name. The
 * reader stays open while it is used, so that a round costs what is new; otherwise a new one finds
 * the place again by hashing the file up to there. That also tells a file that was written anew
 * from one that has grown. */
#include "cli/follow.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/continuation.h"
#include "cli/input/reader.h"
#include "cli/input_files.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/output/quantity.h"
#include "cli/progress.h"
#include "tracekeep/hash.h"

enum {
  CANDIDATES = 16,
  OPEN_READERS = 16,        /* kept open at most */
  LEAVE_MS = 10000,         /* a file that is not listed any more may be written to for so long */
  RETRY_MS = 500,           /* while another program writes to the store */
  SHORTEST_ROUND_MS = 10,   /* whatever the commit interval */
  INTERRUPT_CHECK_MS = 500, /* a signal may come just before waiting */
  COMMIT_SHARE = 4          /* commits take at most one part in so many of the time */
};

struct followed {
  char *path;
  dev_t device;
  ino_t inode;
  off_t size;             /* when it was listed last */
  off_t size_read;        /* the size when it was read last; -1: not yet */
  struct tk_input *input; /* NULL: closed */
  struct tk_progress reached;
  int64_t active_ms; /* when there was something new */
  int64_t left_ms;   /* when it was not listed any more */
  bool listed;
  bool counted; /* in the summary */
};

struct follow {
  struct tk_store *store;
  char **paths;
  int path_count;
  const struct tk_follow_options *options;
  struct tk_ingest_summary *summary;
  struct tk_ingest *ingest;
  struct tk_ingest_counts committed; /* of `ingest` */
  struct followed *files;
  size_t count, capacity;
  int64_t commit_ms; /* when the last commit began */
  int64_t commit_took_ms;
  time_t commit_time; /* of the last that was complete, to show; 0: none yet */
  bool uncommitted;
  int notifier; /* inotify; -1: there is none */
};

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- which files there are ---- */

static void close_input(struct followed *file) {
  tk_input_close(file->input);
  file->input = NULL;
}

/* The entry of this file, not of another that had the same name. */
static struct followed *find_file(struct follow *follow, const struct stat *status) {
  for (size_t i = 0; i < follow->count; i++) {
    struct followed *file = &follow->files[i];
    if (file->device == status->st_dev && file->inode == status->st_ino) return file;
  }
  return NULL;
}

static struct followed *add_file(struct follow *follow, const struct stat *status) {
  if (follow->count == follow->capacity) {
    follow->capacity = follow->capacity ? follow->capacity * 2 : 16;
    follow->files =
        tk_need_memory(realloc(follow->files, follow->capacity * sizeof *follow->files));
  }
  struct followed *file = &follow->files[follow->count++];
  *file = (struct followed){.device = status->st_dev,
                            .inode = status->st_ino,
                            .size_read = -1,
                            .reached = {.hash = tk_hash64("", 0)}};
  return file;
}

static void list_file(struct follow *follow, const char *path) {
  struct stat status;
  if (stat(path, &status) != 0 || S_ISDIR(status.st_mode)) return;
  struct followed *file = find_file(follow, &status);
  if (!file) file = add_file(follow, &status);
  if (!file->path || strcmp(file->path, path) != 0) {
    free(file->path);
    file->path = tk_need_memory(strdup(path));
  }
  file->listed = true;
  file->size = status.st_size;
  if (file->size < file->size_read) { /* truncated: whatever it holds now is read anew */
    close_input(file);
    file->size_read = -1;
  }
}

static void watch_folder(const struct follow *follow, const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = tk_need_memory(slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("."));
  inotify_add_watch(follow->notifier, folder, IN_CREATE | IN_MODIFY | IN_MOVED_TO | IN_CLOSE_WRITE);
  free(folder);
}

/* Watching again what is watched already changes nothing. Where nothing can be watched, polling has
 * to do, as it has to on network file systems. */
static void watch_folders(struct follow *follow, const struct tk_input_files *files) {
  if (follow->notifier < 0) return;
  for (int i = 0; i < follow->path_count; i++) {
    struct stat status;
    if (stat(follow->paths[i], &status) == 0 && S_ISDIR(status.st_mode)) {
      inotify_add_watch(follow->notifier, follow->paths[i], IN_CREATE | IN_MODIFY | IN_MOVED_TO);
    } else {
      watch_folder(follow, follow->paths[i]);
    }
  }
  for (size_t i = 0; i < files->count; i++) {
    const char *before = i > 0 ? files->paths[i - 1] : "";
    const char *slash = strrchr(files->paths[i], '/');
    const size_t size = slash ? (size_t)(slash - files->paths[i]) + 1 : 0;
    if (strncmp(before, files->paths[i], size) != 0) watch_folder(follow, files->paths[i]);
  }
}

static void list_files(struct follow *follow) {
  struct tk_input_files files = {.following = true};
  for (size_t i = 0; i < follow->count; i++) {
    if (follow->files[i].listed) follow->files[i].left_ms = now_ms();
    follow->files[i].listed = false;
  }
  tk_input_files_list(&files, follow->paths, follow->path_count);
  watch_folders(follow, &files);
  for (size_t i = 0; i < files.count; i++) list_file(follow, files.paths[i]);
  tk_input_files_reset(&files);
}

/* ---- committing ---- */

static enum tk_status begin_ingest(struct follow *follow, struct tk_error *error) {
  follow->committed = (struct tk_ingest_counts){0};
  follow->uncommitted = false;
  return tk_ingest_begin(follow->store, &follow->options->ingest, &follow->ingest, error);
}

static enum tk_status finish_ingest(struct follow *follow, struct tk_error *error) {
  struct tk_ingest_counts counts = {0};
  const enum tk_status status = tk_ingest_finish(follow->ingest, &counts, error);
  follow->ingest = NULL;
  tk_ingest_summary_add_counts(follow->summary, status == TK_OK ? &counts : &follow->committed);
  return status;
}

static enum tk_status commit(struct follow *follow, struct tk_error *error) {
  follow->commit_ms = now_ms();
  const enum tk_status status = tk_ingest_commit(follow->ingest, error);
  if (status == TK_OK) {
    tk_ingest_counts(follow->ingest, &follow->committed);
    follow->uncommitted = false;
    follow->commit_time = time(NULL);
  }
  follow->commit_took_ms = now_ms() - follow->commit_ms;
  return status;
}

static int64_t next_commit_ms(const struct follow *follow) {
  int64_t interval = (int64_t)follow->options->commit_interval_ms;
  if (interval < COMMIT_SHARE * follow->commit_took_ms) {
    interval = COMMIT_SHARE * follow->commit_took_ms;
  }
  return follow->commit_ms + (interval > SHORTEST_ROUND_MS ? interval : SHORTEST_ROUND_MS);
}

static void show_status(const struct follow *follow) {
  struct tk_ingest_counts counts = follow->committed;
  char spans[TK_FORMAT_SIZE], text[256];
  if (follow->ingest) tk_ingest_counts(follow->ingest, &counts);
  tk_format_number(follow->summary->counts.spans_new + counts.spans_new, spans);
  struct tm local = {0};
  char clock[32] = "";
  localtime_r(&follow->commit_time, &local);
  if (follow->commit_time) strftime(clock, sizeof clock, "  committed %H:%M:%S", &local);
  snprintf(text, sizeof text, "following %zu file%s  %s spans new, %llu records rejected%s",
           follow->count, follow->count == 1 ? "" : "s", spans,
           (unsigned long long)(follow->summary->counts.rejected + counts.rejected), clock);
  tk_progress_show(text);
}

/* ---- reading ---- */

/* A failure of the input. What it gave is kept, and it is tried again when the file changes. The
 * source cannot be ended, as it is not at its end: another ingest goes on after it. */
static enum tk_status note_failure(struct follow *follow, struct followed *file, bool begun,
                                   enum tk_status input_status, struct tk_error *error) {
  follow->summary->files_failed++;
  tk_complain_status(file->path, input_status, error);
  close_input(file);
  if (!begun) return TK_OK;
  enum tk_status status = finish_ingest(follow, error);
  return status == TK_OK ? begin_ingest(follow, error) : status;
}

/* Whether its path still names the file that was listed: so it was that one that was opened. */
static bool is_in_place(const struct followed *file) {
  struct stat status;
  return stat(file->path, &status) == 0 && status.st_dev == file->device &&
         status.st_ino == file->inode;
}

/* Opens the file where an earlier round, or an earlier run, has left it. */
static enum tk_status open_input(struct follow *follow, struct followed *file,
                                 enum tk_status *input_status, struct tk_error *error) {
  const struct tk_input_options options = {
      .format = follow->options->format, .thread_count = 1, .growing = true};
  const struct tk_progress *continued = NULL;
  struct tk_progress candidates[CANDIDATES] = {file->reached};
  size_t count = 0;
  *input_status = tk_input_open(file->path, &options, &file->input, error);
  if (!is_in_place(file)) { /* it was rotated just now: the next round finds it */
    close_input(file);
    file->size = -1;
    *input_status = TK_OK;
    return TK_OK;
  }
  if (*input_status != TK_OK) return TK_OK;
  enum tk_status status =
      tk_ingest_find_progress(follow->ingest, file->path, tk_input_head_hash(file->input),
                              candidates + 1, CANDIDATES - 1, &count, error);
  if (status != TK_OK) return status;
  *input_status = tk_input_resume(file->input, candidates, count + 1, &continued, error);
  if (continued && continued != candidates && tk_input_is_exact(file->input) &&
      tk_is_another_file(follow->store, file->path, continued)) {
    continued = NULL;
    close_input(file);
    *input_status = tk_input_open(file->path, &options, &file->input, error);
  }
  if (file->reached.offset > 0 && !continued) {
    tk_complain("%s: it does not begin as it did; reading it from the beginning", file->path);
  }
  file->reached = continued ? *continued : (struct tk_progress){.hash = tk_hash64("", 0)};
  return TK_OK;
}

static bool continue_input(const struct followed *file) {
  if (!file->input || (file->listed && tk_input_was_short(file->input))) return false;
  return tk_input_continue(file->input);
}

static void count_file(struct follow *follow, struct followed *file, bool begun) {
  if (file->counted) return;
  file->counted = true;
  follow->summary->files++;
  follow->summary->files_skipped += !begun && file->reached.offset > 0;
}

static enum tk_status append_batch(struct follow *follow, struct followed *file, bool *begun,
                                   struct tk_batch *batch, struct tk_error *error) {
  const struct tk_progress end = {batch->end_offset, batch->end_hash};
  enum tk_status status = TK_OK;
  if (!*begun) {
    status = tk_ingest_source_begin(follow->ingest, file->path, tk_input_format_name(file->input),
                                    tk_input_head_hash(file->input),
                                    file->reached.offset > 0 ? &file->reached : NULL, error);
    *begun = status == TK_OK;
  }
  if (status == TK_OK) {
    uint8_t sha256[32];
    const struct tk_source_context context = {
        .run_id = follow->options->run_id,
        .sha256 = tk_input_sha256(file->input, sha256) ? sha256 : NULL};
    status = tk_ingest_source_context(follow->ingest, &context, error);
  }
  if (status != TK_OK) {
    tk_batch_free(batch);
    return status;
  }
  tk_ingest_summary_add_issues(follow->summary, file->path, batch);
  follow->uncommitted = true;
  status = tk_ingest_append(follow->ingest, batch, error);
  if (status != TK_OK) return status;
  file->reached = end;
  file->active_ms = now_ms();
  if (file->active_ms < next_commit_ms(follow)) return TK_OK;
  status = commit(follow, error);
  show_status(follow);
  return status;
}

/* Reads to the end there is now. TK_OK unless the store failed. */
static enum tk_status read_file(struct follow *follow, struct followed *file,
                                struct tk_error *error) {
  enum tk_status input_status = TK_OK, status = TK_OK;
  bool begun = false;
  if (!continue_input(file)) {
    close_input(file);
    if (!file->listed) return TK_OK;
    status = open_input(follow, file, &input_status, error);
  }
  while (status == TK_OK && input_status == TK_OK && file->input && !tk_interrupted()) {
    struct tk_batch *batch = NULL;
    input_status = tk_input_next(file->input, &batch, error);
    if (!batch) break;
    status = append_batch(follow, file, &begun, batch, error);
  }
  if (status != TK_OK) return status;
  file->size_read = file->size;
  count_file(follow, file, begun);
  if (input_status != TK_OK) return note_failure(follow, file, begun, input_status, error);
  if (begun && !tk_interrupted()) status = tk_ingest_source_end(follow->ingest, error);
  return status;
}

static bool has_news(const struct followed *file) {
  if (file->listed) return file->size != file->size_read;
  return file->input != NULL; /* only reading tells */
}

static void forget_file(struct follow *follow, size_t index) {
  close_input(&follow->files[index]);
  free(follow->files[index].path);
  follow->files[index] = follow->files[--follow->count];
}

/* Closes the readers that were not used for longest, and drops files that are gone. */
static void close_unused(struct follow *follow) {
  const int64_t now = now_ms();
  for (size_t i = follow->count; i-- > 0;) {
    const struct followed *file = &follow->files[i];
    if (file->listed) continue;
    const int64_t since = file->active_ms > file->left_ms ? file->active_ms : file->left_ms;
    if (!file->input || now - since > LEAVE_MS) forget_file(follow, i);
  }
  for (;;) {
    struct followed *oldest = NULL;
    size_t open = 0;
    for (size_t i = 0; i < follow->count; i++) {
      struct followed *file = &follow->files[i];
      if (!file->input) continue;
      open++;
      if (!oldest || file->active_ms < oldest->active_ms) oldest = file;
    }
    if (open <= OPEN_READERS) return;
    close_input(oldest);
  }
}

static enum tk_status run_round(struct follow *follow, struct tk_error *error) {
  enum tk_status status = TK_OK;
  list_files(follow);
  for (size_t i = 0; i < follow->count && status == TK_OK && !tk_interrupted(); i++) {
    if (has_news(&follow->files[i])) status = read_file(follow, &follow->files[i], error);
    if (i % OPEN_READERS == OPEN_READERS - 1 && status == TK_OK) show_status(follow);
  }
  if (status == TK_OK && follow->uncommitted && !tk_interrupted()) status = commit(follow, error);
  if (status == TK_OK) close_unused(follow);
  return status;
}

/* ---- waiting ---- */

static void sleep_until(int64_t deadline_ms) {
  for (int64_t left; !tk_interrupted() && (left = deadline_ms - now_ms()) > 0;) {
    poll(NULL, 0, left < INTERRUPT_CHECK_MS ? (int)left : INTERRUPT_CHECK_MS);
  }
}

/* Until something has changed, or for a commit interval, but never less than that between commits.
 */
static void wait_for_news(const struct follow *follow) {
  char events[4096];
  struct pollfd notifier = {.fd = follow->notifier, .events = POLLIN};
  sleep_until(next_commit_ms(follow));
  const int64_t deadline = now_ms() + (int64_t)follow->options->commit_interval_ms;
  for (int64_t left; !tk_interrupted() && (left = deadline - now_ms()) > 0;) {
    const int wait = left < INTERRUPT_CHECK_MS ? (int)left : INTERRUPT_CHECK_MS;
    if (poll(&notifier, 1, wait) > 0) break;
  }
  if (follow->notifier < 0) return;
  while (read(follow->notifier, events, sizeof events) > 0) continue;
}

/* Another program has the store, or has changed it. What was not committed is read again from where
 * the store is now. */
static enum tk_status wait_for_store(struct follow *follow, struct tk_error *error) {
  enum tk_status status = TK_BUSY;
  bool said = false;
  tk_ingest_abort(follow->ingest);
  follow->ingest = NULL;
  tk_ingest_summary_add_counts(follow->summary, &follow->committed);
  for (size_t i = 0; i < follow->count; i++) {
    close_input(&follow->files[i]);
    follow->files[i].reached = (struct tk_progress){.hash = tk_hash64("", 0)};
    follow->files[i].size_read = -1;
  }
  while (status == TK_BUSY && !tk_interrupted()) {
    if (said) tk_progress_show("another program is writing to the store; waiting");
    said = true;
    sleep_until(now_ms() + RETRY_MS);
    status = begin_ingest(follow, error);
  }
  return status == TK_BUSY ? TK_OK : status;
}

/* ---- the loop ---- */

static void close_files(struct follow *follow) {
  while (follow->count > 0) forget_file(follow, follow->count - 1);
  free(follow->files);
  if (follow->notifier >= 0) close(follow->notifier);
}

enum tk_status tk_follow(struct tk_store *store, char **paths, int path_count,
                         const struct tk_follow_options *options, struct tk_ingest_summary *summary,
                         struct tk_error *error) {
  struct follow follow = {.store = store,
                          .paths = paths,
                          .path_count = path_count,
                          .options = options,
                          .summary = summary,
                          .notifier = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  tk_progress_begin(0, !options->quiet);
  enum tk_status status = begin_ingest(&follow, error);
  while (status == TK_OK && !tk_interrupted()) {
    status = run_round(&follow, error);
    if (status == TK_BUSY) status = wait_for_store(&follow, error);
    if (status != TK_OK || tk_interrupted()) break;
    show_status(&follow);
    wait_for_news(&follow);
  }
  if (status == TK_OK && follow.ingest) {
    status = finish_ingest(&follow, error);
    if (status == TK_BUSY && !follow.uncommitted) status = TK_OK; /* nothing is left out by it */
  }
  tk_ingest_abort(follow.ingest);
  close_files(&follow);
  tk_progress_end();
  return status;
}
