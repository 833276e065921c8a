#!/usr/bin/python3
"""Writes what a nightly verification of the sample shop leaves: events, projection, validation, envelope.

    samples/run/make_run.py [FOLDER]

The rule under test: an order is charged once (KvOnce: a key is written once). Nothing is made up: the
events are read off the spans in samples/dumps. Each charge in the payment database is a `success` of its
order, each failed attempt of the checkout a `failure`, each further attempt a `retry`. One order was
really charged twice, because its first attempt went on after the checkout had given up waiting; the
checks find it. Output is the same every time."""
import datetime
import hashlib
import json
import pathlib
import re
import sys

SAMPLES = pathlib.Path(__file__).resolve().parent.parent
DUMPS = ('webshop.otlp.jsonl', 'webshop-late.otlp.jsonl')
TRACES_LISTED = 12  # in the envelope, beside those with issues
TEMPO = 'https://tempo.example.com/explore?traceId='


def read_spans():
    spans = {}
    for name in DUMPS:
        for line in (SAMPLES / 'dumps' / name).read_text(encoding='utf-8').splitlines():
            for resource in json.loads(line)['resourceSpans']:
                for scope in resource['scopeSpans']:
                    for span in scope['spans']:
                        attributes = {item['key']: next(iter(item['value'].values()), None) for item in span.get('attributes', [])}
                        spans[span['spanId']] = span | {'attributes': attributes}
    return spans


def timestamp(nanoseconds):
    instant = datetime.datetime.fromtimestamp(int(nanoseconds) // 10**9, datetime.timezone.utc)
    return f'{instant:%Y-%m-%dT%H:%M:%S}.{int(nanoseconds) // 10**6 % 1000:03}Z'


def attempt_of(span, spans):
    while span and span['name'] != 'charge attempt':
        span = spans.get(span.get('parentSpanId'))
    return int(span['attributes']['charge.attempt']) if span else None


def event(nanoseconds, span, actor, kind, order, **more):
    return int(nanoseconds), {'traceId': span['traceId'], 'timestamp': timestamp(nanoseconds), 'actor': actor, 'event': kind,
                              'type': kind, 'key': f'order-{order}', **more}


def events_of(spans):
    for span in spans.values():
        if span['name'] == 'charge attempt':
            order, attempt = span['attributes']['order.id'], int(span['attributes']['charge.attempt'])
            if attempt > 1:
                yield event(span['startTimeUnixNano'], span, 'checkout', 'retry', order, context={'attempt': attempt - 1})
            if span.get('status', {}).get('code') == 2:
                reason = next((item['value']['stringValue'] for happened in span['events'] for item in happened['attributes']
                               if item['key'] == 'exception.type'), 'unknown')
                yield event(span['endTimeUnixNano'], span, 'checkout', 'failure', order, reason=reason)
        elif span['name'] == 'INSERT payments.charges':
            order, amount = re.search(r'VALUES \((\d+), ([0-9.]+)\)', span['attributes']['db.query.text']).groups()
            yield event(span['endTimeUnixNano'], span, 'payment', 'success', order, value=amount,
                        context={'attempt': attempt_of(span, spans)})


def project(events):
    keys = {}
    for item in events:
        entry = keys.setdefault(item['key'], {
            'successCount': 0, 'retries': 0, 'failureReasons': [], 'retryContexts': [], 'successContexts': [], 'failureContexts': [],
            'value': None, 'firstTimestamp': item['timestamp'], 'lastTimestamp': None, 'lastType': None, 'lastFailureReason': None})
        entry['lastTimestamp'], entry['lastType'] = item['timestamp'], item['type']
        if item['type'] == 'success':
            entry['successCount'] += 1
            entry['value'] = item['value']
        elif item['type'] == 'retry':
            entry['retries'] += 1
        else:
            entry['failureReasons'].append(item['reason'])
            entry['lastFailureReason'] = item['reason']
        if 'context' in item:
            entry[item['type'] + 'Contexts'].append(item['context'])
    return keys


def validate(keys):
    for key, entry in keys.items():
        retries = [context['attempt'] for context in entry['retryContexts']]
        first = next((context['attempt'] for context in entry['successContexts']), None)
        if entry['successCount'] > 1:
            yield {'key': key, 'type': 'multiple-success', 'message': f'success appeared {entry["successCount"]} times'}
        if entry['retries'] > 3:
            yield {'key': key, 'type': 'retry-bound-exceeded', 'message': f'retry count {entry["retries"]} exceeded MAX_RETRIES 3'}
        wrong = next(((got, i) for i, got in enumerate(retries, 1) if got != i), None)
        if wrong:
            yield {'key': key, 'type': 'retry-attempt-out-of-sequence', 'message': f'retry attempt {wrong[0]} expected {wrong[1]}'}
        if retries and first is not None and first != len(retries) + 1:
            yield {'key': key, 'type': 'success-attempt-mismatch',
                   'message': f'success attempt {first} inconsistent with {len(retries)} retries'}


def statistics(events, keys):
    count = {kind: sum(item['type'] == kind for item in events) for kind in ('success', 'retry', 'failure')}
    return {'totalEvents': len(events), 'uniqueKeys': len(keys), 'byType': count | {'unknown': 0},
            'keysWithSuccess': sum(entry['successCount'] > 0 for entry in keys.values()),
            'keysWithRetries': sum(entry['retries'] > 0 for entry in keys.values()),
            'keysWithFailures': sum(bool(entry['failureReasons']) for entry in keys.values()), 'duplicateFailureKeys': 0,
            'successRate': int(count['success'] * 1000 / len(events) + 0.5) / 1000, 'stateSequenceLength': len(events)}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES / 'run'
    events = [item for _, item in sorted(events_of(read_spans()), key=lambda pair: (pair[0], pair[1]['traceId'], pair[1]['type']))]
    keys = project(events)
    issues = list(validate(keys))
    suspects = {issue['key'] for issue in issues}
    listed = list(dict.fromkeys([item['traceId'] for item in events if item['key'] in suspects] +
                                [item['traceId'] for item in events][:TRACES_LISTED]))
    generated = '2026-11-20T16:00:00.000Z'
    artifacts = []

    def write(path, text, description):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding='utf-8')
        digest = hashlib.sha256(text.encode('utf-8')).hexdigest()
        artifacts.append({'type': 'application/json', 'path': path, 'checksum': f'sha256:{digest}', 'description': description})

    def pretty(value):
        return json.dumps(value, indent=2) + '\n'

    stats = statistics(events, keys)
    write('artifacts/kvonce-events.ndjson', ''.join(json.dumps(item, separators=(',', ':')) + '\n' for item in events), 'Events')
    write('artifacts/kvonce-projection.json', pretty({'schemaVersion': 'kvonce/v1', 'generatedAt': generated, 'eventCount': len(events),
                                                      'events': events, 'perKey': keys, 'stats': stats}), 'Projection')
    write('artifacts/kvonce-validation.json', pretty({'generatedAt': generated, 'valid': not issues, 'issues': issues}), 'Validation')
    correlation = {'runId': '7310482265', 'workflow': 'Nightly verification', 'commit': '9f1c4e7a', 'branch': 'refs/heads/main',
                   'traceIds': listed}
    trace = {'input': 'artifacts/kvonce-events.ndjson', 'outputDir': 'artifacts', 'format': 'ndjson', 'status': 'valid' if not issues else 'invalid',
             'ndjson': 'artifacts/kvonce-events.ndjson',
             'projection': {'path': 'artifacts/kvonce-projection.json', 'events': len(events), 'keys': len(keys), 'stats': stats,
                            'stateSequenceLength': len(events)},
             'validation': {'path': 'artifacts/kvonce-validation.json', 'exitCode': 0, 'valid': not issues, 'issues': len(issues)},
             'replay': {'status': 'skipped'}, 'traceIds': listed, 'tempoLinks': [TEMPO + listed[0]]}
    envelope = {'schemaVersion': '1.0.0', 'source': 'pipelines:trace', 'generatedAt': generated, 'traceCorrelation': correlation,
                'summary': {'input': '(missing)', 'events': 0, 'schemaErrors': 0, 'invariantViolations': 0, 'violationRate': 0,
                            'timestamp': generated, 'trace': trace},
                'artifacts': list(artifacts), 'tempoLinks': trace['tempoLinks'], 'notes': ['Tempo: ' + trace['tempoLinks'][0]],
                'correlation': correlation}
    write('report-envelope.json', pretty(envelope), '')
    print(f'{len(events)} events of {len(keys)} orders, {len(issues)} issues')


if __name__ == '__main__':
    main()
