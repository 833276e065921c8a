#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything that can fail, from a fresh clone on Debian 12: a debug build and all its tests, then
# the same tests with the address and undefined-behaviour sanitizers. Ends with one line:
# `N passed, N failed` (and `, N skipped`), and fails unless nothing failed.
set -u
cd "$(dirname "$0")/.." || exit 1
export PATH=/usr/bin:/bin:$PATH # Debian's tools, whatever else is installed
tests/packages.sh build try test || { echo 'cannot install what the tests need'; exit 1; }

passed=0 failed=0 skipped=0

# Builds in $1 with the further options, runs all tests, and adds their counts.
run_suites() {
  local folder=$1 log=$1/run.log
  shift
  [ -f "$folder/build.ninja" ] || meson setup "$folder" "$@" >/dev/null || { failed=$((failed + 1)); return; }
  if ! ninja -C "$folder" >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "$folder: the build failed"
    failed=$((failed + 1))
    return
  fi
  meson test -C "$folder" --no-rebuild --print-errorlogs 2>&1 | tee "$log"
  count 'Ok:' && passed=$((passed + counted))
  count 'Expected Fail:' && passed=$((passed + counted))
  count 'Skipped:' && skipped=$((skipped + counted))
  for kind in 'Fail:' 'Unexpected Pass:' 'Timeout:'; do
    count "$kind" && failed=$((failed + counted))
  done
  # No summary at all: meson itself failed.
  grep -q '^Ok:' "$log" || failed=$((failed + 1))
}

# The number after "$1" in meson's summary, in $counted.
count() {
  counted=$(sed -n "s/^$1 *\([0-9][0-9]*\) *$/\1/p" "$log" | tail -n 1)
  [ -n "$counted" ]
}

echo '== debug build'
run_suites build-tests --buildtype=debug
echo '== sanitizers'
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
run_suites build-sanitize --buildtype=debug -Db_sanitize=address,undefined -Db_lundef=false

summary="$passed passed, $failed failed"
[ "$skipped" = 0 ] || summary="$summary, $skipped skipped"
echo "$summary"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
