//! Keys that verify: public keys and shared secrets, two types that cannot stand in for each other.

use std::fmt;

use aws_lc_rs::{
    hmac,
    rsa::PublicKeyComponents,
    signature::{self, ParsedPublicKey},
};

use super::{
    algorithm::{Algorithm, Curve, Family},
    der,
    pem::Pem,
};
use crate::{Jwk, KeyId, Secret, rule::Rule};

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeyError {
    /// The key is not of the algorithm's kind.
    #[error("the key is not of the kind the algorithm needs")]
    AlgorithmMismatch,
    /// The key cannot be read, or is not a point of its curve.
    #[error("the key is malformed")]
    Malformed,
    /// RSA below 2048 or above 8192 bits, an exponent that is even or below 3, a modulus of the ROCA generator, or
    /// a secret shorter than the hash (RFC 7518 §3.2, §3.3, §3.5).
    #[error("the key is too weak")]
    Weak,
}

/// A key that can verify a signature: a [`VerifyingKey`] or a [`SharedSecret`], and nothing else.
pub trait Key: sealed::Sealed {
    /// The only algorithm of this key.
    fn algorithm(&self) -> Algorithm;
}

pub(crate) mod sealed {
    #[expect(unnameable_types, reason = "nobody else can implement what cannot be named")]
    pub trait Sealed {
        /// True if `signature` is this key's over `signed`.
        fn is_signature(&self, signed: &[u8], signature: &[u8]) -> bool;
    }
}

/// The numbers of a public key, big-endian as RFC 7518 §6 writes them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Material {
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl Material {
    /// Reads an uncompressed point.
    pub(crate) fn from_point(curve: Curve, point: &[u8]) -> Option<Self> {
        let (&4, coordinates) = point.split_first()? else { return None };
        let (x, y) = coordinates.split_at_checked(curve.coordinate_len())?;
        Some(Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// The curve whose uncompressed points have that length.
    #[cfg(feature = "sign")]
    pub(crate) fn curve_of_point(point: &[u8]) -> Option<Curve> {
        [Curve::P256, Curve::P384, Curve::P521]
            .into_iter()
            .find(|curve| point.len() == 1 + 2 * curve.coordinate_len())
    }

    pub(crate) const fn family(&self) -> Family {
        match self {
            Self::Ec { curve, .. } => Family::Ec(*curve),
            Self::Ed25519 { .. } => Family::Ed25519,
            Self::Rsa { .. } => Family::Rsa,
        }
    }

    /// The algorithm of a key that names none: that of its kind, if the kind has one, or else the `assumed` one.
    pub(crate) fn only_algorithm(&self, assumed: Option<Algorithm>) -> Option<Algorithm> {
        match (assumed, self) {
            (Some(algorithm), _) if algorithm.family() == self.family() => Some(algorithm),
            (_, Self::Ec { curve, .. }) => Some(curve.algorithm()),
            (_, Self::Ed25519 { .. }) => Some(Algorithm::Ed25519),
            (_, Self::Rsa { .. }) => None,
        }
    }

    fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        if self.family() != algorithm.family() {
            return Err(KeyError::AlgorithmMismatch);
        }
        match self {
            Self::Ec { curve, x, y } => {
                if x.len() != curve.coordinate_len() || y.len() != curve.coordinate_len() {
                    return Err(KeyError::Malformed);
                }
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                ParsedPublicKey::new(curve.verification(), point).map_err(|_| KeyError::Malformed)
            }
            Self::Ed25519 { x } => {
                if x.len() != 32 {
                    return Err(KeyError::Malformed);
                }
                if Rule::KeySmallOrder.is_broken_by(is_small_order(x)) {
                    return Err(KeyError::Weak);
                }
                ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| KeyError::Malformed)
            }
            Self::Rsa { n, e } => {
                let (parameters, _) = algorithm.rsa().ok_or(KeyError::AlgorithmMismatch)?;
                check_rsa(n, e)?;
                PublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(|_| KeyError::Malformed)
            }
        }
    }
}

/// A public key with its one algorithm: verifies, and cannot sign.
#[derive(Clone)]
pub struct VerifyingKey {
    jwk: Jwk,
    id: KeyId,
    parsed: ParsedPublicKey,
}

impl VerifyingKey {
    /// Takes a public key from its JWK form.
    ///
    /// # Errors
    /// [`KeyError`] if the numbers are no key, or a weak one.
    pub fn from_jwk(jwk: Jwk) -> Result<Self, KeyError> {
        let parsed = jwk.material().parse(jwk.algorithm())?;
        let id = jwk.key_id().cloned().unwrap_or_else(|| jwk.thumbprint());
        Ok(Self { jwk, id, parsed })
    }

    /// Reads a `PUBLIC KEY` block (SubjectPublicKeyInfo) for that algorithm.
    ///
    /// # Errors
    /// [`KeyError`] if the text holds no such block, the key is of another kind, or is weak.
    pub fn from_pem(algorithm: Algorithm, text: &str) -> Result<Self, KeyError> {
        let pem = Pem::parse(text).filter(|pem| pem.label == "PUBLIC KEY").ok_or(KeyError::Malformed)?;
        Self::from_spki_der(algorithm, &pem.der)
    }

    /// Reads a SubjectPublicKeyInfo (RFC 5280 §4.1) for that algorithm.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are no key, the key is of another kind, or is weak.
    pub fn from_spki_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        Self::from_jwk(Jwk::new(algorithm, None, der::public_key(der)?)?)
    }

    /// The key as a SubjectPublicKeyInfo.
    #[cfg(feature = "testkit")]
    pub(crate) fn to_spki_der(&self) -> Option<Vec<u8>> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let der: PublicKeyX509Der<'_> = self.parsed.as_der().ok()?;
        Some(der.as_ref().to_vec())
    }

    /// The name under which tokens point to this key: its `kid`, or without one its RFC 7638 thumbprint.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.id
    }

    /// The public key as a JWK.
    #[must_use]
    pub const fn jwk(&self) -> &Jwk {
        &self.jwk
    }
}

impl Key for VerifyingKey {
    fn algorithm(&self) -> Algorithm {
        self.jwk.algorithm()
    }
}

impl sealed::Sealed for VerifyingKey {
    fn is_signature(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(signed, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("id", &self.id).field("algorithm", &self.algorithm()).finish()
    }
}

/// A secret that signer and verifier share (HS256, HS384, HS512).
///
/// Whoever can verify with it can also sign: give each audience its own.
#[derive(Clone)]
pub struct SharedSecret {
    algorithm: Algorithm,
    key: hmac::Key,
}

impl SharedSecret {
    /// Takes a secret of at least the hash's length: 32, 48 or 64 bytes (RFC 7518 §3.2).
    ///
    /// # Errors
    /// [`KeyError::AlgorithmMismatch`] if `algorithm` is not HMAC, [`KeyError::Weak`] if the secret is shorter,
    /// all one byte, or the text of a key or certificate (a public key is no secret).
    #[expect(clippy::needless_pass_by_value, reason = "the caller's copy of the secret ends here")]
    pub fn new(algorithm: Algorithm, secret: Secret<Vec<u8>>) -> Result<Self, KeyError> {
        let (hmac, least) = algorithm.hmac().ok_or(KeyError::AlgorithmMismatch)?;
        let bytes = secret.expose();
        if Rule::SecretLength.is_broken_by(bytes.len() < least)
            || Rule::SecretIsSecret.is_broken_by(is_no_secret(bytes))
        {
            return Err(KeyError::Weak);
        }
        Ok(Self { algorithm, key: hmac::Key::new(hmac, bytes) })
    }

    #[cfg(feature = "sign")]
    pub(crate) fn sign(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.key, message)
    }
}

impl Key for SharedSecret {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl sealed::Sealed for SharedSecret {
    fn is_signature(&self, signed: &[u8], signature: &[u8]) -> bool {
        // INVARIANT: compares in constant time, and only a tag of full length.
        hmac::verify(&self.key, signed, signature).is_ok()
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecret").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// One repeated byte, or a key that is published (CVE-2016-5431 and its many successors).
fn is_no_secret(bytes: &[u8]) -> bool {
    let repeated = bytes.iter().zip(bytes.iter().skip(1)).all(|(left, right)| left == right);
    let contains = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    repeated || contains(b"-----BEGIN ") || contains(b"ssh-rsa ") || contains(b"\"kty\"")
}

/// RFC 7518 §3.3 and §6.3.1: 2048 to 8192 bits, no leading zero, and an odd exponent of at least 3.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let (Some(&first), Some(&last)) = (n.first(), n.last()) else { return Err(KeyError::Malformed) };
    let (Some(&e_first), Some(&e_last)) = (e.first(), e.last()) else { return Err(KeyError::Malformed) };
    if first == 0 || e_first == 0 {
        return Err(KeyError::Malformed);
    }
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    let weak = Rule::KeyLength.is_broken_by(!(2048..=8192).contains(&bits))
        || Rule::KeyModulus.is_broken_by(last % 2 == 0)
        || Rule::KeyExponent.is_broken_by(e_last % 2 == 0 || e.len() > 4 || e == [1])
        || Rule::KeyRoca.is_broken_by(super::roca::is_fingerprint(n));
    if weak { Err(KeyError::Weak) } else { Ok(()) }
}

/// The encodings of the points of order 1, 2, 4 and 8 (canonical and not, sign bit masked): under such a key some
/// signatures hold for many messages.
fn is_small_order(x: &[u8]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let Some((&last, rest)) = x.split_last() else { return true };
    let last = last & 0x7f;
    let is = |first: u8, middle: u8, end: u8| {
        last == end
            && rest
                .split_first()
                .is_some_and(|(&head, tail)| head == first && tail.iter().all(|&byte| byte == middle))
    };
    // 0, 1, p - 1, p and p + 1, with p = 2^255 - 19.
    is(0, 0, 0)
        || is(1, 0, 0)
        || is(0xec, 0xff, 0x7f)
        || is(0xed, 0xff, 0x7f)
        || is(0xee, 0xff, 0x7f)
        || ORDER_8
            .iter()
            .any(|point| point.split_last().is_some_and(|(&end, head)| end == last && head == rest))
}
