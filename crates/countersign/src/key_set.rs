//! Several public keys as JSON (RFC 7517 §5), read strictly.

mod source;

pub use source::{KeySource, PublishedKeys, StaticKeys};

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    Jwk, JwkError,
    json::{self, Json},
    jws::{Algorithm, VerifyingKey},
    rule::Rule,
};

/// The public keys of one issuer.
///
/// Reading a set follows these rules:
///
/// 1. At most [`KeySet::MAX_BYTES`] of strict JSON (UTF-8, no member twice at any depth) with at most
///    [`KeySet::MAX_KEYS`] keys.
/// 2. One key with a private member, or a shared secret, and the **whole set** is refused: its publisher has lost
///    control of it. The same for two keys of one `kid`.
/// 3. A key that is for something else (`use`, `key_ops`), of an unknown kind, weak or malformed is left out, with
///    the reason in [`KeySet::skipped`]; the others stay.
/// 4. Every key ends up with exactly one algorithm. EC and OKP keys without `alg` have the one of their curve; an
///    RSA key without `alg` is left out, unless read with [`KeySet::parse_assuming`].
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Arc<VerifyingKey>>,
    skipped: Vec<SkippedKey>,
}

/// A key of a set that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Why.
    pub reason: JwkError,
}

/// Why a whole key set was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeySetError {
    /// Two keys have one `kid`.
    #[error("two keys of the set have the same `kid`")]
    DuplicateKeyId,
    /// Not JSON, a doubled member, or no array `keys`.
    #[error("the key set is malformed")]
    Malformed,
    /// A private key or a shared secret is among the keys.
    #[error("the key set holds a key that is not public")]
    Private,
    /// Longer than [`KeySet::MAX_BYTES`], or more than [`KeySet::MAX_KEYS`] keys.
    #[error("the key set is too large")]
    TooLarge,
}

impl KeySet {
    /// The longest set that is read, in bytes: 1 MiB.
    pub const MAX_BYTES: usize = 1 << 20;
    /// The most keys in a set: 256.
    pub const MAX_KEYS: usize = 256;

    /// A set of keys at hand.
    ///
    /// # Errors
    /// [`KeySetError::DuplicateKeyId`] and [`KeySetError::TooLarge`].
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
        let mut set = Self::default();
        for key in keys {
            set.add(key)?;
        }
        Ok(set)
    }

    /// Reads a set.
    ///
    /// # Errors
    /// [`KeySetError`], by rules 1 and 2.
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        Self::read(text, None)
    }

    /// Reads a set whose keys may lack `alg`, as some issuers publish them: such a key, where `algorithm` is for its
    /// kind, has that algorithm. A key that names its algorithm keeps it.
    ///
    /// # Errors
    /// [`KeySetError`], by rules 1 and 2.
    pub fn parse_assuming(text: &[u8], algorithm: Algorithm) -> Result<Self, KeySetError> {
        Self::read(text, Some(algorithm))
    }

    fn read(text: &[u8], assumed: Option<Algorithm>) -> Result<Self, KeySetError> {
        if text.len() > Self::MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let members = json::object(text).map_err(|_| KeySetError::Malformed)?;
        let Some(Json::Array(keys)) = members.member("keys") else { return Err(KeySetError::Malformed) };
        if keys.len() > Self::MAX_KEYS {
            return Err(KeySetError::TooLarge);
        }
        let mut set = Self::default();
        for (index, key) in keys.iter().enumerate() {
            let Json::Object(key) = key else { return Err(KeySetError::Malformed) };
            let read = Jwk::from_members(key, assumed)
                .and_then(|jwk| VerifyingKey::from_jwk(jwk).map_err(JwkError::from));
            match read {
                Ok(key) => set.add(key)?,
                Err(JwkError::Private) => return Err(KeySetError::Private),
                Err(reason) => set.skipped.push(SkippedKey { index, reason }),
            }
        }
        Ok(set)
    }

    fn add(&mut self, key: VerifyingKey) -> Result<(), KeySetError> {
        if Rule::KeyNamesDistinct.is_broken_by(self.find(key.key_id().as_str()).is_some()) {
            return Err(KeySetError::DuplicateKeyId);
        }
        if self.keys.len() == Self::MAX_KEYS {
            return Err(KeySetError::TooLarge);
        }
        self.keys.push(Arc::new(key));
        Ok(())
    }

    /// The key of that name.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Arc<VerifyingKey>> {
        self.keys.iter().find(|key| key.key_id() == id)
    }

    /// The key, if there is exactly one: what a token without `kid` can mean.
    #[must_use]
    pub fn only(&self) -> Option<&Arc<VerifyingKey>> {
        if let [key] = self.keys.as_slice() { Some(key) } else { None }
    }

    /// The keys, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<VerifyingKey>> {
        self.keys.iter()
    }

    /// How many keys can be used.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if no key can be used.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that were left out, and why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// True if `other` has the same keys under the same names with the same algorithms.
    #[must_use]
    pub fn same_keys(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .keys
                .iter()
                .all(|key| other.find(key.key_id().as_str()).is_some_and(|twin| twin.jwk() == key.jwk()))
    }
}

impl Serialize for KeySet {
    /// As a JWK set of public keys, in their order. Every key has its `kid`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("KeySet", 1)?;
        let keys: Vec<&Jwk> = self.keys.iter().map(|key| key.jwk()).collect();
        out.serialize_field("keys", &keys)?;
        out.end()
    }
}

#[cfg(test)]
#[cfg(feature = "testkit")]
mod tests;
