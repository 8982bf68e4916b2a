//! Compact JSON Web Signatures (RFC 7515), below every rule about claims.
//!
//! 1. Only the compact form: exactly three segments, each canonical base64url (no padding, no white space, no
//!    trailing bits), at most [`MAX_BYTES`] in all unless told otherwise. No JSON form, no JWE.
//! 2. The header is one JSON object in which no member is there twice. `crit` is refused, since no extension is
//!    implemented, and so is `b64: false` (RFC 7797).
//! 3. The key fixes the algorithm; the header must name that very one. There is no `none`.
//! 4. Public keys and shared secrets are different types, so that a public key can never be used as a secret.
//! 5. ECDSA signatures are `r || s` of exactly the curve's length (RFC 7518 §3.4).
//!
//! ```
//! use countersign::jws::{self, JwsError, SharedSecret};
//! # use countersign::{Secret, jws::Algorithm};
//! let key = SharedSecret::new(Algorithm::Hs256, Secret::new(b"0123456789abcdef0123456789abcdef".to_vec()))?;
//! let token = b"eyJhbGciOiJub25lIn0.e30.AA"; // {"alg":"none"}
//! assert_eq!(jws::verify(token, &key).unwrap_err(), JwsError::AlgorithmMismatch);
//! # Ok::<(), countersign::jws::KeyError>(())
//! ```

mod algorithm;
mod der;
mod encoding;
mod header;
mod key;
mod pem;
mod roca;

pub use algorithm::Algorithm;
pub use header::Header;
pub use key::{Key, KeyError, SharedSecret, VerifyingKey};

pub(crate) use algorithm::Curve;
#[cfg(feature = "testkit")]
pub(crate) use der::rsa_private_components;
use encoding::decode_onto;
pub(crate) use encoding::{decode, encode};
pub(crate) use key::Material;
#[cfg(feature = "sign")]
pub(crate) use {algorithm::Family, der::rsa_components, encoding::encode_onto, pem::Pem};

use std::fmt;

use crate::rule::Rule;

/// The longest token that is looked at, in bytes, unless told otherwise: 8 KiB.
pub const MAX_BYTES: usize = 8 * 1024;

/// Why a compact JWS was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JwsError {
    /// The header names another algorithm than the key's (RFC 7515 §5.2, RFC 8725 §3.1).
    #[error("the token's algorithm is not the key's")]
    AlgorithmMismatch,
    /// The header has `crit`, or `b64` other than `true` (RFC 7515 §4.1.11, RFC 7797 §3).
    #[error("the token demands an extension that is not implemented")]
    CriticalHeader,
    /// A segment is not canonical base64url (RFC 7515 §2).
    #[error("a segment of the token is not base64url")]
    Encoding,
    /// The header is not one JSON object without doubled members, or a member has the wrong type.
    #[error("the token's header is malformed")]
    HeaderMalformed,
    /// Not exactly three segments (RFC 7515 §7.1).
    #[error("the token does not have three segments")]
    Segments,
    /// The signature is not the key's over this header and payload.
    #[error("the signature is not valid")]
    SignatureInvalid,
    /// Longer than the limit.
    #[error("the token is too long")]
    TooLarge,
}

/// A compact JWS taken apart, its signature **not yet verified**. `Debug` shows the header alone: the rest is a
/// credential.
#[derive(Clone)]
pub struct Unverified<'a> {
    header: Header,
    header_segment: &'a [u8],
    signed: &'a [u8],
    /// The payload, and after it the signature.
    decoded: Vec<u8>,
    payload_len: usize,
}

/// A header as it stands in a token, and what it says: an issuer's tokens mostly share it.
#[derive(Debug)]
pub(crate) struct KnownHeader {
    segment: Box<[u8]>,
    header: Header,
}

/// The header and payload of a token whose signature has been verified. Only this module makes one. `Debug` shows the
/// header alone.
#[derive(Clone)]
pub struct Verified {
    header: Header,
    payload: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes `token` apart and reads its header.
    ///
    /// # Errors
    /// [`JwsError`] if it is longer than `max_bytes` or breaks rule 1 or 2 of the [module](self).
    pub fn parse(token: &'a [u8], max_bytes: usize) -> Result<Self, JwsError> {
        Self::parse_knowing(None, token, max_bytes)
    }

    /// The same, without reading a header that is known, byte for byte.
    pub(crate) fn parse_knowing(
        known: Option<&KnownHeader>,
        token: &'a [u8],
        max_bytes: usize,
    ) -> Result<Self, JwsError> {
        if Rule::Size.is_broken_by(token.len() > max_bytes) {
            return Err(JwsError::TooLarge);
        }
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second), third) = (dots.next(), dots.next(), dots.next()) else {
            return Err(JwsError::Segments);
        };
        if Rule::ThreeSegments.is_broken_by(third.is_some()) {
            return Err(JwsError::Segments);
        }
        let segment = |from: usize, to: usize| token.get(from..to).ok_or(JwsError::Segments);
        let header_segment = segment(0, first)?;
        let payload = segment(first + 1, second)?;
        let signature = segment(second + 1, third.unwrap_or(token.len()))?;

        let known = known.filter(|known| known.is(header_segment));
        let header = match known {
            Some(_) => Vec::new(),
            None => decode(header_segment).ok_or(JwsError::Encoding)?,
        };
        let mut decoded = Vec::with_capacity(token.len());
        decode_onto(payload, &mut decoded).ok_or(JwsError::Encoding)?;
        let payload_len = decoded.len();
        decode_onto(signature, &mut decoded).ok_or(JwsError::Encoding)?;
        let header = known.map_or_else(|| Header::parse(&header), |known| Ok(known.header.clone()))?;
        Ok(Self { header, header_segment, signed: segment(0, second)?, decoded, payload_len })
    }

    /// The header as it stands in the token.
    pub(crate) const fn header_segment(&self) -> &'a [u8] {
        self.header_segment
    }

    /// The header, which anybody can have written.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The payload, which anybody can have written: for choosing among issuers, and nothing else.
    pub(crate) fn dangerous_payload(&self) -> &[u8] {
        self.decoded.get(..self.payload_len).unwrap_or_default()
    }

    fn into_verified(mut self) -> Verified {
        self.decoded.truncate(self.payload_len);
        Verified { header: self.header, payload: self.decoded }
    }

    /// Checks the signature with `key`.
    ///
    /// # Errors
    /// [`JwsError::AlgorithmMismatch`] or [`JwsError::SignatureInvalid`].
    pub fn verify(self, key: &impl Key) -> Result<Verified, JwsError> {
        self.check(key)?;
        Ok(self.into_verified())
    }

    /// Checks the signature with each of the keys, until one fits.
    pub(crate) fn verify_any<K: Key>(self, keys: &[K]) -> Result<Verified, JwsError> {
        let mut verdict = Err(JwsError::AlgorithmMismatch);
        for key in keys {
            match self.check(key) {
                Err(JwsError::AlgorithmMismatch) => {}
                Ok(()) => return Ok(self.into_verified()),
                Err(other) => verdict = Err(other),
            }
        }
        verdict
    }

    fn check(&self, key: &impl Key) -> Result<(), JwsError> {
        if Rule::Algorithm.is_broken_by(self.header.algorithm() != key.algorithm().name()) {
            return Err(JwsError::AlgorithmMismatch);
        }
        let signature = self.decoded.get(self.payload_len..).unwrap_or_default();
        if Rule::Signature.is_broken_by(!key.is_signature(self.signed, signature)) {
            return Err(JwsError::SignatureInvalid);
        }
        Ok(())
    }
}

impl KnownHeader {
    /// Remembers the header of a token whose signature holds.
    pub(crate) fn new(segment: &[u8], header: &Header) -> Self {
        Self { segment: segment.into(), header: header.clone() }
    }

    /// True if the header stands there in exactly these bytes.
    pub(crate) fn is(&self, segment: &[u8]) -> bool {
        *self.segment == *segment
    }
}

impl Verified {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The payload: any bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Header and payload.
    #[must_use]
    pub fn into_parts(self) -> (Header, Vec<u8>) {
        (self.header, self.payload)
    }
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("header", &self.header).finish_non_exhaustive()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Verifies a compact JWS of at most [`MAX_BYTES`] with one key.
///
/// # Errors
/// [`JwsError`], by the rules of the [module](self).
pub fn verify(token: &[u8], key: &impl Key) -> Result<Verified, JwsError> {
    Unverified::parse(token, MAX_BYTES)?.verify(key)
}
