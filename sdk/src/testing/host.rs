//! The host's functions over vectors, and the rules of the boundary that can be checked from here.

use crate::abi::{self, Status};
use crate::bounds::KeyRanges;
use crate::collect::{Collector, KeyTooLong, RunSink};
use crate::host::{NO_VALUES, lend, lent};
use crate::wire;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::rc::Rc;

/// A pair as a map handed it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) partition: u32,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// Spreads keys as a plugin wants it.
#[derive(Clone, Debug)]
pub(super) struct Partitioner {
    pub(super) own:
        Option<unsafe extern "C" fn(instance: *mut c_void, key: abi::Bytes, partitions: u32) -> u32>,
    pub(super) instance: *mut c_void,
    /// Of a total order.
    pub(super) ranges: Option<Rc<KeyRanges>>,
}

impl Default for Partitioner {
    fn default() -> Self {
        Self { own: None, instance: std::ptr::null_mut(), ranges: None }
    }
}

impl Partitioner {
    pub(super) fn partition(&self, key: &[u8], partitions: u32) -> u32 {
        match (&self.ranges, self.own) {
            (Some(ranges), _) => ranges.partition_of(key),
            // SAFETY: the instance is alive while a job runs, and the key outlives the call.
            (None, Some(own)) => unsafe { own(self.instance, lend(key), partitions) },
            (None, None) => crate::partition_of(key, partitions),
        }
    }
}

/// All that the plugin has told the host.
#[derive(Debug)]
pub(super) struct Told {
    /// Zero in a job without reduces.
    pub(super) partitions: u32,
    partitioner: Partitioner,
    /// Collects for a plugin that emits pair by pair.
    pub(super) collector: Option<Collector>,
    pub(super) pairs: Vec<Pair>,
    pub(super) runs: u64,
    /// Partition and key of the last pair of the run that was begun.
    run: Option<Option<(u32, Vec<u8>)>>,
    pub(super) output: Vec<u8>,
    pub(super) records: u64,
    pub(super) counters: BTreeMap<String, i64>,
    /// Values of the current key that were not given yet, last first.
    pub(super) values: Vec<Vec<u8>>,
    batch: usize,
    lent: Vec<u8>,
    groups: Vec<u8>,
    pub(super) combined: Vec<Vec<u8>>,
    pub(super) failed: Option<(String, Option<u64>)>,
    /// A rule that the plugin broke.
    pub(super) broken: Option<String>,
}

impl Told {
    pub(super) fn new(
        partitions: u32,
        batch: usize,
        collector: Option<Collector>,
        partitioner: Partitioner,
    ) -> Self {
        Self {
            partitions,
            partitioner,
            collector,
            pairs: Vec::new(),
            runs: 0,
            run: None,
            output: Vec::new(),
            records: 0,
            counters: BTreeMap::new(),
            values: Vec::new(),
            batch,
            lent: Vec::new(),
            groups: Vec::new(),
            combined: Vec::new(),
            failed: None,
            broken: None,
        }
    }

    /// The host's functions over `told`.
    pub(super) fn host(told: *mut Self) -> abi::Host {
        abi::Host {
            size: size_of::<abi::Host>() as u32,
            reserved: 0,
            context: told.cast(),
            emit,
            run_begin,
            run_pairs,
            run_end,
            write,
            next_values,
            combined,
            count,
            progress,
            fail,
        }
    }

    fn broke(&mut self, rule: impl Into<String>) -> Status {
        self.broken.get_or_insert(rule.into());
        Status::STOP
    }

    /// Some groups with all their values, but of the last perhaps only the first; they stay until the next call.
    pub(super) fn lend_groups(&mut self, groups: &[&[Pair]]) -> abi::Groups {
        self.groups.clear();
        for (index, group) in groups.iter().enumerate() {
            self.values = group.iter().rev().map(|pair| pair.value.clone()).collect();
            let count = self.take_values(if index + 1 < groups.len() { usize::MAX } else { self.batch });
            let group = wire::Group { key: &group[0].key, count: count as u64, values: &self.lent };
            wire::put_group(&mut self.groups, &group);
        }
        let more = u32::from(!self.values.is_empty());
        abi::Groups { bytes: lend(&self.groups), count: groups.len() as u64, more, reserved: 0 }
    }

    /// The next values of the current key, which stay until the next call.
    pub(super) fn lend_values(&mut self) -> abi::Values {
        match self.take_values(self.batch) {
            0 => NO_VALUES,
            count => abi::Values { bytes: lend(&self.lent), count: count as u64 },
        }
    }

    fn take_values(&mut self, count_max: usize) -> usize {
        self.lent.clear();
        let count = count_max.min(self.values.len());
        for value in self.values.drain(self.values.len() - count..).rev() {
            wire::put_length(&mut self.lent, value.len());
            self.lent.extend(value);
        }
        count
    }

    fn take_run_pairs(&mut self, partition: u32, pairs: u64, mut bytes: &[u8]) -> Status {
        let Some(last) = &mut self.run else { return self.broke("pairs came outside of a run") };
        let mut count = 0;
        while !bytes.is_empty() {
            let Some((key, value)) = wire::take_pair(&mut bytes) else {
                return self.broke("the bytes of a run are no pairs");
            };
            if last.as_ref().is_some_and(|(before, last)| (*before, last.as_slice()) > (partition, key)) {
                return self.broke("a run is not sorted by partition and key");
            }
            *last = Some((partition, key.to_vec()));
            self.pairs.push(Pair { partition, key: key.to_vec(), value: value.to_vec() });
            count += 1;
        }
        if partition >= self.partitions {
            return self.broke(format!("partition {partition} of {}", self.partitions));
        }
        if count == pairs { Status::OK } else { self.broke(format!("{count} pairs came, {pairs} were said")) }
    }

    fn take_emitted(&mut self, key: &[u8], value: &[u8]) -> Status {
        if self.partitions == 0 {
            self.output.extend([key, b" ", value, b"\n"].concat());
            self.records += 1;
            return Status::OK;
        }
        let Some(mut collector) = self.collector.take() else {
            return self.broke("a pair was emitted outside of a map");
        };
        let taken = collector.emit(key, value, self);
        self.collector = Some(collector);
        if taken.is_ok() { Status::OK } else { Status::STOP }
    }
}

/// A rule was broken; which one is in [`Told`].
#[derive(Debug)]
pub(super) struct Broken;

impl From<KeyTooLong> for Broken {
    fn from(_: KeyTooLong) -> Self {
        Self
    }
}

impl RunSink for Told {
    type Error = Broken;

    fn partition(&mut self, key: &[u8]) -> Result<u32, Broken> {
        Ok(self.partitioner.partition(key, self.partitions))
    }

    fn begin(&mut self) -> Result<(), Broken> {
        self.runs += 1;
        if self.run.replace(None).is_none() {
            return Ok(());
        }
        self.broke("a run began within a run");
        Err(Broken)
    }

    fn pairs(&mut self, partition: u32, pairs: u64, bytes: &[u8]) -> Result<(), Broken> {
        if self.take_run_pairs(partition, pairs, bytes) == Status::OK { Ok(()) } else { Err(Broken) }
    }

    fn end(&mut self) -> Result<(), Broken> {
        if self.run.take().is_some() {
            return Ok(());
        }
        self.broke("a run ended that was not begun");
        Err(Broken)
    }
}

/// # Safety
/// `context` came from [`Told::host`], and nothing else uses what it points to during the call.
unsafe fn told<'a>(context: *mut c_void) -> &'a mut Told {
    // SAFETY: as promised by the caller.
    unsafe { &mut *context.cast() }
}

fn status(done: Result<(), Broken>) -> Status {
    if done.is_ok() { Status::OK } else { Status::STOP }
}

unsafe extern "C" fn emit(context: *mut c_void, key: abi::Bytes, value: abi::Bytes) -> Status {
    // SAFETY: the plugin passes its context on and lends its bytes.
    unsafe { told(context).take_emitted(lent(key), lent(value)) }
}

unsafe extern "C" fn run_begin(context: *mut c_void) -> Status {
    // SAFETY: as in `emit`.
    status(unsafe { told(context) }.begin())
}

unsafe extern "C" fn run_pairs(
    context: *mut c_void,
    partition: u32,
    pairs: u64,
    bytes: abi::Bytes,
) -> Status {
    // SAFETY: as in `emit`.
    unsafe { told(context).take_run_pairs(partition, pairs, lent(bytes)) }
}

unsafe extern "C" fn run_end(context: *mut c_void) -> Status {
    // SAFETY: as in `emit`.
    status(unsafe { told(context) }.end())
}

unsafe extern "C" fn write(context: *mut c_void, bytes: abi::Bytes, records: u64) -> Status {
    // SAFETY: as in `emit`.
    let (told, bytes) = unsafe { (told(context), lent(bytes)) };
    told.output.extend(bytes);
    told.records += records;
    Status::OK
}

unsafe extern "C" fn next_values(context: *mut c_void, values: *mut abi::Values) -> Status {
    // SAFETY: as in `emit`; the plugin gives a place for the values.
    unsafe { *values = told(context).lend_values() };
    Status::OK
}

unsafe extern "C" fn combined(context: *mut c_void, value: abi::Bytes) -> Status {
    // SAFETY: as in `emit`.
    let (told, value) = unsafe { (told(context), lent(value)) };
    told.combined.push(value.to_vec());
    Status::OK
}

unsafe extern "C" fn count(context: *mut c_void, name: abi::Bytes, delta: i64) -> Status {
    // SAFETY: as in `emit`.
    let (told, name) = unsafe { (told(context), lent(name)) };
    match std::str::from_utf8(name) {
        Ok(name) if name.len() <= 256 => {
            *told.counters.entry(name.to_owned()).or_default() += delta;
            Status::OK
        }
        _ => told.broke("the name of a counter is not UTF-8 of at most 256 bytes"),
    }
}

unsafe extern "C" fn progress(_: *mut c_void) -> Status {
    Status::OK
}

unsafe extern "C" fn fail(context: *mut c_void, message: abi::Bytes, consumed: u64) {
    // SAFETY: as in `emit`.
    let (told, message) = unsafe { (told(context), lent(message)) };
    let consumed = (consumed != u64::MAX).then_some(consumed);
    told.failed = Some((String::from_utf8_lossy(message).into_owned(), consumed));
}
