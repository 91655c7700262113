//! openraft behind this crate's face: its types, what goes over the network, and what applies entries.

pub(crate) mod applied;
#[cfg(test)]
mod conformance;
pub(crate) mod convert;
pub(crate) mod link;
pub(crate) mod types;
pub(crate) mod wire;
