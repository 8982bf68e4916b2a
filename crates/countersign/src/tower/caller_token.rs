//! The token a request came with, kept for calls in the caller's name.

use std::{fmt, sync::Arc};

use crate::{Audience, Secret, VerifiedClaims};

/// The verified token of a request: a credential. A clone is cheap; the bytes are wiped with the last one.
///
/// [`Authenticate::keep_token`](super::Authenticate::keep_token) puts it into the request's extensions. Move it into
/// the extensions of an outgoing request whose client has the exchange layer (feature `remote`); nothing else is to
/// be done with it.
#[derive(Clone)]
pub struct CallerToken(Arc<Kept>);

struct Kept {
    token: Secret<String>,
    claims: VerifiedClaims,
}

impl CallerToken {
    /// Only of a token that was verified, and so is text.
    pub(crate) fn new(token: Vec<u8>, claims: &VerifiedClaims) -> Option<Self> {
        let token = Secret::new(String::from_utf8(token).ok()?);
        Some(Self(Arc::new(Kept { token, claims: claims.clone() })))
    }

    /// The service the token is for.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        self.0.claims.audience()
    }

    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &VerifiedClaims {
        &self.0.claims
    }

    /// The token itself.
    #[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "only an exchange sends it anywhere"))]
    pub(crate) fn expose(&self) -> &str {
        self.0.token.expose()
    }
}

impl fmt::Debug for CallerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerToken").field("audience", self.audience()).finish_non_exhaustive()
    }
}
