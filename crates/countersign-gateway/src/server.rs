//! The listeners, the data workers and the end of both.

pub mod head_guard;

mod handler;
mod outbound;

pub use handler::{Connection, Handler, Worker};
pub use outbound::Outbound;
