#!/usr/bin/env bash
# Breaks the control plane on purpose, one mutant at a time, and tells by how many seeds of the simulation each is found. Fails if one is not.
#
#   scripts/mutants.sh [NAME…]        all of coordinator/scheduler/tests/mutants, or those named
#
# Each is tried with 100 and 1,000 seeds, then by the tests of single rules and by scripts, and then with 10,000 seeds, until something fails. The work tree is
# not touched: patches are applied to a copy under target/mutants, or under $MUTANTS_DIR, of which each of several at once needs its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

crates=(coordinator/scheduler protocol/model storage tests/linearizable)
patches=coordinator/scheduler/tests/mutants
work=$(realpath -m "${MUTANTS_DIR:-target/mutants}")
tree=$work/tree
log=$work/log
export CARGO_TARGET_DIR=$work/target RUST_BACKTRACE=0
# Most time goes into building, so the least is optimised.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=0

copy_crates() {
    local crate members=""
    rm -rf "$tree"
    for crate in "${crates[@]}"; do
        mkdir -p "$tree/$crate"
        cp -R "$crate/." "$tree/$crate"
        members+="\"$crate\", "
    done
    cp Cargo.lock "$tree"
    sed -e '/^default-members/d' -e "/^members = \[/,/^\]/c members = [$members]" \
        -e '/^\[profile.dev.package."\*"\]/a opt-level = 1' Cargo.toml >"$tree/Cargo.toml"
}

in_tree() { (cd "$tree" && timeout 1200 "$@") >"$log" 2>&1; }

scheduler_tests() { in_tree cargo test --quiet -p gristmill-scheduler --test scheduler -- "$@"; }

# Lives so many seeds of the mutant that the tree holds, and says how many fail; fails itself if none does.
seeds_find() {
    local seeds=$1 told status=0
    GRISTMILL_SEEDS=$seeds GRISTMILL_COUNT=1 scheduler_tests every_rule_holds_whatever_fails || status=$?
    told=$(sed -n 's/^GRISTMILL_SEED=\([0-9]*\) fails, as the first of \([0-9]*\) of .*/\2 of '"$seeds"' seeds, first \1/p' "$log")
    if [[ -z $told && $status -ne 0 && $seeds -eq 100 ]]; then
        told="its lives do not end"
    fi
    [[ -n $told ]] && echo "$told"
}

rules_find() {
    local tests
    scheduler_tests rules:: scripted:: && return 1
    mapfile -t tests < <(sed -n 's/^---- \(.*\) stdout ----$/\1/p' "$log")
    echo "no seed of 1000; ${#tests[@]} tests, first ${tests[0]}"
}

hunt() {
    if ! in_tree cargo test --quiet -p gristmill-scheduler --test scheduler --no-run; then
        cat "$log" >&2
        echo "mutants: it does not compile" >&2
        exit 2
    fi
    seeds_find 100 || seeds_find 1000 || rules_find || seeds_find 10000
}

copy_crates
missed=()
echo "| mutant | what is broken | found by |"
echo "|---|---|---|"
if [[ $# -eq 0 ]]; then
    mapfile -t names < <(basename -s .patch "$patches"/*.patch)
else
    names=("$@")
fi
for name in "${names[@]}"; do
    patch --quiet -p1 -d "$tree" <"$patches/$name.patch"
    if ! found=$(hunt); then
        found="**nothing**"
        missed+=("$name")
    fi
    patch --quiet --reverse -p1 -d "$tree" <"$patches/$name.patch"
    echo "| \`$name\` | $(head -n 1 "$patches/$name.patch") | $found |"
done
if [[ ${#missed[@]} -gt 0 ]]; then
    echo "mutants: nothing finds ${missed[*]}" >&2
    exit 1
fi
