//! Looks through the files of a log before they are used: what is there, and where they are damaged.
//!
//! Every record carries a checksum, but not its place among the others: a flipped bit in a length looks like the end of the file.
//! So behind a record that cannot be read, another is looked for. With one there, something in the middle is damaged, and nobody may
//! go on as if the log ended here. With none, and the file ending within the record or in zeros, it is what a crash leaves of a
//! write that nobody was told of.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use raft_log::codeq::Decode;
use raft_log::{RaftLogAction, RaftLogRecord, WALRecord};

use super::codec::Stored;
use crate::raft::wire::{Ballot, Body, Position};

type Record = RaftLogRecord<Stored>;

/// What the files of a log hold.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) files: Vec<ScannedFile>,
    pub(crate) state: Replayed,
    /// Files at the end that were only begun when a crash came.
    pub(crate) unfinished: Vec<PathBuf>,
    /// The first place where the log cannot be read on.
    pub(crate) damage: Option<LogDamage>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct ScannedFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// How many sound records it begins with.
    pub(crate) records: u64,
}

/// Where a log is damaged.
#[derive(Debug)]
pub(crate) struct LogDamage {
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    /// It is the end of a write that a crash cut off: nothing that was acknowledged stood there.
    pub(crate) torn: bool,
    pub(crate) what: String,
}

/// What the records, one after the other, amount to.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) vote: Option<Ballot>,
    pub(crate) last: Option<Position>,
    pub(crate) committed: Option<Position>,
    pub(crate) purged: Option<Position>,
    /// An entry made several nodes the voters.
    pub(crate) has_several: bool,
    /// The indices of the entries that are there.
    entries: Option<(u64, u64)>,
}

/// Reads all files of the log in this directory. It need not exist.
pub(crate) fn scan(directory: &Path) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let mut files = files(directory)?;
    scan.unfinished = take_unfinished(&mut files)?;
    let mut expected = files.first().map(|(start, _)| *start);
    for (number, (start, path)) in files.iter().enumerate() {
        if expected != Some(*start) {
            scan.damaged(path, 0, "the file before it is missing, or has lost its end");
            break;
        }
        let bytes = fs::read(path)?;
        let (records, read) = scan.read_file(path, &bytes);
        expected = start.checked_add(bytes.len() as u64);
        scan.files.push(ScannedFile { path: path.clone(), bytes: bytes.len() as u64, records });
        if scan.damage.is_some() {
            break;
        }
        if let Err(error) = read {
            let torn = number + 1 == files.len() && is_torn(&bytes, &error);
            let (offset, what) = (error.at as u64, error.what.to_string());
            scan.damage = Some(LogDamage { path: path.clone(), offset, torn, what });
            break;
        }
    }
    if scan.damage.is_none()
        && let Some(what) = scan.state.gap()
        && let Some((_, path)) = files.first()
    {
        scan.damaged(path, 0, &what);
    }
    Ok(scan)
}

/// Takes off what a crash has left unfinished, if that is all that is wrong. Returns how many bytes that were.
pub(crate) fn heal(scan: &Scan) -> io::Result<u64> {
    let mut cut = 0;
    // The newest first: whatever is left, if this is cut off itself, is again the end of a log.
    for path in scan.unfinished.iter().rev() {
        cut += fs::metadata(path)?.len();
        fs::remove_file(path)?;
        sync_directory(path)?;
    }
    if let Some(damage) = &scan.damage {
        let file = File::options().write(true).open(&damage.path)?;
        cut += file.metadata()?.len().saturating_sub(damage.offset);
        file.set_len(damage.offset)?;
        file.sync_all()?;
    }
    Ok(cut)
}

fn sync_directory(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Takes the files off the end that were only begun. A file is made before the one in front of it is written to its end, and gets
/// its first record after that: until then it is no part of the log.
fn take_unfinished(files: &mut Vec<(u64, PathBuf)>) -> io::Result<Vec<PathBuf>> {
    let mut unfinished = Vec::new();
    while let Some((_, path)) = files.last() {
        let bytes = fs::read(path)?;
        let first = record_at(&bytes, 0).map_err(|what| Unreadable { at: 0, what });
        if first.err().is_none_or(|error| !is_torn(&bytes, &error)) {
            break;
        }
        unfinished.insert(0, path.clone());
        files.pop();
    }
    Ok(unfinished)
}

/// The files of a log with the offsets at which they begin, in order.
pub(crate) fn files(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let start =
            name.to_str().and_then(|name| raft_log::chunked_wal::Config::parse_chunk_file_name(name).ok());
        if let Some(start) = start {
            files.push((start, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

struct Unreadable {
    at: usize,
    what: io::Error,
}

impl Scan {
    fn damaged(&mut self, path: &Path, offset: u64, what: &str) {
        self.damage = Some(LogDamage { path: path.into(), offset, torn: false, what: what.into() });
    }

    fn read_file(&mut self, path: &Path, bytes: &[u8]) -> (u64, Result<(), Unreadable>) {
        let mut at = 0;
        let mut records = 0;
        // A file begins with a record, always.
        while at < bytes.len() || records == 0 {
            let (record, len) = match record_at(bytes, at) {
                Ok(found) => found,
                Err(what) => return (records, Err(Unreadable { at, what })),
            };
            if let Err(what) = self.state.replay(&record) {
                self.damaged(path, at as u64, what);
                return (records, Ok(()));
            }
            at += len;
            records += 1;
        }
        (records, Ok(()))
    }
}

impl Replayed {
    /// The number of entries that are there.
    pub(crate) fn entries(&self) -> u64 {
        self.entries.map_or(0, |(first, last)| last - first + 1)
    }

    /// Whether the node has heard of another one, as far as the entries that are there tell. The first is that by which the group was
    /// founded, by each founder for itself.
    pub(crate) fn has_met_others(&self) -> bool {
        self.has_several && self.last.is_some_and(|last| last.index > 0)
    }

    /// Whether nothing was ever written.
    pub(crate) fn is_pristine(&self) -> bool {
        self.vote.is_none() && self.last.is_none()
    }

    fn replay(&mut self, record: &Record) -> Result<(), &'static str> {
        match record {
            WALRecord::Checkpoint(state) => {
                self.vote = state.vote().copied();
                self.last = state.last().copied();
                self.committed = state.committed().copied();
                self.purged = state.purged().copied();
            }
            WALRecord::Action(RaftLogAction::SaveVote(ballot)) => {
                if self.vote > Some(*ballot) {
                    return Err("a vote that goes back to an earlier one");
                }
                self.vote = Some(*ballot);
            }
            WALRecord::Action(RaftLogAction::Append(at, body)) => {
                self.append(*at)?;
                self.has_several |= matches!(body, Body::Members(members) if members.are_several());
            }
            WALRecord::Action(RaftLogAction::Commit(at)) => self.committed = Some(*at),
            WALRecord::Action(RaftLogAction::TruncateAfter(kept)) => {
                let kept_index = kept.map(|at| at.index);
                self.entries = self.entries.filter(|(first, _)| kept_index >= Some(*first));
                if let (Some((_, last)), Some(kept)) = (&mut self.entries, kept_index) {
                    *last = kept.min(*last);
                }
                self.last = self.last.min(*kept);
            }
            WALRecord::Action(RaftLogAction::PurgeUpto(at)) => {
                self.entries = self.entries.filter(|(_, last)| at.index < *last);
                if let Some((first, _)) = &mut self.entries {
                    *first = (*first).max(at.index + 1);
                }
                self.purged = self.purged.max(Some(*at));
                self.last = self.last.max(Some(*at));
            }
        }
        Ok(())
    }

    fn append(&mut self, at: Position) -> Result<(), &'static str> {
        let next = self.last.map(|last| last.index.checked_add(1));
        if self.last >= Some(at) || next.is_some_and(|next| next != Some(at.index)) {
            return Err("an entry that does not follow the one before it");
        }
        self.entries = Some((self.entries.map_or(at.index, |(first, _)| first), at.index));
        self.last = Some(at);
        Ok(())
    }

    /// Says what is missing between what was purged and the last entry, if anything is.
    fn gap(&self) -> Option<String> {
        let next = self.purged.map_or(0, |at| at.index.saturating_add(1));
        let last = self.last?.index;
        if self.last == self.purged {
            return None;
        }
        match self.entries {
            Some((first, end)) if end == last && first == next => None,
            Some((first, _)) => Some(format!("entries {next} to {} are missing", first.saturating_sub(1))),
            None => Some(format!("entries {next} to {last} are missing")),
        }
    }
}

/// The record that begins at `at`, and its length.
fn record_at(bytes: &[u8], at: usize) -> io::Result<(Record, usize)> {
    let rest = bytes.get(at..).unwrap_or_default();
    let mut input = rest;
    let record = Record::decode(&mut input)?;
    Ok((record, rest.len() - input.len()))
}

/// Whether this is only the unfinished end of the last file.
fn is_torn(bytes: &[u8], error: &Unreadable) -> bool {
    let ends_within = error.what.kind() == io::ErrorKind::UnexpectedEof;
    let ends_in_zeros = bytes.ends_with(&[0; 4]);
    (ends_within || ends_in_zeros) && !any_record_after(bytes, error.at)
}

fn any_record_after(bytes: &[u8], at: usize) -> bool {
    // Records begin with their type, a big-endian number of at most 5.
    let starts = (at + 1..bytes.len().saturating_sub(4))
        .filter(|&start| matches!(bytes.get(start..start + 4), Some([0, 0, 0, kind]) if *kind <= 5));
    starts.into_iter().any(|start| record_at(bytes, start).is_ok())
}
