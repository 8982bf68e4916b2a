//! What is asked of the ledger, and what it answers.

use countersign::{
    OrganisationId, SessionId, Subject, TokenId, UnixTime,
    revocation::{Cursor, Target},
};

use crate::{error::Refusal, observe::RevocationReason};

/// What a revocation can name, of one session.
#[derive(Debug, Clone, Copy)]
pub struct Concerned<'a> {
    /// Our name for it.
    pub session: &'a SessionId,
    /// Other names under which it may have been revoked.
    pub others: &'a [SessionId],
    /// Whose it is.
    pub subject: &'a Subject,
    /// Whose data it opens.
    pub organisation: Option<&'a OrganisationId>,
    /// When it is proven to have begun at the earliest; `None`: nothing is proven.
    pub began: Option<UnixTime>,
}

impl Concerned<'_> {
    /// Everything whose revocation could concern the session.
    pub(super) fn targets(&self) -> impl Iterator<Item = Target> {
        let names = std::iter::once(self.session).chain(self.others).cloned().map(Target::Session);
        let organisation = self.organisation.cloned().map(Target::Organisation);
        names.chain([Target::Subject(self.subject.clone()), Target::All]).chain(organisation)
    }
}

/// What is to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// What.
    pub target: Target,
    /// The session that this is one more name of: who lifts one of its names lifts all.
    pub name_of: Option<SessionId>,
    /// Why.
    pub reason: RevocationReason,
    /// The end of the session as far as it is known; the longest session ends after `max_age` from now otherwise.
    pub session_ends: Option<UnixTime>,
    /// The end of the token; the longest ends after its life from now otherwise.
    pub token_ends: Option<UnixTime>,
}

impl Demand {
    /// A revocation of something whose end is not known.
    #[must_use]
    pub const fn new(target: Target, reason: RevocationReason) -> Self {
        Self { target, name_of: None, reason, session_ends: None, token_ends: None }
    }

    /// The revocation of a session that ends then at the latest, as far as is known.
    #[must_use]
    pub fn of_session(session: SessionId, ends: UnixTime, reason: RevocationReason) -> Self {
        Self { session_ends: Some(ends), ..Self::new(Target::Session(session), reason) }
    }

    /// The revocation of a token that ends then.
    #[must_use]
    pub fn of_token(token: TokenId, ends: UnixTime, reason: RevocationReason) -> Self {
        Self { token_ends: Some(ends), ..Self::new(Target::Token(token), reason) }
    }

    /// The same as one more name of a session.
    #[must_use]
    pub fn as_name_of(self, session: &SessionId) -> Self {
        let is_another = !matches!(&self.target, Target::Session(name) if name == session);
        Self { name_of: is_another.then(|| session.clone()), ..self }
    }
}

/// A revocation that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the log.
    pub cursor: Cursor,
}

/// Why a revocation is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrecorded {
    /// Too many wait to be written.
    #[error("too many revocations wait to be written")]
    Busy,
    /// There is no room for more.
    #[error("there is no room for more revocations")]
    Full,
    /// The gateway is ending, or keeps no revocations.
    #[error("revocations are not written any more")]
    Stopped,
    /// The store could not write it. It holds at this gateway, and is tried again.
    #[error("the store cannot write it ({0}); it holds at this gateway, and is tried again")]
    Store(&'static str),
}

impl Unrecorded {
    /// Stable name, the same in logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Stopped => "stopped",
            Self::Store(code) => code,
        }
    }
}

impl From<Unrecorded> for Refusal {
    fn from(_: Unrecorded) -> Self {
        Self::RevocationUnsettled
    }
}
