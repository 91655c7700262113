//! What /proc says of processes.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Processes that know of `place`: by command line, environment, working directory or an open file.
pub(crate) fn that_know(place: &Path) -> Vec<u32> {
    let own = std::process::id();
    processes().filter(|&pid| pid != own && knows(pid, place)).collect()
}

/// The children of a process.
pub fn children(parent: u32) -> Vec<u32> {
    processes().filter(|&pid| parent_of(pid) == Some(parent)).collect()
}

/// The children of a process, and theirs, and so on.
pub fn descendants(ancestor: u32) -> Vec<u32> {
    let mut found = children(ancestor);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// What a process has in memory.
pub fn resident_bytes(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).expect("a process that runs");
    let pages: u64 =
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("a resident size");
    pages * rustix::param::page_size() as u64
}

/// Whether a process is there and not dead.
pub fn is_alive(pid: u32) -> bool {
    !is_zombie(pid)
}

/// What a process was started as, for messages.
pub(crate) fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc can be listed");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The fields of `stat` after the name in parentheses: state, parent, …
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, fields)| fields.trim_start().starts_with('Z'))
}

fn knows(pid: u32, place: &Path) -> bool {
    let folder = Path::new("/proc").join(pid.to_string());
    let mentions = |name: &str| fs::read(folder.join(name)).is_ok_and(|bytes| contains(&bytes, place));
    let leads_into = |link: &Path| fs::read_link(link).is_ok_and(|to| to.starts_with(place));
    let opens = || {
        let files = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
        files.into_iter().any(|file| leads_into(&file.path()))
    };
    let found = mentions("cmdline") || mentions("environ") || leads_into(&folder.join("cwd")) || opens();
    found && !is_zombie(pid)
}

fn contains(bytes: &[u8], place: &Path) -> bool {
    let place = place.as_os_str().as_bytes();
    bytes.windows(place.len()).any(|window| window == place)
}

/// The socket at one end of a connection, as /proc names it.
pub(crate) fn socket(local: SocketAddr, remote: SocketAddr) -> Option<String> {
    let ends = [told(local)?, told(remote)?];
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    // Number, local address, remote address, state, queues, timer, retransmissions, user, timeouts, inode.
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let socket = table.lines().map(fields).find(|fields| fields.get(1..3) == Some(&ends))?;
    Some(format!("socket:[{}]", socket.get(9)?))
}

fn told(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    let ip = u32::from_ne_bytes(address.ip().octets());
    Some(format!("{ip:08X}:{:04X}", address.port()))
}

/// Whether a process has this open, as its links name it.
pub(crate) fn holds(pid: u32, what: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new(what)))
}
