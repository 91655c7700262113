#!/usr/bin/env bash
# Checks the key/value store and submissions for linearizability on real processes, for as long as many faults take:
# the tests of tests/tests/linearizability.rs, one after the other, with 40 faults each and 100,000 operations or more.
#
#   scripts/linearizability.sh [FAULTS]
#
# Exit status: 0 all histories linearizable, and enough of them; 1 otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export GRISTMILL_FAULTS=${1:-40}
wanted=100000
told=$(mktemp)
trap 'rm -f "$told"' EXIT
cargo test -p gristmill-tests --test linearizability -- --nocapture --test-threads 1 2>&1 | tee "$told"
checked=$(awk '/ operations on / { for (i = 2; i <= NF; i++) if ($i == "operations") sum += $(i - 1) } END { print sum + 0 }' "$told")
echo "operations $checked"
if ((checked < wanted)); then
    echo "linearizability: only $checked operations were checked, not $wanted; give more faults" >&2
    exit 1
fi
