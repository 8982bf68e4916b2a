//! Seals what the store keeps: AES-256-GCM under the key-encryption key.
//!
//! A sealed value is `version (1) ‖ id of the key-encryption key (8) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. Purpose
//! and name are authenticated with it, so that no value can stand in the place of another.

use std::{fmt, mem};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
};
use countersign::Secret;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, NoEntropy};

/// Bytes of a key-encryption key.
pub const KEY_BYTES: usize = 32;
const VERSION: u8 = 1;
const ID_BYTES: usize = 8;
const HEADER_BYTES: usize = 1 + ID_BYTES + NONCE_LEN;

/// Seals and opens under one key-encryption key.
pub struct Sealer {
    key: LessSafeKey,
    id: [u8; ID_BYTES],
}

/// Why a value could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
    /// No nonce could be made.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// Why a sealed value could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was changed, cut, moved from another place, or never was one of ours.
    #[error("was changed or moved from another place")]
    Tampered,
    /// It was sealed under another key-encryption key.
    #[error("was sealed under another key-encryption key")]
    WrongKey,
    /// It was sealed by a newer release.
    #[error("was sealed by a newer release")]
    Version,
}

impl Sealer {
    /// A sealer under that key.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn new(key: &Secret<[u8; KEY_BYTES]>) -> Result<Self, SealError> {
        let unbound = UnboundKey::new(&AES_256_GCM, key.expose()).map_err(|_| SealError::Crypto)?;
        let named = [b"countersign key-encryption key id\0".as_slice(), key.expose()].concat();
        let named = Zeroizing::new(named);
        let mut id = [0; ID_BYTES];
        for (to, from) in id.iter_mut().zip(digest(&SHA256, &named).as_ref()) {
            *to = *from;
        }
        Ok(Self { key: LessSafeKey::new(unbound), id })
    }

    /// Seals `value` for this purpose and name.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(
        &self,
        purpose: &str,
        name: &str,
        value: &Secret<Vec<u8>>,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        // Sealed in place in the buffer that is given away: no second copy of the value is left behind.
        let mut body = Vec::with_capacity(value.expose().len() + AES_256_GCM.tag_len());
        body.extend_from_slice(value.expose());
        let bound = Aad::from(self.bound(purpose, name));
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut body)
            .map_err(|_| SealError::Crypto)?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.id);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what was sealed for this purpose and name.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, purpose: &str, name: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
        let (version, rest) = sealed.split_first().ok_or(OpenError::Tampered)?;
        if *version != VERSION {
            return Err(OpenError::Version);
        }
        let (id, rest) = rest.split_first_chunk::<ID_BYTES>().ok_or(OpenError::Tampered)?;
        if *id != self.id {
            return Err(OpenError::WrongKey);
        }
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Tampered)?;
        let mut body = Zeroizing::new(body.to_vec());
        let bound = Aad::from(self.bound(purpose, name));
        let value = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), bound, &mut body);
        let length = value.map_err(|_| OpenError::Tampered)?.len();
        body.truncate(length);
        Ok(Secret::new(mem::take(&mut *body)))
    }

    /// What is authenticated besides the value: each part with its length, so that none runs into the next.
    fn bound(&self, purpose: &str, name: &str) -> Vec<u8> {
        let mut bound = b"countersign sealed record\0".to_vec();
        bound.push(VERSION);
        bound.extend_from_slice(&self.id);
        for part in [purpose, name] {
            bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bound.extend_from_slice(part.as_bytes());
        }
        bound
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer([redacted])")
    }
}
