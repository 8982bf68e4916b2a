//! The listeners and workers, seen from both sides of the gateway.

mod connections;
pub(crate) mod frames;
pub(crate) mod harness;
mod messages;
pub(crate) mod recorder;
mod requests;
pub(crate) mod tls;
