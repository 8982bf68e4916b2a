//! Revocations: what an issuer says about tokens that must no longer be accepted, and the table that knows them.
//!
//! # Which token a revocation concerns
//! 1. A [`Target::Session`] or [`Target::Token`]: every token with exactly that `sid`, that `jti`; and every token that
//!    was exchanged for one with that `jti`, which says so in `derived_from`.
//! 2. A [`Target::Subject`], [`Target::Organisation`] or [`Target::All`]: every such token with `iat` at or before
//!    [`Revocation::at`]. Time has whole seconds, so the issuer signs nothing for the target in the second of its
//!    revocation.
//! 3. A [`Target::IssuedTo`]: every token with that `sid` and `iat` at or before [`Revocation::at`]. The session goes on,
//!    and its later tokens say something else: less power, another organisation, another user.
//! 4. Several revocations of one target are one: the later `at`, the later `expires`.
//! 5. From [`Revocation::expires`] on no token it concerns can be alive, and it is forgotten.
//!
//! # The feed
//! An issuer publishes its revocations in one order. A [`Cursor`] is a place in it: an epoch, and a number that grows
//! by one with each event of the epoch. Each message is one compact JWS of `typ: secevent+jwt`
//! ([RFC 8417 §2.3](https://www.rfc-editor.org/rfc/rfc8417#section-2.3)), signed with the issuer's asymmetric key:
//!
//! 1. `iss` is the issuer, `aud` the issuer followed by `/revocations`, `iat` and `jti` are there; `sub`, `exp` and
//!    `nbf` are not ([RFC 8417 §2.2.4](https://www.rfc-editor.org/rfc/rfc8417#section-2.2.4)); `events` has exactly one
//!    member.
//! 2. `https://schemas.openid.net/secevent/caep/event-type/session-revoked` with `epoch`, `seq`, `event_timestamp`,
//!    `expires` and perhaps `reason`, or `urn:countersign:event:lifted` with `epoch` and `seq`. `sub_id`
//!    ([RFC 9493](https://www.rfc-editor.org/rfc/rfc9493)) names the target: `complex` with one of `session`, `user`
//!    and `tenant`, `jwt_id` for one token, the `opaque` id `*` for all.
//! 3. `https://schemas.openid.net/secevent/caep/event-type/token-claims-change` with the same members and `claims`, which
//!    has the least `iat` of a good token: what was issued to that session until `event_timestamp` is revoked.
//!    `urn:countersign:event:token-claims-change-lifted` takes it back. `sub_id` is the session's.
//! 4. `urn:countersign:event:keys-changed` and `urn:countersign:event:heartbeat` with `epoch` and `seq`. A heartbeat
//!    carries the number of the newest message, and takes none itself.
//! 5. `urn:countersign:event:snapshot` with `epoch`, `seq`, `page`, `last` and `entries`, each
//!    `[kind, id, at, expires]`: everything in force at that cursor, at most [`SnapshotPage::MAX_ENTRIES`] a page. All
//!    pages of one snapshot have one cursor.
//!
//! [`FeedReader`] reads messages and `FeedWriter` (feature `sign`) writes them.

mod cursor;
mod message;
mod reader;
mod table;
#[cfg(feature = "sign")]
mod writer;

pub use cursor::{Cursor, Epoch, InvalidCursor};
pub use message::{MAX_EVENT_BYTES, MAX_PAGE_BYTES, MessageError, Received, SnapshotPage};
pub use reader::FeedReader;
pub use table::{Revoked, TableFull};
#[cfg(feature = "sign")]
pub use writer::{FeedWriter, Stamp, WriteError};

use crate::{OrganisationId, SessionId, Subject, TokenId, UnixTime};

/// What is revoked, of one issuer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Every token.
    All,
    /// Every token of that session that was issued until then. Later ones are good.
    IssuedTo(SessionId),
    /// Every token of that organisation.
    Organisation(OrganisationId),
    /// Every token of that session.
    Session(SessionId),
    /// Every token of that subject.
    Subject(Subject),
    /// That token.
    Token(TokenId),
}

impl Target {
    /// The word for it in snapshots, logs and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::IssuedTo(_) => "issued_to",
            Self::Organisation(_) => "organisation",
            Self::Session(_) => "session",
            Self::Subject(_) => "subject",
            Self::Token(_) => "token",
        }
    }

    /// The name of what is revoked; `*` for all.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::All => ALL_ID,
            Self::Organisation(id) => id.as_str(),
            Self::IssuedTo(id) | Self::Session(id) => id.as_str(),
            Self::Subject(id) => id.as_str(),
            Self::Token(id) => id.as_str(),
        }
    }

    /// The target of that kind and name; `None` for an unknown kind, a name that is empty or longer than
    /// [`Self::MAX_ID_BYTES`], and what cannot be an organisation.
    #[must_use]
    pub fn from_parts(kind: &str, id: &str) -> Option<Self> {
        if id.is_empty() || id.len() > Self::MAX_ID_BYTES {
            return None;
        }
        match kind {
            "all" => (id == ALL_ID).then_some(Self::All),
            "issued_to" => Some(Self::IssuedTo(id.into())),
            "organisation" => OrganisationId::new(id).ok().map(Self::Organisation),
            "session" => Some(Self::Session(id.into())),
            "subject" => Some(Self::Subject(id.into())),
            "token" => Some(Self::Token(id.into())),
            _ => None,
        }
    }

    /// The longest name of a target, in bytes: no longer one is in any accepted token.
    pub const MAX_ID_BYTES: usize = crate::jws::MAX_BYTES;
}

/// What stands for "every" in a message.
const ALL_ID: &str = "*";

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What is revoked.
    pub target: Target,
    /// When. Of anything but a session or a token, it concerns tokens issued at that second or before it.
    pub at: UnixTime,
    /// The first moment at which no token it concerns can be alive.
    pub expires: UnixTime,
}

/// What one event of the feed says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Nothing new. Its cursor is that of the newest event.
    Heartbeat,
    /// The issuer publishes other keys than before.
    KeysChanged,
    /// The revocation of that target holds no longer.
    Lifted(Target),
    /// This is revoked.
    Revoked(Revocation),
}

/// One event, and its place in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place.
    pub cursor: Cursor,
    /// What it says.
    pub what: What,
}

#[cfg(test)]
#[cfg(feature = "testkit")]
mod tests;
