// SPDX-License-Identifier: MIT
// Seeded random numbers (mulberry32): what the shop does is the same in every recording, up to the
// order in which requests meet. Ids and times are the SDK's own.
'use strict';

function seedFromText(text) {
  let seed = 2166136261;
  for (const character of text) seed = Math.imul(seed ^ character.codePointAt(0), 16777619);
  return seed >>> 0;
}

/** An object of random choices that depends on `text` only. */
exports.randomFrom = (text) => {
  let state = seedFromText(text);
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    chance: (probability) => next() < probability,
    integer: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (items) => items[Math.floor(next() * items.length)],
    /** Waiting times as servers have them: mostly near `median`, now and then far beyond. */
    latency: (median) => {
      const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
      return median * Math.exp(0.5 * normal);
    },
  };
};
