//! Whether a change of the members, made for one state of the group, may still be made in the state that it has by now.
//!
//! A call that comes late a second time would else bring a member back that was removed meanwhile, or hand the leadership on again.

use gristmill_model::{MemberChange, MembersStatus, MembersVersion, Refusal};

/// What is to become of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is to be made.
    Make,
    /// It has been made already.
    IsMade,
}

/// Refused when the group has changed otherwise since its caller saw it.
pub(crate) fn due(
    change: &MemberChange,
    seen: MembersVersion,
    group: &MembersStatus,
) -> Result<Due, Refusal> {
    let same = match change {
        MemberChange::Lead { .. } => seen.term == group.version.term,
        _ => seen.since == group.version.since,
    };
    if same || has_begun(change, group) {
        return Ok(Due::Make);
    }
    if is_made(change, group) {
        return Ok(Due::IsMade);
    }
    Err(Refusal::Invalid(
        "the group has changed since its members were looked at, so nothing was changed now; look at them, and ask again if it is still wanted"
            .to_owned(),
    ))
}

/// Whether the member that joins is there already and does not vote yet: the change was given up on its way, and goes on.
fn has_begun(change: &MemberChange, group: &MembersStatus) -> bool {
    match change {
        MemberChange::Add { id, address } | MemberChange::Replace { by: id, address, .. } => {
            has(group, *id, address, false)
        }
        MemberChange::Remove { .. } | MemberChange::Lead { .. } => false,
    }
}

fn is_made(change: &MemberChange, group: &MembersStatus) -> bool {
    let is_there = |id: &u64| group.members.iter().any(|member| member.id == *id);
    match change {
        MemberChange::Add { id, address } => has(group, *id, address, true),
        MemberChange::Remove { id } => !is_there(id),
        MemberChange::Replace { id, by, address } => !is_there(id) && has(group, *by, address, true),
        MemberChange::Lead { id } => group.leader == Some(*id),
    }
}

fn has(group: &MembersStatus, id: u64, address: &str, votes: bool) -> bool {
    group.members.iter().any(|member| member.id == id && member.address == address && member.votes == votes)
}

#[cfg(test)]
mod tests {
    use gristmill_model::MemberStatus;

    use super::*;

    const SEEN: MembersVersion = MembersVersion { term: 3, since: (2, 7) };
    const NOW: MembersVersion = MembersVersion { term: 5, since: (4, 9) };

    /// Led by member 1, with these members, of whom those above 5 do not vote.
    fn group(ids: &[u64], version: MembersVersion) -> MembersStatus {
        let member = |id: &u64| MemberStatus {
            id: *id,
            address: format!("a:{id}"),
            votes: *id <= 5,
            behind: None,
            silent_ms: None,
        };
        MembersStatus { leader: Some(1), members: ids.iter().map(member).collect(), version }
    }

    fn add(id: u64) -> MemberChange {
        MemberChange::Add { id, address: format!("a:{id}") }
    }

    fn replace(id: u64, by: u64) -> MemberChange {
        MemberChange::Replace { id, by, address: format!("a:{by}") }
    }

    #[test]
    fn a_change_of_what_was_seen_is_made() {
        let group = group(&[1, 2, 3], SEEN);
        let changes = [add(4), replace(2, 4), MemberChange::Remove { id: 9 }, MemberChange::Lead { id: 2 }];
        for change in changes {
            assert_eq!(due(&change, SEEN, &group), Ok(Due::Make), "{change:?}");
        }
    }

    #[test]
    fn a_change_that_comes_again_is_made_no_more_whether_it_stands_or_not() {
        let stands = [add(2), replace(4, 2), MemberChange::Remove { id: 4 }, MemberChange::Lead { id: 1 }];
        for change in stands {
            assert_eq!(due(&change, SEEN, &group(&[1, 2, 3], NOW)), Ok(Due::IsMade), "{change:?}");
        }
        let undone = [add(4), replace(2, 4), MemberChange::Remove { id: 3 }, MemberChange::Lead { id: 2 }];
        for change in undone {
            let refused = due(&change, SEEN, &group(&[1, 2, 3], NOW)).unwrap_err();
            assert!(refused.to_string().contains("has changed since"), "{change:?}: {refused}");
        }
    }

    #[test]
    fn a_member_is_changed_under_whatever_leader_and_a_leader_whatever_the_members() {
        let led_anew = MembersVersion { term: NOW.term, ..SEEN };
        assert_eq!(due(&add(4), SEEN, &group(&[1, 2, 3], led_anew)), Ok(Due::Make));
        let grown = MembersVersion { term: SEEN.term, ..NOW };
        assert_eq!(due(&MemberChange::Lead { id: 2 }, SEEN, &group(&[1, 2, 3], grown)), Ok(Due::Make));
    }

    #[test]
    fn a_member_that_is_still_catching_up_goes_on_joining() {
        for change in [add(6), replace(2, 6)] {
            assert_eq!(due(&change, SEEN, &group(&[1, 2, 3, 6], NOW)), Ok(Due::Make), "{change:?}");
        }
        let elsewhere = MemberChange::Add { id: 6, address: "b:6".to_owned() };
        assert!(due(&elsewhere, SEEN, &group(&[1, 2, 3, 6], NOW)).is_err());
    }
}
