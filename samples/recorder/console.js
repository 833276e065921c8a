// SPDX-License-Identifier: MIT
// Spans with every kind of value as the SDK's ConsoleSpanExporter prints them: `node console.js`.
// tests/cli/fixtures/foreign/js_console.txt was made so.
'use strict';
const api = require('@opentelemetry/api');
const { BasicTracerProvider, ConsoleSpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { resourceFromAttributes } = require('@opentelemetry/resources');

const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': "shop's", 'service.version': '1.2', 'process.command_args': ['node', '/srv/app.js', '--flag', 'a', 'b', 'c', 'd', 'e'] }),
  spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())],
});
const tracer = provider.getTracer('shop', '0.1.0', { schemaUrl: 'https://opentelemetry.io/schemas/1.26.0' });
const root = tracer.startSpan('GET /cart', { kind: api.SpanKind.SERVER, attributes: { 'http.request.method': 'GET', 'http.response.status_code': 200, ratio: 0.25, big: 1e21, whole: 3.0, negative: -7, ok: true, text: 'it\'s "quoted"\nand\ttabs \\ ü 東京 🐟', back: '`tick\' "x', list: ['a', 'b'], numbers: [1, 2.5, 3, 4, 5, 6, 7, 8, 9, 10], flags: [true, false], long: 'lorem ipsum dolor sit amet '.repeat(8), empty: '', nothing: [] } });
const context = api.trace.setSpan(api.context.active(), root);
const child = tracer.startSpan('SELECT cart', { kind: api.SpanKind.CLIENT, links: [{ context: { traceId: '11111111111111111111111111111111', spanId: '2222222222222222', traceFlags: 1 }, attributes: { why: 'batch' } }] }, context);
child.addEvent('cache miss', { key: 'c1', tries: 2 });
child.recordException(new Error('no such\ntable'));
child.setStatus({ code: api.SpanStatusCode.ERROR, message: 'failed' });
child.end();
const remote = api.trace.setSpanContext(api.context.active(), { traceId: '5b8efff798038103d269b633813fc60c', spanId: 'eee19b7ec3c1b174', traceFlags: 1, isRemote: true, traceState: api.createTraceState('a=1,b=2') });
tracer.startSpan('consume', { kind: api.SpanKind.CONSUMER }, remote).end();
provider.getTracer('other').startSpan('plain').end();
root.end();
