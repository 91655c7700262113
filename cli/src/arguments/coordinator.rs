//! `gristmill coordinator`: where it listens, what it keeps, and which group it is a member of.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use gristmill_coordinator::{Membership, Timers};
use gristmill_protocol::parse_address;

use super::units;

/// `gristmill coordinator`.
#[derive(Args, Debug)]
pub(crate) struct CoordinatorArguments {
    /// Where to listen; must be on loopback; with port 0 the system chooses (see the line `listening`)
    #[arg(long, value_name = "ADDR", value_parser = parse_address, value_hint = ValueHint::Hostname)]
    pub listen: SocketAddr,

    /// Directory for jobs, plugins and the store: a coordinator that is started again with it goes on where it stopped; alone it is
    /// a group of one, which others can join
    /// [default: a temporary directory; then all is forgotten at the end]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,

    /// Which member of the group this is
    #[arg(long, value_name = "N", requires = "data_dir", value_parser = units::at_least::<u64>(1))]
    pub id: Option<u64>,

    /// All members of the group, this one too, by the addresses at which the others reach them
    ///
    /// The same list for every member. It counts when the group is founded; afterwards see `gristmill members`.
    #[arg(long, value_name = "1=ADDR,2=ADDR…", requires = "id", value_delimiter = ',', value_parser = member)]
    pub peers: Vec<(u64, SocketAddr)>,

    /// Join a group that exists already, as soon as `gristmill members add` tells it to take this member; --peers are those by
    /// which it was founded, or `1=` and the address of a coordinator that began alone
    #[arg(long, requires = "peers")]
    pub join: bool,

    /// How soon a leader that is not heard of is replaced
    #[arg(long, value_name = "NETWORK", value_enum, default_value_t = Network::Local)]
    pub network: Network,
}

/// What lies between the members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    /// One building: a dead leader is replaced within a second or two
    Local,
    /// A wide area: delays of a few hundred milliseconds are no reason to replace anybody
    Wide,
}

impl CoordinatorArguments {
    /// The place in its group of one that listens here, or what is wrong with it.
    pub(crate) fn membership(&self, here: SocketAddr) -> Result<Membership, String> {
        let timers = match self.network {
            Network::Local => Timers::LAN,
            Network::Wide => Timers::WAN,
        };
        let Some(id) = self.id else { return Ok(Membership::alone(here, timers)) };
        let mut members = BTreeMap::new();
        for (member, address) in &self.peers {
            if members.insert(*member, address.to_string()).is_some() {
                return Err(format!("--peers names member {member} twice"));
            }
        }
        let addresses: std::collections::BTreeSet<&String> = members.values().collect();
        if addresses.len() < members.len() {
            return Err("--peers gives two members the same address".to_owned());
        }
        let taken = |(member, address): &&(u64, SocketAddr)| *member != id && *address == here;
        if let Some((other, address)) = self.peers.iter().filter(|_| !self.join).find(taken) {
            return Err(format!(
                "--listen {address} is where --peers has member {other}, and this is member {id}"
            ));
        }
        match (self.join, members.contains_key(&id)) {
            (true, false) | (false, true) => {
                Ok(Membership { id, members, listens: Some(here), timers, alone: false })
            }
            (true, true) => Err(format!("member {id} founded the group by --peers, so it cannot join it")),
            (false, false) if members.is_empty() => {
                Err("--id needs --peers, the list of all members".to_owned())
            }
            (false, false) => Err(format!(
                "--peers does not name member {id}, which this is by its --id; one that joined the group later is always started with --join"
            )),
        }
    }
}

impl CoordinatorArguments {
    /// What is to be said to one that listens here, of whose group these members are known.
    pub(crate) fn warnings(&self, here: SocketAddr, known: &BTreeMap<u64, String>) -> Vec<String> {
        self.elsewhere(here, known).into_iter().chain(self.outdated(known)).collect()
    }

    /// The others may believe it to be somewhere else. Something may lie between, such as a tunnel, but mostly it is a typing error, by
    /// which nobody reaches it.
    fn elsewhere(&self, here: SocketAddr, known: &BTreeMap<u64, String>) -> Option<String> {
        let id = self.id?;
        let listed = self.peers.iter().find(|(member, _)| *member == id);
        let listed = listed.map(|(_, address)| ("--peers", address.to_string()));
        let known = known.get(&id).map(|address| ("the members of the group", address.clone()));
        let (source, address) = listed.or(known).filter(|(_, address)| *address != here.to_string())?;
        Some(format!(
            "listens at {here}, but by {source} the others look for member {id} at {address}, which must lead here"
        ))
    }

    /// What founded the group says nothing once its members have changed. One that joins gives that list all the same.
    fn outdated(&self, known: &BTreeMap<u64, String>) -> Option<String> {
        let given: BTreeMap<u64, String> =
            self.peers.iter().map(|(member, address)| (*member, address.to_string())).collect();
        if self.join || given.is_empty() || known.is_empty() || given == *known {
            return None;
        }
        let known: Vec<String> = known.iter().map(|(id, address)| format!("{id}={address}")).collect();
        Some(format!(
            "--peers counts no more, as the members of the group have changed; it goes by its own list: {}",
            known.join(",")
        ))
    }
}

/// One `ID=ADDR`.
pub(super) fn member(text: &str) -> Result<(u64, SocketAddr), String> {
    let wrong = || format!("`{text}` is no member; write ID=HOST:PORT, such as 2=127.0.0.1:7072");
    let (id, address) = text.split_once('=').ok_or_else(wrong)?;
    let id = id.trim().parse().ok().filter(|id| *id > 0).ok_or_else(wrong)?;
    let address = parse_address(address).map_err(|error| error.to_string())?;
    if address.port() == 0 { Err(wrong()) } else { Ok((id, address)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(id: u64, peers: &str, join: bool) -> CoordinatorArguments {
        CoordinatorArguments {
            listen: "127.0.0.1:7071".parse().unwrap(),
            data_dir: Some("data".into()),
            id: (id > 0).then_some(id),
            peers: peers
                .split(',')
                .filter(|part| !part.is_empty())
                .map(|part| member(part).unwrap())
                .collect(),
            join,
            network: Network::Local,
        }
    }

    fn membership(id: u64, peers: &str, join: bool) -> Result<Membership, String> {
        arguments(id, peers, join).membership("127.0.0.1:7079".parse().unwrap())
    }

    #[test]
    fn a_directory_alone_is_a_group_of_one() {
        let alone = membership(0, "", false).unwrap();
        assert_eq!(alone.members, [(1, "127.0.0.1:7079".to_owned())].into());
        assert!(alone.id == 1 && alone.alone);
    }

    #[test]
    fn a_member_knows_all_others() {
        let group = membership(2, "1=127.0.0.1:1,2=127.0.0.1:2,3=127.0.0.1:3", false).unwrap();
        assert_eq!((group.id, group.members.len()), (2, 3));
        assert_eq!(membership(4, "1=127.0.0.1:1", true).unwrap().members.len(), 1);
        assert!(membership(1, "1=127.0.0.1:1", true).is_err());
    }

    #[test]
    fn whoever_listens_elsewhere_than_the_list_says_is_noticed() {
        let here: SocketAddr = "127.0.0.1:7079".parse().unwrap();
        let peers = "1=127.0.0.1:7071,2=127.0.0.1:7079";
        let unknown = BTreeMap::new();
        let none: [&str; 0] = [];
        assert_eq!(arguments(2, peers, false).warnings(here, &unknown), none);
        assert_eq!(arguments(0, "", false).warnings(here, &unknown), none);
        assert_eq!(arguments(3, peers, true).warnings(here, &unknown), none);
        let relayed = arguments(1, "1=127.0.0.1:7071,2=127.0.0.1:7072", false);
        let elsewhere = |source: &str, id: u64, address: &str| {
            format!(
                "listens at {here}, but by {source} the others look for member {id} at {address}, which must lead here"
            )
        };
        assert_eq!(relayed.warnings(here, &unknown), [elsewhere("--peers", 1, "127.0.0.1:7071")]);
        let known = BTreeMap::from([(2, here.to_string()), (3, "127.0.0.1:7073".to_owned())]);
        let joined = [elsewhere("the members of the group", 3, "127.0.0.1:7073")];
        assert_eq!(arguments(3, peers, true).warnings(here, &known), joined);
        assert_eq!(arguments(3, peers, true).warnings("127.0.0.1:7073".parse().unwrap(), &known), none);
        assert!(relayed.membership(here).is_ok());
        let of_another = membership(1, peers, false).unwrap_err();
        assert_eq!(of_another, "--listen 127.0.0.1:7079 is where --peers has member 2, and this is member 1");
        assert!(membership(3, peers, true).is_ok(), "it may take the place of one that was removed");
    }

    #[test]
    fn a_list_that_counts_no_more_is_noticed() {
        let here: SocketAddr = "127.0.0.1:7071".parse().unwrap();
        let member = |id: u64| (id, format!("127.0.0.1:707{id}"));
        let founder = arguments(1, "1=127.0.0.1:7071,2=127.0.0.1:7072", false);
        assert!(founder.warnings(here, &[1, 2].map(member).into()).is_empty());
        let says = "--peers counts no more, as the members of the group have changed; it goes by its own list: \
                    1=127.0.0.1:7071,3=127.0.0.1:7073";
        assert_eq!(founder.warnings(here, &[1, 3].map(member).into()), [says]);
    }

    #[test]
    fn a_list_that_cannot_be_right_is_refused() {
        for (id, peers, says) in [
            (4, "1=127.0.0.1:1,2=127.0.0.1:2", "member 4"),
            (4, "1=127.0.0.1:1,2=127.0.0.1:2", "--join"),
            (1, "1=127.0.0.1:1,1=127.0.0.1:2", "twice"),
            (1, "1=127.0.0.1:1,2=127.0.0.1:1", "same address"),
            (1, "", "--peers"),
        ] {
            let error = membership(id, peers, false).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        for text in ["1", "x=127.0.0.1:1", "0=127.0.0.1:1", "1=127.0.0.1:0", "1=192.0.2.1:7", "=127.0.0.1:1"]
        {
            assert!(member(text).is_err(), "{text}");
        }
    }
}
