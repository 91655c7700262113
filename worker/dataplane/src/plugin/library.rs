//! Loads a library whose file was found good, and copies its descriptor.

use std::ffi::c_void;
use std::path::Path;

use gristmill_sdk::abi::{
    Block, Bytes, Descriptor, Groups, HEADER_BYTES, Host, MapSetup, SYMBOL, Setup, Status, Values,
};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::PluginError;
use super::file::Header;

pub(super) type CreateFn = unsafe extern "C" fn(*const Setup, *const Host, *mut *mut c_void) -> Status;
pub(super) type DestroyFn = unsafe extern "C" fn(*mut c_void);
pub(super) type MapBeginFn = unsafe extern "C" fn(*mut c_void, *const MapSetup, *const Host) -> Status;
pub(super) type MapFn = unsafe extern "C" fn(*mut c_void, *const Block, *const Host) -> Status;
pub(super) type EndFn = unsafe extern "C" fn(*mut c_void, *const Host) -> Status;
pub(super) type ReduceBeginFn = unsafe extern "C" fn(*mut c_void, u32, *const Host) -> Status;
pub(super) type ReduceFn = unsafe extern "C" fn(*mut c_void, *const Groups, *const Host) -> Status;
pub(super) type CombineFn = unsafe extern "C" fn(*mut c_void, Bytes, *const Values, *const Host) -> Status;
pub(super) type PartitionFn = unsafe extern "C" fn(*mut c_void, Bytes, u32) -> u32;

/// The functions of a plugin. Those of reduce may be absent in a map-only app, written in C.
#[derive(Clone, Copy, Debug)]
pub(super) struct Functions {
    pub(super) create: CreateFn,
    pub(super) destroy: DestroyFn,
    pub(super) map_begin: MapBeginFn,
    pub(super) map: MapFn,
    pub(super) map_end: EndFn,
    pub(super) reduce: Option<ReduceFunctions>,
    pub(super) combine: Option<CombineFn>,
    pub(super) partition: Option<PartitionFn>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ReduceFunctions {
    pub(super) begin: ReduceBeginFn,
    pub(super) reduce: ReduceFn,
    pub(super) end: EndFn,
}

/// What a descriptor says, copied.
pub(super) struct LoadedLibrary {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) functions: Functions,
}

/// Longest name or version in bytes.
const NAME_BYTES_MAX: usize = 256;

pub(super) fn load(path: &Path, header: &Header) -> Result<LoadedLibrary, PluginError> {
    // A bare file name would be looked for where the system keeps its libraries.
    let absolute =
        std::path::absolute(path).map_err(|source| PluginError::Read { path: path.to_owned(), source })?;
    let failed =
        |error: libloading::Error| PluginError::Load { path: path.to_owned(), reason: reason(&error) };
    // SAFETY: initialisers of the library run here; running its code is what the user asked for. Nothing of it is called that
    // its descriptor does not offer.
    let library = unsafe { Library::open(Some(&absolute), RTLD_NOW | RTLD_LOCAL) }.map_err(failed)?;
    // SAFETY: the symbol is only taken as an address here.
    let descriptor = unsafe { library.get::<*const Descriptor>(SYMBOL.as_bytes()) }.map(|symbol| *symbol);
    // Never unloaded, so what the descriptor points to stays.
    std::mem::forget(library);
    let descriptor = descriptor.map_err(failed)?;
    let bad = |reason: &str| PluginError::BadDescriptor { path: path.to_owned(), reason: reason.to_owned() };
    if descriptor.is_null() || !descriptor.is_aligned() {
        return Err(bad("it is not at an aligned address"));
    }
    // SAFETY: the address is that of a static of at least `HEADER_BYTES` bytes, as the file showed.
    let loaded = unsafe { std::slice::from_raw_parts(descriptor.cast::<u8>(), HEADER_BYTES) };
    if loaded != header.raw {
        return Err(bad("in memory it is not what it is in the file"));
    }
    // SAFETY: the header, equal to the one that was judged, says that the static has at least `size_of::<Descriptor>()` bytes.
    unsafe { copy(descriptor, header) }.map_err(|reason| bad(&reason))
}

/// The loader's own words: its errors name them only as a source.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// # Safety
/// `descriptor` points to as many readable bytes as a [`Descriptor`] has. Its pointers may be null.
unsafe fn copy(descriptor: *const Descriptor, header: &Header) -> Result<LoadedLibrary, String> {
    /// Reads a function pointer that the type says is never null, but that comes from a plugin.
    macro_rules! function {
        ($field:ident: $kind:ty) => {
            // SAFETY: the field lies in the descriptor; an optional function pointer may be null.
            unsafe { (&raw const (*descriptor).$field).cast::<Option<$kind>>().read() }
        };
    }
    macro_rules! required {
        ($field:ident: $kind:ty) => {
            function!($field: $kind).ok_or(concat!("its `", stringify!($field), "` is null"))?
        };
    }
    // SAFETY: these fields are plain numbers and pointers.
    let (name, version) = unsafe { ((*descriptor).name, (*descriptor).version) };
    let partition = function!(partition: PartitionFn);
    if header.total_order && partition.is_some() {
        return Err("it wants a total order, and to choose partitions itself".to_owned());
    }
    let reduce = if header.map_only {
        None
    } else {
        Some(ReduceFunctions {
            begin: required!(reduce_begin: ReduceBeginFn),
            reduce: required!(reduce: ReduceFn),
            end: required!(reduce_end: EndFn),
        })
    };
    Ok(LoadedLibrary {
        // SAFETY: `text` takes null for nothing; else the plugin vouches for its statics.
        name: unsafe { text(name) }.ok_or("its name is not UTF-8 of 1 to 256 bytes")?,
        // SAFETY: as above.
        version: unsafe { text(version) }.ok_or("its version is not UTF-8 of 1 to 256 bytes")?,
        functions: Functions {
            create: required!(create: CreateFn),
            destroy: required!(destroy: DestroyFn),
            map_begin: required!(map_begin: MapBeginFn),
            map: required!(map: MapFn),
            map_end: required!(map_end: EndFn),
            reduce,
            combine: function!(combine: CombineFn),
            partition,
        },
    })
}

/// # Safety
/// Unless `bytes.ptr` is null, it points to `bytes.len` readable bytes.
unsafe fn text(bytes: Bytes) -> Option<String> {
    if bytes.ptr.is_null() || bytes.len == 0 || bytes.len > NAME_BYTES_MAX {
        return None;
    }
    // SAFETY: as the caller says.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) };
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
