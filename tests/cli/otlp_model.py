"""OTLP JSON, read independently of tracekeep: documents to spans in one canonical form, in which
two documents are equal exactly when they say the same.

The order of members, the grouping by resource and scope, defaults that are written or left out, and
the many spellings of one value (numbers as strings, enum names, snake_case) make no difference.
Everything else does."""
import base64
import binascii
import json
import re
import struct

KINDS = ['SPAN_KIND_UNSPECIFIED', 'SPAN_KIND_INTERNAL', 'SPAN_KIND_SERVER', 'SPAN_KIND_CLIENT', 'SPAN_KIND_PRODUCER', 'SPAN_KIND_CONSUMER']
CODES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR']


class Real(str):
    """A JSON number with a point or an exponent, as it was written."""


def camel(key):
    return re.sub(r'_([a-z])', lambda match: match[1].upper(), key)


def members(value, known):
    """Known members under their camelCase names, the others apart; null is absent."""
    mine, others = {}, {}
    for key, member in (value or {}).items():
        name = camel(key)
        if name in known:
            if member is not None:
                mine[name] = member
        else:
            others[key] = member
    return mine, json.dumps(others, sort_keys=True) if others else ''


def integer(value):
    if isinstance(value, Real):
        value = float(value)
    if value in (None, ''):
        return 0
    text = str(value)
    return int(float(text)) if '.' in text or 'e' in text.lower() else int(text)


def real(value):
    number = float(value)
    return 'NaN' if number != number else struct.pack('>d', number).hex()


def enum(value, names):
    return names.index(value) if isinstance(value, str) and value in names else integer(value)


def bytes_of(text):
    text = text.replace('-', '+').replace('_', '/').rstrip('=')
    return base64.b64decode(text + '=' * (-len(text) % 4)).hex()


def identifier(text, size):
    """An id in lower-case hexadecimal; base64 of the right length is decoded; other text stays."""
    if not isinstance(text, str):
        return ''
    if re.fullmatch('[0-9a-fA-F]+', text):
        text = text.lower()
        return '' if not text.strip('0') else text
    if len(text) == len(base64.b64encode(bytes(size))):
        try:
            return bytes_of(text)
        except binascii.Error:
            pass
    return text


def list_of(member, item):
    """Items of an arrayValue or kvlistValue, and what else is in it."""
    known, others = members(member, {'values'})
    return [[item(one) for one in known.get('values') or []], others]


def any_value(value):
    known, others = members(value, {'stringValue', 'boolValue', 'intValue', 'doubleValue', 'arrayValue', 'kvlistValue', 'bytesValue'})
    for key, member in known.items():
        if key == 'stringValue':
            return ['string', member, others]
        if key == 'boolValue':
            return ['bool', member if isinstance(member, bool) else str(member) == 'true', others]
        if key == 'intValue':
            return ['int', integer(member), others]
        if key == 'doubleValue':
            return ['double', real(member), others]
        if key == 'arrayValue':
            return ['array', list_of(member, any_value), others]
        if key == 'kvlistValue':
            return ['kvlist', list_of(member, key_value), others]
        return ['bytes', bytes_of(member), others]
    return ['empty', others]


def key_value(item):
    known, others = members(item, {'key', 'value'})
    return [known.get('key', ''), any_value(known.get('value')), others]


def key_values(items):
    return [key_value(item) for item in items or []]


def resource_of(entry):
    outer, outer_others = members(entry, {'resource', 'scopeSpans', 'instrumentationLibrarySpans', 'schemaUrl'})
    absent = 'resource' not in outer
    inner, others = members(outer.get('resource'), {'attributes', 'droppedAttributesCount'})
    return [absent, outer.get('schemaUrl', ''), outer_others, key_values(inner.get('attributes')), integer(inner.get('droppedAttributesCount')), others]


def scope_of(entry):
    outer, outer_others = members(entry, {'scope', 'instrumentationLibrary', 'spans', 'schemaUrl'})
    scope = outer.get('scope', outer.get('instrumentationLibrary'))
    inner, others = members(scope, {'name', 'version', 'attributes', 'droppedAttributesCount'})
    return [scope is None, outer.get('schemaUrl', ''), outer_others, inner.get('name', ''), inner.get('version', ''), key_values(inner.get('attributes')),
            integer(inner.get('droppedAttributesCount')), others]


def event_of(event):
    known, others = members(event, {'timeUnixNano', 'name', 'attributes', 'droppedAttributesCount'})
    return [integer(known.get('timeUnixNano')), known.get('name', ''), key_values(known.get('attributes')), integer(known.get('droppedAttributesCount')), others]


def link_of(link):
    known, others = members(link, {'traceId', 'spanId', 'traceState', 'attributes', 'droppedAttributesCount', 'flags'})
    return [identifier(known.get('traceId'), 16), identifier(known.get('spanId'), 8), known.get('traceState', ''), key_values(known.get('attributes')),
            integer(known.get('droppedAttributesCount')), integer(known.get('flags')), others]


def span_of(span):
    known, others = members(span, {'traceId', 'spanId', 'traceState', 'parentSpanId', 'flags', 'name', 'kind', 'startTimeUnixNano', 'endTimeUnixNano', 'attributes',
                                   'droppedAttributesCount', 'events', 'droppedEventsCount', 'links', 'droppedLinksCount', 'status'})
    status, status_others = members(known.get('status'), {'message', 'code'})
    parent = known.get('parentSpanId', '')
    return {'trace': identifier(known.get('traceId'), 16), 'span': identifier(known.get('spanId'), 8), 'state': known.get('traceState', ''),
            'parent': 'zero' if parent and not parent.strip('0') else identifier(parent, 8), 'flags': integer(known.get('flags')), 'name': known.get('name', ''),
            'kind': enum(known.get('kind'), KINDS), 'start': integer(known.get('startTimeUnixNano')), 'end': integer(known.get('endTimeUnixNano')),
            'attributes': key_values(known.get('attributes')), 'dropped': [integer(known.get(key)) for key in ('droppedAttributesCount', 'droppedEventsCount', 'droppedLinksCount')],
            'events': [event_of(event) for event in known.get('events') or []], 'links': [link_of(link) for link in known.get('links') or []],
            'status': [enum(status.get('code'), CODES), status.get('message', ''), status_others] if 'status' in known else None, 'others': others}


def documents(text):
    """The JSON values of a text: one, several, or one a line. Lines that are none are skipped."""
    decoder = json.JSONDecoder(parse_float=Real, strict=False)
    at = 0
    text = text.lstrip('\ufeff')
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
            yield value
        except json.JSONDecodeError:
            at = text.find('\n', at)
            if at < 0:
                return


def resource_spans(document):
    """The ResourceSpans of a document, in the shapes tools write them."""
    if isinstance(document, list):
        for item in document:
            yield from resource_spans(item)
    elif isinstance(document, dict):
        for key in ('resourceSpans', 'resource_spans', 'batches'):
            entries = document.get(key)
            if isinstance(entries, list):
                yield from (entry for entry in entries if isinstance(entry, dict))
        for key in ('trace', 'result'):
            yield from resource_spans(document.get(key))


def spans_of(text):
    """The spans of a text in canonical form, each a JSON text, sorted. Of spans with the same trace
    id, span id and kind only the first counts: they are one span, sent again."""
    found, seen = [], set()
    for document in documents(text):
        for entry in resource_spans(document):
            resource = resource_of(entry)
            for inner in entry.get('scopeSpans') or entry.get('scope_spans') or entry.get('instrumentationLibrarySpans') or []:
                scope = scope_of(inner)
                for entry_span in inner.get('spans') or []:
                    span = span_of(entry_span)
                    identity = (span['trace'], span['span'], span['kind'])
                    if all(identity[:2]) and identity in seen:
                        continue
                    seen.add(identity)
                    found.append(json.dumps([resource, scope, span], sort_keys=True))
    return sorted(found)
