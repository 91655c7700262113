//! An instance of a plugin, called as a worker calls it.

use super::host::{Pair, Partitioner, Told};
use super::job::{Failure, Stage};
use crate::abi::{self, Descriptor, Status};
use crate::bounds::KeyRanges;
use crate::host::lend;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::rc::Rc;

pub(super) struct Instance<'a> {
    plugin: &'a Descriptor,
    raw: *mut c_void,
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        // SAFETY: `create` gave it, and this is the last use of it.
        unsafe { (self.plugin.destroy)(self.raw) }
    }
}

impl<'a> Instance<'a> {
    pub(super) fn create(plugin: &'a Descriptor, args: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let param = |(key, value): (&String, &String)| abi::Param {
            key: lend(key.as_bytes()),
            value: lend(value.as_bytes()),
        };
        let params: Vec<_> = args.iter().map(param).collect();
        let setup = abi::Setup { params: params.as_ptr(), param_count: params.len() };
        let mut instance = Self { plugin, raw: std::ptr::null_mut() };
        let raw = &raw mut instance.raw;
        call(&mut Told::new(0, 0, None, Partitioner::default()), Stage::Setup, |host| {
            // SAFETY: all that is lent outlives the call.
            unsafe { (plugin.create)(&raw const setup, host, raw) }
        })?;
        Ok(instance)
    }

    pub(super) fn map_begin(&self, told: &mut Told, memory_bytes: u64, bounds: &[u8]) -> Result<(), Failure> {
        let partitions = told.partitions;
        let setup = abi::MapSetup { partitions, reserved: 0, memory_bytes, bounds: lend(bounds) };
        // SAFETY: all that is lent outlives the call.
        call(told, Stage::Map, |host| unsafe { (self.plugin.map_begin)(self.raw, &raw const setup, host) })
    }

    pub(super) fn map(
        &self,
        told: &mut Told,
        document: &[u8],
        bytes: &[u8],
        offset: u64,
    ) -> Result<(), Failure> {
        let block = abi::Block { document: lend(document), bytes: lend(bytes), offset };
        // SAFETY: all that is lent outlives the call.
        call(told, Stage::Map, |host| unsafe { (self.plugin.map)(self.raw, &raw const block, host) }).map_err(
            |mut failure| {
                let consumed = failure.place.take().and_then(|(_, consumed)| consumed);
                failure.place = Some((document.to_vec(), consumed.map(|consumed| offset + consumed)));
                failure
            },
        )
    }

    pub(super) fn map_end(&self, told: &mut Told) -> Result<(), Failure> {
        // SAFETY: all that is lent outlives the call.
        call(told, Stage::Map, |host| unsafe { (self.plugin.map_end)(self.raw, host) })
    }

    pub(super) fn reduce_begin(&self, told: &mut Told, partition: u32) -> Result<(), Failure> {
        // SAFETY: all that is lent outlives the call.
        call(told, Stage::Reduce, |host| unsafe { (self.plugin.reduce_begin)(self.raw, partition, host) })
    }

    /// Reduces some groups.
    pub(super) fn reduce(&self, told: &mut Told, groups: &[&[Pair]]) -> Result<(), Failure> {
        let groups = told.lend_groups(groups);
        // SAFETY: all that is lent outlives the call.
        let reduced = call(told, Stage::Reduce, |host| unsafe {
            (self.plugin.reduce)(self.raw, &raw const groups, host)
        });
        // A place in the batch means nothing to the author.
        reduced.map_err(|failure| Failure { place: None, ..failure })
    }

    pub(super) fn reduce_end(&self, told: &mut Told) -> Result<(), Failure> {
        // SAFETY: all that is lent outlives the call.
        call(told, Stage::Reduce, |host| unsafe { (self.plugin.reduce_end)(self.raw, host) })
    }

    /// Folds the values that `told` holds; `None` if the plugin does not combine.
    pub(super) fn combine(&self, told: &mut Told, key: &[u8]) -> Option<Result<(), Failure>> {
        let combine = self.plugin.combine?;
        let first = told.lend_values();
        // SAFETY: all that is lent outlives the call.
        Some(call(told, Stage::Map, |host| unsafe { combine(self.raw, lend(key), &raw const first, host) }))
    }

    /// How the plugin wants keys spread, given the ranges of a total order.
    pub(super) fn partitioner(&self, ranges: Option<Rc<KeyRanges>>) -> Partitioner {
        Partitioner { own: self.plugin.partition, instance: self.raw, ranges }
    }
}

fn call(
    told: &mut Told,
    stage: Stage,
    function: impl FnOnce(*const abi::Host) -> Status,
) -> Result<(), Failure> {
    let told: *mut Told = told;
    let host = Told::host(told);
    let status = function(&raw const host);
    // SAFETY: it came from a unique reference, and the call that used it is over.
    let told = unsafe { &mut *told };
    if let Some(rule) = told.broken.take() {
        return Err(Failure::of_host(format!("a rule of the boundary was broken: {rule}")));
    }
    match (status, told.failed.take()) {
        (Status::OK, None) => Ok(()),
        (Status::ERROR | Status::PANIC, Some((message, consumed))) => Err(Failure {
            stage,
            message,
            place: consumed.map(|consumed| (Vec::new(), Some(consumed))),
            panicked: status == Status::PANIC,
        }),
        (status, failed) => Err(Failure::of_host(format!(
            "the plugin returned status {} and {}",
            status.0,
            if failed.is_some() { "called `fail`" } else { "did not call `fail`" }
        ))),
    }
}
