"""OTLP protobuf for the tests: protoc as the independent implementation, a wire encoder of a few
lines, and spans in a form that can be compared."""
import base64
import os
import pathlib
import re
import shutil
import struct
import subprocess

PROTOS = pathlib.Path(__file__).parent.parent / 'format'
TRACES = 'opentelemetry.proto.trace.v1.TracesData'
FILE = 'opentelemetry/proto/trace/v1/trace.proto'
PROTOC = shutil.which('protoc')


def protoc(mode, data):
    command = [PROTOC, f'--{mode}={TRACES}', f'-I{PROTOS}', FILE]
    done = subprocess.run(command, input=data, capture_output=True, check=False, cwd=PROTOS)
    assert done.returncode == 0, f'{command}: {done.stderr[-500:].decode(errors="replace")}'
    return done.stdout


def encode(text):
    return protoc('encode', text.encode())


def decode(data):
    return protoc('decode', data).decode('ascii')


# ---- framings ----

def messages(data, framing):
    """The messages of a stream."""
    at, found = 0, []
    if framing == 'bare':
        return [data]
    while at < len(data):
        if framing == 'length':
            size, at = struct.unpack_from('>I', data, at)[0], at + 4
        else:
            size, shift = 0, 0
            while True:
                byte, at = data[at], at + 1
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
        assert at + size <= len(data), f'a message of {size} bytes at {at} of {len(data)}'
        found.append(data[at:at + size])
        at += size
    return found


def frame(data, framing):
    prefix = {'bare': b'', 'length': struct.pack('>I', len(data)), 'varint': varint(len(data))}
    return prefix[framing] + data


# ---- protoc's text, as trees ----

def tree(text):
    """(name, value or list of the same) for every field, in order."""
    root = []
    stack = [root]
    for line in text.splitlines():
        line = line.strip()
        if line.endswith('{') and not line.startswith('"'):
            child = []
            stack[-1].append((line[:-1].strip(), child))
            stack.append(child)
        elif line == '}':
            stack.pop()
        elif line:
            name, value = line.split(': ', 1)
            stack[-1].append((name, value))
    assert len(stack) == 1, 'unbalanced text'
    return root


def parts(node, name):
    return [value for key, value in node if key == name]


def others(node, *names):
    return [item for item in node if item[0] not in names]


def spans_of(data):
    """Every span of a message with its resource and scope, each as text, sorted."""
    found = []
    for resource_spans in parts(tree(decode(data)), 'resource_spans'):
        for scope_spans in parts(resource_spans, 'scope_spans'):
            for span in parts(scope_spans, 'spans'):
                found.append(repr((others(resource_spans, 'scope_spans'), others(scope_spans, 'spans'), span)))
    return sorted(found)


# ---- trees to OTLP JSON, for otlp_model ----

ESCAPES = {'n': 10, 'r': 13, 't': 9, '"': 34, "'": 39, '\\': 92}


def unquote(text):
    """Bytes of a C string as protoc writes it."""
    out, at = bytearray(), 1
    while at < len(text) - 1:
        if text[at] != '\\':
            out.append(ord(text[at]))
            at += 1
        elif text[at + 1] in ESCAPES:
            out.append(ESCAPES[text[at + 1]])
            at += 2
        else:
            out.append(int(text[at + 1:at + 4], 8))
            at += 4
    return bytes(out)


def camel(name):
    return re.sub(r'_([a-z])', lambda match: match[1].upper(), name)


TEXT = {'name', 'version', 'key', 'schema_url', 'trace_state', 'message', 'string_value', 'type', 'id_keys', 'description_keys'}
IDS = {'trace_id', 'span_id', 'parent_span_id'}
REPEATED = {'resource_spans', 'scope_spans', 'spans', 'attributes', 'events', 'links', 'values', 'entity_refs', 'id_keys', 'description_keys'}
REALS = {'nan': 'NaN', '-nan': 'NaN', 'inf': 'Infinity', '-inf': '-Infinity'}


def id_of(data, size):
    """Text where the bytes are no id."""
    return data.hex() if len(data) == size else data.decode('utf-8')


def json_of(node):
    found = {}
    for name, value in node:
        if isinstance(value, list):
            converted = json_of(value)
        elif name in TEXT:
            converted = unquote(value).decode('utf-8')
        elif name in IDS:
            converted = id_of(unquote(value), 16 if name == 'trace_id' else 8)
        elif name == 'bytes_value':
            converted = base64.b64encode(unquote(value)).decode()
        elif name == 'bool_value':
            converted = value == 'true'
        elif name == 'double_value':
            converted = REALS.get(value, value)
        else:
            converted = value
        if name in REPEATED:
            found.setdefault(camel(name), []).append(converted)
        else:
            found[camel(name)] = converted
    return found


# ---- the wire encoder ----

def varint(number):
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(number, kind):
    return varint(number << 3 | kind)


def v(number, value):
    return tag(number, 0) + varint(value)


def f64(number, value):
    return tag(number, 1) + struct.pack('<Q', value)


def b(number, value):
    value = value.encode() if isinstance(value, str) else value
    return tag(number, 2) + varint(len(value)) + value


def f32(number, value):
    return tag(number, 5) + struct.pack('<I', value)


def group(number, content):
    return tag(number, 3) + content + tag(number, 4)


def available():
    return PROTOC is not None and os.path.isdir(PROTOS)
