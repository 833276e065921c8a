// SPDX-License-Identifier: MIT
// SQLite (sql.js, compiled to WebAssembly: no server, nothing native) behind spans of the database
// conventions: the present ones, or those of some years ago, as stores meet both.
'use strict';
const initSqlJs = require('sql.js');
const { api, inSpan, sleep } = require('./telemetry.js');

function describe(sql, table, style, namespace) {
  const operation = sql.split(' ', 1)[0];
  if (style === 'old') {
    return {
      'db.system': 'sqlite', 'db.name': namespace, 'db.statement': sql,
      'db.operation': operation, 'db.sql.table': table,
    };
  }
  return {
    'db.system.name': 'sqlite', 'db.namespace': namespace, 'db.query.text': sql,
    'db.operation.name': operation, 'db.collection.name': table,
  };
}

/** `options` is {namespace, style: 'old' or 'new', schema, tracer, random}. */
exports.openDatabase = async ({ namespace, style, schema, tracer, random }) => {
  const SQL = await initSqlJs();
  const database = new SQL.Database();
  database.run(schema);

  /** Rows as objects. `medianMs` stands for the disk and network that are not there. */
  return async (table, sql, medianMs = 4) => {
    const attributes = describe(sql, table, style, namespace);
    const name = `${sql.split(' ', 1)[0]} ${namespace}.${table}`;
    return inSpan(tracer, name, { kind: api.SpanKind.CLIENT, attributes }, async (span) => {
      await sleep(random.latency(medianMs));
      const [result] = database.exec(sql);
      if (!result) return [];
      if (style === 'new') span.setAttribute('db.response.returned_rows', result.values.length);
      return result.values.map((row) =>
        Object.fromEntries(result.columns.map((column, i) => [column, row[i]])));
    });
  };
};
