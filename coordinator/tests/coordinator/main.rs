//! A whole coordinator over in-memory connections, with workers and clients that speak the real services. No plugin, no sleeping.

#[cfg(test)]
mod blobs;
#[cfg(test)]
mod hiccup;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod life;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod workers;
#[cfg(test)]
mod world;
