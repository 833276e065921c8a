/* Which run a trace belongs to: what the latest envelope that names it says of its run. It is what
 * the hidden columns [kvonce.*] of `spans` show, whether or not a producer set such attributes. */
#ifndef TK_SQLEXT_RUN_LINKS_H
#define TK_SQLEXT_RUN_LINKS_H

#include <stdint.h>

#include "store/predicate.h"
#include "store/sqlite_api.h"
#include "tracekeep/arena.h"

/** In the order of the columns; see docs/schema.md. */
enum tk_run_fact {
  TK_RUN_ID,
  TK_RUN_BRANCH,
  TK_RUN_VALID,
  TK_RUN_EVENT_COUNT,
  TK_RUN_ARTIFACT_PATH,
  TK_RUN_FACT_COUNT
};

struct tk_run_facts {
  struct tk_sql_value values[TK_RUN_FACT_COUNT];
};

struct tk_run_link;

struct tk_run_links {
  struct tk_arena arena;
  struct tk_run_link *slots; /* open addressing; slot_count is a power of two, or 0: no links */
  uint32_t slot_count;
  uint32_t count;
};

/** Reads the envelopes of the store in `schema`. Stores made before there were envelopes have
 * none. `links` is to be reset, whatever this returns. */
enum tk_status tk_run_links_load(struct tk_run_links *links, sqlite3 *db, const char *schema,
                                 struct tk_error *error);
void tk_run_links_reset(struct tk_run_links *links);

/** NULL: no envelope names the trace. The facts live as long as the links. */
const struct tk_run_facts *tk_run_links_find(const struct tk_run_links *links,
                                             const uint8_t trace_id[16]);

#endif
