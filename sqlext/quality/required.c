/* SPDX-License-Identifier: MIT
 * Required attributes of spans, from the semantic conventions 1.44.0. A requirement is met by the
 * attribute or by what older conventions had in its place: what is deprecated is another rule's
 * business. It applies only where an attribute shows that the convention is meant. */
#include "sqlext/quality/required.h"

#include <string.h>

/* X(enum suffix, key) */
#define KEYS(X)                                         \
  X(HTTP_REQUEST_METHOD, "http.request.method")         \
  X(HTTP_METHOD, "http.method")                         \
  X(HTTP_HOST, "http.host")                             \
  X(HTTP_URL, "http.url")                               \
  X(HTTP_TARGET, "http.target")                         \
  X(HTTP_PATH, "http.path")                             \
  X(HTTP_SCHEME, "http.scheme")                         \
  X(HTTP_SERVER_NAME, "http.server_name")               \
  X(SERVER_ADDRESS, "server.address")                   \
  X(SERVER_PORT, "server.port")                         \
  X(NET_PEER_NAME, "net.peer.name")                     \
  X(NET_PEER_IP, "net.peer.ip")                         \
  X(NET_PEER_PORT, "net.peer.port")                     \
  X(URL_FULL, "url.full")                               \
  X(URL_PATH, "url.path")                               \
  X(URL_SCHEME, "url.scheme")                           \
  X(DB_SYSTEM_NAME, "db.system.name")                   \
  X(DB_SYSTEM, "db.system")                             \
  X(DB_QUERY_TEXT, "db.query.text")                     \
  X(DB_STATEMENT, "db.statement")                       \
  X(DB_OPERATION_NAME, "db.operation.name")             \
  X(DB_OPERATION, "db.operation")                       \
  X(DB_NAMESPACE, "db.namespace")                       \
  X(DB_NAME, "db.name")                                 \
  X(DB_COLLECTION_NAME, "db.collection.name")           \
  X(DB_MONGODB_COLLECTION, "db.mongodb.collection")     \
  X(RPC_SYSTEM_NAME, "rpc.system.name")                 \
  X(RPC_SYSTEM, "rpc.system")                           \
  X(RPC_METHOD, "rpc.method")                           \
  X(RPC_SERVICE, "rpc.service")                         \
  X(RPC_STATUS_CODE, "rpc.status_code")                 \
  X(RPC_RESPONSE_STATUS, "rpc.response.status_code")    \
  X(RPC_GRPC_STATUS, "rpc.grpc.status_code")            \
  X(MSG_SYSTEM, "messaging.system")                     \
  X(MSG_OPERATION_NAME, "messaging.operation.name")     \
  X(MSG_OPERATION_TYPE, "messaging.operation.type")     \
  X(MSG_OPERATION, "messaging.operation")               \
  X(MSG_DESTINATION_NAME, "messaging.destination.name") \
  X(MSG_DESTINATION, "messaging.destination")           \
  X(MSG_DESTINATION_KIND, "messaging.destination_kind") \
  X(GEN_AI_OPERATION, "gen_ai.operation.name")          \
  X(GEN_AI_PROVIDER, "gen_ai.provider.name")            \
  X(GEN_AI_SYSTEM, "gen_ai.system")                     \
  X(GEN_AI_REQUEST_MODEL, "gen_ai.request.model")

/* X(enum suffix, key, value) */
#define VALUES(X)                                        \
  X(IS_MONGODB, "db.system.name", "mongodb")             \
  X(IS_ELASTICSEARCH, "db.system.name", "elasticsearch") \
  X(IS_REDIS, "db.system.name", "redis")                 \
  X(IS_HBASE, "db.system.name", "hbase")                 \
  X(IS_COSMOS, "db.system.name", "azure.cosmosdb")       \
  X(IS_GRPC, "rpc.system.name", "grpc")                  \
  X(IS_OLD_GRPC, "rpc.system", "grpc")

enum number {
#define ENUM(suffix, ...) NUMBER_##suffix,
  KEYS(ENUM) VALUES(ENUM)
#undef ENUM
      NUMBER_COUNT
};

_Static_assert(NUMBER_COUNT <= 64, "sets of keys are 64 bits");

#define BIT(suffix) ((uint64_t)1 << NUMBER_##suffix)
#define KIND(name) (1u << TK_KIND_##name)
#define ANY_KIND 0xFFu

static const char *const keys[] = {
#define NAME(suffix, key) key,
    KEYS(NAME)
#undef NAME
};
enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

static const struct {
  const char *key, *value;
} values[] = {
#define PAIR(suffix, key, value) {key, value},
    VALUES(PAIR)
#undef PAIR
};
enum { VALUE_COUNT = sizeof values / sizeof values[0] };

#define IS_HTTP (BIT(HTTP_REQUEST_METHOD) | BIT(HTTP_METHOD))
#define IS_DB                                                                      \
  (BIT(DB_SYSTEM_NAME) | BIT(DB_SYSTEM) | BIT(DB_QUERY_TEXT) | BIT(DB_STATEMENT) | \
   BIT(DB_OPERATION_NAME) | BIT(DB_OPERATION) | BIT(DB_NAMESPACE) | BIT(DB_NAME) | \
   BIT(DB_COLLECTION_NAME))
#define IS_RPC                                                                   \
  (BIT(RPC_SYSTEM_NAME) | BIT(RPC_SYSTEM) | BIT(RPC_METHOD) | BIT(RPC_SERVICE) | \
   BIT(RPC_GRPC_STATUS))
#define IS_MESSAGING                                                                          \
  (BIT(MSG_SYSTEM) | BIT(MSG_OPERATION_NAME) | BIT(MSG_OPERATION_TYPE) | BIT(MSG_OPERATION) | \
   BIT(MSG_DESTINATION_NAME))
#define IS_GEN_AI \
  (BIT(GEN_AI_OPERATION) | BIT(GEN_AI_PROVIDER) | BIT(GEN_AI_SYSTEM) | BIT(GEN_AI_REQUEST_MODEL))
#define HAS_OLD_OPERATION (BIT(MSG_OPERATION) | BIT(MSG_DESTINATION) | BIT(MSG_DESTINATION_KIND))

/* clang-format off */
static const struct requirement requirements[] = {
    {"HTTP client", "http.request.method", KIND(CLIENT), IS_HTTP, BIT(HTTP_REQUEST_METHOD), BIT(HTTP_METHOD)},
    {"HTTP client", "server.address", KIND(CLIENT), IS_HTTP, BIT(SERVER_ADDRESS),
     BIT(NET_PEER_NAME) | BIT(NET_PEER_IP) | BIT(HTTP_HOST) | BIT(HTTP_URL) | BIT(HTTP_SERVER_NAME)},
    {"HTTP client", "server.port", KIND(CLIENT), IS_HTTP, BIT(SERVER_PORT),
     BIT(NET_PEER_PORT) | BIT(HTTP_HOST) | BIT(HTTP_URL)},
    {"HTTP client", "url.full", KIND(CLIENT), IS_HTTP, BIT(URL_FULL),
     BIT(HTTP_URL) | BIT(HTTP_TARGET) | BIT(HTTP_HOST)},
    {"HTTP server", "http.request.method", KIND(SERVER), IS_HTTP, BIT(HTTP_REQUEST_METHOD), BIT(HTTP_METHOD)},
    {"HTTP server", "url.path", KIND(SERVER), IS_HTTP, BIT(URL_PATH),
     BIT(HTTP_TARGET) | BIT(HTTP_PATH) | BIT(HTTP_URL)},
    {"HTTP server", "url.scheme", KIND(SERVER), IS_HTTP, BIT(URL_SCHEME), BIT(HTTP_SCHEME) | BIT(HTTP_URL)},
    {"database client", "db.system.name", KIND(CLIENT), IS_DB, BIT(DB_SYSTEM_NAME), BIT(DB_SYSTEM)},
    {"database client", "db.operation.name", KIND(CLIENT),
     BIT(IS_MONGODB) | BIT(IS_ELASTICSEARCH) | BIT(IS_REDIS) | BIT(IS_HBASE) | BIT(IS_COSMOS),
     BIT(DB_OPERATION_NAME), BIT(DB_OPERATION)},
    {"MongoDB client", "db.collection.name", KIND(CLIENT), BIT(IS_MONGODB), BIT(DB_COLLECTION_NAME),
     BIT(DB_MONGODB_COLLECTION)},
    {"Elasticsearch client", "http.request.method", KIND(CLIENT), BIT(IS_ELASTICSEARCH), BIT(HTTP_REQUEST_METHOD),
     BIT(HTTP_METHOD)},
    {"Elasticsearch client", "url.full", KIND(CLIENT), BIT(IS_ELASTICSEARCH), BIT(URL_FULL), BIT(HTTP_URL)},
    {"RPC", "rpc.system.name", KIND(CLIENT) | KIND(SERVER), IS_RPC, BIT(RPC_SYSTEM_NAME), BIT(RPC_SYSTEM)},
    {"gRPC", "rpc.status_code", KIND(CLIENT) | KIND(SERVER), BIT(IS_GRPC) | BIT(IS_OLD_GRPC), BIT(RPC_STATUS_CODE),
     BIT(RPC_RESPONSE_STATUS) | BIT(RPC_GRPC_STATUS)},
    {"messaging", "messaging.system", KIND(PRODUCER) | KIND(CONSUMER) | KIND(CLIENT), IS_MESSAGING, BIT(MSG_SYSTEM), 0},
    {"messaging", "messaging.operation.name", KIND(PRODUCER) | KIND(CONSUMER) | KIND(CLIENT), IS_MESSAGING,
     BIT(MSG_OPERATION_NAME), HAS_OLD_OPERATION},
    {"GenAI", "gen_ai.operation.name", ANY_KIND, IS_GEN_AI, BIT(GEN_AI_OPERATION), 0},
    {"GenAI", "gen_ai.provider.name", ANY_KIND, IS_GEN_AI, BIT(GEN_AI_PROVIDER), BIT(GEN_AI_SYSTEM)},
};
/* clang-format on */

static int is_text(struct tk_text text, const char *literal) {
  return strlen(literal) == text.size && memcmp(literal, text.data, text.size) == 0;
}

uint64_t tk_required_key_bit(struct tk_text key) {
  for (int i = 0; i < KEY_COUNT; i++) {
    if (is_text(key, keys[i])) return (uint64_t)1 << i;
  }
  return 0;
}

int tk_required_has_values(struct tk_text key) {
  for (int i = 0; i < VALUE_COUNT; i++) {
    if (is_text(key, values[i].key)) return 1;
  }
  return 0;
}

uint64_t tk_required_value_bit(struct tk_text key, struct tk_text value) {
  for (int i = 0; i < VALUE_COUNT; i++) {
    if (is_text(key, values[i].key) && is_text(value, values[i].value)) {
      return (uint64_t)1 << (KEY_COUNT + i);
    }
  }
  return 0;
}

unsigned tk_required_list(const struct requirement **list_out) {
  *list_out = requirements;
  return sizeof requirements / sizeof requirements[0];
}
