#!/usr/bin/env bash
# The gate that only reads: formatting, lints, docs, what each crate must not know, shell scripts. Tests are apart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check
cargo clippy --workspace --all-targets --quiet -- -D warnings
# What a user builds, without what only tests switch on.
cargo clippy --package gristmill --quiet -- -D warnings
# On x86-64 nothing else looks at the code for NEON.
neon=aarch64-unknown-linux-gnu
if [[ -d "$(rustc --print sysroot)/lib/rustlib/$neon" ]]; then
    cargo check --package gristmill-sdk --target "$neon" --quiet
else
    echo "check: the code for NEON was not compiled; \`rustup target add $neon\` lets it be" >&2
fi
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
scripts/absences.sh
if command -v shellcheck >/dev/null; then
    shellcheck scripts/*.sh .ci/run
else
    echo "check: shellcheck is not installed; shell scripts were not checked" >&2
fi
echo "check: all clean"
