//! Proofs of possession for tests (feature `dpop`).

use serde_json::{Map, Value};

use super::{TestIssuer, TestKey, TestToken};
use crate::{Clock as _, dpop::hash_of};

/// A proof about to be signed ([RFC 9449 §4.2](https://www.rfc-editor.org/rfc/rfc9449#section-4.2)).
///
/// ```
/// use countersign::{dpop::{DpopPolicy, ProofRequest}, testkit::{TestIssuer, TestKey}};
///
/// let issuer = TestIssuer::new("orders");
/// let policy = DpopPolicy::new("https://orders.test");
/// let verifier = issuer.verifier_builder().dpop(policy).build()?;
///
/// let token = issuer.token().subject("ada").bound_to(TestKey::CLIENT).sign();
/// let proof = issuer.proof("GET", "https://orders.test/orders/7", &token).sign();
///
/// let request = http::Request::get("/orders/7").header("DPoP", proof).body(())?;
/// assert!(verifier.verify_with_proof(&token, &ProofRequest::of(&request)).is_ok());
/// assert!(verifier.verify(&token).is_err()); // without the proof
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a proof is made by `sign`"]
pub struct TestProof<'a> {
    issuer: &'a TestIssuer,
    key: TestKey,
    typ: String,
    claims: Map<String, Value>,
}

impl TestKey {
    /// The key of a client that proves it has one: no issuer's.
    pub const CLIENT: Self = Self::Es256OfOther;

    /// What `cnf.jkt` of a token says that is bound to this key; nothing for the secret.
    #[must_use]
    pub fn thumbprint(self) -> Option<crate::KeyId> {
        self.signing_key().public_jwk().map(|jwk| jwk.thumbprint())
    }
}

impl TestIssuer {
    /// A good proof of [`TestKey::CLIENT`] for one request with this token, made now, to be changed before it is signed.
    /// Each has another `jti`.
    pub fn proof(&self, method: &str, uri: &str, token: &str) -> TestProof<'_> {
        let claims = [
            ("jti", format!("proof-{}", self.next_number()).into()),
            ("htm", method.into()),
            ("htu", uri.into()),
            ("iat", self.clock().now().as_secs().into()),
            ("ath", hash_of(token.as_bytes()).into()),
        ];
        let claims =
            claims.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect();
        TestProof { issuer: self, key: TestKey::CLIENT, typ: "dpop+jwt".to_owned(), claims }
    }
}

impl TestToken<'_> {
    /// Binds it to that key (`cnf.jkt`).
    pub fn bound_to(self, key: TestKey) -> Self {
        let thumbprint = key.thumbprint().map_or(Value::Null, |thumbprint| thumbprint.as_str().into());
        self.claim("cnf", serde_json::json!({ "jkt": thumbprint }))
    }
}

impl TestProof<'_> {
    /// Of another key.
    pub const fn key(mut self, key: TestKey) -> Self {
        self.key = key;
        self
    }

    /// With a nonce of the service.
    pub fn nonce(self, nonce: &str) -> Self {
        self.claim("nonce", nonce)
    }

    /// Any claim with any value, in the place of the one there is.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Another `typ`.
    pub fn typ(mut self, typ: &str) -> Self {
        typ.clone_into(&mut self.typ);
        self
    }

    /// The value of the `DPoP` header.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a proof that cannot be signed must stop the test")]
    pub fn sign(self) -> String {
        let key = self.issuer.signing_key(self.key);
        key.sign_embedding_key(&self.typ, &self.claims).expect("a test key signs")
    }
}
