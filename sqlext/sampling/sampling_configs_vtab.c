/* SPDX-License-Identifier: MIT
 * sampling_configs: one row is a sampling configuration of the store.
 * sampling_policies: one row is a sampler, policy or rule of one, in the order they are numbered.
 *
 *     SELECT * FROM sampling_policies WHERE config_id = 3
 *     SELECT name, type, options FROM sampling_policies('collector.yaml')
 *     SELECT * FROM sampling_policies('{"default_strategy": ...}')
 *
 * Documents are parsed when they are asked for. The hidden argument `config` takes one that is
 * stored, by id or path, or the text of one that is not; what cannot be parsed is an error then.
 * Without it, a stored configuration that this build cannot parse (YAML without libyaml) has a row
 * in sampling_configs that says why, and none in sampling_policies.
 *
 * idxNum: 0 all, 1 `config =` (argv[0]), 2 id = or config_id = (argv[0]; checked again). */
#include <string.h>

#include "sqlext/sampling/config_options.h"
#include "sqlext/sampling/config_source.h"
#include "sqlext/sampling/sampler_math.h"
#include "sqlext/sampling/sampling_tables.h"
#include "sqlext/vtab_support.h"

enum plan { PLAN_ALL, PLAN_ARGUMENT, PLAN_ID };

struct config_kind {
  const char *module;
  const char *declaration;
  bool has_policies; /* a row for each policy, not for the configuration */
  int argument;      /* the hidden column */
};

enum config_column {
  CONFIG_ID,
  CONFIG_NAME,
  CONFIG_DIALECT,
  CONFIG_DOCUMENT_ID,
  CONFIG_INGESTED_AT,
  CONFIG_SAMPLER,
  CONFIG_POLICY_COUNT,
  CONFIG_UNUSED,
  CONFIG_ERROR,
  CONFIG_ARGUMENT
};

enum policy_column {
  POLICY_CONFIG_ID,
  POLICY_ORDINAL,
  POLICY_PARENT_ORDINAL,
  POLICY_NAME,
  POLICY_TYPE,
  POLICY_ROLE,
  POLICY_SERVICE,
  POLICY_OPERATION,
  POLICY_PROBABILITY,
  POLICY_RATE,
  POLICY_THRESHOLD,
  POLICY_OPTIONS,
  POLICY_LINE,
  POLICY_UNUSED,
  POLICY_ARGUMENT
};

struct config_vtab {
  sqlite3_vtab base;
  const struct config_kind *kind;
  sqlite3 *db;
  char *schema;
};

struct config_cursor {
  sqlite3_vtab_cursor base;
  sqlite3_stmt *list; /* of the stored ones; NULL: only `config` */
  struct tk_config_origin origin;
  struct tk_sampling_config *config;       /* NULL at the end, or if it cannot be parsed */
  const struct tk_sampling_policy *policy; /* of sampling_policies */
  struct tk_error error;                   /* why there is no config */
  bool at_end;
  int64_t row;
};

/* ---- the table ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  const struct config_kind *kind = context;
  struct config_vtab *vtab;
  int rc;
  (void)message_out;
  if ((rc = sqlite3_declare_vtab(db, kind->declaration)) != SQLITE_OK) return rc;
  if ((rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS)) != SQLITE_OK) return rc;
  if (!(vtab = sqlite3_malloc64(sizeof *vtab))) return SQLITE_NOMEM;
  *vtab = (struct config_vtab){.kind = kind, .db = db};
  if (!(vtab->schema = sqlite3_mprintf("%s", tk_vtab_schema(argc, argv)))) {
    sqlite3_free(vtab);
    return SQLITE_NOMEM;
  }
  *vtab_out = &vtab->base;
  return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *base) {
  struct config_vtab *vtab = (struct config_vtab *)base;
  sqlite3_free(vtab->schema);
  sqlite3_free(vtab);
  return SQLITE_OK;
}

static bool is_id_column(const struct config_kind *kind, int column) {
  return column == 0 || (!kind->has_policies && column == CONFIG_DOCUMENT_ID);
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct config_kind *kind = ((struct config_vtab *)base)->kind;
  int argument = -1, id = -1;
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    if (constraint->op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (constraint->iColumn == kind->argument) {
      if (!constraint->usable) return SQLITE_CONSTRAINT;
      argument = i;
    } else if (constraint->usable && is_id_column(kind, constraint->iColumn)) {
      id = i;
    }
  }
  info->estimatedRows = kind->has_policies ? 100 : 10;
  info->estimatedCost = kind->has_policies ? 2000 : 1000;
  if (argument >= 0) {
    info->aConstraintUsage[argument].argvIndex = 1;
    info->aConstraintUsage[argument].omit = 1;
    info->idxNum = PLAN_ARGUMENT;
    info->estimatedCost = 100;
  } else if (id >= 0) {
    info->aConstraintUsage[id].argvIndex = 1;
    info->idxNum = PLAN_ID;
    info->estimatedCost = 100;
  }
  return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct config_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)base;
  if (!cursor) return SQLITE_NOMEM;
  *cursor = (struct config_cursor){.at_end = true};
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void drop_config(struct config_cursor *cursor) {
  tk_sampling_config_free(cursor->config);
  tk_config_origin_reset(&cursor->origin);
  cursor->config = NULL;
  cursor->policy = NULL;
  cursor->error.message[0] = '\0';
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct config_cursor *cursor = (struct config_cursor *)base;
  drop_config(cursor);
  sqlite3_finalize(cursor->list);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

/* ---- moving ---- */

static enum tk_status load_listed(struct config_cursor *cursor, struct tk_error *error) {
  const struct config_vtab *vtab = (struct config_vtab *)cursor->base.pVtab;
  struct tk_config_origin *origin = &cursor->origin;
  origin->document_id = sqlite3_column_int64(cursor->list, 0);
  origin->path = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(cursor->list, 1));
  origin->ingested_at = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(cursor->list, 2));
  if (!origin->path || !origin->ingested_at) return tk_nomem(error);
  const enum tk_status status = tk_config_load(vtab->db, vtab->schema, origin->document_id,
                                               origin->path, &cursor->config, &cursor->error);
  if (status == TK_INVALID || status == TK_UNSUPPORTED) return TK_OK; /* shown as its error */
  if (status != TK_OK) *error = cursor->error;
  return status;
}

/* The next stored configuration that has rows; at the end there is none. */
static enum tk_status next_listed(struct config_cursor *cursor, struct tk_error *error) {
  const struct config_vtab *vtab = (struct config_vtab *)cursor->base.pVtab;
  enum tk_status status = TK_OK;
  do {
    drop_config(cursor);
    const int rc = cursor->list ? sqlite3_step(cursor->list) : SQLITE_DONE;
    if (rc == SQLITE_DONE) {
      cursor->at_end = true;
      return TK_OK;
    }
    if (rc != SQLITE_ROW) {
      return tk_fail(error, TK_IO, "cannot list sampling configurations: %s",
                     sqlite3_errmsg(vtab->db));
    }
    if ((status = load_listed(cursor, error)) != TK_OK) return status;
    if (cursor->config) cursor->policy = tk_sampling_config_next(cursor->config, NULL);
  } while (vtab->kind->has_policies && !cursor->policy);
  return TK_OK;
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct config_cursor *cursor = (struct config_cursor *)base;
  const struct config_vtab *vtab = (struct config_vtab *)base->pVtab;
  struct tk_error error = {{0}};
  cursor->row++;
  if (vtab->kind->has_policies) {
    cursor->policy = tk_sampling_config_next(cursor->config, cursor->policy);
    if (cursor->policy) return SQLITE_OK;
  }
  return tk_vtab_fail(base->pVtab, next_listed(cursor, &error), &error);
}

static enum tk_status begin_argument(struct config_cursor *cursor, sqlite3_value *argument,
                                     struct tk_error *error) {
  const struct config_vtab *vtab = (struct config_vtab *)cursor->base.pVtab;
  if (sqlite3_value_type(argument) == SQLITE_NULL) return TK_OK; /* as = NULL: no rows */
  const enum tk_status status =
      tk_config_open(vtab->db, vtab->schema, argument, &cursor->origin, &cursor->config, error);
  if (status != TK_OK) return status;
  cursor->policy = tk_sampling_config_next(cursor->config, NULL);
  cursor->at_end = vtab->kind->has_policies && !cursor->policy;
  return TK_OK;
}

static enum tk_status begin_list(struct config_cursor *cursor, int64_t id, bool by_id,
                                 struct tk_error *error) {
  const struct config_vtab *vtab = (struct config_vtab *)cursor->base.pVtab;
  enum tk_status status = tk_config_list_open(vtab->db, vtab->schema, by_id, &cursor->list, error);
  if (status != TK_OK || !cursor->list) return status;
  if (by_id) sqlite3_bind_int64(cursor->list, 1, id);
  cursor->at_end = false;
  return next_listed(cursor, error);
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                  sqlite3_value **argv) {
  struct config_cursor *cursor = (struct config_cursor *)base;
  struct tk_error error = {{0}};
  enum tk_status status;
  (void)text;
  drop_config(cursor);
  sqlite3_finalize(cursor->list);
  cursor->list = NULL;
  cursor->at_end = true;
  cursor->row = 0;
  if (plan == PLAN_ARGUMENT && argc == 1) {
    status = begin_argument(cursor, argv[0], &error);
  } else {
    const bool by_id =
        plan == PLAN_ID && argc == 1 && sqlite3_value_type(argv[0]) == SQLITE_INTEGER;
    status = begin_list(cursor, by_id ? sqlite3_value_int64(argv[0]) : 0, by_id, &error);
  }
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((struct config_cursor *)base)->at_end;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  *rowid_out = ((struct config_cursor *)base)->row + 1;
  return SQLITE_OK;
}

/* ---- columns ---- */

static void give_word(sqlite3_context *context, const char *word) {
  if (word) sqlite3_result_text(context, word, -1, SQLITE_STATIC);
}

static void give_copy(sqlite3_context *context, const char *text) {
  if (text) sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

/* NULL where the dialect has none, or none is given. */
static void give_text(sqlite3_context *context, struct tk_text text) {
  if (text.size > 0) tk_result_text(context, text);
}

static void give_id(sqlite3_context *context, const struct config_cursor *cursor) {
  if (cursor->origin.document_id != 0) {
    sqlite3_result_int64(context, cursor->origin.document_id);
  }
}

static int64_t count_unused(const struct tk_sampling_config *config) {
  int64_t count = 0;
  for (uint32_t i = 0; i < config->root_count; i++) count += config->roots[i].unused;
  return count;
}

static void give_config(sqlite3_context *context, const struct config_cursor *cursor, int column) {
  const struct tk_sampling_config *config = cursor->config;
  char summary[1024];
  switch ((enum config_column)column) {
    case CONFIG_ID:
    case CONFIG_DOCUMENT_ID:
      give_id(context, cursor);
      return;
    case CONFIG_NAME:
      give_copy(context, cursor->origin.path);
      return;
    case CONFIG_INGESTED_AT:
      give_copy(context, cursor->origin.ingested_at);
      return;
    case CONFIG_ERROR:
      if (!config) give_copy(context, cursor->error.message);
      return;
    case CONFIG_DIALECT:
      if (config) give_word(context, tk_sampling_dialect_name(config->dialect));
      return;
    case CONFIG_SAMPLER:
      if (!config) return;
      tk_sampling_config_summary(config, summary, sizeof summary);
      give_copy(context, summary);
      return;
    case CONFIG_POLICY_COUNT:
      if (config) sqlite3_result_int64(context, config->policy_count);
      return;
    case CONFIG_UNUSED:
      if (config) sqlite3_result_int64(context, count_unused(config));
      return;
    case CONFIG_ARGUMENT:
      return;
  }
}

static void give_threshold(sqlite3_context *context, const struct tk_sampling_policy *policy) {
  uint64_t threshold;
  char text[15];
  if (!tk_sampling_policy_threshold(policy, &threshold)) return;
  tk_threshold_text(threshold, text);
  give_copy(context, text);
}

static bool is_unused(const struct tk_sampling_policy *policy) {
  while (policy->parent) policy = policy->parent;
  return policy->unused;
}

static void give_options(sqlite3_context *context, const struct tk_sampling_policy *policy) {
  struct tk_byte_writer options = {0};
  tk_sampling_options_json(&options, policy);
  tk_result_json(context, &options);
  tk_byte_writer_reset(&options);
}

static void give_policy(sqlite3_context *context, const struct config_cursor *cursor, int column) {
  const struct tk_sampling_policy *policy = cursor->policy;
  double probability;
  int64_t rate;
  switch ((enum policy_column)column) {
    case POLICY_CONFIG_ID:
      give_id(context, cursor);
      return;
    case POLICY_ORDINAL:
      sqlite3_result_int64(context, policy->ordinal);
      return;
    case POLICY_PARENT_ORDINAL:
      if (policy->parent) sqlite3_result_int64(context, policy->parent->ordinal);
      return;
    case POLICY_NAME:
      give_text(context, policy->name);
      return;
    case POLICY_TYPE:
      give_word(context, tk_sampling_type_name(policy->type));
      return;
    case POLICY_ROLE:
      give_word(context, tk_sampling_role_name(policy->role));
      return;
    case POLICY_SERVICE:
      give_text(context, policy->service);
      return;
    case POLICY_OPERATION:
      give_text(context, policy->operation);
      return;
    case POLICY_PROBABILITY:
      if (!tk_sampling_policy_probability(policy, &probability)) return;
      sqlite3_result_double(context, probability);
      return;
    case POLICY_RATE:
      if (tk_sampling_policy_rate(policy, &rate)) sqlite3_result_int64(context, rate);
      return;
    case POLICY_THRESHOLD:
      give_threshold(context, policy);
      return;
    case POLICY_OPTIONS:
      give_options(context, policy);
      return;
    case POLICY_LINE:
      if (!policy->implied) sqlite3_result_int64(context, policy->line);
      return;
    case POLICY_UNUSED:
      sqlite3_result_int(context, is_unused(policy));
      return;
    case POLICY_ARGUMENT:
      return;
  }
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  const struct config_cursor *cursor = (struct config_cursor *)base;
  if (((struct config_vtab *)base->pVtab)->kind->has_policies) {
    give_policy(context, cursor, column);
  } else {
    give_config(context, cursor, column);
  }
  return SQLITE_OK;
}

/* ---- registration ---- */

static const struct config_kind configs = {
    .module = "tracekeep_sampling_configs",
    .declaration =
        "CREATE TABLE x(id INTEGER, name TEXT, dialect TEXT, document_id INTEGER,"
        " ingested_at TEXT, sampler TEXT, policy_count INTEGER, unused INTEGER,"
        " error TEXT, config HIDDEN)",
    .argument = CONFIG_ARGUMENT,
};

static const struct config_kind policies = {
    .module = "tracekeep_sampling_policies",
    .declaration =
        "CREATE TABLE x(config_id INTEGER, ordinal INTEGER, parent_ordinal INTEGER,"
        " name TEXT, type TEXT, role TEXT, service TEXT, operation TEXT,"
        " probability REAL, rate INTEGER, threshold TEXT, options TEXT, line INTEGER,"
        " unused INTEGER, config HIDDEN)",
    .has_policies = true,
    .argument = POLICY_ARGUMENT,
};

static int register_kind(sqlite3 *db, const struct config_kind *kind) {
  static const sqlite3_module module = {
      .iVersion = 1,
      .xCreate = connect_table,
      .xConnect = connect_table,
      .xBestIndex = best_index,
      .xDisconnect = disconnect_table,
      .xDestroy = disconnect_table,
      .xOpen = open_cursor,
      .xClose = close_cursor,
      .xFilter = filter,
      .xNext = next_row,
      .xEof = at_end,
      .xColumn = give_column,
      .xRowid = give_rowid,
  };
  /* SQLite hands the pointer back as it is; nobody writes through it. */
  union {
    const struct config_kind *given;
    void *wanted;
  } context = {kind};
  return sqlite3_create_module_v2(db, kind->module, &module, context.wanted, NULL);
}

int tk_register_sampling_configs(sqlite3 *db) {
  const int rc = register_kind(db, &configs);
  return rc == SQLITE_OK ? register_kind(db, &policies) : rc;
}
