//! All that an author of a Gristmill app depends on.
//!
//! An app is a type that implements [`App`]: `map` turns input into pairs of key and value, `reduce` is given each key
//! with all its values. [`export!`] makes the crate a plugin that Gristmill loads. This is a whole word count:
//!
//! ```
//! use gristmill_sdk::prelude::*;
//!
//! #[derive(Default)]
//! struct WordCount;
//!
//! impl App for WordCount {
//!     type Key = str;
//!     type Value = u64;
//!     const COMBINE: Option<Combine<Self>> = Some(|total, next| *total += next);
//!
//!     fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
//!         for word in split.words() {
//!             emit.pair(word, 1);
//!         }
//!         Ok(())
//!     }
//!
//!     fn reduce(&mut self, word: &str, counts: Values<'_, u64>, out: &mut Output<'_>) -> Result<()> {
//!         out.pair(word, counts.sum::<u64>());
//!         Ok(())
//!     }
//! }
//!
//! gristmill_sdk::export!(WordCount);
//! ```
//!
//! Its `Cargo.toml` asks for a library that can be loaded:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! gristmill-sdk = "0.1"
//! ```
//!
//! - What else an app can do (parameters, counters, its own partitions, no reduce at all) is told at [`App`], where
//!   the order of calls is told too.
//! - Keys and values are typed: see [`codec`]. Keys come to reduce in the order of their type.
//! - [`testing`] runs an app within a unit test, through the same code as in a job.
//! - What fails is returned as an [`Error`]; a panic is caught and ends the attempt likewise.
//!
//! Below that, [`abi`] is the boundary in terms of C, `include/gristmill.h` the same for plugins written in C, and
//! [`bounds`], [`collect`] and [`wire`] are what hosts use.

pub mod abi;
mod app;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
pub mod bounds;
pub mod codec;
pub mod collect;
mod counters;
mod emit;
mod error;
mod hash;
mod host;
mod output;
mod params;
mod scan;
#[doc(hidden)]
pub mod shim;
mod split;
pub mod testing;
mod text;
mod values;
pub mod wire;
mod words;

pub use app::{App, Combine, Input, Partition};
pub use codec::{Bytes, Codec, DecodeError, Descending, Encode, Key, Reader, heap_block};
pub use emit::Emit;
pub use error::{Error, Result};
pub use hash::partition_of;
pub use output::Output;
pub use params::{Param, Params};
pub use scan::{SIMD_LEVELS, SIMD_VARIABLE};
pub use split::{Fields, Lines, Records, Split, fields};
pub use text::ToText;
pub use values::Values;
pub use words::{Words, words};

/// What an app needs: `use gristmill_sdk::prelude::*;`
pub mod prelude {
    pub use crate::{
        App, Bytes, Combine, Descending, Emit, Error, Input, Output, Param, Params, Partition, Result, Split,
        Values, bail, fields, words,
    };
}

/// Makes the crate a plugin for the given [`App`]. Once in a crate, whose name and version it takes.
#[macro_export]
macro_rules! export {
    ($app:ty) => {
        const _: () = {
            #[unsafe(export_name = "gristmill_plugin")]
            static PLUGIN: $crate::abi::Descriptor = $crate::shim::descriptor::<$app>(
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION"),
            );
        };
    };
}
