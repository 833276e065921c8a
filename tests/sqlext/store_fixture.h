/* Small stores for tests of the SQL surface, and queries on them. All functions end the test
 * program when they fail, unless they return the failure. */
#ifndef TK_TESTS_STORE_FIXTURE_H
#define TK_TESTS_STORE_FIXTURE_H

#include <sqlite3.h>
#include <stdint.h>

#include "tracekeep/span.h"

/** A path in a folder of its own that is removed when the program ends. */
const char *fixture_path(const char *name);

/** Ingests the batch into the store at `path`, which is made if there is none. */
void fixture_ingest(const char *path, struct tk_batch *batch, uint32_t spans_per_segment);

/** `count` spans in traces of 5, numbered from `first`: services a, b, c; names op0 to op6; the
 * attribute `number` of all, `key` of those whose number is divisible by 3. Starts are a
 * microsecond apart. */
struct tk_batch *fixture_batch(uint32_t first, uint32_t count, const char *key);

/** A connection with the SQL surface. */
sqlite3 *fixture_open(const char *path);

/** Rows as text: columns separated by `|`, rows by newline; valid until the next call of the
 * thread. A failure gives its message. */
const char *fixture_query(sqlite3 *db, const char *sql);
int64_t fixture_number(sqlite3 *db, const char *sql);

#endif
