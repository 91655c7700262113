#!/usr/bin/env bash
# Sort of lines with GNU sort, on two threads: LINES OUTPUT_DIRECTORY.
set -euo pipefail
mkdir -p "$2"
LC_ALL=C sort --parallel=2 -S 4G -o "$2/lines" "$1"
