/* The tables of the SQL surface; tables.c registers them all. */
#ifndef TK_SQLEXT_TABLES_H
#define TK_SQLEXT_TABLES_H

#include "store/sqlite_api.h"

int tk_register_dictionaries(sqlite3 *db); /* resources, scopes, services, operations */
int tk_register_attribute_keys(sqlite3 *db);
int tk_register_segments(sqlite3 *db); /* segments, segment_columns */
int tk_register_traces(sqlite3 *db);
int tk_register_items(sqlite3 *db); /* span_events, span_links */
int tk_register_attributes(sqlite3 *db);
int tk_register_span_metrics(sqlite3 *db);
int tk_register_latency_histogram(sqlite3 *db);
int tk_register_service_graph(sqlite3 *db);
int tk_register_span_relations(sqlite3 *db);

#endif
