//! The wires between the members of a group: each can be cut, in one direction or in both, and mended.
//!
//! A relay listens at each member's address and passes bytes on to where the member really listens. Who has dialled is found in /proc: the
//! socket at the other end belongs to a member, or to somebody outside. Bytes that meet a cut are held back, not dropped, and new
//! connections are taken and stay silent: to both ends it looks like a network that has stopped delivering and may come back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{Process, procfs};

/// Whoever is no member: clients and workers.
pub const OUTSIDE: u64 = 0;

/// All wires of a group.
pub struct Wires {
    shared: Arc<Shared>,
    relays: Vec<SocketAddr>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// From whom to whom nothing is delivered.
    cut: BTreeSet<(u64, u64)>,
    /// The processes of the members.
    processes: BTreeMap<u64, u32>,
    /// All that is connected, to be disconnected at the end.
    streams: Vec<TcpStream>,
    is_over: bool,
}

impl Wires {
    /// No wires yet.
    #[expect(
        clippy::new_without_default,
        reason = "threads and listeners hang on it: `default` would hide that"
    )]
    pub fn new() -> Self {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new() };
        Self { shared: Arc::new(shared), relays: Vec::new() }
    }

    /// Puts a relay in front of a member, which listens at `member`; where the others are to dial.
    pub fn relay(&mut self, id: u64, member: SocketAddr, at: SocketAddr) {
        let listener = TcpListener::bind(at).expect("a relay can listen");
        self.relays.push(at);
        let shared = self.shared.clone();
        thread::spawn(move || serve(&shared, id, member, &listener));
    }

    /// Starts the process of a member: whatever it dials is the member's, however soon.
    pub fn start(&self, id: u64, start: impl FnOnce() -> Process) -> Process {
        let mut state = self.shared.lock();
        let process = start();
        state.processes.insert(id, process.id());
        process
    }

    /// Delivers nothing any more from one to the other. The way back is another wire.
    pub fn cut(&self, from: u64, to: u64) {
        self.shared.lock().cut.insert((from, to));
    }

    /// Lets only members of the same part talk to each other, and those outside to everybody.
    pub fn partition(&self, parts: &[&[u64]]) {
        let mut cut = BTreeSet::new();
        let members: Vec<(usize, u64)> =
            parts.iter().enumerate().flat_map(|(part, ids)| ids.iter().map(move |&id| (part, id))).collect();
        for &(part, from) in &members {
            let strangers = members.iter().filter(|(other, _)| *other != part);
            cut.extend(strangers.map(|&(_, to)| (from, to)));
        }
        self.set(cut);
    }

    /// Delivers everything again, and what was held back first.
    pub fn mend(&self) {
        self.set(BTreeSet::new());
    }

    fn set(&self, cut: BTreeSet<(u64, u64)>) {
        self.shared.lock().cut = cut;
        self.shared.changed.notify_all();
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_over = true;
        state.streams.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        drop(state);
        self.shared.changed.notify_all();
        // A relay that waits for connections sees that it is over when one comes.
        self.relays.iter().for_each(|relay| drop(TcpStream::connect(relay)));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until bytes are delivered from one to the other; `false` when all is over.
    fn until_delivered(&self, from: u64, to: u64) -> bool {
        let is_held = |state: &mut State| state.cut.contains(&(from, to)) && !state.is_over;
        let state = self.changed.wait_while(self.lock(), is_held).unwrap_or_else(PoisonError::into_inner);
        !state.is_over
    }

    /// Keeps a second handle of a stream, to end it when all is over.
    fn keep(&self, stream: &TcpStream) -> io::Result<TcpStream> {
        let mut state = self.lock();
        state.streams.retain(|stream| stream.peer_addr().is_ok());
        state.streams.push(stream.try_clone()?);
        stream.try_clone()
    }

    /// Which member dialled.
    fn caller(&self, dialled: &TcpStream) -> u64 {
        let ends = dialled.peer_addr().and_then(|caller| Ok((caller, dialled.local_addr()?)));
        let processes = self.lock().processes.clone();
        let Some(socket) = ends.ok().and_then(|(from, to)| procfs::socket(from, to)) else { return OUTSIDE };
        let owner = processes.into_iter().find(|(_, process)| procfs::holds(*process, &socket));
        owner.map_or(OUTSIDE, |(id, _)| id)
    }
}

fn serve(shared: &Arc<Shared>, id: u64, member: SocketAddr, listener: &TcpListener) {
    for dialled in listener.incoming().flatten() {
        if shared.lock().is_over {
            return;
        }
        let shared = shared.clone();
        thread::spawn(move || {
            let caller = shared.caller(&dialled);
            let delivered = shared.until_delivered(caller, id);
            if !delivered || connect(&shared, (caller, &dialled), (id, member)).is_err() {
                dialled.shutdown(Shutdown::Both).ok();
            }
        });
    }
}

fn connect(shared: &Arc<Shared>, dialled: (u64, &TcpStream), member: (u64, SocketAddr)) -> io::Result<()> {
    let ((caller, near), (id, address)) = (dialled, member);
    let far = TcpStream::connect(address)?;
    for stream in [near, &far] {
        stream.set_nodelay(true)?;
    }
    let (from, to) = (shared.keep(&far)?, shared.keep(near)?);
    let back = shared.clone();
    thread::spawn(move || pass_on(&back, (id, &from), (caller, &to)));
    pass_on(shared, (caller, near), (id, &far));
    Ok(())
}

/// Passes bytes on in one direction until either end is gone.
fn pass_on(shared: &Shared, from: (u64, &TcpStream), to: (u64, &TcpStream)) {
    let ((from_id, mut from), (to_id, mut to)) = (from, to);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        if !shared.until_delivered(from_id, to_id) || count == 0 {
            to.shutdown(Shutdown::Write).ok();
            return;
        }
        if to.write_all(&bytes[..count]).is_err() {
            from.shutdown(Shutdown::Both).ok();
            return;
        }
    }
}
