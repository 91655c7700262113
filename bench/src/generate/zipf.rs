//! Words whose frequencies follow Zipf's law: short ones are frequent, the tail is long.

use crate::random::Random;

const VOWELS: &[u8] = b"aeio";
const CONSONANTS: &[u8] = b"tnrshld";

/// Bytes of the longest word: 28^7 is more than there are ranks.
pub(super) const LONGEST: usize = 15;

/// A word, and behind it its length.
#[derive(Clone, Copy)]
pub(super) struct Word {
    pub(super) letters: [u8; LONGEST],
    pub(super) length: u8,
}

/// The `rank`-th word, a bijective numeral whose digits are consonants and vowels in turn: no two are equal.
fn spelled(rank: u32) -> Word {
    let mut word = Word { letters: [b' '; LONGEST], length: 0 };
    let mut left = u64::from(rank) + 1;
    while left > 0 {
        let letters = if word.length.is_multiple_of(2) { CONSONANTS } else { VOWELS };
        let count = letters.len() as u64;
        left -= 1;
        word.letters[usize::from(word.length)] = letters[(left % count) as usize];
        word.length += 1;
        left /= count;
    }
    word
}

/// The word so many others are more frequent than.
pub fn word(rank: u32) -> String {
    let word = spelled(rank);
    word.letters[..usize::from(word.length)].iter().copied().map(char::from).collect()
}

/// Draws words with probability proportional to 1/(rank+1), by Walker's alias method.
pub(super) struct Zipf {
    /// The chance to keep a column, and whom to take else.
    columns: Vec<(u32, u32)>,
    words: Vec<Word>,
}

impl Zipf {
    pub(super) fn new(count: u32) -> Self {
        let total: f64 = (1..=count).map(|rank| 1.0 / f64::from(rank)).sum();
        let mut share: Vec<f64> =
            (1..=count).map(|rank| f64::from(count) / (f64::from(rank) * total)).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) = (0..count).partition(|&i| share[i as usize] < 1.0);
        let mut columns: Vec<(u32, u32)> = (0..count).map(|i| (u32::MAX, i)).collect();
        while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
            columns[low as usize] = ((share[low as usize] * f64::from(u32::MAX)) as u32, high);
            share[high as usize] -= 1.0 - share[low as usize];
            if share[high as usize] < 1.0 {
                large.pop();
                small.push(high);
            }
        }
        Self { columns, words: (0..count).map(spelled).collect() }
    }

    /// Draws many at once: then the processor waits for many loads at a time, instead of one after another.
    pub(super) fn draw<const N: usize>(&self, random: &mut Random) -> [Word; N] {
        let drawn: [u64; N] = std::array::from_fn(|_| random.next());
        let count = self.columns.len() as u64;
        let ranks = drawn.map(|drawn| {
            let column = (((drawn >> 32) * count) >> 32) as u32;
            let (keep, alias) = self.columns[column as usize];
            std::hint::select_unpredictable(drawn as u32 <= keep, column, alias)
        });
        ranks.map(|rank| self.words[rank as usize])
    }

    pub(super) fn most_frequent(&self) -> Word {
        self.words[0]
    }
}
