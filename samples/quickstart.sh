#!/bin/sh
# SPDX-License-Identifier: MIT
# From a fresh clone on Debian 12 to answers: installs what is missing, builds, ingests the sample
# dumps, and asks them with the stock sqlite3. Run it from anywhere; it writes to build/ only.
set -eu
export PATH="/usr/bin:/bin:$PATH" # Debian's tools, whatever else is installed
cd "$(dirname "$0")/.."

echo '== packages'
tests/packages.sh build try

echo '== build'
[ -f build/build.ninja ] || meson setup build >build-setup.log 2>&1 || { cat build-setup.log; exit 1; }
rm -f build-setup.log
ninja -C build cli/tracekeep sqlext/tracekeep.so | tail -n 1

store=build/quickstart.db
rm -f "$store" "$store-wal" "$store-shm"

echo '== ingest'
build/cli/tracekeep ingest "$store" samples/dumps/*.jsonl samples/run/report-envelope.json

ask() {
  echo
  echo "-- $1"
  sqlite3 "$store" -cmd '.load build/sqlext/tracekeep' -cmd '.mode column' "$2"
}

ask 'Which services are there, and how slow are they?' "
  SELECT service, count(*) AS spans, sum(status = 'error') AS errors,
         format_duration(quantile(duration_ns, 0.5)) AS p50,
         format_duration(quantile(duration_ns, 0.99)) AS p99
  FROM spans GROUP BY service ORDER BY spans DESC;"

ask 'The slowest requests' "
  SELECT trace_id, service, name, format_duration(duration_ns) AS duration, status
  FROM spans WHERE is_root AND kind = 'server' ORDER BY duration_ns DESC LIMIT 5;"

ask 'What fails, and why?' "
  SELECT service, name, status_message, count(*) AS spans
  FROM spans WHERE status = 'error' GROUP BY service, name, status_message ORDER BY spans DESC LIMIT 5;"

slowest=$(sqlite3 "$store" -cmd '.load build/sqlext/tracekeep' \
  "SELECT trace_id FROM spans WHERE is_root AND kind = 'server' ORDER BY duration_ns DESC LIMIT 1")
echo
echo '-- The slowest trace'
build/cli/tracekeep trace "$store" "$slowest" --width 100 --limit 25

ask 'What did the nightly verification find, and in which trace?' "
  SELECT i.type, i.key, i.message, r.branch_name AS branch, r.commit_sha, i.trace_id
  FROM validation_issues i JOIN runs r USING (run_id) WHERE i.source = 'kvonce';"

ask 'How many requests were there before sampling?' "
  SELECT name, count(*) AS stored, weighted_count(adjusted_count) AS requests,
         round(weighted_count_low(adjusted_count, trace_id)) AS low,
         round(weighted_count_high(adjusted_count, trace_id)) AS high
  FROM spans WHERE service = 'storefront' AND kind = 'server' GROUP BY name ORDER BY requests DESC LIMIT 5;"

echo
echo '-- What would another sampling configuration have kept?'
build/cli/tracekeep sampling what-if "$store" --config samples/sampling/collector.yaml --format table --examples 3

echo
echo "The store is $store. Ask on: sqlite3 $store -cmd '.load build/sqlext/tracekeep'"
