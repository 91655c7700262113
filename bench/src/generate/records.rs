//! Binary records of 100 bytes, as sort benchmarks have them: a random key of 10 bytes, the record's number in 16 digits, filling.

use std::io;
use std::path::Path;

use crate::random::Random;

/// Writes so many bytes, rounded down to whole records; a share `skew` of the records have the same key.
pub fn records(file: &Path, bytes: u64, seed: u64, skew: f64) -> io::Result<()> {
    let mut random = Random::new(seed);
    let skew = (skew.clamp(0.0, 1.0) * f64::from(u32::MAX)) as u32;
    let same = key(&mut random);
    let mut number = 0_u64;
    super::write(file, bytes - bytes % 100, |buffer, wanted| {
        for _ in 0..wanted.div_ceil(100) {
            let repeated = skew > 0 && (random.next() as u32) < skew;
            let key = if repeated { same } else { key(&mut random) };
            buffer.extend_from_slice(&record(key, number, random.next()));
            number += 1;
        }
    })
}

fn key(random: &mut Random) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&random.next().to_le_bytes());
    key[8..].copy_from_slice(&(random.next() as u16).to_le_bytes());
    key
}

fn record(key: [u8; 10], number: u64, filling: u64) -> [u8; 100] {
    let mut record = [0; 100];
    record[..10].copy_from_slice(&key);
    for (at, digit) in record[10..26].iter_mut().enumerate() {
        *digit = hexadecimal(number >> (60 - 4 * at));
    }
    for (at, letters) in record[26..90].as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *letters = [hexadecimal(filling >> (4 * at)); 4];
    }
    record[90..].copy_from_slice(b"\0\x11\x22\x33\xcc\xdd\xee\xff\r\n");
    record
}

fn hexadecimal(digit: u64) -> u8 {
    b"0123456789ABCDEF"[(digit & 15) as usize]
}
