//! What does not fit into the eight bytes of a value: long lists of documents, by handles.
//!
//! Values lie in the table by the million, and hardly any of them is long, so what long ones need is kept here and not in all of them.

use gristmill_sdk::heap_block;
use std::sync::{Mutex, MutexGuard, PoisonError};

static LONG: Mutex<Long> = Mutex::new(Long { lists: Vec::new(), free: Vec::new() });

/// Room for so many is kept when there are none.
const LISTS_KEPT: usize = 64;
const NONE: List = List::Numbers(Vec::new());

struct Long {
    /// By handle.
    lists: Vec<List>,
    /// Handles that nobody has.
    free: Vec<u32>,
}

/// Documents by their numbers in this process, in the order in which they were seen; or as a list of names.
#[derive(Debug)]
pub(crate) enum List {
    Numbers(Vec<u32>),
    Names(Vec<u8>),
}

/// Keeps a list, and gives its handle and what it takes, in bytes.
pub(crate) fn keep(list: List) -> (u32, usize) {
    let (mut long, bytes) = (long(), list.heap_bytes());
    if let Some(handle) = long.free.pop()
        && let Some(place) = long.lists.get_mut(handle as usize)
    {
        *place = list;
        return (handle, bytes);
    }
    long.lists.push(list);
    ((long.lists.len() - 1) as u32, bytes)
}

/// Adds a number, unless it was the last one, to a list of numbers; gives what the list takes then.
pub(crate) fn push(handle: u32, number: u32) -> Option<usize> {
    match long().lists.get_mut(handle as usize) {
        Some(List::Numbers(numbers)) => {
            if numbers.last() != Some(&number) {
                numbers.push(number);
            }
            Some(of_numbers(numbers))
        }
        _ => None,
    }
}

/// Looks at a list, which may not keep any others meanwhile.
pub(crate) fn with<T>(handle: u32, look: impl FnOnce(&List) -> T) -> T {
    let long = long();
    look(long.lists.get(handle as usize).unwrap_or(&NONE))
}

/// Gives a list back, and its handle up.
pub(crate) fn take(handle: u32) -> List {
    let mut long = long();
    let Some(place) = long.lists.get_mut(handle as usize) else { return NONE };
    let list = std::mem::replace(place, NONE);
    long.free.push(handle);
    if long.free.len() == long.lists.len() {
        long.lists.clear();
        long.lists.shrink_to(LISTS_KEPT);
        long.free.clear();
        long.free.shrink_to(LISTS_KEPT);
    }
    list
}

fn long() -> MutexGuard<'static, Long> {
    LONG.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of_numbers(numbers: &Vec<u32>) -> usize {
    size_of::<List>() + size_of::<u32>() + heap_block(numbers.capacity() * size_of::<u32>())
}

impl List {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Numbers(numbers) => of_numbers(numbers),
            Self::Names(list) => size_of::<Self>() + size_of::<u32>() + heap_block(list.capacity()),
        }
    }
}
