#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything that can fail, from a fresh clone on Debian 12: a debug build and all its tests, then
# the same tests with the address and undefined-behaviour sanitizers. Ends with one line:
# `N passed, N failed` (and `, N skipped`), and fails unless nothing failed.
set -u
cd "$(dirname "$0")/.." || exit 1
export PATH=/usr/bin:/bin:$PATH # Debian's tools, whatever else is installed
# Real dumps to test with, where they are beside the clone; what needs them is skipped elsewhere.
if [ -z "${TK_SHARED_DATA:-}" ] && [ -d ../shared/data ]; then
  TK_SHARED_DATA=$(cd ../shared/data && pwd)
  export TK_SHARED_DATA
fi
tests/packages.sh build try test || { echo 'cannot install what the tests need'; exit 1; }

passed=0 failed=0 skipped=0

# Builds in $1 with the further options, runs all tests, and adds their counts.
run_suites() {
  local folder=$1 counts
  shift
  if [ ! -f "$folder/build.ninja" ]; then
    mkdir -p "$folder"
    if ! meson setup "$folder" "$@" >"$folder/setup.log" 2>&1; then
      tail -n 20 "$folder/setup.log"
      fail "$folder: meson setup failed"
      return
    fi
  fi
  if ! ninja -C "$folder" >"$folder/build.log" 2>&1; then
    grep -A 20 '^FAILED' "$folder/build.log"
    fail "$folder: the build failed"
    return
  fi
  rm -f "$folder/meson-logs/testlog.json"
  meson test -C "$folder" --no-rebuild --print-errorlogs --timeout-multiplier 3
  if counts=$(/usr/bin/python3 tests/count_results.py "$folder/meson-logs/testlog.json"); then
    read -r -a counts <<<"$counts"
    passed=$((passed + counts[0])) failed=$((failed + counts[1])) skipped=$((skipped + counts[2]))
  else
    fail "$folder: the tests did not run"
  fi
}

fail() {
  echo "$1"
  failed=$((failed + 1))
}

echo '== debug build'
run_suites build-tests --buildtype=debug
echo '== sanitizers'
export TK_KILLS=${TK_KILLS:-10} # of kill_ingest.py: a sanitized run of it is slow
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
run_suites build-sanitize --buildtype=debug -Db_sanitize=address,undefined -Db_lundef=false

summary="$passed passed, $failed failed"
[ "$skipped" = 0 ] || summary="$summary, $skipped skipped"
echo "$summary"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
