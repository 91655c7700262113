//! What an author writes: the [`App`] trait.

use crate::{Codec, Emit, Key, Output, Param, Params, Result, Split, ToText, Values};

/// A MapReduce application.
///
/// # How an app is called
///
/// Many copies of an app are at work at once, each in a process of its own and each at one *attempt*: to map one split
/// of the input, or to reduce one partition of the keys. Every attempt begins with a new value of the type, made by
/// [`Default`] and [`setup`](Self::setup), so fields are a good place for what lasts as long as an attempt.
///
/// - A map attempt calls [`map`](Self::map) for each block of its split, in order, then [`finish_map`](Self::finish_map).
/// - The pairs are combined, sorted by key and brought together.
/// - A reduce attempt calls [`reduce`](Self::reduce) for each key of its partition, in ascending order, then
///   [`finish_reduce`](Self::finish_reduce).
///
/// An attempt may be run more than once and the copies may race; exactly one of them counts. So an app should give the
/// same for the same input, and have no effects but what it emits, writes and counts.
///
/// An error, or a panic, ends the attempt; it is tried again elsewhere a few times before the job fails with the message.
pub trait App: Default + Send + Sized + 'static {
    /// What pairs are grouped by, such as `str`, `[u8]`, `u64`, `(String, u32)`: see [`codec`](crate::codec).
    type Key: ?Sized + Key;
    /// What is collected for each key.
    type Value: Codec + ToText + Send + 'static;

    /// How the input is cut up.
    const INPUT: Input = Input::Text;

    /// The app has no reduce stage: what map emits is written by [`write`](Self::write), in order.
    const MAP_ONLY: bool = false;

    /// The parameters that the app takes. Any other makes the job fail before it starts.
    const PARAMS: &'static [Param] = &[];

    /// Folds values of one key together before they are sorted and sent, which for sums, maxima and the like makes a job
    /// many times faster. Values of a key are folded in the order in which they were emitted, but not
    /// necessarily all of them, and perhaps none: reduce must give the same from folded values as from plain ones.
    ///
    /// ```
    /// # use gristmill_sdk::prelude::*;
    /// # #[derive(Default)] struct Sum;
    /// # impl App for Sum {
    /// #     type Key = str;
    /// #     type Value = u64;
    /// const COMBINE: Option<Combine<Self>> = Some(|total, next| *total += next);
    /// #     fn map(&mut self, _: &Split<'_>, _: &mut Emit<'_, Self>) -> Result<()> { Ok(()) }
    /// # }
    /// ```
    const COMBINE: Option<Combine<Self>> = None;

    /// Chooses the partition of a key, below the number given, by the key alone. Without it keys are spread by a hash.
    const PARTITION: Option<Partition<Self>> = None;

    /// Makes the outputs, one after the other, sorted by key as a whole, whatever the number of reduces: partitions are ranges of
    /// keys, chosen from a sample of the input so that they come out about equal, skew included. The sample is taken by the app's own
    /// map, on a small part of the input, before the maps begin. Not together with [`PARTITION`](Self::PARTITION) or
    /// [`MAP_ONLY`](Self::MAP_ONLY).
    ///
    /// Keys are compared by their encoding, which is the order of their type.
    const TOTAL_ORDER: bool = false;

    /// Takes up the parameters at the beginning of each attempt.
    ///
    /// # Errors
    /// Says what is wrong with them; then the job does not start.
    fn setup(&mut self, _params: &Params) -> Result<()> {
        Ok(())
    }

    /// Maps a block of input: emits pairs.
    ///
    /// # Errors
    /// Says why the input cannot be mapped. The place is added by the iterators of [`Split`].
    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()>;

    /// Emits what is left when the last block of a map attempt was mapped.
    ///
    /// # Errors
    /// Says what went wrong.
    fn finish_map(&mut self, _emit: &mut Emit<'_, Self>) -> Result<()> {
        Ok(())
    }

    /// Reduces one key: writes what is to be said about it. The values come in the order of the input; they need not
    /// be taken to the end. Without a reduce of its own, an app writes each pair by [`write`](Self::write).
    ///
    /// # Errors
    /// Says what went wrong.
    fn reduce(
        &mut self,
        key: &Self::Key,
        values: Values<'_, Self::Value>,
        out: &mut Output<'_>,
    ) -> Result<()> {
        for value in values {
            Self::write(key, &value, out);
        }
        Ok(())
    }

    /// Writes what is left when the last key of a reduce attempt was reduced.
    ///
    /// # Errors
    /// Says what went wrong.
    fn finish_reduce(&mut self, _out: &mut Output<'_>) -> Result<()> {
        Ok(())
    }

    /// Writes a pair that is not reduced: as the line `key value`, unless the app knows better.
    fn write(key: &Self::Key, value: &Self::Value, out: &mut Output<'_>) {
        out.pair(key, value);
    }
}

/// Folds the second value, which was emitted later, into the first.
pub type Combine<A> = fn(&mut <A as App>::Value, <A as App>::Value);

/// The partition of a key, below the number of partitions.
pub type Partition<A> = fn(&<A as App>::Key, u32) -> u32;

/// How an app wants its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Blocks of whole lines.
    Text,
    /// Each file in one piece, in memory.
    File,
    /// Blocks of whole records of so many bytes each.
    Records(u64),
}
