//! Judges a plugin's file before it is loaded: what it is, whom for, and what the head of its descriptor says.

use std::path::Path;

use gristmill_model::{InputMode, Sha256};
use gristmill_sdk::abi::{self, ABI_VERSION, Descriptor, HEADER_BYTES, MAGIC, SYMBOL};
use object::{Architecture, BinaryFormat, Object, ObjectKind, ObjectSegment, ObjectSymbol};
use sha2::Digest;

use super::PluginError;

/// The part of a descriptor that can be read from the file, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) raw: [u8; HEADER_BYTES],
    pub(super) input_mode: InputMode,
    pub(super) map_only: bool,
    pub(super) collects: bool,
    pub(super) total_order: bool,
}

/// A file that may be loaded.
pub(super) struct PluginFile {
    pub(super) sha256: Sha256,
    pub(super) bytes: u64,
    pub(super) header: Header,
}

pub(super) fn read(path: &Path) -> Result<PluginFile, PluginError> {
    let read = |source| PluginError::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(read)?.is_file() {
        return Err(not_a_library(path, "it is not a regular file"));
    }
    let content = std::fs::read(path).map_err(read)?;
    let raw = descriptor_head(path, &content)?;
    let sha256 = Sha256(sha2::Sha256::digest(&content).into());
    Ok(PluginFile { sha256, bytes: content.len() as u64, header: judge(path, raw)? })
}

fn not_a_library(path: &Path, reason: impl ToString) -> PluginError {
    PluginError::NotALibrary { path: path.to_owned(), reason: reason.to_string() }
}

const FORMAT: BinaryFormat = if cfg!(target_os = "macos") {
    BinaryFormat::MachO
} else if cfg!(windows) {
    BinaryFormat::Pe
} else {
    BinaryFormat::Elf
};

fn host_architecture() -> Architecture {
    match std::env::consts::ARCH {
        "x86_64" => Architecture::X86_64,
        "aarch64" => Architecture::Aarch64,
        "riscv64" => Architecture::Riscv64,
        "powerpc64" => Architecture::PowerPc64,
        "s390x" => Architecture::S390x,
        "arm" => Architecture::Arm,
        "x86" => Architecture::I386,
        _ => Architecture::Unknown,
    }
}

fn descriptor_head(path: &Path, content: &[u8]) -> Result<[u8; HEADER_BYTES], PluginError> {
    let library = object::File::parse(content).map_err(|error| not_a_library(path, error))?;
    if library.format() != FORMAT {
        return Err(not_a_library(
            path,
            format!("it has the format {:?}, this system wants {FORMAT:?}", library.format()),
        ));
    }
    let (plugin, host) = (library.architecture(), host_architecture());
    if plugin != host && host != Architecture::Unknown {
        let (plugin, host) = (format!("{plugin:?}"), format!("{host:?}"));
        return Err(PluginError::OtherArchitecture { path: path.to_owned(), plugin, host });
    }
    if library.kind() != ObjectKind::Dynamic {
        return Err(not_a_library(path, format!("it is of kind {:?}", library.kind())));
    }
    // A loader maps segments without asking whether the file still has them, and the first touch of a lost page kills.
    for segment in library.segments() {
        let (offset, size) = segment.file_range();
        if offset.checked_add(size).is_none_or(|end| end > content.len() as u64) {
            return Err(not_a_library(
                path,
                format!("it was cut off: it has {} bytes and needs more", content.len()),
            ));
        }
    }
    let no_descriptor = || PluginError::NoDescriptor { path: path.to_owned() };
    let is_ours = |name: &str| {
        name == SYMBOL || (FORMAT == BinaryFormat::MachO && name.strip_prefix('_') == Some(SYMBOL))
    };
    let mut symbols = library.dynamic_symbols().chain(library.symbols());
    let symbol = symbols
        .find(|symbol| symbol.is_definition() && symbol.is_global() && symbol.name().is_ok_and(is_ours));
    let address = symbol.ok_or_else(no_descriptor)?.address();
    let head = library
        .segments()
        .find_map(|segment| segment.data_range(address, HEADER_BYTES as u64).ok().flatten());
    head.and_then(|head| head.try_into().ok()).ok_or_else(no_descriptor)
}

/// Checks all that is known before loading, the version first: nothing else means anything in another version.
fn judge(path: &Path, raw: [u8; HEADER_BYTES]) -> Result<Header, PluginError> {
    let bad = |reason: String| PluginError::BadDescriptor { path: path.to_owned(), reason };
    let number = |at: usize| {
        let bytes = raw.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        u32::from_ne_bytes(bytes)
    };
    if !raw.starts_with(&MAGIC) {
        return Err(bad(format!("`{SYMBOL}` does not begin with the magic bytes")));
    }
    let version = number(std::mem::offset_of!(Descriptor, abi_version));
    if version != ABI_VERSION {
        return Err(PluginError::OtherAbi { path: path.to_owned(), plugin: version, host: ABI_VERSION });
    }
    let size = number(std::mem::offset_of!(Descriptor, size));
    if (size as usize) < size_of::<Descriptor>() {
        return Err(bad(format!("it has {size} bytes, version {version} has {}", size_of::<Descriptor>())));
    }
    let flags = number(std::mem::offset_of!(Descriptor, flags));
    if flags & !abi::flags::ALL != 0 {
        return Err(bad(format!("it has flags that are not known here: {flags:#x}")));
    }
    let at = std::mem::offset_of!(Descriptor, record_bytes);
    let record_bytes = raw.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    let input_mode =
        match (number(std::mem::offset_of!(Descriptor, input_mode)), u64::from_ne_bytes(record_bytes)) {
            (abi::input_mode::TEXT, 0) => InputMode::Text,
            (abi::input_mode::FILE, 0) => InputMode::File,
            (abi::input_mode::RECORDS, bytes) if bytes > 0 => InputMode::Records(bytes),
            (abi::input_mode::RECORDS, _) => return Err(bad("its records have no bytes".to_owned())),
            (abi::input_mode::TEXT | abi::input_mode::FILE, _) => {
                return Err(bad("it has a record size, but its input is not records".to_owned()));
            }
            (mode, _) => return Err(bad(format!("its input mode {mode} is not known here"))),
        };
    let has = |flag| flags & flag != 0;
    let (map_only, total_order) = (has(abi::flags::MAP_ONLY), has(abi::flags::TOTAL_ORDER));
    if map_only && total_order {
        return Err(bad("it wants a total order, but has no reduce stage".to_owned()));
    }
    Ok(Header { raw, input_mode, map_only, collects: has(abi::flags::COLLECTS), total_order })
}
