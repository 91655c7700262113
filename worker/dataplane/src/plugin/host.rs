//! The functions that a plugin may call while it is called.
//!
//! Each checks what it is given before it believes it, hands it to the [`Services`] of the call, and lets no panic out. The first
//! failure is kept; from then on every function answers [`Status::STOP`].

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gristmill_model::{FailureCause, Location, TaskFailure};
use gristmill_sdk::abi::{Bytes, Host, Status, Values};
use gristmill_sdk::bounds::KeyRanges;

use super::library::PartitionFn;
use crate::failure;
use crate::progress::ProgressCell;

/// Longest name of a counter in bytes, and most counters of an attempt: they travel in reports of bounded size.
const COUNTER_NAME_BYTES_MAX: usize = 256;
const COUNTERS_MAX: usize = 1000;

/// Encoded values and how many they are; zero of them means that there are no more.
pub(crate) type Batch<'b> = (&'b [u8], u64);

/// What the host does for a plugin during one call. What a kind of call does not offer is refused.
pub(crate) trait Services {
    fn emit(&mut self, _partitioner: Partitioner<'_>, _key: &[u8], _value: &[u8]) -> Result<(), TaskFailure> {
        Err(out_of_place("emit"))
    }
    fn run_begin(&mut self) -> Result<(), TaskFailure> {
        Err(out_of_place("run_begin"))
    }
    fn run_pairs(&mut self, _partition: u32, _pairs: u64, _bytes: &[u8]) -> Result<(), TaskFailure> {
        Err(out_of_place("run_pairs"))
    }
    fn run_end(&mut self) -> Result<(), TaskFailure> {
        Err(out_of_place("run_end"))
    }
    fn write(&mut self, _bytes: &[u8], _records: u64) -> Result<(), TaskFailure> {
        Err(out_of_place("write"))
    }
    fn next_values(&mut self) -> Result<Batch<'_>, TaskFailure> {
        Err(out_of_place("next_values"))
    }
    fn combined(&mut self, _value: &[u8]) -> Result<(), TaskFailure> {
        Err(out_of_place("combined"))
    }
}

/// What the host does in a call that is about one key.
pub(crate) trait GroupServices: Services {
    /// The key and its first values. The key stays where and as it is during the whole call, the values until
    /// [`next_values`](Services::next_values).
    fn group(&self) -> (&[u8], Batch<'_>);
}

/// Encoded groups, how many they are, and whether the last has values beyond those.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupBatch<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) count: u64,
    pub(crate) more: bool,
}

/// What the host does in a call that is about a batch of keys.
pub(crate) trait BatchServices: Services {
    /// The batch, which stays where and as it is during the whole call.
    fn batch(&self) -> GroupBatch<'_>;
}

/// A call that failed.
pub(crate) struct CallFailure {
    pub(crate) failure: TaskFailure,
    /// How many bytes of what it was given come before what is wrong, if the plugin said so.
    pub(crate) consumed: Option<u64>,
}

impl From<TaskFailure> for CallFailure {
    fn from(failure: TaskFailure) -> Self {
        Self { failure, consumed: None }
    }
}

impl From<CallFailure> for TaskFailure {
    fn from(failed: CallFailure) -> Self {
        failed.failure
    }
}

/// For calls in which a plugin may only count, fail and say that it is alive.
pub(super) struct NoServices;

impl Services for NoServices {}

fn out_of_place(function: &str) -> TaskFailure {
    failure::rule(format_args!("`{function}` may not be called here"))
}

/// The partitions of keys: ranges of a total order, the plugin's own choice, or by a hash. Usable while the plugin is being called.
#[derive(Clone, Copy)]
pub(crate) struct Partitioner<'c> {
    function: Option<PartitionFn>,
    instance: *mut c_void,
    ranges: Option<&'c KeyRanges>,
}

impl<'c> Partitioner<'c> {
    /// # Safety
    /// `function` belongs to the plugin that made `instance`, which lives as long as the partitioner.
    pub(super) unsafe fn new(
        function: Option<PartitionFn>,
        instance: *mut c_void,
        ranges: Option<&'c KeyRanges>,
    ) -> Self {
        Self { function, instance, ranges }
    }

    /// Whether partitions are ranges of keys.
    pub(crate) fn ascends(&self) -> bool {
        self.ranges.is_some()
    }

    /// The partition of `key`, below `partitions`, which is not zero.
    pub(crate) fn partition_of(&self, key: &[u8], partitions: u32) -> Result<u32, TaskFailure> {
        if let Some(ranges) = self.ranges {
            return Ok(ranges.partition_of(key));
        }
        let Some(function) = self.function else { return Ok(gristmill_sdk::partition_of(key, partitions)) };
        // SAFETY: as `new` says; the key is lent for the call.
        let partition = unsafe { function(self.instance, lend(key), partitions) };
        if partition < partitions {
            return Ok(partition);
        }
        Err(failure::rule(format_args!(
            "`partition` chose {partition}, but there are {partitions}, counted from 0"
        )))
    }
}

/// What outlives a call: what the plugin counted and said, and what went wrong.
#[derive(Default)]
pub(super) struct Session {
    pub(super) counters: BTreeMap<String, i64>,
    failure: Option<TaskFailure>,
    said: Option<Said>,
}

struct Said {
    message: String,
    consumed: u64,
}

/// The input that a call is about, for the place of a failure.
pub(super) struct Place<'b> {
    pub(super) document: &'b gristmill_model::PathBytes,
    pub(super) offset: u64,
    pub(super) bytes: usize,
}

impl Place<'_> {
    /// A place beyond the block is not believed.
    fn location(&self, consumed: Option<u64>) -> Location {
        let consumed = consumed.filter(|&consumed| consumed <= self.bytes as u64).unwrap_or(0);
        Location { document: self.document.clone(), offset: self.offset.saturating_add(consumed) }
    }
}

impl Session {
    /// Turns the status of a call into its result.
    pub(super) fn settle(
        &mut self,
        function: &str,
        status: Status,
        place: Option<&Place<'_>>,
    ) -> Result<(), CallFailure> {
        let said = self.said.take();
        let consumed = said.as_ref().map(|said| said.consumed).filter(|&consumed| consumed != u64::MAX);
        self.judge(function, status, said, place.map(|place| place.location(consumed)))
            .map_err(|failure| CallFailure { failure, consumed })
    }

    fn judge(
        &mut self,
        function: &str,
        status: Status,
        said: Option<Said>,
        location: Option<Location>,
    ) -> Result<(), TaskFailure> {
        if let Some(failure) = self.failure.take() {
            return Err(TaskFailure { location: failure.location.or(location), ..failure });
        }
        let cause = match status {
            Status::OK => return Ok(()),
            Status::ERROR => FailureCause::Error,
            Status::PANIC => FailureCause::Panic,
            Status::STOP => {
                let broken = format_args!("`{function}` stopped, but nothing had asked it to");
                return Err(TaskFailure { location, ..failure::rule(broken) });
            }
            Status(other) => {
                let broken = format_args!("`{function}` returned {other}, which is no status");
                return Err(TaskFailure { location, ..failure::rule(broken) });
            }
        };
        match said {
            Some(said) => Err(TaskFailure { cause, message: failure::one_line(&said.message), location }),
            None if cause == FailureCause::Panic => Err(TaskFailure {
                cause,
                message: format!("panicked in `{function}` without a message"),
                location,
            }),
            None => {
                let broken =
                    format_args!("`{function}` failed without saying why: it must call `fail` first");
                Err(TaskFailure { location, ..failure::rule(broken) })
            }
        }
    }

    fn count(&mut self, name: &str, delta: i64) -> Result<(), TaskFailure> {
        if let Some(counter) = self.counters.get_mut(name) {
            *counter = counter.saturating_add(delta);
            return Ok(());
        }
        if self.counters.len() >= COUNTERS_MAX {
            return Err(failure::rule(format_args!("it has more than {COUNTERS_MAX} counters")));
        }
        self.counters.insert(name.to_owned(), delta);
        Ok(())
    }
}

/// What a [`Host`]'s context points to during a call.
pub(super) struct Context<'c> {
    pub(super) services: &'c mut dyn Services,
    pub(super) session: &'c mut Session,
    pub(super) partitioner: Partitioner<'c>,
    pub(super) progress: &'c ProgressCell,
}

impl Context<'_> {
    /// The host as it is lent for one call.
    pub(super) fn host(&mut self) -> Host {
        Host {
            size: size_of::<Host>() as u32,
            reserved: 0,
            context: (&raw mut *self).cast(),
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
}

/// Lends bytes to a plugin.
pub(super) fn lend(bytes: &[u8]) -> Bytes {
    Bytes { ptr: bytes.as_ptr(), len: bytes.len() }
}

/// What a plugin lends.
///
/// # Safety
/// Unless it is refused here, `bytes` points to so many bytes, which stay as they are for `'b`.
unsafe fn borrow<'b>(bytes: Bytes) -> Result<&'b [u8], TaskFailure> {
    if bytes.len == 0 {
        return Ok(&[]);
    }
    if bytes.ptr.is_null() || isize::try_from(bytes.len).is_err() {
        return Err(failure::rule(format_args!("it lent {} bytes at address {:?}", bytes.len, bytes.ptr)));
    }
    // SAFETY: as the caller says.
    Ok(unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) })
}

/// Runs what a host function does, unless the call has failed already.
///
/// # Safety
/// `context` is what [`Context::host`] put into the host of a call that is still going on, in the same thread.
unsafe fn serve(
    context: *mut c_void,
    serve: impl FnOnce(&mut Context<'_>) -> Result<(), TaskFailure>,
) -> Status {
    if context.is_null() {
        return Status::STOP;
    }
    // SAFETY: as the caller says; nothing else uses the context while the plugin is being called.
    let context = unsafe { &mut *context.cast::<Context<'_>>() };
    if context.session.failure.is_some() {
        return Status::STOP;
    }
    context.progress.tick();
    match catch_unwind(AssertUnwindSafe(|| serve(context))) {
        Ok(Ok(())) => Status::OK,
        Ok(Err(failure)) => {
            context.session.failure = Some(failure);
            Status::STOP
        }
        Err(panic) => {
            context.session.failure = Some(our_panic(panic.as_ref()));
            Status::STOP
        }
    }
}

fn our_panic(panic: &(dyn Any + Send)) -> TaskFailure {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    let message =
        format!("gristmill itself panicked while it served the plugin, which is a bug of gristmill: {text}");
    TaskFailure { cause: FailureCause::Machine, message: failure::one_line(&message), location: None }
}

unsafe extern "C" fn emit(context: *mut c_void, key: Bytes, value: Bytes) -> Status {
    // SAFETY: the plugin passes the context back and lends the bytes for this call.
    unsafe {
        serve(context, |context| context.services.emit(context.partitioner, borrow(key)?, borrow(value)?))
    }
}

unsafe extern "C" fn run_begin(context: *mut c_void) -> Status {
    // SAFETY: the plugin passes the context back.
    unsafe { serve(context, |context| context.services.run_begin()) }
}

unsafe extern "C" fn run_pairs(context: *mut c_void, partition: u32, pairs: u64, bytes: Bytes) -> Status {
    // SAFETY: the plugin passes the context back and lends the bytes for this call.
    unsafe { serve(context, |context| context.services.run_pairs(partition, pairs, borrow(bytes)?)) }
}

unsafe extern "C" fn run_end(context: *mut c_void) -> Status {
    // SAFETY: the plugin passes the context back.
    unsafe { serve(context, |context| context.services.run_end()) }
}

unsafe extern "C" fn write(context: *mut c_void, bytes: Bytes, records: u64) -> Status {
    // SAFETY: the plugin passes the context back and lends the bytes for this call.
    unsafe { serve(context, |context| context.services.write(borrow(bytes)?, records)) }
}

unsafe extern "C" fn next_values(context: *mut c_void, values: *mut Values) -> Status {
    let next = |context: &mut Context<'_>| {
        if values.is_null() || !values.is_aligned() {
            return Err(failure::rule("`next_values` was given no place for the values"));
        }
        let (bytes, count) = context.services.next_values()?;
        // SAFETY: the plugin owns the place. The values stay where they are until the next call, or the return.
        unsafe { values.write(Values { bytes: lend(bytes), count }) };
        Ok(())
    };
    // SAFETY: the plugin passes the context back.
    unsafe { serve(context, next) }
}

unsafe extern "C" fn combined(context: *mut c_void, value: Bytes) -> Status {
    // SAFETY: the plugin passes the context back and lends the bytes for this call.
    unsafe { serve(context, |context| context.services.combined(borrow(value)?)) }
}

unsafe extern "C" fn count(context: *mut c_void, name: Bytes, delta: i64) -> Status {
    let count = |context: &mut Context<'_>| {
        // SAFETY: the plugin lends the bytes for this call.
        let name = unsafe { borrow(name) }?;
        match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() && name.len() <= COUNTER_NAME_BYTES_MAX => {
                context.session.count(name, delta)
            }
            _ => Err(failure::rule("the name of a counter is not UTF-8 of 1 to 256 bytes")),
        }
    };
    // SAFETY: the plugin passes the context back.
    unsafe { serve(context, count) }
}

unsafe extern "C" fn progress(context: *mut c_void) -> Status {
    // SAFETY: the plugin passes the context back.
    unsafe { serve(context, |_| Ok(())) }
}

unsafe extern "C" fn fail(context: *mut c_void, message: Bytes, consumed: u64) {
    let fail = |context: &mut Context<'_>| {
        // SAFETY: the plugin lends the bytes for this call.
        let message = String::from_utf8_lossy(unsafe { borrow(message) }?).into_owned();
        context.session.said = Some(Said { message, consumed });
        Ok(())
    };
    // SAFETY: the plugin passes the context back.
    unsafe { serve(context, fail) };
}
