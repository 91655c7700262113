//! Which compression a file has: told by its first bytes; a name may only contradict them.

use std::path::Path;

/// How a file is compressed. Compressed files are read from the front only, so never split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952), one member or more.
    Gzip,
    /// Zstandard (RFC 8878), one frame or more.
    Zstd,
    /// bzip2, one stream or more.
    Bzip2,
}

impl Compression {
    /// How many first bytes [`detect`](Self::detect) wants to see, if there are so many.
    pub const MAGIC_BYTES: usize = 10;

    /// What the first bytes of a file say; `None` means not compressed.
    pub fn detect(first: &[u8]) -> Option<Self> {
        const BZIP2_BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
        const BZIP2_EMPTY: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
        match first {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // A skippable frame may stand before the first data frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            // `BZh9` alone could begin an honest text; the block magic after it does not.
            [b'B', b'Z', b'h', b'1'..=b'9', block @ ..]
                if block.starts_with(&BZIP2_BLOCK) || block.starts_with(&BZIP2_EMPTY) =>
            {
                Some(Self::Bzip2)
            }
            _ => None,
        }
    }

    /// What the name of a file says. A file that is named so and does not begin so is damaged, not text.
    pub fn named(path: &Path) -> Option<Self> {
        match path.extension()?.as_encoded_bytes() {
            b"gz" => Some(Self::Gzip),
            b"zst" => Some(Self::Zstd),
            b"bz2" => Some(Self::Bzip2),
            _ => None,
        }
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Compression;
    use std::path::Path;

    #[test]
    fn text_that_only_looks_like_a_header_is_text() {
        for text in [&b""[..], b"\x1f", b"\x1f\x8b", b"BZh9 is how it starts", b"(\xb5/", b"plain"] {
            assert_eq!(Compression::detect(text), None, "{text:?}");
        }
    }

    #[test]
    fn each_header_is_known() {
        assert_eq!(Compression::detect(b"\x1f\x8b\x08\x00"), Some(Compression::Gzip));
        assert_eq!(Compression::detect(b"\x28\xb5\x2f\xfd\x00"), Some(Compression::Zstd));
        assert_eq!(Compression::detect(b"\x53\x2a\x4d\x18\x00"), Some(Compression::Zstd));
        assert_eq!(Compression::detect(b"BZh91AY&SY"), Some(Compression::Bzip2));
        assert_eq!(Compression::detect(b"BZh1\x17\x72\x45\x38\x50\x90"), Some(Compression::Bzip2));
    }

    #[test]
    fn only_the_usual_endings_name_a_compression() {
        assert_eq!(Compression::named(Path::new("a.txt.gz")), Some(Compression::Gzip));
        assert_eq!(Compression::named(Path::new("d.gz/a.zst")), Some(Compression::Zstd));
        assert_eq!(Compression::named(Path::new("a.bz2")), Some(Compression::Bzip2));
        for plain in ["a.txt", "gz", ".gz", "a.gz.txt", "a.GZ"] {
            assert_eq!(Compression::named(Path::new(plain)), None, "{plain}");
        }
    }
}
