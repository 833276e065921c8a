// SPDX-License-Identifier: MIT
// OpenTelemetry for one process of the shop: resource, samplers, three exporters at once, HTTP
// instrumentation, and the few helpers the services share. Must be loaded before node:http is.
'use strict';
const { sleep } = require('./clock.js');
const api = require('@opentelemetry/api');
const { OTLPTraceExporter: JsonExporter } = require('@opentelemetry/exporter-trace-otlp-http');
const { OTLPTraceExporter: ProtobufExporter } = require('@opentelemetry/exporter-trace-otlp-proto');
const { ZipkinExporter } = require('@opentelemetry/exporter-zipkin');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { defaultResource, resourceFromAttributes } = require('@opentelemetry/resources');
const {
  AlwaysOnSampler, BatchSpanProcessor, ParentBasedSampler,
} = require('@opentelemetry/sdk-trace-base');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');

const receiver = process.env.SHOP_RECEIVER;

/** Stack traces must not say where this machine keeps the shop. */
function hidePaths() {
  Error.prepareStackTrace = (error, frames) => {
    const lines = frames.map((frame) => `    at ${frame}`.replaceAll(__dirname, '/app'));
    return [String(error), ...lines].join('\n');
  };
}

function exporters() {
  return [
    new JsonExporter({ url: `${receiver}/v1/traces` }),
    new ProtobufExporter({ url: `${receiver}/v1/traces` }),
    new ZipkinExporter({ url: `${receiver}/api/v2/spans` }),
  ];
}

/** `service` is {name, version, instance, rootSampler}; gives a tracer. */
exports.start = (service) => {
  hidePaths();
  const provider = new NodeTracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({
      'service.name': service.name,
      'service.namespace': 'webshop',
      'service.version': service.version,
      'service.instance.id': service.instance,
      'deployment.environment.name': 'sample',
      'host.name': 'sample-host',
    })),
    sampler: new ParentBasedSampler({ root: service.rootSampler || new AlwaysOnSampler() }),
    spanProcessors: exporters().map((exporter) =>
      new BatchSpanProcessor(exporter, { scheduledDelayMillis: 2500, maxQueueSize: 16384 })),
  });
  provider.register();
  registerInstrumentations({
    tracerProvider: provider,
    instrumentations: [new HttpInstrumentation()],
  });
  exports.flush = () => provider.forceFlush();
  return provider.getTracer(`webshop-${service.name}`, service.version);
};

const recorded = new WeakSet();

/** Records an exception on the first span of this process that sees it. */
exports.recordOnce = (span, error) => {
  if (recorded.has(error)) return;
  recorded.add(error);
  span.recordException(error);
};

/** Runs `work(span)` in a new active span. What it throws is recorded, and thrown on. */
exports.inSpan = (tracer, name, options, work) =>
  tracer.startActiveSpan(name, options, options.parent || api.context.active(), async (span) => {
    try {
      return await work(span);
    } catch (error) {
      exports.recordOnce(span, error);
      span.setAttribute('error.type', error.code || error.name);
      span.setStatus({ code: api.SpanStatusCode.ERROR, message: error.message });
      throw error;
    } finally {
      span.end();
    }
  });

/** A context that messages and late work can carry across processes and time. */
exports.inject = () => {
  const carrier = {};
  api.propagation.inject(api.context.active(), carrier);
  return carrier;
};
exports.extract = (carrier) => api.propagation.extract(api.ROOT_CONTEXT, carrier);

exports.api = api;
exports.sleep = sleep;
