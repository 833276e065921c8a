#!/usr/bin/env python3
"""Fail when a file includes a header from a layer above its own. Run by `meson test --suite style`."""
import pathlib
import re
import sys

ALLOWED = {  # folder: project headers it may include; every folder may include its own
    'include': ['tracekeep'],
    'store': ['tracekeep'],
    'sqlext': ['tracekeep', 'store'],
    'cli/input': ['tracekeep'],
    'cli/output': ['tracekeep'],
    'cli': ['tracekeep', 'cli/input', 'cli/output'],
    'samples': ['tracekeep'],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+/[^">]+)[">]', re.M)
PROJECT = {'tracekeep'} | {folder for folder in ALLOWED if folder != 'include'}


def layer_of(path, layers):
    return max((layer for layer in layers if path.startswith(layer + '/')), key=len, default=None)


root = pathlib.Path(sys.argv[1])
violations = []
for source in root.glob('**/*.[ch]'):
    name = source.relative_to(root).as_posix()
    layer = layer_of(name, ALLOWED)
    for header in INCLUDE.findall(source.read_text(encoding='utf-8')) if layer else []:
        target = layer_of(header, PROJECT)
        if target and target != layer and target not in ALLOWED[layer]:
            violations.append(f'{name} includes {header}: {layer} may not depend on {target}')
print('\n'.join(violations))
sys.exit(bool(violations))
