//! The host as a plugin sees it during one call: its functions made safe, and a memory of the first thing that failed.

use crate::abi::{self, Status};
use crate::bounds::KeyRanges;
use crate::collect::RunSink;
use crate::{App, Error, Key};
use std::borrow::Borrow;
use std::cell::{Cell, RefCell};

/// One call of the host into the plugin.
///
/// Authors emit and write without looking at results. What fails is kept here, later calls do nothing, and the call as
/// a whole fails when the author's method returns.
pub(crate) struct Host<'a> {
    raw: &'a abi::Host,
    stopped: Cell<Option<Status>>,
    failure: RefCell<Option<Error>>,
    /// How many bytes of the block come before the record that is being mapped.
    pub(crate) consumed: Cell<u64>,
}

/// The bytes that were lent.
///
/// # Safety
/// They must stay as they are for `'a`.
#[inline]
pub(crate) unsafe fn lent<'a>(bytes: abi::Bytes) -> &'a [u8] {
    if bytes.len == 0 || bytes.ptr.is_null() {
        return &[];
    }
    // SAFETY: not null, and the other side promises so many bytes for the duration of the call.
    unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) }
}

/// Lends bytes to the other side.
#[inline]
pub(crate) fn lend(bytes: &[u8]) -> abi::Bytes {
    abi::Bytes { ptr: bytes.as_ptr(), len: bytes.len() }
}

impl<'a> Host<'a> {
    pub(crate) fn new(raw: &'a abi::Host) -> Self {
        Self { raw, stopped: Cell::new(None), failure: RefCell::new(None), consumed: Cell::new(u64::MAX) }
    }

    /// Whether nothing that is done in this call matters any more.
    #[inline]
    pub(crate) fn failed(&self) -> bool {
        self.stopped.get().is_some() || self.failure.borrow().is_some()
    }

    /// The host's own word that the attempt is to end.
    pub(crate) fn stopped(&self) -> Option<Status> {
        self.stopped.get()
    }

    /// Makes the call fail with this error when it returns, unless something failed before.
    #[cold]
    pub(crate) fn remember(&self, error: Error) {
        let mut failure = self.failure.borrow_mut();
        if self.stopped.get().is_none() && failure.is_none() {
            *failure = Some(error);
        }
    }

    /// What was remembered.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.failure.borrow_mut().take()
    }

    /// Tells the host why the call is about to fail.
    pub(crate) fn fail(&self, message: &str, consumed: u64) {
        // SAFETY: the host lends its functions for the duration of the call.
        unsafe { (self.raw.fail)(self.raw.context, lend(message.as_bytes()), consumed) }
    }

    /// Calls the host unless the call has failed already.
    #[inline]
    fn call(&self, function: impl FnOnce(&abi::Host) -> Status) -> bool {
        if self.failed() {
            return false;
        }
        let status = function(self.raw);
        if status != Status::OK {
            self.stopped.set(Some(status));
        }
        status == Status::OK
    }

    pub(crate) fn write(&self, bytes: &[u8], records: u64) {
        // SAFETY: as in `fail`.
        self.call(|raw| unsafe { (raw.write)(raw.context, lend(bytes), records) });
    }

    pub(crate) fn combined(&self, value: &[u8]) {
        // SAFETY: as in `fail`.
        self.call(|raw| unsafe { (raw.combined)(raw.context, lend(value)) });
    }

    pub(crate) fn count(&self, name: &str, delta: i64) {
        // SAFETY: as in `fail`.
        self.call(|raw| unsafe { (raw.count)(raw.context, lend(name.as_bytes()), delta) });
    }

    pub(crate) fn progress(&self) {
        // SAFETY: as in `fail`.
        self.call(|raw| unsafe { (raw.progress)(raw.context) });
    }

    /// The next values of the key; none when the host has stopped the call.
    pub(crate) fn next_values(&self) -> abi::Values {
        let mut values = NO_VALUES;
        // SAFETY: as in `fail`; `values` outlives the call.
        if self.call(|raw| unsafe { (raw.next_values)(raw.context, &raw mut values) }) {
            values
        } else {
            NO_VALUES
        }
    }

    fn run(&self, function: impl FnOnce(&abi::Host) -> Status) -> Result<(), Error> {
        if self.call(function) { Ok(()) } else { Err(Error::new("the host has stopped the attempt")) }
    }
}

/// No values.
pub(crate) const NO_VALUES: abi::Values =
    abi::Values { bytes: abi::Bytes { ptr: std::ptr::null(), len: 0 }, count: 0 };

/// Takes the runs of a map attempt to the host.
pub(crate) struct HostRuns<'a, A> {
    pub(crate) host: &'a Host<'a>,
    pub(crate) partitions: u32,
    pub(crate) ranges: &'a KeyRanges,
    pub(crate) app: std::marker::PhantomData<fn() -> A>,
}

impl<A: App> RunSink for HostRuns<'_, A> {
    type Error = Error;

    #[inline]
    fn partition(&mut self, key: &[u8]) -> Result<u32, Error> {
        match A::PARTITION {
            None if A::TOTAL_ORDER => Ok(self.ranges.partition_of(key)),
            None => Ok(crate::partition_of(key, self.partitions)),
            Some(_) => own_partition::<A>(key, self.partitions),
        }
    }

    fn ascends(&self) -> bool {
        A::TOTAL_ORDER && A::PARTITION.is_none()
    }

    fn begin(&mut self) -> Result<(), Error> {
        // SAFETY: as in `Host::fail`.
        self.host.run(|raw| unsafe { (raw.run_begin)(raw.context) })
    }

    fn pairs(&mut self, partition: u32, pairs: u64, bytes: &[u8]) -> Result<(), Error> {
        // SAFETY: as in `Host::fail`.
        self.host.run(|raw| unsafe { (raw.run_pairs)(raw.context, partition, pairs, lend(bytes)) })
    }

    fn end(&mut self) -> Result<(), Error> {
        // SAFETY: as in `Host::fail`.
        self.host.run(|raw| unsafe { (raw.run_end)(raw.context) })
    }

    fn alive(&mut self) -> Result<(), Error> {
        // SAFETY: as in `Host::fail`.
        self.host.run(|raw| unsafe { (raw.progress)(raw.context) })
    }
}

/// The partition that the app itself gives a key.
pub(crate) fn own_partition<A: App>(key: &[u8], partitions: u32) -> Result<u32, Error> {
    let Some(choose) = A::PARTITION else { return Ok(crate::partition_of(key, partitions)) };
    let decoded = A::Key::decode_key(key)?;
    let partition = choose(decoded.borrow(), partitions);
    if partition < partitions {
        return Ok(partition);
    }
    Err(Error::new(format_args!(
        "the app put a key into partition {partition} of {partitions}; they count from 0"
    )))
}
