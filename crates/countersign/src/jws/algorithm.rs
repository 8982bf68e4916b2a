//! The closed list of signature algorithms.

use std::fmt;

#[cfg(feature = "sign")]
use aws_lc_rs::signature::EcdsaSigningAlgorithm;
use aws_lc_rs::{
    hmac,
    signature::{self, EcdsaVerificationAlgorithm, RsaEncoding, RsaParameters},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a token is signed: the `alg` header parameter
/// ([RFC 7518 §3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1),
/// [RFC 8037](https://www.rfc-editor.org/rfc/rfc8037), [RFC 9864](https://www.rfc-editor.org/rfc/rfc9864)).
///
/// There is no `none` and no default. Every key has exactly one algorithm, and a token must name that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `EdDSA`: the older name for Ed25519, accepted only where a key itself asks for it.
    EdDsa,
    /// `Ed25519` (RFC 9864 §2.2).
    Ed25519,
    /// `ES256`: ECDSA on P-256 with SHA-256. The gateway's default.
    Es256,
    /// `ES384`: ECDSA on P-384 with SHA-384.
    Es384,
    /// `ES512`: ECDSA on P-521 with SHA-512.
    Es512,
    /// `HS256`: HMAC with SHA-256. Whoever can verify can also sign.
    Hs256,
    /// `HS384`: HMAC with SHA-384.
    Hs384,
    /// `HS512`: HMAC with SHA-512.
    Hs512,
    /// `PS256`: RSA PSS with SHA-256.
    Ps256,
    /// `PS384`: RSA PSS with SHA-384.
    Ps384,
    /// `PS512`: RSA PSS with SHA-512.
    Ps512,
    /// `RS256`: RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// `RS384`: RSA PKCS #1 v1.5 with SHA-384.
    Rs384,
    /// `RS512`: RSA PKCS #1 v1.5 with SHA-512.
    Rs512,
}

/// The kind of key an algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Ec(Curve),
    Ed25519,
    Rsa,
    Secret,
}

/// An elliptic curve of RFC 7518 §6.2.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521].into_iter().find(|curve| curve.name() == name)
    }

    /// Bytes of one coordinate, and half the bytes of a signature (RFC 7518 §3.4, §6.2.1.2).
    pub(crate) const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The one algorithm that uses the curve (RFC 7518 §3.4).
    pub(crate) const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
        }
    }

    pub(crate) const fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::P521 => &signature::ECDSA_P521_SHA512_FIXED,
        }
    }

    #[cfg(feature = "sign")]
    pub(crate) const fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            Self::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        }
    }
}

impl Algorithm {
    /// Every algorithm, in the order of their names.
    pub const ALL: &'static [Self] = &[
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ed25519,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The name as it stands in a header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// The algorithm of that exact name (case-sensitive, RFC 7515 §4.1.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// True for HMAC: signer and verifier hold the same secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self.family(), Family::Secret)
    }

    pub(crate) const fn family(self) -> Family {
        match self {
            Self::EdDsa | Self::Ed25519 => Family::Ed25519,
            Self::Es256 => Family::Ec(Curve::P256),
            Self::Es384 => Family::Ec(Curve::P384),
            Self::Es512 => Family::Ec(Curve::P521),
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Secret,
            Self::Ps256 | Self::Ps384 | Self::Ps512 | Self::Rs256 | Self::Rs384 | Self::Rs512 => Family::Rsa,
        }
    }

    /// HMAC and the least bytes of its key: those of the hash (RFC 7518 §3.2).
    pub(crate) const fn hmac(self) -> Option<(hmac::Algorithm, usize)> {
        match self {
            Self::Hs256 => Some((hmac::HMAC_SHA256, 32)),
            Self::Hs384 => Some((hmac::HMAC_SHA384, 48)),
            Self::Hs512 => Some((hmac::HMAC_SHA512, 64)),
            _ => None,
        }
    }

    pub(crate) const fn rsa(self) -> Option<(&'static RsaParameters, &'static dyn RsaEncoding)> {
        match self {
            Self::Ps256 => Some((&signature::RSA_PSS_2048_8192_SHA256, &signature::RSA_PSS_SHA256)),
            Self::Ps384 => Some((&signature::RSA_PSS_2048_8192_SHA384, &signature::RSA_PSS_SHA384)),
            Self::Ps512 => Some((&signature::RSA_PSS_2048_8192_SHA512, &signature::RSA_PSS_SHA512)),
            Self::Rs256 => Some((&signature::RSA_PKCS1_2048_8192_SHA256, &signature::RSA_PKCS1_SHA256)),
            Self::Rs384 => Some((&signature::RSA_PKCS1_2048_8192_SHA384, &signature::RSA_PKCS1_SHA384)),
            Self::Rs512 => Some((&signature::RSA_PKCS1_2048_8192_SHA512, &signature::RSA_PKCS1_SHA512)),
            _ => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom("not a signature algorithm"))
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm;

    #[test]
    fn names_are_exact() {
        for &algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            let lower = algorithm.name().to_lowercase();
            assert_eq!(Algorithm::from_name(&lower), None, "{lower}");
        }
        for none in ["none", "None", "NONE", "nOnE", "noNE", "", "HS1", "ES256K", "RS256 "] {
            assert_eq!(Algorithm::from_name(none), None, "{none}");
        }
    }
}
