//! The protocol over real connections: in memory, and TCP on loopback.

#[cfg(test)]
mod client;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod support;
