//! Sort of 100-byte records by hand: one output a thread, all of them together in order.
//!
//! The input is mapped. Of each record only eight bytes are sorted: as much of its key's beginning as there is room for beside its number.
//! They are spread over some thousand buckets that fit the cache; a bucket is sorted when its records are about to be written, and
//! written they are while the next ones are sorted.

mod buckets;
mod entry;
mod writer;

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

use crate::output;
use crate::threads::on_threads;
use buckets::{Buckets, Histogram};
use entry::Entries;
use writer::Writer;

/// Bytes of a record.
pub const RECORD: usize = 100;

/// How many records ahead of the one that is copied are fetched.
const AHEAD: usize = 24;

/// Sorts the records of a file by their first `key_bytes` bytes, equal ones in the order of the input, into `out-00000 …` in `output`.
pub fn run(file: &Path, output: &Path, key_bytes: usize, threads: usize) -> io::Result<()> {
    output::fresh_directory(output)?;
    let file = File::open(file)?;
    if file.metadata()?.len() % RECORD as u64 != 0 {
        return Err(io::Error::other(format!("the input is not made of records of {RECORD} bytes")));
    }
    // SAFETY: nobody changes the input while it is sorted; that is what this program is for.
    let map = unsafe { Mmap::map(&file)? };
    let records = map.as_chunks::<RECORD>().0;
    let part = |number: usize| records.len() * number / threads..records.len() * (number + 1) / threads;

    let histograms = on_threads(threads, |number| {
        let range = part(number);
        // Whole ranges of pages at once cost less than a fault for every few; without it there are faults.
        #[cfg(target_os = "linux")]
        let _ = map.advise_range(memmap2::Advice::PopulateRead, range.start * RECORD, range.len() * RECORD);
        Ok(Histogram::of(&records[range]))
    })?;
    let buckets = Buckets::new(&histograms);
    let spread =
        on_threads(threads, |number| Entries::spread(records, part(number), &buckets, &histograms[number]))?;
    on_threads(threads, |number| {
        let mut writer = Writer::create(&output::name(output, number))?;
        let mut sorted = Vec::new();
        for bucket in buckets.share(number, threads) {
            sorted.clear();
            for entries in &spread {
                sorted.extend_from_slice(entries.bucket(bucket));
            }
            entry::sort(&mut sorted, records, key_bytes.min(RECORD));
            gather(&sorted, records, &mut writer)?;
        }
        writer.finish()
    })?;
    output::sync_directory(output)
}

fn gather(sorted: &[u64], records: &[[u8; RECORD]], writer: &mut Writer) -> io::Result<()> {
    let number = entry::numbers(records.len());
    for (at, &entry) in sorted.iter().enumerate() {
        if let Some(&later) = sorted.get(at + AHEAD) {
            prefetch(&records[number(later)]);
        }
        writer.put(&records[number(entry)])?;
    }
    Ok(())
}

fn prefetch(record: &[u8; RECORD]) {
    #[cfg(target_arch = "x86_64")]
    for at in [0, 63, RECORD - 1] {
        // SAFETY: a prefetch reads nothing; the address lies in the record.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                (&raw const record[at]).cast(),
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = record;
}
