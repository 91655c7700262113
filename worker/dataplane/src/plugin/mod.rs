//! Loads plugins and calls them. All that is unsafe in this crate is in this folder.
//!
//! A plugin's file is read and judged before anything of it is loaded. Once loaded, a library stays until the process ends:
//! unloading one that has touched thread-local storage is not safe.

mod file;
#[expect(unsafe_code, reason = "the functions that a plugin calls get raw pointers")]
mod host;
#[expect(unsafe_code, reason = "calls the functions of a plugin")]
mod instance;
#[expect(unsafe_code, reason = "loads a library and reads the descriptor in it")]
mod library;

use std::io;
use std::path::{Path, PathBuf};

use gristmill_model::PluginInfo;

pub(crate) use host::{Batch, BatchServices, CallFailure, GroupBatch, GroupServices, Partitioner, Services};
pub(crate) use instance::Instance;

/// A plugin that is loaded and can be called.
#[derive(Debug)]
pub struct Plugin {
    info: PluginInfo,
    collects: bool,
    functions: library::Functions,
    idle: instance::Idle,
}

impl Plugin {
    /// What a plugin's file and descriptor say. The file is judged before it is loaded: a text, a library for another machine, one
    /// without a descriptor or of another ABI version is refused without any of its code having run.
    pub fn inspect(path: &Path) -> Result<PluginInfo, PluginError> {
        Ok(Self::load(path)?.info)
    }

    /// Loads a plugin, for good.
    pub fn load(path: &Path) -> Result<Self, PluginError> {
        let found = file::read(path)?;
        let library = library::load(path, &found.header)?;
        let info = PluginInfo {
            sha256: found.sha256,
            bytes: found.bytes,
            name: library.name,
            version: library.version,
            input_mode: found.header.input_mode,
            map_only: found.header.map_only,
            combines: library.functions.combine.is_some(),
            total_order: found.header.total_order,
        };
        Ok(Self {
            info,
            collects: found.header.collects,
            functions: library.functions,
            idle: instance::Idle::default(),
        })
    }

    /// What it says of itself.
    pub fn info(&self) -> &PluginInfo {
        &self.info
    }

    /// Whether it hands over sorted runs rather than pairs.
    pub(crate) fn collects(&self) -> bool {
        self.collects
    }
}

/// Why a file is not a plugin that this gristmill can run.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The file cannot be read.
    #[error("cannot read plugin {path:?}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is not a shared library.
    #[error(
        "{path:?} is not a shared library: {reason}; give the library that building a crate of type cdylib made"
    )]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it is instead, as far as can be told.
        reason: String,
    },
    /// It was built for another kind of machine.
    #[error("plugin {path:?} was built for {plugin}, this gristmill runs on {host}; build it for {host}")]
    OtherArchitecture {
        /// The file.
        path: PathBuf,
        /// What it was built for.
        plugin: String,
        /// What this process runs on.
        host: String,
    },
    /// It exports no descriptor.
    #[error(
        "library {path:?} exports no `{symbol}`; an app needs `gristmill_sdk::export!(TheApp);` (in C: the descriptor of gristmill.h)",
        symbol = gristmill_sdk::abi::SYMBOL
    )]
    NoDescriptor {
        /// The file.
        path: PathBuf,
    },
    /// It was built with an sdk that speaks another version of the ABI.
    #[error(
        "plugin {path:?} speaks version {plugin} of the plugin ABI, this gristmill version {host}; build it again with the \
         gristmill-sdk (or gristmill.h) of this gristmill"
    )]
    OtherAbi {
        /// The file.
        path: PathBuf,
        /// Its version.
        plugin: u32,
        /// Ours.
        host: u32,
    },
    /// Its descriptor breaks a rule.
    #[error("the descriptor of plugin {path:?} is wrong: {reason}")]
    BadDescriptor {
        /// The file.
        path: PathBuf,
        /// Which rule.
        reason: String,
    },
    /// The system would not load it.
    #[error("cannot load plugin {path:?}: {reason}")]
    Load {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
}
