/* Where a configuration comes from when SQL asks for one: out of the store, or out of an
 * argument. */
#ifndef TK_SAMPLING_CONFIG_SOURCE_H
#define TK_SAMPLING_CONFIG_SOURCE_H

#include "store/sqlite_api.h"
#include "tracekeep/sampling_config.h"

/** What the store says of a configuration that is in it. */
struct tk_config_origin {
  int64_t document_id; /* 0: an argument, not in the store */
  char *path;          /* sqlite3_free */
  char *ingested_at;   /* sqlite3_free; NULL: not in the store */
};

void tk_config_origin_reset(struct tk_config_origin *origin);

/** The configuration that `argument` names: a number is the id of a stored one, a text the path of
 * a stored one, or the end of its path (the latest of them), or, if there is none, a configuration
 * itself. TK_INVALID:
 * neither. `origin` may be NULL; else it is to be reset, whatever is returned. */
enum tk_status tk_config_open(sqlite3 *db, const char *schema, sqlite3_value *argument,
                              struct tk_config_origin *origin,
                              struct tk_sampling_config **config_out, struct tk_error *error);

/** The stored configuration `document_id`, parsed. */
enum tk_status tk_config_load(sqlite3 *db, const char *schema, int64_t document_id,
                              const char *path, struct tk_sampling_config **config_out,
                              struct tk_error *error);

/** A statement over all stored configurations, or the one whose id is bound to it, by id: document
 * id, path, ingested_at. *list_out is NULL where the schema has not even a table for them. */
enum tk_status tk_config_list_open(sqlite3 *db, const char *schema, bool by_id,
                                   sqlite3_stmt **list_out, struct tk_error *error);

#endif
