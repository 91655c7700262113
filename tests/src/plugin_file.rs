//! Plugins that are wrong as files: changed, cut or foreign.

use std::fs;
use std::path::PathBuf;

use crate::{Place, plugin};

/// The bytes of a plugin, to be spoiled.
pub struct PluginFile {
    bytes: Vec<u8>,
}

impl PluginFile {
    /// The library of an app.
    pub fn of(app: &str) -> Self {
        Self { bytes: fs::read(plugin(app)).expect("a plugin can be read") }
    }

    /// Made for another architecture: the `e_machine` field of its ELF header says so.
    pub fn for_another_architecture(mut self) -> Self {
        let aarch64 = [0xb7, 0x00];
        let x86_64 = [0x3e, 0x00];
        let machine = self.bytes.get_mut(18..20).expect("an ELF header");
        machine.copy_from_slice(if machine == aarch64 { &x86_64 } else { &aarch64 });
        self
    }

    /// Built with an sdk of another ABI version.
    pub fn of_abi_version(mut self, version: u32) -> Self {
        let at = self.find(b"GRISTML\0") + 8;
        self.bytes[at..at + 4].copy_from_slice(&version.to_ne_bytes());
        self
    }

    /// With another magic at the head of its descriptor.
    pub fn without_magic(mut self) -> Self {
        let at = self.find(b"GRISTML\0");
        self.bytes[at] = b'X';
        self
    }

    /// Its first `bytes` bytes.
    pub fn cut_to(mut self, bytes: usize) -> Self {
        self.bytes.truncate(bytes);
        self
    }

    /// Written into the place, as a library file.
    pub fn write(self, place: &Place) -> PathBuf {
        place.input(format!("plugin-{}.so", place.number()), self.bytes)
    }

    fn find(&self, wanted: &[u8]) -> usize {
        let mut windows = self.bytes.windows(wanted.len());
        let at = windows.position(|window| window == wanted).expect("the plugin holds its magic");
        assert!(!windows.any(|window| window == wanted), "the magic stands once in the plugin");
        at
    }
}
