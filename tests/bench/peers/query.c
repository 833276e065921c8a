/* bench.c - run one query against one peer, in this process.
 *   bench_X DB SQLFILE NAME REPS [k=v ...] [-d DUMP] [-i IDFILE]
 * SQLFILE: blocks "-- name: Q2" + one statement. {k} is replaced by v.  -i: {TRACE} from each line
 * of IDFILE in turn (point lookups). prints: NAME,rep,open_ms,query_ms,rows,bytes   (open_ms: from
 * main() to a usable connection; 0 after the first rep) backends: -DSQLITE -DDUCK -DCHDB -DPG
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}
static FILE *D;
static long rows, bytes;
static void cell(const char *s, size_t n, int first) {
  bytes += n + 1;
  if (D) {
    if (!first) fputc('\t', D);
    for (size_t i = 0; i < n; i++) fputc(s[i] == '\t' || s[i] == '\n' ? ' ' : s[i], D);
  }
}
static void eol(void) {
  rows++;
  if (D) fputc('\n', D);
}
#ifdef SQLITE
#include <sqlite3.h>
static sqlite3 *db;
static void opn(const char *p) {
  if (sqlite3_open_v2(p, &db, SQLITE_OPEN_READWRITE, 0)) {
    puts(sqlite3_errmsg(db));
    exit(1);
  }
  sqlite3_enable_load_extension(db, 1);
  const char *x = getenv("SQLITE_EXT");
  char *m = 0;
  if (x && *x && sqlite3_load_extension(db, x, 0, &m)) {
    puts(m);
    exit(1);
  }
  sqlite3_exec(db,
               "PRAGMA cache_size=-262144;PRAGMA temp_store=MEMORY;PRAGMA case_sensitive_like=ON",
               0, 0, 0);
  const char *pr = getenv("SQLITE_PRAGMA");
  if (pr) sqlite3_exec(db, pr, 0, 0, 0);
}
static void qry(const char *q) {
  while (*q) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, q, -1, &s, &q)) {
      printf("ERROR %s\n", sqlite3_errmsg(db));
      exit(1);
    }
    if (!s) break;
    int r, n = sqlite3_column_count(s);
    while ((r = sqlite3_step(s)) == SQLITE_ROW) {
      for (int i = 0; i < n; i++) {
        const char *z = (const char *)sqlite3_column_text(s, i);
        cell(z ? z : "", sqlite3_column_bytes(s, i), i == 0);
      }
      eol();
    }
    if (r != SQLITE_DONE) {
      printf("ERROR %s\n", sqlite3_errmsg(db));
      exit(1);
    }
    sqlite3_finalize(s);
    while (*q == ' ' || *q == '\n' || *q == ';') q++;
  }
}
static void cls(void) {
  sqlite3_close(db);
}
#elif defined(DUCK)
typedef void *H;
typedef struct {
  uint64_t a, b, c;
  void *d;
  char *e;
  void *f;
} R;
int duckdb_open_ext(const char *, H *, H, char **);
int duckdb_connect(H, H *);
int duckdb_query(H, const char *, R *);
const char *duckdb_result_error(R *);
uint64_t duckdb_column_count(R *);
uint64_t duckdb_row_count(R *);
char *duckdb_value_varchar(R *, uint64_t, uint64_t);
void duckdb_free(void *);
void duckdb_destroy_result(R *);
void duckdb_disconnect(H *);
void duckdb_close(H *);
int duckdb_create_config(H *);
int duckdb_set_config(H, const char *, const char *);
static H db, con;
static void ex(const char *q) {
  R r;
  if (duckdb_query(con, q, &r)) {
    printf("ERROR %s\n", duckdb_result_error(&r));
    exit(1);
  }
  duckdb_destroy_result(&r);
}
static void opn(const char *p) {
  H cfg;
  duckdb_create_config(&cfg);
  if (getenv("DUCK_RO")) duckdb_set_config(cfg, "access_mode", "READ_ONLY");
  char *e = 0;
  if (duckdb_open_ext(*p ? p : 0, &db, cfg, &e)) {
    printf("ERROR %s\n", e);
    exit(1);
  }
  duckdb_connect(db, &con);
  const char *pr = getenv("DUCK_INIT");
  if (pr) ex(pr);
}
static void qry(const char *q) {
  R r;
  if (duckdb_query(con, q, &r)) {
    printf("ERROR %s\n", duckdb_result_error(&r));
    exit(1);
  }
  uint64_t n = duckdb_column_count(&r), m = duckdb_row_count(&r);
  for (uint64_t i = 0; i < m; i++) {
    for (uint64_t j = 0; j < n; j++) {
      char *z = duckdb_value_varchar(&r, j, i);
      cell(z ? z : "", z ? strlen(z) : 0, j == 0);
      if (z) duckdb_free(z);
    }
    eol();
  }
  duckdb_destroy_result(&r);
}
static void cls(void) {
  duckdb_disconnect(&con);
  duckdb_close(&db);
}
#elif defined(CHDB)
#include "chdb_min.h"
static chdb_connection *con;
static void opn(const char *p) {
  char b[512];
  snprintf(b, 512, "--path=%s", p);
  char *x =
      getenv("CHDB_CONDCACHE") ? "--use_query_condition_cache=1" : "--use_query_condition_cache=0";
  char *t = getenv("CHDB_THREADS") ? "--max_threads=1" : "--max_threads=2";
  char *a[] = {"clickhouse", x, t, b};
  con = chdb_connect(*p ? 4 : 3, a);
  if (!con) {
    puts("ERROR connect");
    exit(1);
  }
}
static void qry(const char *q) {
  chdb_result *r = chdb_query(*con, q, "TSV");
  const char *e = chdb_result_error(r);
  if (e) {
    printf("ERROR %s\n", e);
    exit(1);
  }
  size_t n = chdb_result_length(r);
  char *b = chdb_result_buffer(r);
  bytes += n;
  for (size_t i = 0; i < n; i++) rows += b[i] == '\n';
  if (D) fwrite(b, 1, n, D);
  chdb_destroy_query_result(r);
}
static void cls(void) {
  chdb_close_conn(con);
}
#elif defined(PG)
#include <libpq-fe.h>
static PGconn *c;
static void opn(const char *p) {
  c = PQconnectdb(p);
  if (PQstatus(c) != CONNECTION_OK) {
    printf("ERROR %s", PQerrorMessage(c));
    exit(1);
  }
}
static void qry(const char *q) {
  PGresult *r = PQexec(c, q);
  if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK) {
    printf("ERROR %s", PQerrorMessage(c));
    exit(1);
  }
  int m = PQntuples(r), n = PQnfields(r);
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) cell(PQgetvalue(r, i, j), PQgetlength(r, i, j), j == 0);
    eol();
  }
  PQclear(r);
}
static void cls(void) {
  PQfinish(c);
}
#endif
static char *repl(char *s, const char *k, const char *v) {
  char key[64];
  snprintf(key, 64, "{%s}", k);
  char *p;
  while ((p = strstr(s, key))) {
    char *o = malloc(strlen(s) + strlen(v) + 1);
    size_t n = p - s;
    memcpy(o, s, n);
    strcpy(o + n, v);
    strcat(o, p + strlen(key));
    s = o;
  }
  return s;
}
int main(int a, char **v) {
  double t0 = now();
  if (a < 5) return 2;
  FILE *f = fopen(v[2], "r");
  if (!f) {
    perror(v[2]);
    return 1;
  }
  size_t cap = 1 << 20;
  char *txt = calloc(1, cap);
  size_t tn = fread(txt, 1, cap - 1, f);
  txt[tn] = 0;
  fclose(f);
  char tag[80];
  snprintf(tag, 80, "-- name: %s\n", v[3]);
  char *q = strstr(txt, tag);
  if (!q) {
    printf("ERROR no query %s\n", v[3]);
    return 1;
  }
  q += strlen(tag);
  char *e = strstr(q, "-- name: ");
  if (e) *e = 0;
  /* strip trailing space and ; */
  for (size_t n = strlen(q); n && (q[n - 1] == '\n' || q[n - 1] == ' ' || q[n - 1] == ';');)
    q[--n] = 0;
  int reps = atoi(v[4]);
  const char *ids = 0;
  const char *dump = 0;
  for (int i = 5; i < a; i++) {
    if (!strcmp(v[i], "-d"))
      dump = v[++i];
    else if (!strcmp(v[i], "-i"))
      ids = v[++i];
    else {
      char *eq = strchr(v[i], '=');
      if (eq) {
        char k[64];
        snprintf(k, 64, "%.*s", (int)(eq - v[i]), v[i]);
        q = repl(q, k, eq + 1);
      }
    }
  }
  if (dump) D = fopen(dump, "w");
  opn(v[1]);
  double t1 = now();
  if (ids) {
    FILE *g = fopen(ids, "r");
    char line[256];
    int k = 0;
    while (k < reps && fgets(line, 256, g)) {
      line[strcspn(line, "\n")] = 0;
      char *s = repl(strdup(q), "TRACE", line);
      rows = bytes = 0;
      double x = now();
      qry(s);
      double y = now();
      printf("%s,%d,%.3f,%.3f,%ld,%ld\n", v[3], k, k ? 0 : t1 - t0, y - x, rows, bytes);
      k++;
    }
    fclose(g);
  } else
    for (int k = 0; k < reps; k++) {
      rows = bytes = 0;
      double x = now();
      qry(q);
      double y = now();
      printf("%s,%d,%.3f,%.3f,%ld,%ld\n", v[3], k, k ? 0 : t1 - t0, y - x, rows, bytes);
      fflush(stdout);
      if (D) {
        fclose(D);
        D = 0;
      }
    }
  if (D) fclose(D);
  fflush(stdout);
  cls();
  return 0;
}
