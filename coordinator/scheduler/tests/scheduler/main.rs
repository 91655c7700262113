//! The scheduler through its public face: stories of single rules, the encoding of facts, and the simulation.

mod facts;
mod fixtures;
mod plan;
mod rules;
mod simulation;
mod world;
