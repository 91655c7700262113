//! In which way a job is run: how it is cut up, how much memory there is, who combines.

use super::job::TestJob;
use crate::abi::{Descriptor, input_mode};
use crate::wire;
use std::fmt;
use std::ops::Range;

/// A way to run a job.
pub(super) struct Plan {
    seed: Option<u64>,
    state: u64,
    pub(super) reduces: u32,
    pub(super) memory_bytes: u64,
    /// The host combines what the maps have handed over.
    pub(super) combines: bool,
    /// How many values the host gives at a time.
    pub(super) batch: usize,
    /// How many groups it gives at a time.
    pub(super) groups: usize,
}

/// A map task: some blocks of one input.
#[derive(Debug)]
pub(super) struct MapTask {
    pub(super) input: usize,
    pub(super) blocks: Vec<Range<usize>>,
}

impl Plan {
    /// One task for each input, one block for each task.
    pub(super) fn plain(job: &TestJob) -> Self {
        Self {
            seed: None,
            state: 0,
            reduces: job.reduces,
            memory_bytes: job.memory_bytes,
            combines: false,
            batch: usize::MAX,
            groups: usize::MAX,
        }
    }

    /// A way that the seed decides.
    pub(super) fn random(job: &TestJob, seed: u64) -> Self {
        let mut plan = Self { seed: Some(seed), state: seed, ..Self::plain(job) };
        if job.reduces > 0 {
            plan.reduces = plan.pick(&[1, 2, 3, 7]);
        }
        plan.memory_bytes = plan.pick(&[0, 2 << 10, 1 << 20, job.memory_bytes]);
        plan.combines = plan.pick(&[false, true]);
        plan.batch = plan.pick(&[1, 2, usize::MAX]);
        plan.groups = plan.pick(&[1, 2, usize::MAX]);
        plan
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }

    /// Whether something happens that happens once in `times`; never in the plain way.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.seed.is_some() && self.next().is_multiple_of(times)
    }

    /// Bounds for the partitions of a total order over these sorted keys, encoded: evenly spread in the plain way, any others otherwise.
    pub(super) fn bounds(&mut self, keys: &[Vec<u8>]) -> Vec<u8> {
        let mut chosen = Vec::new();
        for partition in 1..self.reduces as usize {
            let at = match self.seed {
                None => partition * keys.len() / self.reduces as usize,
                Some(_) => (self.next() % (keys.len() as u64).max(1)) as usize,
            };
            chosen.extend(keys.get(at));
        }
        chosen.sort();
        chosen.dedup();
        let mut encoded = Vec::new();
        for bound in chosen {
            wire::put_length(&mut encoded, bound.len());
            encoded.extend(bound);
        }
        encoded
    }

    /// Cuts the inputs up.
    pub(super) fn tasks(&mut self, plugin: &Descriptor, job: &TestJob) -> Vec<MapTask> {
        let mut tasks = Vec::new();
        for (input, (_, bytes)) in job.inputs.iter().enumerate() {
            if plugin.input_mode == input_mode::FILE {
                tasks.push(MapTask { input, blocks: std::iter::once(0..bytes.len()).collect() });
                continue;
            }
            let record_bytes = usize::try_from(plugin.record_bytes).unwrap_or(usize::MAX);
            self.cut(input, bytes, record_bytes, &mut tasks);
        }
        tasks
    }

    fn cut(&mut self, input: usize, bytes: &[u8], record_bytes: usize, tasks: &mut Vec<MapTask>) {
        // Dense cuts in some jobs, rare ones in others.
        let rarity = self.pick(&[1, 2, 5, 40]);
        let mut task = MapTask { input, blocks: Vec::new() };
        let (mut begin, mut end) = (0, 0);
        while end < bytes.len() {
            let rest = &bytes[end..];
            end += match record_bytes {
                0 => rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |newline| newline + 1),
                record_bytes => record_bytes.min(rest.len()),
            };
            let whole = end == bytes.len();
            if whole || self.once_in(rarity) {
                task.blocks.push(begin..end);
                begin = end;
                if whole || self.once_in(2) {
                    tasks.push(std::mem::replace(&mut task, MapTask { input, blocks: Vec::new() }));
                }
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seed {
            None => f.write_str("run the plain way"),
            Some(seed) => write!(
                f,
                "run in way {seed} (input split at random, {} reduces, {} bytes of memory, combined by the host: {})",
                self.reduces, self.memory_bytes, self.combines
            ),
        }
    }
}
