//! What a plugin says of itself.

use serde::{Deserialize, Serialize};

use crate::Sha256;

/// How an app wants its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputMode {
    /// Blocks of whole lines.
    Text,
    /// Whole files, never split.
    File,
    /// Blocks of whole records of this many bytes each.
    Records(u64),
}

/// A plugin: its content hash, and what its descriptor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginInfo {
    /// SHA-256 of the library file; names the code everywhere.
    pub sha256: Sha256,
    /// Size of the library file in bytes.
    pub bytes: u64,
    /// The app's name.
    pub name: String,
    /// The app's version.
    pub version: String,
    /// How it wants its input.
    pub input_mode: InputMode,
    /// It has no reduce stage.
    pub map_only: bool,
    /// It folds values of one key on the map side.
    pub combines: bool,
    /// Its partitions are ranges of keys, so that its outputs one after the other are in order.
    pub total_order: bool,
}
