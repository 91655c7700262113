//! The inputs that are made up: an ordinary one, and odd ones that real data holds sooner or later.

use gristmill_model::InputMode;

/// A made-up input of one or two documents.
pub(super) struct Sample {
    /// What it is, as people call it.
    pub(super) name: &'static str,
    /// File names and contents.
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
    /// What to do about an app that cannot take it.
    pub(super) hint: &'static str,
}

/// Long enough that no buffer of fixed size holds it.
const HUGE_LINE_BYTES: usize = 32 << 20;

/// What an app is given first. Two documents, keys that come back in both, fields to join on, numbers to add.
pub(super) fn ordinary(mode: InputMode) -> Sample {
    let files = match mode {
        InputMode::Records(bytes) => {
            vec![("left.bin", records(bytes, 2000, 1)), ("right.bin", records(bytes, 1500, 2))]
        }
        InputMode::Text | InputMode::File => {
            vec![("left.txt", text(12_000, 1)), ("right.txt", text(9_000, 2))]
        }
    };
    Sample { name: "ordinary input", files, hint: "name an INPUT that the app is made for" }
}

/// What it must survive.
pub(super) fn odd(mode: InputMode) -> Vec<Sample> {
    let empty = Sample {
        name: "an empty file",
        files: vec![("empty", Vec::new())],
        hint: "map may be given no line, no record or an empty file",
    };
    match mode {
        InputMode::Records(_) => vec![empty],
        InputMode::Text | InputMode::File => std::iter::once(empty).chain(odd_texts()).collect(),
    }
}

fn odd_texts() -> impl Iterator<Item = Sample> {
    const BYTES: &str = "text need not be UTF-8: take lines as bytes, or use the lossy text of the split";
    let huge = b"one long line of words ".iter().copied().cycle().take(HUGE_LINE_BYTES).collect();
    [
        ("no final newline", b"one two\nthree four".to_vec(), "the last line may end without a newline"),
        ("empty lines", b"\n\n  \n\t\n\nword\n\n".to_vec(), "a line may be empty or blank"),
        ("CRLF line ends", b"one two\r\nthree\r\n\r\n".to_vec(), "a line may end with CR LF"),
        ("NUL bytes", b"one\0two\n\0\0\nthree \0\n".to_vec(), "a line may hold NUL bytes"),
        ("invalid UTF-8", b"one \xff\xfe two\n\xc3\n\x80\x80\nthree\n".to_vec(), BYTES),
        (
            "a line of 32 MiB",
            huge,
            "a line may be of any length: avoid fixed buffers and work that grows faster than the line",
        ),
    ]
    .into_iter()
    .map(|(name, bytes, hint)| Sample { name, files: vec![("odd", bytes)], hint })
}

fn text(lines: u32, seed: u64) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "mill",
        "grain",
        "stone",
        "water",
        "wheel",
        "flour",
        "sack",
        "river",
        "über",
        "мельница",
        "42",
        "7",
        "3.5",
        "-1",
        "Mill",
        "a",
    ];
    let mut random = Random(seed);
    let mut text = Vec::new();
    for _ in 0..lines {
        // A key, a tab, then words: enough for apps that count, join, or take fields apart.
        text.extend_from_slice(format!("key{}\t", random.below(97)).as_bytes());
        for _ in 0..1 + random.below(12) {
            let word = WORDS.get(random.below(WORDS.len())).copied().unwrap_or_default();
            text.extend_from_slice(word.as_bytes());
            text.push(b' ');
        }
        text.push(b'\n');
    }
    text
}

fn records(bytes: u64, most: usize, seed: u64) -> Vec<u8> {
    // Some megabytes at most, but whole records and at least three.
    let size = usize::try_from(bytes).unwrap_or(usize::MAX).max(1);
    let count = (4_usize << 20).checked_div(size).unwrap_or(0).clamp(3, most);
    let mut random = Random(seed);
    (0..size.saturating_mul(count)).map(|_| u8::try_from(random.below(256)).unwrap_or(0)).collect()
}

/// The same samples every time: a finding must be found again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_the_same_every_time() {
        assert_eq!(ordinary(InputMode::Text).files, ordinary(InputMode::Text).files);
    }

    #[test]
    fn records_are_whole_and_several() {
        for size in [1, 7, 100, 3 << 20] {
            for (_, bytes) in ordinary(InputMode::Records(size)).files {
                let size = usize::try_from(size).unwrap();
                assert!(bytes.len() % size == 0 && bytes.len() / size >= 3, "{size}");
            }
        }
    }

    #[test]
    fn odd_texts_are_as_odd_as_they_say() {
        let odd = odd(InputMode::Text);
        let named = |name: &str| odd.iter().find(|sample| sample.name == name).unwrap().files[0].1.as_slice();
        assert!(named("an empty file").is_empty());
        assert!(!named("no final newline").ends_with(b"\n"));
        assert!(std::str::from_utf8(named("invalid UTF-8")).is_err());
        assert!(named("NUL bytes").contains(&0));
        assert!(
            named("a line of 32 MiB").len() == HUGE_LINE_BYTES && !named("a line of 32 MiB").contains(&b'\n')
        );
    }
}
