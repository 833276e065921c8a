/* What `ingest` was asked to read, folders included, as a list of files. */
#ifndef TK_CLI_INPUT_FILES_H
#define TK_CLI_INPUT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tk_input_files {
  char **paths; /**< as given, or folder/name; "-" is standard input */
  size_t count, capacity;
  uint64_t total_bytes; /**< of those whose size is known; 0 when one is not */
  bool following;       /**< see tk_input_files_list; set by the caller */
  size_t missing;       /**< arguments that name nothing that can be read; complained about */
};

/** Files as given, in that order; a folder stands for the files in it and in its folders whose
 * names end as dumps do, in the order of their names. Hidden ones are left out.
 *
 * With `following` it lists what there is now and complains of nothing: what is missing may still
 * come. An argument with * ? or [ that names no file is a pattern, and before a file come those
 * that it was rotated to: for x.json, x-2026-11-20T13-00-00.000.json. */
void tk_input_files_list(struct tk_input_files *files, char **arguments, int argument_count);
void tk_input_files_reset(struct tk_input_files *files);

/** What names of dumps end in, for --help: ".json .jsonl ...". */
#define TK_INPUT_FILE_ENDINGS ".json .jsonl .ndjson .pb .bin .otlp, perhaps with .gz or .zst"

#endif
