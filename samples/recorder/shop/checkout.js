// SPDX-License-Identifier: MIT
// Takes orders: checks the cart, reserves stock, charges the customer (trying up to three times, each
// attempt linked to the one before), keeps the order, and announces it on a queue.
'use strict';
const { start, inSpan, inject, sleep, api } = require('../telemetry.js');

const tracer = start({ name: 'checkout', version: '2.0.7', instance: 'checkout-1' });
const { serve, call, obey, ShopError } = require('../service.js');
const { openDatabase } = require('../database.js');
const { send } = require('../queue.js');
const { randomFrom } = require('../random.js');

const random = randomFrom('checkout');
const paymentPort = Number(process.env.SHOP_PAYMENT);
const catalogPort = Number(process.env.SHOP_CATALOG_1);
const TIMEOUT_MS = 1800 / Number(process.env.SHOP_SPEED);
let query;
let lastOrder = 41000;

const checkCart = ({ items, prices, tier }) =>
  inSpan(tracer, 'check cart', {
    attributes: {
      'cart.item_ids': items,
      'cart.skus': items.map((id) => `SKU-${1000 + id}`),
      'cart.prices': prices,
      'cart.gift_wrapped': items.map((id) => id % 3 === 0),
      'cart.total': prices.reduce((sum, price) => sum + price, 0) + 0.01,
      'customer.is_member': tier !== 'guest',
    },
  }, async (span) => {
    await sleep(random.latency(3));
    if (items.length === 0) throw new ShopError('empty_cart', 'the cart is empty', 400);
    span.setStatus({ code: api.SpanStatusCode.OK });
  });

const reserveStock = (items) =>
  inSpan(tracer, 'reserve stock', {}, () =>
    call('POST', catalogPort, '/stock/reserve', { items }));

async function attemptCharge(order, attempt, previous) {
  const options = {
    attributes: { 'charge.attempt': attempt, 'order.id': order.id },
    links: previous
      ? [{ context: previous.context, attributes: { 'link.reason': 'retry', 'retry.after': previous.why } }]
      : [],
  };
  let context;
  try {
    await inSpan(tracer, 'charge attempt', options, (span) => {
      context = span.spanContext();
      return call('POST', paymentPort, '/charges', order, TIMEOUT_MS);
    });
    return undefined;
  } catch (error) {
    return { context, why: error.code || error.message, error };
  }
}

const chargeCustomer = (order) =>
  inSpan(tracer, 'charge customer', { attributes: { 'charge.amount': order.total } }, async (span) => {
    let failed;
    for (let attempt = 1; attempt <= 3; attempt++) {
      if (failed) {
        span.addEvent('retry', { 'retry.attempt': attempt, 'retry.wait_ms': 40 * attempt });
        await sleep(40 * attempt);
      }
      failed = await attemptCharge(order, attempt, failed);
      if (!failed) return;
      if (failed.error.status < 500) break;
    }
    throw failed.error;
  });

const announce = (order) =>
  inSpan(tracer, 'send orders', {
    kind: api.SpanKind.PRODUCER,
    attributes: {
      'messaging.system': 'shopqueue', 'messaging.destination.name': 'orders',
      'messaging.operation.type': 'send', 'messaging.operation.name': 'send',
      'messaging.message.id': `m-${order.id}`,
    },
  }, () => send('orders', { id: `m-${order.id}`, order: order.id, headers: inject() }));

async function takeOrder({ body }) {
  await checkCart(body);
  const order = { id: ++lastOrder, total: body.prices.reduce((sum, price) => sum + price, 0) };
  await reserveStock(body.items);
  await query('orders', `INSERT INTO orders (id, total, state) VALUES (${order.id}, ${order.total}, 'new')`, 8);
  try {
    await chargeCustomer(order);
  } catch (error) {
    await query('orders', `UPDATE orders SET state = 'unpaid' WHERE id = ${order.id}`);
    throw error;
  }
  await query('orders', `UPDATE orders SET state = 'paid' WHERE id = ${order.id}`);
  await announce(order);
  return order;
}

async function main() {
  query = await openDatabase({
    namespace: 'shop', style: 'new', tracer, random,
    schema: 'CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL, state TEXT)',
  });
  await serve({ 'POST /orders': takeOrder }, Number(process.env.SHOP_CHECKOUT));
  obey();
}
main();
