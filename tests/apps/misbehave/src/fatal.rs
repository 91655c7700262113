//! Deeds from which there is no return.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use crate::deed::Deed;
use crate::{MEGABYTE, last_words};

/// With this much the app has had enough, for the sake of the machine that tests run on.
const ENOUGH_BYTES: usize = 4 << 30;

/// Does it. Returns for deeds that are none of these.
#[expect(clippy::panic, clippy::print_stderr, reason = "a panic and last words are what the test wants")]
pub(crate) fn commit(deed: Deed) {
    match deed {
        Deed::Panic => {
            last_words();
            panic!("deliberate panic")
        }
        Deed::Exit => {
            last_words();
            std::process::exit(7)
        }
        Deed::ExitZero => std::process::exit(0),
        Deed::Abort => std::process::abort(),
        Deed::Segfault => segfault(),
        Deed::Overflow => drop(black_box(overflow(black_box(1)))),
        Deed::Hang => loop {
            thread::sleep(Duration::from_secs(1));
        },
        Deed::Allocate => {
            let mut held: Vec<Vec<u8>> = Vec::new();
            while held.len() * 16 * MEGABYTE < ENOUGH_BYTES {
                held.push(black_box(vec![1; 16 * MEGABYTE]));
            }
            eprintln!("this app was given everything that it wanted");
            std::process::exit(9)
        }
        Deed::CloseFiles => close_files(),
        _ => {}
    }
}

fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 512]);
    if depth == 0 { 0 } else { overflow(depth + 1) + frame[7] }
}

fn segfault() {
    let nowhere = std::ptr::without_provenance_mut::<u64>(4096);
    // SAFETY: none is meant. Nothing is ever mapped so low, so the write ends the process and touches no memory.
    unsafe { nowhere.write_volatile(1) };
}

unsafe extern "C" {
    fn close(descriptor: i32) -> i32;
}

fn close_files() {
    for descriptor in 0..1024 {
        // SAFETY: the files are closed behind the back of their owners, which is the deed; no memory is touched.
        unsafe { close(descriptor) };
    }
}
