#!/usr/bin/python3
"""tracekeep.so must export its entry point and nothing else, and reach SQLite through its host alone: a second
copy of SQLite in the process would break the file locking of the first."""
import subprocess
import sys

lines = subprocess.run(['nm', '-D', sys.argv[1]], check=True, capture_output=True, text=True).stdout.splitlines()
defined = [line.split()[-1] for line in lines if line.split()[-2] not in ('U', 'w', 'v')]
needed = [line.split()[-1] for line in lines if line.split()[-2] == 'U']
assert needed, 'no undefined symbols at all'
problems = [f'exports {name}' for name in defined if name != 'sqlite3_tracekeep_init' and not name.startswith('__')]
problems += [f'needs {name}' for name in needed if name.startswith('sqlite3_')]
if 'sqlite3_tracekeep_init' not in defined:
    problems.append('does not export sqlite3_tracekeep_init')
print('\n'.join(problems) or f'{len(defined)} exported, {len(needed)} needed')
sys.exit(bool(problems))
