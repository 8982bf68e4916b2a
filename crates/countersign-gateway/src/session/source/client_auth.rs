//! How the gateway proves to the authorization server who it is (RFC 6749 §2.3, RFC 7523 §2.2).
//!
//! The assertion of `private_key_jwt` has exactly one audience, as a text: the issuer where it is known by
//! discovery, otherwise the address it is sent to. The revised OpenID Connect Core §9 and FAPI 2.0 want the issuer
//! alone; Keycloak refuses more than one audience; the servers that ask for the token endpoint take the issuer too.
//! Each assertion is used once: servers remember its `jti`. It has no `kid`: a server that
//! finds no registered key of that name refuses, one that gets none tries the keys it has.

use std::{fmt, sync::Arc, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign::{ClientId, Secret, SigningKey, UnixTime, jws::Algorithm};
use http::HeaderValue;
use serde::Serialize;

use super::SourceSetupError;
use crate::{config::resolved::ClientAuth, entropy::Entropy, error::SourceError, http::form};

/// Life of an assertion: long enough for a look-up and clocks that differ a little.
const ASSERTION_LIFE: Duration = Duration::from_secs(60);

/// A proof, prepared once as far as it does not change.
pub(super) enum ClientProof {
    /// An assertion signed for each look-up.
    Assertion(Box<Assertion>),
    /// Pairs appended to the form.
    Form(Secret<String>),
    /// The value of `Authorization`.
    Header(HeaderValue),
    /// Nothing.
    None,
}

impl fmt::Debug for ClientProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assertion(_) => "Assertion([redacted])",
            Self::Form(_) => "Form([redacted])",
            Self::Header(_) => "Header([redacted])",
            Self::None => "None",
        })
    }
}

impl ClientProof {
    /// Prepares the proof.
    ///
    /// # Errors
    /// A bearer token that cannot stand in a header, a private key that is none.
    pub(super) fn new(auth: &ClientAuth, entropy: &Arc<dyn Entropy>) -> Result<Self, SourceSetupError> {
        match auth {
            ClientAuth::Basic(id, secret) => {
                let pair =
                    Secret::new(format!("{}:{}", form::encoded(id.as_str()), form::encoded(secret.expose())));
                let value = Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())));
                Ok(Self::Header(sensitive(&value)?))
            }
            ClientAuth::Bearer(token) => {
                let value = Secret::new(format!("Bearer {}", token.expose()));
                Ok(Self::Header(sensitive(&value)?))
            }
            ClientAuth::Post(id, secret) => {
                let mut pairs = String::new();
                form::append_pair(&mut pairs, "client_id", id.as_str());
                form::append_pair(&mut pairs, "client_secret", secret.expose());
                Ok(Self::Form(Secret::new(pairs)))
            }
            ClientAuth::None => Ok(Self::None),
            ClientAuth::PrivateKeyJwt(client, key) => {
                let (client, key) = (client.clone(), signing_key(key.expose())?);
                Ok(Self::Assertion(Box::new(Assertion { client, key, entropy: Arc::clone(entropy) })))
            }
        }
    }

    /// Adds the proof to the form, or gives the value of `Authorization`.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] when an assertion cannot be signed: the fault is on our side.
    pub(super) fn prove(
        &self,
        fields: &mut String,
        audience: &str,
        now: UnixTime,
    ) -> Result<Option<HeaderValue>, SourceError> {
        match self {
            Self::Assertion(assertion) => {
                let signed = assertion.sign(audience, now)?;
                form::append_pair(fields, "client_id", assertion.client.as_str());
                form::append_pair(
                    fields,
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                );
                form::append_pair(fields, "client_assertion", &signed);
                Ok(None)
            }
            Self::Form(pairs) => {
                fields.push('&');
                fields.push_str(pairs.expose());
                Ok(None)
            }
            Self::Header(value) => Ok(Some(value.clone())),
            Self::None => Ok(None),
        }
    }
}

fn sensitive(value: &Secret<String>) -> Result<HeaderValue, SourceSetupError> {
    let mut value = HeaderValue::from_str(value.expose()).map_err(|_| SourceSetupError::ClientToken)?;
    value.set_sensitive(true);
    Ok(value)
}

/// What an assertion is made of.
pub(super) struct Assertion {
    client: ClientId,
    key: SigningKey,
    entropy: Arc<dyn Entropy>,
}

/// The claims of an assertion (RFC 7523 §3).
#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: UnixTime,
    exp: UnixTime,
}

impl Assertion {
    fn sign(&self, audience: &str, now: UnixTime) -> Result<String, SourceError> {
        let ours = || SourceError::Unavailable("our client assertion cannot be signed".into());
        let mut jti = [0; 16];
        self.entropy.fill(&mut jti).map_err(|_| ours())?;
        let claims = AssertionClaims {
            iss: self.client.as_str(),
            sub: self.client.as_str(),
            aud: audience,
            jti: URL_SAFE_NO_PAD.encode(jti),
            iat: now,
            exp: now.saturating_add(ASSERTION_LIFE),
        };
        self.key.sign_without_key_id("JWT", &claims).map_err(|_| ours())
    }
}

/// Reads the key; its kind decides the algorithm. An RSA key signs RS256, which every server knows.
pub(crate) fn signing_key(pem: &str) -> Result<SigningKey, SourceSetupError> {
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es384, Algorithm::Es512]
        .into_iter()
        .find_map(|algorithm| SigningKey::from_pem(algorithm, pem).ok())
        .ok_or(SourceSetupError::ClientKey)
}
