//! The same work on several threads, the first error of any of them.

use std::io;
use std::thread;

pub(crate) fn on_threads<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> io::Result<T> + Sync,
) -> io::Result<Vec<T>> {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || work(number))).collect();
        running.into_iter().map(join).collect()
    })
}

/// What a thread gave; a panic in it becomes an error.
pub(crate) fn join<T>(thread: thread::ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
}
