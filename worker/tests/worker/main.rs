//! Workers with real slots and a coordinator that does what a test says.

mod coordinator;
mod world;

mod ends;
mod failures;
mod files;
mod hygiene;
mod jobs;
mod registration;
