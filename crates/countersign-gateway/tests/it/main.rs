//! The gateway from outside: one binary, one module for each part.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails, helper functions included"
)]

mod admin;
mod browser;
mod config;
mod corpus;
mod credentials;
mod csrf;
mod defects;
mod drain;
mod framing;
mod guard;
mod http2;
mod identity;
mod keyring;
mod observe;
mod paths;
mod port;
mod proxy;
mod revocation;
mod server;
mod sources;
mod spoofing;
mod store;
mod upstream;
mod wire;
