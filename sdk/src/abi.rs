//! The C ABI between Gristmill and a plugin: one static descriptor, plain structs, borrowed bytes.
//!
//! A plugin is a shared library with one exported symbol, [`SYMBOL`], a [`Descriptor`]. The host reads its first
//! [`HEADER_BYTES`] from the file and compares them before it loads the library, so nothing of a mismatched plugin
//! ever runs. `include/gristmill.h` says the same in C; a test keeps the two alike.
//!
//! Rules that both sides keep:
//! - Bytes are lent for the duration of one call. Who receives them copies; nobody frees the other's memory.
//! - A plugin function returns a [`Status`]. Before it returns anything but [`Status::OK`] it calls [`Host::fail`] with
//!   a message, unless it only hands on the status of a host function.
//! - A host function that returns anything but [`Status::OK`] has already recorded why; the plugin returns at once,
//!   with that status.
//! - No panic and no C++ exception may cross the boundary.
//! - One instance is used by one thread at a time.
//!
//! The life of an instance in a slot:
//!
//! ```text
//! create ─┬─ map attempt:    map_begin, map (once a block), map_end      ─┬─ … more attempts … ─ destroy
//!         └─ reduce attempt: reduce_begin, reduce (once a batch), reduce_end ┘
//! ```
//!
//! After a failed call the instance is only destroyed.

use std::ffi::c_void;

/// The first bytes of every descriptor.
pub const MAGIC: [u8; 8] = *b"GRISTML\0";

/// Grows with every incompatible change of this file.
pub const ABI_VERSION: u32 = 2;

/// The name of the exported static.
pub const SYMBOL: &str = "gristmill_plugin";

/// How many bytes of a [`Descriptor`] can be read from the file: those before its first pointer.
pub const HEADER_BYTES: usize = 40;

/// Borrowed bytes. `ptr` may be null when `len` is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// First byte.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// The outcome of a call across the boundary.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// It worked.
    pub const OK: Self = Self(0);
    /// The app returned an error.
    pub const ERROR: Self = Self(1);
    /// The app panicked; the panic was caught inside the plugin.
    pub const PANIC: Self = Self(2);
    /// The host wants the attempt to end; it knows why.
    pub const STOP: Self = Self(3);
}

/// What [`Descriptor::input_mode`] may hold.
pub mod input_mode {
    /// Blocks of whole lines.
    pub const TEXT: u32 = 0;
    /// A whole file in one call, never split.
    pub const FILE: u32 = 1;
    /// Blocks of whole records of [`record_bytes`](super::Descriptor::record_bytes) each.
    pub const RECORDS: u32 = 2;
}

/// Bits of [`Descriptor::flags`].
pub mod flags {
    /// The app has no reduce stage: its map writes the output.
    pub const MAP_ONLY: u32 = 1;
    /// The plugin was built with `panic = "abort"`: a panic costs the slot.
    pub const PANIC_ABORTS: u32 = 2;
    /// The plugin collects pairs itself and hands over sorted runs ([`Host::run_begin`](super::Host::run_begin)). Otherwise every pair comes
    /// through [`Host::emit`](super::Host::emit) and the host collects.
    pub const COLLECTS: u32 = 4;
    /// Partitions are ranges of keys, so that the outputs one after the other are in order: see
    /// [`MapSetup::bounds`](super::MapSetup::bounds). Not together with [`MAP_ONLY`] or a `partition` of its own.
    pub const TOTAL_ORDER: u32 = 8;
    /// Every bit that this version knows.
    pub const ALL: u32 = 15;
}

/// A parameter of the job (`--arg key=value`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// UTF-8.
    pub key: Bytes,
    /// UTF-8.
    pub value: Bytes,
}

/// What an instance is created with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// `param_count` parameters, sorted by key, keys distinct.
    pub params: *const Param,
    /// Number of parameters.
    pub param_count: usize,
}

/// What a map attempt begins with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MapSetup {
    /// Number of partitions (reduces); 0 in a map-only job.
    pub partitions: u32,
    /// Padding, zero.
    pub reserved: u32,
    /// How many bytes of memory the plugin may hold for collected pairs before it hands over a run.
    pub memory_bytes: u64,
    /// With [`flags::TOTAL_ORDER`], where partitions begin: fewer encoded keys than there are partitions, ascending, each a LEB128 length
    /// (at most 10 bytes) and so many bytes. A key belongs to the partition whose number is that of the bounds which are not above it,
    /// compared byte by byte; so without bounds all keys belong to the first. Empty without the flag.
    pub bounds: Bytes,
}

/// One block of input.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// The document's name as the user gave it; not necessarily UTF-8.
    pub document: Bytes,
    /// Whole lines, whole records, or the whole file.
    pub bytes: Bytes,
    /// Where `bytes` begins in the (decompressed) document.
    pub offset: u64,
}

/// Some values of one key: `count` values, each a LEB128 length (at most 10 bytes) followed by so many bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Values {
    /// The encoded values, back to back.
    pub bytes: Bytes,
    /// How many there are in this batch. Zero from [`Host::next_values`] means that there are no more.
    pub count: u64,
}

/// A batch of groups, whole keys with their values, in the order of their keys.
///
/// `bytes` holds `count` groups back to back, one at least: a LEB128 key length and the key; a LEB128 number of values and a LEB128
/// number of bytes; so many bytes which hold so many values, encoded as in [`Values`]. All stay until the call returns. The last
/// group, and no other, may have more values than are here, where there may be none ([`more`](Self::more)): they come from
/// [`Host::next_values`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    /// The encoded groups.
    pub bytes: Bytes,
    /// How many there are.
    pub count: u64,
    /// 1 if the last group has values that are not here, else 0.
    pub more: u32,
    /// Padding, zero.
    pub reserved: u32,
}

/// The host's functions, lent for one call. `context` is passed back to each.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Host {
    /// `size_of::<Host>()` as the host was built; later versions only append.
    pub size: u32,
    /// Padding, zero.
    pub reserved: u32,
    /// The host's own.
    pub context: *mut c_void,
    /// Map: one pair. In a map-only job it is written as the line `key value`.
    pub emit: unsafe extern "C" fn(context: *mut c_void, key: Bytes, value: Bytes) -> Status,
    /// Map: a run of pairs begins ([`flags::COLLECTS`]). Between this and `run_end` keys ascend within ascending
    /// partitions; equal keys are in emission order.
    pub run_begin: unsafe extern "C" fn(context: *mut c_void) -> Status,
    /// Map: some pairs of one partition: `pairs` times a LEB128 key length, a LEB128 value length, key, value.
    pub run_pairs:
        unsafe extern "C" fn(context: *mut c_void, partition: u32, pairs: u64, bytes: Bytes) -> Status,
    /// Map: the run that was begun is whole.
    pub run_end: unsafe extern "C" fn(context: *mut c_void) -> Status,
    /// Reduce, or map in a map-only job: bytes of output, in which `records` records end.
    pub write: unsafe extern "C" fn(context: *mut c_void, bytes: Bytes, records: u64) -> Status,
    /// Reduce: the next values of the last group of the batch. Combine: those of the key. They stay until the next call or the return.
    pub next_values: unsafe extern "C" fn(context: *mut c_void, values: *mut Values) -> Status,
    /// Combine: one value that stands for those taken so far.
    pub combined: unsafe extern "C" fn(context: *mut c_void, value: Bytes) -> Status,
    /// Add to a counter of the job, named in UTF-8 (at most 256 bytes).
    pub count: unsafe extern "C" fn(context: *mut c_void, name: Bytes, delta: i64) -> Status,
    /// Say that the attempt is alive, when one record takes long; in reduce, once a group.
    pub progress: unsafe extern "C" fn(context: *mut c_void) -> Status,
    /// Say why the call is about to fail: a UTF-8 message, and how many bytes of the current block, or of the batch of groups, come
    /// before what is wrong (`u64::MAX` when unknown).
    pub fail: unsafe extern "C" fn(context: *mut c_void, message: Bytes, consumed: u64),
}

/// What the library exports. All that is before the first pointer is checked before the library is loaded.
#[repr(C)]
pub struct Descriptor {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`ABI_VERSION`] of the sdk or header it was built with.
    pub abi_version: u32,
    /// `size_of::<Descriptor>()`; later versions only append.
    pub size: u32,
    /// See [`flags`].
    pub flags: u32,
    /// See [`input_mode`].
    pub input_mode: u32,
    /// Size of a record in bytes for [`input_mode::RECORDS`], else zero.
    pub record_bytes: u64,
    /// Padding up to [`HEADER_BYTES`], zero.
    pub reserved: u64,
    /// The app's name, UTF-8.
    pub name: Bytes,
    /// The app's version, UTF-8.
    pub version: Bytes,
    /// What it was built with, for messages only, UTF-8.
    pub built_with: Bytes,
    /// Makes an instance. On failure `instance` is left null.
    pub create:
        unsafe extern "C" fn(setup: *const Setup, host: *const Host, instance: *mut *mut c_void) -> Status,
    /// Ends an instance.
    pub destroy: unsafe extern "C" fn(instance: *mut c_void),
    /// A map attempt begins.
    pub map_begin:
        unsafe extern "C" fn(instance: *mut c_void, setup: *const MapSetup, host: *const Host) -> Status,
    /// Maps one block.
    pub map: unsafe extern "C" fn(instance: *mut c_void, block: *const Block, host: *const Host) -> Status,
    /// The last block was mapped: hand over what is left.
    pub map_end: unsafe extern "C" fn(instance: *mut c_void, host: *const Host) -> Status,
    /// A reduce attempt begins.
    pub reduce_begin:
        unsafe extern "C" fn(instance: *mut c_void, partition: u32, host: *const Host) -> Status,
    /// Reduces a batch of keys. It need not take all values.
    pub reduce:
        unsafe extern "C" fn(instance: *mut c_void, groups: *const Groups, host: *const Host) -> Status,
    /// The last key was reduced: write what is left.
    pub reduce_end: unsafe extern "C" fn(instance: *mut c_void, host: *const Host) -> Status,
    /// Optional: folds values of one key, of which `first` are the first, into fewer; values go back through [`Host::combined`].
    pub combine: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            key: Bytes,
            first: *const Values,
            host: *const Host,
        ) -> Status,
    >,
    /// Optional: the partition of a key, below `partitions`. Without it [`partition_of`](crate::partition_of) decides.
    pub partition: Option<unsafe extern "C" fn(instance: *mut c_void, key: Bytes, partitions: u32) -> u32>,
}

// SAFETY: a descriptor is never written after it was made, and the bytes it points to are statics of its library.
unsafe impl Sync for Descriptor {}

const _: () = assert!(std::mem::offset_of!(Descriptor, name) == HEADER_BYTES);
