#!/usr/bin/env bash
# Proves what ARCHITECTURE.md says each crate does not know, from its dependency tree.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
knows_no() { # CRATE DEPENDENCY…
    local crate=$1 tree name
    shift
    tree=$(cargo tree --quiet -p "$crate" --edges normal --prefix none --format '{p}' | awk '{print $1}' | sort -u)
    for name in "$@"; do
        if grep -qx -- "$name" <<<"$tree"; then
            echo "absences: $crate must not depend on $name (cargo tree -p $crate -i $name)" >&2
            failed=1
        fi
    done
}

async_and_wire=(tokio tarpc futures tokio-util tokio-serde postcard)
sides=(gristmill-coordinator gristmill-worker gristmill-protocol)
consensus=(openraft raft-log gristmill-replication)
knows_no gristmill-sdk "${async_and_wire[@]}" "${sides[@]}" gristmill-model serde libloading
knows_no gristmill-model "${async_and_wire[@]}" "${sides[@]}" rustix tempfile rand
knows_no gristmill-scheduler "${async_and_wire[@]}" "${sides[@]}" "${consensus[@]}" rustix tempfile getrandom gristmill-storage gristmill-sdk
knows_no gristmill-replication tarpc "${sides[@]}" gristmill-scheduler gristmill-model gristmill-storage gristmill-sdk
knows_no gristmill-protocol "${consensus[@]}" gristmill-scheduler gristmill-storage
knows_no gristmill-dataplane "${async_and_wire[@]}" "${sides[@]}" gristmill-scheduler
knows_no gristmill-storage "${async_and_wire[@]}" "${sides[@]}" gristmill-scheduler gristmill-sdk
knows_no gristmill-coordinator gristmill-worker gristmill-dataplane gristmill-sdk libloading
knows_no gristmill-worker "${consensus[@]}" gristmill-coordinator gristmill-scheduler
knows_no gristmill-linearizable "${async_and_wire[@]}" "${sides[@]}" gristmill-model gristmill-scheduler serde rand rustix
if [[ $(cargo tree --quiet -p gristmill-sdk --edges normal --prefix none | wc -l) -ne 1 ]]; then
    echo "absences: gristmill-sdk must have no dependency at all" >&2
    failed=1
fi
exit "$failed"
