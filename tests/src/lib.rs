//! A small language for tests over real processes: places, jobs, clusters, and what came of them.
//!
//! Every test owns a [`Place`]. Whatever it starts runs with that place as its temporary directory, and when the place is dropped
//! nothing may be left: no process that knows the place, no file that was not asked for. Every process has a deadline, far above what
//! any machine needs: a test that hangs fails, and no test depends on speed.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a harness reports by panicking and prints why a test was skipped"
)]

mod built;
mod cluster;
mod compressed;
mod ended;
mod gate;
mod group;
mod house;
mod input;
mod job;
mod kv_clients;
mod leftovers;
mod mischief;
mod output;
mod place;
mod plugin_file;
mod process;
mod procfs;
mod random;
mod repeat;
mod service;
mod small_disk;
mod submitters;
mod undisturbed;
mod unprivileged;
mod until;
mod wires;

pub use built::{gristmill, plugin, program, workspace};
pub use cluster::{Cluster, Worker, free_address};
pub use compressed::Compression;
pub use ended::Ended;
pub use gate::{Gate, TROUBLE};
pub use gristmill_linearizable::Recorder;
pub use group::Group;
pub use house::House;
pub use input::{books, lab_books, scripts};
pub use job::Job;
pub use kv_clients::KvClients;
pub use mischief::{Mischief, play_all};
pub use output::Output;
pub use place::Place;
pub use plugin_file::PluginFile;
pub use process::{Process, signal, signal_if_there};
pub use procfs::{children, descendants, is_alive, resident_bytes};
pub use random::Random;
pub use repeat::repeat;
pub use rustix::process::Signal;
pub use service::Service;
pub use small_disk::SmallDisk;
pub use submitters::Submitters;
pub use undisturbed::assert_undisturbed;
pub use unprivileged::{permit, unprivileged_job};
pub use until::{DEADLINE, until};
pub use wires::{OUTSIDE, Wires};
