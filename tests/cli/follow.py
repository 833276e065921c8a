#!/usr/bin/python3
"""ingest --follow: files that grow, rotate, are truncated or come later; killed and started again. In
the end the store holds what one ingest of the whole would have stored, every span once."""
import gzip
import json
import os
import signal
import subprocess
import time

from support import PROGRAM, Run, content, differences, make_dump, query, run_tests

PATIENCE = 60  # seconds until something that should have happened has not


class Follower:
    """`ingest --follow` in the background; leaving the block stops it with SIGTERM."""

    def __init__(self, store, *files, options=(), expect=0, interval='50ms', cwd=None):
        self.store, self.expect = store, expect
        self.process = subprocess.Popen([PROGRAM, 'ingest', '--follow', '--commit-interval', interval, '--output-format', 'json', *map(str, options), str(store), *map(str, files)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        if failed:
            self.process.kill()
            self.process.communicate()
            return
        self.stop()

    def stop(self, signal_number=signal.SIGTERM):
        if self.process.returncode is not None:
            return
        assert self.process.poll() is None, f'it has ended: {self.process.communicate()}'
        self.process.send_signal(signal_number)
        self.stdout, self.stderr = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == self.expect, f'{self.process.returncode}: {self.stderr}'
        self.summary = json.loads(self.stdout)

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def spans(self):
        run = Run('query', '--format', 'csv', '--no-headings', self.store, 'SELECT count(*) FROM spans', expect=None)
        return int(run.stdout) if run.code == 0 else 0

    def wait_for(self, spans):
        wait(lambda: self.spans() >= spans, f'{spans} spans', lambda: f'{self.spans()}, {self.process.poll()}')
        assert self.spans() == spans, f'{self.spans()} spans, not {spans}'


def wait(condition, what, found=lambda: ''):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f'waited in vain for {what}: {found()}'
        time.sleep(0.02)


def append(path, data):
    with open(path, 'ab') as out:
        out.write(data)


class Dump:
    """A dump, its lines, and how many spans its first lines hold."""

    def __init__(self, folder, seed, spans):
        self.path = make_dump(folder / f'whole-{seed}.txt', seed, spans)
        self.lines = self.path.read_bytes().splitlines(keepends=True)
        self.counts = [0]
        for line in self.lines:
            self.counts.append(self.counts[-1] + line.count(b'"spanId"') - sum(line.count(link) for link in [b'"links"']))

    def part(self, begin, end):
        return b''.join(self.lines[begin:end])

    def spans(self, end):
        return self.counts[end]


def check_equal(folder, store, *dumps, rows=None):
    """The store holds the dumps, as one ingest would have stored them."""
    clean = folder / 'clean.db'
    Run('ingest', '--quiet', clean, *[dump.path for dump in dumps])
    found = differences(content(clean, without=('ingests',)), content(store, without=('ingests',)))
    assert not found, '\n'.join(found)
    assert query(store, 'SELECT sum(spans_duplicate) FROM ingests') == [[0]], 'spans were read twice'
    if rows is not None:
        listed = query(store, 'SELECT source, complete, bytes FROM ingests')
        assert len(listed) == rows, listed
    Run('check', store)
    clean.unlink()


def a_growing_file_is_read_as_it_grows(folder):
    dump, growing, store = Dump(folder, 1, 900), folder / 'a.jsonl', folder / 'a.db'
    third = len(dump.lines) // 3
    with Follower(store, growing) as follower:  # which does not exist yet
        time.sleep(0.2)
        append(growing, dump.part(0, third))
        follower.wait_for(dump.spans(third))
        for begin in range(third, len(dump.lines), 40):
            append(growing, dump.part(begin, min(begin + 40, len(dump.lines))))
            time.sleep(0.03)
        follower.wait_for(dump.spans(len(dump.lines)))
    assert follower.summary['spans_new'] == dump.spans(len(dump.lines)) and not follower.summary['interrupted'], follower.summary
    assert follower.summary['rejected'] == 0 and follower.summary['segments_written'] <= 2, follower.summary
    check_equal(folder, store, dump, rows=1)


def an_unfinished_line_waits_for_its_end(folder):
    dump, growing, store = Dump(folder, 2, 200), folder / 'a.jsonl', folder / 'a.db'
    whole, at = dump.path.read_bytes(), 0
    with Follower(store, growing) as follower:
        while at < len(whole):  # never at the end of a line
            append(growing, whole[at:at + 3001])
            at += 3001
            time.sleep(0.06)
        follower.wait_for(dump.spans(len(dump.lines)))
    assert follower.summary['rejected'] == 0 and follower.summary['issues'] == 0, follower.summary
    check_equal(folder, store, dump, rows=1)


def a_rotated_file_is_read_to_its_end(folder):
    """As the collector does it: rename, then a new file, which begins with an empty line."""
    dump, live, store = Dump(folder, 3, 900), folder / 'traces.json', folder / 'a.db'
    parts = 6
    bounds = [len(dump.lines) * i // parts for i in range(parts + 1)]
    with Follower(store, live) as follower:
        for number, (begin, end) in enumerate(zip(bounds, bounds[1:])):
            if number:
                live.rename(folder / f'traces-2026-11-20T13-00-{number:02}.000.json')
                append(live, b'\n')
            middle = (begin + end) // 2
            append(live, dump.part(begin, middle))
            if number % 2:
                follower.wait_for(dump.spans(middle))
            append(live, dump.part(middle, end)[:-1])
            append(live, b'\n')
        follower.wait_for(dump.spans(len(dump.lines)))
    assert follower.summary['rejected'] == 0 and follower.summary['files_failed'] == 0, follower.summary
    check_equal(folder, store, dump)


def what_was_rotated_while_nobody_looked_is_found(folder):
    dump, live, store = Dump(folder, 4, 600), folder / 'traces.json', folder / 'a.db'
    half, most = len(dump.lines) // 2, len(dump.lines) * 3 // 4
    append(live, dump.part(0, half))
    with Follower(store, live) as follower:
        follower.wait_for(dump.spans(half))
    append(live, dump.part(half, most))
    live.rename(folder / 'traces-2026-11-20T13-00-00.123.json')
    append(live, dump.part(most, len(dump.lines)))
    with Follower(store, live) as follower:
        follower.wait_for(dump.spans(len(dump.lines)))
    check_equal(folder, store, dump)


def a_truncated_file_is_read_anew(folder):
    dump, live, store = Dump(folder, 5, 600), folder / 'a.jsonl', folder / 'a.db'
    half = len(dump.lines) // 2
    append(live, dump.part(0, half))
    with Follower(store, live) as follower:
        follower.wait_for(dump.spans(half))
        live.write_bytes(dump.part(half, half + 20))
        follower.wait_for(dump.spans(half + 20))
        append(live, dump.part(half + 20, len(dump.lines)))
        follower.wait_for(dump.spans(len(dump.lines)))
    assert b'reading it from the beginning' in follower.stderr, follower.stderr
    check_equal(folder, store, dump)


def folders_and_patterns_find_files_that_come_later(folder):
    dumps = [Dump(folder, seed, 150) for seed in (6, 7, 8, 9)]
    store, inbox = folder / 'a.db', folder / 'inbox'
    inbox.mkdir()
    total = 0
    with Follower(store, inbox, folder / 'p-*.jsonl', options=('--spans-per-segment', 256)) as follower:
        for number, dump in enumerate(dumps):
            target = [inbox / 'x.jsonl', folder / 'p-1.jsonl', inbox / 'deep' / 'y.jsonl', folder / 'p-2.jsonl'][number]
            target.parent.mkdir(exist_ok=True)
            append(target, dump.path.read_bytes())
            total += dump.spans(len(dump.lines))
            follower.wait_for(total)
        (inbox / 'notes.txt').write_text('not a dump')
    assert follower.summary['files'] == 4 and follower.summary['rejected'] == 0, follower.summary
    check_equal(folder, store, *dumps, rows=4)


def compressed_files_grow_by_members(folder):
    dump, live, store = Dump(folder, 10, 400), folder / 'a.jsonl.gz', folder / 'a.db'
    bounds = [len(dump.lines) * i // 8 for i in range(9)]
    with Follower(store, live) as follower:
        for begin, end in zip(bounds, bounds[1:]):
            member = gzip.compress(dump.part(begin, end))
            append(live, member[:len(member) // 2])
            time.sleep(0.1)
            append(live, member[len(member) // 2:])
        follower.wait_for(dump.spans(len(dump.lines)))
    assert follower.summary['rejected'] == 0 and follower.summary['files_failed'] == 0, follower.summary
    check_equal(folder, store, dump, rows=1)


def protobuf_messages_grow_too(folder):
    """Behind their lengths, as the collector writes them; cut anywhere."""
    dump, live, store = Dump(folder, 16, 700), folder / 'a.bin', folder / 'a.db'
    Run('ingest', '--quiet', folder / 'from.db', dump.path)
    Run('export', '--format', 'otlp-proto', '--output', folder / 'whole.bin', folder / 'from.db')
    whole, step = (folder / 'whole.bin').read_bytes(), 9001
    with Follower(store, live) as follower:
        for at in range(0, len(whole), step):
            append(live, whole[at:at + step])
            time.sleep(0.06)
        follower.wait_for(dump.spans(len(dump.lines)))
    assert follower.summary['rejected'] == 0 and follower.summary['issues'] == 0, follower.summary
    check_equal(folder, store, dump, rows=1)


def killed_and_started_again_nothing_is_lost_or_twice(folder):
    dump, live, store = Dump(folder, 11, 1500), folder / 'traces.json', folder / 'a.db'
    steps = 12
    bounds = [len(dump.lines) * i // steps for i in range(steps + 1)]
    for number, (begin, end) in enumerate(zip(bounds, bounds[1:])):
        follower = Follower(store, live, interval='20ms', options=('--spans-per-segment', 200))
        try:
            if number % 4 == 3:
                live.rename(folder / f'traces-2026-11-20T13-00-{number:02}.000.json')
            for line in range(begin, end, 3):
                append(live, dump.part(line, min(line + 3, end)))
                time.sleep(0.005)
            if number % 3 == 0:
                follower.wait_for(dump.spans(end))
        finally:
            follower.kill()
        if store.exists() and Run('info', store, expect=None).code == 0:
            Run('check', store)
    with Follower(store, live) as follower:
        follower.wait_for(dump.spans(len(dump.lines)))
    check_equal(folder, store, dump)


def many_small_appends_leave_few_segments(folder):
    dump, live, store = Dump(folder, 12, 3000), folder / 'a.jsonl', folder / 'a.db'
    most = 0
    with Follower(store, live, interval='10ms', options=('--spans-per-segment', 1024)) as follower:
        for number in range(len(dump.lines)):
            append(live, dump.part(number, number + 1))
            if number % 25 == 0:
                time.sleep(0.05)
                run = Run('query', '--format', 'csv', '--no-headings', store, 'SELECT count(*), sum(span_count) FROM segments', expect=None)
                if run.code == 0 and not run.stdout.startswith(b'0'):
                    segments, spans = map(int, run.stdout.split(b','))
                    most = max(most, segments - spans // 1024)
        follower.wait_for(dump.spans(len(dump.lines)))
    assert 0 < most <= 7, f'{most} open segments at a time'
    assert follower.summary['segments_written'] <= 3000 // 1024 + 2, follower.summary
    check_equal(folder, store, dump, rows=1)


def it_ends_cleanly_by_either_signal(folder):
    dump = Dump(folder, 13, 100)
    append(folder / 'a.jsonl', dump.path.read_bytes())
    for number, signal_number in enumerate((signal.SIGINT, signal.SIGTERM)):
        with Follower(folder / f'{number}.db', folder / 'a.jsonl') as follower:
            follower.wait_for(dump.spans(len(dump.lines)))
            follower.stop(signal_number)
    append(folder / 'a.jsonl', b'{"resourceSpans": oops}\n')
    with Follower(folder / '0.db', folder / 'a.jsonl', expect=1) as follower:  # as any ingest with rejected records
        wait(lambda: query(folder / '0.db', 'SELECT count(*) FROM ingest_issues') == [[1]], 'the issue')
    assert follower.summary['rejected'] == 1, follower.summary


def another_ingest_in_between_does_no_harm(folder):
    dump, other, live, store = Dump(folder, 14, 400), Dump(folder, 15, 300), folder / 'a.jsonl', folder / 'a.db'
    half = len(dump.lines) // 2
    append(live, dump.part(0, half))
    with Follower(store, live) as follower:
        follower.wait_for(dump.spans(half))
        Run('ingest', '--quiet', store, other.path)
        append(live, dump.part(half, len(dump.lines)))
        follower.wait_for(dump.spans(len(dump.lines)) + other.spans(len(other.lines)))
    check_equal(folder, store, dump, other)


def another_ingest_before_the_end_does_no_harm(folder):
    dump, other, live, store = Dump(folder, 16, 200), Dump(folder, 17, 100), folder / 'a.jsonl', folder / 'a.db'
    append(live, dump.part(0, len(dump.lines)))
    with Follower(store, live) as follower:
        follower.wait_for(dump.spans(len(dump.lines)))
        Run('ingest', '--quiet', store, other.path)
    assert not follower.stderr, follower.stderr
    check_equal(folder, store, dump, other)


def what_makes_no_sense_is_refused(folder):
    for arguments in (['--follow', 'a.db', '-'], ['--follow', '--commit-interval', '2 weeks', 'a.db', 'x'], ['--commit-interval', '', 'a.db', 'x']):
        assert Run('ingest', *arguments, cwd=folder, expect=2).stderr, arguments
    assert not (folder / 'a.db').exists()


if __name__ == '__main__':
    run_tests([a_growing_file_is_read_as_it_grows, an_unfinished_line_waits_for_its_end, a_rotated_file_is_read_to_its_end, what_was_rotated_while_nobody_looked_is_found,
               a_truncated_file_is_read_anew, folders_and_patterns_find_files_that_come_later, compressed_files_grow_by_members, protobuf_messages_grow_too,
               killed_and_started_again_nothing_is_lost_or_twice, many_small_appends_leave_few_segments, it_ends_cleanly_by_either_signal,
               another_ingest_in_between_does_no_harm, another_ingest_before_the_end_does_no_harm, what_makes_no_sense_is_refused])
