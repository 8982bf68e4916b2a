//! Tests of the library as its users see it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails, helper functions included"
)]

mod against_jsonwebtoken;
mod corpora;
mod grpc;
mod interop;
mod oracle;
mod pem;
mod proofs;
mod rfc7515;
mod rfc7517;
mod rfc7520;
mod rfc7638;
mod rfc7797;
mod rfc8017;
mod rfc8037;
mod rfc9068;
mod rfc9449;
mod sections;
mod service;
mod support;
mod vectors;
