/* Documents in a store, put there as rows, without the readers that usually bring them. One store
 * at a time; every failure ends the program. */
#ifndef TK_TESTS_DOCUMENT_FIXTURE_H
#define TK_TESTS_DOCUMENT_FIXTURE_H

#include <stddef.h>

/** Makes the store if there is none. */
void document_fixture_open(const char *path);
/** A document in parts of about `part_size` bytes. A run_id of NULL is none; `spans`: its records
 * get made-up origins. */
void document_fixture_add(const char *kind, const char *run_id, const char *path, char *text,
                          size_t size, size_t part_size, int spans);
void document_fixture_close(void);

#endif
