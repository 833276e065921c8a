#!/usr/bin/python3
"""docs/segment-format.md against the program: what read_store.py, which was written from the page,
reads from a store is what the program exports, field by field; stores of old versions (v1/) stay
readable; damaged ones (bad/) are refused by both."""
import collections
import pathlib
import re
import sqlite3
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / 'cli'))
sys.path.insert(0, str(HERE))

import explain
import export_model
import golden_store
import make_dump
from read_store import Store, line_of
from store_bytes import Damaged, xxh64
from support import FIXTURES, Run, run_tests

ROOT = HERE.parent.parent
SEEN = collections.Counter()  # what occurred in all stores of this run

# What the stores of this test must contain at least once, or it says nothing about it.
EVERYTHING = ['CONSTANT', 'RUNS', 'PACKED', 'PLANES', 'WORDS', 'SYMBOLS', 'DISTINCT', 'ZIGZAG', 'DELTA', 'PLAIN', 'FRONT', 'TEMPLATE',
              'TEXT with a dictionary', 'FIXED', 'packed raw', 'packed repeated', 'packed zstd', 'one block', 'several blocks', 'several granules',
              'slot raw', 'slot decimal', 'slot enumerated', 'slot digits', 'slot hex', 'slot HEX', 'start model 0', 'start model 1', 'start model 2',
              'attribute string', 'attribute bool', 'attribute int', 'attribute double', 'attribute array', 'attribute kvlist', 'attribute bytes',
              'attribute empty', 'items with extras', 'columns in extras', 'split traces', 'filter lookups']


def read(store):
    """The spans of a store as the second reader sees them, a line each."""
    opened = Store(store)
    lines = [line_of(span) for span in opened.spans()]
    SEEN.update(opened.seen)
    assert lines, f'{store} has no spans'
    return lines


def compare(store):
    """Checks a store with both readers; how many spans it has."""
    Run('check', '--quiet', store)
    exported = export_model.exported_spans(Run('export', store).stdout.decode())
    lines = read(store)
    difference = export_model.differences(exported, [export_model.read_span(line) for line in lines])
    assert not difference, f'{store}: {difference}'
    return len(lines)


def ingest(folder, *sources, options=(), name='store.db'):
    for number, source in enumerate(sources):
        if not isinstance(source, pathlib.Path):
            content, source = source, folder / f'dump-{number}'
            source.write_bytes(content if isinstance(content, bytes) else content.encode())
        done = Run('ingest', '--quiet', *options, folder / name, source, expect=None)
        assert done.code in (0, 1), done.stderr.decode()
    return folder / name


# ---- live stores ----

def the_sample_dumps_are_read_as_they_are_exported(folder):
    dumps = sorted((ROOT / 'samples/dumps').glob('*.*')) + sorted(FIXTURES.glob('*.json*'))
    assert len(dumps) > 5
    for dump in dumps:
        compare(ingest(folder, dump, name=dump.name + '.db'))
    late = ingest(folder, *[ROOT / 'samples/dumps' / name for name in ('webshop.otlp.jsonl', 'webshop-late.otlp.jsonl')], name='late.db')
    compare(late)


def numbers_and_texts_of_many_shapes_are_read_as_they_are_exported(folder):
    assert compare(ingest(folder, make_dump.shapes(4600))) >= 4600
    assert compare(ingest(folder, make_dump.uneven(6000), name='uneven.db')) >= 6000


def a_filter_that_lacks_a_value_is_found(folder):
    store = ingest(folder, make_dump.uneven(1200))
    compare(store)
    database = sqlite3.connect(store)
    empty = golden_store.hash_bytes(bytes(32)) + bytes(32)
    changed = database.execute('UPDATE tk_filter SET data = ? WHERE id & 65535 > 0', (empty,))
    assert changed.rowcount > 0, 'no text column has a filter'
    database.commit()
    database.close()
    said = Run('check', store, expect=1).stdout.decode()
    assert 'filter: it does not know value 0' in said, said
    try:
        read(store)
    except Damaged as error:
        assert 'does not contain' in str(error), error
    else:
        raise AssertionError('read_store.py found nothing wrong')


def rare_and_repeated_keys_are_read_as_they_are_exported(folder):
    assert compare(ingest(folder, make_dump.rare_keys(500))) >= 500
    compare(ingest(folder, make_dump.many_keys(12, 100), name='many.db'))
    compare(ingest(folder, make_dump.many_keys(17, 1000), name='too_many.db'))  # more than a directory describes


def extreme_spans_are_read_as_they_are_exported(folder):
    store = ingest(folder, make_dump.extremes())
    count = compare(store)
    before = read(store)
    ingest(folder, make_dump.extremes() + '\n')  # all of them again
    assert compare(store) == count and read(store) == before


def split_traces_are_read_as_they_are_exported(folder):
    first, late = folder / 'first.jsonl', folder / 'late.jsonl'
    subprocess.run(['/usr/bin/python3', HERE.parent / 'sqlext/make_adversarial.py', first, late], check=True)
    assert compare(ingest(folder, first, late)) > 2000
    assert compare(ingest(folder, first, late, options=('--spans-per-segment', '300'), name='small.db')) > 2000


def unknown_fields_of_protobuf_are_kept_byte_by_byte(folder):
    store = ingest(folder, make_dump.protobuf())
    assert compare(store) == 2
    span = next(Store(store).spans())
    found = [span['events'][0]['residual'], span['links'][0]['residual'], span['residual'], span['scope']['residual'],
             span['scope']['outer_residual'], span['resource']['residual'], span['resource']['outer_residual']]
    assert found == [{'protobuf': make_dump.unknown(n).hex()} for n in range(1, 8)], found
    assert span['attributes'] == [['nan', {'double': f'NaN {make_dump.ODD_NAN:016x}'}]], span['attributes']
    assert span['name'].encode('utf-8', 'surrogateescape') == make_dump.NOT_UTF8


def every_part_of_the_format_occurred(folder):
    missing = [name for name in EVERYTHING if not SEEN[name]]
    assert not missing, f'no store of this test has: {missing}'


# ---- stores of version 1 ----

def golden_stores_are_read_by_both_for_ever(folder):
    sources = sorted((HERE / 'v1').glob('*.sql'))
    assert len(sources) >= 7
    for source in sources:
        store = folder / f'{source.stem}.db'
        golden_store.load(source, store)
        expected = source.with_suffix('.jsonl').read_text(encoding='utf-8').splitlines()
        assert read(store) == expected, f'{source}: the second reader finds other spans'
        compare(store)


def golden_stores_take_more_spans(folder):
    for name in ('tiny', 'split'):
        store = folder / f'{name}.db'
        golden_store.load(HERE / 'v1' / f'{name}.sql', store)
        before = read(store)
        ingest(folder, make_dump.extremes(), name=store.name)
        after = read(store)
        assert compare(store) == len(before) + 19 and not set(before) - set(after)


def damaged_stores_are_refused_by_both(folder):
    sources = sorted((HERE / 'bad').glob('*.sql'))
    assert len(sources) >= 39
    problems = []
    for source in sources:
        store = folder / f'{source.stem}.db'
        golden_store.load(source, store)
        script = source.read_text(encoding='utf-8')
        code, message = re.search(r'^-- expect: (\d+) (.+)$', script, re.M).groups()
        done = Run('check', store, expect=None)
        said = (done.stdout + done.stderr).decode()
        if done.code != int(code) or message not in said:
            problems.append(f'{source.name}: expected {code} and "{message}", `check` ended with {done.code} and said:\n{said}')
        try:
            list(Store(store).spans())
            problems.append(f'{source.name}: read_store.py found nothing wrong')
        except (Damaged, sqlite3.Error):
            pass
    assert not problems, '\n'.join(problems)


# ---- the second reader, and the page ----

def xxh64_is_that_of_its_test_vectors(folder):
    assert xxh64(b'') == 0xEF46DB3751D8E999
    assert xxh64(b'a') == 0xD24EC4F1A98C6E5B
    assert xxh64(b'abc') == 0x44BC2CF5AD770999
    assert xxh64(b'Nobody inspects the spammish repetition') == 0xFBCEA83C8A378BF1


def the_page_shows_the_bytes_of_a_golden_store(folder):
    store = folder / 'tiny.db'
    golden_store.load(HERE / 'v1/tiny.sql', store)
    page = (ROOT / 'docs/segment-format.md').read_text(encoding='utf-8')
    shown = re.search(r'<!-- made by tests/format/explain.py -->\n(.*?)\n<!-- end -->', page, re.S)
    assert shown, 'docs/segment-format.md has no worked example'
    assert shown[1].strip() == explain.example(store).strip(), 'the worked example of docs/segment-format.md is not what explain.py says'


run_tests([
    xxh64_is_that_of_its_test_vectors,
    the_sample_dumps_are_read_as_they_are_exported,
    numbers_and_texts_of_many_shapes_are_read_as_they_are_exported,
    a_filter_that_lacks_a_value_is_found,
    rare_and_repeated_keys_are_read_as_they_are_exported,
    extreme_spans_are_read_as_they_are_exported,
    split_traces_are_read_as_they_are_exported,
    unknown_fields_of_protobuf_are_kept_byte_by_byte,
    every_part_of_the_format_occurred,
    golden_stores_are_read_by_both_for_ever,
    golden_stores_take_more_spans,
    damaged_stores_are_refused_by_both,
    the_page_shows_the_bytes_of_a_golden_store,
])
