//! The store: what it keeps, what it refuses, and what others on the machine can see of it.

mod directory;
mod killed;
mod logouts;
mod revocations;
mod sealed_ring;
#[cfg(feature = "valkey")]
pub(crate) mod valkey;
