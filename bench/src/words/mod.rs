//! Words of text: maximal runs of ASCII letters, their borders found 64 bytes at a time.
//!
//! Borders come in blocks, as two arrays of 16-bit positions: what is then done with the words is a loop without hard-to-predict branches.
//! A word that a block's end cuts begins the next block.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

/// Bytes that are no letters must follow a text, this many.
pub(crate) const PADDING: usize = 64;

/// Bytes of a block: positions in it fit 16 bits, and its borders the L1 cache.
const BLOCK: usize = 16 << 10;

/// Positions a step may write beyond those it counts.
const SLACK: usize = 32;

const BORDERS: usize = BLOCK / 2 + 1 + SLACK;

/// What is done with words.
pub(crate) trait OnWords {
    /// Words of `text`, from `starts[n]` to `ends[n]`; `PADDING` bytes can be read from any start.
    fn words(&mut self, text: &[u8], starts: &[u16], ends: &[u16]) -> std::io::Result<()>;

    /// A word too long for a block.
    fn long(&mut self, word: &[u8]);
}

/// Where words start and end in a block.
pub(crate) struct Borders {
    starts: [u16; BORDERS],
    ends: [u16; BORDERS],
}

impl Borders {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self { starts: [0; BORDERS], ends: [0; BORDERS] })
    }

    /// Hands all words of a text, which is followed by `PADDING` bytes that are no letters, to `on`.
    pub(crate) fn find(&mut self, padded: &[u8], on: &mut impl OnWords) -> std::io::Result<()> {
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::available() {
                // SAFETY: the processor has what the function is built for.
                return unsafe { avx512::find(self, padded, on) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2.
                return unsafe { avx2::find(self, padded, on) };
            }
        }
        self.find_by(padded, on, |borders, block| portable::fill(borders, block, portable::letters))
    }

    /// With a `fill` that finds the borders in a block (a multiple of 64 bytes) and counts the starts and the ends.
    #[inline(always)]
    fn find_by(
        &mut self,
        padded: &[u8],
        on: &mut impl OnWords,
        fill: impl Fn(&mut Self, &[u8]) -> (usize, usize),
    ) -> std::io::Result<()> {
        let length = padded.len() - PADDING;
        let mut base = 0;
        while base < length {
            let size = BLOCK.min((length - base + 1).next_multiple_of(64));
            let (starts, ends) = fill(self, &padded[base..base + size]);
            on.words(&padded[base..], &self.starts[..ends], &self.ends[..ends])?;
            base += match self.starts[ends] {
                _ if starts == ends => size,
                0 => {
                    let rest = &padded[base..];
                    let end = rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
                    on.long(&rest[..end]);
                    end
                }
                cut => usize::from(cut),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    struct Collect(Vec<Vec<u8>>);

    impl OnWords for Collect {
        fn words(&mut self, text: &[u8], starts: &[u16], ends: &[u16]) -> std::io::Result<()> {
            let words = starts.iter().zip(ends);
            self.0.extend(words.map(|(&start, &end)| text[start.into()..end.into()].to_vec()));
            Ok(())
        }

        fn long(&mut self, word: &[u8]) {
            self.0.push(word.to_vec());
        }
    }

    fn plain(text: &[u8]) -> Vec<Vec<u8>> {
        let parts = text.split(|byte| !byte.is_ascii_alphabetic());
        parts.filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
    }

    /// Every way this processor can go.
    fn found(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let padded = [text, &[0; PADDING]].concat();
        let mut borders = Borders::new();
        let mut ways = vec![Collect(Vec::new()), Collect(Vec::new())];
        borders.find(&padded, &mut ways[0]).unwrap();
        borders
            .find_by(&padded, &mut ways[1], |borders, block| {
                portable::fill(borders, block, portable::letters)
            })
            .unwrap();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            ways.push(Collect(Vec::new()));
            // SAFETY: the processor has AVX2.
            unsafe { avx2::find(&mut borders, &padded, &mut ways[2]).unwrap() };
        }
        ways.into_iter().map(|way| way.0).collect()
    }

    #[test]
    fn words_are_those_of_the_plain_definition() {
        let mut random = Random::new(7);
        for length in [0, 1, 63, 64, 65, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 17] {
            for letters in [10, 128, 240, 256] {
                let text: Vec<u8> = (0..length)
                    .map(|_| {
                        let drawn = random.next().to_le_bytes();
                        let letter = b"azAZmQ"[usize::from(drawn[1]) % 6];
                        if u32::from(drawn[0]) < letters {
                            letter
                        } else {
                            b"@[`{ \n\0\x80\xc1\xff"[usize::from(drawn[1]) % 10]
                        }
                    })
                    .collect();
                for way in found(&text) {
                    assert!(way == plain(&text), "length {length}, letters {letters}");
                }
            }
        }
    }

    #[test]
    fn a_word_may_be_longer_than_a_block() {
        let text = [b"ab ".as_slice(), &vec![b'x'; 3 * BLOCK + 5], b" cd"].concat();
        for way in found(&text) {
            assert_eq!(way, plain(&text));
        }
    }
}
