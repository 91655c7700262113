//! Compressed inputs.

use std::io::Write;

/// The compressions that inputs may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
    /// `.bz2`
    Bzip2,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Zstd, Self::Bzip2];

    /// What a file name ends in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
            Self::Bzip2 => "bz2",
        }
    }

    /// `text` compressed, checksums included.
    pub fn compress(self, text: &[u8]) -> Vec<u8> {
        self.packed(text, false)
    }

    /// The same in a way that takes much memory to undo.
    pub fn compress_widely(self, text: &[u8]) -> Vec<u8> {
        self.packed(text, true)
    }

    fn packed(self, text: &[u8], wide: bool) -> Vec<u8> {
        let packed = match self {
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).and_then(|()| encoder.finish())
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("zstd starts");
                encoder.include_checksum(true).expect("zstd can add a checksum");
                encoder.window_log(if wide { 23 } else { 19 }).expect("zstd can look back so far");
                encoder.write_all(text).and_then(|()| encoder.finish())
            }
            Self::Bzip2 => {
                let level = if wide { bzip2::Compression::best() } else { bzip2::Compression::fast() };
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
                encoder.write_all(text).and_then(|()| encoder.finish())
            }
        };
        packed.expect("memory can be written")
    }
}
