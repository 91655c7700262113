//! Memory straight from the system.
//!
//! It is zeroed, takes no room before it is touched, comes on huge pages where the system gives them (a table that is larger than the caches
//! is probed twice as fast on them), and goes back at once. An allocator would touch it all to zero it, and keep it.

use std::alloc::{Layout, handle_alloc_error};
use std::num::NonZero;
use std::ptr::NonNull;

/// Regions of this size and more are put on huge pages; smaller ones would waste them.
const HUGE_FROM_BYTES: usize = 8 << 20;
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// A page of the system, or several: elsewhere than on x86-64 it may be as large as this.
pub(super) const PAGE_BYTES: usize = if cfg!(target_arch = "x86_64") { 4 << 10 } else { 64 << 10 };

/// Where an empty region lies: aligned as any other.
const NOWHERE: NonNull<u8> = NonNull::without_provenance(NonZero::new(PAGE_BYTES).unwrap());

/// Zeroed bytes, aligned to a page.
#[derive(Debug)]
pub(super) struct Region {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a region is owned memory, like a vector's.
unsafe impl Send for Region {}
// SAFETY: as above; it can only be read through a shared reference.
unsafe impl Sync for Region {}

impl Region {
    /// At least so many zeroed bytes. Ends the process if the system has not so many, as a vector does.
    pub(super) fn new(bytes: usize) -> Self {
        let rounded =
            bytes.checked_next_multiple_of(PAGE_BYTES).filter(|&bytes| bytes <= isize::MAX as usize);
        match rounded {
            Some(0) => Self { start: NOWHERE, bytes: 0 },
            Some(bytes) => match system::map(bytes) {
                Some(start) => Self { start, bytes },
                None => handle_alloc_error(Layout::new::<u8>()),
            },
            None => handle_alloc_error(Layout::new::<u8>()),
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Gives whole pages of the range back. What it held is lost: it is zero or as it was.
    pub(super) fn discard(&mut self, from: usize, to: usize) {
        let (from, to) = (from.next_multiple_of(PAGE_BYTES), to.min(self.bytes) / PAGE_BYTES * PAGE_BYTES);
        if from < to {
            system::discard(self.start, from, to - from);
        }
    }
}

/// Runs a test with a page behind which nothing can be read.
#[cfg(all(test, target_os = "linux", not(miri)))]
pub(super) fn with_last_page(test: impl FnOnce(&mut [u8])) {
    let region = Region::new(2 * PAGE_BYTES);
    system::forbid(region.start, PAGE_BYTES, PAGE_BYTES);
    // SAFETY: the first page is ours, zeroed, and nobody else refers to it.
    test(unsafe { std::slice::from_raw_parts_mut(region.start.as_ptr(), PAGE_BYTES) });
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.bytes > 0 {
            system::unmap(self.start, self.bytes);
        }
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use super::{HUGE_FROM_BYTES, HUGE_PAGE_BYTES};
    use std::ffi::{c_int, c_long, c_void};
    use std::ptr::{self, NonNull};

    const PROT_READ_WRITE: c_int = 1 | 2;
    // Not reserved: most of what is mapped is never used.
    const MAP_FLAGS: c_int = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const MAP_PRIVATE: c_int = 0x02;
    const MAP_ANONYMOUS: c_int = 0x20;
    const MAP_NORESERVE: c_int = 0x4000;
    const MADV_DONTNEED: c_int = 4;
    const MADV_HUGEPAGE: c_int = 14;

    // The C library that std itself uses.
    unsafe extern "C" {
        fn mmap(
            at: *mut c_void,
            bytes: usize,
            protection: c_int,
            flags: c_int,
            file: c_int,
            offset: c_long,
        ) -> *mut c_void;
        fn munmap(at: *mut c_void, bytes: usize) -> c_int;
        fn madvise(at: *mut c_void, bytes: usize, advice: c_int) -> c_int;
        #[cfg(test)]
        fn mprotect(at: *mut c_void, bytes: usize, protection: c_int) -> c_int;
    }

    pub(super) fn map(bytes: usize) -> Option<NonNull<u8>> {
        let huge = bytes >= HUGE_FROM_BYTES;
        // Huge pages begin at multiples of their size; what lies before and behind goes back.
        let spare = if huge { HUGE_PAGE_BYTES } else { 0 };
        let mapped = map_anywhere(bytes.checked_add(spare)?)?;
        let before = if huge {
            mapped.addr().get().next_multiple_of(HUGE_PAGE_BYTES) - mapped.addr().get()
        } else {
            0
        };
        // SAFETY: `before` is at most `spare`.
        let start = unsafe { mapped.add(before) };
        if before > 0 {
            unmap(mapped, before);
        }
        if spare > before {
            // SAFETY: this many bytes were mapped behind the region.
            unmap(unsafe { start.add(bytes) }, spare - before);
        }
        if huge {
            // SAFETY: memory of ours; the advice changes no content.
            unsafe { madvise(start.as_ptr().cast(), bytes, MADV_HUGEPAGE) };
        }
        Some(start)
    }

    fn map_anywhere(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: a new mapping touches nothing that exists.
        let start = unsafe { mmap(ptr::null_mut(), bytes, PROT_READ_WRITE, MAP_FLAGS, -1, 0) };
        // It fails with an address of all ones.
        if start.addr() == usize::MAX { None } else { NonNull::new(start.cast()) }
    }

    pub(super) fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the pages were mapped by `map`, and nobody refers to them.
        unsafe { munmap(start.as_ptr().cast(), bytes) };
    }

    pub(super) fn discard(start: NonNull<u8>, from: usize, bytes: usize) {
        // SAFETY: pages of a region that is borrowed mutably; their content is given up.
        unsafe { madvise(start.as_ptr().add(from).cast(), bytes, MADV_DONTNEED) };
    }

    /// Makes any access to these pages end the process.
    #[cfg(test)]
    pub(super) fn forbid(start: NonNull<u8>, from: usize, bytes: usize) {
        // SAFETY: pages of a region that nobody has borrowed.
        let forbidden = unsafe { mprotect(start.as_ptr().add(from).cast(), bytes, 0) };
        assert_eq!(forbidden, 0);
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    use super::PAGE_BYTES;
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::ptr::NonNull;

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, PAGE_BYTES).ok()
    }

    pub(super) fn map(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: `bytes` is not zero.
        NonNull::new(unsafe { alloc_zeroed(layout(bytes)?) })
    }

    pub(super) fn unmap(start: NonNull<u8>, bytes: usize) {
        if let Some(layout) = layout(bytes) {
            // SAFETY: it came from `map` with the same layout.
            unsafe { dealloc(start.as_ptr(), layout) };
        }
    }

    pub(super) fn discard(_: NonNull<u8>, _: usize, _: usize) {}
}
