//! Reads the messages of a feed: strictly, and only what the issuer's keys have signed.

use super::{
    ALL_ID, Cursor, Epoch, Event, MessageError, Received, Revocation, SnapshotPage, Target, What,
    message::{
        AUDIENCE_SUFFIX, CLAIMS_CHANGE_LIFTED, CLAIMS_CHANGED, HEARTBEAT, KEYS_CHANGED, LIFTED,
        MAX_EVENT_BYTES, MAX_PAGE_BYTES, REVOKED, SNAPSHOT, TYPE,
    },
};
use crate::{
    Issuer, KeySet, UnixTime,
    json::{self, Json, Object},
    jws::Unverified,
};

/// Reads messages of one issuer's feed.
///
/// A forged or replayed message could end anybody's session or keep a revoked token alive. So nothing is believed
/// before the signature holds with a key of the issuer's set; whether a message is *new* is for the one who follows
/// the feed to say, by its [`Cursor`] and [`Received::issued_at`].
#[derive(Debug, Clone)]
pub struct FeedReader {
    issuer: Issuer,
    audience: String,
}

impl FeedReader {
    /// Reads what that issuer signs.
    #[must_use]
    pub fn new(issuer: impl Into<Issuer>) -> Self {
        let issuer = issuer.into();
        let audience = format!("{issuer}{AUDIENCE_SUFFIX}");
        Self { issuer, audience }
    }

    /// Whose feed it is.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Reads an event of at most [`MAX_EVENT_BYTES`].
    ///
    /// # Errors
    /// [`MessageError`]; [`MessageError::EventKind`] for a page of a snapshot.
    pub fn read_event(&self, message: &[u8], keys: &KeySet) -> Result<Received<Event>, MessageError> {
        self.read(message, MAX_EVENT_BYTES, keys, |envelope| self.event(envelope))
    }

    /// Reads a page of a snapshot of at most [`MAX_PAGE_BYTES`].
    ///
    /// # Errors
    /// [`MessageError`]; [`MessageError::EventKind`] for any other event.
    pub fn read_page(&self, message: &[u8], keys: &KeySet) -> Result<Received<SnapshotPage>, MessageError> {
        self.read(message, MAX_PAGE_BYTES, keys, page)
    }

    fn read<T>(
        &self,
        message: &[u8],
        max_bytes: usize,
        keys: &KeySet,
        content: impl FnOnce(&Envelope<'_>) -> Result<T, MessageError>,
    ) -> Result<Received<T>, MessageError> {
        let unverified = Unverified::parse(message, max_bytes)?;
        let key = match unverified.header().key_id() {
            Some(id) => keys.find(id.as_str()),
            None => keys.only(),
        };
        let verified = unverified.verify(key.ok_or(MessageError::KeyUnknown)?.as_ref())?;
        if !verified.header().is_type(TYPE) {
            return Err(MessageError::Type);
        }
        let members = json::object(verified.payload()).map_err(|_| MessageError::Payload)?;
        if envelope_text(&members, "iss")? != self.issuer.as_str() {
            return Err(MessageError::Issuer);
        }
        if envelope_text(&members, "aud")? != self.audience {
            return Err(MessageError::Audience);
        }
        for foreign in ["sub", "exp", "nbf"] {
            if members.member(foreign).is_some() {
                return Err(MessageError::Envelope(foreign));
            }
        }
        let issued_at = moment(members.member("iat")).ok_or(MessageError::Envelope("iat"))?;
        let token_id = envelope_text(&members, "jti")?.into();
        let Some(Json::Object(events)) = members.member("events") else {
            return Err(MessageError::Envelope("events"));
        };
        let (kind, Json::Object(body)) = events.only().ok_or(MessageError::EventKind)? else {
            return Err(MessageError::EventKind);
        };
        let envelope = Envelope { kind, body, subject: members.member("sub_id") };
        Ok(Received { issued_at, token_id, content: content(&envelope)? })
    }

    fn event(&self, envelope: &Envelope<'_>) -> Result<Event, MessageError> {
        let what = match envelope.kind {
            REVOKED => What::Revoked(Revocation { target: self.target(envelope)?, ..term(envelope.body)? }),
            CLAIMS_CHANGED => {
                if !matches!(envelope.body.member("claims"), Some(Json::Object(_))) {
                    return Err(MessageError::Event("claims"));
                }
                What::Revoked(Revocation { target: self.issued_to(envelope)?, ..term(envelope.body)? })
            }
            CLAIMS_CHANGE_LIFTED => What::Lifted(self.issued_to(envelope)?),
            LIFTED => What::Lifted(self.target(envelope)?),
            KEYS_CHANGED => What::KeysChanged,
            HEARTBEAT => What::Heartbeat,
            _ => return Err(MessageError::EventKind),
        };
        Ok(Event { cursor: cursor(envelope.body)?, what })
    }

    /// The one target a `sub_id` names. A member more could mean a narrower target to its writer, so it is refused.
    fn target(&self, envelope: &Envelope<'_>) -> Result<Target, MessageError> {
        let Some(Json::Object(subject)) = envelope.subject else {
            return Err(MessageError::SubjectIdentifier);
        };
        let found = match (text(subject, "format"), subject.len()) {
            (Some("opaque"), 2) => text(subject, "id").filter(|&id| id == ALL_ID).map(|_| Target::All),
            (Some("jwt_id"), 3) => {
                self.of_issuer(subject, "jti").and_then(|id| Target::from_parts("token", id))
            }
            (Some("complex"), 2) => self.complex_target(subject),
            _ => None,
        };
        found.ok_or(MessageError::SubjectIdentifier)
    }

    /// The tokens that were issued to the session a `sub_id` names.
    fn issued_to(&self, envelope: &Envelope<'_>) -> Result<Target, MessageError> {
        match self.target(envelope)? {
            Target::Session(session) => Ok(Target::IssuedTo(session)),
            _ => Err(MessageError::SubjectIdentifier),
        }
    }

    fn complex_target(&self, subject: &Object<'_>) -> Option<Target> {
        let part = |name| match subject.member(name) {
            Some(Json::Object(part)) => Some(part),
            _ => None,
        };
        let opaque = |part: &Object<'_>, kind| {
            let is_opaque = text(part, "format") == Some("opaque") && part.len() == 2;
            Target::from_parts(kind, text(part, "id").filter(|_| is_opaque)?)
        };
        if let Some(session) = part("session") {
            return opaque(session, "session");
        }
        if let Some(tenant) = part("tenant") {
            return opaque(tenant, "organisation");
        }
        let user = part("user").filter(|user| text(user, "format") == Some("iss_sub") && user.len() == 3)?;
        Target::from_parts("subject", self.of_issuer(user, "sub")?)
    }

    /// A name that means something for this very issuer.
    fn of_issuer<'a>(&self, identifier: &'a Object<'_>, name: &str) -> Option<&'a str> {
        text(identifier, name).filter(|_| text(identifier, "iss") == Some(self.issuer.as_str()))
    }
}

/// The parts of a believed message that differ.
struct Envelope<'a> {
    kind: &'a str,
    body: &'a Object<'a>,
    subject: Option<&'a Json<'a>>,
}

/// A revocation whose target is still to be named.
fn term(body: &Object<'_>) -> Result<Revocation, MessageError> {
    let at = moment(body.member("event_timestamp")).ok_or(MessageError::Event("event_timestamp"))?;
    let expires = moment(body.member("expires")).filter(|&expires| expires >= at);
    let expires = expires.ok_or(MessageError::Event("expires"))?;
    match body.member("reason") {
        None | Some(Json::Text(_)) => Ok(Revocation { target: Target::All, at, expires }),
        Some(_) => Err(MessageError::Event("reason")),
    }
}

fn page(envelope: &Envelope<'_>) -> Result<SnapshotPage, MessageError> {
    if envelope.kind != SNAPSHOT || envelope.subject.is_some() {
        return Err(MessageError::EventKind);
    }
    let body = envelope.body;
    let Some(Json::Array(entries)) = body.member("entries") else {
        return Err(MessageError::Event("entries"));
    };
    if entries.len() > SnapshotPage::MAX_ENTRIES {
        return Err(MessageError::Event("entries"));
    }
    let Some(&Json::Bool(last)) = body.member("last") else { return Err(MessageError::Event("last")) };
    let page = number(body.member("page")).and_then(|page| u32::try_from(page).ok());
    Ok(SnapshotPage {
        cursor: cursor(body)?,
        page: page.ok_or(MessageError::Event("page"))?,
        last,
        entries: entries.iter().map(entry).collect::<Option<_>>().ok_or(MessageError::Event("entries"))?,
    })
}

/// `[kind, id, at, expires]`
fn entry(entry: &Json<'_>) -> Option<Revocation> {
    let Json::Array(parts) = entry else { return None };
    let [kind, id, at, expires] = parts.as_slice() else { return None };
    let (at, expires) = (moment(Some(at))?, moment(Some(expires))?);
    let target = Target::from_parts(kind.text()?, id.text()?)?;
    (expires >= at).then_some(Revocation { target, at, expires })
}

fn cursor(body: &Object<'_>) -> Result<Cursor, MessageError> {
    let epoch = text(body, "epoch").and_then(|epoch| Epoch::new(epoch).ok());
    let epoch = epoch.ok_or(MessageError::Event("epoch"))?;
    let seq = number(body.member("seq")).ok_or(MessageError::Event("seq"))?;
    Ok(Cursor { epoch, seq })
}

fn envelope_text<'a>(members: &'a Object<'_>, name: &'static str) -> Result<&'a str, MessageError> {
    text(members, name).filter(|text| !text.is_empty()).ok_or(MessageError::Envelope(name))
}

fn text<'a>(members: &'a Object<'_>, name: &str) -> Option<&'a str> {
    members.member(name).and_then(Json::text)
}

const fn number(value: Option<&Json<'_>>) -> Option<u64> {
    if let Some(&Json::Unsigned(number)) = value { Some(number) } else { None }
}

/// Whole seconds up to the end of the year 9999.
fn moment(value: Option<&Json<'_>>) -> Option<UnixTime> {
    number(value).filter(|&seconds| seconds <= UnixTime::MAX.as_secs()).map(UnixTime::from_secs)
}
