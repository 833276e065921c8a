// SPDX-License-Identifier: MIT
// Charges cards. Its card network fails for a while in the middle of the recording. Some charges are
// settled long after their trace seemed complete: those spans are the late ones.
'use strict';
const { start, inSpan, inject, extract, sleep, api } = require('../telemetry.js');

const tracer = start({ name: 'payment', version: '3.1.4', instance: 'payment-1' });
const { serve, obey, ShopError } = require('../service.js');
const { openDatabase } = require('../database.js');
const { randomFrom } = require('../random.js');

const random = randomFrom('payment');
const outage = { begins: Number(process.env.SHOP_OUTAGE_BEGINS), ends: Number(process.env.SHOP_OUTAGE_ENDS) };
const unsettled = [];
let query;

const inOutage = () => Date.now() >= outage.begins && Date.now() < outage.ends;

const scoreRules = (order) =>
  inSpan(tracer, 'score rules', { attributes: { 'fraud.rules': ['velocity', 'country', 'amount'] } },
    async (span) => {
      await query('charges', `SELECT count(*) AS n FROM charges WHERE amount > ${order.total}`, 3);
      const score = random.next() ** 4;
      span.setAttribute('fraud.score', score);
      span.addEvent('scored', { 'fraud.score': score, 'fraud.blocked': score > 0.9 });
      if (score > 0.9) throw new ShopError('fraud_suspected', `order ${order.id} looks like fraud`, 402);
    });

const checkFraud = (order) =>
  inSpan(tracer, 'fraud check', {}, async () => {
    await sleep(random.latency(5));
    await scoreRules(order);
  });

const askCardNetwork = (order) =>
  inSpan(tracer, 'cards.v1.Cards/Authorize', {
    kind: api.SpanKind.CLIENT,
    attributes: {
      'rpc.system': 'grpc', 'rpc.service': 'cards.v1.Cards', 'rpc.method': 'Authorize',
      'server.address': 'cards.example', 'server.port': 443, 'charge.amount': order.total,
    },
  }, async (span) => {
    await sleep(random.latency(inOutage() ? 900 : 60));
    const failed = random.chance(inOutage() ? 0.6 : 0.03);
    span.setAttribute('rpc.grpc.status_code', failed ? 14 : 0);
    if (failed) throw new ShopError('card_network_unavailable', 'the card network does not answer', 503);
    // The API has no setter for these two types; OTLP and its exporters do.
    span.attributes['card.receipt'] = new Uint8Array([order.id & 255, (order.id >> 8) & 255, 0, 255]);
    span.attributes['card.terms'] = { currency: 'EUR', instalments: random.integer(1, 6) };
  });

const authorize = (order) =>
  inSpan(tracer, 'authorize', {}, async () => {
    await checkFraud(order);
    await askCardNetwork(order);
  });

async function charge({ body: order }) {
  await authorize(order);
  await query('charges', `INSERT INTO charges (order_id, amount) VALUES (${order.id}, ${order.total})`);
  if (order.id % 5 === 0) unsettled.push({ order, headers: inject() });
  return { charged: order.total };
}

async function settle() {
  for (const { order, headers } of unsettled) {
    const options = { parent: extract(headers), attributes: { 'order.id': order.id } };
    await inSpan(tracer, 'settle charge', options, () =>
      query('charges', `UPDATE charges SET settled = 1 WHERE order_id = ${order.id}`, 20));
  }
}

async function main() {
  query = await openDatabase({
    namespace: 'payments', style: 'new', tracer, random,
    schema: 'CREATE TABLE charges (order_id INTEGER, amount REAL, settled INTEGER)',
  });
  await serve({ 'POST /charges': charge }, Number(process.env.SHOP_PAYMENT));
  obey(settle);
}
main();
