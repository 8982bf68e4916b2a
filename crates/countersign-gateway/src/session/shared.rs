//! The answers of the authorization server in a store that several gateways share, or in a file that outlives a single
//! one.
//!
//! 1. Another gateway, or one that starts, uses an answer that is there instead of asking again. It is as old there as it
//!    is: reading it never makes it fresh, and from three fifths of `recheck` on it is not served any more.
//! 2. An answer is sealed (AES-256-GCM) under a key that is derived (HKDF-SHA-256) from the credential, a secret of the
//!    key ring and the digest of the settings that say what is asked. The name it is kept under, when it was asked for and
//!    its end are authenticated with it. Who reads the store learns nothing from it; who writes it can make no answer,
//!    change none, and let none stand for another credential; what is put back is as old as it was.
//! 3. What cannot be opened is as good as nothing; for what is from the future or too old the server is asked, and its
//!    answer compared with it.
//! 4. A revocation is checked after an answer was read, like after any other.
//!
//! The store's failure costs a look-up the time-out of the store at most, and nothing for a while afterwards.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
};
use countersign::{Secret, SessionId, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{cache::Entry, key::SessionKey, source::Answer};
use crate::{
    clock::{Moment, Now},
    credential::{CredentialKind, OwnedCredential},
};

/// The form of what is kept.
const VERSION: u8 = 2;
/// `version ‖ asked at ‖ nonce`.
const HEADER_BYTES: usize = 1 + 8 + NONCE_LEN;
/// An answer longer than this is not kept.
const MAX_BYTES: usize = 128 * 1024;

/// What a shared cache found, if it could look.
pub type Found<'a> = Pin<Box<dyn Future<Output = Result<Option<Vec<u8>>, Unread>> + Send + 'a>>;

/// The cache did not answer in time: there may be something. It is not overwritten, so that it is found later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread;

/// Keeps sealed answers where other gateways find them. Loses any of them at any time.
pub trait SharedCache: Send + Sync + fmt::Debug {
    /// What is kept under a name; `None` if nothing is. Ends within the store's time-out.
    ///
    /// # Errors
    /// [`Unread`].
    fn find<'a>(&'a self, name: &'a str) -> Found<'a>;

    /// Keeps a value for so long. Does not wait.
    fn keep(&self, name: String, value: Vec<u8>, life: Duration);

    /// Drops a value. Does not wait.
    fn forget(&self, name: String);
}

/// An answer that was opened, however old.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) answer: Answer,
    pub(super) asked_at: UnixTime,
    pub(super) sid: SessionId,
}

impl Opened {
    /// The answer, unless it was asked for in the future or more than `oldest` ago.
    pub(super) fn aged(self, oldest: Duration, now: Now) -> Option<Shared> {
        let asked_at = aged(self.asked_at, oldest, now)?;
        Some(Shared { answer: self.answer, asked_at, sid: self.sid })
    }
}

/// An answer that may be served.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) answer: Answer,
    pub(super) asked_at: Now,
    pub(super) sid: SessionId,
}

/// Seals the answers of one way of asking.
#[derive(Clone)]
pub(super) struct AnswerSealer {
    salt: Secret<[u8; 32]>,
    /// Every answer is under the same key, which a test must notice.
    #[cfg(test)]
    pub(super) is_for_anybody: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    session: Map<String, Value>,
    userinfo: Option<Map<String, Value>>,
    ends: Option<UnixTime>,
    sid: SessionId,
}

impl fmt::Debug for AnswerSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerSealer([redacted])")
    }
}

/// The derived keys of one credential.
struct Keys {
    sealing: LessSafeKey,
    nonces: hmac::Key,
}

/// Sixty-four bytes of derived key.
struct Wanted;

impl hkdf::KeyType for Wanted {
    fn len(&self) -> usize {
        64
    }
}

impl AnswerSealer {
    /// `salt` is derived from the key ring's secret and the settings.
    pub(super) const fn new(salt: [u8; 32]) -> Self {
        Self {
            salt: Secret::new(salt),
            #[cfg(test)]
            is_for_anybody: false,
        }
    }

    /// Seals an answer; `None` if it cannot be kept.
    pub(super) fn seal(
        &self,
        key: &SessionKey,
        credential: &OwnedCredential,
        answer: &Answer,
        entry: &Entry,
        asked_at: UnixTime,
    ) -> Option<Vec<u8>> {
        let kept = Kept {
            session: answer.session.clone(),
            userinfo: answer.userinfo.clone(),
            ends: answer.ends,
            sid: entry.sid.clone(),
        };
        let plain = Zeroizing::new(serde_json::to_vec(&kept).ok()?);
        if plain.len() > MAX_BYTES {
            return None;
        }
        let keys = self.keys(credential)?;
        let moment = asked_at.as_secs().to_be_bytes();
        let bound = self.bound(key, &moment);
        // A nonce made of what it seals: used again only for the very same.
        let mut mac = hmac::Context::with_key(&keys.nonces);
        mac.update(&bound);
        mac.update(&plain);
        let nonce = mac.sign().as_ref().first_chunk::<NONCE_LEN>().copied()?;
        let mut body = Vec::with_capacity(HEADER_BYTES + plain.len() + AES_256_GCM.tag_len());
        body.extend_from_slice(&plain);
        keys.sealing
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut body)
            .ok()?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&moment);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut body);
        Some(sealed)
    }

    /// Opens what was sealed for this key and credential, unless its end has come.
    pub(super) fn open(
        &self,
        key: &SessionKey,
        credential: &OwnedCredential,
        sealed: &[u8],
        now: Now,
    ) -> Option<Opened> {
        let (version, rest) = sealed.split_first()?;
        let (moment, rest) = rest.split_first_chunk::<8>()?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *version != VERSION || sealed.len() > MAX_BYTES * 2 {
            return None;
        }
        let asked_at = UnixTime::from_secs(u64::from_be_bytes(*moment));
        let mut body = Zeroizing::new(body.to_vec());
        let keys = self.keys(credential)?;
        let bound = Aad::from(self.bound(key, moment));
        let plain =
            keys.sealing.open_in_place(Nonce::assume_unique_for_key(*nonce), bound, &mut body).ok()?;
        let Kept { session, userinfo, ends, sid } = serde_json::from_slice(plain).ok()?;
        if ends.is_some_and(|ends| ends <= now.wall) {
            return None;
        }
        Some(Opened { answer: Answer { session, userinfo, ends, new_cookie: None }, asked_at, sid })
    }

    fn keys(&self, credential: &OwnedCredential) -> Option<Keys> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, self.salt.expose());
        let kind: &[u8] = match credential.kind {
            CredentialKind::Bearer => b"bearer",
            CredentialKind::Cookie => b"cookie",
        };
        let secret = credential.value.expose().as_bytes();
        #[cfg(test)]
        let secret = if self.is_for_anybody { b"" } else { secret };
        let extracted = salt.extract(secret);
        let mut derived = Zeroizing::new([0; 64]);
        extracted
            .expand(&[b"countersign shared answer\0", kind], Wanted)
            .and_then(|okm| okm.fill(&mut *derived))
            .ok()?;
        let (sealing, nonces) = derived.split_at_checked(32)?;
        Some(Keys {
            sealing: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, sealing).ok()?),
            nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces),
        })
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests bind answers to nothing"))]
    fn bound(&self, key: &SessionKey, moment: &[u8; 8]) -> Vec<u8> {
        let mut bound = b"countersign shared answer\0".to_vec();
        bound.push(VERSION);
        bound.extend_from_slice(moment);
        #[cfg(test)]
        if self.is_for_anybody {
            return bound;
        }
        bound.extend_from_slice(key.as_bytes());
        bound
    }
}

/// The moment on both clocks, if it is not in the future and not too long ago.
fn aged(asked_at: UnixTime, oldest: Duration, now: Now) -> Option<Now> {
    let age = now.wall.as_secs().checked_sub(asked_at.as_secs())?;
    // Whole seconds: it may be almost one older than it looks.
    let age = Duration::from_secs(age.saturating_add(1));
    let millis = u64::try_from(age.as_millis()).ok()?;
    // A process younger than the answer cannot tell its age.
    let monotonic = now.monotonic.as_millis().checked_sub(millis)?;
    (age <= oldest).then_some(Now { wall: asked_at, monotonic: Moment::from_millis(monotonic) })
}
