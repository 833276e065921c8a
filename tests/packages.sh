#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing, of those named by group: build, try, test.
# The one list of what tracekeep needs. samples/quickstart.sh, tests/run.sh and .ci/run call it.
set -eu

build='gcc libc6-dev meson ninja-build pkg-config libsqlite3-dev libzstd-dev libcjson-dev zlib1g-dev libcurl4-openssl-dev libssl-dev libyaml-dev'
try='sqlite3'
test='python3 python3-yaml zstd protobuf-compiler python3-pandas python3-matplotlib python3-ipykernel jupyter-nbconvert'

wanted=''
for group in "$@"; do
  case $group in
    build) wanted="$wanted $build" ;;
    try) wanted="$wanted $try" ;;
    test) wanted="$wanted $test" ;;
    *) echo "packages.sh: no group $group" >&2 && exit 2 ;;
  esac
done

missing=''
for package in $wanted; do
  state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$state" = 'install ok installed' ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
as_root=''
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
