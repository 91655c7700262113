//! Counters of an attempt, summed up before they go to the host.

use crate::host::Host;

/// How many different counters are summed up at once.
const NAMES_MAX: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    sums: Vec<(String, i64)>,
}

impl Counters {
    pub(crate) fn add(&mut self, name: &str, delta: i64, host: &Host<'_>) {
        if let Some((_, sum)) = self.sums.iter_mut().find(|(known, _)| known == name) {
            *sum = sum.saturating_add(delta);
            return;
        }
        if self.sums.len() == NAMES_MAX {
            self.flush(host);
        }
        self.sums.push((name.to_owned(), delta));
    }

    pub(crate) fn flush(&mut self, host: &Host<'_>) {
        for (name, sum) in self.sums.drain(..) {
            host.count(&name, sum);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.sums.clear();
    }
}
