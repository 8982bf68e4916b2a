//! Audits of services that run in the test.

mod faults;
mod service;
