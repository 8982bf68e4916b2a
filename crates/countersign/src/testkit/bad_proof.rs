//! The catalogue of bad proofs (feature `dpop`): requests, each with the reason it must be refused for and a good twin
//! that differs only in what is wrong.

use http::Request;

use super::{
    TestIssuer, TestKey,
    catalogue::{BAD_PROOFS, ODD_PROOFS},
    recipe::{Change, Words, make_proof, make_with},
};
use crate::{
    Clock as _, Secret, TokenRefusal, VerifiedClaims, Verifier,
    dpop::{DpopPolicy, ProofRequest, hash_of},
    jws::Algorithm,
};

/// One way in which a token that is bound to a key can be sent badly.
#[derive(Debug)]
pub struct BadProof {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
    pub(super) refusal: TokenRefusal,
    pub(super) setup: ProofSetup,
    pub(super) recipe: Recipe,
    pub(super) twin: Recipe,
}

/// A request that looks odd and is good: a verifier that refuses it is too strict.
#[derive(Debug)]
pub struct OddProof {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
    pub(super) setup: ProofSetup,
    pub(super) recipe: Recipe,
}

/// What the verifier demands. It trusts the test issuer with [`TestKey::PUBLISHED`], is reached as
/// [`ORIGIN`](Self::ORIGIN), and has every other default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofSetup {
    /// Bearer tokens and bound ones.
    Both,
    /// Bound tokens only.
    BoundOnly,
    /// As `Both`; proofs are signed with ES256 only.
    Es256,
    /// As `Both`; proofs have a nonce, under [`NONCE_KEY`](Self::NONCE_KEY).
    Nonce,
}

/// A request as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedRequest {
    /// The method.
    pub method: &'static str,
    /// The whole address.
    pub uri: String,
    /// The scheme of `Authorization`.
    pub scheme: &'static str,
    /// What stands after it.
    pub token: String,
    /// The `DPoP` headers.
    pub proofs: Vec<String>,
    /// Whether the same request was sent, and answered, before.
    pub sent_before: bool,
}

/// How a request differs from the good one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub(super) method: &'static str,
    /// Path and query.
    pub(super) target: &'static str,
    pub(super) scheme: &'static str,
    pub(super) token: &'static [Change],
    pub(super) proof: &'static [Change],
    pub(super) proofs: fn(String) -> Vec<String>,
    pub(super) sent_before: bool,
}

/// Every bad proof.
pub fn bad_proofs() -> impl Iterator<Item = &'static BadProof> {
    BAD_PROOFS.iter().copied().flatten()
}

/// Every good one that looks odd.
pub fn odd_proofs() -> impl Iterator<Item = &'static OddProof> {
    ODD_PROOFS.iter()
}

impl BadProof {
    /// Its name, `proof/what-is-wrong`. It never changes its meaning.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The rule it breaks or the weakness it tries.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// What it must be refused for.
    #[must_use]
    pub const fn refusal(&self) -> TokenRefusal {
        self.refusal
    }

    /// What the verifier must demand for this row to say anything.
    #[must_use]
    pub const fn setup(&self) -> ProofSetup {
        self.setup
    }

    /// The request, made for this issuer's service at this issuer's moment.
    #[must_use]
    pub fn request(&self, issuer: &TestIssuer) -> ProvedRequest {
        self.recipe.make(issuer)
    }

    /// The good request that differs only in what is wrong.
    #[must_use]
    pub fn twin(&self, issuer: &TestIssuer) -> ProvedRequest {
        self.twin.make(issuer)
    }
}

impl OddProof {
    /// Its name, `proof/what-is-odd`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Why it must be accepted.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// What the verifier must demand for this row to say anything.
    #[must_use]
    pub const fn setup(&self) -> ProofSetup {
        self.setup
    }

    /// The request, made for this issuer's service at this issuer's moment.
    #[must_use]
    pub fn request(&self, issuer: &TestIssuer) -> ProvedRequest {
        self.recipe.make(issuer)
    }
}

impl ProofSetup {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Both, Self::BoundOnly, Self::Es256, Self::Nonce];
    /// Where the service is reached.
    pub const ORIGIN: &'static str = "https://orders.test";
    /// The key of the nonces, which everybody has.
    pub const NONCE_KEY: [u8; 32] = *b"the key for nonces of test setup";

    /// Its name in the vectors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::BoundOnly => "bound-only",
            Self::Es256 => "es256",
            Self::Nonce => "nonce",
        }
    }

    /// A verifier on the issuer's clock that has seen no proof yet.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a verifier that cannot be built must stop the test")]
    pub fn verifier(self, issuer: &TestIssuer) -> Verifier {
        let policy = DpopPolicy::new(Self::ORIGIN);
        let policy = match self {
            Self::Both => policy,
            Self::BoundOnly => policy.bound_only(),
            Self::Es256 => policy.algorithms([Algorithm::Es256]),
            Self::Nonce => policy.require_nonce(Secret::new(Self::NONCE_KEY.to_vec())),
        };
        issuer.verifier_builder().dpop(policy).build().expect("the policy is good")
    }
}

impl ProvedRequest {
    /// What the verifier says, the last time it is sent.
    ///
    /// # Errors
    /// [`TokenRefusal`].
    pub fn verdict(&self, verifier: &Verifier) -> Result<VerifiedClaims, TokenRefusal> {
        if self.sent_before {
            // Its verdict is not asked for.
            drop(self.ask(verifier));
        }
        self.ask(verifier)
    }

    fn ask(&self, verifier: &Verifier) -> Result<VerifiedClaims, TokenRefusal> {
        if self.scheme == "Bearer" {
            return verifier.verify(&self.token);
        }
        let mut request = Request::builder().method(self.method).uri(&self.uri);
        for proof in &self.proofs {
            request = request.header("DPoP", proof);
        }
        // What no header can hold never reaches a service.
        let request = request.body(()).map_err(|_| TokenRefusal::ProofMalformed)?;
        verifier.verify_with_proof(&self.token, &ProofRequest::of(&request))
    }
}

impl Recipe {
    /// The good request.
    pub(super) const GOOD: Self = Self {
        method: "GET",
        target: "/orders/7",
        scheme: "DPoP",
        token: &[],
        proof: &[],
        proofs: |proof| vec![proof],
        sent_before: false,
    };

    fn make(&self, issuer: &TestIssuer) -> ProvedRequest {
        let mut words = words(issuer);
        let bound = [&[Change::Claim("cnf", "{\"jkt\":\"{jkt}\"}")], self.token].concat();
        let token = make_with(issuer, &words, &bound);
        words.push(("{ath}".to_owned(), hash_of(token.as_bytes())));
        let proof = make_proof(issuer, &words, self.proof);
        ProvedRequest {
            method: self.method,
            uri: format!("{}{}", ProofSetup::ORIGIN, self.target),
            scheme: self.scheme,
            token,
            proofs: (self.proofs)(proof),
            sent_before: self.sent_before,
        }
    }
}

/// `{jkt}` is the thumbprint of the client's key, `{jkt:ES384}` that of the published key of that algorithm; `{nonce}` is
/// the present nonce of [`ProofSetup::Nonce`] and `{old_nonce}` one of four minutes ago.
fn words(issuer: &TestIssuer) -> Words {
    let thumbprint = |key: TestKey| key.thumbprint().map_or_else(String::new, |id| id.as_str().to_owned());
    let mut words = vec![("{jkt}".to_owned(), thumbprint(TestKey::CLIENT))];
    words.extend(
        TestKey::PUBLISHED.into_iter().map(|key| (format!("{{jkt:{}}}", key.algorithm()), thumbprint(key))),
    );
    let now = issuer.clock().now();
    for (word, ago) in [("{nonce}", 0), ("{old_nonce}", 240)] {
        let moment = crate::UnixTime::from_secs(now.as_secs().saturating_sub(ago));
        let nonce = crate::dpop::nonce_at(&ProofSetup::NONCE_KEY, moment);
        words.push((word.to_owned(), nonce));
    }
    words
}

#[cfg(test)]
mod tests;
