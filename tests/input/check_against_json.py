#!/usr/bin/env python3
"""Compare every field the reader yields with what Python's json module finds in the same files.

Usage: check_against_json.py DUMP_BATCHES FIXTURES_FOLDER

Reads the fixtures, and real data if TK_SHARED_DATA names a folder of it. The model below is written
from the OTLP specification, independently of the C code; where a file breaks the rules (the `faults`
fixtures), the C tests are the judge, not this script.
"""
import base64
import json
import math
import os
import pathlib
import re
import struct
import subprocess
import sys

KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']
CODES = ['UNSET', 'OK', 'ERROR']
HAS_PARENT, HAS_STATUS, ZERO_PARENT, SHORT = 1, 2, 4, 8
SPAN_LIMIT = 20000  # of one file: a sample is enough of the big ones


class Members(list):
    """A JSON object as its members in order, duplicates included."""


def camel(key):
    return re.sub('_([a-z])', lambda match: match.group(1).upper(), key)


def split(members, known):
    """Known members by camelCase name (null is absent), and the others as a plain dict."""
    found, others = {}, Members()
    for key, value in members:
        if camel(key) in known:
            if value is not None:
                found[camel(key)] = value
        else:
            others.append((key, value))
    return found, plain(others)


def plain(value):
    if isinstance(value, Members):
        return {key: plain(item) for key, item in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


def integer(value):
    if isinstance(value, str) and re.fullmatch(r'[-+]?\d+', value):
        return int(value)
    return int(value) if not isinstance(value, float) else int(value)


def identifier(text, size):
    """Hex digits of an id, and whether it was a 64-bit trace id."""
    if len(text) == (size + 2) // 3 * 4 and text.endswith('='):
        return base64.b64decode(text).hex(), False
    text = text.lower().removeprefix('0x')
    return text.rjust(2 * size, '0'), size == 16 and len(text) == 16


def any_value(members):
    found, _ = split(members, {'stringValue', 'intValue', 'boolValue', 'doubleValue', 'arrayValue',
                               'kvlistValue', 'bytesValue'})
    if not found:
        return None
    kind, value = list(found.items())[-1]
    if kind == 'stringValue':
        return value
    if kind == 'intValue':
        return {'int': integer(value)}
    if kind == 'boolValue':
        return {'bool': int(value)}
    if kind == 'doubleValue':
        return {'double': struct.unpack('<Q', struct.pack('<d', float(value)))[0]}
    if kind == 'bytesValue':
        value = value.replace('-', '+').replace('_', '/').rstrip('=')
        return {'x': 0, 'bytes': base64.b64decode(value + '=' * (-len(value) % 4)).hex()}
    items, _ = split(value, {'values'})
    if kind == 'arrayValue':
        return {'array': [any_value(item) for item in items.get('values', [])]}
    return {'kvlist': key_values(items.get('values', []))}


def key_values(items):
    result = []
    for item in items:
        found, _ = split(item, {'key', 'value'})
        result.append([found.get('key', ''), any_value(found['value']) if 'value' in found else None])
    return result


def attributes(found):
    return {'attributes': key_values(found.get('attributes', [])),
            'dropped': integer(found.get('droppedAttributesCount', 0))}


def enum(value, names):
    if isinstance(value, str) and not value.isdigit():
        return names.index(re.sub('^(SPAN_KIND|STATUS_CODE)_', '', value))
    return integer(value)


def event(members):
    found, others = split(members, {'timeUnixNano', 'name', 'attributes', 'droppedAttributesCount'})
    return {'time': integer(found.get('timeUnixNano', 0)), 'name': found.get('name', ''),
            'residual': others, **attributes(found)}


def link(members):
    found, others = split(members, {'traceId', 'spanId', 'traceState', 'attributes',
                                    'droppedAttributesCount', 'flags'})
    return {'trace_id': identifier(found['traceId'], 16)[0], 'span_id': identifier(found['spanId'], 8)[0],
            'trace_state': found.get('traceState', ''), 'flags': integer(found.get('flags', 0)),
            'residual': others, **attributes(found)}


def span(members, resource, scope):
    found, others = split(members, {
        'traceId', 'spanId', 'traceState', 'parentSpanId', 'flags', 'name', 'kind', 'startTimeUnixNano',
        'endTimeUnixNano', 'attributes', 'droppedAttributesCount', 'events', 'droppedEventsCount',
        'links', 'droppedLinksCount', 'status'})
    status, _ = split(found.get('status', Members()), {'code', 'message'})
    trace_id, short = identifier(found['traceId'], 16)
    parent = identifier(found.get('parentSpanId', ''), 8)[0]
    presence = HAS_STATUS * ('status' in found) + SHORT * short
    if found.get('parentSpanId'):
        presence += HAS_PARENT if int(parent, 16) else ZERO_PARENT
    return {'trace_id': trace_id, 'span_id': identifier(found['spanId'], 8)[0], 'parent': parent,
            'presence': presence, 'trace_id_text': '', 'name': found.get('name', ''),
            'trace_state': found.get('traceState', ''), 'flags': integer(found.get('flags', 0)),
            'kind': enum(found.get('kind', 0), KINDS), 'status': enum(status.get('code', 0), CODES),
            'message': status.get('message', ''), 'start': integer(found.get('startTimeUnixNano', 0)),
            'end': integer(found.get('endTimeUnixNano', 0)),
            'events': [event(item) for item in found.get('events', [])],
            'links': [link(item) for item in found.get('links', [])],
            'dropped_events': integer(found.get('droppedEventsCount', 0)),
            'dropped_links': integer(found.get('droppedLinksCount', 0)),
            'residual': others, 'resource': resource, 'scope': scope, **attributes(found)}


def resource_spans(members):
    scope_keys = ('scopeSpans', 'instrumentationLibrarySpans', 'deprecatedScopeSpans')
    outer, others = split(members, {'resource', 'schemaUrl', *scope_keys})
    inner, inner_others = split(outer.get('resource', Members()), {'attributes', 'droppedAttributesCount'})
    resource = {'absent': int('resource' not in outer), 'schema_url': outer.get('schemaUrl', ''),
                'residual': inner_others, 'outer': others, **attributes(inner)}
    for scope_spans in [item for key in scope_keys for item in outer.get(key, [])]:
        found, others = split(scope_spans, {'scope', 'instrumentationLibrary', 'spans', 'schemaUrl'})
        scope_members = found.get('scope', found.get('instrumentationLibrary'))
        inner, inner_others = split(scope_members or Members(),
                                    {'name', 'version', 'attributes', 'droppedAttributesCount'})
        scope = {'absent': int(scope_members is None), 'name': inner.get('name', ''),
                 'version': inner.get('version', ''), 'schema_url': found.get('schemaUrl', ''),
                 'residual': inner_others, 'outer': others, **attributes(inner)}
        for item in found.get('spans', []):
            yield span(item, resource, scope)


def document_spans(document):
    if not isinstance(document, Members):
        for item in document:
            yield from document_spans(item)
        return
    for key, value in document:
        if camel(key) in ('resourceSpans', 'batches'):
            for item in value or []:
                yield from resource_spans(item)
        elif key in ('trace', 'result'):
            yield from document_spans(value)
        elif key in ('resource', 'scopeSpans'):
            yield from resource_spans(document)
            return


def documents(path):
    raw = subprocess.run(['zstd', '-dc', path], check=True, capture_output=True).stdout \
        if path.suffix == '.zst' else path.read_bytes()
    text = raw.decode('utf-8-sig')
    decoder = json.JSONDecoder(object_pairs_hook=Members)
    at = 0
    while match := re.compile(r'\s*(?=\S)').match(text, at):
        document, at = decoder.raw_decode(text, match.end())
        yield document


def same(expected, actual):
    return json.dumps(expected, sort_keys=True) == json.dumps(actual, sort_keys=True)


def check_file(dump, path, options):
    actual = subprocess.Popen([dump, *options, path], stdout=subprocess.PIPE, encoding='utf-8')
    found = (line for line in map(json.loads, actual.stdout) if 'presence' in line)
    count = 0
    for document in documents(path):
        for expected in document_spans(document):
            got = next(found, None)
            if not same(expected, got):
                actual.kill()
                return f'{path.name}: span {count}:\n  expected {json.dumps(expected, sort_keys=True)}' \
                       f'\n  found    {json.dumps(got, sort_keys=True)}'
            count += 1
            if count == SPAN_LIMIT:
                actual.kill()
                return count
    surplus = sum(1 for _ in found)
    if surplus or count == 0:
        return f'{path.name}: {count} spans expected, {surplus} more found'
    return count


def check_truth(dump, path, truth):
    """Counts of the whole file against its answer sheet."""
    spans, events, keys, traces = 0, 0, set(), set()
    lines = subprocess.run([dump, '-t', '2', path], check=True, stdout=subprocess.PIPE, encoding='utf-8')
    errors, kinds, services, rejected = 0, {}, set(), 0
    for line in map(json.loads, lines.stdout.splitlines()):
        rejected += line.get('rejected', 0)
        if 'presence' not in line:
            continue
        spans += 1
        events += len(line['events'])
        keys.add((line['trace_id'], line['span_id']))
        traces.add(line['trace_id'])
        kinds[str(line['kind'])] = kinds.get(str(line['kind']), 0) + 1
        errors += line['status'] == 2
        services.add(next((value for key, value in line['resource']['attributes'] if key == 'service.name'), None))
    found = {'spans': spans, 'distinct_spans': len(keys), 'traces': len(traces), 'events': events,
             'kinds': kinds, 'services': len(services)}
    wrong = [f'{name}: {truth[name]} expected, {value} found' for name, value in found.items()
             if name in truth and truth[name] != value]
    if truth.get('status', {}).get('2', 0) != errors or rejected:
        wrong.append(f'errors {errors}, rejected {rejected}')
    return f'{path.name}: ' + '; '.join(wrong) if wrong else spans


def main():
    dump, fixtures = sys.argv[1], pathlib.Path(sys.argv[2])
    checks = [(path, options) for path in sorted(fixtures.glob('*.json*'))
              for options in ([], ['-t', '2'], ['-l', '1'])]
    shared = os.environ.get('TK_SHARED_DATA')
    if shared:
        otlp = pathlib.Path(shared) / 'traces' / 'otlp'
        names = ['opensearch_demo.otlp.jsonl', 'opentelemetry-proto/trace.json', 'otlp2parquet/trace.json',
                 'otlp2parquet/traces.jsonl', 'tempopb/trace.json']
        checks += [(otlp / name, options) for name in names for options in ([], ['-l', '1'])]
        checks += [(pathlib.Path(shared) / 'trainticket' / 'trainticket.otlp.jsonl.zst', [])]
    truths = [(path, json.loads(path.with_name(path.name.split('.')[0] + '.truth.json').read_text()))
              for path in (pathlib.Path(shared) / 'trainticket' / 'trainticket.otlp.jsonl.zst',
                           otlp / 'opensearch_demo.otlp.jsonl')] if shared else []
    print(f'1..{len(checks) + len(truths) + (not shared)}')
    failed = 0
    results = [(path.name + ' ' + ' '.join(options), check_file(dump, path, options)) for path, options in checks]
    results += [(path.name + ' truth', check_truth(dump, path, truth)) for path, truth in truths]
    for number, (name, result) in enumerate(results, 1):
        ok = isinstance(result, int)
        failed += not ok
        print(f'{"ok" if ok else "not ok"} {number} - {name}: '
              + (f'{result} spans are the same' if ok else 'differs'))
        if not ok:
            print('\n'.join('# ' + line for line in result.splitlines()))
    if not shared:
        print(f'ok {len(results) + 1} - real data # SKIP TK_SHARED_DATA names no folder')
    return failed != 0 or not checks


sys.exit(main())
