//! The end of the gateway: no answer is lost.

mod http1;
mod http2;
mod many;
