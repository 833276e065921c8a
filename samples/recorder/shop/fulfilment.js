// SPDX-License-Identifier: MIT
// Takes orders from a queue in batches (a trace of its own, linked to every producer), packs them, and
// sends notifications, which it consumes one by one as children of their producers.
'use strict';
const { start, inSpan, inject, extract, sleep, api } = require('../telemetry.js');

const tracer = start({ name: 'fulfilment', version: '0.9.1', instance: 'fulfilment-1' });
const { obey, ShopError } = require('../service.js');
const { openDatabase } = require('../database.js');
const { send, receive } = require('../queue.js');
const { randomFrom } = require('../random.js');

const random = randomFrom('fulfilment');
let query;
let running = true;

const messaging = (queue, type, more) => ({
  'messaging.system': 'shopqueue', 'messaging.destination.name': queue,
  'messaging.operation.type': type, 'messaging.operation.name': type, ...more,
});

const notify = (order) =>
  inSpan(tracer, 'send notifications', {
    kind: api.SpanKind.PRODUCER,
    attributes: messaging('notifications', 'send', { 'messaging.message.id': `n-${order}` }),
  }, () => send('notifications', { id: `n-${order}`, order, headers: inject() }));

const pack = ({ order }) =>
  inSpan(tracer, 'pack order', { attributes: { 'order.id': order } }, async (span) => {
    await sleep(random.latency(90));
    span.addEvent('picked', { 'pick.shelf': random.pick(['A1', 'B4', 'C2']), 'pick.seconds': random.latency(9) });
    if (random.chance(0.04)) throw new ShopError('out_of_boxes', 'no box is large enough');
    span.addEvent('packed');
    await query('shipments', `INSERT INTO shipments (order_id) VALUES (${order})`);
    await notify(order);
  });

const processBatch = (messages) =>
  inSpan(tracer, 'process orders', {
    root: true,
    kind: api.SpanKind.CONSUMER,
    attributes: messaging('orders', 'process', { 'messaging.batch.message_count': messages.length }),
    links: messages.map((message) => ({
      context: api.trace.getSpanContext(extract(message.headers)),
      attributes: { 'messaging.message.id': message.id },
    })),
  }, async () => {
    for (const message of messages) await pack(message).catch(() => {});
  });

const processNotification = (message) =>
  inSpan(tracer, 'process notifications', {
    parent: extract(message.headers),
    kind: api.SpanKind.CONSUMER,
    attributes: messaging('notifications', 'process', { 'messaging.message.id': message.id }),
  }, () => sleep(random.latency(25)));

async function work() {
  while (running) {
    const orders = await receive('orders', 4);
    if (orders.length > 0) await processBatch(orders);
    for (const message of await receive('notifications', 8)) await processNotification(message);
    await sleep(6000);
  }
}

async function main() {
  query = await openDatabase({
    namespace: 'warehouse', style: 'new', tracer, random,
    schema: 'CREATE TABLE shipments (order_id INTEGER)',
  });
  obey(async () => (running = false));
  await work();
}
main();
