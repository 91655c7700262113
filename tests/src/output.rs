//! The output directory of a job, whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Every file of an output directory, by name, with all its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Output {
    parts: BTreeMap<String, Vec<u8>>,
    manifest: Option<Vec<u8>>,
}

impl Output {
    /// What is there, finished or not. A missing directory is an empty output.
    pub fn snapshot(directory: &Path) -> Self {
        let mut parts = BTreeMap::new();
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let entry = entry.expect("an output can be listed");
            let name = entry.file_name().into_string().expect("output names are UTF-8");
            if entry.file_type().expect("an entry has a type").is_file() {
                parts.insert(name, fs::read(entry.path()).expect("an output can be read"));
            } else {
                parts.insert(format!("{name}/"), Vec::new());
            }
        }
        let manifest = parts.remove("_SUCCESS");
        Self { parts, manifest }
    }

    /// The output of a job that is done: parts named `mr-out-00000` and so on, a manifest that tells their sizes and checksums,
    /// and nothing else.
    pub fn committed(directory: &Path) -> Self {
        let output = Self::snapshot(directory);
        for (index, name) in output.parts.keys().enumerate() {
            assert_eq!(
                *name,
                format!("mr-out-{index:05}"),
                "a name in {}: {:?}",
                directory.display(),
                output
            );
        }
        output.check_manifest(directory);
        output
    }

    /// The manifest, as JSON.
    pub fn manifest(&self) -> Value {
        let bytes = self.manifest.as_deref().expect("the output has a _SUCCESS");
        serde_json::from_slice(bytes).expect("_SUCCESS is JSON")
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.manifest.is_none()
    }

    /// The bytes of the parts, by name.
    pub fn parts(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.parts
    }

    /// All parts, one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        self.parts.values().flatten().copied().collect()
    }

    /// The lines of all parts, sorted.
    pub fn sorted_lines(&self) -> Vec<Vec<u8>> {
        let bytes = self.bytes();
        let mut lines: Vec<_> = bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort();
        lines
    }

    /// The numbers that `key number` lines give to `key`, in all parts.
    pub fn numbers_of(&self, key: &str) -> Vec<u64> {
        let text = String::from_utf8(self.bytes()).expect("the output is text");
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.filter(|(k, _)| *k == key).map(|(_, value)| value.parse().expect("a number")).collect()
    }

    fn check_manifest(&self, directory: &Path) {
        let manifest = self.manifest();
        let listed = manifest["outputs"].as_array().expect("the manifest lists its outputs");
        assert_eq!(listed.len(), self.parts.len(), "outputs listed in {manifest} of {}", directory.display());
        for ((name, bytes), entry) in self.parts.iter().zip(listed) {
            assert_eq!(entry["name"], name.as_str(), "in {manifest}");
            assert_eq!(entry["bytes"], bytes.len(), "size of {name} in {manifest}");
            assert_eq!(entry["crc32c"], checksum(bytes), "checksum of {name} in {manifest}");
        }
    }
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:08x}", crc32c::crc32c(bytes))
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: Vec<_> = self.parts.iter().map(|(name, bytes)| (name, bytes.len())).collect();
        write!(f, "{sizes:?}{}", if self.manifest.is_some() { " and _SUCCESS" } else { "" })
    }
}
