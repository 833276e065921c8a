/* gen.c - deterministic OTLP trace generator.
 * usage: generate_traces TRACES SEED OUT.jsonl [OUT.pb] [PARAMS]
 * JSON lines: one ExportTraceServiceRequest per line (collector file exporter, format json).
 * OUT.pb: file exporter, format proto: 4-byte big-endian length + message.
 * PARAMS: query parameters (200 trace ids, user id ...) as key=value lines.
 * cc -O2 -o generate_traces generate_traces.c -lm
 */
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;
static u64 S[4];
static inline u64 rotl(u64 x, int k) {
  return (x << k) | (x >> (64 - k));
}
static u64 rnd(void) {
  u64 r = rotl(S[1] * 5, 7) * 9, t = S[1] << 17;
  S[2] ^= S[0];
  S[3] ^= S[1];
  S[1] ^= S[2];
  S[0] ^= S[3];
  S[2] ^= t;
  S[3] = rotl(S[3], 45);
  return r;
}
static void seed(u64 x) {
  for (int i = 0; i < 4; i++) {
    x += 0x9e3779b97f4a7c15ULL;
    u64 z = x;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    S[i] = z ^ (z >> 31);
  }
}
static double uni(void) {
  return (rnd() >> 11) * (1.0 / 9007199254740992.0);
}
static u32 below(u32 n) {
  return (u32)(((rnd() >> 32) * (u64)n) >> 32);
}
static double gauss(void) {
  double a = uni(), b = uni();
  if (a < 1e-300) a = 1e-300;
  return sqrt(-2 * log(a)) * cos(6.283185307179586 * b);
}
static double lognorm(double mu, double sg) {
  return exp(mu + sg * gauss());
}
static int chance(double p) {
  return uni() < p;
}
static u32 skew(u32 n) {
  double u = uni();
  return (u32)(n * u * u * sqrt(u));
}
static u64 mix(u64 z) {
  z += 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

/* ---------- model ---------- */
enum { HTTP, GRPC };
enum { DB_NONE, PGSQL, MYSQL, REDIS, MONGO, ES };
static const char *DBN[] = {"", "postgresql", "mysql", "redis", "mongodb", "elasticsearch"};
static const int DBPORT[] = {0, 5432, 3306, 6379, 27017, 9200};
static const char *LANG[] = {"java", "go", "nodejs", "python", "dotnet"};
static const char *SCOPE_SRV[] = {"io.opentelemetry.spring-webmvc-6.0",
                                  "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
                                  "@opentelemetry/instrumentation-http",
                                  "opentelemetry.instrumentation.fastapi",
                                  "OpenTelemetry.Instrumentation.AspNetCore"};
static const char *SCOPE_CLI[] = {
    "io.opentelemetry.apache-httpclient-5.2",
    "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc",
    "@opentelemetry/instrumentation-undici", "opentelemetry.instrumentation.requests",
    "OpenTelemetry.Instrumentation.Http"};
static const char *SCOPE_DB[] = {
    "io.opentelemetry.jdbc", "github.com/XSAM/otelsql", "@opentelemetry/instrumentation-pg",
    "opentelemetry.instrumentation.sqlalchemy", "OpenTelemetry.Instrumentation.SqlClient"};
static const char *SCOPE_INT[] = {"io.opentelemetry.opentelemetry-instrumentation-annotations-1.16",
                                  "app/internal/tracing", "app-tracer", "app.tracing",
                                  "App.ActivitySource"};
static const char *SCOPE_VER[] = {"2.11.0-alpha", "0.58.0", "0.57.1", "0.49b2", "1.10.0"};

typedef struct {
  const char *name;
  int proto, db, lang;
  const char *noun[3];
} SvcDef;
static const SvcDef SD[30] = {
    {"frontend-web", HTTP, DB_NONE, 2, {"home", "product", "page"}},
    {"api-gateway", HTTP, DB_NONE, 1, {"catalog", "cart", "order"}},
    {"mobile-bff", HTTP, REDIS, 2, {"feed", "basket", "account"}},
    {"auth", HTTP, PGSQL, 0, {"token", "login", "permission"}},
    {"user-profile", HTTP, PGSQL, 0, {"profile", "address", "preference"}},
    {"catalog", HTTP, ES, 0, {"product", "category", "brand"}},
    {"search", GRPC, ES, 0, {"query", "suggestion", "facet"}},
    {"recommendation", GRPC, REDIS, 3, {"recommendation", "model", "feature"}},
    {"cart", HTTP, REDIS, 4, {"cart", "item", "saved-list"}},
    {"checkout", HTTP, PGSQL, 1, {"checkout", "session", "step"}},
    {"payment", HTTP, PGSQL, 0, {"payment", "charge", "refund"}},
    {"fraud-detection", GRPC, MONGO, 3, {"score", "rule", "case"}},
    {"order", HTTP, PGSQL, 0, {"order", "invoice", "return"}},
    {"inventory", GRPC, MYSQL, 1, {"stock", "reservation", "location"}},
    {"shipping", HTTP, MYSQL, 1, {"shipment", "quote", "label"}},
    {"pricing", GRPC, REDIS, 1, {"price", "discount", "tax"}},
    {"promotion", GRPC, MYSQL, 4, {"coupon", "campaign", "voucher"}},
    {"currency", GRPC, REDIS, 1, {"rate", "conversion", "currency"}},
    {"email", GRPC, DB_NONE, 3, {"template", "mail", "bounce"}},
    {"notification", GRPC, MONGO, 2, {"push", "subscription", "device"}},
    {"review", HTTP, MONGO, 2, {"review", "rating", "comment"}},
    {"image-proxy", HTTP, DB_NONE, 1, {"image", "thumbnail", "sprite"}},
    {"ad", GRPC, REDIS, 0, {"ad", "slot", "bid"}},
    {"analytics-ingest", GRPC, MONGO, 1, {"event", "batch", "session"}},
    {"session", GRPC, REDIS, 1, {"session", "nonce", "lock"}},
    {"feature-flag", GRPC, PGSQL, 2, {"flag", "segment", "experiment"}},
    {"billing", HTTP, PGSQL, 0, {"bill", "ledger", "statement"}},
    {"warehouse", GRPC, MYSQL, 4, {"bin", "pick", "pallet"}},
    {"geo", GRPC, REDIS, 1, {"region", "geocode", "timezone"}},
    {"audit-log", GRPC, ES, 1, {"entry", "actor", "trail"}}};
#define NSVC 30
enum { T_SRV_HTTP, T_SRV_GRPC, T_CLI_HTTP, T_CLI_GRPC, T_DB, T_INT, T_PROD, T_CONS };
typedef struct {
  int type, svc;
  char name[96];
  char route[96];
  char method[48];
  char grpcsvc[64];
  double mu, sg, err;
  int tmpl;
  char table[40];
} Op;
typedef struct {
  Op op[32];
  int nsrv, srv0, nint, int0, ndb, db0, prod, cons;
  int ndown, down[8];
  int npod;
  char pod[8][64];
  char host[8][40];
  char ip[8][20];
  char ver[2][16];
  int podver[8];
} Svc;
static Svc sv[NSVC];
static int nops;
static const char *METH[] = {"GET", "POST", "PUT", "DELETE", "PATCH"};
static double zw[64]; /* zipf cumulative for 64 */
static int zipf(int n) {
  double u = uni() * zw[n - 1];
  int i = 0;
  while (i < n - 1 && zw[i] < u) i++;
  return i;
}
static void camel(const char *s, char *o) {
  int up = 1;
  while (*s) {
    if (*s == '-') {
      up = 1;
      s++;
      continue;
    }
    *o++ = up && *s >= 'a' && *s <= 'z' ? *s - 32 : *s;
    up = 0;
    s++;
  }
  *o = 0;
}
static void build_model(void) {
  double a = 0;
  for (int i = 0; i < 64; i++) {
    a += 1.0 / pow(i + 1, 1.1);
    zw[i] = a;
  }
  for (int s = 0; s < NSVC; s++) {
    Svc *v = &sv[s];
    const SvcDef *d = &SD[s];
    int k = 0;
    char C[64];
    camel(d->name, C);
    v->srv0 = 0;
    for (int n = 0; n < 3; n++) {
      const char *w = d->noun[n];
      char W[64];
      camel(w, W);
      int m = 2 + below(2);
      for (int j = 0; j < m; j++) {
        Op *o = &v->op[k++];
        o->svc = s;
        if (d->proto == HTTP) {
          o->type = T_SRV_HTTP;
          int me = j == 0 ? 0 : (int)below(5);
          strcpy(o->method, METH[me]);
          if (j == 0)
            snprintf(o->route, 96, "/api/v1/%ss/{%sId}", w, w);
          else if (j == 1)
            snprintf(o->route, 96, "/api/v1/%ss", w);
          else
            snprintf(o->route, 96, "/api/v1/users/{userId}/%ss", w);
          snprintf(o->name, 96, "%s %s", o->method, o->route);
        } else {
          o->type = T_SRV_GRPC;
          static const char *GV[] = {"Get", "List", "Update", "Evaluate", "Stream"};
          snprintf(o->grpcsvc, 64, "shop.%s.v1.%sService", d->noun[0], C);
          snprintf(o->method, 48, "%s%s", GV[(j + n * 2) % 5], W);
          snprintf(o->name, 96, "%s/%s", o->grpcsvc, o->method);
        }
        o->mu = log(3e5) + 2.2 * uni();
        o->sg = 0.45 + 0.5 * uni();
        o->err = 0.0015 + 0.003 * uni();
        if (chance(0.12)) o->err = 0.02;
      }
    }
    v->nsrv = k;
    v->int0 = k;
    int ni = 2 + below(2);
    for (int j = 0; j < ni; j++) {
      Op *o = &v->op[k++];
      o->svc = s;
      o->type = T_INT;
      char W[64];
      camel(d->noun[j], W);
      static const char *IV[] = {"Handler.validate", "Repository.load", "Service.compute",
                                 "Mapper.toDto"};
      snprintf(o->name, 96, "%s%s", W, IV[(j + s) % 4]);
      snprintf(o->route, 96, "com.shop.%s.%s", d->name, W);
      o->mu = log(4e4) + 2.5 * uni();
      o->sg = 0.6 + 0.5 * uni();
      o->err = 0.001;
    }
    v->nint = ni;
    v->db0 = k;
    if (d->db != DB_NONE) {
      int nd = 3 + below(3);
      for (int j = 0; j < nd; j++) {
        Op *o = &v->op[k++];
        o->svc = s;
        o->type = T_DB;
        o->tmpl = j;
        snprintf(o->table, 40, "%ss", d->noun[j % 3]);
        for (char *p = o->table; *p; p++)
          if (*p == '-') *p = '_';
        static const char *SQ[] = {"SELECT", "SELECT", "INSERT", "UPDATE", "DELETE"};
        static const char *RQ[] = {"GET", "HMSET", "EXPIRE", "MGET", "ZADD"};
        static const char *MQ[] = {"find", "insert", "aggregate", "update", "count"};
        static const char *EQ[] = {"search", "get", "index", "msearch", "count"};
        if (d->db == PGSQL || d->db == MYSQL) {
          strcpy(o->method, SQ[j]);
          snprintf(o->name, 96, "%s shop_%s.%s", SQ[j], d->name, o->table);
        } else if (d->db == REDIS) {
          strcpy(o->method, RQ[j]);
          strcpy(o->name, RQ[j]);
          if (j > 2) snprintf(o->name, 96, "%s %s", RQ[j], o->table);
        } else if (d->db == MONGO) {
          strcpy(o->method, MQ[j]);
          snprintf(o->name, 96, "%s shop.%s", MQ[j], o->table);
        } else {
          strcpy(o->method, EQ[j]);
          snprintf(o->name, 96, "%s %s", EQ[j], o->table);
        }
        o->mu = (d->db == REDIS ? log(1.2e5) : log(7e5)) + 1.5 * uni();
        o->sg = 0.5 + 0.6 * uni();
        o->err = 0.001 + 0.002 * uni();
      }
      v->ndb = nd;
    }
    v->prod = -1;
    v->cons = -1;
    if (s == 9 || s == 10 || s == 12 || s == 14 || s == 8 || s == 26 || s == 20) {
      v->prod = k;
      Op *o = &v->op[k++];
      o->svc = s;
      o->type = T_PROD;
      snprintf(o->table, 40, "%s-events", d->noun[0]);
      snprintf(o->name, 96, "%s publish", o->table);
      o->mu = log(8e5);
      o->sg = 0.5;
      o->err = 0.001;
    }
    if (s == 18 || s == 19 || s == 23 || s == 27 || s == 29 || s == 11) {
      v->cons = k;
      Op *o = &v->op[k++];
      o->svc = s;
      o->type = T_CONS;
      snprintf(o->table, 40, "%s-events", SD[12].noun[0]);
      snprintf(o->name, 96, "%s process", o->table);
      o->mu = log(2e6);
      o->sg = 0.8;
      o->err = 0.004;
    }
    nops += k;
    /* downstream: later services only: no cycles */
    if (s < 3) {
      int base[] = {3, 5, 6, 8, 9, 12, 4, 24};
      for (int j = 0; j < 8; j++) v->down[j] = base[(j + s * 2) % 8];
      v->ndown = 8;
    } else if (s < NSVC - 1) {
      int m = 2 + below(4);
      v->ndown = 0;
      static const int EX[][2] = {{9, 10}, {9, 14},  {12, 13}, {12, 26}, {6, 7},
                                  {5, 7},  {10, 26}, {8, 13},  {14, 27}, {5, 15}};
      for (int j = 0; j < 10; j++)
        if (EX[j][0] == s) v->down[v->ndown++] = EX[j][1];
      if (m + v->ndown > 8) m = 8 - v->ndown;
      for (int j = 0; j < m; j++) {
        int t = s + 1 + below(NSVC - 1 - s);
        int dup = 0;
        for (int q = 0; q < v->ndown; q++) dup |= v->down[q] == t;
        if (!dup) v->down[v->ndown++] = t;
      }
    }
    v->npod = 3 + below(5);
    snprintf(v->ver[0], 16, "%d.%d.%d", 1 + below(4), below(30), below(9));
    snprintf(v->ver[1], 16, "%d.%d.%d", 1 + below(4), below(30), below(9));
    u32 rs = (u32)rnd();
    for (int p = 0; p < v->npod; p++) {
      static const char *AL = "bcdfghjklmnpqrstvwxz2456789";
      char r[6];
      for (int q = 0; q < 5; q++) r[q] = AL[below(27)];
      r[5] = 0;
      snprintf(v->pod[p], 64, "%s-%08x-%s", d->name, rs, r);
      snprintf(v->host[p], 40, "ip-10-0-%d-%d.ec2.internal", 16 + below(4), below(6) * 37 + 11);
      snprintf(v->ip[p], 20, "10.0.%d.%d", 64 + s, 10 + p * 3);
      v->podver[p] = p == v->npod - 1;
    }
  }
}

/* ---------- spans ---------- */
enum { A_STR, A_INT, A_BOOL, A_DBL, A_ARR };
typedef struct {
  const char *k;
  int t;
  u32 off;
  int64_t i;
  double d;
} Attr;
typedef struct {
  u64 t;
  const char *name;
  int a0, na;
} Ev;
typedef struct Span {
  u8 tid[16], sid[8], pid[8];
  int haspid;
  int svc, pod, scope;
  const Op *op;
  char name[96];
  int kind;
  u64 start, end;
  int status;
  u32 msg;
  char ts[48];
  Attr *at;
  int na, ca;
  int nspan; /* attrs [0,nspan) belong to the span */
  Ev ev[4];
  int nev;
  int nlink;
  u8 ltid[2][16], lsid[2][8];
  int la0[2];
  char *buf;
  u32 nb, cb;
  /* tree */ int parent, first, next, last;
  double self;
  int err;
  u64 user;
} Span;
static void strput(Span *s, const char *z, size_t n) {
  if (s->nb + n + 1 > s->cb) {
    s->cb = (s->nb + n + 1) * 2;
    s->buf = realloc(s->buf, s->cb);
  }
  memcpy(s->buf + s->nb, z, n);
  s->buf[s->nb + n] = 0;
  s->nb += n + 1;
}
static Attr *newa(Span *s, const char *k, int t) {
  if (s->na == s->ca) {
    s->ca = s->ca ? s->ca * 2 : 16;
    s->at = realloc(s->at, s->ca * sizeof(Attr));
  }
  Attr *a = &s->at[s->na++];
  a->k = k;
  a->t = t;
  return a;
}
static void as(Span *s, const char *k, const char *fmt, ...) {
  char b[4096];
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(b, sizeof b, fmt, ap);
  va_end(ap);
  if (n > 4095) n = 4095;
  Attr *a = newa(s, k, A_STR);
  a->off = s->nb;
  strput(s, b, n);
}
static void ai(Span *s, const char *k, int64_t v) {
  newa(s, k, A_INT)->i = v;
}
static void ab(Span *s, const char *k, int v) {
  newa(s, k, A_BOOL)->i = v;
}
static void ad(Span *s, const char *k, double v) {
  newa(s, k, A_DBL)->d = v;
}
static void aarr(Span *s, const char *k, const char *v) {
  Attr *a = newa(s, k, A_ARR);
  a->off = s->nb;
  strput(s, v, strlen(v));
} /* ';'-separated strings */

static Span *tr;
static int ntr, ctr;
static int mk(int parent, const Op *op, int svc, int pod) {
  if (ntr == ctr) {
    ctr = ctr ? ctr * 2 : 256;
    tr = realloc(tr, ctr * sizeof(Span));
  }
  int id = ntr++;
  Span *s = &tr[id];
  memset(s, 0, sizeof *s);
  s->op = op;
  s->svc = svc;
  s->pod = pod;
  s->parent = parent;
  s->first = s->next = s->last = -1;
  u64 r = rnd();
  if (!r) r = 1;
  for (int i = 0; i < 8; i++) s->sid[i] = r >> (56 - 8 * i);
  if (parent >= 0) {
    s->haspid = 1;
    memcpy(s->pid, tr[parent].sid, 8);
    if (tr[parent].last < 0)
      tr[parent].first = id;
    else
      tr[tr[parent].last].next = id;
    tr[parent].last = id;
  }
  return id;
}
static Op clihttp = {.type = T_CLI_HTTP}, cligrpc = {.type = T_CLI_GRPC};
static void grow(int root, int target) {
  /* breadth-ish expansion over server spans */
  static int q[4096];
  int h = 0, t = 0;
  q[t++] = root;
  int idle = 0;
  while (ntr < target && idle < 64) {
    int cur = q[h % t];
    h++;
    Span *s = &tr[cur];
    Svc *v = &sv[s->svc];
    int svc = s->svc, pod = s->pod;
    int before = ntr;
    int under = cur;
    if (v->nint && chance(0.45)) {
      under = mk(cur, &v->op[v->int0 + zipf(v->nint)], svc, pod);
    }
    if (v->ndb && ntr < target) {
      int m = 1 + (chance(0.4) ? below(4) : 0);
      for (int j = 0; j < m && ntr < target; j++)
        mk(under, &v->op[v->db0 + zipf(v->ndb)], svc, pod);
    }
    if (v->ndown) {
      int m = 1 + below(2);
      for (int j = 0; j < m && ntr + 1 < target; j++) {
        int d = v->down[zipf(v->ndown)];
        Svc *w = &sv[d];
        const Op *o = &w->op[zipf(w->nsrv)];
        int c =
            mk(chance(0.5) ? cur : under, o->type == T_SRV_HTTP ? &clihttp : &cligrpc, svc, pod);
        tr[c].kind = -1; /*mark*/
        int e = mk(c, o, d, below(w->npod));
        if (t < 4096) q[t++] = e;
      }
    }
    if (v->prod >= 0 && ntr + 1 < target && chance(0.25)) {
      int p = mk(cur, &v->op[v->prod], svc, pod);
      static const int CS[] = {18, 19, 23, 27, 29, 11};
      int d = CS[zipf(6)];
      int e = mk(p, &sv[d].op[sv[d].cons], d, below(sv[d].npod));
      if (t < 4096) q[t++] = e;
    }
    if (ntr == before)
      idle++;
    else
      idle = 0;
    if (h >= t && t == 1 && ntr >= target) break;
  }
}
static u64 layout(int id, u64 start) { /* returns end */
  Span *s = &tr[id];
  const Op *o = s->op;
  double self;
  if (o->type == T_CLI_HTTP || o->type == T_CLI_GRPC)
    self = lognorm(log(2.5e5), 0.6);
  else
    self = lognorm(o->mu, o->sg);
  if (s->op->type <= T_SRV_GRPC && chance(0.01)) self *= 8 + 20 * uni();
  u64 t = start + (u64)(self * (0.2 + 0.4 * uni())) + 1000, mx = t;
  tr[id].start = start;
  int par = chance(0.25);
  for (int c = s->first; c >= 0; c = tr[c].next) {
    u64 b = par ? start + (u64)(self * 0.2) + below(20000) + 500 : t + below(30000) + 200;
    if (tr[c].op->type == T_CONS) { /* async: may outlive the parent */
      layout(c, b + 2000000 + (u64)lognorm(log(2e6), 1));
      continue;
    }
    u64 e = layout(c, b);
    if (e > mx) mx = e;
    if (!par) t = e;
  }
  s = &tr[id];
  u64 end = (mx > t ? mx : t) + (u64)(self * 0.4) + 1 + below(997);
  s->end = end;
  return end;
}
static const char *EXT[] = {"java.net.SocketTimeoutException",
                            "org.postgresql.util.PSQLException",
                            "io.grpc.StatusRuntimeException",
                            "java.lang.NullPointerException",
                            "*errors.errorString",
                            "TimeoutError",
                            "requests.exceptions.ConnectionError",
                            "System.InvalidOperationException",
                            "redis.exceptions.BusyLoadingError",
                            "com.shop.common.RateLimitedException"};
static const char *EXM[] = {
    "Read timed out after %u ms",
    "ERROR: deadlock detected; Process %u waits for ShareLock",
    "UNAVAILABLE: io exception: connection refused: /10.0.%u.17:8080",
    "Cannot invoke \"com.shop.model.Order.getId()\" because \"order\" is null (ref %u)",
    "context deadline exceeded (after %u ms)",
    "Timeout acquiring a connection from the pool, waiting=%u",
    "HTTPConnectionPool: Max retries exceeded (attempt %u)",
    "Sequence contains no elements (batch %u)",
    "Redis is loading the dataset in memory, eta %u",
    "rate limit exceeded, retry after %u ms"};
static void stack(char *b, size_t n, const char *ty, const char *msg, const Op *o, int svc) {
  size_t k = snprintf(b, n, "%s: %s\n", ty, msg);
  int d = 8 + below(10);
  for (int i = 0; i < d && k < n - 200; i++) {
    static const char *CL[] = {"controller.%sController.handle", "service.%sServiceImpl.execute",
                               "repository.%sRepository.load", "client.%sClient.invoke",
                               "filter.%sFilter.doFilter"};
    char cl[96];
    char C[64];
    camel(SD[(svc + i / 4) % NSVC].noun[i % 3], C);
    snprintf(cl, 96, CL[i % 5], C);
    k += snprintf(b + k, n - k, "\tat com.shop.%s.%s(%s.java:%u)\n", SD[svc].name, cl, C,
                  40 + (i * 37 + o->tmpl * 11 + svc * 5) % 400);
  }
}
static const char *UA[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.6 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Mobile/15E148",
    "ShopApp/5.12.1 (Android 14; Pixel 8)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "okhttp/4.12.0",
    "Googlebot/2.1 (+http://www.google.com/bot.html)"};
static const char *STS[] = {"pending", "active", "shipped", "cancelled", "archived", "draft"};
static void url(Span *s, const Op *o, const char *k, const char *host, u64 user) {
  char path[256];
  char *p = path;
  for (const char *r = o->route; *r; r++) {
    if (*r == '{') {
      if (!strncmp(r, "{userId", 7))
        p += sprintf(p, "user-%08x", (u32)mix(user));
      else
        p += sprintf(p, "%u", 100000 + skew(900000));
      while (*r != '}') r++;
    } else
      *p++ = *r;
  }
  *p = 0;
  int q = below(4);
  if (q == 0)
    as(s, k, "http://%s:8080%s?page=%u&size=%u", host, path, below(20), 20);
  else if (q == 1)
    as(s, k, "http://%s:8080%s?rid=%08x", host, path, (u32)rnd());
  else
    as(s, k, "http://%s:8080%s", host, path);
}
static const int ERRC[] = {500, 500, 500, 503, 502, 504};
static int httpcode(Span *s) {
  if (s->err) {
    return ERRC[below(6)];
  }
  double u = uni();
  if (u < 0.93) return 200;
  if (u < 0.95) return 201;
  if (u < 0.965) return 204;
  if (u < 0.975) return 304;
  if (u < 0.985) return 404;
  if (u < 0.992) return 400;
  if (u < 0.997) return 401;
  return 429;
}
static void thread(Span *s, int lang) {
  int t = below(64);
  ai(s, "thread.id", 20 + t);
  if (lang == 0)
    as(s, "thread.name", "http-nio-8080-exec-%d", t % 48);
  else if (lang == 4)
    as(s, "thread.name", ".NET TP Worker %d", t % 16);
}
static void fill(int id, u64 user, const char *ts) {
  Span *s = &tr[id];
  const Op *o = s->op;
  const SvcDef *d = &SD[s->svc];
  Svc *v = &sv[s->svc];
  int L = d->lang;
  snprintf(s->ts, 48, "%s", ts);
  s->status = s->err ? 2 : (chance(0.02) ? 1 : 0);
  int errpick = -1;
  switch (o->type) {
    case T_SRV_HTTP: {
      s->kind = 2;
      s->scope = 0;
      strcpy(s->name, o->name);
      as(s, "http.request.method", "%s", o->method);
      as(s, "http.route", "%s", o->route);
      int c = httpcode(s);
      ai(s, "http.response.status_code", c);
      url(s, o, "url.full", d->name, user);
      as(s, "user.id", "user-%08x", (u32)mix(user));
      as(s, "net.peer.ip", "10.0.%u.%u", 64 + below(30), 10 + below(24));
      as(s, "network.protocol.version", chance(0.8) ? "1.1" : "2");
      as(s, "user_agent.original", "%s", UA[zipf(7)]);
      ai(s, "http.response.body.size", (int64_t)lognorm(7.5, 1.4));
      if (chance(0.3)) as(s, "session.id", "%016llx", (unsigned long long)mix(user * 31 + 7));
      thread(s, L);
      break;
    }
    case T_SRV_GRPC: {
      s->kind = 2;
      s->scope = 0;
      strcpy(s->name, o->name);
      as(s, "rpc.system", "grpc");
      as(s, "rpc.service", "%s", o->grpcsvc);
      as(s, "rpc.method", "%s", o->method);
      static const int GC[] = {2, 4, 13, 14, 14};
      ai(s, "rpc.grpc.status_code", s->err ? GC[below(5)] : 0);
      as(s, "net.peer.ip", "10.0.%u.%u", 64 + below(30), 10 + below(24));
      ai(s, "net.peer.port", 32768 + below(28000));
      if (chance(0.6)) as(s, "user.id", "user-%08x", (u32)mix(user));
      as(s, "request.id", "%08x-%04x-4%03x-a%03x-%012llx", (u32)rnd(), below(65536), below(4096),
         below(4096), (unsigned long long)(rnd() >> 16));
      thread(s, L);
      ab(s, "app.cache.hit", chance(0.7));
      break;
    }
    case T_CLI_HTTP: {
      const Op *c = tr[s->first].op;
      const char *peer = SD[tr[s->first].svc].name;
      s->kind = 3;
      s->scope = 1;
      strcpy(s->name, c->method);
      if (L == 0 || L == 4) {
        snprintf(s->name, 96, "%s", c->method);
      } else
        snprintf(s->name, 96, "HTTP %s", c->method);
      as(s, "http.request.method", "%s", c->method);
      url(s, c, "url.full", peer, user);
      as(s, "server.address", "%s", peer);
      ai(s, "server.port", 8080);
      ai(s, "http.response.status_code", httpcode(s));
      as(s, "net.peer.ip", "%s", sv[tr[s->first].svc].ip[tr[s->first].pod]);
      as(s, "network.protocol.version", "1.1");
      as(s, "peer.service", "%s", peer);
      thread(s, L);
      break;
    }
    case T_CLI_GRPC: {
      const Op *c = tr[s->first].op;
      const char *peer = SD[tr[s->first].svc].name;
      s->kind = 3;
      s->scope = 1;
      strcpy(s->name, c->name);
      as(s, "rpc.system", "grpc");
      as(s, "rpc.service", "%s", c->grpcsvc);
      as(s, "rpc.method", "%s", c->method);
      ai(s, "rpc.grpc.status_code", s->err ? 14 : 0);
      as(s, "server.address", "%s", peer);
      ai(s, "server.port", 9090);
      as(s, "net.peer.ip", "%s", sv[tr[s->first].svc].ip[tr[s->first].pod]);
      as(s, "peer.service", "%s", peer);
      thread(s, L);
      break;
    }
    case T_DB: {
      s->kind = 3;
      s->scope = 2;
      strcpy(s->name, o->name);
      int db = d->db;
      as(s, "db.system", "%s", DBN[db]);
      as(s, "db.name", "shop_%s", d->name);
      as(s, "db.operation", "%s", o->method);
      u32 id1 = 1 + skew(500000), id2 = skew(100000);
      if (db == PGSQL || db == MYSQL) {
        as(s, "db.sql.table", "%s", o->table);
        as(s, "db.user", "svc_%s", d->name);
        switch (o->tmpl) {
          case 0:
            as(s, "db.statement",
               "SELECT id, name, status, amount, created_at FROM %s WHERE id = %u AND status = "
               "'%s' LIMIT 1",
               o->table, id1, STS[below(6)]);
            break;
          case 1:
            as(s, "db.statement",
               "SELECT t.id, t.sku, t.qty, u.email FROM %s t JOIN users u ON u.id = t.user_id "
               "WHERE t.user_id = %u AND t.created_at > '2026-01-%02u 00:00:00' ORDER BY "
               "t.created_at DESC LIMIT %u OFFSET %u",
               o->table, id1, 1 + below(15), 20, 20 * below(10));
            break;
          case 2:
            as(s, "db.statement",
               "INSERT INTO %s (id, user_id, amount, currency, note, created_at) VALUES (%u, %u, "
               "%u.%02u, '%s', 'ref %08x', NOW())",
               o->table, id1, id2, below(900), below(100), chance(.6) ? "USD" : "EUR", (u32)rnd());
            break;
          case 3:
            as(s, "db.statement",
               "UPDATE %s SET status = '%s', version = version + 1, updated_at = NOW() WHERE id = "
               "%u AND version = %u",
               o->table, STS[below(6)], id1, below(40));
            break;
          default:
            as(s, "db.statement", "DELETE FROM %s WHERE id IN (%u, %u, %u)", o->table, id1, id2,
               below(500000));
        }
        ai(s, "db.response.returned_rows", zipf(40));
      } else if (db == REDIS) {
        switch (o->tmpl) {
          case 0:
            as(s, "db.statement", "GET %s:%u", o->table, id1);
            break;
          case 1:
            as(s, "db.statement", "HMSET %s:%u qty %u price %u.%02u sku SKU-%06u", o->table, id1,
               1 + below(9), below(200), below(100), id2);
            break;
          case 2:
            as(s, "db.statement", "EXPIRE %s:%u 3600", o->table, id1);
            break;
          case 3:
            as(s, "db.statement", "MGET %s:%u %s:%u %s:%u", o->table, id1, o->table, id2, o->table,
               below(500000));
            break;
          default:
            as(s, "db.statement", "ZADD %s:rank %u user-%08x", o->table, below(10000),
               (u32)mix(user));
        }
        ai(s, "db.redis.database_index", below(4));
      } else if (db == MONGO) {
        as(s, "db.mongodb.collection", "%s", o->table);
        as(s, "db.statement",
           "{\"%s\": \"%s\", \"filter\": {\"productId\": \"SKU-%06u\", \"status\": \"%s\", \"id\": "
           "%u}, \"limit\": %u}",
           o->method, o->table, id2, STS[below(6)], id1, 20);
      } else {
        as(s, "db.elasticsearch.index", "%s-v3", o->table);
        as(s, "db.statement",
           "{\"query\":{\"bool\":{\"must\":[{\"match\":{\"title\":\"%s "
           "%u\"}}],\"filter\":[{\"term\":{\"category_id\":%u}}]}},\"from\":%u,\"size\":24}",
           SD[below(NSVC)].noun[0], below(5000), below(400), 24 * below(20));
      }
      as(s, "net.peer.name", "%s-%s-%d.db.internal", DBN[db], d->name, s->pod % 2);
      as(s, "net.peer.ip", "10.0.200.%u", s->svc * 4 + s->pod % 2);
      ai(s, "net.peer.port", DBPORT[db]);
      thread(s, L);
      break;
    }
    case T_INT: {
      s->kind = 1;
      s->scope = 3;
      strcpy(s->name, o->name);
      as(s, "code.namespace", "%s", o->route);
      as(s, "code.function", "%s", strchr(o->name, '.') ? strchr(o->name, '.') + 1 : o->name);
      ai(s, "code.lineno", 40 + s->svc * 7);
      thread(s, L);
      ai(s, "app.items.count", zipf(50));
      ad(s, "app.score", floor(uni() * 10000) / 10000);
      ab(s, "app.feature.new_flow", chance(0.3));
      as(s, "app.tenant", "tenant-%03u", zipf(60));
      if (chance(0.2)) aarr(s, "app.tags", chance(0.5) ? "beta;eu;gold" : "std;us");
      break;
    }
    case T_PROD:
    case T_CONS: {
      s->kind = o->type == T_PROD ? 4 : 5;
      s->scope = 1;
      strcpy(s->name, o->name);
      as(s, "messaging.system", "kafka");
      as(s, "messaging.destination.name", "%s", o->table);
      as(s, "messaging.operation", o->type == T_PROD ? "publish" : "process");
      ai(s, "messaging.kafka.destination.partition", below(24));
      ai(s, "messaging.kafka.message.offset", 1000000 + below(90000000));
      as(s, "messaging.message.id", "%08x%08x", (u32)rnd(), (u32)rnd());
      ai(s, "messaging.message.body.size", (int64_t)lognorm(6.5, 0.8));
      as(s, "messaging.client_id", "%s-%d", d->name, s->pod);
      thread(s, L);
      if (o->type == T_CONS) as(s, "messaging.kafka.consumer.group", "%s-group", d->name);
      break;
    }
  }
  s->nspan = s->na;
  (void)v;
  /* events */
  u64 dur = s->end - s->start;
  if (s->err) {
    int x = below(10);
    errpick = x;
    char m[256];
    snprintf(m, 256, EXM[x], 1 + below(x == 2 ? 250 : 5000));
    Ev *e = &s->ev[s->nev++];
    e->t = s->end - dur / 10;
    e->name = "exception";
    e->a0 = s->na;
    as(s, "exception.type", "%s", EXT[x]);
    as(s, "exception.message", "%s", m);
    char st[4000];
    stack(st, sizeof st, EXT[x], m, o, s->svc);
    as(s, "exception.stacktrace", "%s", st);
    as(s, "exception.escaped", chance(.5) ? "true" : "false");
    e->na = s->na - e->a0;
    s->msg = s->nb;
    strput(s, m, strlen(m));
  }
  (void)errpick;
  if (chance(0.29)) {
    int n = 1 + (chance(0.35) ? 1 + below(2) : 0);
    u64 t = s->start;
    for (int j = 0; j < n; j++) {
      Ev *e = &s->ev[s->nev++];
      t += (u64)(dur * uni() / n);
      e->t = t;
      e->a0 = s->na;
      int ty = below(4);
      if (ty == 0) {
        e->name = "message";
        as(s, "message.type", chance(.5) ? "SENT" : "RECEIVED");
        ai(s, "message.id", 1 + j);
        ai(s, "message.uncompressed_size", (int64_t)lognorm(6, 1));
      } else if (ty == 1) {
        e->name = "cache.miss";
        as(s, "cache.key", "%s:%u", SD[s->svc].noun[0], below(500000));
      } else if (ty == 2) {
        e->name = "log";
        as(s, "log.severity", chance(.8) ? "INFO" : "WARN");
        as(s, "log.message", "processed %s %u in %u us for user-%08x", SD[s->svc].noun[1],
           below(500000), below(90000), (u32)mix(user));
      } else {
        e->name = "retry";
        ai(s, "retry.attempt", 1 + below(3));
        ai(s, "retry.backoff_ms", 50 << below(5));
      }
      e->na = s->na - e->a0;
    }
  }
}
/* recent span ring for links */
static u8 rt[1024][24];
static int nrt;
static void addlinks(Span *s) {
  double p = s->op->type == T_CONS ? 0.7 : 0.004;
  if (nrt < 64 || !chance(p)) return;
  int n = chance(0.2) ? 2 : 1;
  for (int i = 0; i < n; i++) {
    int k = below(nrt < 1024 ? nrt : 1024);
    memcpy(s->ltid[i], rt[k], 16);
    memcpy(s->lsid[i], rt[k] + 16, 8);
  }
  s->nlink = n;
}

/* ---------- output ---------- */
typedef struct {
  char *p;
  size_t n, c;
} Buf;
static Buf J;
static inline void need(Buf *b, size_t k) {
  if (b->n + k > b->c) {
    b->c = (b->n + k) * 2;
    b->p = realloc(b->p, b->c);
  }
}
static inline void put(const char *z, size_t n) {
  need(&J, n);
  memcpy(J.p + J.n, z, n);
  J.n += n;
}
#define L(z) put(z, sizeof(z) - 1)
static void pu(u64 v) {
  char t[24];
  int k = 24;
  do t[--k] = '0' + v % 10;
  while (v /= 10);
  put(t + k, 24 - k);
}
static void pi(int64_t v) {
  if (v < 0) {
    L("-");
    pu(-(u64)v);
  } else
    pu(v);
}
static void hex(const u8 *b, int n) {
  static const char H[] = "0123456789abcdef";
  need(&J, 2 * n);
  for (int i = 0; i < n; i++) {
    J.p[J.n++] = H[b[i] >> 4];
    J.p[J.n++] = H[b[i] & 15];
  }
}
static void esc(const char *z, size_t n) {
  need(&J, n * 6);
  char *o = J.p + J.n;
  for (size_t i = 0; i < n; i++) {
    char c = z[i];
    if (c == '"' || c == '\\') {
      *o++ = '\\';
      *o++ = c;
    } else if (c == '\n') {
      *o++ = '\\';
      *o++ = 'n';
    } else if (c == '\t') {
      *o++ = '\\';
      *o++ = 't';
    } else
      *o++ = c;
  }
  J.n = o - J.p;
}
static void qs(const char *z) {
  L("\"");
  esc(z, strlen(z));
  L("\"");
}
static void jattr(Span *s, Attr *a) {
  L("{\"key\":\"");
  put(a->k, strlen(a->k));
  L("\",\"value\":{");
  char t[64];
  switch (a->t) {
    case A_STR:
      L("\"stringValue\":");
      qs(s->buf + a->off);
      break;
    case A_INT:
      L("\"intValue\":\"");
      pi(a->i);
      L("\"");
      break;
    case A_BOOL:
      if (a->i)
        L("\"boolValue\":true");
      else
        L("\"boolValue\":false");
      break;
    case A_DBL:
      snprintf(t, 64, "\"doubleValue\":%.17g", a->d);
      {
        for (int pr = 1; pr <= 17; pr++) {
          snprintf(t, 64, "%.*g", pr, a->d);
          if (strtod(t, 0) == a->d) break;
        }
      }
      L("\"doubleValue\":");
      put(t, strlen(t));
      break;
    case A_ARR: {
      L("\"arrayValue\":{\"values\":[");
      const char *z = s->buf + a->off;
      int f = 1;
      while (*z) {
        const char *e = strchr(z, ';');
        size_t n = e ? (size_t)(e - z) : strlen(z);
        if (!f) L(",");
        f = 0;
        L("{\"stringValue\":\"");
        esc(z, n);
        L("\"}");
        z += n;
        if (*z == ';') z++;
      }
      L("]}");
      break;
    }
  }
  L("}}");
}
static void jattrs(Span *s, int a0, int n) {
  L("[");
  for (int i = 0; i < n; i++) {
    if (i) L(",");
    jattr(s, &s->at[a0 + i]);
  }
  L("]");
}
static void kvs(const char *k, const char *v, int first) {
  if (!first) L(",");
  L("{\"key\":\"");
  put(k, strlen(k));
  L("\",\"value\":{\"stringValue\":");
  qs(v);
  L("}}");
}
static void jspan(Span *s) {
  L("{\"traceId\":\"");
  hex(s->tid, 16);
  L("\",\"spanId\":\"");
  hex(s->sid, 8);
  L("\"");
  if (s->ts[0]) {
    L(",\"traceState\":");
    qs(s->ts);
  }
  L(",\"parentSpanId\":\"");
  if (s->haspid) hex(s->pid, 8);
  L("\",\"flags\":257,\"name\":");
  qs(s->name);
  L(",\"kind\":");
  pu(s->kind);
  L(",\"startTimeUnixNano\":\"");
  pu(s->start);
  L("\",\"endTimeUnixNano\":\"");
  pu(s->end);
  L("\",\"attributes\":");
  jattrs(s, 0, s->nspan);
  if (s->nev) {
    L(",\"events\":[");
    for (int i = 0; i < s->nev; i++) {
      Ev *e = &s->ev[i];
      if (i) L(",");
      L("{\"timeUnixNano\":\"");
      pu(e->t);
      L("\",\"name\":");
      qs(e->name);
      L(",\"attributes\":");
      jattrs(s, e->a0, e->na);
      L("}");
    }
    L("]");
  }
  if (s->nlink) {
    L(",\"links\":[");
    for (int i = 0; i < s->nlink; i++) {
      if (i) L(",");
      L("{\"traceId\":\"");
      hex(s->ltid[i], 16);
      L("\",\"spanId\":\"");
      hex(s->lsid[i], 8);
      L("\",\"attributes\":[{\"key\":\"link.kind\",\"value\":{\"stringValue\":\"follows_from\"}}]"
        "}");
    }
    L("]");
  }
  L(",\"status\":{");
  if (s->status) {
    if (s->status == 2) {
      L("\"message\":");
      qs(s->buf + s->msg);
      L(",");
    }
    L("\"code\":");
    pu(s->status);
  }
  L("}}");
}
/* protobuf, written backwards into R */
static u8 *R;
static size_t rc, rp; /* data in R[rp..rc) */
static void rneed(size_t k) {
  if (rp < k) {
    size_t nc = rc * 2 + k;
    u8 *q = malloc(nc);
    memcpy(q + nc - (rc - rp), R + rp, rc - rp);
    rp = nc - (rc - rp);
    free(R);
    R = q;
    rc = nc;
  }
}
static void rb(const void *z, size_t n) {
  rneed(n);
  rp -= n;
  memcpy(R + rp, z, n);
}
static void rv(u64 v) {
  u8 t[10];
  int k = 0;
  do {
    t[k++] = (v & 127) | (v >> 7 ? 128 : 0);
    v >>= 7;
  } while (v);
  rb(t, k);
}
static void tag(int f, int w) {
  rv((u64)f << 3 | w);
}
#define END(mark, f)                                     \
  do {                                                   \
    rv((mark) - (rc - rp) > 0 ? 0 : (rc - rp) - (mark)); \
    tag(f, 2);                                           \
  } while (0)
static void rstr(int f, const char *z, size_t n) {
  rb(z, n);
  rv(n);
  tag(f, 2);
}
static void rfix64(int f, u64 v) {
  rb(&v, 8);
  tag(f, 1);
}
static void rvar(int f, u64 v) {
  rv(v);
  tag(f, 0);
}
static void pattr(Span *s, Attr *a, int f) {
  size_t m0 = rc - rp, m1 = m0;
  switch (a->t) {
    case A_STR:
      rstr(1, s->buf + a->off, strlen(s->buf + a->off));
      break;
    case A_INT:
      rvar(3, a->i);
      break;
    case A_BOOL:
      rvar(2, a->i);
      break;
    case A_DBL:
      rb(&a->d, 8);
      tag(4, 1);
      break;
    case A_ARR: {
      size_t m2 = rc - rp;
      const char *z = s->buf + a->off;
      const char *ps[16];
      size_t ns[16];
      int k = 0;
      while (*z) {
        const char *e = strchr(z, ';');
        size_t n = e ? (size_t)(e - z) : strlen(z);
        ps[k] = z;
        ns[k++] = n;
        z += n;
        if (*z == ';') z++;
      }
      while (k--) {
        size_t m3 = rc - rp;
        rstr(1, ps[k], ns[k]);
        rv((rc - rp) - m3);
        tag(1, 2);
      }
      rv((rc - rp) - m2);
      tag(5, 2);
      break;
    }
  }
  rv((rc - rp) - m1);
  tag(2, 2);
  rstr(1, a->k, strlen(a->k));
  rv((rc - rp) - m0);
  tag(f, 2);
}
static void pkv(const char *k, const char *v, int f) {
  size_t m0 = rc - rp;
  rstr(1, v, strlen(v));
  rv((rc - rp) - m0);
  tag(2, 2);
  rstr(1, k, strlen(k));
  rv((rc - rp) - m0);
  tag(f, 2);
}
static void pspan(Span *s) {
  size_t m0 = rc - rp;
  u32 fl = 257;
  rb(&fl, 4);
  rv(16 << 3 | 5);
  {
    size_t m = rc - rp;
    if (s->status) rvar(3, s->status);
    if (s->status == 2) rstr(2, s->buf + s->msg, strlen(s->buf + s->msg));
    rv((rc - rp) - m);
    tag(15, 2);
  }
  for (int i = s->nlink - 1; i >= 0; i--) {
    size_t m = rc - rp;
    pkv("link.kind", "follows_from", 4);
    rstr(2, (char *)s->lsid[i], 8);
    rstr(1, (char *)s->ltid[i], 16);
    rv((rc - rp) - m);
    tag(13, 2);
  }
  for (int i = s->nev - 1; i >= 0; i--) {
    Ev *e = &s->ev[i];
    size_t m = rc - rp;
    for (int j = e->na - 1; j >= 0; j--) pattr(s, &s->at[e->a0 + j], 3);
    rstr(2, e->name, strlen(e->name));
    rfix64(1, e->t);
    rv((rc - rp) - m);
    tag(11, 2);
  }
  for (int j = s->nspan - 1; j >= 0; j--) pattr(s, &s->at[j], 9);
  rfix64(8, s->end);
  rfix64(7, s->start);
  rvar(6, s->kind);
  rstr(5, s->name, strlen(s->name));
  if (s->haspid) rstr(4, (char *)s->pid, 8);
  if (s->ts[0]) rstr(3, s->ts, strlen(s->ts));
  rstr(2, (char *)s->sid, 8);
  rstr(1, (char *)s->tid, 16);
  rv((rc - rp) - m0);
  tag(2, 2);
}

static Span *pool;
static size_t np, cp;
static int cmpend(const void *a, const void *b) {
  u64 x = ((const Span *)a)->end, y = ((const Span *)b)->end;
  return x < y ? -1 : x > y;
}
static int cmpgrp(const void *a, const void *b) {
  const Span *x = a, *y = b;
  if (x->svc != y->svc) return x->svc - y->svc;
  if (x->pod != y->pod) return x->pod - y->pod;
  if (x->scope != y->scope) return x->scope - y->scope;
  return x->end < y->end ? -1 : x->end > y->end;
}
static FILE *fj, *fp;
static u64 nspans, nerr, nevs, nlinks, nlines, bj, bp, nattrs, nsev;
static const char *SCHEMA = "https://opentelemetry.io/schemas/1.26.0";
static const char **scopes(int k) {
  return k == 0 ? SCOPE_SRV : k == 1 ? SCOPE_CLI : k == 2 ? SCOPE_DB : SCOPE_INT;
}
static void resattrs(int svc, int pod, const char *k[], const char *v[], int *n) {
  Svc *q = &sv[svc];
  int i = 0;
  k[i] = "service.name";
  v[i++] = SD[svc].name;
  k[i] = "service.version";
  v[i++] = q->ver[q->podver[pod]];
  k[i] = "service.namespace";
  v[i++] = "shop";
  k[i] = "deployment.environment";
  v[i++] = "production";
  k[i] = "host.name";
  v[i++] = q->host[pod];
  k[i] = "k8s.pod.name";
  v[i++] = q->pod[pod];
  k[i] = "k8s.namespace.name";
  v[i++] = "shop-prod";
  k[i] = "k8s.deployment.name";
  v[i++] = SD[svc].name;
  k[i] = "cloud.region";
  v[i++] = "us-east-1";
  k[i] = "telemetry.sdk.language";
  v[i++] = LANG[SD[svc].lang];
  k[i] = "telemetry.sdk.name";
  v[i++] = "opentelemetry";
  k[i] = "telemetry.sdk.version";
  v[i++] = "1.45.0";
  *n = i;
}
static void flush(size_t n) {
  qsort(pool, n, sizeof(Span), cmpgrp);
  J.n = 0;
  rp = rc;
  const char *k[16], *v[16];
  int nr;
  L("{\"resourceSpans\":[");
  for (size_t i = 0; i < n;) {
    int svc = pool[i].svc, pod = pool[i].pod;
    if (i) L(",");
    L("{\"resource\":{\"attributes\":[");
    resattrs(svc, pod, k, v, &nr);
    for (int a = 0; a < nr; a++) kvs(k[a], v[a], a == 0);
    L("]},\"scopeSpans\":[");
    int f = 1;
    while (i < n && pool[i].svc == svc && pool[i].pod == pod) {
      int sc = pool[i].scope;
      if (!f) L(",");
      f = 0;
      L("{\"scope\":{\"name\":\"");
      const char *z = scopes(sc)[SD[svc].lang];
      put(z, strlen(z));
      L("\",\"version\":\"");
      z = SCOPE_VER[SD[svc].lang];
      put(z, strlen(z));
      L("\"},\"spans\":[");
      int g = 1;
      while (i < n && pool[i].svc == svc && pool[i].pod == pod && pool[i].scope == sc) {
        if (!g) L(",");
        g = 0;
        jspan(&pool[i]);
        i++;
      }
      L("]}");
    }
    L("],\"schemaUrl\":\"");
    put(SCHEMA, strlen(SCHEMA));
    L("\"}");
  }
  L("]}\n");
  fwrite(J.p, 1, J.n, fj);
  bj += J.n;
  nlines++;
  if (fp) {
    for (long i = n - 1; i >= 0;) {
      size_t m0 = rc - rp;
      int svc = pool[i].svc, pod = pool[i].pod;
      rstr(3, SCHEMA, strlen(SCHEMA));
      while (i >= 0 && pool[i].svc == svc && pool[i].pod == pod) {
        size_t m1 = rc - rp;
        int sc = pool[i].scope;
        while (i >= 0 && pool[i].svc == svc && pool[i].pod == pod && pool[i].scope == sc) {
          pspan(&pool[i]);
          i--;
        }
        {
          size_t m = rc - rp;
          const char *z = SCOPE_VER[SD[svc].lang];
          rstr(2, z, strlen(z));
          z = scopes(sc)[SD[svc].lang];
          rstr(1, z, strlen(z));
          rv((rc - rp) - m);
          tag(1, 2);
        }
        rv((rc - rp) - m1);
        tag(2, 2);
      }
      {
        size_t m = rc - rp;
        resattrs(svc, pod, k, v, &nr);
        for (int a = nr - 1; a >= 0; a--) pkv(k[a], v[a], 1);
        rv((rc - rp) - m);
        tag(1, 2);
      }
      rv((rc - rp) - m0);
      tag(1, 2);
    }
    u32 len = rc - rp;
    u8 h[4] = {len >> 24, len >> 16, len >> 8, len};
    fwrite(h, 1, 4, fp);
    fwrite(R + rp, 1, len, fp);
    bp += len + 4;
  }
  for (size_t i = 0; i < n; i++) {
    Span *s = &pool[i];
    nspans++;
    nerr += s->status == 2;
    nevs += s->nev;
    nsev += s->nev > 0;
    nlinks += s->nlink;
    nattrs += s->nspan;
    free(s->at);
    free(s->buf);
  }
  memmove(pool, pool + n, (np - n) * sizeof(Span));
  np -= n;
}
int main(int c, char **v) {
  if (c < 4) {
    fprintf(stderr, "usage: generate_traces TRACES SEED OUT.jsonl [OUT.pb|-] [PARAMS]\n");
    return 2;
  }
  u64 N = strtoull(v[1], 0, 10);
  u64 sd = strtoull(v[2], 0, 10);
  seed(42);
  build_model(); /* the model does not depend on the seed */
  seed(sd);
  fj = fopen(v[3], "w");
  if (!fj) {
    perror(v[3]);
    return 1;
  }
  setvbuf(fj, 0, _IOFBF, 1 << 20);
  if (c > 4 && strcmp(v[4], "-")) {
    fp = fopen(v[4], "w");
    setvbuf(fp, 0, _IOFBF, 1 << 20);
  }
  FILE *fq = c > 5 ? fopen(v[5], "w") : 0;
  rc = 1 << 20;
  R = malloc(rc);
  rp = rc;
  const u64 T0 = 1768435200000000000ULL; /* 2026-01-15T00:00:00Z */
  const double DAY = 86400e9;
  u64 nextq = 0, nq = 0;
  for (u64 i = 0; i < N; i++) {
    double x = (i + uni()) / N; /* diurnal: invert F(x)=x-0.5/(2pi)*(1-cos... ) by newton */
    double t = x;
    for (int it = 0; it < 8; it++) {
      double f = t - 0.6 * sin(6.283185307179586 * t) / 6.283185307179586 - x,
             g = 1 - 0.6 * cos(6.283185307179586 * t);
      t -= f / g;
    }
    if (t < 0) t = 0;
    if (t > 1) t = 1;
    u64 start = T0 + (u64)(t * (DAY - 120e9));
    int target = (int)lognorm(log(15.5), 0.85);
    if (target < 5) target = 5;
    if (target > 200) target = 200;
    static const int ROOT[] = {1, 0, 2};
    int g = ROOT[zipf(3)];
    ntr = 0;
    int r = mk(-1, &sv[g].op[zipf(sv[g].nsrv)], g, below(sv[g].npod));
    grow(r, target);
    layout(0, start);
    u8 tid[16];
    u64 a = rnd(), b = rnd();
    for (int k = 0; k < 8; k++) {
      tid[k] = a >> (56 - 8 * k);
      tid[8 + k] = b >> (56 - 8 * k);
    }
    u64 user = (u64)(200000 * pow(uni(), 1.6));
    char ts[48] = "";
    double u = uni();
    if (u < 0.25)
      snprintf(ts, 48, "ot=th:8");
    else if (u < 0.4)
      snprintf(ts, 48, "ot=th:c;rv:%014llx",
               (unsigned long long)(rnd() >> 8 | 0xc0000000000000ULL));
    else if (u < 0.5)
      snprintf(ts, 48, "ot=th:fd70a");
    /* errors, propagating up */
    for (int k = ntr - 1; k >= 0; k--) {
      const Op *o = tr[k].op;
      double e = o->type == T_CLI_HTTP || o->type == T_CLI_GRPC ? 0.0008 : o->err;
      if (chance(2.6 * e)) tr[k].err = 1;
      if (tr[k].err && tr[k].parent >= 0 && tr[k].op->type != T_CONS) {
        int pa = tr[k].parent;
        double pp = tr[pa].op->type == T_CLI_HTTP || tr[pa].op->type == T_CLI_GRPC ? 0.9 : 0.3;
        if (chance(pp)) tr[pa].err = 1;
      }
    }
    if (np + ntr > cp) {
      cp = (np + ntr) * 2;
      pool = realloc(pool, cp * sizeof(Span));
    }
    for (int k = 0; k < ntr; k++) {
      memcpy(tr[k].tid, tid, 16);
      fill(k, user, ts);
      addlinks(&tr[k]);
      int w = nrt++ % 1024;
      memcpy(rt[w], tid, 16);
      memcpy(rt[w] + 16, tr[k].sid, 8);
      pool[np++] = tr[k];
    }
    if (fq && i >= nextq && nq < 200) {
      fprintf(fq, "trace_id=");
      for (int k = 0; k < 16; k++) fprintf(fq, "%02x", tid[k]);
      fprintf(fq, "\n");
      if (nq == 100) fprintf(fq, "user=user-%08x\n", (u32)mix(user));
      nq++;
      nextq = (u64)((nq + 0.5) * N / 200);
    }
    if (np > 6000) {
      qsort(pool, np, sizeof(Span), cmpend);
      while (np > 3000) flush(200 + below(400));
    }
  }
  qsort(pool, np, sizeof(Span), cmpend);
  while (np) flush(np < 400 ? np : 400);
  fclose(fj);
  if (fp) fclose(fp);
  if (fq) fclose(fq);
  fprintf(stderr,
          "traces=%llu spans=%llu lines=%llu ops=%d errors=%.2f%% spans_with_events=%.1f%% "
          "links=%llu attrs/span=%.2f json=%llu (%.1f B/span) proto=%llu (%.1f B/span)\n",
          (unsigned long long)N, (unsigned long long)nspans, (unsigned long long)nlines, nops,
          100.0 * nerr / nspans, 100.0 * nsev / nspans, (unsigned long long)nlinks,
          (double)nattrs / nspans, (unsigned long long)bj, (double)bj / nspans,
          (unsigned long long)bp, (double)bp / nspans);
  return 0;
}
