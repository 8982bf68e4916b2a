//! The gateway from outside: one binary, one module for each part.

mod keyring;
mod store;
