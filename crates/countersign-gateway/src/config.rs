//! The configuration: read, checked, completed.

pub mod resolved;
