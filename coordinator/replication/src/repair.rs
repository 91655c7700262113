//! Looking into a data directory, and cutting off what is damaged.
//!
//! Nothing here is needed after a crash: what a crash leaves unfinished, a node takes off by itself when it starts. This is for bytes
//! that were whole once and no longer are. Cutting them off forgets entries, and perhaps a vote, that this node has acknowledged to
//! others: in a group of several it could then help to elect a leader that lacks what was agreed. There a new node in its place is the
//! safe cure, and this one the last resort, which has to be asked for by name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::directory::{Identity, Sealed, SealedError, lock};
use crate::error::StartError;
use crate::log::scan::{self, LogDamage, Scan};
use crate::network::NodeId;
use crate::peers::{FORGOTTEN, Peers};
use crate::snapshot::{BadSnapshot, SNAPSHOT, Verified, verify};

/// What a data directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whose it is, if its identity can be read.
    pub node: Option<NodeId>,
    /// The members that founded its group.
    pub founders: Vec<(NodeId, String)>,
    /// Whether others are, or were, members of its group with it, who count on what it has acknowledged.
    pub has_others: bool,
    /// The files of the log, in order, up to the first that is damaged.
    pub files: Vec<LogFile>,
    /// The term of the last vote.
    pub vote_term: Option<u64>,
    /// How many entries the log has.
    pub entries: u64,
    /// The last entry.
    pub last: Option<u64>,
    /// The last that was known to be committed.
    pub committed: Option<u64>,
    /// The last that was given up, as the snapshot holds what it did.
    pub purged: Option<u64>,
    /// The snapshot, if there is a sound one.
    pub snapshot: Option<SnapshotFile>,
    /// All that keeps a node from starting here.
    pub damage: Vec<Damage>,
}

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// How long it is.
    pub bytes: u64,
    /// How many sound records it begins with.
    pub records: u64,
}

/// A snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// How long it is.
    pub bytes: u64,
    /// Up to which entry it goes.
    pub last: Option<u64>,
}

/// A damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where.
    pub offset: u64,
    /// How.
    pub what: String,
    /// A node takes it off by itself when it starts: the end of a write that a crash cut off.
    pub heals: bool,
}

/// What was cut off. Nothing is destroyed: it is in files whose names end in `.cut`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// The files that now hold it, with their lengths.
    pub kept_in: Vec<(PathBuf, u64)>,
}

/// What becomes of what the node has acknowledged to others of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is kept: nothing is cut that may hold any.
    Keep,
    /// It is forgotten: for when no majority without this node is sound.
    Forget,
}

/// Why nothing was cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CutError {
    /// The directory cannot be used.
    #[error(transparent)]
    Unusable(#[from] StartError),
    /// The others of its group count on what would be cut.
    #[error("{}: behind offset {offset} may stand votes and entries that this member has acknowledged to others of its group; without them it could help to elect a leader who lacks what was agreed", path.display())]
    Acknowledged {
        /// The file.
        path: PathBuf,
        /// Where the damage is.
        offset: u64,
    },
    /// Cutting would not make it usable.
    #[error("{}: {why}; replace this member by a new one", path.display())]
    Hopeless {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// Looks through a data directory. No node may run there.
pub fn inspect(directory: &Path) -> Result<Report, StartError> {
    let _lock = existing(directory)?;
    examine(directory).map(|(report, _)| report)
}

/// Cuts off what [`inspect`] shows as damaged: the log from the first damaged place on, or a damaged snapshot if the log still has
/// every entry that was in it, or the list of the stores of its peers.
pub fn cut(directory: &Path, acknowledged: Acknowledged) -> Result<Cut, CutError> {
    let _lock = existing(directory)?;
    let (report, found) = examine(directory)?;
    let mut cut = Cut::default();
    if let Some(damage) = &found.damage {
        if report.has_others && !damage.torn && acknowledged == Acknowledged::Keep {
            return Err(CutError::Acknowledged { path: damage.path.clone(), offset: damage.offset });
        }
        cut_log(damage, directory, &mut cut)?;
    }
    let (snapshot, peers) = (directory.join(SNAPSHOT), directory.join(Peers::FILE.name));
    for damage in &report.damage {
        if damage.path == snapshot {
            if report.purged.is_some() {
                let why = "the log no longer has the entries that were in it".into();
                return Err(CutError::Hopeless { path: snapshot, why });
            }
            set_aside(&snapshot, damage.offset, &mut cut)?;
        } else if damage.path == peers {
            if peers.exists() {
                set_aside(&peers, 0, &mut cut)?;
            }
            Peers::forget(directory).map_err(|source| StartError::Io { path: peers.clone(), source })?;
        } else if damage.path.parent() == Some(directory) {
            return Err(CutError::Hopeless { path: damage.path.clone(), why: damage.what.clone() });
        }
    }
    Ok(cut)
}

/// The lock of a directory that was made before: to look at one must not make one.
fn existing(directory: &Path) -> Result<File, StartError> {
    match fs::metadata(directory.join("lock")) {
        Ok(_) => lock(directory),
        Err(source) => Err(StartError::Io { path: directory.join("lock"), source }),
    }
}

/// What is not there and should be, as a node that starts here would find.
fn missing(
    directory: &Path,
    has_identity: bool,
    damage: &[Damage],
    found: &Scan,
    snapshot: Option<SnapshotFile>,
) -> Vec<Damage> {
    let at = |name: &str, what: String| Damage { path: directory.join(name), offset: 0, what, heals: false };
    let is_damaged = |name: &str| damage.iter().any(|damage| damage.path == directory.join(name));
    let mut missing = Vec::new();
    if has_identity && found.files.is_empty() && found.damage.is_none() {
        missing.push(at("log", "it holds no log, but the member had one".into()));
    }
    let is_empty = snapshot.is_none() && found.state.is_pristine();
    if !has_identity && !is_damaged(Identity::FILE.name) && !is_empty {
        missing.push(at(Identity::FILE.name, "it is missing, and the directory is not empty".into()));
    }
    let purged = found.state.purged.map(|purged| purged.index);
    if !is_damaged(SNAPSHOT) && snapshot.and_then(|snapshot| snapshot.last) < purged {
        let purged = purged.unwrap_or_default();
        missing.push(at(
            SNAPSHOT,
            format!("the log begins behind entry {purged}, to which no snapshot reaches"),
        ));
    }
    missing
}

fn examine(directory: &Path) -> Result<(Report, Scan), StartError> {
    let io_error = |path: &Path, source| StartError::Io { path: path.into(), source };
    let mut damage = Vec::new();
    let mut bad_file = |file: &Sealed, error| match error {
        SealedError::Io(source) => Err(io_error(directory, source)),
        error => {
            let path = directory.join(file.name);
            damage.push(Damage { path, offset: 0, what: error.to_string(), heals: false });
            Ok(())
        }
    };
    let identity = match Identity::read(directory) {
        Ok(identity) => identity,
        Err(error) => bad_file(&Identity::FILE, error).map(|()| None)?,
    };
    let (forgotten, has_met) = match Peers::read(directory) {
        Ok(None) => (true, false),
        Ok(Some(peers)) => (false, !peers.is_empty()),
        // It was written when somebody was met.
        Err(error) => bad_file(&Peers::FILE, error).map(|()| (false, true))?,
    };
    let log = directory.join("log");
    let found = scan::scan(&log).map_err(|source| io_error(&log, source))?;
    for path in &found.unfinished {
        let what = "it was only begun".into();
        damage.push(Damage { path: path.clone(), offset: 0, what, heals: true });
    }
    if let Some(LogDamage { path, offset, torn, what }) = &found.damage {
        damage.push(Damage { path: path.clone(), offset: *offset, what: what.clone(), heals: *torn });
    }
    let path = directory.join(SNAPSHOT);
    let verified = match verify(&path) {
        Ok(verified) => verified,
        Err(BadSnapshot::Io(source)) => return Err(io_error(&path, source)),
        Err(error) => {
            let offset = if let BadSnapshot::Damaged { offset, .. } = error { offset } else { 0 };
            damage.push(Damage { path, offset, what: error.to_string(), heals: false });
            None
        }
    };
    let state = &found.state;
    let snapshot_has_several = verified.as_ref().is_some_and(|snapshot| snapshot.has_several);
    if forgotten && (state.has_met_others() || snapshot_has_several) {
        let path = directory.join(Peers::FILE.name);
        damage.push(Damage { path, offset: 0, what: FORGOTTEN.into(), heals: false });
    }
    let snapshot = verified.map(|Verified { bytes, last, .. }| SnapshotFile { bytes, last });
    damage.extend(missing(directory, identity.is_some(), &damage, &found, snapshot));
    let founders = identity.as_ref().map_or(0, |identity| identity.founders.len());
    let report = Report {
        has_others: has_met || founders > 1 || state.has_several || snapshot_has_several,
        node: identity.as_ref().map(|identity| identity.id),
        founders: identity.map(|identity| identity.founders.into_iter().collect()).unwrap_or_default(),
        files: found.files.iter().map(LogFile::from).collect(),
        vote_term: state.vote.map(|ballot| ballot.term),
        entries: state.entries(),
        last: state.last.map(|at| at.index),
        committed: state.committed.map(|at| at.index),
        purged: state.purged.map(|at| at.index),
        snapshot,
        damage,
    };
    Ok((report, found))
}

impl From<&scan::ScannedFile> for LogFile {
    fn from(file: &scan::ScannedFile) -> Self {
        Self { path: file.path.clone(), bytes: file.bytes, records: file.records }
    }
}

/// Cuts the log at a place: the rest of that file, and every file behind it.
fn cut_log(damage: &LogDamage, directory: &Path, cut: &mut Cut) -> Result<(), CutError> {
    let log = directory.join("log");
    let files = scan::files(&log).map_err(|source| StartError::Io { path: log.clone(), source })?;
    if files.first().is_some_and(|(_, first)| *first == damage.path) && damage.offset == 0 {
        let why = "nothing sound stands before the damage".into();
        return Err(CutError::Hopeless { path: damage.path.clone(), why });
    }
    // From the end, so that a cut which is itself cut off leaves a log without a hole.
    for (_, file) in files.iter().rev().filter(|(_, file)| *file > damage.path) {
        set_aside(file, 0, cut)?;
    }
    set_aside(&damage.path, damage.offset, cut)
}

/// Moves the bytes of a file from an offset on to a file beside it.
fn set_aside(path: &Path, offset: u64, cut: &mut Cut) -> Result<(), CutError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".cut");
    let aside = PathBuf::from(name);
    let moved = move_rest(path, offset, &aside);
    let bytes = moved.map_err(|source| StartError::Io { path: path.into(), source })?;
    cut.kept_in.push((aside, bytes));
    Ok(())
}

fn move_rest(path: &Path, offset: u64, aside: &Path) -> io::Result<u64> {
    use std::io::Seek;
    let snapshot_or_whole = offset == 0 || path.file_name().is_some_and(|name| name == SNAPSHOT);
    let bytes = if snapshot_or_whole {
        let bytes = fs::metadata(path)?.len();
        fs::rename(path, aside)?;
        bytes
    } else {
        let mut file = File::options().read(true).write(true).open(path)?;
        file.seek(io::SeekFrom::Start(offset))?;
        let mut copy = File::create(aside)?;
        let bytes = io::copy(&mut file, &mut copy)?;
        copy.sync_all()?;
        file.set_len(offset)?;
        file.sync_all()?;
        bytes
    };
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all().map(|()| bytes),
        None => Ok(bytes),
    }
}
