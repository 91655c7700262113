//! Test app: gives what `nocrash` gives, but each call of map or reduce may end the process, or take long.
//!
//! By default a third of the calls exit, a third sleep up to ten seconds. Chance comes from the system anew for each call
//! and cannot be seeded: an attempt that is tried again has to fare differently.
#![forbid(unsafe_code)]

#[path = "../../nocrash/src/facts.rs"]
mod facts;

use gristmill_sdk::prelude::*;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The app.
#[derive(Default)]
pub struct Crash {
    exit_percent: u64,
    delay_percent: u64,
    delay_ms_max: u64,
}

impl App for Crash {
    type Key = str;
    type Value = Bytes;
    const INPUT: Input = Input::File;
    const PARAMS: &'static [Param] = &[
        Param::with_default("exit-percent", "33", "how many calls of a hundred end the process"),
        Param::with_default("delay-percent", "33", "how many calls of a hundred take long"),
        Param::with_default("delay-ms-max", "10000", "how long they take at most, in milliseconds"),
    ];

    fn setup(&mut self, params: &Params) -> Result<()> {
        self.exit_percent = params.parse("exit-percent")?;
        self.delay_percent = params.parse("delay-percent")?;
        self.delay_ms_max = params.parse("delay-ms-max")?;
        Ok(())
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        self.tempt_fate();
        facts::emit(split, emit);
        Ok(())
    }

    fn reduce(&mut self, key: &str, values: Values<'_, Bytes>, out: &mut Output<'_>) -> Result<()> {
        self.tempt_fate();
        facts::write(key, values, out);
        Ok(())
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Exit,
    Delay(Duration),
    Proceed,
}

impl Crash {
    fn tempt_fate(&self) {
        match self.fate(chance()) {
            Fate::Exit => std::process::exit(1),
            Fate::Delay(delay) => std::thread::sleep(delay),
            Fate::Proceed => {}
        }
    }

    fn fate(&self, chance: u64) -> Fate {
        let (percent, rest) = (chance % 100, chance / 100);
        if percent < self.exit_percent {
            Fate::Exit
        } else if percent - self.exit_percent < self.delay_percent {
            Fate::Delay(Duration::from_millis(rest % self.delay_ms_max.saturating_add(1)))
        } else {
            Fate::Proceed
        }
    }
}

fn chance() -> u64 {
    // Its keys come from the system's source of randomness.
    RandomState::new().hash_one(std::process::id())
}

gristmill_sdk::export!(Crash);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run_every_way};

    #[test]
    fn a_third_exits_and_a_third_sleeps() {
        let crash = Crash { exit_percent: 33, delay_percent: 33, delay_ms_max: 10_000 };
        let fates: Vec<_> = (0..100).map(|chance| crash.fate(chance + 1_234_500)).collect();
        assert_eq!(fates.iter().filter(|&&fate| fate == Fate::Exit).count(), 33);
        assert_eq!(fates.iter().filter(|&&fate| fate == Fate::Proceed).count(), 34);
        assert!(fates.contains(&Fate::Delay(Duration::from_millis(12_345 % 10_001))));
    }

    #[test]
    fn without_faults_it_gives_what_nocrash_gives() {
        let job = TestJob::new().input("doc", "123").arg("exit-percent", 0).arg("delay-percent", 0);
        let text = run_every_way::<Crash>(&job).unwrap().text();
        assert_eq!(text, "bytes 3\nlength 3\nname doc\nword same\n");
    }
}
