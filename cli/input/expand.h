/** @file expand.h  The files a command line names: files as they are, folders by what is in them.
 */
#ifndef TK_CLI_INPUT_EXPAND_H
#define TK_CLI_INPUT_EXPAND_H

#include <stddef.h>

#include "tracekeep/status.h"

struct tk_path_list {
  char **paths;
  size_t count;
  size_t capacity;
};

/** Appends `path` to the list, or, if it is a folder, every regular file in it and in the folders
 * below, sorted by name folder by folder; names that begin with a dot are left out. "-" stays "-".
 * TK_IO: there is no such file, or a folder cannot be read; TK_NOMEM. The list is valid, and holds
 * what was found before, on failure too. */
enum tk_status tk_input_expand(const char *path, struct tk_path_list *list, struct tk_error *error);

/** Frees; a zeroed list is fine. */
void tk_path_list_reset(struct tk_path_list *list);

#endif
