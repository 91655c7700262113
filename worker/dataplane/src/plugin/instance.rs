//! An instance of an app, and safe calls of it.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;

use gristmill_model::{Blob, Params, PathBytes, TaskFailure};
use gristmill_sdk::abi::{Block, Host, MapSetup, Param, Setup, Status, Values};
use gristmill_sdk::bounds::KeyRanges;

use super::Plugin;
use super::host::{Context, GroupServices, NoServices, Partitioner, Place, Services, Session, lend};
use super::library::{Functions, ReduceFunctions, ValuesFn};
use crate::failure;
use crate::input::InputBlock;
use crate::progress::ProgressCell;
use crate::run::pair::put_value;

/// An instance. It lives for one attempt.
pub(crate) struct Instance<'p> {
    functions: &'p Functions,
    /// What `create` made, null or not; destroyed only if it did make something.
    pointer: *mut c_void,
    created: bool,
    session: Session,
    total_order: bool,
    /// Of the attempt, if the app wants a total order.
    ranges: Option<KeyRanges>,
    progress: ProgressCell,
}

impl<'p> Instance<'p> {
    /// Makes an instance with the job's parameters.
    pub(crate) fn create(
        plugin: &'p Plugin,
        params: &Params,
        progress: &ProgressCell,
    ) -> Result<Self, TaskFailure> {
        let param = |(key, value): (&String, &String)| Param {
            key: lend(key.as_bytes()),
            value: lend(value.as_bytes()),
        };
        let params: Vec<Param> = params.iter().map(param).collect();
        let setup = Setup { params: params.as_ptr(), param_count: params.len() };
        let functions = &plugin.functions;
        let mut instance = Self {
            functions,
            pointer: ptr::null_mut(),
            created: false,
            session: Session::default(),
            total_order: plugin.info.total_order,
            ranges: None,
            progress: progress.clone(),
        };
        let mut made = ptr::null_mut();
        instance.call("create", None, &mut NoServices, |_, host| {
            // SAFETY: the setup, the host and the place for the instance outlive the call.
            unsafe { (functions.create)(&raw const setup, host, &raw mut made) }
        })?;
        instance.pointer = made;
        instance.created = true;
        Ok(instance)
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
        if self.total_order {
            let ranges = KeyRanges::decode(&encoded, partitions).map_err(failure::task)?;
            self.ranges = Some(ranges);
        }
        let map_begin = self.functions.map_begin;
        let setup = MapSetup { partitions, reserved: 0, memory_bytes, bounds: lend(&encoded) };
        self.call("map_begin", None, &mut NoServices, |instance, host| {
            // SAFETY: `create` made the instance; setup and host outlive the call.
            unsafe { map_begin(instance, &raw const setup, host) }
        })
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
        self.call("map", Some(&place), services, |instance, host| {
            // SAFETY: `create` made the instance; the block, its bytes and the host outlive the call.
            unsafe { map(instance, &raw const block, host) }
        })
    }

    pub(crate) fn map_end(&mut self, services: &mut dyn Services) -> Result<(), TaskFailure> {
        let map_end = self.functions.map_end;
        self.call("map_end", None, services, |instance, host| {
            // SAFETY: `create` made the instance; the host outlives the call.
            unsafe { map_end(instance, host) }
        })
    }

    pub(crate) fn reduce_begin(&mut self, partition: u32) -> Result<(), TaskFailure> {
        let begin = self.reduce_functions()?.begin;
        self.call("reduce_begin", None, &mut NoServices, |instance, host| {
            // SAFETY: `create` made the instance; the host outlives the call.
            unsafe { begin(instance, partition, host) }
        })
    }

    /// Reduces the key at which `services` stand.
    pub(crate) fn reduce(&mut self, services: &mut dyn GroupServices) -> Result<(), TaskFailure> {
        let reduce = self.reduce_functions()?.reduce;
        self.call_with_group("reduce", reduce, services)
    }

    pub(crate) fn reduce_end(&mut self, services: &mut dyn Services) -> Result<(), TaskFailure> {
        let end = self.reduce_functions()?.end;
        self.call("reduce_end", None, services, |instance, host| {
            // SAFETY: `create` made the instance; the host outlives the call.
            unsafe { end(instance, host) }
        })
    }

    /// Combines the values of the key at which `services` stand, if the app combines; says whether it does.
    pub(crate) fn combine(&mut self, services: &mut dyn GroupServices) -> Result<bool, TaskFailure> {
        let Some(combine) = self.functions.combine else { return Ok(false) };
        self.call_with_group("combine", combine, services)?;
        Ok(true)
    }

    /// Whether the app folds values.
    pub(crate) fn combines(&self) -> bool {
        self.functions.combine.is_some()
    }

    /// The app's choice of partitions, outside of a call.
    pub(crate) fn partitioner(&self) -> Partitioner<'_> {
        // SAFETY: both belong to this plugin, and the instance is borrowed for as long.
        unsafe { Partitioner::new(self.functions.partition, self.pointer, self.ranges.as_ref()) }
    }

    /// What the app counted.
    pub(crate) fn into_counters(mut self) -> BTreeMap<String, i64> {
        std::mem::take(&mut self.session.counters)
    }

    fn reduce_functions(&self) -> Result<ReduceFunctions, TaskFailure> {
        self.functions.reduce.ok_or_else(|| failure::rule("a map-only app was asked to reduce"))
    }

    fn call_with_group(
        &mut self,
        name: &str,
        function: ValuesFn,
        services: &mut dyn GroupServices,
    ) -> Result<(), TaskFailure> {
        let (key, (values, count)) = services.group();
        let (key, first) = (lend(key), Values { bytes: lend(values), count });
        self.call(name, None, services, |instance, host| {
            // SAFETY: `create` made the instance. The host outlives the call, and `GroupServices` promise as much for the key,
            // and for the first values until more are asked for.
            unsafe { function(instance, key, &raw const first, host) }
        })
    }

    fn call(
        &mut self,
        function: &str,
        place: Option<&Place<'_>>,
        services: &mut dyn Services,
        call: impl FnOnce(*mut c_void, &Host) -> Status,
    ) -> Result<(), TaskFailure> {
        self.progress.tick();
        // SAFETY: both belong to this plugin, and the instance lives longer than the call.
        let partitioner =
            unsafe { Partitioner::new(self.functions.partition, self.pointer, self.ranges.as_ref()) };
        let mut context =
            Context { services, session: &mut self.session, partitioner, progress: &self.progress };
        let status = call(self.pointer, &context.host());
        self.session.settle(function, status, place)
    }
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        if self.created {
            // SAFETY: `create` made it, and it is not used again.
            unsafe { (self.functions.destroy)(self.pointer) };
        }
    }
}
