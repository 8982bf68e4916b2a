//! Credential → session: the only stage that asks the authorization server.

pub mod source;
