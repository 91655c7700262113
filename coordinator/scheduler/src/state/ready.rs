//! The queue of a stage: the tasks that wait, as ranges of indexes. Tasks are handed out in order, so there are few ranges however many
//! tasks there are.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::encoding;

/// A set of indexes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The first and the last of each range; between two ranges there is a gap.
    #[serde(with = "encoding::map")]
    ranges: OrdMap<u32, u32>,
    count: u32,
}

impl Ready {
    /// All below `count`.
    pub(crate) fn all(count: u32) -> Self {
        let ranges = count.checked_sub(1).map(|last| (0_u32, last)).into_iter().collect();
        Self { ranges, count }
    }

    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    pub(crate) fn contains(&self, index: u32) -> bool {
        self.range_of(index).is_some()
    }

    /// Those from `from` on, in order.
    pub(crate) fn from(&self, from: u32) -> impl Iterator<Item = u32> + '_ {
        let begun = self.range_of(from).map(|(_, last)| from..=last);
        let later = from.checked_add(1).map(|next| self.ranges.range(next..));
        let later = later.into_iter().flatten().map(|(first, last)| *first..=*last);
        begun.into_iter().chain(later).flatten()
    }

    pub(crate) fn insert(&mut self, index: u32) {
        if self.contains(index) {
            return;
        }
        let (mut first, mut last) = (index, index);
        if let Some((before, _)) = index.checked_sub(1).and_then(|before| self.range_of(before)) {
            first = before;
        }
        if let Some((after, end)) = index.checked_add(1).and_then(|after| self.range_of(after)) {
            self.ranges.remove(&after);
            last = end;
        }
        self.ranges.insert(first, last);
        self.count = self.count.saturating_add(1);
    }

    pub(crate) fn remove(&mut self, index: u32) {
        let Some((first, last)) = self.range_of(index) else { return };
        if first == index {
            self.ranges.remove(&first);
        } else {
            self.ranges.insert(first, index - 1);
        }
        if index < last {
            self.ranges.insert(index + 1, last);
        }
        self.count = self.count.saturating_sub(1);
    }

    fn range_of(&self, index: u32) -> Option<(u32, u32)> {
        let (first, last) = self.ranges.get_prev(&index)?;
        (*last >= index).then_some((*first, *last))
    }
}

impl FromIterator<u32> for Ready {
    fn from_iter<I: IntoIterator<Item = u32>>(indexes: I) -> Self {
        let mut ready = Self::default();
        indexes.into_iter().for_each(|index| ready.insert(index));
        ready
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_with_one_form_for_each_content(
            start in 0_u32..20,
            moves in proptest::collection::vec((any::<bool>(), 0_u32..24), 0..80),
        ) {
            let mut ready = Ready::all(start);
            let mut plain: BTreeSet<u32> = (0..start).collect();
            for (add, index) in moves {
                if add { ready.insert(index); plain.insert(index); } else { ready.remove(index); plain.remove(&index); }
                prop_assert_eq!(&ready, &plain.iter().copied().collect::<Ready>());
                prop_assert_eq!(ready.len(), plain.len());
                prop_assert!((0..25).all(|index| ready.contains(index) == plain.contains(&index)));
                for from in 0..25 {
                    prop_assert!(ready.from(from).eq(plain.range(from..).copied()));
                }
            }
        }
    }

    #[test]
    fn the_largest_index_is_no_exception() {
        let mut ready: Ready = [u32::MAX - 1, u32::MAX].into_iter().collect();
        ready.remove(u32::MAX - 1);
        assert!(ready.from(0).eq([u32::MAX]));
        ready.remove(u32::MAX);
        assert_eq!(ready, Ready::default());
    }
}
