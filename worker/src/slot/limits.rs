//! How much memory a slot may hold.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a slot may hold beyond four times the job's `--memory`: code, stacks, and one record that is larger than anybody expected.
const BEYOND_BYTES: u64 = 512 << 20;

/// How many bytes of data a slot may hold that works with `memory_bytes`. An honest app stays far below; one that allocates
/// without end meets this before it takes the machine down.
pub(crate) fn allowance_bytes(memory_bytes: u64) -> u64 {
    memory_bytes.saturating_mul(4).saturating_add(BEYOND_BYTES)
}

/// Bounds the heap of this process. The bound can only be lowered: a slot works with one amount of memory all its life.
pub(super) fn bound_memory(memory_bytes: u64) -> Result<(), String> {
    let allowance = allowance_bytes(memory_bytes);
    let most = getrlimit(Resource::Data).maximum;
    let bound = Some(most.map_or(allowance, |most| most.min(allowance)));
    setrlimit(Resource::Data, Rlimit { current: bound, maximum: bound })
        .map_err(|error| format!("limit the slot to {allowance} bytes of memory: {error}"))
}
