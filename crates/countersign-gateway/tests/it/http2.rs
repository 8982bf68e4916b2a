//! What HTTP/2 could smuggle into HTTP/1.1, and what could exhaust the gateway, frame by frame.

mod downgrade;
mod dripping;
mod floods;
pub(crate) mod frames;
mod stalled;
