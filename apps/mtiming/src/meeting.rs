//! Finding out who else is at work right now, through locked files in a folder.
//!
//! Who attends holds a lock on a file of its own: the system lets go of it when the process dies, however it dies. Who
//! sees another leaves it a note, so that both know even if one of them is quick to leave. Nobody waits once two have
//! met.

use gristmill_sdk::prelude::*;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A place where calls of one stage meet.
#[derive(Debug, Default)]
pub(crate) struct Meeting {
    stage: &'static str,
    folder: PathBuf,
    wait: Duration,
}

/// How long to wait before looking around again.
const PAUSE: Duration = Duration::from_millis(5);

impl Meeting {
    pub(crate) const PARAMS: &[Param] = &[
        Param::required("dir", "a folder that all slots can write to"),
        Param::with_default("wait-ms", "10000", "how long to wait for another, in milliseconds"),
    ];

    pub(crate) fn new(stage: &'static str, params: &Params) -> Result<Self> {
        let wait = Duration::from_millis(params.parse("wait-ms")?);
        Ok(Self { stage, folder: params.required("dir")?.into(), wait })
    }

    /// How many are at work on different things, this one included; waits for a second, for a while. `alive` is called
    /// again and again.
    pub(crate) fn attend(&self, subject: &[u8], mut alive: impl FnMut()) -> Result<u64> {
        let place = Place::take(&self.folder, self.stage, subject)?;
        let until = Instant::now() + self.wait;
        loop {
            // Looked up before the others: who meets this one leaves its note first.
            let have_met = self.have_met();
            let others = place.others()?;
            let seen = others.len().max(usize::from(place.was_seen())) as u64;
            if seen > 0 || have_met || Instant::now() >= until {
                others.iter().try_for_each(|other| File::create(note(other)).map(drop))?;
                if seen > 0 {
                    File::create(self.met())?;
                }
                return Ok(seen + 1);
            }
            alive();
            std::thread::sleep(PAUSE);
        }
    }

    fn met(&self) -> PathBuf {
        self.folder.join(format!("{}-met", self.stage))
    }

    fn have_met(&self) -> bool {
        self.met().exists()
    }
}

/// A file that is locked as long as this is there.
struct Place {
    path: PathBuf,
    kind: String,
    subject: String,
    _lock: File,
}

impl Place {
    fn take(folder: &Path, stage: &str, subject: &[u8]) -> Result<Self> {
        static TAKEN: AtomicU64 = AtomicU64::new(0);
        let number = TAKEN.fetch_add(1, Ordering::Relaxed);
        let subject = format!("{:08x}", gristmill_sdk::partition_of(subject, u32::MAX));
        let kind = format!("{stage}-at-");
        let name = format!("{kind}{subject}-{}-{number}", std::process::id());
        // Others see it only once it is locked.
        let hidden = folder.join(format!(".{name}"));
        let lock = File::create_new(&hidden)?;
        lock.lock()?;
        let path = folder.join(name);
        fs::rename(&hidden, &path)?;
        Ok(Self { path, kind, subject, _lock: lock })
    }

    /// The places of all others who are at work on something else.
    fn others(&self) -> io::Result<Vec<PathBuf>> {
        let mut others = Vec::new();
        for entry in fs::read_dir(self.path.parent().unwrap_or(Path::new(".")))? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let other = name.to_string_lossy();
            let subject = other.strip_prefix(&self.kind).and_then(|rest| rest.get(..self.subject.len()));
            let eligible = subject.is_some_and(|subject| subject != self.subject) && !other.ends_with(SEEN);
            if eligible && is_locked(&path)? {
                others.push(path);
            }
        }
        Ok(others)
    }

    fn was_seen(&self) -> bool {
        note(&self.path).exists()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nobody minds a file that is left: it is not locked.
        let _ = fs::remove_file(&self.path);
    }
}

const SEEN: &str = ".seen";

fn note(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(SEEN);
    name.into()
}

/// Whether a living process holds the lock.
fn is_locked(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meeting(folder: &Path, wait_ms: u64) -> Meeting {
        Meeting { stage: "map", folder: folder.to_owned(), wait: Duration::from_millis(wait_ms) }
    }

    #[test]
    fn two_who_overlap_see_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let meeting = meeting(folder.path(), 60_000);
        let seen = std::thread::scope(|scope| {
            let others = [b"a", b"b"].map(|subject| scope.spawn(|| meeting.attend(subject, || {}).unwrap()));
            others.map(|thread| thread.join().unwrap())
        });
        assert_eq!(seen, [2, 2]);
    }

    #[test]
    fn two_copies_of_the_same_work_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let _other = Place::take(folder.path(), "map", b"a").unwrap();
        assert_eq!(meeting(folder.path(), 1).attend(b"a", || {}).unwrap(), 1);
        assert_eq!(meeting(folder.path(), 1).attend(b"b", || {}).unwrap(), 2);
    }

    #[test]
    fn the_dead_are_not_seen() {
        let folder = tempfile::tempdir().unwrap();
        let dead = Place::take(folder.path(), "map", b"a").unwrap();
        let (path, left_by) = (dead.path.clone(), folder.path().join("map-at-left"));
        fs::hard_link(&path, &left_by).unwrap();
        drop(dead);
        fs::rename(left_by, path).unwrap();
        assert_eq!(meeting(folder.path(), 1).attend(b"b", || {}).unwrap(), 1);
    }

    #[test]
    fn nobody_waits_once_two_have_met() {
        let folder = tempfile::tempdir().unwrap();
        let other = Place::take(folder.path(), "map", b"a").unwrap();
        assert_eq!(meeting(folder.path(), 60_000).attend(b"b", || {}).unwrap(), 2);
        drop(other);
        let mut waited = 0;
        assert_eq!(meeting(folder.path(), 60_000).attend(b"c", || waited += 1).unwrap(), 1);
        assert_eq!(waited, 0);
    }
}
