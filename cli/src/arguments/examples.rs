//! The examples below each help text.

pub(super) const ALL: &str = "\
Examples:
  gristmill run --app wc data/*.txt       # count words; the result is in gristmill-out/mr-out-*
  gristmill new myapp                     # start an app of your own
  gristmill run --app myapp -o out data   # build and run it

Exit status: 0 done; 1 the job failed or was cancelled; 2 wrong usage or input, nothing was started;
3 no coordinator.
Set GRISTMILL_LOG, such as GRISTMILL_LOG=debug, to see what happens inside, and GRISTMILL_SIMD to
hold it to avx512, avx2, sse2, neon or portable where the processor has better instructions.";

pub(super) const RUN: &str = "\
Examples:
  gristmill run --app wc data/*.txt
  gristmill run --app apps/indexer -o index --overwrite -r 4 data
  gristmill run --app grep --arg pattern='[Ww]hale' data/*.txt --json
  gristmill run --app ./target/release/libwc.so --slots 8 --memory 1GiB --split-size 64MiB big.txt
  gristmill run --app wc --sequential -o expected data/*.txt
  gristmill run --app wc --state-dir state data/*.txt               # should it be killed, go on:
  gristmill run --app wc --state-dir state --resume data/*.txt
  gristmill run --app wc --slots 0 --listen 127.0.0.1:7070 data/*.txt     # and elsewhere:
  gristmill worker --coordinator 127.0.0.1:7070

Results are lines of the form `key value` on standard output; progress goes to standard error.
Ctrl-C cancels the job and removes what it had made; a second Ctrl-C ends at once.";

pub(super) const COORDINATOR: &str = "\
Examples:
  gristmill coordinator --listen 127.0.0.1:7070 --data-dir /var/lib/gristmill
  gristmill coordinator --listen 127.0.0.1:0
  gristmill coordinator --listen 127.0.0.1:7071 --data-dir one --id 1 --peers 1=127.0.0.1:7071,2=127.0.0.1:7072,3=127.0.0.1:7073

Prints `listening ADDR` on standard output when it is ready. Ctrl-C or SIGTERM ends it. With --data-dir jobs
go on when it is started again; a group of three goes on when any one of them is lost, one of five when two are.";

pub(super) const WORKER: &str = "\
Examples:
  gristmill worker --coordinator 127.0.0.1:7070
  gristmill worker --coordinator 127.0.0.1:7070,127.0.0.1:7071 --slots 4 --work-dir /fast/disk

Exits with 0 when its coordinator has finished; otherwise keeps trying to reach it. Ctrl-C or SIGTERM
ends it: what it was running is given to others.";

pub(super) const SUBMIT: &str = "\
Examples:
  gristmill submit --coordinator 127.0.0.1:7070 --app wc -o counts data/*.txt
  gristmill submit --coordinator 127.0.0.1:7070 --app wc -o counts data --wait --json

Without --wait prints `job ID` and leaves. Coordinator and workers must see the files under the same
paths.";

pub(super) const JOBS: &str = "\
Examples:
  gristmill jobs --coordinator 127.0.0.1:7070
  gristmill jobs --coordinator 127.0.0.1:7070 --json";

pub(super) const JOB: &str = "\
Examples:
  gristmill job j7 --coordinator 127.0.0.1:7070
  gristmill job j7 --coordinator 127.0.0.1:7070 --json

Exits with 1 when the job has failed or was cancelled.";

pub(super) const CANCEL: &str = "\
Examples:
  gristmill cancel j7 --coordinator 127.0.0.1:7070

A job that is over stays as it is.";

pub(super) const EXPLAIN: &str = "\
Examples:
  gristmill explain j7 --coordinator 127.0.0.1:7070
  gristmill explain j7.m12 --coordinator 127.0.0.1:7070";

pub(super) const LOGS: &str = "\
Examples:
  gristmill logs j7 --coordinator 127.0.0.1:7070
  gristmill logs j7 j7.m12 --coordinator 127.0.0.1:7070
  gristmill logs j7.m12 --coordinator 127.0.0.1:7070 --json";

pub(super) const WORKERS: &str = "\
Examples:
  gristmill workers --coordinator 127.0.0.1:7070";

pub(super) const REPAIR: &str = "\
Examples:
  gristmill repair --data-dir /var/lib/gristmill
  gristmill repair --data-dir /var/lib/gristmill --cut

Without --cut nothing is changed. A torn end, as a crash leaves one, needs no repair. Exit status 1: there is
damage. A member of a group whose log is damaged is best replaced by a new one with another id and an empty
directory (`gristmill members replace`): it may have forgotten votes and entries on which the others count. So
its log is cut only with --forget-acknowledged, as the last resort.";

pub(super) const DRAIN: &str = "\
Examples:
  gristmill drain w4 --coordinator 127.0.0.1:7070

The worker is given no new attempts. It ends with success when it runs nothing and no job needs what it
holds.";

pub(super) const HISTORY: &str = "\
Examples:
  gristmill history --coordinator 127.0.0.1:7070
  gristmill history --coordinator 127.0.0.1:7071,127.0.0.1:7072,127.0.0.1:7073 > jobs.jsonl

The coordinators keep the history within bounds, by number and by age.";

pub(super) const MEMBERS: &str = "\
Examples:
  gristmill members --coordinator 127.0.0.1:7071
  gristmill members add 4=127.0.0.1:7074 --coordinator 127.0.0.1:7071
  gristmill members remove 4 --coordinator 127.0.0.1:7071
  gristmill members replace 2 4=127.0.0.1:7074 --coordinator 127.0.0.1:7071
  gristmill members lead 3 --coordinator 127.0.0.1:7071

A change is made on a running group with running jobs. One that has been made already is no error.";

pub(super) const KV: &str = "\
Examples:
  gristmill kv put model/3 --from centroids.csv --coordinator 127.0.0.1:7070
  gristmill kv get model/3 --coordinator 127.0.0.1:7070 > centroids.csv
  gristmill kv list model/ --coordinator 127.0.0.1:7070

Keys and values are any bytes: keys up to 1 KiB, values up to 1 MiB. Every change is made at most once.";

pub(super) const KV_GET: &str = "\
Examples:
  gristmill kv get model/3 --coordinator 127.0.0.1:7070 > centroids.csv
  gristmill kv get lock --coordinator 127.0.0.1:7070 --json     # with its version

Exits with 1 when there is no such key.";

pub(super) const KV_PUT: &str = "\
Examples:
  gristmill kv put greeting hello --coordinator 127.0.0.1:7070
  gristmill kv put model/3 --from centroids.csv --coordinator 127.0.0.1:7070
  date | gristmill kv put today - --coordinator 127.0.0.1:7070";

pub(super) const KV_APPEND: &str = "\
Examples:
  gristmill kv append log more --coordinator 127.0.0.1:7070
  gristmill kv append log --from line.txt --coordinator 127.0.0.1:7070";

pub(super) const KV_CAS: &str = "\
Examples:
  gristmill kv cas lock 0 mine --coordinator 127.0.0.1:7070     # only if it is not there
  gristmill kv cas lock 3 theirs --coordinator 127.0.0.1:7070

Exits with 1 when the key has another version; then nothing is changed.";

pub(super) const KV_DELETE: &str = "\
Examples:
  gristmill kv delete lock --coordinator 127.0.0.1:7070
  gristmill kv delete lock --version 4 --coordinator 127.0.0.1:7070

A key that is not there is no error, unless a version is asked for.";

pub(super) const KV_LIST: &str = "\
Examples:
  gristmill kv list --coordinator 127.0.0.1:7070
  gristmill kv list model/ --coordinator 127.0.0.1:7070 --json     # with the values";

pub(super) const KV_WATCH: &str = "\
Examples:
  gristmill kv watch model/ --coordinator 127.0.0.1:7070
  gristmill kv watch model/ --coordinator 127.0.0.1:7070 --json     # a document a line, with the values
  gristmill kv watch lock --from-revision 17 --count 1 --coordinator 127.0.0.1:7070";

pub(super) const NEW: &str = "\
Examples:
  gristmill new myapp
  gristmill run --app myapp data/*.txt
  gristmill new myapp --path ../gristmill/sdk

The sdk is copied to vendor/gristmill-sdk in the new crate, so that it builds anywhere and without a
network; with --path the crate depends on that directory instead.";

pub(super) const CHECK: &str = "\
Examples:
  gristmill check myapp
  gristmill check myapp data/*.txt --arg pattern=whale
  gristmill check ./target/release/libmyapp.so --json

Tries the boundary, determinism, the combiner against plain reduce, and odd inputs: empty, no final
newline, invalid UTF-8, a huge line, NULs, CRLF. Exits with 1 when something is wrong.";

pub(super) const COMPLETIONS: &str = "\
Examples:
  gristmill completions bash > ~/.local/share/bash-completion/completions/gristmill
  gristmill completions zsh > ~/.zfunc/_gristmill
  gristmill completions fish > ~/.config/fish/completions/gristmill.fish";
