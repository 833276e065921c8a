// SPDX-License-Identifier: MIT
// Runs the shop, shops in it, and writes what its exporters sent into the folder given. Bounded by
// SHOP_SECONDS of real time (the shop's own clock runs SHOP_SPEED times as fast); stops by itself.
'use strict';
const { fork } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { Receiver } = require('./receiver.js');
const { randomFrom } = require('./random.js');

const folder = process.argv[2];
const seconds = Number(process.env.SHOP_SECONDS || 90);
const speed = Number(process.env.SHOP_SPEED || 8);
const MEAN_GAP_MS = 2000; // of the shop's time, between two requests
const SERVICES = [
  ['storefront'], ['catalog', '1'], ['catalog', '2'], ['checkout'], ['payment'], ['fulfilment'],
];

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function freePort() {
  const server = http.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The shop's clock: it ends where the real one will, and begins earlier, so nothing is in the future. */
async function settings(receiverUrl) {
  const realStart = Date.now();
  const simulatedStart = realStart - (speed - 1) * seconds * 1000;
  const at = (fraction) => simulatedStart + fraction * seconds * 1000 * speed;
  const result = {
    SHOP_RECEIVER: receiverUrl, SHOP_SPEED: speed, SHOP_REAL_START: realStart,
    SHOP_SIMULATED_START: simulatedStart, SHOP_OUTAGE_BEGINS: at(0.45), SHOP_OUTAGE_ENDS: at(0.6),
  };
  for (const name of ['STOREFRONT', 'CATALOG_1', 'CATALOG_2', 'CHECKOUT', 'PAYMENT']) {
    result[`SHOP_${name}`] = await freePort();
  }
  return result;
}

const reply = (child, name) =>
  new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`${name} ended with code ${code}`)));
  });

function startService([name, instance = '1'], environment) {
  const child = fork(path.join(__dirname, 'shop', `${name}.js`), {
    env: { PATH: process.env.PATH, ...environment, SHOP_INSTANCE: instance },
  });
  child.shopName = name;
  return child;
}

async function tellAll(children, command) {
  for (const child of children) {
    const answered = reply(child, child.shopName);
    child.send({ command });
    await answered;
  }
}

/** One customer request; what the shop answers does not matter here. */
function visit(port, method, path_, body) {
  return new Promise((resolve) => {
    const options = { method, port, host: '127.0.0.1', path: path_, agent: false,
      headers: { 'user-agent': 'webshop-app/3.2' } };
    const request = http.request(options, (response) => response.resume().on('end', resolve));
    request.on('error', resolve);
    request.end(body && JSON.stringify(body));
  });
}

function randomVisit(random) {
  const roll = random.next();
  if (roll < 0.27) return ['GET', '/'];
  if (roll < 0.52) return ['GET', `/products/${random.integer(1, 62)}`];
  if (roll < 0.64) return ['GET', `/search?q=${random.pick(['lamp', 'clock', 'carpet', 'sofa'])}`];
  if (roll < 0.83) {
    const items = Array.from({ length: random.integer(random.chance(0.05) ? 0 : 1, 3) },
      () => random.integer(1, 60));
    return ['POST', '/checkout', {
      items, prices: items.map((id) => ((id * 7) % 90) + 4.5),
      tier: random.pick(['guest', 'silver', 'gold']),
    }];
  }
  return ['GET', random.chance(0.85) ? '/health' : '/old-page'];
}

async function goShopping(port) {
  const random = randomFrom('customers');
  const end = Date.now() + seconds * 1000;
  const visits = [];
  let reportAsked = false;
  while (Date.now() < end) {
    visits.push(visit(port, ...randomVisit(random)));
    if (!reportAsked && Date.now() > end - seconds * 500) {
      reportAsked = true;
      visits.push(visit(port, 'POST', '/internal/report'));
    }
    await sleep((-Math.log(1 - random.next()) * MEAN_GAP_MS) / speed);
  }
  await Promise.all(visits);
}

const spansOf = (document) => document.resourceSpans.flatMap((resource) =>
  resource.scopeSpans.flatMap((scope) => scope.spans));

/** The part of some requests that belongs to one trace, as a document of its own. */
function onlyTrace(lines, traceId) {
  const resourceSpans = lines.flatMap((line) => JSON.parse(line).resourceSpans).flatMap((resource) => {
    const scopeSpans = resource.scopeSpans
      .map((scope) => ({ ...scope, spans: scope.spans.filter((span) => span.traceId === traceId) }))
      .filter((scope) => scope.spans.length > 0);
    return scopeSpans.length > 0 ? [{ ...resource, scopeSpans }] : [];
  });
  return { resourceSpans };
}

/** The smallest trace with a link and an exception in it, or else with an exception. */
function readableTrace(lines) {
  const traces = new Map();
  for (const span of lines.flatMap((line) => spansOf(JSON.parse(line)))) {
    traces.set(span.traceId, [...(traces.get(span.traceId) || []), span]);
  }
  const failed = (span) => span.events.some((event) => event.name === 'exception');
  const linked = (spans) => spans.some((span) => span.links.length > 0);
  const candidates = [...traces.values()].filter((spans) => spans.some(failed));
  candidates.sort((a, b) => linked(b) - linked(a) || a.length - b.length);
  return candidates[0][0].traceId;
}

function writeMain({ json, protobuf, zipkin }) {
  const write = (name, content) => fs.writeFileSync(path.join(folder, name), content);
  write('webshop.otlp.jsonl', json.map((line) => line + '\n').join(''));
  write('webshop.otlp.be4.pb', Buffer.concat(protobuf));
  write('webshop.zipkin.json', `[\n${zipkin.map((span) => JSON.stringify(span)).join(',\n')}\n]\n`);
  const pretty = onlyTrace(json, readableTrace(json));
  write('pretty.otlp.json', JSON.stringify(pretty, null, 2) + '\n');
}

/** Late spans, and one request of the main file once more, as a client sends it that missed the answer. */
function writeLate(late, mainLines) {
  const bySize = [...mainLines].sort((a, b) => a.length - b.length);
  const again = bySize[Math.floor(bySize.length / 4)];
  fs.writeFileSync(path.join(folder, 'webshop-late.otlp.jsonl'),
    [...late.json, again].map((line) => line + '\n').join(''));
}

async function main() {
  const receiver = new Receiver();
  const environment = await settings(await receiver.open());
  const children = SERVICES.map((service) => startService(service, environment));
  try {
    await Promise.all(children.map((child) => reply(child, child.shopName)));
    await goShopping(environment.SHOP_STOREFRONT);
    await sleep(14000 / speed); // the last orders are packed
    await tellAll(children, 'flush');
    const recorded = receiver.take();
    await tellAll(children, 'late');
    await tellAll(children, 'flush');
    writeMain(recorded);
    writeLate(receiver.take(), recorded.json);
  } finally {
    for (const child of children) child.kill();
    receiver.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
