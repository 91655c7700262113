//! A group of coordinators as processes of their own, which can be killed, stopped, parted and started again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gristmill_protocol::{Client, Endpoint};
use rustix::process::Signal;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::{Place, Process, Service, Wires, Worker, free_address, gristmill, until};

/// `gristmill coordinator`, so many times, as the members 1, 2, 3 and so on of one group.
pub struct Group<'p> {
    service: Service<'p>,
    members: BTreeMap<u64, Member>,
    /// What it was founded with: `1=ADDR,2=ADDR,…`.
    peers: String,
    wires: Option<Wires>,
    /// Whether a leader is given time before it is replaced.
    is_steady: bool,
    /// For questions that are asked all the time: a process for each would be slow.
    runtime: Runtime,
}

/// How long a member may take to say whether it leads.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// A member, whether it runs or not.
struct Member {
    /// Where the others and its clients reach it.
    address: String,
    /// Where it listens: the same, unless there are wires.
    listen: String,
    data_dir: PathBuf,
    process: Option<Process>,
    begins: Begins,
}

/// How a member comes into its group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// With others, by a list.
    Founding,
    /// As a group of one, without any list.
    Alone,
    /// When the group adds it.
    Joining,
}

impl<'p> Deref for Group<'p> {
    type Target = Service<'p>;

    fn deref(&self) -> &Service<'p> {
        &self.service
    }
}

impl<'p> Group<'p> {
    /// A group of so many, all of them started.
    pub fn start(place: &'p Place, members: u64) -> Self {
        Self::found(place, members, None, "member")
    }

    /// The same for a test that wants one leader all along: one that gets no processor for a moment is not replaced.
    pub fn start_steady(place: &'p Place, members: u64) -> Self {
        let mut group = Self::assemble(place, members, None, "member");
        group.is_steady = true;
        group.restart_all();
        group
    }

    /// A second group in the same place, whose data directories have another name.
    pub fn start_in(place: &'p Place, members: u64, name: &str) -> Self {
        Self::found(place, members, None, name)
    }

    /// The same with wires between its members, which can be cut.
    pub fn start_with_wires(place: &'p Place, members: u64) -> Self {
        Self::found(place, members, Some(Wires::new()), "member")
    }

    /// A coordinator by itself, which others can join.
    pub fn start_alone(place: &'p Place) -> Self {
        let mut group = Self::assemble(place, 1, None, "member");
        group.member(1).begins = Begins::Alone;
        group.restart_all();
        group
    }

    fn found(place: &'p Place, members: u64, wires: Option<Wires>, name: &str) -> Self {
        let mut group = Self::assemble(place, members, wires, name);
        group.restart_all();
        group
    }

    fn assemble(place: &'p Place, members: u64, mut wires: Option<Wires>, name: &str) -> Self {
        let data_dir = |id| place.folder("data").join(format!("{name}-{id}"));
        let mut member = |id| (id, Member::new(data_dir(id), id, wires.as_mut()));
        let members: BTreeMap<u64, Member> = (1..=members).map(&mut member).collect();
        let addresses: Vec<_> = members.values().map(|member| member.address.clone()).collect();
        let peers: Vec<_> = members.iter().map(|(id, member)| format!("{id}={}", member.address)).collect();
        let service = Service { place, address: addresses.join(",") };
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { service, members, peers: peers.join(","), wires, is_steady: false, runtime }
    }

    /// The wires, if it was started with some.
    pub fn wires(&self) -> &Wires {
        self.wires.as_ref().expect("a group that was started with wires")
    }

    /// The ids of all members.
    pub fn ids(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }

    /// What it was founded with: `1=ADDR,2=ADDR,…`.
    pub fn peers(&self) -> &str {
        &self.peers
    }

    /// Where a member is reached.
    pub fn address_of(&self, id: u64) -> &str {
        &self.members[&id].address
    }

    /// Where a member keeps what it knows.
    pub fn data_dir(&self, id: u64) -> &Path {
        &self.members[&id].data_dir
    }

    /// The running process of a member.
    pub fn process(&self, id: u64) -> &Process {
        self.members[&id].process.as_ref().expect("a member that runs")
    }

    /// Whether a member is running, as far as this harness has made it.
    pub fn is_started(&self, id: u64) -> bool {
        self.members[&id].process.is_some()
    }

    /// One member alone, for somebody who knows no other address.
    pub fn only(&self, id: u64) -> Service<'p> {
        Service { place: self.place, address: self.address_of(id).to_owned() }
    }

    /// Who leads; waits until somebody does.
    pub fn leader(&self) -> u64 {
        until("the group to have a leader", || self.leader_if_any())
    }

    /// Which of the running members leads now, as far as it knows itself.
    pub fn leader_if_any(&self) -> Option<u64> {
        let running = self.members.iter().filter(|(_, member)| member.process.is_some());
        running.map(|(id, _)| *id).find(|&id| self.leads(id))
    }

    /// Whether a member answers as one that leads.
    pub fn leads(&self, id: u64) -> bool {
        let endpoint = Endpoint::parse(self.address_of(id)).expect("an address");
        // A client that was told of another leader would ask that one the next time: so it is a new one each time.
        let ask = async { timeout(ANSWER_MAX, Client::new(endpoint, Duration::ZERO).members()).await };
        matches!(self.runtime.block_on(ask), Ok(Ok(members)) if members.leader == Some(id))
    }

    /// Hands the leadership to a member, and waits until it leads.
    pub fn lead(&self, id: u64) {
        until("a member to take over", || {
            if !self.leads(id) {
                self.ask(["members", "lead", &id.to_string()]);
            }
            self.leads(id).then_some(())
        });
    }

    /// A member that does not lead.
    pub fn follower(&self) -> u64 {
        self.leader_and_follower().1
    }

    /// The member that leads and one that does not, at one moment.
    pub fn leader_and_follower(&self) -> (u64, u64) {
        let leader = self.leader();
        let others = self.members.iter().filter(|(id, member)| **id != leader && member.process.is_some());
        let follower = *others.map(|(id, _)| id).next().expect("a group with a running follower");
        (leader, follower)
    }

    /// Kills a member with SIGKILL.
    pub fn kill(&mut self, id: u64) {
        self.member(id).process.take().expect("a member that runs").kill();
    }

    /// Kills all members that run, all of them before any is gone.
    pub fn kill_all(&mut self) {
        let running: Vec<Process> =
            self.members.values_mut().filter_map(|member| member.process.take()).collect();
        running.iter().for_each(|process| process.signal(Signal::KILL));
        running.into_iter().for_each(Process::kill);
    }

    /// Starts a member that does not run, and waits until it listens.
    pub fn restart(&mut self, id: u64) {
        self.launch(id);
        self.until_listening(id);
    }

    /// Starts all members that do not run.
    pub fn restart_all(&mut self) {
        let down: Vec<u64> = self.ids().into_iter().filter(|&id| !self.is_started(id)).collect();
        down.iter().for_each(|&id| self.launch(id));
        down.iter().for_each(|&id| self.until_listening(id));
    }

    /// Stops a member with SIGSTOP.
    pub fn stop(&self, id: u64) {
        self.process(id).signal(Signal::STOP);
    }

    /// Lets a stopped member go on.
    pub fn go_on(&self, id: u64) {
        self.process(id).signal(Signal::CONT);
    }

    /// Starts a coordinator that is to join the group, and waits until it listens. The group does not know it yet.
    pub fn start_joining(&mut self, id: u64) {
        let data_dir = self.place.folder("data").join(format!("member-{id}"));
        let mut member = Member::new(data_dir, id, self.wires.as_mut());
        member.begins = Begins::Joining;
        self.service.address = format!("{},{}", self.service.address, member.address);
        self.members.insert(id, member);
        self.restart(id);
    }

    /// Lets the only member, which does not run, listen somewhere else from its next start on: then nobody knows the group by the old
    /// address.
    pub fn move_alone(&mut self) {
        let address = free_address();
        self.service.address.clone_from(&address);
        self.peers = format!("1={address}");
        let member = self.member(1);
        (member.address, member.listen) = (address.clone(), address);
    }

    /// Forgets a member that the group has removed, and gives its process back.
    pub fn forget(&mut self, id: u64) -> Option<Process> {
        let member = self.members.remove(&id)?;
        let addresses: Vec<_> = self.members.values().map(|member| member.address.clone()).collect();
        self.service.address = addresses.join(",");
        member.process
    }

    /// Ends the workers, then the coordinators, as an operator would; each must end with success. All jobs must be over.
    pub fn end(mut self, workers: Vec<Worker>) {
        workers.iter().for_each(Worker::until_jobs_are_forgotten);
        workers.into_iter().for_each(Worker::end);
        let running: Vec<Process> =
            self.members.values_mut().filter_map(|member| member.process.take()).collect();
        running.iter().for_each(|process| process.signal(Signal::TERM));
        running.into_iter().for_each(|process| drop(process.wait().done()));
    }

    /// The command by which a member is started, for a test that wants it otherwise.
    pub fn command(&self, id: u64) -> Command {
        let member = &self.members[&id];
        let mut command = self.place.command(gristmill());
        command.args(["coordinator", "--listen", &member.listen, "--data-dir"]).arg(&member.data_dir);
        if member.begins != Begins::Alone {
            command.args(["--id", &id.to_string(), "--peers", &self.peers]);
        }
        if member.begins == Begins::Joining {
            command.arg("--join");
        }
        if self.is_steady {
            command.args(["--network", "wide"]);
        }
        command
    }

    fn member(&mut self, id: u64) -> &mut Member {
        self.members.get_mut(&id).unwrap_or_else(|| panic!("no member {id}"))
    }

    /// Starts a member that does not run by another command than [`command`](Self::command) gives, and waits until it listens.
    pub fn restart_as(&mut self, id: u64, command: Command) {
        self.launch_as(id, command);
        self.until_listening(id);
    }

    fn launch(&mut self, id: u64) {
        self.launch_as(id, self.command(id));
    }

    fn launch_as(&mut self, id: u64, command: Command) {
        let start = || self.place.start(&format!("coordinator-{id}"), command);
        let process = match &self.wires {
            Some(wires) => wires.start(id, start),
            None => start(),
        };
        self.member(id).process = Some(process);
    }

    fn until_listening(&mut self, id: u64) {
        let process = self.member(id).process.as_mut().expect("a member that was launched");
        process.until("that it listens", |process| {
            process.stdout().lines().any(|line| line.starts_with("listening ")).then_some(())
        });
    }
}

impl Member {
    fn new(data_dir: PathBuf, id: u64, wires: Option<&mut Wires>) -> Self {
        let listen = free_address();
        let address = wires.map_or_else(|| listen.clone(), |wires| relayed(wires, id, &listen));
        Self { address, listen, data_dir, process: None, begins: Begins::Founding }
    }
}

/// Where a relay listens for a member.
fn relayed(wires: &mut Wires, id: u64, listen: &str) -> String {
    let address = free_address();
    let parsed = |text: &str| text.parse::<SocketAddr>().expect("an address");
    wires.relay(id, parsed(listen), parsed(&address));
    address
}
