//! Word count by hand: letters found 64 at a time, words hashed and prefetched in batches, a table a thread with keys of up to 16 bytes
//! in its slots.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::thread;

use crate::input::Pieces;

const BATCH: usize = 512;
const INLINE: usize = 16;

#[derive(Clone, Copy, Default)]
struct Slot {
    low: u64,
    high: u64,
    count: u64,
}

#[derive(Clone, Copy, Default)]
struct Found {
    low: u64,
    high: u64,
    hash: u64,
}

/// Open addressing by the hash's high bits, so that a range of slots is a range of hashes. A key of letters is never zero.
struct Table {
    slots: Vec<Slot>,
    shift: u32,
    used: usize,
    long: HashMap<Vec<u8>, u64>,
}

fn hash(low: u64, high: u64) -> u64 {
    let wide = u128::from(low ^ 0x9e37_79b9_7f4a_7c15) * u128::from(high ^ 0xd1b5_4a32_d192_ed03);
    (wide as u64) ^ (wide >> 64) as u64
}

/// Zeroed slots, on huge pages where the system gives them: on small ones most probes also miss the TLB.
fn on_huge_pages(count: usize) -> Vec<Slot> {
    let mut slots: Vec<Slot> = Vec::with_capacity(count);
    let spare = slots.spare_capacity_mut();
    let begin = spare.as_mut_ptr().addr().next_multiple_of(4096);
    let end = (spare.as_ptr().addr() + size_of_val(spare)) & !4095;
    if end > begin {
        let pages = spare.as_mut_ptr().with_addr(begin).cast();
        // SAFETY: whole pages of an allocation of ours; the advice changes no content.
        let _ = unsafe { rustix::mm::madvise(pages, end - begin, rustix::mm::Advice::LinuxHugepage) };
    }
    slots.resize(count, Slot::default());
    slots
}

impl Table {
    fn new(bits: u32) -> Self {
        Self { slots: on_huge_pages(1 << bits), shift: 64 - bits, used: 0, long: HashMap::new() }
    }

    fn prefetch(&self, hash: u64) {
        let slot = &raw const self.slots[(hash >> self.shift) as usize];
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch reads nothing; the address lies in the table.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(slot.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = slot;
    }

    fn add(&mut self, key: Found, count: u64) {
        let mask = self.slots.len() - 1;
        let mut at = (key.hash >> self.shift) as usize;
        loop {
            let slot = &mut self.slots[at & mask];
            if slot.low == key.low && slot.high == key.high {
                slot.count += count;
                return;
            }
            if slot.low == 0 {
                *slot = Slot { low: key.low, high: key.high, count };
                self.used += 1;
                if self.used * 2 > self.slots.len() {
                    self.grow();
                }
                return;
            }
            at += 1;
        }
    }

    fn grow(&mut self) {
        let mut bigger = Self::new(64 - self.shift + 2);
        for slot in self.slots.iter().filter(|slot| slot.low != 0) {
            bigger.add(Found { low: slot.low, high: slot.high, hash: hash(slot.low, slot.high) }, slot.count);
        }
        self.slots = bigger.slots;
        self.shift = bigger.shift;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn letters_avx2(bytes: &[u8; 64]) -> u64 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set1_epi8,
    };
    let half = |at: usize| {
        // SAFETY: 32 bytes from `at`, 0 or 32, lie in the array.
        let loaded = unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast::<__m256i>()) };
        let lower = _mm256_or_si256(loaded, _mm256_set1_epi8(0x20));
        let moved = _mm256_add_epi8(lower, _mm256_set1_epi8((0x80_u8 - b'a') as i8));
        let below = _mm256_cmpgt_epi8(_mm256_set1_epi8(-128 + 26), moved);
        u64::from(_mm256_movemask_epi8(below) as u32)
    };
    half(0) | half(32) << 32
}

fn letters_portable(bytes: &[u8; 64]) -> u64 {
    (0..64).fold(0, |mask, at| mask | u64::from(bytes[at].is_ascii_alphabetic()) << at)
}

/// Calls `word(start, end)` for every run of ASCII letters. `text` ends with a byte that is none, and is padded to be read on.
fn tokenize(
    buffer: &[u8],
    length: usize,
    letters: impl Fn(&[u8; 64]) -> u64,
    mut word: impl FnMut(usize, usize),
) {
    let mut start = 0;
    let mut carry = 0;
    for at in (0..length + 1).step_by(64) {
        let Some(block) = buffer[at..].first_chunk::<64>() else { break };
        let mask = letters(block);
        let before = mask << 1 | carry;
        carry = mask >> 63;
        let mut borders = mask ^ before;
        while borders != 0 {
            let border = at + borders.trailing_zeros() as usize;
            if mask >> (border - at) & 1 == 1 {
                start = border;
            } else {
                word(start, border);
            }
            borders &= borders - 1;
        }
    }
}

/// The first `length` (1 to 16) of 16 bytes, the others zero.
fn key(bytes: &[u8; INLINE], length: usize) -> Found {
    let all = u128::from_le_bytes(*bytes);
    let kept = all & (u128::MAX >> (128 - 8 * length));
    let (low, high) = (kept as u64, (kept >> 64) as u64);
    Found { low, high, hash: hash(low, high) }
}

fn count(pieces: &Pieces) -> io::Result<Table> {
    let mut table = Table::new(16);
    let mut buffer = Vec::new();
    let mut batch = [Found::default(); BATCH];
    while let Some(length) = pieces.take(&mut buffer)? {
        let padded = (length + 1).next_multiple_of(64) + 64;
        buffer.resize(padded, 0);
        let mut filled = 0;
        let on_word = |start: usize, end: usize| {
            if end - start > INLINE {
                *table.long.entry(buffer[start..end].to_vec()).or_default() += 1;
                return;
            }
            let Some(bytes) = buffer[start..].first_chunk::<INLINE>() else { return };
            let found = key(bytes, end - start);
            table.prefetch(found.hash);
            batch[filled] = found;
            filled += 1;
            if filled == BATCH {
                for found in &batch {
                    table.add(*found, 1);
                }
                filled = 0;
            }
        };
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            tokenize(&buffer, length, |block| unsafe { letters_avx2(block) }, on_word);
        } else {
            tokenize(&buffer, length, letters_portable, on_word);
        }
        #[cfg(not(target_arch = "x86_64"))]
        tokenize(&buffer, length, letters_portable, on_word);
        for found in &batch[..filled] {
            table.add(*found, 1);
        }
    }
    Ok(table)
}

fn on_threads<T: Send>(threads: usize, work: impl Fn(usize) -> io::Result<T> + Sync) -> io::Result<Vec<T>> {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || work(number))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, io::Result<T>>| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        };
        running.into_iter().map(join).collect()
    })
}

pub(crate) fn run(file: &Path, output: &Path, threads: usize) -> io::Result<()> {
    fs::create_dir_all(output)?;
    let pieces = Pieces::open(file)?;
    let tables = on_threads(threads, |_| count(&pieces))?;
    on_threads(threads, |number| {
        let mine = |hash: u64| ((u128::from(hash) * threads as u128) >> 64) as usize == number;
        // As large as it may get from the start: entries that arrive in the order of their hashes would crowd a small table's front.
        let bits = tables.iter().map(|table| 64 - table.shift).max().unwrap_or(16);
        let mut merged = Table::new(bits);
        for table in &tables {
            for slot in table.slots.iter().filter(|slot| slot.low != 0) {
                let hash = hash(slot.low, slot.high);
                if mine(hash) {
                    merged.add(Found { low: slot.low, high: slot.high, hash }, slot.count);
                }
            }
            if number == 0 {
                for (word, count) in &table.long {
                    *merged.long.entry(word.clone()).or_default() += count;
                }
            }
        }
        write(&merged, &output.join(format!("out-{number:05}")))
    })?;
    File::open(output)?.sync_all()
}

/// Sorted by the words' bytes, and durable, as Gristmill's outputs are.
fn write(table: &Table, path: &Path) -> io::Result<()> {
    let mut short: Vec<(u64, u64, u64)> = table
        .slots
        .iter()
        .filter(|slot| slot.low != 0)
        .map(|slot| (slot.low.swap_bytes(), slot.high.swap_bytes(), slot.count))
        .collect();
    short.sort_unstable();
    let mut long: Vec<(&Vec<u8>, &u64)> = table.long.iter().collect();
    long.sort_unstable();
    let mut long = long.into_iter().peekable();
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for (low, high, count) in short {
        let mut bytes = [0; INLINE];
        bytes[..8].copy_from_slice(&low.to_be_bytes());
        bytes[8..].copy_from_slice(&high.to_be_bytes());
        let word = &bytes[..bytes.iter().position(|&byte| byte == 0).unwrap_or(INLINE)];
        while let Some((before, count)) = long.next_if(|(before, _)| before.as_slice() < word) {
            out.write_all(before)?;
            writeln!(out, " {count}")?;
        }
        out.write_all(word)?;
        writeln!(out, " {count}")?;
    }
    for (word, count) in long {
        out.write_all(word)?;
        writeln!(out, " {count}")?;
    }
    out.into_inner()?.sync_all()
}
