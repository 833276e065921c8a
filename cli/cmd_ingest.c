/* SPDX-License-Identifier: MIT
 * tracekeep ingest: where readers and the store meet. A file that cannot be read does not stop the
 * others; a store that cannot be written stops everything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/artifacts.h"
#include "cli/command.h"
#include "cli/continuation.h"
#include "cli/follow.h"
#include "cli/ingest_summary.h"
#include "cli/input/checksum.h"
#include "cli/input/format.h"
#include "cli/input/reader.h"
#include "cli/input_files.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/progress.h"
#include "cli/time_argument.h"
#include "tracekeep/store.h"

enum { PROGRESS_CANDIDATES = 16 };
/* A file of up to this size is not worth starting threads for. */
#define SMALL_FILE ((off_t)1 << 20)

struct ingest_arguments {
  const char *format;
  const char *output_format;
  const char *commit_interval;
  const char *run_id;
  unsigned threads, spans_per_segment;
  bool follow, quiet;
};

static const struct tk_option ingest_options[] = {
    {.name = "format",
     .type = TK_OPTION_TEXT,
     .value = "NAME",
     .help = "take the input to be in this format; default: recognise it",
     .offset = offsetof(struct ingest_arguments, format)},
    {.name = "follow",
     .letter = 'F',
     .type = TK_OPTION_FLAG,
     .help = "go on reading what is appended, rotated or added",
     .offset = offsetof(struct ingest_arguments, follow)},
    {.name = "commit-interval",
     .type = TK_OPTION_TEXT,
     .value = "TIME",
     .help = "with --follow: commit this often; default: 2s",
     .offset = offsetof(struct ingest_arguments, commit_interval)},
    {.name = "run-id",
     .type = TK_OPTION_TEXT,
     .value = "ID",
     .help = "the run of events and documents that do not name one",
     .offset = offsetof(struct ingest_arguments, run_id)},
    {.name = "threads",
     .type = TK_OPTION_NUMBER,
     .value = "N",
     .help = "threads to use; default: one for each core",
     .offset = offsetof(struct ingest_arguments, threads)},
    {.name = "quiet",
     .letter = 'q',
     .type = TK_OPTION_FLAG,
     .help = "no progress and no summary",
     .offset = offsetof(struct ingest_arguments, quiet)},
    {.name = "output-format",
     .type = TK_OPTION_CHOICE,
     .value = "text|json",
     .help = "how to print the summary; default: text",
     .offset = offsetof(struct ingest_arguments, output_format)},
    {.name = "spans-per-segment",
     .type = TK_OPTION_NUMBER,
     .value = "N",
     .help = "for tests",
     .hidden = true,
     .offset = offsetof(struct ingest_arguments, spans_per_segment)},
    {0},
};

/* One run of the command. */
struct run {
  const struct ingest_arguments *arguments;
  const char *store_name;
  struct tk_store *store;
  struct tk_ingest *ingest;
  struct tk_ingest_summary summary;
  struct file_identity {
    dev_t device;
    ino_t inode;
  } * listed; /* the files that were asked for, sorted */
  size_t listed_count;
  bool checksums_mentioned;
  uint64_t bytes_before; /* of the files before this one, as they are on disk */
  int exit_code;         /* the worst so far; not of the store: that ends the run */
};

static enum tk_status begin_ingest(struct run *run, struct tk_error *error) {
  const struct tk_ingest_options options = {.thread_count = run->arguments->threads,
                                            .spans_per_segment = run->arguments->spans_per_segment};
  return tk_ingest_begin(run->store, &options, &run->ingest, error);
}

/* Commits what is buffered and adds up the counts; there is no ingest afterwards. */
static enum tk_status finish_ingest(struct run *run, struct tk_error *error) {
  struct tk_ingest_counts counts = {0};
  enum tk_status status = tk_ingest_finish(run->ingest, &counts, error);
  run->ingest = NULL;
  tk_ingest_summary_add_counts(&run->summary, &counts);
  return status;
}

/* A failure of the input: noted, and the run goes on. */
static void note_failed_file(struct run *run, const char *path, enum tk_status status,
                             const struct tk_error *error) {
  run->summary.files_failed++;
  int exit_code = tk_complain_status(path, status, error);
  /* Damage in the input is a finding, not damage of the store. */
  if (exit_code == TK_EXIT_CORRUPT) exit_code = TK_EXIT_FINDINGS;
  if (exit_code > run->exit_code) run->exit_code = exit_code;
}

static void show_progress(struct run *run, const char *path, const struct tk_input *input) {
  struct tk_ingest_counts counts;
  tk_ingest_counts(run->ingest, &counts);
  tk_progress_update(path, run->bytes_before + tk_input_position(input),
                     counts.spans_new + counts.spans_duplicate + counts.spans_conflicting);
}

/* Hands the batches of `input` to the store, beginning with `batch`. *input_status is what became
 * of the input; the return value, of the store. */
static enum tk_status append_batches(struct run *run, const char *path, struct tk_input *input,
                                     struct tk_batch *batch, enum tk_status *input_status,
                                     struct tk_error *error) {
  while (*input_status == TK_OK && batch) {
    tk_ingest_summary_add_issues(&run->summary, path, batch);
    enum tk_status status = tk_ingest_append(run->ingest, batch, error);
    if (status != TK_OK) return status;
    show_progress(run, path, input);
    batch = NULL;
    *input_status = tk_input_next(input, &batch, error);
    if (tk_interrupted()) break; /* this one may be cut short: the next run reads it */
  }
  tk_batch_free(batch);
  return TK_OK;
}

/* Where an earlier ingest of this content ended; NULL: nowhere. Both statuses as above. */
static enum tk_status find_continuation(struct run *run, const char *path, struct tk_input *input,
                                        struct tk_progress *candidates,
                                        const struct tk_progress **continued,
                                        enum tk_status *input_status, struct tk_error *error) {
  size_t count = 0;
  *continued = NULL;
  enum tk_status status = tk_ingest_find_progress(run->ingest, path, tk_input_head_hash(input),
                                                  candidates, PROGRESS_CANDIDATES, &count, error);
  if (status == TK_OK && count > 0) {
    *input_status = tk_input_resume(input, candidates, count, continued, error);
  }
  return status;
}

/* What came of a file. */
struct outcome {
  enum tk_status input_status;
  bool begun;
  bool must_start_over; /* it only begins as another file does: open it again and set `anew` */
};

static enum tk_status ingest_input(struct run *run, const char *path,
                                   const struct tk_source_context *context, struct tk_input *input,
                                   bool anew, struct outcome *outcome, struct tk_error *error) {
  struct tk_progress candidates[PROGRESS_CANDIDATES];
  const struct tk_progress *continued = NULL;
  struct tk_batch *batch = NULL;
  enum tk_status *input_status = &outcome->input_status;
  enum tk_status status = TK_OK;
  if (!anew) {
    status = find_continuation(run, path, input, candidates, &continued, input_status, error);
  }
  if (status == TK_OK && *input_status == TK_OK) {
    *input_status = tk_input_next(input, &batch, error);
  }
  if (batch && continued && tk_input_is_exact(input) &&
      tk_is_another_file(run->store, path, continued)) {
    outcome->must_start_over = true;
    tk_batch_free(batch);
    return TK_OK;
  }
  if (tk_interrupted()) {
    tk_batch_free(batch);
  } else if (status == TK_OK && *input_status == TK_OK) {
    if (continued && !batch) run->summary.files_skipped++;
    status = tk_ingest_source_begin(run->ingest, path, tk_input_format_name(input),
                                    tk_input_head_hash(input), continued, error);
    if (status == TK_OK) status = tk_ingest_source_context(run->ingest, context, error);
    outcome->begun = status == TK_OK;
    if (!outcome->begun) tk_batch_free(batch);
    if (outcome->begun) status = append_batches(run, path, input, batch, input_status, error);
  }
  return status;
}

static unsigned threads_for(const struct run *run, const char *path) {
  struct stat status;
  if (run->arguments->threads > 0) return run->arguments->threads;
  if (stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= SMALL_FILE) return 1;
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 1 ? (unsigned)cores : 1;
}

static enum tk_status end_source(struct run *run, const struct tk_input *input,
                                 struct tk_error *error) {
  uint8_t sha256[TK_SHA256_SIZE];
  enum tk_status status = TK_OK;
  if (tk_input_sha256(input, sha256)) {
    const struct tk_source_context context = {.sha256 = sha256};
    status = tk_ingest_source_context(run->ingest, &context, error);
  }
  return status == TK_OK ? tk_ingest_source_end(run->ingest, error) : status;
}

/* TK_OK unless the store failed. */
static enum tk_status ingest_file(struct run *run, const char *path,
                                  const struct tk_source_context *context, struct tk_error *error) {
  const unsigned threads = threads_for(run, path);
  const struct tk_input_options options = {.format = run->arguments->format,
                                           .thread_count = threads};
  struct tk_input *input = NULL;
  run->summary.files++;
  struct outcome outcome = {.input_status = tk_input_open(path, &options, &input, error)};
  enum tk_status status = TK_OK;
  if (outcome.input_status == TK_OK) {
    status = ingest_input(run, path, context, input, false, &outcome, error);
  }
  if (outcome.must_start_over) {
    tk_input_close(input);
    outcome.input_status = tk_input_open(path, &options, &input, error);
    if (outcome.input_status == TK_OK) {
      status = ingest_input(run, path, context, input, true, &outcome, error);
    }
  }
  if (input) run->bytes_before += tk_input_size(input);
  if (status == TK_OK && outcome.input_status == TK_OK && outcome.begun && !tk_interrupted()) {
    status = end_source(run, input, error);
  }
  tk_input_close(input);
  /* An interrupted source is not at its end: the next run continues it. */
  if (status != TK_OK || outcome.input_status == TK_OK) return status;
  note_failed_file(run, path, outcome.input_status, error);
  if (!outcome.begun) return TK_OK;
  /* Nor is one that broke off. What it gave is kept, and another ingest goes on after it. */
  status = finish_ingest(run, error);
  return status == TK_OK ? begin_ingest(run, error) : status;
}

/* ---- artifacts ---- */

static int compare_identities(const void *left, const void *right) {
  const struct file_identity *a = left, *b = right;
  if (a->device != b->device) return a->device < b->device ? -1 : 1;
  if (a->inode != b->inode) return a->inode < b->inode ? -1 : 1;
  return 0;
}

static void list_identities(struct run *run, const struct tk_input_files *files) {
  run->listed = tk_need_memory(malloc((files->count + 1) * sizeof *run->listed));
  for (size_t i = 0; i < files->count; i++) {
    struct stat status;
    if (stat(files->paths[i], &status) != 0) continue;
    run->listed[run->listed_count++] = (struct file_identity){status.st_dev, status.st_ino};
  }
  qsort(run->listed, run->listed_count, sizeof *run->listed, compare_identities);
}

static bool is_listed(const struct run *run, const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) return true; /* it has gone since */
  const struct file_identity identity = {status.st_dev, status.st_ino};
  return bsearch(&identity, run->listed, run->listed_count, sizeof identity, compare_identities);
}

static void mention_checksums(struct run *run, const struct tk_artifacts *artifacts) {
  if (run->checksums_mentioned || !artifacts->has_checksums || tk_sha256_available()) return;
  run->checksums_mentioned = true;
  tk_complain("this tracekeep is built without SHA-256: checksums of artifacts are not checked");
}

/* A file, and before it those that its envelopes name: so that, whatever happens, there is no
 * envelope in the store whose files are still to be looked for. */
static enum tk_status ingest_with_artifacts(struct run *run, const char *path,
                                            struct tk_error *error) {
  struct tk_artifacts artifacts;
  struct tk_source_context context = {.run_id = run->arguments->run_id};
  enum tk_status status = TK_OK;
  tk_artifacts_find(path, &artifacts);
  mention_checksums(run, &artifacts);
  if (artifacts.run_id) context.run_id = artifacts.run_id;
  for (size_t i = 0; i < artifacts.count && status == TK_OK && !tk_interrupted(); i++) {
    if (is_listed(run, artifacts.paths[i])) continue;
    status = ingest_file(run, artifacts.paths[i], &context, error);
  }
  context = (struct tk_source_context){.run_id = run->arguments->run_id, .found = artifacts.found};
  if (status == TK_OK && !tk_interrupted()) status = ingest_file(run, path, &context, error);
  tk_artifacts_reset(&artifacts);
  return status;
}

static enum tk_status ingest_files(struct run *run, const struct tk_input_files *files,
                                   struct tk_error *error) {
  enum tk_status status = TK_OK;
  list_identities(run, files);
  for (size_t i = 0; i < files->count && status == TK_OK && !tk_interrupted(); i++) {
    status = ingest_with_artifacts(run, files->paths[i], error);
  }
  free(run->listed);
  run->listed = NULL;
  return status;
}

static double now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Says how it went, and gives the exit code. To be stopped is how following ends. */
static int conclude(struct run *run) {
  const bool interrupted = tk_interrupted() && !run->arguments->follow;
  if (interrupted) {
    run->summary.interrupted = true;
    tk_complain("interrupted; the same command continues where this one stopped");
  }
  if (!run->arguments->quiet) {
    if (run->arguments->output_format && strcmp(run->arguments->output_format, "json") == 0) {
      tk_ingest_summary_print_json(&run->summary, run->store_name);
    } else {
      tk_ingest_summary_print_text(&run->summary, run->store_name);
    }
  }
  if (interrupted) return TK_EXIT_INTERRUPTED;
  if (run->exit_code == TK_EXIT_OK && run->summary.counts.rejected > 0) return TK_EXIT_FINDINGS;
  return run->exit_code;
}

static int ingest_into_store(struct run *run, const struct tk_input_files *files) {
  struct tk_error error = {0};
  double begin = now_seconds();
  enum tk_status status = begin_ingest(run, &error);
  if (status == TK_OK) {
    tk_progress_begin(files->total_bytes, !run->arguments->quiet);
    status = ingest_files(run, files, &error);
    if (status == TK_OK) status = finish_ingest(run, &error);
    tk_ingest_abort(run->ingest); /* nothing is left when it was finished */
    tk_progress_end();
  }
  if (status != TK_OK) return tk_complain_status(run->store_name, status, &error);
  run->summary.seconds = now_seconds() - begin + 1e-9;
  return conclude(run);
}

static int follow_into_store(struct run *run, char **paths, int path_count,
                             uint64_t commit_interval_ms) {
  const struct tk_follow_options options = {
      .ingest = {.thread_count = run->arguments->threads,
                 .spans_per_segment = run->arguments->spans_per_segment},
      .format = run->arguments->format,
      .commit_interval_ms = commit_interval_ms,
      .run_id = run->arguments->run_id,
      .quiet = run->arguments->quiet};
  struct tk_error error = {0};
  const double begin = now_seconds();
  enum tk_status status = tk_follow(run->store, paths, path_count, &options, &run->summary, &error);
  if (status != TK_OK) return tk_complain_status(run->store_name, status, &error);
  if (run->summary.files_failed > 0) run->exit_code = TK_EXIT_IO;
  run->summary.seconds = now_seconds() - begin + 1e-9;
  return conclude(run);
}

static bool check_following(const struct ingest_arguments *arguments, char **paths, int path_count,
                            uint64_t *commit_interval_ms) {
  *commit_interval_ms = 2000;
  for (int i = 0; i < path_count && arguments->follow; i++) {
    if (strcmp(paths[i], "-") != 0) continue;
    tk_complain("ingest: --follow reads files; standard input cannot be continued");
    return false;
  }
  if (arguments->commit_interval &&
      !tk_parse_interval_argument("commit-interval", arguments->commit_interval,
                                  commit_interval_ms)) {
    return false;
  }
  return true;
}

static bool check_format(const char *name) {
  if (!name || tk_input_format_find(name)) return true;
  char names[512] = "";
  for (size_t i = 0; tk_input_format_at(i); i++) {
    size_t used = strlen(names);
    snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
             tk_input_format_at(i)->name);
  }
  tk_complain("ingest: no format '%s'; there are: %s", name, names);
  return false;
}

static int run_ingest(const struct tk_command *command, int argc, char **argv) {
  struct ingest_arguments arguments = {0};
  struct tk_input_files files = {0};
  struct tk_error error = {0};
  int exit_code = TK_EXIT_OK;
  int operands = tk_options_parse(command, argc, argv, &arguments, &exit_code);
  if (operands < 0) return exit_code;
  uint64_t commit_interval_ms;
  if (!check_format(arguments.format)) return TK_EXIT_USAGE;
  if (!check_following(&arguments, argv + 1, operands - 1, &commit_interval_ms)) {
    return TK_EXIT_USAGE;
  }

  if (!arguments.follow) tk_input_files_list(&files, argv + 1, operands - 1);
  if (files.count == 0 && !arguments.follow) {
    tk_complain("ingest: there is nothing to read");
    exit_code = files.missing > 0 ? TK_EXIT_IO : TK_EXIT_USAGE;
    tk_input_files_reset(&files);
    return exit_code;
  }
  struct run run = {.arguments = &arguments, .store_name = argv[0]};
  run.summary.files_failed = files.missing;
  run.summary.files = files.missing;
  if (files.missing > 0) run.exit_code = TK_EXIT_IO;
  tk_interrupt_install();
  enum tk_status status = tk_store_open(argv[0], TK_OPEN_CREATE, &run.store, &error);
  if (status != TK_OK) {
    exit_code = tk_complain_status(argv[0], status, &error);
  } else if (arguments.follow) {
    exit_code = follow_into_store(&run, argv + 1, operands - 1, commit_interval_ms);
  } else {
    exit_code = ingest_into_store(&run, &files);
  }
  tk_store_close(run.store);
  tk_input_files_reset(&files);
  return exit_code;
}

const struct tk_command tk_cmd_ingest = {
    .name = "ingest",
    .arguments = "STORE FILE|DIR|-...",
    .summary = "read traces into a store",
    .description =
        "Reads traces into a store, which is made when it does not exist. Format and compression\n"
        "are recognised by content; - is standard input. Of a folder, files are read that end "
        "in\n" TK_INPUT_FILE_ENDINGS
        ".\n\n"
        "Besides spans it takes what a run of a verification pipeline leaves: events in lines,\n"
        "report envelopes, validations, projections, summaries; see docs/runs.md. The files that\n"
        "an envelope names are read too, where they are found beside it, and compared with the\n"
        "checksums it gives.\n\n"
        "Doing the same again adds nothing; a file that has grown continues where it ended. What\n"
        "cannot be used is counted, shown and kept in the table validation_issues. Interrupted at\n"
        "any instant, the same command continues.\n\n"
        "With --follow it goes on until ^C or SIGTERM, which end it cleanly (exit code 0, or 1 "
        "with\n"
        "rejected records): files may grow, be rotated or truncated, or appear later, also in\n"
        "folders and for patterns in quotes. An unfinished last line is left for its end to come.",
    .examples =
        "  tracekeep ingest traces.db dump.jsonl\n"
        "  tracekeep ingest traces.db /var/lib/otelcol/dumps\n"
        "  tracekeep ingest --run-id 18268371063 runs.db kvonce-events.ndjson\n"
        "  tracekeep ingest --follow traces.db /var/lib/otelcol/traces.json\n"
        "  zcat old.json.gz | tracekeep ingest --output-format json traces.db -\n",
    .options = ingest_options,
    .run = run_ingest,
    .operand_min = 2,
    .operand_max = -1,
};
