/* What documents say becomes rows by SQL, one script for each kind (store/sql/documents/): the text
 * is bound, and json_each and json_extract take it apart. */
#ifndef TK_STORE_DOCUMENT_SCRIPTS_H
#define TK_STORE_DOCUMENT_SCRIPTS_H

#include <stddef.h>
#include <stdint.h>

#include "store/sqlite_api.h"
#include "tracekeep/document.h"
#include "tracekeep/status.h"

struct tk_document_scripts;

/** Also gives the connection the SQL functions that the scripts call. */
enum tk_status tk_document_scripts_open(sqlite3 *db, struct tk_document_scripts **scripts_out,
                                        struct tk_error *error);
void tk_document_scripts_close(struct tk_document_scripts *scripts);

/** The parameters of every script. */
struct tk_document_arguments {
  int64_t id;         /**< :id, of its row in tk_document */
  const char *text;   /**< :text, its substance; of lines, which no script takes apart, "" */
  size_t size;        /**< of the text */
  const char *run_id; /**< :run, or NULL */
  const char *found;  /**< :found, JSON about the files an envelope names; NULL: {} */
};

/** Runs the script of a kind that is whole documents. Not every kind has one. */
enum tk_status tk_document_scripts_run(struct tk_document_scripts *scripts,
                                       enum tk_document_kind kind,
                                       const struct tk_document_arguments *arguments,
                                       struct tk_error *error);
/** Runs what follows for a document of any kind once it is complete. */
enum tk_status tk_document_scripts_link(struct tk_document_scripts *scripts,
                                        const struct tk_document_arguments *arguments,
                                        struct tk_error *error);

#endif
