//! What the messages of a feed have in common, read or written.

use super::{Cursor, Revocation};
use crate::{TokenId, UnixTime, jws::JwsError};

/// The `typ` of every message (RFC 8417 §2.3).
pub(super) const TYPE: &str = "secevent+jwt";
/// What follows the issuer in `aud`.
pub(super) const AUDIENCE_SUFFIX: &str = "/revocations";

pub(super) const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
pub(super) const CLAIMS_CHANGED: &str =
    "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";
pub(super) const CLAIMS_CHANGE_LIFTED: &str = "urn:countersign:event:token-claims-change-lifted";
pub(super) const LIFTED: &str = "urn:countersign:event:lifted";
pub(super) const KEYS_CHANGED: &str = "urn:countersign:event:keys-changed";
pub(super) const HEARTBEAT: &str = "urn:countersign:event:heartbeat";
pub(super) const SNAPSHOT: &str = "urn:countersign:event:snapshot";

/// The longest event that is read, as a compact JWS, in bytes: 128 KiB.
pub const MAX_EVENT_BYTES: usize = 128 << 10;
/// The longest page of a snapshot that is read, as a compact JWS, in bytes: 8 MiB.
pub const MAX_PAGE_BYTES: usize = 8 << 20;

/// A message whose signature holds, and what its envelope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<T> {
    /// When it was signed (`iat`).
    pub issued_at: UnixTime,
    /// Its name (`jti`).
    pub token_id: TokenId,
    /// What it says.
    pub content: T,
}

/// A part of everything that is revoked at one cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPage {
    /// The place in the feed from which to go on: the same on all pages of one snapshot.
    pub cursor: Cursor,
    /// Its number, from 0.
    pub page: u32,
    /// True if no page follows.
    pub last: bool,
    /// What is revoked.
    pub entries: Vec<Revocation>,
}

impl SnapshotPage {
    /// The most entries of a page: 10,000.
    pub const MAX_ENTRIES: usize = 10_000;

    /// Cuts a snapshot into pages of at most [`Self::MAX_ENTRIES`] entries and less than [`MAX_PAGE_BYTES`]. There is
    /// always one page, be it empty.
    #[must_use]
    pub fn pages(cursor: &Cursor, entries: impl IntoIterator<Item = Revocation>) -> Vec<Self> {
        // What an entry takes beside its id, and what its id takes where each byte must be escaped.
        const FRAME: usize = 64;
        const ESCAPED: usize = 6;
        // As JSON; base64 makes four bytes of three.
        const BUDGET: usize = MAX_PAGE_BYTES / 2;

        let empty = |page| Self { cursor: cursor.clone(), page, last: false, entries: Vec::new() };
        let (mut pages, mut page, mut bytes) = (Vec::new(), empty(0), 0);
        for entry in entries {
            let takes = FRAME + ESCAPED * entry.target.id().len();
            if page.entries.len() == Self::MAX_ENTRIES || bytes + takes > BUDGET {
                let next = empty(page.page.saturating_add(1));
                pages.push(std::mem::replace(&mut page, next));
                bytes = 0;
            }
            bytes += takes;
            page.entries.push(entry);
        }
        page.last = true;
        pages.push(page);
        pages
    }
}

/// Why a message of a feed was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is for somebody else (`aud`).
    #[error("the message is not for those who follow this issuer's revocations")]
    Audience,
    /// A member of that name is missing, of the wrong type, or there although it must not be.
    #[error("`{0}` of the message is missing, malformed or does not belong there")]
    Envelope(&'static str),
    /// A member of that name of the event is missing or malformed.
    #[error("`{0}` of the event is missing or malformed")]
    Event(&'static str),
    /// Not one event, or none that is expected here.
    #[error("the message does not have exactly one event of an expected kind")]
    EventKind,
    /// It is another issuer's.
    #[error("the message is another issuer's")]
    Issuer,
    /// Not a compact JWS, or its signature is not valid.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// The key set has no key of that name, or the message names none and there is more than one.
    #[error("the issuer has no key of that name")]
    KeyUnknown,
    /// The payload is not one JSON object without doubled members.
    #[error("the payload is malformed")]
    Payload,
    /// Whom or what it is about cannot be understood (RFC 9493).
    #[error("`sub_id` does not name exactly one target")]
    SubjectIdentifier,
    /// Signed, but no security event (RFC 8417 §2.3).
    #[error("the message is not a security event")]
    Type,
}
