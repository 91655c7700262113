//! Zeroed memory on huge pages where the system gives them: on small ones most probes of a large table also miss the TLB.

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// A type of which all bytes zero is a value.
///
/// # Safety
/// That it is one, and that its alignment is at most a page's.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: an integer.
unsafe impl Plain for u64 {}

/// A slice of values that were zero at first.
pub(crate) struct Zeroed<T> {
    pages: MmapMut,
    of: PhantomData<T>,
}

impl<T: Plain> Zeroed<T> {
    pub(crate) fn new(count: usize) -> io::Result<Self> {
        let pages = MmapMut::map_anon((count * size_of::<T>()).max(1))?;
        // Only advice: a system without huge pages refuses it and all is well.
        #[cfg(target_os = "linux")]
        let _ = pages.advise(memmap2::Advice::HugePage);
        Ok(Self { pages, of: PhantomData })
    }
}

impl<T: Plain> Deref for Zeroed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: a page is aligned for T; bytes were zero or written as Ts, both valid.
        unsafe { std::slice::from_raw_parts(self.pages.as_ptr().cast(), self.pages.len() / size_of::<T>()) }
    }
}

impl<T: Plain> DerefMut for Zeroed<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and borrowed mutably.
        unsafe {
            std::slice::from_raw_parts_mut(self.pages.as_mut_ptr().cast(), self.pages.len() / size_of::<T>())
        }
    }
}
