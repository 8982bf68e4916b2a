//! The built binary as a black box: flags, exit codes, what it prints.

mod check;
mod command;
mod config;
mod running;
mod token;
