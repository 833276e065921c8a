#!/bin/sh
# SPDX-License-Identifier: MIT
# Records samples/dumps/ anew: installs the web shop's packages, runs it for about a minute and a
# half on loopback, and keeps what its exporters sent. Needs Node.js 20 with npm, and zstd.
#
#   samples/record.sh [folder]      default: the dumps folder beside this script
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=${1:-$here/dumps}

mkdir -p "$folder"
(cd "$here/recorder" && npm ci --ignore-scripts --no-audit --no-fund --silent)
timeout $((${SHOP_SECONDS:-90} + 60)) node "$here/recorder/record.js" "$folder"
for file in webshop.otlp.be4.pb webshop.zipkin.json; do
  zstd -q -19 --rm -f "$folder/$file"
done
ls -l "$folder"
