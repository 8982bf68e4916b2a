//! The name under which a session is remembered.
//!
//! A key is made by one function from *everything that is sent to the authorization server*: the kind of the credential,
//! the credential, and a digest of the settings that say what is asked and how the answer is read. Kind and credential,
//! length-prefixed, so that no two share an encoding, are hashed (BLAKE3, keyed) with a secret of the key ring, so that a
//! memory dump holds no credential and nobody can aim for a collision. The first half is that of the hash; the digest is
//! in the second. All 32 bytes are compared.
//!
//! What a session is *called*, in tokens and revocations, is made of the first half alone: a revocation outlives a
//! configuration.
//!
//! What an attacker could do if this were wrong: two credentials with one key would share an identity.

use std::{
    fmt,
    hash::{BuildHasherDefault, Hash, Hasher},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{Secret, SessionId, Subject};

use super::shared::AnswerSealer;
use crate::credential::{Credential, CredentialKind};

/// Names one credential under one way of asking.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// None is less.
    pub(super) const LEAST: Self = Self([0; 32]);

    /// A short form for logs: it names the session, and nothing can be done with it.
    #[must_use]
    pub fn abbreviated(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.first_chunk::<9>().map_or(&[][..], |chunk| chunk))
    }

    /// What of it the settings do not change.
    fn of_credential(&self) -> &[u8] {
        self.0.first_chunk::<16>().map_or(&[][..], |half| half)
    }

    /// All of it.
    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name under which other gateways find it too.
    pub(super) fn name(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// A number that differs from session to session.
    #[must_use]
    pub(super) const fn chance(&self) -> u8 {
        let [.., byte, _] = self.0;
        byte
    }

    /// Spreads sessions over `n` shards.
    #[must_use]
    pub(super) fn shard(&self, n: usize) -> usize {
        self.0.last().map_or(0, |byte| usize::from(*byte)) % n.max(1)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.abbreviated())
    }
}

/// The key is itself a keyed hash: eight of its bytes are as good as any hash of it.
impl Hash for SessionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk)));
    }
}

/// Passes the eight bytes of a [`SessionKey`] through.
#[derive(Debug, Default, Clone, Copy)]
pub struct PassThrough(u64);

impl Hasher for PassThrough {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Hashes session keys.
pub type SessionKeyHasher = BuildHasherDefault<PassThrough>;

/// Makes keys for one way of asking.
#[derive(Clone)]
pub struct SessionKeyer {
    credentials: Secret<[u8; 32]>,
    /// Differs between two ways of asking, as the keys do.
    asking: u128,
    naming: hmac::Key,
    pub(super) answers: AnswerSealer,
}

impl fmt::Debug for SessionKeyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeyer([redacted])")
    }
}

impl SessionKeyer {
    /// `secret` is the key ring's session secret, equal on every replica; `settings` are the bytes of exactly the
    /// settings that change what is asked or how the answer is read.
    #[must_use]
    pub fn new(secret: &Secret<[u8; 32]>, settings: &[u8]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        let derive = |purpose: &[u8], content: &[u8]| {
            let mut mac = hmac::Context::with_key(&secret);
            mac.update(purpose);
            mac.update(content);
            to_array(&mac.sign())
        };
        Self {
            answers: AnswerSealer::new(derive(b"countersign shared answer\0", settings)),
            credentials: Secret::new(derive(b"countersign session key\0", b"")),
            asking: derive(b"countersign way of asking\0", settings)
                .first_chunk()
                .map_or(0, |half| u128::from_ne_bytes(*half)),
            naming: hmac::Key::new(hmac::HMAC_SHA256, &derive(b"countersign sid\0", b"")),
        }
    }

    /// One under which any answer is opened for any credential.
    #[cfg(test)]
    pub(crate) fn for_anybody(mut self) -> Self {
        self.answers.is_for_anybody = true;
        self
    }

    /// The key of a credential. What is hashed for each request is short: a kind, a length and the credential.
    #[must_use]
    pub fn key(&self, credential: &Credential<'_>) -> SessionKey {
        let value = credential.expose();
        let [a, b, c, d, e, f, g, h] = (value.len() as u64).to_be_bytes();
        self.hashed([tag_of(credential.kind), a, b, c, d, e, f, g, h], value)
    }

    /// Under what a session is found by our own name for it. As with [`Self::key`], another way of asking has other
    /// handles.
    #[must_use]
    pub fn handle(&self, session: &SessionId) -> SessionKey {
        self.hashed([HANDLE_TAG], session.as_str().as_bytes())
    }

    fn hashed<const PREFIX: usize>(&self, prefix: [u8; PREFIX], text: &[u8]) -> SessionKey {
        let hash = |input: &[u8]| -> [u8; 32] { blake3::keyed_hash(self.credentials.expose(), input).into() };
        // In one piece, on the stack where it is short: a hash of several pieces keeps a state of 2 KB.
        let mut short = [0; SHORT];
        let mut hash = match short.get_mut(..PREFIX + text.len()) {
            // INVARIANT: `input` is as long as both together.
            Some(input) => {
                let (start, rest) = input.split_at_mut(PREFIX);
                start.copy_from_slice(&prefix);
                rest.copy_from_slice(text);
                hash(input)
            }
            None => hash(&[&prefix[..], text].concat()),
        };
        if let Some(half) = hash.last_chunk_mut::<16>() {
            *half = (u128::from_ne_bytes(*half) ^ self.asking).to_ne_bytes();
        }
        SessionKey(hash)
    }

    /// Our own name for the session that the server calls so, whosever it is: a keyed hash of that. A log-out that says
    /// nothing but the server's name reaches every token of the session.
    #[must_use]
    pub fn named_session_id(&self, server_sid: &str) -> SessionId {
        self.name(NAMED_BY_SERVER, &[server_sid.as_bytes()])
    }

    /// Our own name for a session: a keyed hash of the server's name for it, or of whose it is and the credential where
    /// the server has none, whatever is asked. The server's own name never enters a token.
    #[must_use]
    pub fn session_id(&self, subject: &Subject, server_sid: Option<&str>, key: &SessionKey) -> SessionId {
        match server_sid {
            Some(server_sid) => self.named_session_id(server_sid),
            None => self.name(NAMED_BY_CREDENTIAL, &[subject.as_str().as_bytes(), key.of_credential()]),
        }
    }

    fn name(&self, purpose: &[u8], parts: &[&[u8]]) -> SessionId {
        let mut mac = hmac::Context::with_key(&self.naming);
        mac.update(purpose);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let hash = to_array(&mac.sign());
        URL_SAFE_NO_PAD.encode(hash.first_chunk::<16>().map_or(&[][..], |chunk| chunk)).into()
    }
}

/// What a session is named by. Neither is the beginning of the other, so that no name is made in both ways.
const NAMED_BY_SERVER: &[u8] = b"server's name\0";
const NAMED_BY_CREDENTIAL: &[u8] = b"subject and credential\0";

/// What is hashed without an allocation, in bytes.
const SHORT: usize = 256;

/// No kind of credential has it.
const HANDLE_TAG: u8 = 0;

const fn tag_of(kind: CredentialKind) -> u8 {
    match kind {
        CredentialKind::Bearer => 1,
        CredentialKind::Cookie => 2,
    }
}

/// A tag of HMAC-SHA-256 has 32 bytes.
fn to_array(tag: &hmac::Tag) -> [u8; 32] {
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use countersign::Secret;
    use proptest::prelude::*;

    use super::{SessionKey, SessionKeyer};
    use crate::{credential::CredentialRules, testing};

    fn key(secret: u8, settings: &[u8], name: &str, value: &str) -> SessionKey {
        let fields = testing::fields(&[(name, value)]);
        let rules = CredentialRules::new(Some("S"), true);
        let credential = rules.find(&fields).unwrap().unwrap();
        SessionKeyer::new(&Secret::new([secret; 32]), settings).key(&credential)
    }

    proptest! {
        #[test]
        fn two_different_inputs_never_share_a_key(
            a in "[a-z]{1,4}", b in "[a-z]{1,4}", settings_a in "[a-z]{0,3}", settings_b in "[a-z]{0,3}",
            secret_a in 0_u8..3, secret_b in 0_u8..3, bearer_a: bool, bearer_b: bool,
        ) {
            let of = |secret, settings: &str, bearer, value: &str| {
                let (name, value) = if bearer {
                    ("authorization", format!("Bearer {value}"))
                } else {
                    ("cookie", format!("S={value}"))
                };
                key(secret, settings.as_bytes(), name, &value)
            };
            let same_input = (secret_a, &settings_a, bearer_a, &a) == (secret_b, &settings_b, bearer_b, &b);
            let same_key = of(secret_a, &settings_a, bearer_a, &a) == of(secret_b, &settings_b, bearer_b, &b);
            prop_assert_eq!(same_input, same_key);
        }
    }

    #[test]
    fn a_session_is_named_by_the_servers_name_alone_and_else_by_user_and_credential() {
        let keyer = SessionKeyer::new(&Secret::new([1; 32]), b"settings");
        let (k1, k2) = (key(1, b"settings", "cookie", "S=one"), key(1, b"settings", "cookie", "S=two"));
        let id = |subject: &str, sid, key| keyer.session_id(&subject.into(), sid, key);
        assert_eq!(id("alice", Some("sid-1"), &k1), id("alice", Some("sid-1"), &k2));
        assert_eq!(id("alice", Some("sid-1"), &k1), keyer.named_session_id("sid-1"));
        assert_eq!(id("alice", Some("sid-1"), &k1), id("bob", Some("sid-1"), &k1));
        assert_ne!(id("alice", Some("sid-1"), &k1), id("alice", Some("sid-2"), &k1));
        assert_ne!(id("alice", None, &k1), id("alice", None, &k2));
        assert_ne!(id("alice", None, &k1), id("bob", None, &k1));
        assert!(!id("alice", Some("sid-1"), &k1).as_str().contains("sid-1"));
    }

    #[test]
    fn another_way_of_asking_has_other_keys_and_the_same_names() {
        let (one, other) = (key(1, b"one", "cookie", "S=x"), key(1, b"other", "cookie", "S=x"));
        assert_ne!(one, other);
        assert_ne!(one.name(), other.name());
        let id = |settings, key| {
            SessionKeyer::new(&Secret::new([1; 32]), settings).session_id(&"alice".into(), None, key)
        };
        assert_eq!(id(&b"one"[..], &one), id(b"other", &other), "what was revoked stays revoked");
    }

    proptest! {
        /// A server that chooses its names to look like what we hash for others meets none of them.
        #[test]
        fn no_name_is_made_in_both_ways(subject in "[a-z]{0,4}", cookie in "[a-z]{1,4}", sid: String) {
            let keyer = SessionKeyer::new(&Secret::new([1; 32]), b"settings");
            let key = key(1, b"settings", "cookie", &format!("S={cookie}"));
            let by_credential = keyer.session_id(&subject.as_str().into(), None, &key);
            prop_assert_ne!(by_credential, keyer.named_session_id(&sid));
        }
    }
}
