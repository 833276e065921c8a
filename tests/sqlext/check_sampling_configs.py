# SPDX-License-Identifier: MIT
"""Sampling configurations: YAML against another reader of YAML, and the two tables over a store.

What our reader makes of YAML must be what it makes of the JSON that PyYAML's reading of the same
text gives: anchors, aliases, merge keys, styles and quoting, on random configurations of every
policy type. Their options, in turn, must be what was put in.

Usage: check_sampling_configs.py TRACEKEEP EXTENSION SOURCE_ROOT"""

import json
import pathlib
import random
import re
import sqlite3
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    print("1..0 # SKIP there is no python3-yaml")
    sys.exit(0)

failures = 0
tests = 0


def check(name, good, detail=""):
    global failures, tests
    tests += 1
    if not good:
        failures += 1
        for line in str(detail).splitlines()[:40]:
            print("#", line[:600])
    print("ok" if good else "not ok", tests, "-", name)


def connect(path, extension):
    db = sqlite3.connect(path)
    db.enable_load_extension(True)
    db.load_extension(str(pathlib.Path(extension).with_suffix("")))
    return db


# ---- random configurations ----

WORDS = ["a", "checkout", "yes", "null", "5", "0x10", "~", "", "a: b", "# no comment", "-", "{x}", "[y]", "*z", "&w",
         "über", "日本", "two\nlines", " leading", "trailing ", "it's", 'say "so"', "tab\there", "${1}", "true", "1.5"]


def word(rng):
    return rng.choice(WORDS)


def words(rng):
    return [word(rng) for _ in range(rng.randint(1, 4))]


def key(rng):
    return rng.choice(["http.route", "service.name", "a", "tenant id", "ключ"])


def boolean(rng):
    return rng.random() < 0.5


def some(rng, options, *required):
    """The options that are required, and some of the others."""
    return {name: value for name, value in options.items() if name in required or rng.random() < 0.7}


SIMPLE = {
    "always_sample": lambda rng: None,
    "trace_flags": lambda rng: None,
    "latency": lambda rng: some(rng, {"threshold_ms": rng.randint(0, 10 ** 6), "upper_threshold_ms": rng.randint(0, 10 ** 9)},
                                "threshold_ms"),
    "numeric_attribute": lambda rng: some(rng, {
        "key": key(rng), "min_value": rng.randint(-2 ** 63, 2 ** 63 - 1), "max_value": rng.randint(-10, 10),
        "invert_match": boolean(rng)}, "key"),
    "probabilistic": lambda rng: some(rng, {"sampling_percentage": rng.choice([0, 5, 12.5, 0.001, 100, 250]), "hash_salt": "s"},
                                      "sampling_percentage"),
    "status_code": lambda rng: {"status_codes": rng.sample(["OK", "ERROR", "UNSET"], rng.randint(1, 3))},
    "string_attribute": lambda rng: some(rng, {
        "key": key(rng), "values": words(rng), "enabled_regex_matching": boolean(rng), "cache_max_size": 10,
        "invert_match": boolean(rng)}, "key", "values"),
    "boolean_attribute": lambda rng: some(rng, {"key": key(rng), "value": boolean(rng), "invert_match": boolean(rng)}, "key"),
    "trace_state": lambda rng: {"key": key(rng), "values": words(rng)},
    "rate_limiting": lambda rng: some(rng, {"spans_per_second": rng.randint(0, 10 ** 12), "burst_capacity": rng.randint(1, 99)},
                                      "spans_per_second"),
    "bytes_limiting": lambda rng: some(rng, {"bytes_per_second": rng.randint(1, 10 ** 12), "burst_capacity": rng.randint(1, 99)},
                                       "bytes_per_second"),
    "span_count": lambda rng: some(rng, {"min_spans": rng.randint(0, 99), "max_spans": rng.randint(0, 2 ** 31 - 1)}),
    "ottl_condition": lambda rng: some(rng, {
        "error_mode": rng.choice(["propagate", "ignore", "silent"]), "span": words(rng), "spanevent": words(rng)}, "span"),
}


def make_policy(rng, name, depth):
    kinds = list(SIMPLE) + (["and", "not"] if depth > 0 else []) + (["drop", "composite"] if depth == 2 else [])
    kind = rng.choice(kinds)
    policy = {"name": name, "type": kind}
    if kind in SIMPLE:
        options = SIMPLE[kind](rng)
    elif kind == "not":
        options = {"not_sub_policy": make_policy(rng, name + ".n", depth - 1)}
    else:
        children = [make_policy(rng, f"{name}.{i}", depth - 1) for i in range(rng.randint(1, 4))]
        options = {kind + "_sub_policy": children}
        if kind == "composite":
            order = rng.sample(children, len(children))
            options.update(max_total_spans_per_second=rng.randint(0, 10 ** 6), policy_order=[c["name"] for c in order],
                           rate_allocation=[{"policy": c["name"], "percent": rng.randint(0, 100)}
                                            for c in rng.sample(children, rng.randint(0, len(children)))])
    if options is not None:
        policy[kind] = options
    return policy


def make_config(rng):
    tails = {}
    for number in range(rng.randint(1, 3)):
        tails["tail_sampling" + ("" if number == 0 else f"/{number}")] = {
            "decision_wait": rng.choice(["10s", "1m30s", "250ms", "1h0.5s"]),
            "num_traces": rng.randint(1, 10 ** 6),
            "policies": [make_policy(rng, f"p{i}", 2) for i in range(rng.randint(1, 6))]}
    tails["probabilistic_sampler"] = {"sampling_percentage": rng.choice([1, 10, 0.5]), "hash_seed": rng.randint(0, 2 ** 32 - 1)}
    names = rng.sample(list(tails), len(tails))
    config = {"receivers": {"otlp": None}, "processors": {name: tails[name] for name in names}}
    if rng.random() < 0.7:
        config["service"] = {"pipelines": {"traces": {"processors": ["batch"] + rng.sample(names, rng.randint(0, len(names)))},
                                           "metrics": {"processors": ["batch"]}}}
    return config


# ---- YAML in many hands ----

class Merged(dict):
    """A map that is written with a merge key: `bases` are maps that stand elsewhere."""
    bases = ()


class Dumper(yaml.SafeDumper):
    pass


def represent_merged(dumper, data):
    node = dumper.represent_dict(dict(data))
    bases = [dumper.represent_data(base) for base in data.bases]
    value = bases[0] if len(bases) == 1 else yaml.SequenceNode("tag:yaml.org,2002:seq", bases, flow_style=True)
    node.value.insert(0, (yaml.ScalarNode("tag:yaml.org,2002:merge", "<<"), value))
    return node


Dumper.add_representer(Merged, represent_merged)


def split(rng, value, bases):
    """Some maps become merges of others, some of which they override."""
    if isinstance(value, list):
        return [split(rng, item, bases) for item in value]
    if not isinstance(value, dict):
        return value
    value = {name: split(rng, item, bases) for name, item in value.items()}
    if len(value) < 2 or rng.random() < 0.6:
        return value
    merged = Merged()
    names = list(value)
    moved = set(rng.sample(names, rng.randint(1, len(names))))
    parts = [{}, {}] if rng.random() < 0.4 else [{}]
    for name in names:
        if name in moved:
            parts[rng.randrange(len(parts))][name] = value[name]
        else:
            merged[name] = value[name]
            if rng.random() < 0.3:
                parts[-1][name] = "overridden"
    merged.bases = [part for part in parts if part]
    bases.extend(merged.bases)
    return merged if merged.bases else value


def render(rng, config):
    bases = []
    if rng.random() < 0.7:
        # Not the map of processors: PyYAML puts merged members first, and their order shows.
        processors = {name: split(rng, value, bases) for name, value in config["processors"].items()}
        config = {**config, "processors": processors}
    if bases:
        config = {"x-shared": bases, **config}
    return yaml.dump(config, Dumper=Dumper, sort_keys=False, allow_unicode=boolean(rng), width=rng.choice([20, 80, 1000]),
                     default_flow_style=rng.choice([None, False, True]), default_style=None, indent=rng.choice([2, 4]),
                     explicit_start=boolean(rng), line_break=rng.choice(["\n", "\r\n"]))


# ---- comparing ----

COLUMNS = "ordinal, parent_ordinal, name, type, role, service, operation, probability, rate, threshold, options, unused"


def rows_of(db, text):
    return db.execute(f"SELECT {COLUMNS} FROM sampling_policies(?)", (text,)).fetchall()


def expected_policies(config):
    """(name, type, options as written) of all policies, depth first, in the order of the roots."""
    pipelines = config.get("service", {}).get("pipelines", {})
    order = [name for name in pipelines.get("traces", {}).get("processors", []) if name in config["processors"]]
    order += [name for name in config["processors"] if name not in order]

    def walk(policy):
        options = policy.get(policy["type"]) or {}
        yield policy["name"], policy["type"], options
        for name in ("and_sub_policy", "drop_sub_policy", "composite_sub_policy"):
            for child in options.get(name, []):
                yield from walk(child)
        if "not_sub_policy" in options:
            yield from walk(options["not_sub_policy"])

    for name in order:
        yield name, name.split("/")[0], {}
        for policy in config["processors"][name].get("policies", []):
            yield from walk(policy)


LEFT_OUT = {"cache_max_size", "and_sub_policy", "drop_sub_policy", "composite_sub_policy", "not_sub_policy", "rate_allocation"}


def check_options(config, rows):
    """What differs between what was written and what is shown; None: nothing."""
    expected = list(expected_policies(config))
    if [(name, kind) for name, kind, _ in expected] != [(row[2], row[3]) for row in rows]:
        return f"expected {[e[:2] for e in expected]}\nfound    {[(r[2], r[3]) for r in rows]}"
    for (name, kind, options), row in zip(expected, rows):
        shown = json.loads(row[10])
        for option, value in options.items():
            if option in LEFT_OUT:
                continue
            found = shown.get(option)
            if option == "status_codes":
                value, found = sorted(value), sorted(found)
            if found != value or (isinstance(value, int) and not isinstance(found, bool) and int(found) != value):
                return f"{name}: {option}: expected {value!r}, found {found!r}"
    return None


def check_random(db):
    different = wrong = merged = aliased = 0
    detail = ""
    for seed in range(300):
        rng = random.Random(seed)
        config = make_config(rng)
        text = render(rng, config)
        merged += "<<:" in text
        aliased += "*id" in text
        read = yaml.safe_load(text)
        ours, theirs = rows_of(db, text), rows_of(db, json.dumps(read))
        if ours != theirs or not ours:
            different += 1
            detail = detail or f"seed {seed}\n{text}\n" + "\n".join(f"{a}\n{b}" for a, b in zip(ours, theirs) if a != b)
        problem = check_options(read, ours)
        if problem:
            wrong += 1
            detail = detail or f"seed {seed}: {problem}\n{text}"
    check("YAML is read as PyYAML reads it, on 300 configurations", different == 0, detail)
    check("every option is shown as it was written", wrong == 0, detail)
    check("aliases and merge keys were among them", merged > 50 and aliased > 50, f"{merged} {aliased}")


# ---- samples, and the tables ----

def check_samples(db, samples):
    for path in sorted(samples.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        ours, theirs = rows_of(db, text), rows_of(db, json.dumps(yaml.safe_load(text)))
        check(f"{path.name} is read as its JSON is", ours and ours == theirs,
              "\n".join(f"{a}\n{b}" for a, b in zip(ours, theirs) if a != b))


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, check=False)


def check_examples(db, page):
    """The examples of docs/sampling.md, section Configurations."""
    section = page.read_text(encoding="utf-8").split("\n## Configurations\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sql\n(.*?)^```", section, re.M | re.S)
    empty = [block for block in blocks if not db.execute(block).fetchall() and "-- may be empty" not in block]
    check("the examples of the page run", len(blocks) >= 2 and not empty, empty)
    for table in ("sampling_configs", "sampling_policies"):
        part = section.split(f"\n### {table}\n")[1].split("\n### ")[0]
        said = [name for row in re.findall(r"^\| ([a-z_, ]*) \|", part, re.M) for name in row.split(", ") if name != "column"]
        found = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        check(f"columns of {table} are those of the page", sorted(said) == sorted(found), (said, found))


def check_store(tracekeep, extension, samples, folder):
    store = folder / "traces.db"
    files = sorted(samples.iterdir())
    done = run(tracekeep, "ingest", store, *files)
    check("ingest takes configurations", done.returncode == 0, done.stderr)
    db = connect(store, extension)
    names = [row[0] for row in db.execute("SELECT name FROM sampling_configs WHERE error IS NULL ORDER BY id")]
    check("sampling_configs has a row for each", names == [str(path) for path in files], names)
    counts = db.execute("SELECT c.policy_count, count(*) FROM sampling_configs c"
                        " JOIN sampling_policies p ON p.config_id = c.id GROUP BY c.id").fetchall()
    check("policies join by the id of their configuration", len(counts) == len(files) and all(a == b for a, b in counts), counts)
    path = str(samples / "collector.yaml")
    number = db.execute("SELECT id FROM sampling_configs WHERE name = ?", (path,)).fetchone()[0]
    by = [db.execute(f"SELECT {COLUMNS} FROM sampling_policies(?)", (argument,)).fetchall()
          for argument in (path, "sampling/collector.yaml", number, (samples / "collector.yaml").read_text(encoding="utf-8"))]
    by.append(db.execute(f"SELECT {COLUMNS} FROM sampling_policies WHERE config_id = ?", (number,)).fetchall())
    check("by path, by its end, by id, by text and by config_id are the same", by[0] and all(rows == by[0] for rows in by))
    lines = db.execute("SELECT line FROM sampling_policies(?) WHERE name = 'shares'", (number,)).fetchall()
    text = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    check("a policy's line is where it stands", len(lines) == 1 and "name: shares" in text[lines[0][0] - 1], lines)
    unused = db.execute("SELECT unused FROM sampling_configs WHERE id = ?", (number,)).fetchone()
    check("unused processors are counted", unused == (2,), unused)
    other = connect(":memory:", extension)
    other.execute("ATTACH ? AS kept", (str(store),))
    check("an attached store has them too",
          other.execute("SELECT count(*) FROM kept.sampling_configs").fetchone()[0] == len(files))
    joined = db.execute("SELECT count(*) FROM sampling_policies p WHERE p.service = 'checkout' AND p.operation IS NOT NULL"
                        " AND p.probability IS NOT NULL").fetchone()
    check("policies have services and operations", joined == (4,), joined)
    other.close()
    check_examples(db, samples.parents[1] / "docs/sampling.md")
    db.close()
    return store, len(files)


def check_recognition(tracekeep, samples, folder):
    """A collector's file is recognised although its processors come late, and one without samplers is not."""
    text = (samples / "collector.yaml").read_text(encoding="utf-8")
    late = folder / "late.yaml"
    receivers = "".join(f"      - /var/log/pods/{number}/*.log\n" for number in range(1000))
    late.write_text(text.replace("\nprocessors:\n", "\n  filelog:\n    include:\n" + receivers + "\nprocessors:\n", 1),
                    encoding="utf-8")
    done = run(tracekeep, "inspect", late)
    check("processors may come late in the file", "tail_sampling (7 policies)" in done.stdout, done.stdout)
    other = folder / "other.yaml"
    other.write_text("receivers:\n  otlp:\n" + "# more\n" * 2000 + "processors:\n  batch:\n", encoding="utf-8")
    done = run(tracekeep, "inspect", other)
    check("a collector without samplers is no sampling configuration",
          done.returncode == 1 and "sampling-config" not in done.stdout, done.stdout)


def refusal(db, query, *arguments):
    try:
        db.execute(query, arguments).fetchall()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "no error"


def check_refusals(tracekeep, extension, store, count, folder):
    bad = folder / "bad.yaml"
    bad.write_text("tail_sampling:\n  policies:\n    - name: slow\n      type: latency\n      latency: {threshold_ms: fast}\n",
                   encoding="utf-8")
    done = run(tracekeep, "ingest", store, bad)
    wanted = ("bad.yaml:5: error: column 31: tail_sampling policy 'slow': expected threshold_ms to be a number of"
              " milliseconds, found 'fast'; not stored [sampling.config]")
    check("a refused configuration is a finding, with its place", done.returncode == 1 and wanted in done.stderr, done.stderr)
    done = run(tracekeep, "inspect", bad)
    check("inspect says the same", done.returncode == 1 and "line 5: column 31" in done.stdout, done.stdout)
    db = connect(store, extension)
    check("nothing of it is stored", db.execute("SELECT count(*) FROM sampling_configs").fetchone() == (count,))
    found = refusal(db, "SELECT * FROM sampling_policies(?)", bad.read_text(encoding="utf-8"))
    check("as an argument it is an error", found == "line 5, column 31: tail_sampling policy 'slow': expected threshold_ms"
          " to be a number of milliseconds, found 'fast'", found)
    found = refusal(db, "SELECT * FROM sampling_policies(?)", "nowhere.yaml")
    check("a path that is not stored is an error", "'nowhere.yaml'" in found, found)
    found = refusal(db, "SELECT * FROM sampling_policies(?)", "ector.yaml")
    check("an end of a name is no path", "'ector.yaml'" in found, found)
    found = refusal(db, "SELECT * FROM sampling_configs(?)", 12345)
    check("an id that is not stored is an error", found == "there is no sampling configuration 12345 in the store", found)
    check("NULL is no configuration, and no error",
          db.execute("SELECT count(*) FROM sampling_policies(NULL)").fetchone() == (0,))
    db.close()


def check_damage(tracekeep, extension, folder):
    store = folder / "old.db"
    strategies = folder / "strategies.json"
    strategies.write_text('{"default_strategy": {"type": "probabilistic", "param": 0.5}}', encoding="utf-8")
    run(tracekeep, "ingest", store, strategies)
    db = connect(store, extension)
    part = db.execute("SELECT count(*) FROM sampling_configs WHERE error IS NULL").fetchone()
    db.execute("UPDATE tk_document SET kind = 'envelope'")
    gone = db.execute("SELECT count(*) FROM sampling_configs").fetchone()
    db.rollback()
    check("only documents of that kind are configurations", part == (1,) and gone == (0,), (part, gone))
    db.execute("UPDATE tk_document_part SET hash = hash + 1")
    found = refusal(db, "SELECT * FROM sampling_configs")
    check("damage is an error", "checksum" in found, found)
    db.close()


def main():
    tracekeep, extension, root = sys.argv[1:]
    samples = pathlib.Path(root) / "samples/sampling"
    db = connect(":memory:", extension)
    db.execute("CREATE VIRTUAL TABLE temp.sampling_policies USING tracekeep_sampling_policies")
    check_random(db)
    check_samples(db, samples)
    db.close()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        store, count = check_store(tracekeep, extension, samples, folder)
        check_refusals(tracekeep, extension, store, count, folder)
        check_recognition(tracekeep, samples, folder)
        check_damage(tracekeep, extension, folder)
    print(f"1..{tests}")
    sys.exit(failures > 0)


main()
