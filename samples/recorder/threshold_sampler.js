// SPDX-License-Identifier: MIT
// A head sampler by the consistent probability sampling of OpenTelemetry: keeps a trace when the
// low 56 bits of its id reach a threshold, and says so in tracestate (`ot=th:8` is one in two), so
// that whoever reads the spans later knows how many each stands for.
'use strict';
const { createTraceState } = require('@opentelemetry/api');
const { SamplingDecision } = require('@opentelemetry/sdk-trace-base');

const FULL = 1n << 56n;

/** `oneIn` is a power of two. */
function thresholdOf(oneIn) {
  const threshold = FULL - FULL / BigInt(oneIn);
  const digits = threshold.toString(16).padStart(14, '0').replace(/0+$/, '');
  return { threshold, traceState: createTraceState(`ot=th:${digits || '0'}`) };
}

class ThresholdSampler {
  /** `oneInOf(attributes)` says one of how many traces to keep, given the root's attributes. */
  constructor(oneInOf) {
    this.oneInOf = oneInOf;
  }

  shouldSample(_context, traceId, _name, _kind, attributes) {
    const { threshold, traceState } = thresholdOf(this.oneInOf(attributes));
    const randomness = BigInt('0x' + traceId.slice(18));
    const keep = randomness >= threshold;
    return {
      decision: keep ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD,
      traceState,
    };
  }

  toString() {
    return 'ThresholdSampler';
  }
}

exports.ThresholdSampler = ThresholdSampler;
