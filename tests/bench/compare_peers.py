#!/usr/bin/python3
"""Size, ingest and queries of tracekeep beside other databases, on the same spans, in one run.

    tests/bench/compare_peers.py                         a million spans, all peers (about 40 minutes)
    tests/bench/compare_peers.py --size 100k --peers tracekeep,sqlite,duck
    tests/bench/compare_peers.py --size trainticket      real traces (needs TK_SHARED_DATA), repeated
                                                         with new ids
    tests/bench/compare_peers.py --keep-loaded --queries Q2,Q7

Generates the data, builds tracekeep (release) and the peers' loaders, loads each peer, checks that
all answers are equal, times the queries, and prints Markdown tables. Everything is kept under the
folder --work (default: tracekeep-bench in the temporary folder). Peers: tracekeep, sqlite (a row a
span), duck (DuckDB), parquet (zstd Parquet read by DuckDB), chdb (ClickHouse in a process), pg
(PostgreSQL). --install gets their packages: Debian's, and npm's for duck and chdb.

What is measured: loading from OTLP JSON lines on disk, in the page cache, until all is durable and
can be queried; the size of all files then; each query as the median of several in one process, the
first left out (warm), and in a fresh process including opening (fresh).
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ['tracekeep', 'sqlite', 'duck', 'parquet', 'chdb', 'pg']
QUERIES = ['Q1', 'Q2', 'Q2sql', 'Q2approx', 'Q3', 'Q4', 'Q5', 'Q6', 'Q7', 'Q8a', 'Q8b', 'Q9', 'Q10', 'Q11',
           'Q12']
ORDERED = {'Q4', 'Q5', 'Q6'}  # whose order of rows is part of the answer
NOT_COMPARED = {'Q1', 'Q2approx'}  # forms differ between peers; Q1 compares the number of spans
SIZES = {'100k': (4720, 1), '1m': (47200, 1), '10m': (472000, 2)}
PARAMETERS = {'T0': '1768478400000000000', 'T1': '1768482000000000000', 'X': 'auth', 'U': 'user-211bd185',
              'A': 'api-gateway', 'A2': 'checkout', 'B': 'payment'}
TRAINTICKET = {'T0': '1674982800000000000', 'T1': '1674986400000000000', 'X': 'ts-order-service', 'U': 'nobody',
               'A': 'ts-preserve-service', 'A2': 'ts-travel-service', 'B': 'ts-basic-service'}
TRAINTICKET_QUERIES = ['Q1', 'Q2', 'Q2sql', 'Q2approx', 'Q3', 'Q4', 'Q7', 'Q8a', 'Q8b', 'Q9', 'Q10']
DEBIAN = ('g++ libsimdjson-dev libsqlite3-dev libpq-dev postgresql-15 sqlite3 zstd meson ninja-build '
          'libzstd-dev libcjson-dev zlib1g-dev').split()
NPM = {'duck': '@duckdb/node-api@1.5.6-r.1', 'chdb': 'chdb@3.4.0'}


class Bench:
    def __init__(self, options):
        self.options = options
        self.work = pathlib.Path(options.work)
        self.size = options.size
        self.peers = options.peers.split(',')
        for folder in ('bin', 'data', 'db', 'answers', 'duck', 'chdb'):
            (self.work / folder).mkdir(parents=True, exist_ok=True)
        self.input = self.work / f'data/otlp-{self.size}.jsonl'
        self.ids = self.work / f'data/trace-ids-{self.size}.txt'
        self.parameters = TRAINTICKET if self.size == 'trainticket' else PARAMETERS
        known = TRAINTICKET_QUERIES if self.size == 'trainticket' else QUERIES
        self.queries = options.queries.split(',') if options.queries else known

    # ---- what is needed ----

    def install(self):
        run(['apt-get', 'install', '-y', '-qq', *DEBIAN], stdout=subprocess.DEVNULL)
        for peer, package in NPM.items():
            folder = 'duck' if peer == 'duck' else peer
            if peer in self.peers or (peer == 'duck' and 'parquet' in self.peers):
                run(['npm', 'install', '--silent', '--ignore-scripts', '--prefix', self.work / folder, package])

    def library(self, peer):
        names = {'duck': '@duckdb/node-bindings-linux-x64', 'chdb': '@chdb/lib-linux-x64-gnu'}
        return self.work / peer / 'node_modules' / names[peer]

    def build(self):
        build = self.work / 'build'
        if not (build / 'build.ninja').exists():
            run(['meson', 'setup', build, ROOT, '--buildtype=release'], stdout=subprocess.DEVNULL)
        run(['ninja', '-C', build, 'cli/tracekeep', 'sqlext/tracekeep.so'], stdout=subprocess.DEVNULL)
        cc = ['gcc', '-O2', '-w']
        run([*cc, '-o', self.binary('generate'), HERE / 'generate_traces.c', '-lm'])
        query = HERE / 'peers/query.c'
        run([*cc, '-DSQLITE', '-o', self.binary('query_sqlite'), query, '-lsqlite3'])
        if 'sqlite' in self.peers:
            self.build_loader('SQLITE', 'sqlite', ['-lsqlite3'])
        if 'pg' in self.peers:
            run([*cc, '-DPG', '-I/usr/include/postgresql', '-o', self.binary('query_pg'), query, '-lpq'])
            self.build_loader('PG', 'pg', ['-lpq'])
        if 'duck' in self.peers or 'parquet' in self.peers:
            folder = self.library('duck')
            run([*cc, '-DDUCK', '-o', self.binary('query_duck'), query, f'-L{folder}', '-lduckdb',
                 f'-Wl,-rpath,{folder}'])
        if 'chdb' in self.peers:
            folder = self.library('chdb')
            flags = [f'-L{folder}', '-lchdb', f'-Wl,-rpath,{folder}']
            run([*cc, '-DCHDB', '-o', self.binary('query_chdb'), query, *flags])
            self.build_loader('CHDB', 'chdb', flags)

    def build_loader(self, define, name, libraries):
        run(['g++', '-O2', '-std=c++17', '-w', f'-D{define}', '-I/usr/include/postgresql', '-o',
             self.binary(f'load_{name}'), HERE / 'peers/load.cpp', '-lsimdjson', *libraries])

    def binary(self, name):
        return self.work / 'bin' / name

    # ---- data ----

    def generate(self):
        if not self.input.exists():
            if self.size == 'trainticket':
                repeat_trainticket(self.input, self.options.repeat)
            else:
                traces, seed = SIZES[self.size]
                run([self.binary('generate'), str(traces), str(seed), self.input, '-', self.work / 'data/parameters'],
                    stderr=subprocess.DEVNULL)
        if not self.ids.exists():
            self.ids.write_text('\n'.join(sample_trace_ids(self.input, 200)) + '\n')

    # ---- peers ----

    def store(self, peer):
        names = {'tracekeep': 'store.db', 'sqlite': 'rows.sqlite', 'duck': 'spans.duckdb', 'parquet': 'spans.parquet',
                 'chdb': 'chdb', 'pg': f'spans_{self.size}'}
        return names[peer] if peer == 'pg' else self.work / 'db' / f'{self.size}-{names[peer]}'

    def pg(self, action='start'):
        environment = dict(os.environ, BENCH=str(self.work))
        control = ['bash', str(HERE / 'peers/pg_start.sh')]
        running = subprocess.run([*control, 'status'], env=environment, check=False, stderr=subprocess.DEVNULL)
        if (running.returncode == 0) != (action == 'start'):
            run([*control, action], env=environment, stderr=subprocess.DEVNULL)

    def psql(self, sql, database='postgres'):
        return subprocess.run(['psql', '-qAt', '-h', self.work / 'db', '-p', '54329', '-U', 'postgres', '-d', database,
                               '-c', sql], check=True, capture_output=True, text=True).stdout.strip()

    def load(self, peer):
        """Seconds, peak memory in MB, bytes on disk."""
        store = self.store(peer)
        if peer != 'pg':
            subprocess.run(f'rm -rf {store} {store}-wal {store}-shm {store}.wal', shell=True, check=True)
        command, environment = self.load_command(peer, store)
        with open(self.input, 'rb') as data:  # into the page cache
            while data.read(1 << 24):
                pass
        os.sync()
        sampler = ServerMemory(self.work) if peer == 'pg' else None
        began = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        os.sync()
        seconds = time.monotonic() - began
        if status != 0:
            sys.exit(f'loading {peer} failed: {command}')
        peak = sampler.stop() if sampler else usage.ru_maxrss / 1024
        return seconds, peak, self.bytes_of(peer, store)

    def load_command(self, peer, store):
        environment = dict(os.environ)
        if peer == 'tracekeep':
            return [self.work / 'build/cli/tracekeep', 'ingest', '--quiet', store, self.input], environment
        if peer in ('sqlite', 'chdb'):
            return [self.binary(f'load_{peer}'), self.input, store], environment
        if peer == 'pg':
            self.pg()
            self.psql(f'DROP DATABASE IF EXISTS "{store}"')
            self.psql(f'CREATE DATABASE "{store}" TEMPLATE template0 LC_COLLATE \'C\' LC_CTYPE \'C\'')
            return [self.binary('load_pg'), self.input, self.pg_address()], environment
        sql = self.work / 'data/load.sql'
        text = (HERE / 'peers/sql/duck_load.sql').read_text()
        sql.write_text(text.replace('{INPUT}', str(self.input)).replace('{OUTPUT}', str(store)))
        if peer == 'duck':
            environment['DUCK_INIT'] = f"ATTACH '{store}' AS l (STORAGE_VERSION 'latest')"
        return [self.binary('query_duck'), '', sql, 'load' if peer == 'duck' else 'parquet', '1'], environment

    def pg_address(self):
        return f'host={self.work}/db port=54329 user=postgres dbname={self.store("pg")}'

    def bytes_of(self, peer, store):
        if peer == 'pg':
            return int(self.psql("SELECT pg_total_relation_size('spans')", store))
        if peer == 'chdb': # what merging has made obsolete is still there for some minutes, but does not count
            sql, answer = self.work / 'data/bytes.sql', self.work / 'data/bytes'
            sql.write_text("-- name: bytes\nSELECT sum(bytes_on_disk) FROM system.parts "
                           "WHERE active AND database = 'otel'\n")
            run([self.binary('query_chdb'), store, sql, 'bytes', '1', '-d', answer], stdout=subprocess.DEVNULL)
            return int(answer.read_text())
        return sum(pathlib.Path(f'{store}{end}').stat().st_size for end in ('', '-wal')
                   if pathlib.Path(f'{store}{end}').exists())

    # ---- queries ----

    def query(self, peer, query, repetitions, *more):
        """(open ms, query ms, rows) of each repetition, or None if the peer has no such query."""
        environment = dict(os.environ)
        sql = HERE / 'peers/sql' / {'parquet': 'duck.sql'}.get(peer, f'{peer}.sql')
        if f'-- name: {query}\n' not in sql.read_text():
            return None
        program = {'tracekeep': 'query_sqlite', 'parquet': 'query_duck'}.get(peer, f'query_{peer}')
        store = self.store(peer)
        if peer == 'tracekeep':
            environment['SQLITE_EXT'] = str(self.work / 'build/sqlext/tracekeep.so')
        if peer == 'parquet':
            environment['DUCK_INIT'] = f"CREATE VIEW spans AS FROM '{store}'"
            store = ''
        if peer == 'pg':
            store = self.pg_address()
        command = [self.binary(program), store, sql, query, str(repetitions),
                   *(f'{name}={value}' for name, value in self.parameters.items()), *more]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        lines = [line.split(',') for line in result.stdout.splitlines() if line.startswith(f'{query},')]
        if not lines:
            sys.exit(f'{peer} {query}: {result.stdout[:500]} {result.stderr[:500]}')
        return [(float(line[2]), float(line[3]), int(line[4])) for line in lines]

    def time_query(self, peer, query):
        """Medians in ms: warm, fresh."""
        more = ['-i', self.ids] if query == 'Q1' else []
        fresh = []
        for _ in range(self.options.runs + 1):
            result = self.query(peer, query, 1, *more)
            if result is None:
                return None
            fresh.append(result[0][0] + result[0][1])
        repetitions = 200 if query == 'Q1' else self.options.runs + 1
        warm = [row[1] for row in self.query(peer, query, repetitions, *more)[1:]]
        return statistics.median(warm), statistics.median(fresh[1:])

    def check_answers(self):
        """Every peer's rows for every query must be the same. True if they are."""
        good = True
        for query in self.queries:
            answers = {}
            for peer in self.peers:
                asked = 'Q2' if query == 'Q2sql' and peer != 'tracekeep' else query
                dump = self.work / 'answers' / f'{peer}.{query}'
                more = ['-i', self.ids] if query == 'Q1' else ['-d', dump]
                result = self.query(peer, asked, 200 if query == 'Q1' else 1, *more)
                if result is not None:
                    answers[peer] = [[sum(row[2] for row in result)]] if query == 'Q1' else read_rows(dump, query)
            if query in NOT_COMPARED and query != 'Q1':
                continue
            reference = 'sqlite' if 'sqlite' in answers else next(iter(answers))
            for peer, rows in answers.items():
                fault = first_difference(answers[reference], rows)
                if fault:
                    good = False
                    print(f'{query}: {peer} differs from {reference}: {fault}')
        return good


class ServerMemory:
    """Peak memory of PostgreSQL's processes together, sampled."""

    def __init__(self, work):
        self.postmaster = (work / 'db/pg/postmaster.pid').read_text().split()[0]
        self.peak = 0
        self.running = True
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()

    def sample(self):
        while self.running:
            children = subprocess.run(['pgrep', '-P', self.postmaster], capture_output=True, text=True,
                                      check=False).stdout.split()
            total = 0
            for child in children:
                try:
                    text = pathlib.Path(f'/proc/{child}/smaps_rollup').read_text()
                    total += int(re.search(r'^Pss:\s+(\d+)', text, re.M).group(1))
                except OSError:
                    pass
            self.peak = max(self.peak, total)
            time.sleep(0.5)

    def stop(self):
        self.running = False
        self.thread.join()
        return self.peak / 1024


def run(command, **options):
    subprocess.run([str(part) for part in command], check=True, **options)


def sample_trace_ids(path, count):
    """Trace ids from lines spread evenly over the file."""
    size = path.stat().st_size
    ids = []
    with open(path, 'rb') as data:
        for i in range(count):
            data.seek(size * i // count)
            data.readline()
            found = re.search(rb'"traceId":"([0-9a-f]{32})"', data.readline() or b'')
            if found and found.group(1).decode() not in ids:
                ids.append(found.group(1).decode())
    return ids


def repeat_trainticket(output, times):
    """The Train-Ticket traces `times` times, each time with new ids and a day later."""
    shared = os.environ.get('TK_SHARED_DATA')
    source = pathlib.Path(shared or '') / 'trainticket/trainticket.otlp.jsonl.zst'
    if not shared or not source.exists():
        sys.exit('--size trainticket needs TK_SHARED_DATA, a folder with trainticket/')
    lines = subprocess.run(['zstd', '-dcq', source], check=True, capture_output=True).stdout.splitlines()
    ids = re.compile(rb'("(?:traceId|spanId|parentSpanId)":")([0-9a-f]+)"')
    times_of = re.compile(rb'("(?:startTimeUnixNano|endTimeUnixNano|timeUnixNano)":")(\d+)"')
    with open(output, 'wb') as out:
        for turn in range(times):
            mask = (turn * 0x9E3779B97F4A7C15) & (2**64 - 1)
            shift = turn * 86_400_000_000_000

            def new_id(match):
                digits = len(match.group(2))
                value = int(match.group(2), 16) ^ (mask if digits == 16 else mask << 64 | mask)
                return match.group(1) + f'{value:0{digits}x}"'.encode()

            def new_time(match):
                return match.group(1) + f'{int(match.group(2)) + shift}"'.encode()

            for line in lines:
                out.write(times_of.sub(new_time, ids.sub(new_id, line)) + b'\n')


def read_rows(path, query):
    rows = []
    for line in open(path, errors='replace', encoding='utf-8'):
        rows.append(['' if cell in ('\\N', 'NULL') else cell for cell in line.rstrip('\n').split('\t')])
    return rows if query in ORDERED else sorted(rows)


def same(a, b):
    if a == b:
        return True
    try:
        a, b = float(a), float(b)
    except ValueError:
        return False
    return abs(a - b) <= max(1e-3, 1e-9 * abs(a))


def first_difference(expected, found):
    if len(expected) != len(found):
        return f'expected {len(expected)} rows, found {len(found)}'
    for i, (a, b) in enumerate(zip(expected, found)):
        if len(a) != len(b) or not all(same(x, y) for x, y in zip(a, b)):
            return f'row {i}: expected {a}, found {b}'
    return None


def number(value):
    if value is None:
        return '-'
    return f'{value:.2f}' if value < 10 else f'{value:.1f}' if value < 100 else f'{value:.0f}'


def print_table(header, rows):
    print('| ' + ' | '.join(header) + ' |')
    print('|' + '---|' * len(header))
    for row in rows:
        print('| ' + ' | '.join(row) + ' |')
    print(flush=True)


def count_spans(path):
    count = 0
    with open(path, 'rb') as data:
        for line in data:
            count += line.count(b'"startTimeUnixNano"')
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', choices=[*SIZES, 'trainticket'], default='1m')
    parser.add_argument('--repeat', type=int, default=10, help='how often trainticket is repeated')
    parser.add_argument('--peers', default=','.join(PEERS))
    parser.add_argument('--queries', default='')
    parser.add_argument('--runs', type=int, default=5, help='repetitions of each query')
    parser.add_argument('--loads', type=int, default=1, help='repetitions of each load; the median is shown')
    parser.add_argument('--work', default=os.path.join(tempfile.gettempdir(), 'tracekeep-bench'))
    parser.add_argument('--install', action='store_true')
    parser.add_argument('--keep-loaded', action='store_true', help='query what an earlier run loaded')
    bench = Bench(parser.parse_args())

    if bench.options.install:
        bench.install()
    bench.build()
    bench.generate()
    spans = count_spans(bench.input)
    print(f'{spans:,} spans, {bench.input.stat().st_size / 1e6:,.0f} MB of OTLP JSON\n')
    if not bench.options.keep_loaded:
        rows = []
        for peer in bench.peers:
            loads = [bench.load(peer) for _ in range(bench.options.loads)]
            seconds = statistics.median(load[0] for load in loads)
            rows.append([peer, f'{seconds:.1f}', f'{spans / seconds:,.0f}', f'{max(load[1] for load in loads):.0f}',
                         f'{loads[-1][2] / 1e6:.1f}', f'{loads[-1][2] / spans:.1f}'])
        print_table(['peer', 'ingest s', 'spans/s', 'peak MB', 'MB on disk', 'bytes/span'], rows)
    if 'pg' in bench.peers:
        bench.pg()
    good = bench.check_answers()
    print('all answers are equal\n' if good else 'ANSWERS DIFFER\n', flush=True)
    timings = {query: {peer: bench.time_query(peer, query) for peer in bench.peers} for query in bench.queries}
    for which, title in ((0, 'warm ms'), (1, 'fresh ms')):
        print_table([title, *bench.peers], [
            [query, *(number(timing[which] if timing else None) for timing in timings[query].values())]
            for query in bench.queries])
    if 'pg' in bench.peers:
        bench.pg('stop')
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
