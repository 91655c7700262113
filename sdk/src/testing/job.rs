//! What is run in a test, and what came of it.

use std::collections::BTreeMap;
use std::fmt;

/// A job for [`run`](super::run).
#[derive(Clone, Debug)]
pub struct TestJob {
    pub(super) inputs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) args: BTreeMap<String, String>,
    pub(super) reduces: u32,
    pub(super) memory_bytes: u64,
}

impl Default for TestJob {
    fn default() -> Self {
        Self::new()
    }
}

impl TestJob {
    /// A job without inputs, with one reduce.
    pub fn new() -> Self {
        Self { inputs: Vec::new(), args: BTreeMap::new(), reduces: 1, memory_bytes: 16 << 20 }
    }

    /// With a further input document.
    #[must_use]
    pub fn input(mut self, document: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Self {
        self.inputs.push((document.as_ref().to_vec(), bytes.as_ref().to_vec()));
        self
    }

    /// With a parameter, as by `--arg name=value`.
    #[must_use]
    pub fn arg(mut self, name: &str, value: impl ToString) -> Self {
        self.args.insert(name.to_owned(), value.to_string());
        self
    }

    /// With so many reduces. An app without a reduce stage has none, whatever this says.
    #[must_use]
    pub fn reduces(mut self, reduces: u32) -> Self {
        self.reduces = reduces;
        self
    }

    /// With so many bytes of memory for collected pairs.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory_bytes = bytes;
        self
    }
}

/// What a job gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The output of each reduce, or of each map where there is no reduce.
    pub outputs: Vec<Vec<u8>>,
    /// Records written, as the app counted them.
    pub records: u64,
    /// The app's counters.
    pub counters: BTreeMap<String, i64>,
    /// How many runs the maps handed over.
    pub runs: u64,
}

impl Outcome {
    /// All output, one after the other, as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.outputs.concat()).into_owned()
    }

    fn sorted_lines(&self) -> Vec<&[u8]> {
        let mut lines: Vec<_> =
            self.outputs.iter().flat_map(|output| output.split_inclusive(|&b| b == b'\n')).collect();
        lines.sort_unstable();
        lines
    }

    /// The first difference that does not come from how the job was cut up; in a total order, from the order of all output too.
    pub(super) fn difference(&self, other: &Self, total_order: bool) -> Option<String> {
        if self.counters != other.counters {
            return Some(format!("counters {:?} instead of {:?}", other.counters, self.counters));
        }
        if self.outputs.concat() == other.outputs.concat() {
            return None;
        }
        let (mine, others) = (self.sorted_lines(), other.sorted_lines());
        let shared = mine.iter().zip(&others).take_while(|(mine, others)| mine == others).count();
        let line = |lines: &[&[u8]]| match lines.get(shared) {
            Some(line) => format!("`{}`", String::from_utf8_lossy(line).trim_end_matches('\n')),
            None => "no more lines".to_owned(),
        };
        let other_lines = (mine != others).then(|| format!("{} instead of {}", line(&others), line(&mine)));
        other_lines.or_else(|| total_order.then(|| "the same lines in another order".to_owned()))
    }
}

/// Where in a job something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before it began.
    Setup,
    /// In a map.
    Map,
    /// In a reduce.
    Reduce,
    /// In the comparison of ways to run it, or in the rules of the boundary.
    Check,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// The app's message.
    pub message: String,
    /// The document that was being mapped, and the offset in it, if it was known.
    pub place: Option<(Vec<u8>, Option<u64>)>,
    /// The app panicked.
    pub panicked: bool,
}

impl Failure {
    pub(super) fn of_host(message: String) -> Self {
        Self { stage: Stage::Check, message, place: None, panicked: false }
    }

    /// The same, told together with the way in which the job was run.
    pub(super) fn under(self, way: &str) -> Self {
        Self { message: format!("{way} {}", self.message), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stage {
            Stage::Setup => write!(f, "setup")?,
            Stage::Map => write!(f, "map")?,
            Stage::Reduce => write!(f, "reduce")?,
            Stage::Check => write!(f, "check")?,
        }
        if let Some((document, offset)) = &self.place {
            write!(f, " of {}", String::from_utf8_lossy(document))?;
            if let Some(offset) = offset {
                write!(f, " at byte {offset}")?;
            }
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Failure {}
