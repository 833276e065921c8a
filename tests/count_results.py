#!/usr/bin/python3
"""`count_results.py testlog.json`: how many tests of a meson run passed, failed and were skipped, as
three numbers. Every case of a TAP test counts; any other test is one."""
import json
import re
import sys

PASSED, SKIPPED = {'OK', 'EXPECTEDFAIL'}, {'SKIP'}
CASE = re.compile(r'^(not )?ok\b([^#\n]*)(# *(SKIP|TODO)\b.*)?', re.M | re.I)


def count_tap(output, planned, result):
    passed = failed = skipped = 0
    for case in CASE.finditer(output):
        if (case[4] or '').upper() == 'SKIP':
            skipped += 1
        elif case[1] and not case[4]:
            failed += 1
        else:
            passed += 1
    failed += max(0, planned - passed - failed - skipped)  # it ended before it had run them all
    if result not in PASSED | SKIPPED and failed == 0:
        failed = 1
    return passed, failed, skipped


def count_test(test):
    output, result = test.get('stdout', ''), test['result']
    plan = re.search(r'^1\.\.(\d+)', output, re.M)
    if plan:
        return count_tap(output, int(plan[1]), result)
    return (1, 0, 0) if result in PASSED else (0, 0, 1) if result in SKIPPED else (0, 1, 0)


with open(sys.argv[1], encoding='utf-8') as log:
    tests = [json.loads(line) for line in log if line.strip()]
assert tests, 'no tests were run'
print(*(sum(numbers) for numbers in zip(*map(count_test, tests))))
