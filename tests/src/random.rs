//! Numbers and texts that are the same every time for the same seed.

/// A generator of the splitmix64 kind: tiny, and good enough to make texts.
pub struct Random {
    state: u64,
}

impl Random {
    /// The same seed gives the same sequence for ever.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// About `bytes` bytes of lines of words: few words are frequent, many are rare, some lines are empty.
    pub fn text(&mut self, bytes: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes + 80);
        while text.len() < bytes {
            for word in 0..self.below(14) {
                if word > 0 {
                    text.push(b' ');
                }
                self.word(&mut text);
            }
            text.push(b'\n');
        }
        text
    }

    fn word(&mut self, text: &mut Vec<u8>) {
        let bits = self.below(14);
        let mut rank = self.below(1 << bits) + (1 << bits);
        while rank > 0 {
            text.push(b'a' + u8::try_from(rank % 26).unwrap_or_default());
            rank /= 26;
        }
    }
}
