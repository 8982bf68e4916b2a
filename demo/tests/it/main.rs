//! The story, told through a stand-in for the gateway: one that does the job, and ones that fail at one thing each.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails, helper functions included"
)]

mod audited_gateway;
mod gateway;
mod legacy;
#[path = "../../../crates/countersign-gateway/tests/it/port.rs"]
mod port;
mod stand_in;
mod story;
