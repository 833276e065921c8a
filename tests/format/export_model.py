"""What `tracekeep export` prints and what read_store.py reads, in one form that can be compared.

Nothing is ignored: an unknown member of the export must be in the residual of the reader, and the
other way round. Only what OTLP JSON cannot say is left out: the
bits of a NaN, text that is not UTF-8, and ids that were made up."""
import base64
import collections
import json

NO_RESOURCE = {'absent': True, 'attributes': [], 'dropped_attributes_count': 0, 'schema_url': '', 'residual': [], 'outer_residual': []}
PRESENCE = ('has_status', 'zero_parent', 'short_trace_id', 'text_trace_id', 'made_trace_id', 'made_span_id')


class Number(str):
    """A number of unknown members, as it was written."""


class Members:
    """A JSON object whose members are taken one by one; the rest is unknown."""

    def __init__(self, pairs):
        self.pairs = pairs

    def take(self, name, default=None):
        found = [value for key, value in self.pairs if key == name]
        assert len(found) < 2, f'{name} twice'
        self.pairs = [pair for pair in self.pairs if pair[0] != name]
        return found[0] if found else default

    def rest(self):
        return [[key, plain(value)] for key, value in self.pairs]

    def end(self):
        assert not self.pairs, f'unexpected members {self.pairs}'


def plain(value):
    """A JSON value in which objects are lists of pairs, so that order and repetition count."""
    if isinstance(value, Members):
        return {'object': [[key, plain(member)] for key, member in value.pairs]}
    return [plain(item) for item in value] if isinstance(value, list) else value


def parse(text):
    return json.loads(text, object_pairs_hook=Members, parse_int=Number, parse_float=Number)


# ---- the export ----

def exported_value(value):
    if not value.pairs:
        return {'empty': None}
    [(name, content)] = value.pairs
    if name == 'stringValue':
        return {'string': content}
    if name == 'bytesValue':
        return {'bytes': base64.b64decode(content, validate=True).hex()}
    if name == 'intValue':
        return {'int': int(content)}
    if name == 'boolValue':
        assert isinstance(content, bool)
        return {'bool': content}
    if name == 'doubleValue':
        return {'double': repr(float(content)).replace('nan', 'NaN')}
    items = content.take('values', [])
    content.end()
    if name == 'arrayValue':
        return {'array': [exported_value(item) for item in items]}
    assert name == 'kvlistValue', name
    return {'kvlist': exported_attributes(items)}


def exported_attributes(items):
    found = []
    for item in items or []:
        found.append([item.take('key', ''), exported_value(item.take('value', Members([])))])
        item.end()
    return found


def exported_resource(entry, name):
    """A resource or scope, with what stands beside it; `entry` has lost its spans already."""
    message = entry.take(name)
    found = {**NO_RESOURCE, 'absent': message is None, 'schema_url': entry.take('schemaUrl', ''), 'outer_residual': entry.rest()}
    if name == 'scope':
        found.update(name='', version='')
    if message is not None:
        found.update(attributes=exported_attributes(message.take('attributes')),
                     dropped_attributes_count=int(message.take('droppedAttributesCount', 0)))
        if name == 'scope':
            found.update(name=message.take('name', ''), version=message.take('version', ''))
        found['residual'] = message.rest()
    return found


def exported_event(event):
    return {'time_unix_ns': int(event.take('timeUnixNano', 0)), 'name': event.take('name', ''),
            'attributes': exported_attributes(event.take('attributes')),
            'dropped_attributes_count': int(event.take('droppedAttributesCount', 0)), 'residual': event.rest()}


def exported_link(link):
    return {'trace_id': link.take('traceId', '0' * 32), 'span_id': link.take('spanId', '0' * 16), 'trace_state': link.take('traceState', ''),
            'flags': int(link.take('flags', 0)), 'attributes': exported_attributes(link.take('attributes')),
            'dropped_attributes_count': int(link.take('droppedAttributesCount', 0)), 'residual': link.rest()}


def exported_span(span):
    status = span.take('status')
    found = {
        'trace_id': span.take('traceId'), 'span_id': span.take('spanId'), 'parent_span_id': span.take('parentSpanId'), 'name': span.take('name', ''),
        'kind': int(span.take('kind', 0)), 'start_unix_ns': int(span.take('startTimeUnixNano', 0)), 'end_unix_ns': int(span.take('endTimeUnixNano', 0)),
        'has_status': status is not None, 'status_code': int(status.take('code', 0)) if status else 0,
        'status_message': status.take('message', '') if status else '', 'trace_state': span.take('traceState', ''), 'flags': int(span.take('flags', 0)),
        'dropped_attributes_count': int(span.take('droppedAttributesCount', 0)), 'dropped_events_count': int(span.take('droppedEventsCount', 0)),
        'dropped_links_count': int(span.take('droppedLinksCount', 0)), 'attributes': exported_attributes(span.take('attributes')),
        'events': [exported_event(event) for event in span.take('events', [])], 'links': [exported_link(link) for link in span.take('links', [])],
        'residual': span.rest()}
    if status is not None:
        status.end()
    return found


def exported_spans(text):
    spans = []
    for line in text.splitlines():
        document = parse(line)
        for entry in document.take('resourceSpans', []):
            inner = entry.take('scopeSpans', [])
            resource = exported_resource(entry, 'resource')
            for scope_spans in inner:
                own = scope_spans.take('spans', [])
                scope = exported_resource(scope_spans, 'scope')
                spans += [{**exported_span(span), 'resource': resource, 'scope': scope} for span in own]
        document.end()
    return spans


# ---- the reader ----

def read_residual(residual):
    if residual is None:
        return []
    if 'protobuf' in residual:
        return [['unknownProtobufFields', base64.b64encode(bytes.fromhex(residual['protobuf'])).decode()]]
    return parse('{' + residual['json'] + '}').rest()


def read_item(item):
    """Anything that read_store.py gave, with its residuals parsed and NaNs all one."""
    if isinstance(item, list):
        return [read_item(member) for member in item]
    if isinstance(item, str):  # JSON has no place for broken UTF-8
        return item.encode('utf-8', 'surrogateescape').decode('utf-8', 'replace')
    if not isinstance(item, dict):
        return item
    found = {}
    for key, member in item.items():
        if key in ('residual', 'outer_residual'):
            found[key] = read_residual(member)
        elif key == 'double':
            found[key] = member.split()[0]
        else:
            found[key] = read_item(member)
    return found


def read_span(line):
    """A span of read_store.py in the form of the export."""
    span = read_item(json.loads(line))
    presence = span.pop('presence')
    assert not set(presence) - set(PRESENCE), presence
    text = span.pop('trace_id_text')
    assert (text is not None) == ('text_trace_id' in presence)
    if text is not None:
        span['trace_id'] = text
    if 'short_trace_id' in presence:
        assert span['trace_id'].startswith('0' * 16)
        span['trace_id'] = span['trace_id'][16:]
    if 'zero_parent' in presence:
        assert span['parent_span_id'] is None
        span['parent_span_id'] = '0' * 16
    for name in ('trace_id', 'span_id'):
        if 'made_' + name in presence:
            span[name] = None
    span['has_status'] = 'has_status' in presence
    return span


def differences(exported, read):
    """Text that says how two lists of spans differ as multisets, '' if they do not."""
    first = collections.Counter(json.dumps(span, sort_keys=True) for span in exported)
    second = collections.Counter(json.dumps(span, sort_keys=True) for span in read)
    if first == second:
        return ''
    text = f'{len(exported)} spans exported, {len(read)} read'
    for a, b in zip(sorted((first - second).elements())[:2] + [''], sorted((second - first).elements())[:2] + ['']):
        at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), 0)
        text += f'\n  exported: ...{a[max(0, at - 80):at + 200]}\n  read:     ...{b[max(0, at - 80):at + 200]}'
    return text
