#!/usr/bin/env bash
# Builds everything in release, generates data, runs Gristmill beside hand-written programs and beside what can be had of other systems, in turn,
# compares all results, and writes docs/benchmarks.md with its tables and pictures.
#
#   scripts/bench.sh [--size 1GiB] [--rounds N] [--only CASE,…] [--no-rivals] [--data DIR] [--keep]
#
#   --size SIZE     bytes of an input of full size (default 1GiB)
#   --rounds N      how often each program runs (default 5); slow ones run less often, see --patience
#   --patience N    seconds after which a program is not run again (default 30)
#   --only CASE,…   of wordcount, index, sort, grep, small, tiny, memory, big (default: all but the last two);
#                   results of the other cases stay on the page as they were
#   --no-rivals     leave out GNU coreutils, ripgrep, Renoir, Polars, DuckDB and Spark; else what is missing of them is
#                   installed into ~/.cache/gristmill-bench, and skipped with one line where that fails
#   --data DIR      where data is generated and results are written (default target/bench): on the disk to be measured;
#                   four times the size is needed, and forty times with `big`
#   --keep          keep the generated data for the next time
#
# Exit status: 0 all measured, all results equal; 1 a program of ours failed or its results differ; 2 wrong usage.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
fi
cargo build --release --quiet --workspace
exec "${CARGO_TARGET_DIR:-target}/release/bench" "$@"
