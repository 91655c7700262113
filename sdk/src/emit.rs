//! Where map puts its pairs.

use crate::bounds::KeyRanges;
use crate::collect::TypedCollector;
use crate::counters::Counters;
use crate::host::{Host, HostRuns};
use crate::output::{Output, OutputBuffer};
use crate::{App, Codec, Encode, Error, Key, Reader};
use std::borrow::Borrow;
use std::marker::PhantomData;

/// Takes the pairs of a map attempt.
///
/// Nothing here returns a result: when the host cannot take more, what follows is dropped and the attempt ends as
/// soon as the app's method returns.
pub struct Emit<'a, A: App> {
    pub(crate) collector: &'a mut TypedCollector<A::Value>,
    pub(crate) key_scratch: &'a mut Vec<u8>,
    pub(crate) output: &'a mut OutputBuffer,
    pub(crate) counters: &'a mut Counters,
    pub(crate) host: &'a Host<'a>,
    /// Zero when pairs are written and not reduced.
    pub(crate) partitions: u32,
    /// Of a total order.
    pub(crate) ranges: &'a KeyRanges,
}

impl<A: App> Emit<'_, A> {
    /// Emits a pair.
    #[inline]
    pub fn pair(&mut self, key: &A::Key, value: A::Value) {
        if A::MAP_ONLY || self.partitions == 0 {
            return A::write(key, &value, &mut self.direct());
        }
        self.with_encoded(key, |collector, key, runs| match A::COMBINE {
            Some(_) => collector.fold(key, value, combine::<A>, runs),
            None => collector.keep(key, &value, runs),
        });
    }

    /// Emits a pair that is only borrowed: `emit.pair_ref(&(word, 3), line)` where the key is a `(String, u32)` and the
    /// value is [`Bytes`](crate::Bytes). Saves making the owned pair, unless the app combines or has no reduce.
    #[inline]
    pub fn pair_ref<K, V>(&mut self, key: &K, value: &V)
    where
        K: ?Sized + Encode<A::Key>,
        V: ?Sized + Encode<A::Value>,
    {
        if A::MAP_ONLY || A::COMBINE.is_some() || self.partitions == 0 {
            return self.owned_pair(key, value);
        }
        self.with_encoded(key, |collector, key, runs| collector.keep(key, value, runs));
    }

    /// Folds the pairs that wait for it.
    pub(crate) fn settle(&mut self) {
        if A::COMBINE.is_none() || self.host.failed() {
            return;
        }
        let mut runs = HostRuns::<A> {
            host: self.host,
            partitions: self.partitions,
            ranges: self.ranges,
            app: PhantomData,
        };
        if let Err(error) = self.collector.settle(combine::<A>, &mut runs) {
            self.host.remember(error);
        }
    }

    fn owned_pair<K, V>(&mut self, key: &K, value: &V)
    where
        K: ?Sized + Encode<A::Key>,
        V: ?Sized + Encode<A::Value>,
    {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        key.encode_last(&mut key_bytes);
        value.encode_last(&mut value_bytes);
        let value = A::Value::decode_last(&mut Reader::new(&value_bytes));
        match (A::Key::decode_key(&key_bytes), value) {
            (Ok(key), Ok(value)) => self.pair(key.borrow(), value),
            (Err(error), _) | (_, Err(error)) => self.host.remember(error.into()),
        }
    }

    #[inline]
    fn with_encoded<K: ?Sized + Encode<A::Key>>(
        &mut self,
        key: &K,
        take: impl FnOnce(&mut TypedCollector<A::Value>, &[u8], &mut HostRuns<'_, A>) -> Result<(), Error>,
    ) {
        let mut runs =
            HostRuns { host: self.host, partitions: self.partitions, ranges: self.ranges, app: PhantomData };
        let taken = match key.lend() {
            Some(bytes) => take(self.collector, bytes, &mut runs),
            None => {
                self.key_scratch.clear();
                key.encode_last(self.key_scratch);
                take(self.collector, self.key_scratch, &mut runs)
            }
        };
        if let Err(error) = taken {
            self.host.remember(error);
        }
    }

    /// Where an app without a reduce stage writes its output, when it is not made of pairs.
    ///
    /// Does not compile for an app that is not [`MAP_ONLY`](App::MAP_ONLY).
    #[inline]
    pub fn output(&mut self) -> Output<'_> {
        const { assert!(A::MAP_ONLY, "only an app that is MAP_ONLY writes output in map") };
        self.direct()
    }

    #[inline]
    fn direct(&mut self) -> Output<'_> {
        Output { buffer: self.output, counters: self.counters, host: self.host }
    }

    /// Adds to a counter of the job. Counters of attempts that do not count are forgotten.
    pub fn count(&mut self, name: &str, delta: i64) {
        self.counters.add(name, delta, self.host);
    }

    /// Says that the attempt is alive. Emitting says so too; this is for a record that takes seconds without.
    pub fn progress(&mut self) {
        self.host.progress();
    }

    /// Whether the attempt is to end, so that a long loop may as well stop.
    #[inline]
    pub fn is_stopping(&self) -> bool {
        self.host.failed()
    }
}

/// The app's combine as a function that is known when this is compiled, so that it becomes part of the loop.
#[inline]
pub(crate) fn combine<A: App>(total: &mut A::Value, next: A::Value) {
    if let Some(combine) = A::COMBINE {
        combine(total, next);
    }
}

/// What is passed where nothing is combined.
#[inline]
pub(crate) fn not_combined<A: App>() -> Option<crate::Combine<A>> {
    None
}
