// load.cpp - OTLP JSON lines -> a peer.  One parser (simdjson DOM), several sinks, so that the
// loader is never the slow part and is the same for every peer that has no OTLP path of its own.
//   load_sqlite  FILE.jsonl DB       (row per span, attributes as JSON text, indexes after the
//   load) load_pg      FILE.jsonl CONNINFO (COPY FROM STDIN text) load_chdb    FILE.jsonl DIR
//   (RowBinary into MergeTree, otel_traces of the collector's exporter) load_tsv     FILE.jsonl
//   OUT.tsv  (ClickHouse 18.16: TabSeparated)
#include <fcntl.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>
using namespace simdjson;
using sv = std::string_view;
using std::string;
static double now() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}
static void js(string &o, sv s) {
  o += '"';
  for (unsigned char c : s) {
    if (c == '"' || c == '\\') {
      o += '\\';
      o += c;
    } else if (c == '\n')
      o += "\\n";
    else if (c == '\t')
      o += "\\t";
    else if (c == '\r')
      o += "\\r";
    else if (c < 32) {
      char t[8];
      snprintf(t, 8, "\\u%04x", c);
      o += t;
    } else
      o += c;
  }
  o += '"';
}
static void jsval(string &o, dom::element v) {  // an AnyValue
  for (auto kv : v.get_object()) {
    sv k = kv.key;
    if (k == "stringValue") {
      js(o, sv(kv.value));
      return;
    }
    if (k == "intValue") {
      if (kv.value.is_string())
        o += sv(kv.value);
      else
        o += std::to_string(int64_t(kv.value));
      return;
    }
    if (k == "boolValue") {
      o += bool(kv.value) ? "true" : "false";
      return;
    }
    if (k == "doubleValue") {
      char t[40];
      double d = double(kv.value);
      for (int p = 1; p <= 17; p++) {
        snprintf(t, 40, "%.*g", p, d);
        if (strtod(t, 0) == d) break;
      }
      o += t;
      return;
    }
    if (k == "arrayValue") {
      o += '[';
      bool f = true;
      dom::array a;
      if (!kv.value["values"].get(a))
        for (auto e : a) {
          if (!f) o += ',';
          f = false;
          jsval(o, e);
        }
      o += ']';
      return;
    }
  }
  o += "null";
}
static void strval(string &o, dom::element v) {  // as the ClickHouse exporter: everything a string
  for (auto kv : v.get_object()) {
    if (kv.key == "stringValue") {
      o = sv(kv.value);
      return;
    }
  }
  o.clear();
  jsval(o, v);
}
static void attrs(string &o, dom::element a) {
  o += '{';
  bool f = true;
  for (auto e : a.get_array()) {
    if (!f) o += ',';
    f = false;
    js(o, sv(e["key"]));
    o += ':';
    jsval(o, e["value"]);
  }
  o += '}';
}
struct Row {
  sv tid, sid, pid, ts, name, service, scope, scopever, msg;
  int kind, status;
  uint64_t start, end;
  const string *res;
  const string *resbin;
  dom::element at;
  bool hasev, haslk;
  dom::array ev, lk;
};
static uint64_t u64(sv s) {
  uint64_t v = 0;
  for (char c : s) v = v * 10 + (c - '0');
  return v;
}
static void put(string &o, uint64_t v) {
  do {
    unsigned char b = v & 127;
    v >>= 7;
    o += char(b | (v ? 128 : 0));
  } while (v);
}
static void bs(string &o, sv s) {
  put(o, s.size());
  o.append(s);
}
static void bmap(string &o, dom::array a, string &t) {
  put(o, a.size());
  for (auto e : a) {
    bs(o, sv(e["key"]));
    strval(t, e["value"]);
    bs(o, t);
  }
}
struct Sink {
  virtual void row(const Row &) = 0;
  virtual void done() = 0;
  virtual ~Sink() {
  }
};
static const char *KIND[] = {"Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"};
static const char *STC[] = {"Unset", "Ok", "Error"};
static void evjson(string &o, const Row &r) {
  o.clear();
  if (!r.hasev) return;
  o += '[';
  bool f = true;
  for (auto e : r.ev) {
    if (!f) o += ',';
    f = false;
    o += "{\"time\":";
    o += sv(e["timeUnixNano"]);
    o += ",\"name\":";
    js(o, sv(e["name"]));
    o += ",\"attributes\":";
    attrs(o, e["attributes"]);
    o += '}';
  }
  o += ']';
}
static void lkjson(string &o, const Row &r) {
  o.clear();
  if (!r.haslk) return;
  o += '[';
  bool f = true;
  for (auto e : r.lk) {
    if (!f) o += ',';
    f = false;
    o += "{\"trace_id\":";
    js(o, sv(e["traceId"]));
    o += ",\"span_id\":";
    js(o, sv(e["spanId"]));
    o += ",\"attributes\":";
    attrs(o, e["attributes"]);
    o += '}';
  }
  o += ']';
}
#ifdef SQLITE
#include <sqlite3.h>
struct SinkImpl : Sink {
  sqlite3 *db;
  sqlite3_stmt *st;
  string a, e, l;
  void x(const char *q) {
    char *m = 0;
    double t = now();
    if (sqlite3_exec(db, q, 0, 0, &m)) {
      fprintf(stderr, "%s: %s\n", q, m);
      exit(1);
    }
    t = now() - t;
    if (t > 0.5) fprintf(stderr, "%.2f s: %.60s\n", t, q);
  }
  SinkImpl(const char *p) {
    unlink(p);
    sqlite3_open(p, &db);
    x("PRAGMA journal_mode=WAL");
    x("PRAGMA synchronous=NORMAL");
    x("PRAGMA cache_size=-262144");
    x("PRAGMA temp_store=MEMORY");
    x("CREATE TABLE spans(trace_id TEXT NOT NULL,span_id TEXT NOT NULL,parent_span_id "
      "TEXT,trace_state TEXT,name TEXT NOT NULL,kind INTEGER,service TEXT,scope_name "
      "TEXT,scope_version TEXT,start_ns INTEGER NOT NULL,duration_ns INTEGER NOT NULL,status_code "
      "INTEGER,status_message TEXT,attributes TEXT,resource_attributes TEXT,events TEXT,links "
      "TEXT)");
    x("BEGIN");
    sqlite3_prepare_v2(db, "INSERT INTO spans VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, &st,
                       0);
  }
  void T(int i, sv s) {
    if (s.empty())
      sqlite3_bind_null(st, i);
    else
      sqlite3_bind_text(st, i, s.data(), s.size(), SQLITE_STATIC);
  }
  void row(const Row &r) {
    a.clear();
    attrs(a, r.at);
    evjson(e, r);
    lkjson(l, r);
    T(1, r.tid);
    T(2, r.sid);
    T(3, r.pid);
    T(4, r.ts);
    T(5, r.name);
    sqlite3_bind_int(st, 6, r.kind);
    T(7, r.service);
    T(8, r.scope);
    T(9, r.scopever);
    sqlite3_bind_int64(st, 10, r.start);
    sqlite3_bind_int64(st, 11, r.end - r.start);
    sqlite3_bind_int(st, 12, r.status);
    T(13, r.msg);
    T(14, a);
    T(15, *r.res);
    T(16, e);
    T(17, l);
    if (sqlite3_step(st) != SQLITE_DONE) {
      fprintf(stderr, "%s\n", sqlite3_errmsg(db));
      exit(1);
    }
    sqlite3_reset(st);
  }
  void done() {
    sqlite3_finalize(st);
    x("COMMIT");
    x("CREATE INDEX spans_trace ON spans(trace_id,span_id)");
    x("CREATE INDEX spans_svc ON spans(service,start_ns)");
    x("CREATE INDEX spans_dur ON spans(duration_ns)");
    x("ANALYZE");
    x("PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(db);
  }
};
#elif defined(PG)
#include <libpq-fe.h>
struct SinkImpl : Sink {
  PGconn *c;
  string b, a, e, l;
  void x(const char *q) {
    double t = now();
    PGresult *r = PQexec(c, q);
    int s = PQresultStatus(r);
    if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK && s != PGRES_COPY_IN) {
      fprintf(stderr, "%s: %s\n", q, PQerrorMessage(c));
      exit(1);
    }
    PQclear(r);
    t = now() - t;
    if (t > 0.3) fprintf(stderr, "%.2f s: %.70s\n", t, q);
  }
  SinkImpl(const char *p) {
    c = PQconnectdb(p);
    if (PQstatus(c) != CONNECTION_OK) {
      fprintf(stderr, "%s", PQerrorMessage(c));
      exit(1);
    }
    x("SET client_min_messages=warning");
    x("DROP TABLE IF EXISTS spans");
    x("CREATE TABLE spans(trace_id text NOT NULL,span_id text NOT NULL,parent_span_id "
      "text,trace_state text,name text NOT NULL,kind smallint,service text,scope_name "
      "text,scope_version text,start_ns bigint NOT NULL,duration_ns bigint NOT NULL,status_code "
      "smallint,status_message text,attributes jsonb,resource_attributes jsonb,events jsonb,links "
      "jsonb)");
    x("COPY spans FROM STDIN");
  }
  void esc(sv s, bool last = false) {
    if (s.empty())
      b += "\\N";
    else
      for (char ch : s) {
        switch (ch) {
          case '\\':
            b += "\\\\";
            break;
          case '\t':
            b += "\\t";
            break;
          case '\n':
            b += "\\n";
            break;
          case '\r':
            b += "\\r";
            break;
          default:
            b += ch;
        }
      }
    b += last ? '\n' : '\t';
  }
  void num(uint64_t v) {
    b += std::to_string(v);
    b += '\t';
  }
  void row(const Row &r) {
    a.clear();
    attrs(a, r.at);
    evjson(e, r);
    lkjson(l, r);
    esc(r.tid);
    esc(r.sid);
    esc(r.pid);
    esc(r.ts);
    esc(r.name);
    num(r.kind);
    esc(r.service);
    esc(r.scope);
    esc(r.scopever);
    num(r.start);
    num(r.end - r.start);
    num(r.status);
    esc(r.msg);
    esc(a);
    esc(*r.res);
    esc(e);
    esc(l, true);
    if (b.size() > (1 << 20)) {
      if (PQputCopyData(c, b.data(), b.size()) != 1) {
        fprintf(stderr, "%s", PQerrorMessage(c));
        exit(1);
      }
      b.clear();
    }
  }
  void done() {
    PQputCopyData(c, b.data(), b.size());
    PQputCopyEnd(c, 0);
    PGresult *r = PQgetResult(c);
    if (PQresultStatus(r) != PGRES_COMMAND_OK) {
      fprintf(stderr, "%s", PQerrorMessage(c));
      exit(1);
    }
    PQclear(r);
    while ((r = PQgetResult(c))) PQclear(r);
    fprintf(stderr, "%.2f s: COPY done\n", now());
    x("SET maintenance_work_mem='2GB'");
    x("CREATE INDEX ON spans(trace_id,span_id)");
    x("CREATE INDEX ON spans(service,start_ns)");
    x("CREATE INDEX ON spans(duration_ns)");
    if (!getenv("NOGIN")) x("CREATE INDEX ON spans USING gin(attributes jsonb_path_ops)");
    x("VACUUM ANALYZE spans");
    x("CHECKPOINT");
    PQfinish(c);
  }
};
#elif defined(CHDB)
#include "chdb_min.h"
static const char *DDL[] = {
#include "otel_traces_ddl.h"
};
struct SinkImpl : Sink {
  chdb_connection *c;
  chdb_insert_stream s;
  string b, t;
  void x(const char *q) {
    double t0 = now();
    chdb_result *r = chdb_query(*c, q, "TSV");
    const char *e = chdb_result_error(r);
    if (e) {
      fprintf(stderr, "%s: %s\n", q, e);
      exit(1);
    }
    chdb_destroy_query_result(r);
    t0 = now() - t0;
    if (t0 > 0.3) fprintf(stderr, "%.2f s: %.70s\n", t0, q);
  }
  SinkImpl(const char *p) {
    string pa = string("--path=") + p;
    char *av[] = {(char *)"clickhouse", (char *)pa.c_str()};
    c = chdb_connect(2, av);
    if (!c) exit(1);
    for (auto q : DDL) x(q);
    s = chdb_stream_insert(*c, "INSERT INTO otel.otel_traces", "RowBinary");
    if (chdb_stream_insert_error(s)) {
      fprintf(stderr, "%s\n", chdb_stream_insert_error(s));
      exit(1);
    }
  }
  void i64(int64_t v) {
    b.append((char *)&v, 8);
  }
  void row(const Row &r) {
    i64(r.start);
    bs(b, r.tid);
    bs(b, r.sid);
    bs(b, r.pid);
    bs(b, r.ts);
    bs(b, r.name);
    bs(b, KIND[r.kind]);
    bs(b, r.service);
    b += *r.resbin;
    bs(b, r.scope);
    bs(b, r.scopever);
    bmap(b, r.at.get_array(), t);
    i64(r.end - r.start);
    bs(b, STC[r.status]);
    bs(b, r.msg);
    if (r.hasev) {
      put(b, r.ev.size());
      for (auto e : r.ev) i64(u64(sv(e["timeUnixNano"])));
      put(b, r.ev.size());
      for (auto e : r.ev) bs(b, sv(e["name"]));
      put(b, r.ev.size());
      for (auto e : r.ev) bmap(b, e["attributes"].get_array(), t);
    } else
      b.append("\0\0\0", 3);
    if (r.haslk) {
      put(b, r.lk.size());
      for (auto e : r.lk) bs(b, sv(e["traceId"]));
      put(b, r.lk.size());
      for (auto e : r.lk) bs(b, sv(e["spanId"]));
      put(b, r.lk.size());
      for (auto e : r.lk) bs(b, "");
      put(b, r.lk.size());
      for (auto e : r.lk) bmap(b, e["attributes"].get_array(), t);
    } else
      b.append("\0\0\0\0", 4);
    if (b.size() > (8 << 20)) {
      if (chdb_stream_append(s, b.data(), b.size())) {
        fprintf(stderr, "append: %s\n", chdb_stream_insert_error(s));
        exit(1);
      }
      b.clear();
    }
  }
  void done() {
    chdb_stream_append(s, b.data(), b.size());
    chdb_result *r = chdb_stream_done(s);
    const char *e = chdb_result_error(r);
    if (e) {
      fprintf(stderr, "%s\n", e);
      exit(1);
    }
    chdb_destroy_query_result(r);
    chdb_destroy_insert_stream(s);
    fprintf(stderr, "%.2f insert done\n", now());
    if (!getenv("NOMERGE")) {
      x("OPTIMIZE TABLE otel.otel_traces FINAL");
      x("OPTIMIZE TABLE otel.otel_traces_trace_id_ts FINAL");
    }
    chdb_close_conn(c);
  }
};
#elif defined(TSV)
struct SinkImpl : Sink {
  FILE *f;
  string b, t;
  SinkImpl(const char *p) {
    f = strcmp(p, "-") ? fopen(p, "w") : stdout;
  }
  void esc(sv s) {
    for (char ch : s) {
      switch (ch) {
        case '\\':
          b += "\\\\";
          break;
        case '\t':
          b += "\\t";
          break;
        case '\n':
          b += "\\n";
          break;
        default:
          b += ch;
      }
    }
  }
  void el(sv s) {
    b += '\'';
    for (char ch : s) {
      switch (ch) {
        case '\\':
          b += "\\\\";
          break;
        case '\'':
          b += "\\'";
          break;
        case '\t':
          b += "\\t";
          break;
        case '\n':
          b += "\\n";
          break;
        default:
          b += ch;
      }
    }
    b += '\'';
  }
  void T(sv s) {
    esc(s);
    b += '\t';
  }
  void keys(dom::array a) {
    b += '[';
    bool f = true;
    for (auto e : a) {
      if (!f) b += ',';
      f = false;
      el(sv(e["key"]));
    }
    b += "]\t";
    b += '[';
    f = true;
    for (auto e : a) {
      if (!f) b += ',';
      f = false;
      strval(t, e["value"]);
      el(t);
    }
    b += "]\t";
  }
  void row(const Row &r) {
    b += std::to_string(r.start);
    b += '\t';
    T(r.tid);
    T(r.sid);
    T(r.pid);
    T(r.ts);
    T(r.name);
    T(KIND[r.kind]);
    T(r.service);
    b += *r.resbin;
    T(r.scope);
    T(r.scopever);
    keys(r.at.get_array());
    b += std::to_string(r.end - r.start);
    b += '\t';
    T(STC[r.status]);
    T(r.msg);
    string e, l;
    evjson(e, r);
    lkjson(l, r);
    T(e);
    esc(l);
    b += '\n';
    if (b.size() > 1 << 20) {
      fwrite(b.data(), 1, b.size(), f);
      b.clear();
    }
  }
  void done() {
    fwrite(b.data(), 1, b.size(), f);
    fclose(f);
  }
};
#endif
int main(int c, char **v) {
  if (c < 3) {
    fprintf(stderr, "usage: %s FILE.jsonl TARGET\n", v[0]);
    return 2;
  }
  double t0 = now();
  int fd = open(v[1], O_RDONLY);
  struct stat st;
  fstat(fd, &st);
  char *m = (char *)mmap(0, st.st_size + SIMDJSON_PADDING, PROT_READ, MAP_PRIVATE, fd, 0);
  madvise(m, st.st_size, MADV_SEQUENTIAL);
  SinkImpl sink(v[2]);
  dom::parser p;
  size_t off = 0, n = 0;
  string buf;
  while (off < (size_t)st.st_size) {
    char *e = (char *)memchr(m + off, '\n', st.st_size - off);
    size_t len = e ? e - (m + off) : st.st_size - off;
    buf.assign(m + off, len);
    buf.reserve(len + SIMDJSON_PADDING);
    dom::element d = p.parse(buf.data(), len, false);
    off += len + 1;
    static size_t adv = 0;
    if (off - adv > (64 << 20)) {
      madvise(m + adv / 4096 * 4096, (off - adv) / 4096 * 4096, MADV_DONTNEED);
      adv = off;
    }
    for (auto rs : d["resourceSpans"].get_array()) {
      string res, rb, t;
      sv service;
      dom::element ra = rs["resource"]["attributes"];
      attrs(res, ra);
#ifdef TSV
      {
        std::swap(sink.b, rb);
        sink.keys(ra.get_array());
        std::swap(sink.b, rb);
      }
#else
      bmap(rb, ra.get_array(), t);
#endif
      for (auto a : ra.get_array())
        if (sv(a["key"]) == "service.name") service = sv(a["value"]["stringValue"]);
      for (auto ss : rs["scopeSpans"].get_array()) {
        sv sn, sver;
        (void)ss["scope"]["name"].get(sn);
        (void)ss["scope"]["version"].get(sver);
        for (auto s : ss["spans"].get_array()) {
          Row r{};
          r.service = service;
          r.scope = sn;
          r.scopever = sver;
          r.res = &res;
          r.resbin = &rb;
          for (auto kv : s.get_object()) {
            sv k = kv.key;
            if (k == "traceId")
              r.tid = sv(kv.value);
            else if (k == "spanId")
              r.sid = sv(kv.value);
            else if (k == "parentSpanId")
              r.pid = sv(kv.value);
            else if (k == "traceState")
              r.ts = sv(kv.value);
            else if (k == "name")
              r.name = sv(kv.value);
            else if (k == "kind")
              r.kind = int64_t(kv.value);
            else if (k == "startTimeUnixNano")
              r.start = u64(sv(kv.value));
            else if (k == "endTimeUnixNano")
              r.end = u64(sv(kv.value));
            else if (k == "attributes")
              r.at = kv.value;
            else if (k == "events") {
              r.hasev = true;
              r.ev = kv.value;
            } else if (k == "links") {
              r.haslk = true;
              r.lk = kv.value;
            } else if (k == "status") {
              int64_t x;
              sv ms;
              if (!kv.value["code"].get(x)) r.status = x;
              if (!kv.value["message"].get(ms)) r.msg = ms;
            }
          }
          sink.row(r);
          n++;
        }
      }
    }
  }
  double t1 = now();
  fprintf(stderr, "parsed+sent %zu spans in %.2f s\n", n, t1 - t0);
  sink.done();
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  fprintf(stderr, "total %.2f s, peak RSS %.0f MB, user %.1f sys %.1f\n", now() - t0,
          u.ru_maxrss / 1024.0, u.ru_utime.tv_sec + u.ru_utime.tv_usec * 1e-6,
          u.ru_stime.tv_sec + u.ru_stime.tv_usec * 1e-6);
  return 0;
}
