/* What is inside the public handle. */
#ifndef TK_STORE_STORE_H
#define TK_STORE_STORE_H

#include "store/segment/segment.h"
#include "tracekeep/store.h"

struct tk_store {
  sqlite3 *db;
  struct tk_reader *reader;
};

#endif
