//! Writes the messages of a feed (feature `sign`).

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::{
    ALL_ID, Event, Revocation, SnapshotPage, Target, What,
    message::{
        AUDIENCE_SUFFIX, CLAIMS_CHANGE_LIFTED, CLAIMS_CHANGED, HEARTBEAT, KEYS_CHANGED, LIFTED, REVOKED,
        SNAPSHOT, TYPE,
    },
};
use crate::{Issuer, SignError, SigningKey, TokenId, UnixTime, jws::KeyError};

/// Writes messages of one issuer's feed, for a [`FeedReader`](super::FeedReader) to read.
#[derive(Debug, Clone)]
pub struct FeedWriter {
    issuer: Issuer,
    audience: String,
}

/// What a message says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// When it is signed (`iat`).
    pub issued_at: UnixTime,
    /// Its name (`jti`), of which there is no other.
    pub token_id: &'a TokenId,
    /// Why something is revoked, for people who read the feed; no reader acts on it. Left out of what is not a
    /// revocation.
    pub reason: Option<&'a str>,
}

/// Why a message was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A target's name is empty or longer than [`Target::MAX_ID_BYTES`]: nobody would read the message.
    #[error("a target's name is empty or too long for a message")]
    TargetName,
    /// The page has more than [`SnapshotPage::MAX_ENTRIES`].
    #[error("the page has too many entries")]
    TooManyEntries,
    /// It could not be signed; a shared secret cannot sign messages.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// The payload, its members in this order.
#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a Issuer,
    aud: &'a str,
    iat: UnixTime,
    jti: &'a TokenId,
    events: OneEvent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_id: Option<Value>,
}

struct OneEvent<'a> {
    kind: &'static str,
    body: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    epoch: &'a str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_timestamp: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<LaterIat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<(&'static str, &'a str, UnixTime, UnixTime)>>,
}

/// What good tokens say from now on.
#[derive(Serialize)]
struct LaterIat {
    iat: UnixTime,
}

impl Serialize for OneEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.kind, &self.body)?;
        map.end()
    }
}

impl FeedWriter {
    /// Writes in the name of that issuer.
    #[must_use]
    pub fn new(issuer: impl Into<Issuer>) -> Self {
        let issuer = issuer.into();
        let audience = format!("{issuer}{AUDIENCE_SUFFIX}");
        Self { issuer, audience }
    }

    /// Signs an event.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn event(&self, event: &Event, stamp: &Stamp<'_>, key: &SigningKey) -> Result<String, WriteError> {
        let mut body = Body::at(event.cursor.epoch.as_str(), event.cursor.seq);
        let (kind, target) = match &event.what {
            What::Heartbeat => (HEARTBEAT, None),
            What::KeysChanged => (KEYS_CHANGED, None),
            What::Lifted(target @ Target::IssuedTo(_)) => (CLAIMS_CHANGE_LIFTED, Some(target)),
            What::Lifted(target) => (LIFTED, Some(target)),
            What::Revoked(Revocation { target, at, expires }) => {
                body.event_timestamp = Some(*at);
                body.expires = Some(*expires);
                body.reason = stamp.reason;
                if matches!(target, Target::IssuedTo(_)) {
                    body.claims = Some(LaterIat { iat: at.saturating_add(Duration::from_secs(1)) });
                    (CLAIMS_CHANGED, Some(target))
                } else {
                    (REVOKED, Some(target))
                }
            }
        };
        let subject = target.map(|target| self.subject_identifier(target)).transpose()?;
        self.sign(OneEvent { kind, body }, subject, stamp, key)
    }

    /// Signs a page of a snapshot, as [`SnapshotPage::pages`] cuts it.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn page(
        &self,
        page: &SnapshotPage,
        stamp: &Stamp<'_>,
        key: &SigningKey,
    ) -> Result<String, WriteError> {
        if page.entries.len() > SnapshotPage::MAX_ENTRIES {
            return Err(WriteError::TooManyEntries);
        }
        let mut entries = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            entries.push((entry.target.kind(), checked_id(&entry.target)?, entry.at, entry.expires));
        }
        let body = Body {
            page: Some(page.page),
            last: Some(page.last),
            entries: Some(entries),
            ..Body::at(page.cursor.epoch.as_str(), page.cursor.seq)
        };
        self.sign(OneEvent { kind: SNAPSHOT, body }, None, stamp, key)
    }

    fn subject_identifier(&self, target: &Target) -> Result<Value, WriteError> {
        let id = checked_id(target)?;
        let opaque = json!({ "format": "opaque", "id": id });
        let iss = self.issuer.as_str();
        Ok(match target {
            Target::All => json!({ "format": "opaque", "id": ALL_ID }),
            Target::Organisation(_) => json!({ "format": "complex", "tenant": opaque }),
            Target::IssuedTo(_) | Target::Session(_) => json!({ "format": "complex", "session": opaque }),
            Target::Subject(_) => {
                json!({ "format": "complex", "user": { "format": "iss_sub", "iss": iss, "sub": id } })
            }
            Target::Token(_) => json!({ "format": "jwt_id", "iss": iss, "jti": id }),
        })
    }

    fn sign(
        &self,
        events: OneEvent<'_>,
        sub_id: Option<Value>,
        stamp: &Stamp<'_>,
        key: &SigningKey,
    ) -> Result<String, WriteError> {
        // Who can read with a shared secret could write with it too.
        if key.algorithm().is_symmetric() {
            return Err(SignError::Key(KeyError::AlgorithmMismatch).into());
        }
        let payload = Payload {
            iss: &self.issuer,
            aud: &self.audience,
            iat: stamp.issued_at,
            jti: stamp.token_id,
            events,
            sub_id,
        };
        Ok(key.sign(TYPE, &payload)?)
    }
}

impl<'a> Body<'a> {
    const fn at(epoch: &'a str, seq: u64) -> Self {
        Self {
            epoch,
            seq,
            event_timestamp: None,
            expires: None,
            reason: None,
            claims: None,
            page: None,
            last: None,
            entries: None,
        }
    }
}

fn checked_id(target: &Target) -> Result<&str, WriteError> {
    let id = target.id();
    if (1..=Target::MAX_ID_BYTES).contains(&id.len()) { Ok(id) } else { Err(WriteError::TargetName) }
}
