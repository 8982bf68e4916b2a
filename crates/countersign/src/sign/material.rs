//! The private halves, as the cryptographic library holds them.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};

use super::SignError;
use crate::jws::{Algorithm, Family, KeyError, Material, SharedSecret, rsa_components};

pub(super) enum PrivateKey {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    Secret(Box<SharedSecret>),
}

impl PrivateKey {
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, SignError> {
        let made = match algorithm.family() {
            Family::Ec(curve) => EcdsaKeyPair::generate(curve.signing()).map(Self::Ec),
            Family::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
            Family::Rsa => RsaKeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
            Family::Secret => return Err(KeyError::AlgorithmMismatch.into()),
        };
        made.map_err(|_| SignError::Crypto)
    }

    pub(super) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let read = match algorithm.family() {
            Family::Ec(curve) => EcdsaKeyPair::from_pkcs8(curve.signing(), der).map(Self::Ec),
            Family::Ed25519 => Ed25519KeyPair::from_pkcs8(der).map(Self::Ed25519),
            Family::Rsa => RsaKeyPair::from_pkcs8(der).map(Self::Rsa),
            Family::Secret => return Err(KeyError::AlgorithmMismatch),
        };
        read.map_err(|_| KeyError::Malformed)
    }

    pub(super) fn from_traditional(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let read = match algorithm.family() {
            Family::Ec(curve) => EcdsaKeyPair::from_private_key_der(curve.signing(), der).map(Self::Ec),
            Family::Rsa => RsaKeyPair::from_der(der).map(Self::Rsa),
            Family::Ed25519 | Family::Secret => return Err(KeyError::AlgorithmMismatch),
        };
        read.map_err(|_| KeyError::Malformed)
    }

    /// The public half; `None` for a shared secret.
    pub(super) fn public(&self) -> Result<Option<Material>, KeyError> {
        Ok(Some(match self {
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let curve = Material::curve_of_point(point).ok_or(KeyError::Malformed)?;
                Material::from_point(curve, point).ok_or(KeyError::Malformed)?
            }
            Self::Ed25519(pair) => Material::Ed25519 { x: pair.public_key().as_ref().to_vec() },
            Self::Rsa(pair) => {
                let (n, e) = rsa_components(pair.public_key().as_ref()).ok_or(KeyError::Malformed)?;
                Material::Rsa { n, e }
            }
            Self::Secret(_) => return Ok(None),
        }))
    }

    pub(super) fn to_pkcs8(&self) -> Result<Vec<u8>, SignError> {
        let document = match self {
            Self::Ec(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            Self::Ed25519(pair) => pair.to_pkcs8v1().map(|document| document.as_ref().to_vec()),
            Self::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'static>>::as_der(pair).map(|document| document.as_ref().to_vec())
            }
            Self::Secret(_) => return Err(SignError::NoPkcs8),
        };
        document.map_err(|_| SignError::Crypto)
    }

    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(pair) => match pair.sign(&random, message) {
                Ok(signature) => Ok(signature.as_ref().to_vec()),
                Err(_) => Err(SignError::Crypto),
            },
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rsa(pair) => {
                let (_, encoding) = algorithm.rsa().ok_or(KeyError::AlgorithmMismatch)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).map_err(|_| SignError::Crypto)?;
                Ok(signature)
            }
            Self::Secret(secret) => Ok(secret.sign(message).as_ref().to_vec()),
        }
    }

    /// At least the bytes of an encoded signature and its dot, for one allocation per token.
    pub(super) fn signature_text_len(&self) -> usize {
        match self {
            Self::Rsa(pair) => pair.public_modulus_len() * 4 / 3 + 4,
            Self::Ec(_) | Self::Ed25519(_) | Self::Secret(_) => 180,
        }
    }
}
