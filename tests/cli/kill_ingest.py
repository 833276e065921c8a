#!/usr/bin/python3
"""kill -9 at a random instant of an ingest, then the same command again: every time the store is
readable in between, and ends with exactly the content of one clean run.

TK_KILLS is how many instants are tried (25)."""
import os
import random
import signal
import subprocess
import time

from support import PROGRAM, Run, content, differences, make_dump, query, run_tests

KILLS = int(os.environ.get('TK_KILLS', '25'))


def start(store, dump):
    return subprocess.Popen([PROGRAM, 'ingest', '--quiet', '--spans-per-segment', '400', store, dump], stderr=subprocess.PIPE)


def killed_at_any_instant_it_continues(folder):
    dump = make_dump(folder / 'dump.jsonl', 1, 12000, broken_every=200)
    clean = folder / 'clean.db'
    begin = time.monotonic()
    with start(clean, dump) as process:
        process.communicate()
    took = time.monotonic() - begin
    assert process.returncode == 1, process.returncode  # the broken lines
    expected = content(clean)
    total = query(clean, 'SELECT count(*) FROM spans')[0][0]
    rng = random.Random(1)
    reached, finished = set(), 0
    for number in range(KILLS):
        store = folder / f'{number}.db'
        with start(store, dump) as process:
            time.sleep(rng.uniform(0, took * 1.05))
            process.send_signal(signal.SIGKILL)
            process.communicate()
        finished += process.returncode >= 0
        if store.exists() and store.stat().st_size > 0:
            between = Run('query', store, '--format', 'csv', '--no-headings', 'SELECT count(*) FROM spans', expect=None)
            # Killed while the store was being made, which is one transaction: there is none yet.
            unmade = b'found 0' in between.stderr or not (folder / f'{number}.db-wal').exists()
            assert between.code == 0 or unmade, f'{between.code}: {between.stderr}'
            if between.code == 0:
                reached.add(int(between.stdout))
        with start(store, dump) as process:
            _, stderr = process.communicate()
        assert process.returncode in (0, 1), f'kill {number}: the second run ended with {process.returncode}: {stderr[-500:]}'
        found = differences(expected, content(store))
        assert not found, f'kill {number} of {took:.2f} s:\n' + '\n'.join(found)
        for old in folder.glob(f'{number}.db*'):
            old.unlink()
    print(f'# {KILLS} kills in runs of {took:.2f} s, {finished} after the end; {len(reached)} different states, {min(reached, default=0)} to {max(reached, default=0)} of {total} spans')
    partial = [spans for spans in reached if 0 < spans < total]
    assert partial or KILLS < 20, 'no kill came between two commits'


if __name__ == '__main__':
    run_tests([killed_at_any_instant_it_continues])
