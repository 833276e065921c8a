/* Opening a store for the commands that read it. */
#ifndef TK_CLI_OPEN_STORE_H
#define TK_CLI_OPEN_STORE_H

#include "tracekeep/store.h"

/** Opens `path` read-only, with the SQL surface of the extension on its connection. Complains and
 * gives an exit code on failure (*store_out is NULL then), else TK_EXIT_OK. */
int tk_open_store_for_reading(const char *path, struct tk_store **store_out);

#endif
