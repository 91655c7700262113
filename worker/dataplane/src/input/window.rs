//! What a zstd frame says of the memory that decoding it takes (RFC 8878, section 3.1.1.1).

use gristmill_storage::{ReadAt, StorageError};

/// The longest beginning of a frame in which that stands: magic number, descriptor, window, dictionary id, content size.
const HEADER_BYTES_MAX: usize = 18;

/// The window of the first frame of a file; `None` where there is no such frame.
pub(super) fn of_file(file: &dyn ReadAt) -> Result<Option<u64>, StorageError> {
    let mut header = [0; HEADER_BYTES_MAX];
    let read = file.read_at(&mut header, 0)?;
    Ok(of_frame(header.get(..read).unwrap_or_default()))
}

fn of_frame(bytes: &[u8]) -> Option<u64> {
    let rest = bytes.strip_prefix(b"\x28\xb5\x2f\xfd")?;
    let (&descriptor, rest) = rest.split_first()?;
    if descriptor & 0x20 == 0 {
        let window = *rest.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // It is decoded in one piece: the window is the content.
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = 1 << (descriptor >> 6);
    let size = rest.get(dictionary_bytes..)?.get(..size_bytes)?;
    let size = size.iter().rev().fold(0, |size, &byte| size << 8 | u64::from(byte));
    Some(if size_bytes == 2 { size + 256 } else { size })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_say_something_or_nothing(bytes: Vec<u8>) {
            of_frame(&bytes);
            of_frame(&[b"\x28\xb5\x2f\xfd", &bytes[..]].concat());
        }
    }

    #[test]
    fn frames_tell_the_window_that_they_were_made_with() {
        for log in [10, 19, 23, 27] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(&[b'x'; 300_000]).unwrap();
            assert_eq!(of_frame(&encoder.finish().unwrap()), Some(1 << log));
        }
        for bytes in [0, 1, 255, 256, 70_000] {
            let frame = zstd::bulk::compress(&vec![b'x'; bytes], 1).unwrap();
            assert_eq!(of_frame(&frame), Some(bytes as u64));
        }
        assert_eq!(of_frame(b"\x28\xb5\x2f\xfd\x00\x0f"), Some((1 << 11) / 8 * 15));
        assert_eq!(of_frame(b"\x50\x2a\x4d\x18\x00\x00\x00\x00"), None);
    }
}
