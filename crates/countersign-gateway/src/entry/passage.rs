//! What a decision lets through, as the proxy needs it.

use std::sync::Arc;

use countersign::{SessionId, UnixTime};
use http::HeaderValue;

use crate::{
    credential::CookiePlace,
    decision::{Forward, Pass, Refuse, Remove},
    error::Refusal,
    guard::IdentityHeaders,
    keyring::SignedToken,
    revocation::Holder,
    route::Route,
};

/// A request that goes on, with a token or without.
pub(super) struct Passage {
    pub(super) route: Arc<Route>,
    pub(super) remove: Remove,
    /// Where the session cookie stands, if that is known.
    pub(super) cookie: Option<CookiePlace>,
    /// The service gets the token that the holder was given.
    sends_token: bool,
    pub(super) identity: Option<Box<IdentityHeaders>>,
    pub(super) set_cookie: Option<HeaderValue>,
    /// When a stream has to end: at the session's end.
    pub(super) not_after: Option<UnixTime>,
    /// Whose it is: a stream ends with the right to it.
    pub(super) holder: Option<Holder>,
}

impl Passage {
    /// What the service gets as `Authorization`: rendered when the token was signed, shared since.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        let token = self.holder.as_ref().and_then(Holder::token);
        token.filter(|_| self.sends_token).map(SignedToken::header_value)
    }

    /// Whose session.
    pub(super) fn session(&self) -> Option<&SessionId> {
        self.holder.as_ref().map(Holder::session)
    }

    /// It is turned away after all.
    pub(super) fn refuse(&self, refusal: Refusal) -> Refuse {
        Refuse { refusal, route: Some(Arc::clone(&self.route)), session: self.session().cloned() }
    }
}

impl From<Pass> for Passage {
    #[inline]
    fn from(Pass { route, remove }: Pass) -> Self {
        Self {
            route,
            remove,
            cookie: None,
            sends_token: false,
            identity: None,
            set_cookie: None,
            not_after: None,
            holder: None,
        }
    }
}

impl From<Forward> for Passage {
    #[inline]
    fn from(forward: Forward) -> Self {
        Self {
            route: forward.route,
            remove: Remove::Credential,
            cookie: forward.cookie,
            sends_token: forward.sends_token,
            identity: forward.identity,
            set_cookie: forward.set_cookie,
            not_after: Some(forward.not_after),
            holder: Some(forward.holder.given(forward.set)),
        }
    }
}
