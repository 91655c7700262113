#!/usr/bin/env bash
# Runs the word count, the crash app and a sort on real workers while it kills, stops and restarts them at random, and
# compares every output byte by byte with the sequential one. Prints what it did and a verdict; leaves nothing behind.
#
#   scripts/crash-test.sh [--seconds N | --jobs N] [--kill-ms N] [--workers N] [--slots N] [--coordinators N] [--seed N]
#                         [--bin DIR]
#
#   --seconds N   start new jobs for this long (default 30)
#   --jobs N      so many jobs instead, however long they take
#   --kill-ms N   milliseconds between two faults (default 700; at most 1000)
#   --workers N   worker processes (default 3)
#   --slots N     slots of each worker (default 2)
#   --coordinators N
#                 a group of so many (3 to 9) instead of one that is left alone: in every job the leader is killed at
#                 least five times, once of these while it commits the output, and once all of them are killed at once
#   --seed N      seed of all random choices (default: drawn, and printed)
#   --bin DIR     where gristmill and the app libraries are (default: built here, target/release)
#
# Exit status: 0 all outputs right; 1 a wrong output, a failed job or something left behind; 2 wrong usage.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=30 jobs_max="" kill_ms=700 workers=3 slots=2 coordinators="" seed=$((RANDOM * 32768 + RANDOM)) bin=""
usage() { sed -n '2,21s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
number() { [[ $2 =~ ^[0-9]{1,6}$ && $2 -ge 1 ]] || { echo "crash-test: $1 takes a number from 1 to 999999, not '$2'" >&2; exit 2; }; }
while [[ $# -gt 0 ]]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --seconds | --jobs | --kill-ms | --workers | --slots | --coordinators | --seed | --bin)
            [[ $# -ge 2 ]] || { echo "crash-test: $1 needs a value" >&2; exit 2; } ;;&
        --seconds) number "$1" "$2"; seconds=$2 ;;
        --jobs) number "$1" "$2"; jobs_max=$2 ;;
        --kill-ms) number "$1" "$2"; kill_ms=$2; ((kill_ms <= 1000)) || { echo "crash-test: --kill-ms is at most 1000" >&2; exit 2; } ;;
        --workers) number "$1" "$2"; workers=$2 ;;
        --slots) number "$1" "$2"; slots=$2 ;;
        --coordinators) number "$1" "$2"; coordinators=$2; ((coordinators >= 3 && coordinators <= 9)) || { echo "crash-test: --coordinators is from 3 to 9" >&2; exit 2; } ;;
        --seed) [[ $2 =~ ^[0-9]+$ ]] || { echo "crash-test: --seed takes a number, not '$2'" >&2; exit 2; }; seed=$2 ;;
        --bin) bin=$2 ;;
        *) echo "crash-test: unknown option '$1'; see --help" >&2; exit 2 ;;
    esac
    shift 2
done
RANDOM=$((seed % 32768))

if [[ -z $bin ]]; then
    cargo build --release --quiet -p gristmill -p wc -p crash -p nocrash -p sort
    bin=${CARGO_TARGET_DIR:-target}/release
fi
bin=$(cd "$bin" && pwd)
gristmill=$bin/gristmill

if [[ -n $coordinators ]]; then
    # A commit takes milliseconds, and what became of every attempt is told in JSON: that part is a program of the tests.
    options=(--coordinators "$coordinators" --kill-ms "$kill_ms" --workers "$workers" --slots "$slots" --seed "$seed")
    if [[ -n $jobs_max ]]; then options+=(--jobs "$jobs_max"); else options+=(--seconds "$seconds"); fi
    export GRISTMILL_BIN=$bin
    exec cargo run --quiet -p gristmill-tests --bin crash-group -- "${options[@]}"
fi

root=$(mktemp -d "${TMPDIR:-/tmp}/gristmill-crash-test.XXXXXX")
export TMPDIR=$root/tmp
mkdir "$TMPDIR"
coordinator="" client="" verdict=1
worker_pid=() stopped_until=()
worker_kills=0 slot_kills=0 stops=0 restarts=0 jobs=0

# Ends only what this script started: each by its own process id.
end_process() { # PID
    [[ -n $1 ]] || return 0
    kill -CONT "$1" 2>/dev/null || true
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
    is_gone "$1" 200 || true
}
is_gone() { # PID TRIES: waits a twentieth of a second each; for processes that `wait` does not know
    local tries
    for ((tries = 0; tries < $2; tries++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}
clean_up() {
    local pid
    for pid in "${worker_pid[@]:-}" "$client" "$coordinator"; do end_process "$pid"; done
    rm -rf "$root"
    [[ $verdict -eq 0 ]] || echo "verdict FAILED (seed $seed)"
}
trap clean_up EXIT
trap 'exit 1' INT TERM
fail() { echo "crash-test: $1" >&2; exit 1; }

slots_of() { # PID: the process ids of its children
    cat "/proc/$1/task/"*/children 2>/dev/null || true
}
now_ms() { date +%s%3N; }

start_worker() { # INDEX
    "$gristmill" worker --coordinator "$address" --slots "$slots" --work-dir "$root/work-$1" \
        >>"$root/worker-$1.log" 2>&1 &
    worker_pid[$1]=$!
    disown # so that the shell does not print a line for each worker that is killed
    stopped_until[$1]=0
}

# One fault: kill a worker or one of its slots; now and then also stop another worker, to come back late as a zombie.
strike() {
    local index=$((RANDOM % workers)) choice=$((RANDOM % 10)) victim=$RANDOM pid children
    pid=${worker_pid[index]}
    read -r -a children <<<"$(slots_of "$pid" | tr '\n' ' ')"
    if ((choice < 6 || ${#children[@]} == 0)); then
        kill -KILL "$pid" 2>/dev/null && worker_kills=$((worker_kills + 1))
    else
        kill -KILL "${children[victim % ${#children[@]}]}" 2>/dev/null && slot_kills=$((slot_kills + 1))
    fi
    index=$((RANDOM % workers))
    if ((RANDOM % 4 == 0 && stopped_until[index] == 0)); then
        kill -STOP "${worker_pid[index]}" 2>/dev/null && stops=$((stops + 1))
        stopped_until[index]=$(($(now_ms) + 500 + RANDOM % 5000))
    fi
    return 0
}

# Continues workers that were stopped long enough, and starts those that died anew.
mend() {
    local index now
    now=$(now_ms)
    for ((index = 0; index < workers; index++)); do
        if ((stopped_until[index] != 0 && now >= stopped_until[index])); then
            kill -CONT "${worker_pid[index]}" 2>/dev/null || true
            stopped_until[index]=0
        fi
        if ! kill -0 "${worker_pid[index]}" 2>/dev/null; then
            start_worker "$index"
            restarts=$((restarts + 1))
        fi
    done
}

# Submits a job, strikes until it is over, and compares its output with the expected one.
job_under_fire() { # NAME EXPECTED ARGUMENT…
    local name=$1 expected=$2 output=$root/out-$jobs started took kills kills_before status=0
    shift 2
    started=$(now_ms)
    kills_before=$((worker_kills + slot_kills))
    "$gristmill" submit --coordinator "$address" --wait --quiet -o "$output" --max-attempts 100000 "$@" \
        >"$root/client.log" 2>&1 &
    client=$!
    while kill -0 "$client" 2>/dev/null; do
        strike
        sleep "$(printf '%d.%03d' $((kill_ms / 1000)) $((kill_ms % 1000)))"
        mend
        (($(now_ms) - started < 600000)) || fail "job $name took more than 600 s; seed $seed"
    done
    wait "$client" || status=$?
    client=""
    [[ $status -eq 0 ]] || { cat "$root/client.log" >&2; fail "job $name ended with status $status"; }
    compare "$expected" "$output" || fail "job $name: output differs from the sequential one"
    jobs=$((jobs + 1))
    took=$(($(now_ms) - started))
    kills=$((worker_kills + slot_kills - kills_before))
    ((kills >= took / 1000)) || fail "job $name: only $kills kills in $took ms; this machine is too slow for --kill-ms $kill_ms"
    echo "job $name right after $took ms and $kills kills"
    rm -rf "$output"
}

compare() { # EXPECTED OUTPUT: the same files with the same bytes, and nothing else but the manifest
    [[ -f $2/_SUCCESS ]] || return 1
    diff -r -q -x _SUCCESS "$1" "$2"
}

echo "seed $seed"
echo "seconds $seconds"
echo "kill-ms $kill_ms"
echo "workers $workers"
echo "slots $slots"

for copy in 1 2 3 4 5 6 7 8; do
    for book in data/*.txt; do cat "$book"; done >"$root/books-$copy.txt"
done
wc_arguments=(--app "$bin/libwc.so" -r 5 --split-size 64KiB "$root"/books-*.txt)
sort_arguments=(--app "$bin/libsort.so" -r 5 --split-size 256KiB "$root"/books-*.txt)
crash_inputs=(data/*.txt)
"$gristmill" run --sequential --quiet -o "$root/expected-wc" "${wc_arguments[@]}" >/dev/null
"$gristmill" run --sequential --quiet -o "$root/expected-sort" "${sort_arguments[@]}" >/dev/null
"$gristmill" run --sequential --quiet -o "$root/expected-crash" --app "$bin/libnocrash.so" -r 5 "${crash_inputs[@]}" >/dev/null

: >"$root/coordinator.out"
"$gristmill" coordinator --listen 127.0.0.1:0 --data-dir "$root/coordinator" >"$root/coordinator.out" 2>"$root/coordinator.log" &
coordinator=$!
for ((tries = 0; tries < 200; tries++)); do
    address=$(sed -n 's/^listening //p' "$root/coordinator.out")
    [[ -z $address ]] || break
    kill -0 "$coordinator" 2>/dev/null || { cat "$root/coordinator.log" >&2; fail "the coordinator did not start"; }
    sleep 0.05
done
[[ -n $address ]] || fail "the coordinator did not say where it listens"
for ((index = 0; index < workers; index++)); do start_worker "$index"; done

is_enough() { if [[ -n $jobs_max ]]; then ((jobs >= jobs_max)); else (($(now_ms) - begun >= seconds * 1000)); fi; }
begun=$(now_ms)
while ! is_enough; do
    job_under_fire "wc" "$root/expected-wc" "${wc_arguments[@]}"
    is_enough && break
    job_under_fire "crash" "$root/expected-crash" --app "$bin/libcrash.so" --task-timeout 10s -r 5 "${crash_inputs[@]}"
    is_enough && break
    job_under_fire "sort" "$root/expected-sort" "${sort_arguments[@]}"
done
elapsed=$(($(now_ms) - begun))

# What is left must be nothing: let the workers come back, end them in peace, and look.
for ((tries = 0; ; tries++)); do
    stopped_until=("${stopped_until[@]/#*/1}")
    mend
    registered=$("$gristmill" workers --coordinator "$address" | grep -c '^w[0-9]' || true)
    ((registered < workers)) || break
    ((tries < 600)) || fail "only $registered of $workers workers came back"
    sleep 0.05
done
for pid in "${worker_pid[@]}"; do kill -TERM "$pid"; done
for ((index = 0; index < workers; index++)); do
    is_gone "${worker_pid[index]}" 600 || fail "worker ${worker_pid[index]} did not end within 30 s of SIGTERM"
    worker_pid[index]=""
done
kill -TERM "$coordinator"
wait "$coordinator" || true
coordinator=""
left=$(find "$root"/work-* "$root/tmp" -mindepth 1 -not -path '*/plugins' -not -path '*/plugins/*' | head -n 5)
[[ -z $left ]] || fail "left behind: $left"

echo "elapsed-ms $elapsed"
echo "jobs $jobs"
echo "worker-kills $worker_kills"
echo "slot-kills $slot_kills"
echo "stops $stops"
echo "restarts $restarts"
verdict=0
echo "verdict PASSED"
