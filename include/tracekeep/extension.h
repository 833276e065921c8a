/** @file extension.h  For programs that link the SQL surface instead of loading tracekeep.so. */
#ifndef TRACEKEEP_EXTENSION_H
#define TRACEKEEP_EXTENSION_H

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3_api_routines;

/** Entry point of the loadable extension. Linked statically, call it with a connection (`api` is
 * ignored then), or give it to sqlite3_auto_extension. An SQLite result code; *message_out, if set,
 * is freed with sqlite3_free. */
int sqlite3_tracekeep_init(sqlite3 *db, char **message_out, const struct sqlite3_api_routines *api);

#ifdef __cplusplus
}
#endif
#endif
