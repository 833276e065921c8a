#!/usr/bin/python3
"""Golden tests: golden/<case>/cmd is a shell script; what it prints and its exit code are compared
with the files stdout, stderr and exit beside it (absent: empty, and 0).

`golden.py PROGRAM --update [CASE]...` rewrites them: read the diff before committing it. Scripts run
in an empty folder with the program as `tracekeep` and the dumps in $FIXTURES. Times, rates and sizes
that depend on the machine are masked."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from support import FIXTURES, HERE, PROGRAM

MASKS = [
    (r'"seconds":[0-9.e-]+', '"seconds":SECONDS'),
    (r'"bytes_stored":\d+', '"bytes_stored":BYTES'),
    (r'"file_bytes":\d+', '"file_bytes":BYTES'),
    (r'\d+(\.\d+)? k?M?B stored( \([0-9.]+ times\))?', 'SIZE stored'),
    (r'\d+ chunks', 'N chunks'),
    (r'there are: .*', 'there are: FORMATS'),
    (r'^time     [0-9.]+s.*', 'time     TIME'),
    (r'^size      [^,\n]+(?=\n)', 'size      SIZE'),
    (r'^size      [^,\n]+, about ([^(\n]+) \([0-9.]+ times\)', r'size      SIZE, about \1 (RATIO)'),
    (r'20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z', 'NOW'),
    (r'^tracekeep [0-9.]+ \(SQLite [0-9.]+\)', 'tracekeep VERSION (SQLite VERSION)'),
]
NAMES = ('stdout', 'stderr', 'exit')


def run_case(case):
    environment = {'FIXTURES': str(FIXTURES), 'SAMPLES': str(HERE.parent.parent / 'samples'), 'LC_ALL': 'C.UTF-8', 'TERM': 'xterm',
                   'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', ''), 'EMBED_SAMPLE': os.environ.get('TK_EMBED_SAMPLE', 'false'), 'UBSAN_OPTIONS': os.environ.get('UBSAN_OPTIONS', '')}
    with tempfile.TemporaryDirectory(prefix='tracekeep-') as folder:
        tools = pathlib.Path(folder) / 'bin'
        work = pathlib.Path(folder) / 'work'
        tools.mkdir()
        work.mkdir()
        (tools / 'tracekeep').symlink_to(PROGRAM)
        environment['PATH'] = f'{tools}:{os.environ["PATH"]}'
        done = subprocess.run(['/bin/sh', str(case / 'cmd')], cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    texts = [done.stdout.decode(), done.stderr.decode()]
    for index, text in enumerate(texts):
        text = text.replace(str(FIXTURES), 'FIXTURES').replace(str(case), 'CASE')
        for pattern, replacement in MASKS:
            text = re.sub(pattern, replacement, text, flags=re.M)
        texts[index] = text
    return {'stdout': texts[0], 'stderr': texts[1], 'exit': f'{done.returncode}\n'}


def expected_of(case):
    files = {name: case / name for name in NAMES}
    texts = {name: path.read_text(encoding='utf-8') if path.exists() else '' for name, path in files.items()}
    texts['exit'] = texts['exit'] or '0\n'
    return texts


def write_expected(case, texts):
    for name, text in texts.items():
        path = case / name
        if text and not (name == 'exit' and text == '0\n'):
            path.write_text(text, encoding='utf-8')
        else:
            path.unlink(missing_ok=True)


def show_difference(name, expected, found):
    first, second = expected.splitlines(), found.splitlines()
    at = next((i for i, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))
    print(f'#   {name}, line {at + 1}:')
    print(f'#     expected: {first[at] if at < len(first) else "(end)"}')
    print(f'#     found:    {second[at] if at < len(second) else "(end)"}')


def main():
    chosen = [argument for argument in sys.argv[2:] if argument != '--update']
    update = '--update' in sys.argv
    cases = sorted(path.parent for path in (HERE / 'golden').glob('*/cmd') if not chosen or path.parent.name in chosen)
    assert cases, 'no cases'
    failed = 0
    print(f'1..{len(cases)}')
    for number, case in enumerate(cases, 1):
        found, expected = run_case(case), expected_of(case)
        if update:
            write_expected(case, found)
        different = [name for name in NAMES if found[name] != expected[name]]
        if different and not update:
            failed += 1
            print(f'not ok {number} - {case.name}')
            for name in different:
                show_difference(name, expected[name], found[name])
        else:
            print(f'ok {number} - {case.name}')
    sys.exit(bool(failed))


if __name__ == '__main__':
    main()
