#!/usr/bin/python3
"""On a terminal: progress on stderr, colours unless NO_COLOR, and tables cut to its width."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

from support import FIXTURES, PROGRAM, Run, make_dump, run_tests

ESCAPE = re.compile(r'\x1b\[[0-9;]*[A-Za-z]')


def on_terminal(*arguments, width=80, **environment):
    """Runs the program with stdout and stderr on a terminal; what it shows, and the exit code."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack('HHHH', 24, width, 0, 0))
    variables = {**os.environ, 'TERM': 'xterm', 'LC_ALL': 'C.UTF-8', **environment}
    for name in ('COLUMNS', 'NO_COLOR'):
        if name not in environment:
            variables.pop(name, None)
    with subprocess.Popen([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=side, stderr=side, env=variables) as process:
        os.close(side)
        shown = b''
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            shown += piece
    os.close(main)
    return shown.decode().replace('\r\n', '\n'), process.returncode


def shop(folder):
    Run('ingest', '-q', folder / 'a.db', FIXTURES / 'shop.jsonl')
    return folder / 'a.db'


def progress_is_drawn_and_cleared(folder):
    dump = make_dump(folder / 'a.jsonl', 1, 8000)
    shown, code = on_terminal('ingest', '--spans-per-segment', 300, folder / 'a.db', dump)
    assert code == 0 and re.search(r'\[#* *\] +\d+%  .*spans/s', shown), shown[:500]
    assert shown.index('\r\x1b[K') < shown.index('store    '), 'the bar is in the way of the summary'
    shown, _ = on_terminal('ingest', '--quiet', folder / 'b.db', dump)
    assert shown == '', shown


def pipes_see_no_progress(folder):
    dump = make_dump(folder / 'a.jsonl', 1, 2000)
    run = Run('ingest', folder / 'a.db', dump)
    assert run.stderr == b'' and b'\x1b' not in run.stdout and b'\r' not in run.stdout


def errors_are_red_unless_colour_is_refused(folder):
    store, trace = shop(folder), 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa01'
    coloured, _ = on_terminal('trace', store, trace)
    assert '\x1b[31m! storefront' in coloured, coloured
    for refusal in ({'NO_COLOR': '1'}, {'TERM': 'dumb'}):
        plain, _ = on_terminal('trace', store, trace, **refusal)
        assert '\x1b' not in plain and '! storefront' in plain, plain
        assert [line.rstrip() for line in ESCAPE.sub('', coloured).splitlines()] == [line.rstrip() for line in plain.splitlines()]
    allowed, _ = on_terminal('trace', store, trace, NO_COLOR='')
    assert '\x1b[31m' in allowed


def tables_fit_the_terminal(folder):
    sql = "SELECT 12345678901234 AS number, 'short' AS a, printf('%.*c', 300, 'x') AS long, '東京東京東京東京東京東京東京東京東京東京東京' AS wide"
    store = shop(folder)
    for width in (44, 80, 132):
        shown, _ = on_terminal('query', store, sql, width=width)
        plain = ESCAPE.sub('', shown)
        longest = max(sum(2 if ord(c) > 0x2e80 else 1 for c in line) for line in plain.splitlines())
        assert longest <= width and '…' in plain and '12345678901234' in plain, f'{width}: {longest}\n{plain}'
    shown, _ = on_terminal('query', store, sql, width=80, COLUMNS='50')
    assert max(map(len, ESCAPE.sub('', shown).splitlines())) <= 50
    assert b'x' * 300 in Run('query', store, '-f', 'table', sql).stdout


def the_waterfall_fits_the_terminal(folder):
    store = shop(folder)
    for width in (60, 100, 160):
        shown, _ = on_terminal('trace', store, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb03', width=width, NO_COLOR='1')
        lines = [line for line in shown.splitlines() if line.startswith(('  ', ' ?'))]
        longest = max(sum(2 if ord(c) > 0x2e80 and not 0x2500 <= ord(c) < 0x2600 else 1 for c in line) for line in lines)
        assert len(lines) == 3 and longest <= width, f'{width}: {longest}\n{shown}'


if __name__ == '__main__':
    run_tests([progress_is_drawn_and_cleared, pipes_see_no_progress, errors_are_red_unless_colour_is_refused, tables_fit_the_terminal, the_waterfall_fits_the_terminal])
