//! The functions behind the boundary: what the host calls, turned into calls of an [`App`].
//!
//! Each catches panics, reports failures to the host and marks the instance as failed, after which it can only be
//! destroyed.

use crate::abi::{self, Status, flags, input_mode};
use crate::bounds::KeyRanges;
use crate::collect::TypedCollector;
use crate::counters::Counters;
use crate::emit::{Emit, combine, not_combined};
use crate::host::{Host, HostRuns, lent, own_partition};
use crate::output::{Output, OutputBuffer};
use crate::{App, Encode, Error, Input, Key, Params, Result, Split, Values, wire};
use std::any::Any;
use std::borrow::Borrow;
use std::ffi::c_void;
use std::io::Write;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a plugin was built with, for messages.
const BUILT_WITH: &str = concat!("gristmill-sdk ", env!("CARGO_PKG_VERSION"));

/// The descriptor of an app. [`export!`](crate::export) makes it the library's exported static.
pub const fn descriptor<A: App>(name: &'static str, version: &'static str) -> abi::Descriptor {
    const {
        assert!(!(A::MAP_ONLY && A::COMBINE.is_some()), "an app that is MAP_ONLY has nothing to combine");
        assert!(
            !(A::MAP_ONLY && A::TOTAL_ORDER),
            "an app that is MAP_ONLY gives its output in the order of the input"
        );
        assert!(
            A::PARTITION.is_none() || !A::TOTAL_ORDER,
            "an app with a TOTAL_ORDER cannot choose partitions itself"
        );
    }
    let (input_mode, record_bytes) = match A::INPUT {
        Input::Text => (input_mode::TEXT, 0),
        Input::File => (input_mode::FILE, 0),
        Input::Records(bytes) => (input_mode::RECORDS, bytes),
    };
    assert!(record_bytes > 0 || input_mode != input_mode::RECORDS, "a record has at least one byte");
    let stages = if A::MAP_ONLY { flags::MAP_ONLY } else { flags::COLLECTS };
    let order = if A::TOTAL_ORDER { flags::TOTAL_ORDER } else { 0 };
    let panics = if cfg!(panic = "abort") { flags::PANIC_ABORTS } else { 0 };
    abi::Descriptor {
        magic: abi::MAGIC,
        abi_version: abi::ABI_VERSION,
        size: size_of::<abi::Descriptor>() as u32,
        flags: stages | order | panics,
        input_mode,
        record_bytes,
        reserved: 0,
        name: text(name),
        version: text(version),
        built_with: text(BUILT_WITH),
        create: create::<A>,
        destroy: destroy::<A>,
        map_begin: map_begin::<A>,
        map: map::<A>,
        map_end: map_end::<A>,
        reduce_begin: reduce_begin::<A>,
        reduce: reduce::<A>,
        reduce_end: reduce_end::<A>,
        combine: if A::COMBINE.is_some() { Some(combine_key::<A>) } else { None },
        partition: if A::PARTITION.is_some() { Some(partition_key::<A>) } else { None },
    }
}

const fn text(text: &'static str) -> abi::Bytes {
    abi::Bytes { ptr: text.as_ptr(), len: text.len() }
}

struct Instance<A: App> {
    params: Params,
    app: A,
    /// The app was set up and no attempt has used it.
    fresh: bool,
    stage: Stage,
    memory_bytes: u64,
    partitions: u32,
    ranges: KeyRanges,
    collector: TypedCollector<A::Value>,
    key_scratch: Vec<u8>,
    output: OutputBuffer,
    counters: Counters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Map,
    Reduce,
    Failed,
}

impl<A: App> Instance<A> {
    fn new(params: Params) -> Result<Self> {
        Ok(Self {
            app: set_up(&params)?,
            params,
            fresh: true,
            stage: Stage::Idle,
            memory_bytes: 0,
            partitions: 0,
            ranges: KeyRanges::default(),
            collector: TypedCollector::new(0),
            key_scratch: Vec::new(),
            output: OutputBuffer::default(),
            counters: Counters::default(),
        })
    }

    /// Nothing of an attempt may show in the next one.
    fn begin(&mut self, stage: Stage) -> Result<()> {
        self.expect(Stage::Idle)?;
        if !std::mem::replace(&mut self.fresh, false) {
            self.app = set_up(&self.params)?;
        }
        self.collector.clear();
        self.shrink_scratch();
        self.output.clear();
        self.counters.clear();
        self.stage = stage;
        Ok(())
    }

    /// One long key or value need not be held for ever.
    fn shrink_scratch(&mut self) {
        self.key_scratch.clear();
        self.key_scratch.shrink_to(crate::collect::RUN_BUFFER_BYTES);
    }

    fn expect(&self, stage: Stage) -> Result<()> {
        if self.stage == stage {
            return Ok(());
        }
        Err(Error::new(format_args!(
            "the host called the plugin out of order: it is in {:?}, not {stage:?}",
            self.stage
        )))
    }

    fn emit<'a>(&'a mut self, host: &'a Host<'a>) -> (&'a mut A, Emit<'a, A>) {
        let emit = Emit {
            collector: &mut self.collector,
            key_scratch: &mut self.key_scratch,
            output: &mut self.output,
            counters: &mut self.counters,
            host,
            partitions: self.partitions,
            ranges: &self.ranges,
        };
        (&mut self.app, emit)
    }

    fn output<'a>(&'a mut self, host: &'a Host<'a>) -> (&'a mut A, Output<'a>) {
        (&mut self.app, Output { buffer: &mut self.output, counters: &mut self.counters, host })
    }

    #[inline]
    fn reduce_key(&mut self, key: &[u8], values: Values<'_, A::Value>, host: &Host<'_>) -> Result<()> {
        let key = A::Key::decode_key(key)?;
        let (app, mut out) = self.output(host);
        app.reduce(key.borrow(), values, &mut out)
    }
}

fn set_up<A: App>(params: &Params) -> Result<A> {
    let mut app = A::default();
    app.setup(params)?;
    Ok(app)
}

/// Runs one call: nothing unwinds out of it, and every failure is told to the host.
///
/// # Safety
/// `host` points to the host's functions for the duration of the call.
unsafe fn guard(host: *const abi::Host, body: impl FnOnce(&Host<'_>) -> Result<()>) -> Status {
    // SAFETY: as promised by the caller; the size comes first in every version, so it can be read before the rest.
    if host.is_null() || (unsafe { (&raw const (*host).size).read() } as usize) < size_of::<abi::Host>() {
        return Status::ERROR;
    }
    // SAFETY: as promised by the caller, and the host has all the functions that this version knows.
    let raw = unsafe { &*host };
    let host = Host::new(raw);
    let outcome = catch_unwind(AssertUnwindSafe(|| body(&host)));
    let consumed = host.consumed.get();
    match outcome {
        Err(panic) => {
            host.fail(&format!("the app panicked: {}", panic_message(panic.as_ref())), consumed);
            // Dropping it might panic once more.
            std::mem::forget(panic);
            Status::PANIC
        }
        Ok(returned) => {
            if let Some(status) = host.stopped() {
                return status;
            }
            match host.take_failure().map_or(returned, Err) {
                Ok(()) => Status::OK,
                Err(error) => {
                    host.fail(&error.to_string(), error.consumed().unwrap_or(consumed));
                    Status::ERROR
                }
            }
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

/// [`guard`] for a call of an instance, which is marked when the call fails.
///
/// # Safety
/// As for [`guard`]; `instance` came from [`create`] for the same `A`, and no other call of it is at work.
unsafe fn enter<A: App>(
    instance: *mut c_void,
    host: *const abi::Host,
    body: impl FnOnce(&mut Instance<A>, &Host<'_>) -> Result<()>,
) -> Status {
    // SAFETY: as promised by the caller.
    let Some(instance) = (unsafe { instance.cast::<Instance<A>>().as_mut() }) else { return Status::ERROR };
    // SAFETY: as promised by the caller.
    let status = unsafe { guard(host, |host| body(instance, host)) };
    if status != Status::OK {
        instance.stage = Stage::Failed;
    }
    if instance.stage != Stage::Map && instance.stage != Stage::Reduce {
        // The library's own buffer, which the host cannot reach: what was printed belongs to this attempt, not to the next.
        let _ = std::io::stdout().flush();
    }
    status
}

unsafe extern "C" fn create<A: App>(
    setup: *const abi::Setup,
    host: *const abi::Host,
    instance: *mut *mut c_void,
) -> Status {
    let body = |_: &Host<'_>| {
        // SAFETY: the host lends a setup.
        let params = Params::new(A::PARAMS, unsafe { given_params(&*setup) }?)?;
        let made = Box::new(Instance::<A>::new(params)?);
        // SAFETY: the host gives a place for the instance.
        unsafe { *instance = Box::into_raw(made).cast() };
        Ok(())
    };
    // SAFETY: the host lends its functions.
    unsafe { guard(host, body) }
}

/// # Safety
/// The parameters that `setup` names must be there.
unsafe fn given_params(setup: &abi::Setup) -> Result<Vec<(String, String)>> {
    if setup.param_count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: as promised by the caller.
    let params = unsafe { std::slice::from_raw_parts(setup.params, setup.param_count) };
    // SAFETY: as promised by the caller.
    let owned = |bytes| std::str::from_utf8(unsafe { lent(bytes) }).map(str::to_owned);
    params.iter().map(|param| Ok((owned(param.key)?, owned(param.value)?))).collect()
}

unsafe extern "C" fn destroy<A: App>(instance: *mut c_void) {
    if instance.is_null() {
        return;
    }
    // SAFETY: the host gives back what `create` gave, once.
    let instance = unsafe { Box::from_raw(instance.cast::<Instance<A>>()) };
    // There is nobody to tell about a panic; its line is on stderr.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(instance))) {
        std::mem::forget(panic);
    }
}

unsafe extern "C" fn map_begin<A: App>(
    instance: *mut c_void,
    setup: *const abi::MapSetup,
    host: *const abi::Host,
) -> Status {
    let body = |instance: &mut Instance<A>, _: &Host<'_>| {
        // SAFETY: the host lends a setup.
        let setup = unsafe { *setup };
        if A::MAP_ONLY && setup.partitions > 0 {
            return Err(Error::new("the app has no reduce stage, so there can be no partitions"));
        }
        instance.begin(Stage::Map)?;
        instance.partitions = setup.partitions;
        // SAFETY: the host lends the bounds with the setup.
        instance.ranges = ranges::<A>(unsafe { lent(setup.bounds) }, setup.partitions)?;
        if instance.memory_bytes != setup.memory_bytes {
            instance.memory_bytes = setup.memory_bytes;
            instance.collector = TypedCollector::new(setup.memory_bytes);
        }
        Ok(())
    };
    // SAFETY: the host keeps the rules of the boundary.
    unsafe { enter(instance, host, body) }
}

/// The ranges of a total order, of which no bound may come to any other app.
fn ranges<A: App>(bounds: &[u8], partitions: u32) -> Result<KeyRanges> {
    if !A::TOTAL_ORDER && !bounds.is_empty() {
        return Err(Error::new("the host gave bounds of partitions to an app without a total order"));
    }
    Ok(KeyRanges::decode(bounds, partitions)?)
}

unsafe extern "C" fn map<A: App>(
    instance: *mut c_void,
    block: *const abi::Block,
    host: *const abi::Host,
) -> Status {
    let body = |instance: &mut Instance<A>, host: &Host<'_>| {
        instance.expect(Stage::Map)?;
        // SAFETY: the host lends a block and its bytes.
        let (block, document, bytes) = unsafe { (&*block, lent((*block).document), lent((*block).bytes)) };
        let record_bytes = match A::INPUT {
            Input::Records(bytes) => usize::try_from(bytes)?,
            Input::Text | Input::File => 0,
        };
        if record_bytes > 0 && bytes.len() % record_bytes != 0 {
            let length = bytes.len();
            return Err(Error::new(format_args!("{length} bytes are not whole records of {record_bytes}")));
        }
        let split = Split { document, bytes, offset: block.offset, record_bytes, consumed: &host.consumed };
        let (app, mut emit) = instance.emit(host);
        let mapped = app.map(&split, &mut emit);
        emit.settle();
        mapped
    };
    // SAFETY: the host keeps the rules of the boundary.
    unsafe { enter(instance, host, body) }
}

unsafe extern "C" fn map_end<A: App>(instance: *mut c_void, host: *const abi::Host) -> Status {
    let body = |instance: &mut Instance<A>, host: &Host<'_>| {
        instance.expect(Stage::Map)?;
        let (app, mut emit) = instance.emit(host);
        app.finish_map(&mut emit)?;
        if host.failed() {
            return Ok(());
        }
        let mut runs = HostRuns::<A> {
            host,
            partitions: instance.partitions,
            ranges: &instance.ranges,
            app: PhantomData,
        };
        match A::COMBINE {
            Some(_) => instance.collector.finish(Some(combine::<A>), &mut runs)?,
            None => instance.collector.finish(not_combined::<A>(), &mut runs)?,
        }
        instance.output.flush(host);
        instance.counters.flush(host);
        instance.stage = Stage::Idle;
        Ok(())
    };
    // SAFETY: the host keeps the rules of the boundary.
    unsafe { enter(instance, host, body) }
}

unsafe extern "C" fn reduce_begin<A: App>(
    instance: *mut c_void,
    _partition: u32,
    host: *const abi::Host,
) -> Status {
    let body = |instance: &mut Instance<A>, _: &Host<'_>| {
        instance.begin(Stage::Reduce)?;
        // The host needs the memory now.
        instance.memory_bytes = 0;
        instance.collector = TypedCollector::new(0);
        Ok(())
    };
    // SAFETY: the host keeps the rules of the boundary.
    unsafe { enter(instance, host, body) }
}

unsafe extern "C" fn reduce<A: App>(
    instance: *mut c_void,
    groups: *const abi::Groups,
    host: *const abi::Host,
) -> Status {
    let body = |instance: &mut Instance<A>, host: &Host<'_>| {
        instance.expect(Stage::Reduce)?;
        // SAFETY: the host lends the groups.
        let (bytes, groups) = unsafe { (lent((*groups).bytes), &*groups) };
        let mut rest = bytes;
        for index in 1..=groups.count {
            let offset = bytes.len() - rest.len();
            host.consumed.set(offset as u64);
            // The app may take its time with each key.
            host.progress();
            let group = wire::take_group(&mut rest).ok_or_else(|| Error::new("a group is not whole"))?;
            let more = groups.more != 0 && index == groups.count;
            // SAFETY: the host lends the values that it gave, and has more of the last group if it says so.
            let values = unsafe { Values::new(group.values, group.count, more, host) };
            instance.reduce_key(group.key, values, host).map_err(|error| error.at(offset))?;
            if host.failed() {
                return Ok(());
            }
        }
        Ok(())
    };
    // SAFETY: the host keeps the rules of the boundary.
    unsafe { enter(instance, host, body) }
}

unsafe extern "C" fn reduce_end<A: App>(instance: *mut c_void, host: *const abi::Host) -> Status {
    let body = |instance: &mut Instance<A>, host: &Host<'_>| {
        instance.expect(Stage::Reduce)?;
        let (app, mut out) = instance.output(host);
        app.finish_reduce(&mut out)?;
        instance.output.flush(host);
        instance.counters.flush(host);
        instance.stage = Stage::Idle;
        Ok(())
    };
    // SAFETY: the host keeps the rules of the boundary.
    unsafe { enter(instance, host, body) }
}

unsafe extern "C" fn combine_key<A: App>(
    instance: *mut c_void,
    _key: abi::Bytes,
    first: *const abi::Values,
    host: *const abi::Host,
) -> Status {
    let body = |instance: &mut Instance<A>, host: &Host<'_>| {
        // SAFETY: the host lends the values until the next ones are asked for.
        let mut values = unsafe { Values::<A::Value>::new(lent((*first).bytes), (*first).count, true, host) };
        let Some(mut total) = values.next() else { return Ok(()) };
        values.for_each(|next| combine::<A>(&mut total, next));
        instance.key_scratch.clear();
        total.encode_last(&mut instance.key_scratch);
        host.combined(&instance.key_scratch);
        instance.shrink_scratch();
        Ok(())
    };
    // SAFETY: the host keeps the rules of the boundary.
    unsafe { enter(instance, host, body) }
}

/// Gives `partitions`, which is out of range, when the app fails to choose.
unsafe extern "C" fn partition_key<A: App>(_instance: *mut c_void, key: abi::Bytes, partitions: u32) -> u32 {
    // SAFETY: the host lends the key for the call.
    let key = unsafe { lent(key) };
    match catch_unwind(|| own_partition::<A>(key, partitions)) {
        Ok(chosen) => chosen.unwrap_or(partitions),
        Err(panic) => {
            std::mem::forget(panic);
            partitions
        }
    }
}

#[cfg(test)]
mod tests;
