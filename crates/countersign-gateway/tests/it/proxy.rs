//! The whole gateway in this process: a scripted authorization server, a recording service, raw bytes.

mod counted;
pub(crate) mod house;
mod job;
mod keep_alive;
mod reload;
mod rotation;
mod streams;
