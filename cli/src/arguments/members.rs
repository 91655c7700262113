//! The arguments of `gristmill members`.

use std::net::SocketAddr;

use clap::{Args, Subcommand};
use gristmill_model::MemberChange;
use gristmill_protocol::parse_address;

use super::{AskArguments, CoordinatorAddress, units};

/// `gristmill members`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct MembersArguments {
    /// A change; without one the members are listed.
    #[command(subcommand)]
    change: Option<MembersCommand>,
    /// The coordinator; there is one unless there is a change, which has its own.
    #[command(flatten)]
    coordinator: Option<CoordinatorAddress>,

    /// Print the answer as one JSON document
    #[arg(long)]
    json: bool,
}

impl MembersArguments {
    /// The change if there is one, and whom to ask.
    pub(crate) fn into_parts(self) -> Option<(Option<MemberChange>, AskArguments)> {
        match self.change {
            Some(change) => {
                let (change, ask) = change.into_parts();
                Some((Some(change), ask))
            }
            None => Some((None, AskArguments { coordinator: self.coordinator?, json: self.json })),
        }
    }
}

/// How the members can change.
#[derive(Subcommand, Debug)]
enum MembersCommand {
    /// Let a coordinator join; its vote counts when it has caught up
    Add {
        /// Its id and address
        #[arg(value_name = "ID=ADDR", value_parser = member)]
        member: Member,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
    /// Let a member leave
    Remove {
        /// Its id
        #[arg(value_name = "ID", value_parser = units::at_least::<u64>(1))]
        id: u64,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
    /// Let a coordinator take the place of a member
    Replace {
        /// The id of the member that leaves
        #[arg(value_name = "ID", value_parser = units::at_least::<u64>(1))]
        id: u64,
        /// Id and address of the one that joins
        #[arg(value_name = "NEW=ADDR", value_parser = member)]
        member: Member,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
    /// Hand the leadership to a member
    Lead {
        /// Its id
        #[arg(value_name = "ID", value_parser = units::at_least::<u64>(1))]
        id: u64,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
}

/// A coordinator that is to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    /// Its id.
    id: u64,
    /// Where the others reach it.
    address: SocketAddr,
}

impl MembersCommand {
    /// The change, and whom to ask for it.
    fn into_parts(self) -> (MemberChange, AskArguments) {
        match self {
            Self::Add { member: Member { id, address }, ask } => {
                (MemberChange::Add { id, address: address.to_string() }, ask)
            }
            Self::Remove { id, ask } => (MemberChange::Remove { id }, ask),
            Self::Replace { id, member, ask } => {
                let (by, address) = (member.id, member.address.to_string());
                (MemberChange::Replace { id, by, address }, ask)
            }
            Self::Lead { id, ask } => (MemberChange::Lead { id }, ask),
        }
    }
}

fn member(text: &str) -> Result<Member, String> {
    let (id, address) = text.split_once('=').ok_or("write an id and an address, such as 4=127.0.0.1:7074")?;
    let wrong = || format!("`{id}` is not an id; write a number from 1 on, such as 4");
    let id = id.parse().ok().filter(|id| *id > 0).ok_or_else(wrong)?;
    let address = parse_address(address).map_err(|error| error.to_string())?;
    if address.port() == 0 {
        return Err("port 0 is nobody's; give the address at which the coordinator listens".to_owned());
    }
    Ok(Member { id, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_an_id_and_an_address() {
        let address = "127.0.0.1:7074".parse().unwrap();
        assert_eq!(member("4=127.0.0.1:7074"), Ok(Member { id: 4, address }));
        for wrong in [
            "4",
            "x=127.0.0.1:1",
            "=127.0.0.1:1",
            "-1=127.0.0.1:1",
            "0=127.0.0.1:1",
            "4=127.0.0.1:0",
            "4=192.0.2.1:1",
        ] {
            assert!(member(wrong).is_err(), "{wrong}");
        }
    }
}
