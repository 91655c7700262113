#!/usr/bin/env bash
# Word count with GNU coreutils, on two threads: TEXT OUTPUT_DIRECTORY.
set -euo pipefail
export LC_ALL=C
mkdir -p "$2"
tr -cs 'A-Za-z' '\n' <"$1" | sort --parallel=2 -S 4G | uniq -c >"$2/counts"
