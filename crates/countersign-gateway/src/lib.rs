//! The Countersign gateway as a library: a session goes in, a signed access token comes out.

pub mod config;
pub mod credential;
pub mod entropy;
pub mod error;
pub mod http;
pub mod identity;
pub mod keyring;
pub mod metadata;
pub mod observe;
pub mod server;
pub mod session;
pub mod store;
pub mod upstream;
