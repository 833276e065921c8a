/* What is in a store, in forms that can be compared: by content, and table by table. */
#ifndef TK_TESTS_STORE_COMPARE_H
#define TK_TESTS_STORE_COMPARE_H

#include <stdbool.h>

#include "tracekeep/store.h"

/** Every span the scan gives, one line each, traces by id: the same for stores with the same
 * content however it is laid out. malloc'd; NULL (and a TAP comment) on any error. */
char *store_dump(const char *path);

/** The same of a store that is open. */
char *open_store_dump(struct tk_store *store, struct tk_error *error);

/** One line for each table: its name, number of rows and a hash of every value, clock times left
 * out. malloc'd; NULL on any error. */
char *store_table_hashes(const char *path);

/** Whether the two are equal, byte by byte of every table; says in TAP comments where not. Never
 * true for a store without segments. */
bool stores_are_identical(const char *path, const char *other);

/** The same for what a scan gives. Never true for a store without spans. */
bool stores_have_equal_content(const char *path, const char *other);

/** Opens, checks and closes: true if nothing was found. Faults become TAP comments. */
bool store_is_sound(const char *path);

/** Deletes the file and what SQLite keeps beside it. */
void remove_store(const char *path);

/** Copies the file, which nobody has open. */
bool copy_store(const char *from, const char *to);

#endif
