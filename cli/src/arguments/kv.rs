//! The arguments of `gristmill kv`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{AskArguments, examples, units};

/// `gristmill kv`.
#[derive(Args, Debug)]
pub(crate) struct KvArguments {
    /// What to do with the store.
    #[command(subcommand)]
    pub command: KvCommand,
}

/// What can be done with the store.
#[derive(Subcommand, Debug)]
pub(crate) enum KvCommand {
    /// Print the value of a key, as it is
    #[command(after_help = examples::KV_GET)]
    Get {
        /// The key
        #[arg(value_name = "KEY")]
        key: OsString,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
    /// Give a key a value, whatever it has
    #[command(after_help = examples::KV_PUT)]
    Put {
        /// The key
        #[arg(value_name = "KEY")]
        key: OsString,
        /// Where the value is.
        #[command(flatten)]
        value: ValueArguments,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
    /// Add to the end of a key's value; a key that is not there gets this value
    #[command(after_help = examples::KV_APPEND)]
    Append {
        /// The key
        #[arg(value_name = "KEY")]
        key: OsString,
        /// Where the value is.
        #[command(flatten)]
        value: ValueArguments,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
    /// Give a key a value if it has a certain version
    #[command(after_help = examples::KV_CAS)]
    Cas {
        /// The key
        #[arg(value_name = "KEY")]
        key: OsString,
        /// The version that it must have; 0: it must not be there
        #[arg(value_name = "VERSION", value_parser = units::at_least::<u64>(0))]
        version: u64,
        /// Where the value is.
        #[command(flatten)]
        value: ValueArguments,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
    /// Remove a key
    #[command(after_help = examples::KV_DELETE)]
    Delete {
        /// The key
        #[arg(value_name = "KEY")]
        key: OsString,
        /// Remove it only if it has this version
        #[arg(long, value_name = "VERSION", value_parser = units::at_least::<u64>(0))]
        version: Option<u64>,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
    /// List the keys, or those that begin with a prefix
    #[command(after_help = examples::KV_LIST)]
    List {
        /// What they begin with
        #[arg(value_name = "PREFIX", default_value = "")]
        prefix: OsString,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
    /// Print changes of keys as they happen
    #[command(after_help = examples::KV_WATCH)]
    Watch {
        /// What the keys begin with
        #[arg(value_name = "PREFIX", default_value = "")]
        prefix: OsString,
        /// The revision of the store to begin with [default: the next]
        #[arg(long, value_name = "N", value_parser = units::at_least::<u64>(1))]
        from_revision: Option<u64>,
        /// End after so many changes [default: go on until Ctrl-C]
        #[arg(long, value_name = "N", value_parser = units::at_least::<u64>(1))]
        count: Option<u64>,
        /// Whom to ask, and how to tell the answer.
        #[command(flatten)]
        ask: AskArguments,
    },
}

/// A value, of which there must be one.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct ValueArguments {
    /// The value; `-` reads it from standard input
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub value: Option<OsString>,
    /// Read the value from a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub from: Option<PathBuf>,
}
