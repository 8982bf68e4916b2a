//! Tests of the library as its users see it.

mod oracle;
mod rfc7515;
mod rfc7517;
mod rfc7520;
mod rfc7638;
mod rfc8037;
mod service;
mod support;
mod vectors;
