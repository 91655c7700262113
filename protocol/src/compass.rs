//! Which coordinator of a group to turn to next.
//!
//! One that says it does not lead may name the leader, and may be wrong: it may name one that has died, or two may name each other. So a
//! hint is followed unless it names one that has failed or refused a moment ago; then the next address of the list is tried.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

/// How long one that has failed or refused is not taken for the leader because somebody says so.
const HINT_IGNORED: Duration = Duration::from_secs(1);

/// What has been learnt of the members of a group.
#[derive(Debug)]
pub(crate) struct Compass {
    list: Vec<SocketAddr>,
    next: SocketAddr,
    /// When one last failed or refused, as far as it still matters.
    setbacks: BTreeMap<SocketAddr, Instant>,
}

impl Compass {
    /// `None` when the list is empty.
    pub(crate) fn new(list: &[SocketAddr]) -> Option<Self> {
        Some(Self { list: list.to_vec(), next: *list.first()?, setbacks: BTreeMap::new() })
    }

    /// All of the list, and one that was hinted at, in the order in which they are to be tried.
    pub(crate) fn order(&self) -> Vec<SocketAddr> {
        let begin = self.list.iter().position(|address| *address == self.next).unwrap_or(0);
        let around = self.list.iter().cycle().skip(begin).take(self.list.len());
        let others = around.filter(|address| **address != self.next);
        [self.next].into_iter().chain(others.copied()).collect()
    }

    /// It answers, so it is the first to ask again.
    pub(crate) fn answered(&mut self, address: SocketAddr) {
        self.next = address;
        self.setbacks.remove(&address);
    }

    /// Whether it has failed or refused since it last answered, and not long ago.
    pub(crate) fn is_set_back(&self, address: SocketAddr) -> bool {
        self.setbacks.contains_key(&address)
    }

    /// It cannot be reached, or has stopped answering.
    pub(crate) fn failed(&mut self, address: SocketAddr) {
        self.remember_setback(address);
        if self.next == address {
            self.next = self.after(address);
        }
    }

    /// It does not lead; this is what it says of who does.
    pub(crate) fn does_not_lead(&mut self, address: SocketAddr, leader: Option<SocketAddr>) {
        self.remember_setback(address);
        self.next = match leader {
            Some(leader) if !self.setbacks.contains_key(&leader) => leader,
            _ => self.after(address),
        };
    }

    fn after(&self, address: SocketAddr) -> SocketAddr {
        let at = self.list.iter().position(|known| *known == address);
        let next = at.map_or(0, |at| (at + 1) % self.list.len());
        self.list.get(next).copied().unwrap_or(address)
    }

    fn remember_setback(&mut self, address: SocketAddr) {
        let now = Instant::now();
        self.setbacks.retain(|_, when| now.duration_since(*when) < HINT_IGNORED);
        self.setbacks.insert(address, now);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn address(number: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, number], 7070))
    }

    fn three() -> Compass {
        Compass::new(&[address(1), address(2), address(3)]).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_hint_is_followed_and_remembered() {
        let mut compass = three();
        compass.does_not_lead(address(1), Some(address(3)));
        assert_eq!(compass.order(), [address(3), address(1), address(2)]);
        compass.answered(address(3));
        assert_eq!(compass.order()[0], address(3));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_hint_the_next_of_the_list_is_asked() {
        let mut compass = three();
        compass.does_not_lead(address(1), None);
        assert_eq!(compass.order(), [address(2), address(3), address(1)]);
        compass.failed(address(2));
        assert_eq!(compass.order()[0], address(3));
        compass.does_not_lead(address(3), None);
        assert_eq!(compass.order()[0], address(1));
    }

    #[tokio::test(start_paused = true)]
    async fn two_that_name_each_other_do_not_keep_a_caller_from_the_third() {
        let mut compass = three();
        compass.does_not_lead(address(1), Some(address(2)));
        compass.does_not_lead(address(2), Some(address(1)));
        assert_eq!(compass.order()[0], address(3));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_failed_is_believed_to_lead_after_a_while() {
        let mut compass = three();
        compass.failed(address(3));
        compass.does_not_lead(address(1), Some(address(3)));
        assert_eq!(compass.order()[0], address(2));
        advance(HINT_IGNORED).await;
        compass.does_not_lead(address(2), Some(address(3)));
        assert_eq!(compass.order()[0], address(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_is_not_on_the_list_can_be_found_by_a_hint() {
        let mut compass = three();
        compass.does_not_lead(address(1), Some(address(9)));
        assert_eq!(compass.order(), [address(9), address(1), address(2), address(3)]);
        compass.failed(address(9));
        assert_eq!(compass.order(), [address(1), address(2), address(3)]);
    }
}
