//! The yardsticks: one file a program.

pub mod disk;
pub mod indexer;
pub mod sort;
pub mod wordcount;

mod keys;
mod sorted;
mod tables;
