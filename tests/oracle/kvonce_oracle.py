#!/usr/bin/python3
"""What the checks of a run say, worked out independently of the store.

The KvOnce projection, state sequence and validation, the inventory projection and validation, and
the checks of observability events, written from their description and not from the C. Numbers are
doubles and objects keep their keys in the order JavaScript keeps them, because the answers of the
pipeline that first defined them depend on both."""
import datetime
import json
import math
import re

TRIMMED = ('\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a'
           '\u2028\u2029\u202f\u205f\u3000\ufeff')
MISSING = object()

# ---- JSON as JavaScript reads and writes it ----


def read_number(text):
    return float(text)


def refuse_constant(name):
    raise ValueError(name)


def parse(text):
    return json.loads(text, parse_int=read_number, parse_float=read_number,
                      parse_constant=refuse_constant)


def number_text(value):
    """Number::toString."""
    if math.isnan(value):
        return 'NaN'
    if math.isinf(value):
        return 'Infinity' if value > 0 else '-Infinity'
    if value == 0:
        return '0'
    sign = '-' if value < 0 else ''
    mantissa, exponent = '%s' % repr(abs(value)), 0
    if 'e' in mantissa:
        mantissa, exponent = mantissa.split('e')
    whole, _, fraction = mantissa.partition('.')
    digits = (whole + fraction)
    point = len(whole) + int(exponent)
    stripped = digits.lstrip('0')
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip('0')
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + '0' * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + '.' + digits[point:]
    if -6 < point <= 0:
        return sign + '0.' + '0' * -point + digits
    power = point - 1
    shown = digits[0] + ('.' + digits[1:] if count > 1 else '')
    return '%s%se%s%d' % (sign, shown, '+' if power >= 0 else '-', abs(power))


def is_index(key):
    return key.isascii() and key.isdigit() and str(int(key)) == key and int(key) < 4294967295


def object_order(keys):
    keys = list(keys)
    return sorted((k for k in keys if is_index(k)), key=int) + [k for k in keys if not is_index(k)]


def text_json(text):
    if text.isascii() and text.isprintable() and '"' not in text and '\\' not in text:
        return '"' + text + '"'
    out = ['"']
    for char in text:
        code = ord(char)
        if char in '"\\':
            out.append('\\' + char)
        elif code < 0x20:
            out.append({8: '\\b', 9: '\\t', 10: '\\n', 12: '\\f', 13: '\\r'}.get(code, '\\u%04x' % code))
        elif 0xd800 <= code <= 0xdfff:
            out.append('\\u%04x' % code)
        else:
            out.append(char)
    return ''.join(out) + '"'


def dump(value):
    """JSON.stringify."""
    if value is None:
        return 'null'
    if value is True:
        return 'true'
    if value is False:
        return 'false'
    if isinstance(value, (int, float)):
        value = float(value)
        return number_text(value) if math.isfinite(value) else 'null'
    if isinstance(value, str):
        return text_json(value)
    if isinstance(value, list):
        return '[' + ','.join(map(dump, value)) + ']'
    return '{' + ','.join(text_json(k) + ':' + dump(value[k]) for k in object_order(value)) + '}'


def again(value):
    """What a reader of the written file sees."""
    return parse(dump(value))


def to_fixed_3(part, whole):
    """+(part / whole).toFixed(3): of the double, an exact tie goes up."""
    if whole == 0:
        return 0.0
    top, bottom = (float(part) / float(whole)).as_integer_ratio()
    return float((2 * 1000 * top + bottom) // (2 * bottom)) / 1000


# ---- events ----


def read_events(data, null_is_event=False):
    """[(ordinal, raw, event)] and how many lines were no events."""
    events, malformed, ordinal = [], 0, 0
    for line in data.decode('utf-8', 'replace').replace('\r\n', '\n').split('\n'):
        line = line.strip(TRIMMED)
        if not line:
            continue
        try:
            event = parse(line)
        except ValueError:
            event = MISSING
        if event is MISSING or (event is None and not null_is_event):
            malformed += 1
        else:
            events.append((ordinal, line, event))
        ordinal += 1
    return events, malformed


def member(event, name):
    return event.get(name, MISSING) if isinstance(event, dict) else MISSING


def or_else(value, otherwise):
    return otherwise if value is MISSING or value is None else value


def truthy(value):
    return not (value is MISSING or value is None or value is False or value == '' or value == 0.0)


def property_name(key):
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return 'true' if key else 'false'
    return number_text(key) if isinstance(key, float) else dump(key)


def identity(key):
    return key if isinstance(key, str) else (type(key).__name__, property_name(key))


def by_name(entries):
    """Keys that differ but have the same name as a property: the last, in the place of the first."""
    named = {}
    for key, entry in entries:
        named[property_name(key)] = entry
    return named


def span_trace(trace):
    """As the tables of spans show it."""
    if re.fullmatch('[0-9a-fA-F]{32}|[0-9a-fA-F]{16}', trace):
        return trace.lower().rjust(32, '0')
    return trace


# ---- KvOnce ----


class Kvonce:
    def __init__(self, data):
        self.events, self.malformed = read_events(data)
        self.entries, self.states, self.keys = {}, {}, {}
        self.sequence, self.notes, self.trace_ids = [], [], {}
        self.totals = {'success': 0, 'retry': 0, 'failure': 0}
        self.unknown = 0
        self.duplicates, self.failed = set(), set()
        self.first, self.last = {}, {}
        for ordinal, _, event in self.events:
            self.add(ordinal, event)

    def add(self, ordinal, event):
        key = or_else(member(event, 'key'), 'unknown')
        type_ = or_else(member(event, 'type'), 'unknown')
        time = or_else(member(event, 'timestamp'), None)
        context = member(event, 'context')
        reason = or_else(member(event, 'reason'), None)
        ident = identity(key)
        if ident not in self.entries:
            self.keys[ident] = key
            self.entries[ident] = {
                'successCount': 0, 'retries': 0, 'failureReasons': [], 'retryContexts': [],
                'successContexts': [], 'failureContexts': [], 'value': None, 'firstTimestamp': None,
                'lastTimestamp': None, 'lastType': None, 'lastFailureReason': None}
            self.states[ident] = {'written': False, 'value': None, 'retries': 0, 'failures': 0,
                                  'lastFailureReason': None, 'lastSuccessAt': None}
            self.trace_ids[ident] = []
            self.first[ident] = ordinal
        self.last[ident] = ordinal
        trace = member(event, 'traceId')
        if isinstance(trace, str) and trace and span_trace(trace) not in self.trace_ids[ident]:
            self.trace_ids[ident].append(span_trace(trace))
        entry, state = self.entries[ident], self.states[ident]
        if entry['firstTimestamp'] is None:
            entry['firstTimestamp'] = time
        if truthy(time):
            entry['lastTimestamp'] = time
        entry['lastType'] = type_
        contexts = {'success': 'successContexts', 'retry': 'retryContexts',
                    'failure': 'failureContexts'}.get(type_ if isinstance(type_, str) else None)
        if contexts:
            self.totals[type_] += 1
            if context is not MISSING:
                entry[contexts].append(context)
        if type_ == 'success':
            entry['successCount'] += 1
            value = member(event, 'value')
            entry['value'] = or_else(value, entry['value'])
            state['written'] = True
            if value is not MISSING:
                state['value'] = value
            if time is not None:
                state['lastSuccessAt'] = time
        elif type_ == 'retry':
            entry['retries'] += 1
            state['retries'] += 1
        elif type_ == 'failure':
            self.failed.add(ident)
            entry['failureReasons'].append('unknown' if reason is None else reason)
            if isinstance(reason, str) and reason.lower() == 'duplicate':
                self.duplicates.add(ident)
            state['failures'] += 1
            if reason is not None:
                entry['lastFailureReason'] = state['lastFailureReason'] = reason
        else:
            self.unknown += 1
            self.notes.append({'index': ordinal, 'issue': 'unknown_event_type', 'type': type_, 'key': key})
        self.sequence.append({
            'index': ordinal, 'timestamp': time, 'type': type_, 'key': key, 'event': event,
            'store': by_name((self.keys[i], dict(s)) for i, s in self.states.items()),
            'totals': dict(self.totals)})

    def per_key(self):
        return by_name((self.keys[i], e) for i, e in self.entries.items())

    def stats(self):
        total = len(self.events)
        entries = self.entries.values()
        return {
            'totalEvents': total, 'uniqueKeys': len(self.entries),
            'byType': dict(self.totals, unknown=self.unknown),
            'keysWithSuccess': sum(e['successCount'] > 0 for e in entries),
            'keysWithRetries': sum(e['retries'] > 0 for e in entries),
            'keysWithFailures': len(self.failed), 'duplicateFailureKeys': len(self.duplicates),
            'successRate': to_fixed_3(self.totals['success'], total), 'stateSequenceLength': total}

    def projection(self):
        out = {'schemaVersion': 'kvonce/v1', 'eventCount': len(self.events),
               'events': [e for _, _, e in self.events], 'perKey': self.per_key(), 'stats': self.stats()}
        if self.notes:
            out['notes'] = self.notes
        out['stateSequence'] = self.sequence
        return out

    def state(self, ordinal=None):
        """{key: state} after the event, keys in order; None: there is no such event."""
        found = None
        for step in self.sequence:
            if ordinal is None or step['index'] <= ordinal:
                found = step['store']
        return found

    def validate(self):
        return validate_kvonce(again(self.per_key()))


def attempt_of(context):
    if isinstance(context, bool) or context is None or isinstance(context, (str, list)):
        return None
    if isinstance(context, float):
        return context
    for name in ('attempt', 'attempts'):
        number = context.get(name)
        if isinstance(number, float):
            return number
    return None


def validate_kvonce(per_key):
    issues = []
    for key in object_order(per_key):
        entry = per_key[key]

        def add(type_, message):
            issues.append((key, type_, message))
        successes, retries = int(entry['successCount']), int(entry['retries'])
        if successes > 1:
            add('multiple-success', 'success appeared %d times' % successes)
        if 'duplicate' in entry['failureReasons'] and successes == 0:
            add('duplicate-without-success', 'duplicate failure emitted before any success')
        if retries > 3:
            add('retry-bound-exceeded', 'retry count %d exceeded MAX_RETRIES 3' % retries)
        attempts = [attempt_of(c) for c in entry['retryContexts']]
        if not attempts:
            continue
        if None in attempts:
            add('retry-context-missing', 'retry event missing attempt number in context')
        else:
            for i, got in enumerate(attempts, 1):
                if got != i:
                    add('retry-attempt-out-of-sequence',
                        'retry attempt %s expected %d' % (number_text(got), i))
                    break
        of_success = [a for a in map(attempt_of, entry['successContexts']) if a is not None]
        if of_success and of_success[0] != len(attempts) + 1:
            add('success-attempt-mismatch', 'success attempt %s inconsistent with %d retries' %
                (number_text(of_success[0]), len(attempts)))
    return issues


# ---- inventory ----

COLLATION = ' _-,;:!?.\'"()[]{}@*/\\&#%`^+<=>|~$0123456789'


def collation_key(text):
    """Order of ICU's root collation, for ASCII."""
    primary, tertiary = [], []
    for char in text:
        code = ord(char)
        if code < 9 or 14 <= code < 32 or code == 127:
            continue
        if 9 <= code <= 13:
            primary.append(code - 9)
        elif char in COLLATION:
            primary.append(10 + COLLATION.index(char))
        elif char.isascii():
            primary.append(100 + ord(char.lower()))
        else:
            primary.append(1000 + code)
        tertiary.append(char.isascii() and char.isupper())
    return primary, tertiary


def to_number(value):
    """Number(value)."""
    if value is None:
        return 0.0
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, float):
        return value
    if isinstance(value, list):
        if not value:
            return 0.0
        if len(value) > 1 or isinstance(value[0], bool):
            return math.nan
        if value[0] is None:
            return 0.0
        return to_number(number_text(value[0]) if isinstance(value[0], float) else value[0])
    if isinstance(value, str):
        text = value.strip(TRIMMED)
        if text == '':
            return 0.0
        if re.fullmatch('0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+', text):
            return float(int(text, 0))
        if re.fullmatch(r'[+-]?(Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)', text):
            return float(text)
    return math.nan


def finite(value):
    return isinstance(value, float) and math.isfinite(value)


def infer_delta(delta):
    if delta is MISSING or delta is None:
        return None
    if finite(delta):
        return delta
    if isinstance(delta, dict) and delta.get('allocated') is not None:
        value = to_number(delta['allocated'])
        return value if math.isfinite(value) else None
    return None


class Inventory:
    def __init__(self, data):
        self.events, self.malformed = read_events(data)
        self.state = {'onHand': 0.0, 'allocated': 0.0, 'available': 0.0}
        self.sequence, self.issues, self.trace_ids, self.validations = [], [], [], []
        self.counts = dict.fromkeys(('projection', 'allocation', 'release', 'validation'), 0)
        self.first_time = self.last_time = None
        self.orders = {}
        for ordinal, _, event in self.events:
            self.add(ordinal, event)

    def apply(self, event, type_):
        given = member(event, 'state')
        delta = infer_delta(member(event, 'delta'))
        self.state = dict(self.state)
        if isinstance(given, (dict, list)):
            for name in self.state:
                value = member(given, name)
                if finite(value):
                    self.state[name] = value
        elif type_ in ('allocation', 'release'):
            if delta is None:
                return type_ + '_missing_delta'
            self.state['allocated'] += delta
        elif type_ in ('projection', 'validation'):
            return type_ + '_without_state'
        else:
            return 'unknown_event_without_state'
        return None

    def add(self, index, event):
        type_ = or_else(member(event, 'type'), 'unknown')
        kind = type_ if isinstance(type_, str) else None
        time = or_else(member(event, 'timestamp'), None)
        key = or_else(member(event, 'key'), None)
        trace = member(event, 'traceId')
        if truthy(trace) and trace not in self.trace_ids:
            self.trace_ids.append(trace)
        if truthy(time):
            self.first_time = time if self.first_time is None else self.first_time
            self.last_time = time
        if kind in self.counts:
            self.counts[kind] += 1
        note = self.apply(event, kind)
        if note:
            self.issues.append({'index': index, 'type': note, 'key': key})
        if kind in ('allocation', 'release'):
            self.add_order(event, kind, time)
        if kind == 'validation':
            self.add_validation(index, event, time, key)
        step = {'index': index, 'traceId': or_else(trace, None), 'timestamp': time, 'type': type_,
                'key': key, 'state': self.state}
        for name in ('delta', 'context', 'result', 'checks'):
            if member(event, name) is not MISSING:
                step[name] = event[name]
        self.sequence.append(step)

    def add_order(self, event, kind, time):
        key = or_else(member(event, 'key'), 'unknown')
        delta = infer_delta(member(event, 'delta'))
        order = self.orders.setdefault(identity(key), {
            'key': key, 'allocationEvents': 0, 'releaseEvents': 0, 'totalAllocated': 0.0,
            'totalReleased': 0.0, 'netAllocated': 0.0, 'lastTimestamp': None})
        order[kind + 'Events'] += 1
        if delta is not None:
            if kind == 'allocation':
                order['totalAllocated'] += delta
            else:
                order['totalReleased'] += abs(delta)
            order['netAllocated'] += delta
        if time is not None:
            order['lastTimestamp'] = time

    def add_validation(self, index, event, time, key):
        checks = member(event, 'checks')
        if not isinstance(checks, (dict, list)):
            checks = {}
        named = checks if isinstance(checks, dict) else {str(i): v for i, v in enumerate(checks)}
        failures = [name for name in object_order(named) if named[name] is False]
        result = or_else(member(event, 'result'), 'unknown')
        result = result.lower() if isinstance(result, str) else 'unknown'
        self.validations.append({'index': index, 'timestamp': time, 'key': key, 'result': result,
                                 'failures': failures, 'checks': checks})
        if result != 'pass':
            self.issues.append({'index': index, 'type': 'validation_result', 'detail': result})
        for failure in failures:
            self.issues.append({'index': index, 'type': 'validation_failure', 'detail': failure})

    def projection(self):
        orders = [o for o in self.orders.values() if truthy(o['key']) and o['key'] != 'inventory']
        orders.sort(key=lambda order: collation_key(property_name(order['key'])))
        passes = sum(v['result'] == 'pass' for v in self.validations)
        out = {
            'schemaVersion': 'inventory/v1', 'eventCount': len(self.events), 'traceIds': self.trace_ids,
            'metrics': dict({k + 'Events': n for k, n in self.counts.items()},
                            stateSequenceLength=len(self.sequence)),
            'finalState': self.state, 'orders': orders,
            'validation': {'count': len(self.validations), 'passes': passes,
                           'failures': len(self.validations) - passes,
                           'lastResult': self.validations[-1] if self.validations else None},
            'stats': {'firstTimestamp': self.first_time, 'lastTimestamp': self.last_time,
                      'orderCount': len(orders)}}
        if self.validations:
            out['validation']['events'] = self.validations
        if self.issues:
            out['issues'] = self.issues
        out['stateSequence'] = self.sequence
        return out

    def validate(self, onhand_min=0.0):
        return validate_inventory(again(self.projection()), float(onhand_min))


def as_number(value):
    number = to_number(value)
    return number if math.isfinite(number) else None


def check_state(state, onhand_min, index, source):
    on_hand, allocated = as_number(state['onHand']), as_number(state['allocated'])
    available = as_number(state['available'])
    if allocated > on_hand:
        yield ('allocated_le_onhand', 'error', 'allocated %s exceeds onHand %s' %
               (number_text(allocated), number_text(on_hand)), index, source)
    if on_hand < onhand_min:
        yield ('onhand_min', 'error', 'onHand %s below minimum %s' %
               (number_text(on_hand), number_text(onhand_min)), index, source)
    expected = on_hand - allocated
    if abs(expected - available) > 1e-9:
        yield ('available_consistency', 'error',
               'available %s inconsistent with onHand - allocated = %s' %
               (number_text(available), number_text(expected)), index, source)


def validate_inventory(projection, onhand_min=0.0):
    """(type, severity, message, index, source)"""
    issues = list(check_state(projection['finalState'], onhand_min, None, 'finalState'))
    for step in projection['stateSequence']:
        issues += check_state(step['state'], onhand_min, int(step['index']), 'projection.stateSequence')
    for order in projection['orders']:
        key, net = property_name(order['key']), as_number(order['netAllocated'])
        if net < 0:
            issues.append(('order_net_negative', 'warning', 'order %s netAllocated %s below zero' %
                           (key, number_text(net)), None, None))
        released, allocated = as_number(order['totalReleased']), as_number(order['totalAllocated'])
        if released > allocated + 1e-9:
            issues.append(('order_released_gt_allocated', 'warning',
                           'order %s released %s exceeds allocated %s' %
                           (key, number_text(released), number_text(allocated)), None, None))
    for entry in projection['validation'].get('events', []):
        index, source = int(entry['index']), 'validation.events'
        if entry['result'] != 'pass':
            issues.append(('validation_event_result', 'error', 'validation result=' + entry['result'],
                           index, source))
        for name in entry['failures']:
            issues.append(('validation_event_failure', 'error', 'validation failure: ' + name, index,
                           source))
    return issues


# ---- observability events ----


def is_date_time(text):
    parts = re.split(r'[tT\s]', text)
    if len(parts) != 2:
        return False
    date = re.fullmatch(r'([0-9]{4})-([0-9]{2})-([0-9]{2})', parts[0])
    clock = re.fullmatch(r'([0-9]{2}):([0-9]{2}):([0-9]{2}(?:\.[0-9]+)?)'
                         r'([zZ]|([+-])([0-9]{2})(?::?([0-9]{2}))?)', parts[1])
    if not date or not clock:
        return False
    year, month, day = map(int, date.groups())
    if not 1 <= month <= 12 or day < 1:
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]:
        return False
    hour, minute, second = int(clock[1]), int(clock[2]), float(clock[3])
    sign = -1 if clock[5] == '-' else 1
    zone_hour, zone_minute = int(clock[6] or 0), int(clock[7] or 0)
    if zone_hour > 23 or zone_minute > 59:
        return False
    if hour <= 23 and minute <= 59 and second < 60:
        return True
    utc_minute = minute - zone_minute * sign
    utc_hour = hour - zone_hour * sign - (1 if utc_minute < 0 else 0)
    return utc_hour in (23, -1) and utc_minute in (59, -1) and second < 61


def read_observability(data):
    text = data.decode('utf-8', 'replace').strip(TRIMMED)
    try:
        whole = parse(text)
        items = whole if isinstance(whole, list) else [whole]
        return list(enumerate(items))
    except ValueError:
        return [(ordinal, event) for ordinal, _, event in read_events(data, True)[0]]


def validate_observability(data, onhand_min=0.0):
    """(kind, type, path, message, actual, index)"""
    issues = []
    for index, event in read_observability(data):
        if isinstance(event, dict):
            issues += check_members(event, index)
        else:
            issues.append(('schema', 'schema', '', 'must be object', None, index))
        state = member(event, 'state')
        if not isinstance(state, dict):
            continue
        on_hand, allocated = state.get('onHand'), state.get('allocated')
        if not isinstance(on_hand, float):
            continue
        if on_hand < onhand_min:
            issues.append(('invariant', 'onhand_min', None, 'onHand >= ' + number_text(onhand_min),
                           dump(on_hand), index))
        if isinstance(allocated, float) and allocated > on_hand:
            issues.append(('invariant', 'allocated_le_onhand', None, 'allocated <= onHand',
                           dump({'allocated': allocated, 'onHand': on_hand}), index))
    return issues


def check_members(event, index):
    for name in ('traceId', 'timestamp', 'actor', 'event'):
        if name not in event:
            yield ('schema', 'schema', '', "must have required property '%s'" % name, None, index)
    for name in ('traceId', 'timestamp', 'actor', 'event', 'action', 'state', 'outcome', 'details'):
        if name not in event:
            continue
        value, path = event[name], '/' + name
        if name in ('state', 'details'):
            if not isinstance(value, dict):
                yield ('schema', 'schema', path, 'must be object', None, index)
            continue
        if not isinstance(value, str):
            yield ('schema', 'schema', path, 'must be string', None, index)
        elif name == 'timestamp' and not is_date_time(value):
            yield ('schema', 'schema', path, 'must match format "date-time"', None, index)
        if name == 'outcome' and value not in ('success', 'failure', 'timeout', 'skipped'):
            yield ('schema', 'schema', path, 'must be equal to one of the allowed values', None, index)
