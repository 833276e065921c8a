# SPDX-License-Identifier: MIT
"""What the answer sheets of otlp_truth.py and sql_truth.py share: rounding, order, comparison."""
import json
import sys

SCOPES = ["resource", "scope", "span", "event", "link"]

# Facts of the file, not of what it holds: a store or a renamed copy cannot know them.
FILE_KEYS = ["file"]


def nearest_rank(values, quantile_percent):
    """Of sorted integers; integer arithmetic, so that ceil() is exact."""
    return values[max(1, -(-len(values) * quantile_percent // 100)) - 1]


def duration_row(values, errors):
    return {
        "errors": errors, "count": len(values), "sum_ns": sum(values), "min_ns": values[0],
        "max_ns": values[-1], "p50_ns": nearest_rank(values, 50),
        "p95_ns": nearest_rank(values, 95), "p99_ns": nearest_rank(values, 99),
    }


def sizes_row(sizes):
    return {"p50": nearest_rank(sizes, 50), "p95": nearest_rank(sizes, 95), "max": sizes[-1]}


def ranked(counts):
    """[[key..., count], ...], most first, equal ones by key."""
    rows = [[*(key if isinstance(key, tuple) else (key,)), count] for key, count in counts.items()]
    return sorted(rows, key=lambda row: (-row[-1], row[:-1]))


def ranked_operations(rows):
    return sorted(rows, key=lambda row: (-row["count"], row["service"], row["operation"]))


def normal(value):
    """Lists of ranked rows in one order, whatever order a sheet was written in."""
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ranked_operations(value)
    if isinstance(value, list) and value and isinstance(value[0], list):
        return sorted(value, key=lambda row: (-row[-1], row[:-1]))
    return value


def differences(left, right, path=""):
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            yield from differences(left.get(key), right.get(key), f"{path}.{key}" if path else key)
    elif isinstance(left, list) and isinstance(right, list):
        for i in range(max(len(left), len(right))):
            yield from differences(left[i] if i < len(left) else None,
                                   right[i] if i < len(right) else None, f"{path}[{i}]")
    elif left != right or type(left) is not type(right):
        yield path, left, right


def compare(found, expected):
    """(number of keys compared, differences as (path, found, expected))"""
    keys = [key for key in [*expected, *(key for key in found if key not in expected)]
            if key not in FILE_KEYS]
    return len(keys), list(differences(normal({key: found.get(key) for key in keys}),
                                       normal({key: expected.get(key) for key in keys})))


def report(rows, limit=40):
    for path, found, expected in rows[:limit]:
        print(f"{path}: found {json.dumps(found)}, expected {json.dumps(expected)}")
    if len(rows) > limit:
        print(f"... and {len(rows) - limit} more")


def finish(found, expected_path, prepare=lambda expected: expected):
    """Prints the sheet, or compares it with the (prepared) one in `expected_path`; ends the program."""
    if expected_path is None:
        json.dump(found, sys.stdout, indent=1, ensure_ascii=False)
        print()
        sys.exit(0)
    with open(expected_path, encoding="utf-8") as file:
        expected = prepare(json.load(file))
    count, rows = compare(found, expected)
    report(rows)
    print(f"{count} keys compared, {len(rows)} differences")
    sys.exit(0 if count > 0 and not rows else 1)
