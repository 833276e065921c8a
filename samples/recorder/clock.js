// SPDX-License-Identifier: MIT
// A clock that runs SHOP_SPEED times as fast as the real one, the same in every process of the
// shop, so that a recording of a minute and a half covers a quarter of an hour. Loaded before the
// SDK, which reads Date.now() and performance.now().
'use strict';
const { performance } = require('node:perf_hooks');

const speed = Number(process.env.SHOP_SPEED || 1);
const realStart = Number(process.env.SHOP_REAL_START || Date.now());
const simulatedStart = Number(process.env.SHOP_SIMULATED_START || realStart);

const realDateNow = Date.now.bind(Date);
const realPerformanceNow = performance.now.bind(performance);
const loadedAt = realPerformanceNow();

Date.now = () => Math.floor(simulatedStart + (realDateNow() - realStart) * speed);
performance.now = () => loadedAt + (realPerformanceNow() - loadedAt) * speed;

/** Waits for `milliseconds` of the shop's time. */
exports.sleep = (milliseconds) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds / speed));
