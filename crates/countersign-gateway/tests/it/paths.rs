//! Paths: one reading, or none.

mod readings;
mod requests;
