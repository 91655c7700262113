//! Grep: the lines that match a regular expression, as `document:line`.
//!
//! Lines need not be text. Has no reduce stage: each map writes what it finds, in the order of the input.
#![forbid(unsafe_code)]

mod matcher;

use gristmill_sdk::prelude::*;
use matcher::Matcher;

/// The app.
#[derive(Default)]
pub struct Grep {
    pattern: Option<Matcher>,
    invert: bool,
}

impl App for Grep {
    type Key = [u8];
    type Value = ();
    const MAP_ONLY: bool = true;
    const PARAMS: &'static [Param] = &[
        Param::required("pattern", "a regular expression, in the syntax of Rust's regex crate"),
        Param::with_default("invert", "false", "true to give the lines that do not match"),
        Param::with_default("ignore-case", "false", "true to match letters of either case"),
    ];

    fn setup(&mut self, params: &Params) -> Result<()> {
        let ignore_case = params.parse("ignore-case")?;
        let pattern = Matcher::new(params.required("pattern")?, ignore_case);
        self.pattern =
            Some(pattern.map_err(|error| Error::new(format_args!("parameter `pattern`: {error}")))?);
        self.invert = params.parse("invert")?;
        Ok(())
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        let Some(pattern) = &self.pattern else { return Ok(()) };
        let document = split.document();
        let mut write = |line: &[u8]| emit.output().write_parts(&[document, b":", line, b"\n"]);
        if self.invert {
            split.lines().filter(|line| !pattern.matches(line)).for_each(write);
        } else {
            pattern.each_match(split.bytes(), &mut write);
        }
        Ok(())
    }
}

gristmill_sdk::export!(Grep);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run_every_way};

    const TEXT: &[u8] = b"Call me Ishmael.\n\nsome years \xff ago\nno matter";

    fn found(args: &[(&str, &str)]) -> String {
        let job = args
            .iter()
            .fold(TestJob::new().input("moby dick.txt", TEXT), |job, (name, value)| job.arg(name, value));
        run_every_way::<Grep>(&job).unwrap().text()
    }

    #[test]
    fn lines_that_match_come_in_order_with_their_document() {
        assert_eq!(
            found(&[("pattern", "m[ea]")]),
            "moby dick.txt:Call me Ishmael.\nmoby dick.txt:some years \u{fffd} ago\nmoby dick.txt:no matter\n"
        );
        assert_eq!(found(&[("pattern", "^$")]), "moby dick.txt:\n");
        assert_eq!(found(&[("pattern", "nothing")]), "");
    }

    #[test]
    fn case_and_sense_can_be_turned() {
        assert_eq!(found(&[("pattern", "^NO"), ("ignore-case", "true")]), "moby dick.txt:no matter\n");
        assert_eq!(found(&[("pattern", "[ao]"), ("invert", "true")]), "moby dick.txt:\n");
    }

    #[test]
    fn a_bad_pattern_is_an_error_before_the_job_starts() {
        let failure = run_every_way::<Grep>(&TestJob::new().arg("pattern", "a(b")).unwrap_err().to_string();
        assert!(failure.starts_with("setup: parameter `pattern`: regex parse error"), "{failure}");
        assert!(failure.contains("unclosed group"), "{failure}");
    }
}
