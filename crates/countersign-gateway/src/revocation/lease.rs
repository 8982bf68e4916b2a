//! What a stream holds while it is open, so that it ends with its session.

use std::{fmt, sync::Arc, time::Duration};

use countersign::SessionId;

use super::Ledger;
use crate::keyring::SignedToken;

/// How often a stream that waits looks whether its session was revoked.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Whoever a revocation can concern.
pub trait Concern: Send + Sync + fmt::Debug {
    /// Our name for it.
    fn session(&self) -> &SessionId;

    /// Whether it is revoked, or the token that a stream was opened with is, as the ledger knows where there is one.
    fn is_revoked(&self, ledger: Option<&Ledger>, token: Option<&SignedToken>) -> bool;
}

/// The right of a session, or of another issuer's token, to an open stream. For a session, looking is one comparison as
/// long as nothing was revoked since the last look.
///
/// A stream has no more rights than the token that the service was given with it: where that token is revoked and the
/// session is not (it has lost a role, the server said "no", a service gave the token back), the stream ends all the same,
/// and whoever has the session opens another, with another token.
#[derive(Debug, Clone)]
pub struct Lease {
    who: Arc<dyn Concern>,
    /// `None`: what is revoked is another issuer's to say.
    ledger: Option<Arc<Ledger>>,
    /// What the service was given.
    token: Option<Arc<SignedToken>>,
    seen: u64,
}

/// Whose a request is, and what the service was given with it: of this a lease is made, where the answer turns out to be a
/// stream.
#[derive(Debug, Clone)]
pub struct Holder {
    who: Arc<dyn Concern>,
    issuer: Issuer,
    token: Option<Arc<SignedToken>>,
}

/// Who says what is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Issuer {
    /// This gateway.
    Own,
    Another,
}

impl Holder {
    /// A session that was just found not to be revoked.
    #[must_use]
    pub fn of_session(who: Arc<dyn Concern>) -> Self {
        Self { who, issuer: Issuer::Own, token: None }
    }

    /// Another issuer's token that was just found good.
    #[must_use]
    pub fn of_token(who: Arc<dyn Concern>) -> Self {
        Self { who, issuer: Issuer::Another, token: None }
    }

    /// The service is given this token.
    #[must_use]
    pub fn given(self, token: Arc<SignedToken>) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The token that the service is given.
    #[must_use]
    pub fn token(&self) -> Option<&SignedToken> {
        self.token.as_deref()
    }

    /// Whose session.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        self.who.session()
    }

    /// The right to an open stream. `ledger` is this gateway's.
    #[must_use]
    pub fn lease(&self, ledger: &Arc<Ledger>) -> Lease {
        let ledger = match self.issuer {
            Issuer::Own => Some(Arc::clone(ledger)),
            Issuer::Another => None,
        };
        // A revocation since the finding is found at the first look.
        Lease { who: Arc::clone(&self.who), ledger, token: self.token.clone(), seen: 0 }
    }
}

impl Lease {
    /// Whether it was revoked.
    pub fn is_over(&mut self) -> bool {
        if let Some(ledger) = &self.ledger {
            let generation = ledger.generation();
            if generation == self.seen {
                return false;
            }
            self.seen = generation;
        }
        self.who.is_revoked(self.ledger.as_deref(), self.token.as_deref())
    }
}
