// SPDX-License-Identifier: MIT
// Products and stock. Runs twice: the second instance is the next version, on trial, slower and
// with a fault. Speaks the database conventions of some years ago.
'use strict';
const { start, inSpan, sleep } = require('../telemetry.js');

const onTrial = process.env.SHOP_INSTANCE === '2';
const tracer = start({
  name: 'catalog', version: onTrial ? '1.9.0-rc.1' : '1.8.3',
  instance: onTrial ? 'catalog-2' : 'catalog-1',
});
const { serve, obey, ShopError } = require('../service.js');
const { openDatabase } = require('../database.js');
const { randomFrom } = require('../random.js');

const random = randomFrom(`catalog-${onTrial}`);
const PRODUCTS = 60;
const cache = new Set();
let query;

function schema() {
  const words = ['lamp', 'chair', 'table', 'shelf', 'clock', 'carpet', 'mirror', 'vase'];
  const rows = Array.from({ length: PRODUCTS }, (_, i) =>
    `(${i + 1}, '${words[i % words.length]} ${i + 1}', ${(i * 7) % 90 + 4.5}, ${50 + i})`);
  return `CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, price REAL, stock INTEGER);
    INSERT INTO products VALUES ${rows.join(', ')}`;
}

async function listProducts({ query: parameters }) {
  const page = Number(parameters.get('page') || 0);
  const products = await query('products',
    `SELECT id, name FROM products ORDER BY id LIMIT 6 OFFSET ${page * 6}`, 9);
  await inSpan(tracer, 'load prices', { attributes: { 'catalog.page': page } }, async () => {
    if (!onTrial) {
      await query('products', `SELECT id, price FROM products WHERE id IN (${products.map((p) => p.id)})`);
      return;
    }
    // One query per product: what the next version does worse.
    for (const { id } of products) {
      await query('products', `SELECT price FROM products WHERE id = ${id}`);
    }
  });
  return { products };
}

const lookUp = (id) =>
  inSpan(tracer, 'cache lookup', { attributes: { 'cache.key': `product:${id}` } }, async (span) => {
    await sleep(random.latency(1));
    const hit = cache.has(id);
    span.setAttribute('cache.hit', hit);
    if (!hit) span.addEvent('cache.miss', { 'cache.size': cache.size, 'cache.load_factor': cache.size / 64 });
    cache.add(id);
    if (random.chance(0.2)) cache.clear();
    return hit;
  });

async function showProduct({ id }) {
  if (await lookUp(id)) return { id };
  const [product] = await query('products', `SELECT * FROM products WHERE id = ${Number(id)}`);
  if (!product) throw new ShopError('no_such_product', `product ${id} is not in the catalog`, 404);
  if (onTrial && random.chance(0.12)) {
    await inSpan(tracer, 'format price', {}, async () => {
      throw new TypeError('price.toFixedPoint is not a function');
    });
  }
  return product;
}

async function showRelated({ id }) {
  await sleep(random.latency(6));
  const from = Number(id) % PRODUCTS;
  const products = await query('products', `SELECT id FROM products WHERE id > ${from} LIMIT 3`, 7);
  return { products };
}

async function search({ query: parameters, span }) {
  const word = parameters.get('q');
  const products = await query('products',
    `SELECT id, name FROM products WHERE name LIKE '%${word}%'`, onTrial ? 160 : 45);
  span?.setAttribute('search.results', products.length);
  span?.setAttribute('search.score', products.length / PRODUCTS);
  return { products };
}

async function reserveStock({ body }) {
  for (const id of body.items) {
    await query('products', `UPDATE products SET stock = stock - 1 WHERE id = ${id}`, 5);
  }
  return { reserved: body.items.length };
}

async function main() {
  query = await openDatabase({ namespace: 'catalog', style: 'old', schema: schema(), tracer, random });
  await serve({
    'GET /products': listProducts,
    'GET /products/:id': showProduct,
    'GET /products/:id/related': showRelated,
    'GET /search': search,
    'POST /stock/reserve': reserveStock,
  }, Number(process.env[onTrial ? 'SHOP_CATALOG_2' : 'SHOP_CATALOG_1']));
  obey();
}
main();
