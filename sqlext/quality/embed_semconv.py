#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Emits a C source with the table of tk_semconv_attributes.tsv: embed_semconv.py TABLE.tsv OUT.c"""
import sys

TYPES = {"string": "STRING", "enum": "ENUM", "int": "INT", "enum_int": "INT", "double": "DOUBLE", "boolean": "BOOLEAN",
         "string[]": "ARRAY", "int[]": "ARRAY", "any": "ANY", "template[string]": "TEMPLATE_STRING",
         "template[string[]]": "TEMPLATE_ARRAY"}


def quote(text):
    if not all(" " <= c <= "~" and c not in "\"\\" for c in text):
        sys.exit(f"embed_semconv.py: unexpected character in {text!r}")
    return f'"{text}"'


table, out = sys.argv[1:]
with open(table, encoding="utf-8") as file:
    rows = [line.rstrip("\n").split("\t") for line in file][1:]
rows.sort(key=lambda row: row[0].encode())
if not rows or len({row[0] for row in rows}) != len(rows):
    sys.exit("embed_semconv.py: no rows, or a key twice")
with open(out, "w", encoding="ascii") as file:
    file.write('#include "sqlext/quality/semconv.h"\n\nconst struct semconv_attribute tk_semconv_attributes[] = {\n')
    for key, kind, deprecated, replacements, members in rows:
        file.write(f"  {{{quote(key)}, SEMCONV_{TYPES[kind]}, {int(deprecated != '')}, {quote(replacements)}, "
                   f"{quote(members if kind == 'enum' else '')}}},\n")
    file.write(f"}};\nconst unsigned tk_semconv_attribute_count = {len(rows)};\n")
