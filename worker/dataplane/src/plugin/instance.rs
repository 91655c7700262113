//! An instance of an app, and safe calls of it.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use gristmill_model::{Blob, Params, PathBytes, TaskFailure};
use gristmill_sdk::abi::{Block, Groups, Host, MapSetup, Param, Setup, Status, Values};
use gristmill_sdk::bounds::KeyRanges;

use super::Plugin;
use super::host::{
    BatchServices, CallFailure, Context, GroupBatch, GroupServices, NoServices, Partitioner, Place, Services,
    Session, lend,
};
use super::library::{DestroyFn, Functions, ReduceFunctions};
use crate::failure;
use crate::input::InputBlock;
use crate::progress::ProgressCell;
use crate::run::pair::put_value;

/// An instance, for one attempt. Afterwards the plugin keeps it for the next one: the memory that it holds is warm.
pub(crate) struct Instance<'p> {
    plugin: &'p Plugin,
    functions: &'p Functions,
    made: Made,
    /// A call has failed: the instance can only be destroyed.
    failed: bool,
    session: Session,
    /// Of the attempt, if the app wants a total order.
    ranges: Option<KeyRanges>,
    progress: ProgressCell,
}

/// What `create` made, null or not, with these parameters.
#[derive(Debug)]
struct Made {
    pointer: *mut c_void,
    params: Params,
    destroy: DestroyFn,
    /// It may hold what it has collected pairs in.
    has_mapped: bool,
}

impl Drop for Made {
    fn drop(&mut self) {
        // SAFETY: `create` of the same plugin made it, and it is not used again.
        unsafe { (self.destroy)(self.pointer) };
    }
}

/// An instance that waits for another attempt of its job.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<Option<Made>>);

// SAFETY: an instance is used by one thread at a time, and need not be the same thread: the boundary asks apps to be `Send`.
unsafe impl Send for Made {}

impl<'p> Instance<'p> {
    /// Makes an instance with the job's parameters, or takes the one that an earlier attempt has left.
    pub(crate) fn create(
        plugin: &'p Plugin,
        params: &Params,
        progress: &ProgressCell,
    ) -> Result<Self, TaskFailure> {
        Self::take_or_make(plugin, params, progress, |_| true)
    }

    /// The same for a reduce, which needs the memory in which an earlier attempt has collected pairs.
    pub(crate) fn create_to_reduce(
        plugin: &'p Plugin,
        params: &Params,
        progress: &ProgressCell,
    ) -> Result<Self, TaskFailure> {
        Self::take_or_make(plugin, params, progress, |made| !made.has_mapped)
    }

    fn take_or_make(
        plugin: &'p Plugin,
        params: &Params,
        progress: &ProgressCell,
        will_do: impl FnOnce(&Made) -> bool,
    ) -> Result<Self, TaskFailure> {
        let idle = plugin.idle.take().filter(|made| made.params == *params && will_do(made));
        let mut session = Session::default();
        let made = match idle {
            Some(made) => made,
            None => make(plugin, params, &mut session, progress)?,
        };
        let functions = &plugin.functions;
        Ok(Self { plugin, functions, made, failed: false, session, ranges: None, progress: progress.clone() })
    }

    /// Begins a map attempt. In a total order partitions begin at these keys, which ascend; else there are none.
    pub(crate) fn map_begin(
        &mut self,
        partitions: u32,
        memory_bytes: u64,
        bounds: &[Blob],
    ) -> Result<(), TaskFailure> {
        let mut encoded = Vec::new();
        bounds.iter().for_each(|bound| put_value(&mut encoded, &bound.0));
        if self.plugin.info.total_order {
            let ranges = KeyRanges::decode(&encoded, partitions).map_err(failure::task)?;
            self.ranges = Some(ranges);
        }
        self.made.has_mapped = true;
        let map_begin = self.functions.map_begin;
        let setup = MapSetup { partitions, reserved: 0, memory_bytes, bounds: lend(&encoded) };
        Ok(self.call("map_begin", None, &mut NoServices, |instance, host| {
            // SAFETY: `create` made the instance; setup and host outlive the call.
            unsafe { map_begin(instance, &raw const setup, host) }
        })?)
    }

    pub(crate) fn map(
        &mut self,
        document: &PathBytes,
        block: &InputBlock<'_>,
        services: &mut dyn Services,
    ) -> Result<(), TaskFailure> {
        let map = self.functions.map;
        let place = Place { document, offset: block.offset, bytes: block.bytes.len() };
        let block = Block { document: lend(&document.0), bytes: lend(block.bytes), offset: block.offset };
        Ok(self.call("map", Some(&place), services, |instance, host| {
            // SAFETY: `create` made the instance; the block, its bytes and the host outlive the call.
            unsafe { map(instance, &raw const block, host) }
        })?)
    }

    pub(crate) fn map_end(&mut self, services: &mut dyn Services) -> Result<(), TaskFailure> {
        let map_end = self.functions.map_end;
        Ok(self.call("map_end", None, services, |instance, host| {
            // SAFETY: `create` made the instance; the host outlives the call.
            unsafe { map_end(instance, host) }
        })?)
    }

    pub(crate) fn reduce_begin(&mut self, partition: u32) -> Result<(), TaskFailure> {
        let begin = self.reduce_functions()?.begin;
        Ok(self.call("reduce_begin", None, &mut NoServices, |instance, host| {
            // SAFETY: `create` made the instance; the host outlives the call.
            unsafe { begin(instance, partition, host) }
        })?)
    }

    /// Reduces the batch that `services` hold.
    pub(crate) fn reduce(&mut self, services: &mut dyn BatchServices) -> Result<(), CallFailure> {
        let reduce = self.reduce_functions()?.reduce;
        let GroupBatch { bytes, count, more } = services.batch();
        let groups = Groups { bytes: lend(bytes), count, more: u32::from(more), reserved: 0 };
        self.call("reduce", None, services, |instance, host| {
            // SAFETY: `create` made the instance. The host outlives the call, and `BatchServices` promise as much for the batch.
            unsafe { reduce(instance, &raw const groups, host) }
        })
    }

    pub(crate) fn reduce_end(&mut self, services: &mut dyn Services) -> Result<(), TaskFailure> {
        let end = self.reduce_functions()?.end;
        Ok(self.call("reduce_end", None, services, |instance, host| {
            // SAFETY: `create` made the instance; the host outlives the call.
            unsafe { end(instance, host) }
        })?)
    }

    /// Combines the values of the key at which `services` stand. An app that does not combine leaves them as they are.
    pub(crate) fn combine(&mut self, services: &mut dyn GroupServices) -> Result<(), TaskFailure> {
        let Some(combine) = self.functions.combine else { return Ok(()) };
        let (key, (values, count)) = services.group();
        let (key, first) = (lend(key), Values { bytes: lend(values), count });
        Ok(self.call("combine", None, services, |instance, host| {
            // SAFETY: `create` made the instance. The host outlives the call, and `GroupServices` promise as much for the key,
            // and for the first values until more are asked for.
            unsafe { combine(instance, key, &raw const first, host) }
        })?)
    }

    /// Whether the app folds values.
    pub(crate) fn combines(&self) -> bool {
        self.functions.combine.is_some()
    }

    /// The app's choice of partitions, outside of a call.
    pub(crate) fn partitioner(&self) -> Partitioner<'_> {
        // SAFETY: both belong to this plugin, and the instance is borrowed for as long.
        unsafe { Partitioner::new(self.functions.partition, self.made.pointer, self.ranges.as_ref()) }
    }

    /// What the app counted.
    ///
    /// The attempt has ended well: another one may use the instance.
    pub(crate) fn into_counters(self) -> BTreeMap<String, i64> {
        if !self.failed {
            self.plugin.idle.keep(self.made);
        }
        self.session.counters
    }

    fn reduce_functions(&self) -> Result<ReduceFunctions, TaskFailure> {
        self.functions.reduce.ok_or_else(|| failure::rule("a map-only app was asked to reduce"))
    }

    fn call(
        &mut self,
        function: &str,
        place: Option<&Place<'_>>,
        services: &mut dyn Services,
        call: impl FnOnce(*mut c_void, &Host) -> Status,
    ) -> Result<(), CallFailure> {
        let (partition, pointer) = (self.functions.partition, self.made.pointer);
        // SAFETY: both belong to this plugin, and the instance lives longer than the call.
        let partitioner = unsafe { Partitioner::new(partition, pointer, self.ranges.as_ref()) };
        let context = Context { services, session: &mut self.session, partitioner, progress: &self.progress };
        let called = call_with(context, function, place, |host| call(pointer, host));
        self.failed |= called.is_err();
        called
    }
}

fn call_with(
    mut context: Context<'_>,
    function: &str,
    place: Option<&Place<'_>>,
    call: impl FnOnce(&Host) -> Status,
) -> Result<(), CallFailure> {
    context.progress.tick();
    let status = call(&context.host());
    context.session.settle(function, status, place)
}

fn make(
    plugin: &Plugin,
    params: &Params,
    session: &mut Session,
    progress: &ProgressCell,
) -> Result<Made, TaskFailure> {
    let Functions { create, destroy, .. } = plugin.functions;
    let param =
        |(key, value): (&String, &String)| Param { key: lend(key.as_bytes()), value: lend(value.as_bytes()) };
    let lent: Vec<Param> = params.iter().map(param).collect();
    let setup = Setup { params: lent.as_ptr(), param_count: lent.len() };
    let mut pointer = ptr::null_mut();
    // SAFETY: without an instance the app has no choice of partitions.
    let partitioner = unsafe { Partitioner::new(None, ptr::null_mut(), None) };
    let context = Context { services: &mut NoServices, session, partitioner, progress };
    call_with(context, "create", None, |host| {
        // SAFETY: the setup, the host and the place for the instance outlive the call.
        unsafe { create(&raw const setup, host, &raw mut pointer) }
    })?;
    Ok(Made { pointer, params: params.clone(), destroy, has_mapped: false })
}

impl Idle {
    fn take(&self) -> Option<Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, made: Made) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
    }
}
