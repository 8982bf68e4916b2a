//! How a service proves to the gateway which client it is.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;

use super::form;
#[cfg(feature = "sign")]
use crate::SigningKey;
use crate::{ClientId, Issuer, Secret, UnixTime};

/// The name and proof of a client, as the gateway's table `[[client]]` has it. A clone is cheap and the same client.
///
/// 1. [`basic`](Self::basic): `Authorization: Basic` with name and secret, each form-encoded first
///    ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
/// 2. `private_key_jwt` (feature `sign`): an assertion
///    ([RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)) signed for each request: `iss` and `sub`
///    are the client, `aud` is the issuer, it lives a minute, `jti` is never the same, `typ` is
///    `client-authentication+jwt`. In a form it is `client_assertion`; where there is no form it is the token of
///    `Authorization: Bearer`.
#[derive(Clone)]
pub struct ClientAuthentication {
    client: ClientId,
    proof: Proof,
}

#[derive(Clone)]
enum Proof {
    Basic(HeaderValue),
    #[cfg(feature = "sign")]
    Assertion(std::sync::Arc<SigningKey>),
}

/// A client whose proof cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client's proof cannot be made")]
pub struct ProofError;

/// Where a proof is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// There is only the header.
    Header,
    /// There is a form too.
    Form,
}

/// The proof of one request.
#[derive(Default)]
pub(super) struct Proven {
    /// The value of `Authorization`.
    pub(super) header: Option<HeaderValue>,
    /// Pairs for the form.
    pub(super) pairs: Vec<(&'static str, Secret<String>)>,
}

impl ClientAuthentication {
    /// A name and the secret that goes with it. Line ends behind the secret are not part of it, as in the gateway's
    /// `secret_file`: what was read from a file can be given as it is.
    ///
    /// ```no_run
    /// use countersign::{Secret, remote::ClientAuthentication};
    /// let secret = Secret::new(std::fs::read_to_string("/run/secrets/orders")?);
    /// let client = ClientAuthentication::basic("orders", secret)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ProofError`] for an empty name or secret.
    #[expect(clippy::needless_pass_by_value, reason = "the caller's copy of the secret ends here")]
    pub fn basic(client: impl Into<ClientId>, secret: Secret<String>) -> Result<Self, ProofError> {
        let client = client.into();
        let secret = secret.expose().trim_end_matches(['\r', '\n']);
        if client.as_str().is_empty() || secret.is_empty() {
            return Err(ProofError);
        }
        let mut pair = String::new();
        form::append(&mut pair, client.as_str());
        pair.push(':');
        form::append(&mut pair, secret);
        let pair = Secret::new(pair);
        let header = sensitive(&Secret::new(format!("Basic {}", STANDARD.encode(pair.expose()))))?;
        Ok(Self { client, proof: Proof::Basic(header) })
    }

    /// A name and the private key whose public half the gateway has.
    ///
    /// # Errors
    /// [`ProofError`] for an empty name or a shared secret.
    #[cfg(feature = "sign")]
    pub fn private_key_jwt(client: impl Into<ClientId>, key: SigningKey) -> Result<Self, ProofError> {
        let client = client.into();
        if client.as_str().is_empty() || key.algorithm().is_symmetric() {
            return Err(ProofError);
        }
        Ok(Self { client, proof: Proof::Assertion(key.into()) })
    }

    /// The client's name.
    #[must_use]
    pub const fn client(&self) -> &ClientId {
        &self.client
    }

    /// The proof of one request to that issuer's gateway.
    #[cfg_attr(not(feature = "sign"), expect(unused_variables, reason = "what only an assertion says"))]
    pub(super) fn prove(&self, issuer: &Issuer, now: UnixTime, place: Place) -> Result<Proven, ProofError> {
        match &self.proof {
            Proof::Basic(header) => Ok(Proven { header: Some(header.clone()), ..Proven::default() }),
            #[cfg(feature = "sign")]
            Proof::Assertion(key) => {
                let assertion = Secret::new(self.assertion(key, issuer, now)?);
                if place == Place::Header {
                    let header = sensitive(&Secret::new(format!("Bearer {}", assertion.expose())))?;
                    return Ok(Proven { header: Some(header), ..Proven::default() });
                }
                let plain = |text: &str| Secret::new(text.to_owned());
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                let pairs = vec![
                    ("client_id", plain(self.client.as_str())),
                    ("client_assertion_type", plain(kind)),
                    ("client_assertion", assertion),
                ];
                Ok(Proven { header: None, pairs })
            }
        }
    }

    #[cfg(feature = "sign")]
    fn assertion(&self, key: &SigningKey, issuer: &Issuer, now: UnixTime) -> Result<String, ProofError> {
        let mut jti = [0; 16];
        aws_lc_rs::rand::fill(&mut jti).map_err(|_| ProofError)?;
        let claims = serde_json::json!({
            "iss": self.client,
            "sub": self.client,
            "aud": issuer,
            "jti": crate::jws::encode(&jti),
            "iat": now,
            "exp": now.saturating_add(ASSERTION_LIFE),
        });
        key.sign("client-authentication+jwt", &claims).map_err(|_| ProofError)
    }
}

/// Life of an assertion: long enough for a request and clocks that differ a little.
#[cfg(feature = "sign")]
const ASSERTION_LIFE: std::time::Duration = std::time::Duration::from_secs(60);

fn sensitive(value: &Secret<String>) -> Result<HeaderValue, ProofError> {
    let mut value = HeaderValue::from_str(value.expose()).map_err(|_| ProofError)?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthentication").field("client", &self.client).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "testkit")]
mod tests {
    use serde_json::Value;

    use super::{ClientAuthentication, Place};
    use crate::{Secret, SigningKey, UnixTime, jws, testkit::TestKey};

    const NOW: UnixTime = UnixTime::from_secs(1_000);

    #[test]
    fn basic_is_written_as_rfc_6749_wants_it() {
        let client = ClientAuthentication::basic("a:b", Secret::new("p w%".to_owned())).unwrap();
        let proven = client.prove(&"https://issuer.test".into(), NOW, Place::Form).unwrap();
        assert_eq!(proven.header.unwrap(), "Basic YSUzQWI6cCt3JTI1");
        assert!(proven.pairs.is_empty());
        assert!(!format!("{client:?}").contains("YSUz"));
        assert!(ClientAuthentication::basic("", Secret::new("x".to_owned())).is_err());
        assert!(ClientAuthentication::basic("a", Secret::new(String::new())).is_err());
    }

    #[test]
    fn line_ends_behind_a_secret_are_not_part_of_it() {
        let header = |secret: &str| {
            let client = ClientAuthentication::basic("orders", Secret::new(secret.to_owned()))?;
            let proven = client.prove(&"https://issuer.test".into(), NOW, Place::Header)?;
            Ok::<_, super::ProofError>(proven.header)
        };
        for written in ["s3cret\n", "s3cret\r\n", "s3cret\n\n"] {
            assert_eq!(header(written), header("s3cret"), "{written:?}");
        }
        assert_ne!(header("s3\ncret"), header("s3cret"));
        assert_ne!(header("s3cret "), header("s3cret"));
        assert!(header("\n").is_err());
    }

    #[test]
    fn an_assertion_is_signed_for_one_request() {
        let key =
            SigningKey::from_pem(TestKey::Ed25519.algorithm(), TestKey::Ed25519.pem().unwrap()).unwrap();
        let client = ClientAuthentication::private_key_jwt("orders", key).unwrap();
        let assertion = |place| {
            let proven = client.prove(&"https://issuer.test".into(), NOW, place).unwrap();
            let header = proven
                .header
                .map(|value| value.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned());
            header.unwrap_or_else(|| proven.pairs[2].1.expose().clone())
        };
        let mut names = Vec::new();
        for place in [Place::Form, Place::Header] {
            let token = assertion(place);
            let verified = jws::verify(token.as_bytes(), &TestKey::Ed25519.verifying_key().unwrap()).unwrap();
            assert!(verified.header().is_type("client-authentication+jwt"));
            let claims: Value = serde_json::from_slice(verified.payload()).unwrap();
            assert_eq!((&claims["iss"], &claims["sub"]), (&"orders".into(), &"orders".into()));
            assert_eq!(claims["aud"], "https://issuer.test");
            assert_eq!((claims["iat"].as_u64(), claims["exp"].as_u64()), (Some(1_000), Some(1_060)));
            names.push(claims["jti"].clone());
        }
        assert_ne!(names[0], names[1]);
        let secret = SigningKey::shared_secret(jws::Algorithm::Hs256, TestKey::secret()).unwrap();
        assert!(ClientAuthentication::private_key_jwt("orders", secret).is_err());
    }
}
