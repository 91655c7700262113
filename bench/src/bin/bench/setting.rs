//! Where things are, and how large and how often.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The project's directory.
    pub(crate) root: PathBuf,
    /// Where the measured executables and apps are.
    pub(crate) executables: PathBuf,
    /// Generated data and results.
    pub(crate) data: PathBuf,
    /// Bytes of an input of full size.
    pub(crate) size: u64,
    pub(crate) rounds: usize,
    /// A program whose runs took so long together is not run again.
    pub(crate) patience: Duration,
    pub(crate) rivals: bool,
}

impl Setting {
    pub(crate) fn beside(&self, name: &str) -> OsString {
        self.executables.join(name).into()
    }

    /// Whether a bundled app was built.
    pub(crate) fn has_app(&self, app: &str) -> bool {
        let name = format!("{}{app}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        self.executables.join(name).exists()
    }
}

/// Bytes as people write them: `10 GiB`, `256 MiB`, `1 KiB`.
pub(crate) fn bytes(count: u64) -> String {
    for (name, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        let unit = 1_u64 << shift;
        if count >= unit {
            let whole = count as f64 / unit as f64;
            let near = (whole - whole.round()).abs() < 0.01;
            return if near || whole >= 100.0 {
                format!("{whole:.0} {name}")
            } else {
                format!("{whole:.1} {name}")
            };
        }
    }
    format!("{count} B")
}

/// The other way round: `1GiB`, `256 MiB`, `4096`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let shift = match text[digits..].trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        other => return Err(format!("`{other}` is no unit; B, KiB, MiB and GiB are")),
    };
    let count: u64 = text[..digits].parse().map_err(|_| format!("`{text}` is no size; 1GiB is one"))?;
    count.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, count) in [("1 GiB", 1 << 30), ("256 MiB", 256 << 20), ("1.5 MiB", 3 << 19), ("17 B", 17)]
        {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(parse_bytes("256MiB"), Ok(256 << 20));
        assert_eq!(parse_bytes("4096"), Ok(4096));
        for bad in ["", "GiB", "1 GB", "-1", "99999999999GiB"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }
}
