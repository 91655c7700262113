//! Finds the lines of a block that match.
//!
//! Most patterns are looked for in the whole block at once, which skips what cannot match many bytes at a time; where something is found,
//! its line is tried by itself. A line that matches has a match that begins in it, in the block as in the line alone, so none is missed.
//! That holds as long as the pattern cannot tell a line from a block: one that speaks of the end of the text is tried line by line.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Look;

/// What is found across the ends of lines so often in one block costs more than trying the rest of its lines.
const VAIN_MAX: usize = 8;

/// A pattern, and how it is looked for.
#[derive(Debug)]
pub(crate) struct Matcher {
    line: Regex,
    /// The same for many lines at once, if it means the same there.
    block: Option<Regex>,
}

impl Matcher {
    pub(crate) fn new(pattern: &str, ignore_case: bool) -> Result<Self, regex::Error> {
        let mut builder = RegexBuilder::new(pattern);
        let line = builder.case_insensitive(ignore_case).build()?;
        let mut parser = ParserBuilder::new().utf8(false).multi_line(true).build();
        let is_alike = parser.parse(pattern).is_ok_and(|hir| {
            let looks = hir.properties().look_set();
            ![Look::Start, Look::End, Look::StartCRLF, Look::EndCRLF].iter().any(|&look| looks.contains(look))
        });
        let block = if is_alike { Some(builder.multi_line(true).build()?) } else { None };
        Ok(Self { line, block })
    }

    /// Whether a line matches by itself.
    pub(crate) fn matches(&self, line: &[u8]) -> bool {
        self.line.is_match(line)
    }

    /// Calls `found` with each line of whole lines that matches, in order.
    pub(crate) fn each_match<'b>(&self, block: &'b [u8], mut found: impl FnMut(&'b [u8])) {
        let (mut from, mut vain) = (0, 0);
        while from < block.len() {
            let begin = match self.block.as_ref().filter(|_| vain < VAIN_MAX) {
                None => from,
                Some(pattern) => match pattern.find_at(block, from) {
                    Some(found) => line_begin(block, from, found.start()),
                    None => return,
                },
            };
            let line = line_from(block, begin);
            if line.is_empty() && begin == block.len() {
                return;
            }
            if self.matches(line) {
                found(line);
            } else {
                vain += 1;
            }
            from = begin + line.len() + 1;
        }
    }
}

/// Where the line begins that `place` lies in; not before `from`, where one begins.
fn line_begin(block: &[u8], from: usize, place: usize) -> usize {
    memchr::memrchr(b'\n', &block[from..place]).map_or(from, |newline| from + newline + 1)
}

/// The line that begins at `begin`.
fn line_from(block: &[u8], begin: usize) -> &[u8] {
    let rest = &block[begin..];
    &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both_ways(pattern: &str, block: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let matcher = Matcher::new(pattern, false).unwrap();
        let mut found = Vec::new();
        let mut lines: Vec<&[u8]> = block.split(|&byte| byte == b'\n').collect();
        lines.pop_if(|last| last.is_empty());
        matcher.each_match(block, |line| found.push(line.to_vec()));
        let plain = Regex::new(pattern).unwrap();
        (found, lines.into_iter().filter(|line| plain.is_match(line)).map(<[u8]>::to_vec).collect())
    }

    proptest! {
        #[test]
        fn blocks_give_the_lines_that_match_alone(
            block in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b'b'), Just(b'\r'), Just(0xff_u8)], 0..60),
            pattern in prop_oneof![
                Just("a"), Just("^a"), Just("b$"), Just("^$"), Just("^"), Just("$"), Just("a[^x]*b"), Just(r"\s"), Just(r"a\sb"),
                Just(r"\Aa"), Just(r"b\z"), Just(r"(?-m)^b"), Just(r"(?R)a$"), Just("(?s)a.*b"), Just(r"\ba"), Just(r"\Bb"),
                Just("x*"), Just(r"(?-u)\xff"), Just("b|^a$"), Just("(?s)."), Just("[^a]"),
            ],
        ) {
            let (found, expected) = both_ways(pattern, &block);
            prop_assert_eq!(found, expected, "{}", pattern);
        }
    }

    #[test]
    fn patterns_that_speak_of_the_whole_text_are_tried_by_line() {
        let in_blocks = |pattern| Matcher::new(pattern, false).unwrap().block.is_some();
        assert!(in_blocks("Ishmael") && in_blocks("^a.*b$") && in_blocks(r"\bsea\b"));
        assert!(!in_blocks(r"\Aa") && !in_blocks(r"a\z") && !in_blocks("(?-m)^a"));
    }
}
