//! The protocol over real connections: in memory, and TCP on loopback.

#[cfg(test)]
mod client;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod group;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod leader;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod support;
