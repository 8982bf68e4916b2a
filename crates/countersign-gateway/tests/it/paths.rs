//! Paths: one reading, or none.

mod readings;
