//! What happens to a request: plain data, the same for every entry.
//!
//! Knows no body, no connection and no protocol of an entry; an entry carries a decision out, or writes it down.

use std::sync::Arc;

use countersign::{SessionId, UnixTime};
use http::HeaderValue;

use crate::{error::Refusal, keyring::SignedToken, route::Route};

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It goes on with our token instead of its credential.
    Forward(Forward),
    /// It goes on without a token.
    Pass(Pass),
    /// It is turned away.
    Refuse(Refusal),
}

/// A request that goes on with our token.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Its route.
    pub route: Arc<Route>,
    /// The token to send, in place of whatever `Authorization` the request had. The session cookie is removed.
    pub set: Arc<SignedToken>,
    /// Whose session.
    pub session: SessionId,
    /// When a stream that this request opens has to end: the end of the session.
    pub not_after: UnixTime,
}

impl Forward {
    /// Value of the `Authorization` header: rendered when the token was signed, shared since.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        self.set.header_value().clone()
    }
}

/// A request that goes on without a token.
#[derive(Debug, Clone)]
pub struct Pass {
    /// Its route.
    pub route: Arc<Route>,
    /// What is taken from it.
    pub remove: Remove,
}

/// What is taken from a request that goes on without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remove {
    /// The credential and every identity header.
    Credential,
    /// Identity headers only: the old application keeps its cookie and `Authorization`.
    IdentityHeaders,
}
