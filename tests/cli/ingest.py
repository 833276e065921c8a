#!/usr/bin/python3
"""What a store holds does not depend on how it was filled: once or twice, in one piece or several,
by one thread or four."""
import gzip
import json
import os
import signal
import subprocess
import time

from support import PROGRAM, Run, content, differences, make_dump, query, run_tests

SMALL = ('--spans-per-segment', 300)


def ingest(store, *sources, options=SMALL, expect=0):
    return json.loads(Run('ingest', '--output-format', 'json', *options, store, *sources, expect=expect).stdout)


def same(first, second, without=()):
    found = differences(content(first, without), content(second, without))
    assert not found, '\n'.join(found)


def ingesting_twice_adds_nothing(folder):
    dump = make_dump(folder / 'a.jsonl', 1, 2000)
    store = folder / 'a.db'
    first = ingest(store, dump)
    before = content(store)
    again = ingest(store, dump)
    assert first['spans_new'] >= 2000 and first['spans_duplicate'] == 0, first
    assert again['files_skipped'] == 1 and again['records'] == 0 and again['spans_new'] == 0, again
    assert not differences(before, content(store))


def the_same_content_under_another_name_adds_nothing(folder):
    dump = make_dump(folder / 'a.jsonl', 2, 500)
    ingest(folder / 'a.db', dump)
    (folder / 'b.jsonl').write_bytes(dump.read_bytes())
    (folder / 'c.jsonl.gz').write_bytes(gzip.compress(dump.read_bytes()))
    again = ingest(folder / 'a.db', folder / 'b.jsonl', folder / 'c.jsonl.gz')
    assert again['files_skipped'] == 2 and again['spans_new'] == 0, again


def a_pipe_is_compared_span_by_span(folder):
    dump = make_dump(folder / 'a.jsonl', 3, 500)
    ingest(folder / 'a.db', dump)
    run = Run('ingest', '--output-format', 'json', folder / 'a.db', '-', stdin=dump.read_bytes())
    again = json.loads(run.stdout)
    assert again['spans_new'] == 0, again


def a_grown_file_continues_where_it_ended(folder):
    dump = make_dump(folder / 'whole.jsonl', 4, 3000)
    lines = dump.read_bytes().splitlines(keepends=True)
    growing, store = folder / 'growing.jsonl', folder / 'a.db'
    for end in (len(lines) // 3, len(lines) // 2, len(lines)):
        growing.write_bytes(b''.join(lines[:end]))
        last = ingest(store, growing)
        assert last['spans_duplicate'] == 0, last
    assert 0 < last['records'] < len(lines), f'the last part had {last["records"]} of {len(lines)} records'
    ingest(folder / 'b.db', dump)
    same(store, folder / 'b.db', without=('ingests',))


def overlapping_dumps_are_stored_once(folder):
    dump = make_dump(folder / 'whole.jsonl', 5, 3000)
    lines = dump.read_bytes().splitlines(keepends=True)
    third = len(lines) // 3
    parts = {'front': lines[:2 * third], 'back': lines[third:], 'middle': lines[third // 2:third + third // 2], 'last': lines[-3:]}
    for name, part in parts.items():
        (folder / f'{name}.jsonl').write_bytes(b''.join(part))
    together = ingest(folder / 'a.db', *[folder / f'{name}.jsonl' for name in parts])
    alone = ingest(folder / 'b.db', dump)
    assert together['spans_new'] == alone['spans_new'] and together['spans_duplicate'] > 0 and together['spans_conflicting'] == 0, together
    same(folder / 'a.db', folder / 'b.db', without=('ingests',))
    one_by_one = folder / 'c.db'
    for name in reversed(parts):
        ingest(one_by_one, folder / f'{name}.jsonl')
    same(one_by_one, folder / 'b.db', without=('ingests',))


def a_span_with_other_content_is_a_conflict(folder):
    dump = make_dump(folder / 'a.jsonl', 6, 200)
    changed = folder / 'b.jsonl'
    changed.write_text(dump.read_text(encoding='utf-8').replace('"name": "GET /cart"', '"name": "GET /changed"'), encoding='utf-8')
    ingest(folder / 'a.db', dump)
    before = content(folder / 'a.db', without=('ingests', 'issues'))
    again = ingest(folder / 'a.db', changed)
    assert again['spans_conflicting'] > 0 and again['spans_new'] == 0, again
    assert not differences(before, content(folder / 'a.db', without=('ingests', 'issues')))
    issues = query(folder / 'a.db', "SELECT count(*) FROM ingest_issues WHERE type = 'dup.conflict'")
    assert issues == [[again['spans_conflicting']]], issues


def threads_make_no_difference(folder):
    dump = make_dump(folder / 'a.jsonl', 7, 5000, broken_every=40)
    stored = set()
    for threads in (1, 2, 4):
        store = folder / f'{threads}.db'
        ingest(store, dump, options=(*SMALL, '--threads', threads), expect=1)
        same(folder / '1.db', store)
        stored.add(Run('query', store, 'SELECT s.id, s.hash, s.span_count, c.id, c.data FROM tk_segment s JOIN tk_chunk c ON c.id >> 16 = s.id ORDER BY c.id').stdout)
    assert len(stored) == 1 and len(stored.pop()) > 1000, 'the stored bytes differ'


def broken_lines_cost_only_themselves(folder):
    clean = make_dump(folder / 'clean.jsonl', 8, 1000)
    broken = make_dump(folder / 'broken.jsonl', 8, 1000, broken_every=10)
    ingest(folder / 'a.db', clean)
    counts = ingest(folder / 'b.db', broken, expect=1)
    assert counts['rejected'] > 5, counts
    same(folder / 'a.db', folder / 'b.db', without=('ingests', 'issues'))


def an_interrupt_keeps_what_is_committed_and_the_next_run_continues(folder):
    dump = make_dump(folder / 'a.jsonl', 9, 20000)
    clean, store = folder / 'clean.db', folder / 'a.db'
    begin = time.monotonic()
    ingest(clean, dump)
    took = time.monotonic() - begin
    expected = content(clean)
    interrupted = 0
    for fraction in (0.2, 0.4, 0.6, 0.8):
        for old in folder.glob('a.db*'):
            old.unlink()
        with subprocess.Popen([PROGRAM, 'ingest', '--quiet', '--spans-per-segment', '300', store, dump], stderr=subprocess.PIPE) as process:
            time.sleep(took * fraction)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate()
        # The signal may come before the handler is there, or after the end.
        assert process.returncode in (0, 130, -signal.SIGINT), process.returncode
        if process.returncode == 130:
            interrupted += 1
            assert b'continues' in stderr, stderr
            Run('check', store)
        ingest(store, dump)
        found = differences(expected, content(store))
        assert not found, '\n'.join(found)
    return None if interrupted else 'every signal came too early or too late'


def two_at_once_end_with_one_busy_or_both_done(folder):
    dumps = [make_dump(folder / f'{i}.jsonl', 20 + i, 3000) for i in range(2)]
    store = folder / 'a.db'
    processes = [subprocess.Popen([PROGRAM, 'ingest', '--quiet', store, dump], stderr=subprocess.PIPE) for dump in dumps]
    for process in processes:
        _, stderr = process.communicate()
        assert process.returncode in (0, 3), f'{process.returncode}: {stderr}'
    for dump in dumps:  # whoever was turned away does it again
        ingest(store, dump, options=())
    ingest(folder / 'b.db', *dumps, options=())
    same(store, folder / 'b.db', without=('ingests',))
    Run('check', store)


if __name__ == '__main__':
    os.environ.pop('TK_SHARED_DATA', None)
    run_tests([ingesting_twice_adds_nothing, the_same_content_under_another_name_adds_nothing, a_pipe_is_compared_span_by_span,
               a_grown_file_continues_where_it_ended, overlapping_dumps_are_stored_once, a_span_with_other_content_is_a_conflict,
               threads_make_no_difference, broken_lines_cost_only_themselves, an_interrupt_keeps_what_is_committed_and_the_next_run_continues,
               two_at_once_end_with_one_busy_or_both_done])
