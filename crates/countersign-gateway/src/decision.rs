//! What happens to a request: plain data, the same for every entry.
//!
//! Knows no body, no connection and no protocol of an entry; an entry carries a decision out, or writes it down.

use std::sync::Arc;

use countersign::{SessionId, UnixTime};
use http::HeaderValue;

use crate::{
    credential::CookiePlace, error::Refusal, guard::IdentityHeaders, keyring::SignedToken,
    revocation::Holder, route::Route,
};

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It goes on with our token instead of its credential.
    Forward(Forward),
    /// It goes on without a token.
    Pass(Pass),
    /// It is turned away.
    Refuse(Refuse),
}

/// A request that goes on with our token.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Its route.
    pub route: Arc<Route>,
    /// The token to send, in place of whatever `Authorization` the request had. The session cookie is removed.
    pub set: Arc<SignedToken>,
    /// Where the session cookie stands, if that is known.
    pub cookie: Option<CookiePlace>,
    /// Whether the service gets that token. Default true.
    pub sends_token: bool,
    /// What the service is told of the caller in headers of their own.
    pub identity: Option<Box<IdentityHeaders>>,
    /// The session cookie that the authorization server put in the place of the request's: for the answer, which then
    /// no cache may store.
    pub set_cookie: Option<HeaderValue>,
    /// When a stream that this request opens has to end: the end of the session.
    pub not_after: UnixTime,
    /// Whose it is. A stream ends sooner if the session or that token is revoked.
    pub holder: Holder,
}

impl Forward {
    /// Whose session.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        self.holder.session()
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

/// A request that is turned away.
#[derive(Debug, Clone)]
pub struct Refuse {
    /// Why.
    pub refusal: Refusal,
    /// Its route, if one matched.
    pub route: Option<Arc<Route>>,
    /// Whose session, if one was found.
    pub session: Option<SessionId>,
}

impl Refuse {
    /// Turned away on a route.
    pub(crate) fn on(route: &Arc<Route>, refusal: Refusal) -> Self {
        Self { refusal, route: Some(Arc::clone(route)), session: None }
    }

    /// Turned away before it had a route.
    pub(crate) const fn without_route(refusal: Refusal) -> Self {
        Self { refusal, route: None, session: None }
    }

    /// The session is known.
    pub(crate) fn of(self, session: &SessionId) -> Self {
        Self { session: Some(session.clone()), ..self }
    }
}

/// What is taken from a request that goes on without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remove {
    /// The credential and every identity header.
    Credential,
    /// Identity headers only: the old application keeps its cookie and `Authorization`.
    IdentityHeaders,
}
