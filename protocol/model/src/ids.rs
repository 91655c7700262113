//! Identifiers. Each is a type of its own and prints short: `j7`, `j7.m12`, `j7.m12.a3`, `w4`, `c2`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A coordinator group, drawn at random when it is founded. Tells its files from those of every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId(pub u64);

/// A job of one cluster, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// A worker as the coordinator registered it: one registration, so one incarnation. Counted from 1, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub u64);

/// One life of a worker process, drawn at random by the worker when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

/// A client's session, issued by the coordinator when it is opened. Counted from 1, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub u64);

/// A mutating call of one client, counted by the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Who asked, and which of its calls: a repeated key is the same request. The default is nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestKey {
    /// The client.
    pub client: ClientId,
    /// Its call.
    pub request: RequestId,
}

/// Map, reduce, or what comes before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Splits to pairs.
    Map,
    /// Partitions to output.
    Reduce,
    /// Pieces of the input to a sample of its keys, before the maps of a total order.
    Sample,
}

/// A unit of a stage: the `index`-th map task or reduce partition of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The job.
    pub job: JobId,
    /// Its stage.
    pub stage: Stage,
    /// Counted from 0 within the stage.
    pub index: u32,
}

/// One execution of a task, counted from 0 within the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The task.
    pub task: TaskId,
    /// Which execution of it.
    pub number: u32,
}

impl Stage {
    /// All, in the order in which a job goes through them.
    pub const ALL: [Self; 3] = [Self::Sample, Self::Map, Self::Reduce];

    /// What stands for it in ids and file names.
    pub fn letter(self) -> char {
        match self {
            Self::Map => 'm',
            Self::Reduce => 'r',
            Self::Sample => 's',
        }
    }
}

impl TaskId {
    /// The `index`-th map task of `job`.
    pub fn map(job: JobId, index: u32) -> Self {
        Self { job, stage: Stage::Map, index }
    }

    /// The `index`-th reduce task of `job`.
    pub fn reduce(job: JobId, index: u32) -> Self {
        Self { job, stage: Stage::Reduce, index }
    }

    /// The `index`-th sample task of `job`.
    pub fn sample(job: JobId, index: u32) -> Self {
        Self { job, stage: Stage::Sample, index }
    }

    /// Its `number`-th attempt.
    pub fn attempt(self, number: u32) -> AttemptId {
        AttemptId { task: self, number }
    }
}

impl ClusterId {
    /// The directory that holds what belongs to `job`, in a work directory or beside an output: never the same for two jobs.
    pub fn job_dir_name(self, job: JobId) -> String {
        format!("gristmill-{self}-{job}")
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "j{}", self.0)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.0)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "map",
            Self::Reduce => "reduce",
            Self::Sample => "sample",
        })
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}{}", self.job, self.stage.letter(), self.index)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.a{}", self.task, self.number)
    }
}

/// A text that is not an id of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

fn number<N: FromStr>(text: &str, prefix: char) -> Option<N> {
    let digits = text.strip_prefix(prefix)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

impl FromStr for JobId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parsed = number(text, 'j').map(JobId);
        parsed.ok_or_else(|| ParseIdError { text: text.to_owned(), expected: "a job id, such as j7" })
    }
}

impl FromStr for WorkerId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parsed = number(text, 'w').map(WorkerId);
        parsed.ok_or_else(|| ParseIdError { text: text.to_owned(), expected: "a worker id, such as w4" })
    }
}

impl FromStr for ClientId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parsed = number(text, 'c').map(ClientId);
        parsed.ok_or_else(|| ParseIdError { text: text.to_owned(), expected: "a client id, such as c2" })
    }
}

impl FromStr for TaskId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parse = || {
            let (job, task) = text.split_once('.')?;
            let job = job.parse().ok()?;
            Stage::ALL
                .into_iter()
                .find_map(|stage| Some(TaskId { job, stage, index: number(task, stage.letter())? }))
        };
        parse().ok_or_else(|| ParseIdError {
            text: text.to_owned(),
            expected: "a task id, such as j7.m12 or j7.r3",
        })
    }
}

impl FromStr for AttemptId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parse = || {
            let (task, attempt) = text.rsplit_once('.')?;
            Some(task.parse::<TaskId>().ok()?.attempt(number(attempt, 'a')?))
        };
        parse().ok_or_else(|| ParseIdError {
            text: text.to_owned(),
            expected: "an attempt id, such as j7.m12.a3",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_short_and_parse_back() {
        let attempt = TaskId::map(JobId(7), 12).attempt(3);
        assert_eq!(attempt.to_string(), "j7.m12.a3");
        assert_eq!("j7.m12.a3".parse(), Ok(attempt));
        assert_eq!("j7.r0".parse(), Ok(TaskId::reduce(JobId(7), 0)));
        assert_eq!("j7.s1".parse(), Ok(TaskId::sample(JobId(7), 1)));
        assert_eq!(TaskId::sample(JobId(7), 1).to_string(), "j7.s1");
        assert_eq!("w4".parse(), Ok(WorkerId(4)));
        assert_eq!(ClientId(2).to_string().parse(), Ok(ClientId(2)));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "j", "7", "j-1", "j+1", "j7.x1", "j7.m", "j7.m4294967296", "jj7", " j7"] {
            assert!(text.parse::<JobId>().is_err() && text.parse::<TaskId>().is_err(), "{text}");
        }
    }
}
