/* What is run when a document of some kind has been stored: store/sql/documents/<kind>.sql, its
 * macros expanded by embed_documents.py. */
#ifndef TK_STORE_DOCUMENT_SQL_H
#define TK_STORE_DOCUMENT_SQL_H

struct tk_document_sql {
  const char *kind; /* a name of TK_DOCUMENT_KINDS, or "linked" */
  const char *sql;  /* statements; parameters :id, :text, :run, :found */
};

/** Ends with a row of NULLs. */
extern const struct tk_document_sql tk_document_sql[];

#endif
