//! Lines of 99 random printable bytes and a newline: 100-byte records that are text.

use std::io;
use std::path::Path;

use crate::random::Random;

/// Writes so many bytes, rounded down to whole lines; a share `skew` of the lines are all the same.
pub fn lines(file: &Path, bytes: u64, seed: u64, skew: f64) -> io::Result<()> {
    let mut random = Random::new(seed);
    let skew = (skew.clamp(0.0, 1.0) * f64::from(u32::MAX)) as u32;
    let same = line(&mut random);
    super::write(file, bytes - bytes % 100, |buffer, wanted| {
        for _ in 0..wanted.div_ceil(100) {
            let repeated = skew > 0 && (random.next() as u32) < skew;
            buffer.extend_from_slice(&if repeated { same } else { line(&mut random) });
        }
    })
}

fn line(random: &mut Random) -> [u8; 100] {
    let mut line = [0; 104];
    for chunk in line.as_chunks_mut::<8>().0 {
        *chunk = random.next().to_le_bytes();
    }
    let mut line: [u8; 100] = std::array::from_fn(|at| b' ' + ((u16::from(line[at]) * 95) >> 8) as u8);
    line[99] = b'\n';
    line
}
