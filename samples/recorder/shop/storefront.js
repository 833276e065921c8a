// SPDX-License-Identifier: MIT
// The shop's front: every customer's trace begins here, and is sampled here. Orders are all kept,
// browsing one in two, health checks one in sixteen.
'use strict';
const { ThresholdSampler } = require('../threshold_sampler.js');
const { start, inSpan, sleep, api } = require('../telemetry.js');

function keepOneIn(attributes) {
  const path = attributes['url.path'];
  if (path === '/health') return 16;
  return path === undefined || path === '/checkout' || path.startsWith('/internal') ? 1 : 2;
}

const tracer = start({
  name: 'storefront', version: '4.2.0', instance: 'storefront-1',
  rootSampler: new ThresholdSampler(keepOneIn),
});
const { serve, call, obey } = require('../service.js');
const { randomFrom } = require('../random.js');

const random = randomFrom('storefront');
const checkoutPort = Number(process.env.SHOP_CHECKOUT);
const catalogPorts = [Number(process.env.SHOP_CATALOG_1), Number(process.env.SHOP_CATALOG_2)];
const anyCatalog = () => catalogPorts[random.chance(0.75) ? 0 : 1];
let report;

const render = (template) =>
  inSpan(tracer, `render ${template}`, { attributes: { 'template.name': template } },
    async (span) => {
      await sleep(random.latency(12));
      span.setAttribute('template.bytes', random.integer(2000, 90000));
      span.setAttribute('template.cached', random.chance(0.4));
    });

async function showHome() {
  const page = random.integer(0, 4);
  const { products } = await call('GET', anyCatalog(), `/products?page=${page}`);
  await render('home.html');
  return { shown: products.length };
}

async function showProduct({ id }) {
  const [product, related] = await Promise.all([
    call('GET', anyCatalog(), `/products/${id}`),
    call('GET', anyCatalog(), `/products/${id}/related`).catch((error) => {
      api.trace.getActiveSpan()?.addEvent('related.skipped', { reason: error.message });
      return { products: [] };
    }),
  ]);
  await render('product.html');
  return { product, related: related.products.length };
}

async function search({ query }) {
  const found = await call('GET', anyCatalog(), `/search?q=${query.get('q')}`);
  await render('results.html');
  return found;
}

const placeOrder = ({ body }) =>
  inSpan(tracer, 'place order', {
    attributes: { 'order.item_count': body.items.length, 'customer.tier': body.tier },
  }, async (span) => {
    const order = await call('POST', checkoutPort, '/orders', body);
    span.setAttribute('order.id', order.id);
    span.setStatus({ code: api.SpanStatusCode.OK });
    await render('thanks.html');
    return order;
  });

/** A job that outlives the recording: its own span arrives with the late ones. */
function startReport({ span }) {
  report = tracer.startSpan('stock report', {
    root: true, links: [{ context: span.spanContext(), attributes: { 'link.reason': 'asked for by' } }],
  });
  const context = api.trace.setSpan(api.context.active(), report);
  return api.context.with(context, async () => {
    for (let page = 0; page < 4; page++) await call('GET', anyCatalog(), `/products?page=${page}`);
    return { started: true };
  });
}

serve({
  'GET /': showHome,
  'GET /products/:id': showProduct,
  'GET /search': search,
  'POST /checkout': placeOrder,
  'POST /internal/report': startReport,
  'GET /health': () => ({ healthy: true }),
}, Number(process.env.SHOP_STOREFRONT)).then(() => obey(async () => report?.end()));
