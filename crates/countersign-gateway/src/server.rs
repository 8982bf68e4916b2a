//! The listeners, the data workers and the end of both.

mod handler;
mod outbound;

pub use handler::{Connection, Handler, Worker};
pub use outbound::Outbound;
