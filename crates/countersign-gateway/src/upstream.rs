//! The way to the services: connections, time-outs, health, and bodies that are never buffered.

mod body;
mod connect;
mod deadline;
mod error;
mod forwarded;
mod framing;
mod http1;
mod http2;
mod inbound;
mod origin;
mod pools;
mod received;
mod request;
mod stream;
mod target;
mod tls;
mod tunnel;

pub use body::Body;
pub use connect::NAMES_TTL;
pub use deadline::Deadline;
pub use error::{BodyError, Unreachable, UpstreamError};
pub use forwarded::{Forwarded, Scheme, render};
pub use http1::{AnswerHead, AnswerReader};
pub use inbound::Inbound;
pub use origin::{CONNECTING, EJECT_FAILURES, EJECT_TIME, EJECT_WINDOW, IDLE_AGE};
pub use pools::{PATIENCE, Pools};
pub use received::Received;
pub use request::UpstreamRequest;
pub(crate) use stream::Stream;
pub use target::{Registry, Target};
pub use tunnel::Term;
