"""A receiver of OTLP over HTTP on loopback, for tests: keeps what it accepts, decoded by code of its
own, and misbehaves as it is told."""
import email.utils
import gzip
import http.server
import json
import socket
import struct
import threading
import time

# ---- protobuf, as far as the tests compare: its own reading of the wire format ----


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from('<Q', data, at)[0], at + 8
        elif kind == 5:
            value, at = struct.unpack_from('<I', data, at)[0], at + 4
        else:
            assert kind == 2, f'wire type {kind}'
            size, at = varint(data, at)
            value = data[at:at + size]
            assert len(value) == size, 'a field beyond its message'
            at += size
        yield number, value


def grouped(data):
    found = {}
    for number, value in fields(data):
        found.setdefault(number, []).append(value)
    return found


def any_value(data):
    for number, value in fields(data):
        if number == 1:
            return value.decode()
        if number == 2:
            return bool(value)
        if number == 3:
            return value - (1 << 64) if value >> 63 else value
        if number == 4:
            return struct.unpack('<d', struct.pack('<Q', value))[0]
        if number == 7:
            return value.hex()
    return None


def key_values(items):
    result = []
    for item in items:
        both = grouped(item)
        result.append((both[1][0].decode(), any_value(both.get(2, [b''])[0])))
    return result


def spans_of_protobuf(data):
    for resource_spans in grouped(data).get(1, []):
        of_resource = grouped(resource_spans)
        resource = key_values(grouped(of_resource.get(1, [b''])[0]).get(1, []))
        for scope_spans in of_resource.get(2, []):
            for span in grouped(scope_spans).get(2, []):
                own = grouped(span)
                yield {'trace': own[1][0].hex(), 'span': own[2][0].hex(), 'parent': own.get(4, [b''])[0].hex(), 'name': own[5][0].decode(), 'kind': own.get(6, [0])[0],
                       'start': own[7][0], 'end': own[8][0], 'resource': resource, 'attributes': key_values(own.get(9, [])),
                       'events': [grouped(event)[2][0].decode() for event in own.get(11, [])], 'links': len(own.get(13, []))}


def json_values(items):
    def one(value):
        (kind, inner), = value.items()
        return int(inner) if kind == 'intValue' else inner
    return [(item['key'], one(item['value'])) for item in items]


def spans_of_json(data):
    for resource_spans in json.loads(data)['resourceSpans']:
        resource = json_values(resource_spans.get('resource', {}).get('attributes', []))
        for scope_spans in resource_spans['scopeSpans']:
            for span in scope_spans['spans']:
                yield {'trace': span['traceId'], 'span': span['spanId'], 'parent': span.get('parentSpanId', ''), 'name': span['name'], 'kind': span.get('kind', 0),
                       'start': int(span['startTimeUnixNano']), 'end': int(span['endTimeUnixNano']), 'resource': resource, 'attributes': json_values(span.get('attributes', [])),
                       'events': [event['name'] for event in span.get('events', [])], 'links': len(span.get('links', []))}


# ---- answers ----

def length_delimited(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


class Answer:
    """What the sink does with one request: a status, or a dropped connection."""

    def __init__(self, status=200, rejected=0, message='', retry_after=None, drop=False, plain=False):
        self.status, self.rejected, self.message, self.retry_after, self.drop, self.plain = status, rejected, message, retry_after, drop, plain

    def body(self, as_json):
        if self.plain:
            return self.message.encode() + b'\nmore', 'text/plain'
        if as_json:
            if self.status == 200:
                document = {'partialSuccess': {'rejectedSpans': str(self.rejected), 'errorMessage': self.message}} if self.rejected or self.message else {}
            else:
                document = {'code': 3, 'message': self.message}
            return json.dumps(document).encode(), 'application/json'
        text = length_delimited(2, self.message.encode()) if self.message else b''
        if self.status == 200:
            partial = (bytes([1 << 3, self.rejected]) if self.rejected else b'') + text
            return length_delimited(1, partial) if partial else b'', 'application/x-protobuf'
        return bytes([1 << 3, 3]) + text, 'application/x-protobuf'


def http_date(seconds_from_now):
    return email.utils.formatdate(time.time() + seconds_from_now, usegmt=True)


class Sink:
    """`with Sink([answers...]) as sink`: the answers in turn, afterwards 200. sink.url has no path."""

    def __init__(self, answers=(), delay=0):
        self.answers, self.delay = list(answers), delay
        self.requests, self.accepted, self.faults = [], [], []
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                sink.take(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self.server.server_address[1]}'

    def take(self, handler):
        try:
            body = handler.rfile.read(int(handler.headers['Content-Length']))
            answer = self.answers.pop(0) if self.answers else Answer()
            as_json = handler.headers['Content-Type'] == 'application/json'
            compressed = handler.headers.get('Content-Encoding') == 'gzip'
            plain = gzip.decompress(body) if compressed else body
            self.requests.append({'time': time.monotonic(), 'path': handler.path, 'headers': dict(handler.headers), 'size': len(body), 'plain_size': len(plain), 'status': answer.status})
            spans = list((spans_of_json if as_json else spans_of_protobuf)(plain))
            assert spans and (as_json or handler.headers['Content-Type'] == 'application/x-protobuf'), handler.headers
            time.sleep(self.delay)
            if answer.drop:
                handler.connection.shutdown(socket.SHUT_RDWR)
                handler.close_connection = True
                return
            if answer.status == 200:
                self.accepted.append(spans)
            data, content_type = answer.body(as_json)
            handler.send_response(answer.status)
            handler.send_header('Content-Type', content_type)
            handler.send_header('Content-Length', str(len(data)))
            if answer.retry_after is not None:
                handler.send_header('Retry-After', str(answer.retry_after))
            handler.end_headers()
            handler.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except Exception as error:  # a test looks at it
            self.faults.append(repr(error))
            handler.close_connection = True

    def spans(self):
        return [span for message in self.accepted for span in message]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        assert not self.faults, self.faults
