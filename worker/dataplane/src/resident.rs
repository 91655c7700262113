//! What of the process itself is resident, beside what attempts take.

#[cfg(target_os = "linux")]
use std::fs;

/// Gives back the pages of code and constants that only starting took. What is needed again is mapped again, from the page cache.
///
/// Of a small budget they are a good part: relocating a large executable alone goes through megabytes.
pub fn release_start_up_pages() {
    #[cfg(target_os = "linux")]
    for range in fs::read_to_string("/proc/self/smaps").iter().flat_map(|smaps| unwritten(smaps)) {
        let pages = std::ptr::with_exposed_provenance_mut(range.start);
        // SAFETY: the pages are a file's, as they are in that file, and cannot be written to: whoever touches them again finds the same
        // bytes. That pages have been written to, and protected then, shows in that some of them are anonymous, or swapped out.
        #[expect(unsafe_code, reason = "advice about memory that this process was started in")]
        let _ = unsafe { rustix::mm::madvise(pages, range.len(), rustix::mm::Advice::LinuxDontNeed) };
    }
}

/// Has long buffers go back to the system as soon as they are freed.
///
/// By itself glibc lets the size from which on it does so grow up to 32 MiB with the buffers that are freed, and keeps all shorter ones. Then
/// one long record is enough, and the next ones come and stay on a heap full of holes. To be called before memory has been used and before
/// there are other threads.
pub fn return_long_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::ffi::c_int;

        // From malloc.h of the C library that std itself uses. Setting the first one ends its growth.
        const M_MMAP_THRESHOLD: c_int = -3;
        const M_TRIM_THRESHOLD: c_int = -1;
        const BYTES: c_int = 1 << 20;
        #[expect(unsafe_code, reason = "the allocator has no other door")]
        unsafe extern "C" {
            // SAFETY: it takes two numbers of this type, locks what it changes, and refuses what it does not know.
            safe fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        // Where they cannot be set, more stays resident and nothing else changes.
        for parameter in [M_MMAP_THRESHOLD, M_TRIM_THRESHOLD] {
            mallopt(parameter, BYTES);
        }
    }
}

/// The mappings in this text, of the form of `/proc/PID/smaps` (proc(5)), that are of files, not writable, and as the files are.
#[cfg(any(target_os = "linux", test))]
fn unwritten(smaps: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut mapping = None;
    smaps.lines().filter_map(move |line| {
        if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            mapping = mapping.take().filter(|_| anonymous.trim() == "0 kB");
        }
        // It comes after the other.
        if let Some(swapped) = line.strip_prefix("Swap:") {
            return mapping.take().filter(|_| swapped.trim() == "0 kB");
        }
        if line.split_whitespace().next().is_some_and(|first| first.contains('-')) {
            mapping = mapping_of_file(line);
        }
        None
    })
}

#[cfg(any(target_os = "linux", test))]
fn mapping_of_file(line: &str) -> Option<std::ops::Range<usize>> {
    let mut fields = line.split_whitespace();
    let (begin, end) = fields.next()?.split_once('-')?;
    let is_read_only = matches!(fields.next()?, "r--p" | "r-xp");
    let is_file = fields.nth(3)?.starts_with('/');
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(begin)?..address(end)?;
    (is_read_only && is_file && !range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
5000-7000 r--p 00000000 fe:00 9 /usr/bin/some program
Size:                  8 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
7000-9000 r-xp 00002000 fe:00 9 /usr/bin/some program
Anonymous:             0 kB
Swap:                  0 kB
9000-a000 r--p 00004000 fe:00 9 /usr/bin/some program
Rss:                   4 kB
Anonymous:             4 kB
Swap:                  0 kB
9800-9900 r--p 00004000 fe:00 9 /usr/bin/some program
Anonymous:             0 kB
Swap:                  4 kB
a000-b000 rw-p 00005000 fe:00 9 /usr/bin/some program
Anonymous:             0 kB
Swap:                  0 kB
b000-c000 rw-p 00000000 00:00 0 [heap]
Anonymous:             0 kB
Swap:                  0 kB
c000-d000 r--p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  0 kB
d000-e000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
Swap:                  0 kB
e000-f000 r--s 00000000 fe:00 9 /data/in.txt
Anonymous:             0 kB
Swap:                  0 kB
";

    #[test]
    fn only_what_is_as_in_its_file_is_given_back() {
        assert_eq!(unwritten(SMAPS).collect::<Vec<_>>(), [0x5000..0x7000, 0x7000..0x9000]);
        let rubbish = "x-y r--p\n-\nAnonymous: 0 kB\nffffffffffffffffff-1 r--p 0 0 0 /f\nAnonymous:\nSwap: 0 kB\n9-8 r--p 0 0 0 /f\nSwap: 0 kB\nSwap:";
        assert_eq!(unwritten(rubbish).count(), 0);
    }

    #[test]
    fn long_buffers_can_be_had_and_given_back_after_all() {
        return_long_buffers();
        let buffer = |number: u8| vec![number; 3 << 20];
        assert!((1..20).map(buffer).zip(1..).all(|(buffer, number)| buffer.ends_with(&[number; 9])));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn code_runs_on_without_what_was_given_back() {
        release_start_up_pages();
        release_start_up_pages();
        assert_eq!("12".parse::<u8>(), Ok(12));
    }
}
