#!/usr/bin/env bash
# Mends what a machine can mend: formatting, and lints that clippy knows how to fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
cargo fmt --all
