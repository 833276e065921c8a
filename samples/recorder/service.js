// SPDX-License-Identifier: MIT
// What every service of the shop has: an HTTP server with routes, an HTTP client, and the commands
// of the recorder ('flush', 'late', 'stop').
'use strict';
const telemetry = require('./telemetry.js');
const { api } = telemetry;
const http = require('node:http');

class ShopError extends Error {
  constructor(code, message, status = 500) {
    super(message);
    this.code = code;
    this.status = status;
  }

  get name() {
    return 'ShopError'; // on the prototype, as the stack is written before the constructor runs
  }
}

function readBody(stream) {
  return new Promise((resolve, reject) => {
    let text = '';
    stream.on('data', (piece) => (text += piece));
    stream.on('end', () => resolve(text ? JSON.parse(text) : undefined));
    stream.on('error', reject);
  });
}

/** The first route whose path (':name' matches anything) fits, with its parameters. */
function findRoute(routes, method, path) {
  const parts = path.split('/');
  for (const [pattern, handle] of Object.entries(routes)) {
    const [verb, template] = pattern.split(' ');
    const wanted = template.split('/');
    if (verb !== method || wanted.length !== parts.length) continue;
    const parameters = {};
    const fits = wanted.every((part, i) => {
      if (!part.startsWith(':')) return part === parts[i];
      parameters[part.slice(1)] = decodeURIComponent(parts[i]);
      return true;
    });
    if (fits) return { template, handle, parameters };
  }
  return undefined;
}

async function answer(routes, request, response) {
  const url = new URL(request.url, 'http://localhost');
  const route = findRoute(routes, request.method, url.pathname);
  const reply = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  if (!route) {
    reply(404, { error: 'no such page' });
    return;
  }
  const span = api.trace.getActiveSpan();
  span?.updateName(`${request.method} ${route.template}`);
  span?.setAttribute('http.route', route.template);
  try {
    const body = await readBody(request);
    const result = await route.handle({ ...route.parameters, query: url.searchParams, body, span });
    reply(200, result ?? {});
  } catch (error) {
    const status = error.status || 500;
    if (status >= 500) {
      if (span) telemetry.recordOnce(span, error);
      span?.setAttribute('error.type', error.code || error.name);
    }
    reply(status, { error: error.message, code: error.code });
  }
}

exports.serve = (routes, port) =>
  new Promise((resolve) => {
    const server = http.createServer((request, response) => answer(routes, request, response));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });

/** An HTTP request to another service; the instrumentation makes its CLIENT span. */
exports.call = (method, port, path, body, timeout = 0) =>
  new Promise((resolve, reject) => {
    const options = { method, port, host: '127.0.0.1', path, headers: {}, agent: false };
    if (timeout) options.timeout = timeout;
    const request = http.request(options, async (response) => {
      const result = await readBody(response).catch(reject);
      if (response.statusCode < 400) {
        resolve(result);
      } else {
        const { code = 'http_error', error = 'request failed' } = result || {};
        reject(new ShopError(code, error, response.statusCode));
      }
    });
    request.on('timeout', () => request.destroy(new ShopError('timeout', 'no answer in time', 504)));
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });

/** Tells the recorder that the service is ready, and obeys it from then on. */
exports.obey = (late = async () => {}) => {
  process.on('message', async ({ command }) => {
    if (command === 'stop') process.exit(0);
    if (command === 'late') await late();
    if (command === 'flush') await telemetry.flush();
    process.send({ done: command });
  });
  process.on('disconnect', () => process.exit(1));
  process.send({ done: 'start' });
};

exports.ShopError = ShopError;
