// SPDX-License-Identifier: MIT
// The other end of the exporters: keeps each OTLP/HTTP request as the collector's file exporter
// would (one JSON document per line; protobuf behind a 4-byte big-endian length), and collects
// Zipkin spans. Also keeps the shop's message queues. Loopback only.
'use strict';
const http = require('node:http');

function readBytes(stream) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('end', () => resolve(Buffer.concat(pieces)));
    stream.on('error', reject);
  });
}

function framed(bytes) {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

class Receiver {
  constructor() {
    this.queues = new Map();
    this.take();
  }

  /** What arrived since the last call: {json, protobuf, zipkin}, one item per request. */
  take() {
    const taken = this.received;
    this.received = { json: [], protobuf: [], zipkin: [] };
    return taken;
  }

  async open() {
    this.server = http.createServer((request, response) => this.handle(request, response));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  close() {
    this.server.close();
    this.server.closeAllConnections();
  }

  async handle(request, response) {
    const bytes = await readBytes(request);
    const url = new URL(request.url, 'http://localhost');
    let answer = '{}';
    if (url.pathname.startsWith('/queue/')) {
      answer = JSON.stringify(this.exchange(url, request.method, bytes));
    } else if (url.pathname === '/api/v2/spans') {
      this.received.zipkin.push(...JSON.parse(bytes));
    } else if (request.headers['content-type'].startsWith('application/json')) {
      this.received.json.push(bytes.toString('utf8'));
    } else {
      this.received.protobuf.push(framed(bytes));
      answer = '';
    }
    response.writeHead(200, { 'content-type': request.headers['content-type'] || 'application/json' });
    response.end(answer);
  }

  exchange(url, method, bytes) {
    const queue = this.queues.get(url.pathname) || [];
    this.queues.set(url.pathname, queue);
    if (method === 'POST') queue.push(JSON.parse(bytes));
    return method === 'POST' ? {} : queue.splice(0, Number(url.searchParams.get('most')));
  }
}

exports.Receiver = Receiver;
