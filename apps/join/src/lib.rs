//! Equi-join: pairs of lines, one from a left and one from a right document, that agree in a field.
//!
//! Gives `key,rest of the left line,rest of the right line` (with the delimiter of the job), for every such pair. Fields
//! are cut at each delimiter, without quoting; a `\r` at the end of a line is dropped; empty lines are passed over. A
//! reduce holds the lines of one key.
#![forbid(unsafe_code)]

use gristmill_sdk::prelude::*;

/// The app.
#[derive(Default)]
pub struct Join {
    left: Vec<u8>,
    left_field: usize,
    right_field: usize,
    delimiter: u8,
    rest: Vec<u8>,
}

/// Where a line comes from, as it stands before the rest of the line in a value.
const LEFT: bool = false;
const RIGHT: bool = true;

impl App for Join {
    type Key = [u8];
    type Value = (bool, Bytes);
    const PARAMS: &'static [Param] = &[
        Param::with_default("left", "left.csv", "documents whose names end so are left, all others right"),
        Param::with_default("left-field", "1", "which field of a left line is the key, counted from 1"),
        Param::with_default("right-field", "1", "which field of a right line is the key, counted from 1"),
        Param::with_default("delimiter", ",", "what separates fields: one byte, or `tab`"),
    ];

    fn setup(&mut self, params: &Params) -> Result<()> {
        self.left = params.required("left")?.into();
        self.left_field = field(params, "left-field")?;
        self.right_field = field(params, "right-field")?;
        self.delimiter = match params.required("delimiter")?.as_bytes() {
            b"tab" => b'\t',
            &[byte] => byte,
            _ => bail!("parameter `delimiter` must be one byte, or `tab`"),
        };
        Ok(())
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        let side = if split.document().ends_with(&self.left) { LEFT } else { RIGHT };
        let wanted = if side == LEFT { self.left_field } else { self.right_field };
        for line in split.lines() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let Some(key) = self.cut(line, wanted) else {
                bail!(
                    "the line has {} fields, the key is in field {wanted}",
                    fields(line, self.delimiter).count()
                )
            };
            emit.pair_ref(key, &(side, self.rest.as_slice()));
        }
        Ok(())
    }

    fn reduce(&mut self, key: &[u8], lines: Values<'_, (bool, Bytes)>, out: &mut Output<'_>) -> Result<()> {
        let (right, left): (Vec<_>, Vec<_>) = lines.partition(|&(side, _)| side == RIGHT);
        let mut joined = key.to_vec();
        for (_, left) in &left {
            for (_, right) in &right {
                joined.truncate(key.len());
                joined.extend_from_slice(left);
                joined.extend_from_slice(right);
                out.line(joined.as_slice());
            }
        }
        Ok(())
    }
}

impl Join {
    /// The key of a line. Leaves all other fields in `rest`, each behind a delimiter.
    fn cut<'a>(&mut self, line: &'a [u8], wanted: usize) -> Option<&'a [u8]> {
        let mut key = None;
        self.rest.clear();
        for (i, field) in fields(line, self.delimiter).enumerate() {
            if i + 1 == wanted {
                key = Some(field);
                continue;
            }
            self.rest.push(self.delimiter);
            self.rest.extend_from_slice(field);
        }
        key
    }
}

fn field(params: &Params, name: &str) -> Result<usize> {
    match params.parse(name)? {
        0 => bail!("parameter `{name}` is 0; fields count from 1"),
        field => Ok(field),
    }
}

gristmill_sdk::export!(Join);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run, run_every_way};

    #[test]
    fn every_pair_of_lines_with_the_same_key_is_joined() {
        let job = TestJob::new()
            .input("in/orders.csv", "1,7,bread\n2,9,salt\n3,7,wine\n4,8,oil")
            .input("in/people.csv", "7,Ann\r\n8,Bob\n\n7,Eve,twin\n")
            .arg("left", "orders.csv")
            .arg("left-field", 2);
        let text = run_every_way::<Join>(&job).unwrap().text();
        assert_eq!(text, "7,1,bread,Ann\n7,1,bread,Eve,twin\n7,3,wine,Ann\n7,3,wine,Eve,twin\n8,4,oil,Bob\n");
    }

    #[test]
    fn sides_do_not_depend_on_the_order_of_documents() {
        let job = |left| {
            TestJob::new().input("a", "k\tx").input("b", "k\ty").arg("left", left).arg("delimiter", "tab")
        };
        assert_eq!(run_every_way::<Join>(&job("a")).unwrap().text(), "k\tx\ty\n");
        assert_eq!(run_every_way::<Join>(&job("b")).unwrap().text(), "k\ty\tx\n");
    }

    #[test]
    fn a_line_without_the_field_is_an_error_with_its_place() {
        let job = TestJob::new().input("people", "7,Ann\n8\n").arg("right-field", 2);
        let failure = run::<Join>(&job).unwrap_err().to_string();
        assert_eq!(failure, "map of people at byte 6: the line has 1 fields, the key is in field 2");
    }

    #[test]
    fn parameters_that_make_no_sense_are_refused() {
        let refused = |name, value| run::<Join>(&TestJob::new().arg(name, value)).unwrap_err().message;
        assert_eq!(refused("left-field", "0"), "parameter `left-field` is 0; fields count from 1");
        assert_eq!(refused("delimiter", "::"), "parameter `delimiter` must be one byte, or `tab`");
    }
}
