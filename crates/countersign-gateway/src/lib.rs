//! The Countersign gateway as a library: a session goes in, a signed access token comes out.

pub mod admin;
pub(crate) mod client_network;
pub mod clock;
pub mod config;
pub mod credential;
pub mod decision;
pub mod entropy;
pub mod entry;
pub mod error;
#[cfg(test)]
mod exhaustive;
pub mod gateway;
pub mod guard;
pub mod http;
mod http1;
pub mod identity;
pub mod internal;
pub mod issue;
pub mod keyring;
pub mod metadata;
pub mod observe;
pub mod permit;
pub mod revocation;
pub mod route;
pub mod server;
pub mod session;
#[cfg(test)]
mod simulation;
pub mod store;
pub mod tasks;
#[cfg(test)]
mod testing;
pub mod tls_fault;
pub mod translate;
pub mod upstream;
