//! Keys that sign (feature `sign`): what an issuer holds and a service does not.

mod material;
mod private_jwk;

use std::fmt;

use serde::Serialize;

use self::material::PrivateKey;
use crate::{
    Jwk, KeyId, Secret,
    jws::{self, Algorithm, KeyError, Pem, SharedSecret, VerifyingKey},
};

/// A private key or shared secret with its one algorithm.
pub struct SigningKey {
    algorithm: Algorithm,
    private: PrivateKey,
    public: Option<Jwk>,
    /// The encoded header of an access token, with its dot: the same in every token of this key.
    access_token_header: String,
}

/// Why something could not be signed or a key could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A shared secret is not written out.
    #[error("a shared secret has no PKCS #8 form")]
    NoPkcs8,
    /// The payload cannot be written as JSON.
    #[error("the payload cannot be written as JSON")]
    Payload,
}

/// The `typ` of an access token (RFC 9068 §2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// The header we write, its members in this order.
#[derive(Serialize)]
struct HeaderOut<'a> {
    alg: Algorithm,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a KeyId>,
}

impl SigningKey {
    /// Makes a new key pair. RSA keys have 2048 bits, which takes a tenth of a second or more; the others are
    /// made at once.
    ///
    /// # Errors
    /// [`KeyError::AlgorithmMismatch`] for HMAC (see [`Self::shared_secret`]), [`SignError::Crypto`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, SignError> {
        Self::from_private(algorithm, PrivateKey::generate(algorithm)?)
    }

    /// Reads a PKCS #8 private key (RFC 5208, RFC 5958) for that algorithm.
    ///
    /// # Errors
    /// [`SignError::Key`] if the bytes are no private key, the key is of another kind, or is weak.
    pub fn from_pkcs8_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, SignError> {
        Self::from_private(algorithm, PrivateKey::from_pkcs8(algorithm, der)?)
    }

    /// Reads a private key in PEM: `PRIVATE KEY` (PKCS #8), `RSA PRIVATE KEY` (PKCS #1) or `EC PRIVATE KEY`
    /// (RFC 5915), not encrypted.
    ///
    /// # Errors
    /// [`SignError::Key`] if the text holds no such block, the key is of another kind, or is weak.
    pub fn from_pem(algorithm: Algorithm, text: &str) -> Result<Self, SignError> {
        let pem = Pem::parse(text).ok_or(KeyError::Malformed)?;
        let private = match pem.label {
            "PRIVATE KEY" => PrivateKey::from_pkcs8(algorithm, &pem.der)?,
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" => PrivateKey::from_traditional(algorithm, &pem.der)?,
            _ => return Err(KeyError::Malformed.into()),
        };
        Self::from_private(algorithm, private)
    }

    /// Reads a private key as a JWK (RFC 7517, RFC 7518 §6, RFC 8037 §2). `alg`, `kty` and `crv`, where they are
    /// there, must be of that algorithm; an RSA key needs its two primes and the numbers that follow from them. Its
    /// `kid` is not read: the key is called by its thumbprint.
    ///
    /// # Errors
    /// [`SignError::Key`] if the text is no such key, its public and private members do not belong together, or it
    /// is weak.
    pub fn from_jwk(algorithm: Algorithm, text: &[u8]) -> Result<Self, SignError> {
        Self::from_private(algorithm, PrivateKey::from_jwk(algorithm, text)?)
    }

    /// Takes a shared secret, at least as long as the hash (32, 48 or 64 bytes). It has no key id and no public
    /// JWK.
    ///
    /// # Errors
    /// [`SignError::Key`], as [`SharedSecret::new`].
    pub fn shared_secret(algorithm: Algorithm, secret: Secret<Vec<u8>>) -> Result<Self, SignError> {
        Self::from_private(algorithm, PrivateKey::Secret(Box::new(SharedSecret::new(algorithm, secret)?)))
    }

    fn from_private(algorithm: Algorithm, private: PrivateKey) -> Result<Self, SignError> {
        let public = match private.public()? {
            Some(material) => {
                let jwk = Jwk::new(algorithm, None, material)?;
                let id = jwk.thumbprint();
                let jwk = jwk.with_key_id(id);
                // A key whose tokens no verifier of ours would accept must not sign.
                VerifyingKey::from_jwk(jwk.clone())?;
                Some(jwk)
            }
            None => None,
        };
        let mut key = Self { algorithm, private, public, access_token_header: String::new() };
        key.access_token_header = key.header(ACCESS_TOKEN, key.key_id())?;
        Ok(key)
    }

    /// The only algorithm of this key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's RFC 7638 thumbprint, the `kid` of its tokens. A shared secret has none.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.public.as_ref().and_then(Jwk::key_id)
    }

    /// The public half, with `kid`, `alg` and `use`. A shared secret has none.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Jwk> {
        self.public.clone()
    }

    /// The key that verifies what this one signs. A shared secret has none.
    #[must_use]
    pub fn verifying_key(&self) -> Option<VerifyingKey> {
        self.public_jwk().and_then(|jwk| VerifyingKey::from_jwk(jwk).ok())
    }

    /// The private key as PKCS #8 DER, for keeping it encrypted.
    ///
    /// # Errors
    /// [`SignError::NoPkcs8`] for a shared secret, [`SignError::Crypto`].
    pub fn to_pkcs8_der(&self) -> Result<Secret<Vec<u8>>, SignError> {
        self.private.to_pkcs8().map(Secret::new)
    }

    /// Signs `payload` as a compact JWS with the header `{"alg", "typ", "kid"}`.
    ///
    /// # Errors
    /// [`SignError::Payload`], [`SignError::Crypto`].
    pub fn sign(&self, typ: &str, payload: &impl Serialize) -> Result<String, SignError> {
        if typ == ACCESS_TOKEN {
            self.sign_under(&self.access_token_header, payload)
        } else {
            self.sign_under(&self.header(typ, self.key_id())?, payload)
        }
    }

    /// Signs with the header `{"alg", "typ"}`: for a receiver that knows the key under a name of its own and would
    /// look for a `kid` in vain.
    ///
    /// # Errors
    /// [`SignError::Payload`], [`SignError::Crypto`].
    pub fn sign_without_key_id(&self, typ: &str, payload: &impl Serialize) -> Result<String, SignError> {
        self.sign_under(&self.header(typ, None)?, payload)
    }

    /// Signs with the header `{"alg", "typ", "jwk"}`: a proof that somebody has this key (RFC 9449 §4.2), for a receiver
    /// that knows its thumbprint.
    ///
    /// # Errors
    /// [`KeyError::AlgorithmMismatch`] for a shared secret, [`SignError::Payload`], [`SignError::Crypto`].
    pub fn sign_embedding_key(&self, typ: &str, payload: &impl Serialize) -> Result<String, SignError> {
        let jwk = self.public.as_ref().ok_or(KeyError::AlgorithmMismatch)?;
        let typ = serde_json::to_string(typ).map_err(|_| SignError::Payload)?;
        let header =
            format!(r#"{{"alg":"{}","typ":{typ},"jwk":{}}}"#, self.algorithm, jwk.required_members());
        self.sign_under(&(jws::encode(header.as_bytes()) + "."), payload)
    }

    fn sign_under(&self, header: &str, payload: &impl Serialize) -> Result<String, SignError> {
        let payload = serde_json::to_vec(payload).map_err(|_| SignError::Payload)?;
        let mut token =
            String::with_capacity(header.len() + payload.len() * 4 / 3 + self.private.signature_text_len());
        token.push_str(header);
        jws::encode_onto(&payload, &mut token);
        self.finish(token)
    }

    /// Signs a header and payload that are already encoded: `header.payload`.
    fn finish(&self, mut token: String) -> Result<String, SignError> {
        let signature = self.private.sign(self.algorithm, token.as_bytes())?;
        token.push('.');
        jws::encode_onto(&signature, &mut token);
        Ok(token)
    }

    /// Signs any bytes as any algorithm of the key's kind.
    #[cfg(feature = "testkit")]
    pub(crate) fn sign_as(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.private.sign(algorithm, message)
    }

    fn header(&self, typ: &str, kid: Option<&KeyId>) -> Result<String, SignError> {
        let header = HeaderOut { alg: self.algorithm, typ, kid };
        let mut encoded = jws::encode(&serde_json::to_vec(&header).map_err(|_| SignError::Payload)?);
        encoded.push('.');
        Ok(encoded)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.key_id())
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
