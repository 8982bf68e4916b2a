//! The built binary as a black box: flags, exit codes, what it prints.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails, helper functions included"
)]

mod activated;
mod check;
mod command;
mod config;
mod explain;
mod guard;
mod outages;
#[path = "../../../countersign-gateway/tests/it/port.rs"]
mod port;
mod revoking;
mod rls;
mod running;
mod server;
mod token;
