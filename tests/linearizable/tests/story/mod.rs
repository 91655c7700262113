//! Histories with a known truth: a store that does one operation after the other, and clients whose calls and answers spread around
//! the moments at which that happened.

use std::collections::BTreeMap;

use gristmill_linearizable::{Answer, Call, Operation};

pub(crate) type Told = Operation<Call, Answer>;

/// Numbers that are the same every time for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A store as it is meant to be, written down once more and as simply as can be.
#[derive(Default)]
struct Store {
    entries: BTreeMap<Vec<u8>, (Vec<u8>, u64, u64)>,
    revision: u64,
    deleted_version_max: u64,
}

/// A call before it is one of the checker's.
#[derive(Clone, Debug)]
enum Asked {
    Get,
    Put(Vec<u8>),
    Append(Vec<u8>),
    Cas(u64, Vec<u8>),
    Delete(Option<u64>),
}

impl Store {
    fn version(&self, key: &[u8]) -> u64 {
        self.entries.get(key).map_or(0, |(_, version, _)| *version)
    }

    fn write(&mut self, key: &[u8], value: Vec<u8>) -> Answer {
        let version = match self.version(key) {
            0 => self.deleted_version_max + 1,
            version => version + 1,
        };
        self.revision += 1;
        self.entries.insert(key.to_vec(), (value, version, self.revision));
        Answer::Written { version, revision: self.revision }
    }

    fn delete(&mut self, key: &[u8]) -> Answer {
        let removed = self.entries.remove(key);
        if let Some((_, version, _)) = removed {
            self.deleted_version_max = self.deleted_version_max.max(version);
            self.revision += 1;
        }
        Answer::Deleted { existed: removed.is_some(), revision: Some(self.revision) }
    }

    fn answer(&mut self, key: &[u8], asked: &Asked) -> Answer {
        let version = self.version(key);
        match asked {
            Asked::Get => match self.entries.get(key) {
                Some((value, version, revision)) => {
                    Answer::Entry { value: value.clone().into(), version: *version, revision: *revision }
                }
                None => Answer::Absent,
            },
            Asked::Put(value) => self.write(key, value.clone()),
            Asked::Append(tail) => {
                let held = self.entries.get(key).map_or(&[][..], |(value, ..)| value);
                let whole = [held, tail].concat();
                self.write(key, whole)
            }
            Asked::Cas(wanted, value) if *wanted == version => self.write(key, value.clone()),
            Asked::Delete(Some(wanted)) if *wanted == version => self.delete(key),
            Asked::Delete(None) => self.delete(key),
            Asked::Cas(..) | Asked::Delete(Some(_)) => Answer::Mismatch { version },
        }
    }
}

impl From<Asked> for Call {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Get => Self::Get,
            Asked::Put(value) => Self::Put(value.into()),
            Asked::Append(tail) => Self::Append(tail.into()),
            Asked::Cas(version, value) => Self::Cas(version, value.into()),
            Asked::Delete(version) => Self::Delete(version),
        }
    }
}

/// What kind of history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) operations: u64,
    pub(crate) keys: u64,
    /// How many moments a call may lie before its effect, and an answer behind it.
    pub(crate) spread: u64,
    /// One operation in so many has an unknown answer; of these a half have no effect.
    pub(crate) unknown_one_in: u64,
}

/// A history that is linearizable, as it comes from a store that does one thing after the other.
pub(crate) fn tell(seed: u64, shape: Shape) -> Vec<Told> {
    let (mut random, mut store) = (Random::new(seed), Store::default());
    (0..shape.operations).map(|number| operation(number, &mut random, &mut store, shape)).collect()
}

fn operation(number: u64, random: &mut Random, store: &mut Store, shape: Shape) -> Told {
    let key = format!("key{}", random.below(shape.keys)).into_bytes();
    let value = format!("v{number};").into_bytes();
    let near =
        |version: u64, random: &mut Random| (version + random.below(2)).saturating_sub(random.below(2));
    let version = store.version(&key);
    let asked = match random.below(10) {
        0..4 => Asked::Get,
        4 | 5 => Asked::Put(value),
        6 | 7 => Asked::Append(value),
        8 => Asked::Cas(near(version, random), value),
        _ => Asked::Delete((random.below(2) == 0).then(|| near(version, random))),
    };
    let moment = 1_000 * (number + shape.spread);
    let called = moment - random.below(1_000 * shape.spread);
    let is_unknown = random.below(shape.unknown_one_in) == 0;
    let has_effect = !is_unknown || random.below(2) == 0;
    let answer = has_effect.then(|| store.answer(&key, &asked));
    let answered =
        answer.filter(|_| !is_unknown).map(|answer| (moment + random.below(1_000 * shape.spread), answer));
    Operation { key, client: number % 16, call: asked.into(), called, answered }
}
