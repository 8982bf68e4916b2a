//! Tokens that are worth nothing without their key: proofs of possession (DPoP,
//! [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449); feature `dpop`).
//!
//! A token that says `cnf: {"jkt": …}` is bound to a key, and each request has to prove in its `DPoP` header that the
//! sender has the key: a copy of the token alone opens nothing. Without a [`DpopPolicy`] a verifier refuses such tokens by
//! name. With one:
//!
//! 1. A token that is bound to a key counts with the scheme `DPoP` and a good proof only; sent as a bearer token it is
//!    refused (§7.2). A token that is bound to nothing counts as a bearer token only, and with
//!    [`bound_only`](DpopPolicy::bound_only) not at all. `cnf` with any other member is refused.
//! 2. The token is judged first, by every rule of the [`Verifier`](crate::Verifier); that it was seen before saves its
//!    signature, never the proof.
//! 3. A proof is judged by §4.3: exactly one header; one compact JWS of at most 8 KiB; `typ` is `dpop+jwt`; `alg` is
//!    asymmetric and accepted; `jwk` is a public key, read as strictly as a key set, and its thumbprint is the token's
//!    `jkt`; the signature holds; `jti` has 1 to 256 bytes; `htm` is the method; `htu` is the address, compared without
//!    query and fragment after normalisation (RFC 3986 §6.2.2, §6.2.3); `ath` is the token's hash; `iat` is at most
//!    60 seconds old and at most 5 seconds ahead. `exp` and `nbf`, if they are there, count as in any JWT.
//! 4. The same proof does not count twice: its key and `jti` are remembered until it is too old. The memory is bounded,
//!    and one caller takes an eighth of it at most; when it is full, further proofs are refused with 503. It is one
//!    process's: of several replicas each takes a proof
//!    once, unless they share a [nonce](DpopPolicy::require_nonce), which bounds how long.
//! 5. The service's own origin is told, never taken from `Host` or `:authority`, which the sender of a request chooses.
//!
//! ```
//! use countersign::{KeySet, TokenRefusal, Verifier, dpop::{DpopPolicy, ProofRequest}};
//! # fn key_set() -> KeySet { KeySet::default() }
//! let verifier = Verifier::builder()
//!     .issuer("https://shop.example")
//!     .audience("orders")
//!     .key_set(key_set())
//!     .dpop(DpopPolicy::new("https://orders.shop.example"))
//!     .build()?;
//! let request = http::Request::get("/orders/7").header("DPoP", "rubbish").body(())?;
//! let refused = verifier.verify_with_proof("rubbish", &ProofRequest::of(&request)).unwrap_err();
//! assert_eq!(refused, TokenRefusal::TokenMalformed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What an attacker can do if this is wrong
//! Use a stolen token as if it were a bearer token.

mod challenge;
mod nonce;
mod policy;
mod proof;
mod replay;
mod request;
mod uri;

#[cfg(feature = "testkit")]
pub(crate) use self::proof::hash_of;
pub use self::{
    challenge::Scheme,
    policy::{DpopPolicy, DpopPolicyError},
    request::ProofRequest,
};

use http::HeaderValue;

use self::{
    nonce::{Age, Nonces},
    proof::{Expected, judge},
    replay::{NotTaken, Proof, Replays},
    uri::{Address, Base},
};
use crate::{TokenRefusal, UnixTime, VerifiedClaims, rule::Rule};

/// The request header with the proof (RFC 9449 §4.1).
pub(crate) const PROOF_HEADER: &str = "dpop";
/// The response header with a nonce (RFC 9449 §8.1).
pub(crate) const NONCE_HEADER: &str = "dpop-nonce";

/// What a verifier needs to judge proofs.
#[derive(Debug)]
pub(crate) struct Proofs {
    bases: Vec<Base>,
    policy: DpopPolicy,
    replays: Replays,
    nonces: Option<Nonces>,
}

/// A request whose proof was good.
#[derive(Debug, Default)]
pub(crate) struct Proved {
    /// The nonce that the answer has to bring, because the one that was used is getting old.
    pub(crate) fresh_nonce: Option<HeaderValue>,
}

impl Proofs {
    pub(crate) fn new(policy: DpopPolicy) -> Result<Self, DpopPolicyError> {
        let bases = policy.check()?;
        let replays = Replays::new(policy.remembered, policy.max_age + policy.leeway);
        let nonces = policy.nonce_key.as_ref().map(|key| Nonces::new(key.expose()));
        Ok(Self { bases, policy, replays, nonces })
    }

    /// Whether a good token counts without a proof.
    pub(crate) fn check_bearer(&self, claims: &VerifiedClaims) -> Result<(), TokenRefusal> {
        let is_bound = claims.bound_to().is_some();
        if Rule::ProofDemanded.is_broken_by(is_bound) {
            return Err(TokenRefusal::TokenNeedsProof);
        }
        if Rule::TokenBoundOnly.is_broken_by(!is_bound && self.policy.bound_only) {
            return Err(TokenRefusal::TokenNotBound);
        }
        Ok(())
    }

    /// Whether a good token counts in this request, with the proof it carries.
    pub(crate) fn check(
        &self,
        token: &[u8],
        claims: &VerifiedClaims,
        request: &ProofRequest,
        now: UnixTime,
    ) -> Result<Proved, TokenRefusal> {
        let Some(bound_to) = claims.bound_to() else {
            return if Rule::TokenBound.is_broken_by(true) {
                Err(TokenRefusal::TokenNotBound)
            } else {
                Ok(Proved::default())
            };
        };
        let mut proofs = request.proofs.iter();
        let proof = proofs.next().ok_or(TokenRefusal::ProofMissing)?;
        if Rule::ProofOnlyOne.is_broken_by(proofs.next().is_some()) {
            return Err(TokenRefusal::ProofAmbiguous);
        }
        let addresses: Vec<Address> =
            self.bases.iter().filter_map(|base| Address::below(base, &request.path)).collect();
        let expected = Expected {
            algorithms: &self.policy.algorithms,
            bound_to,
            token,
            method: &request.method,
            addresses: &addresses,
            max_age: self.policy.max_age,
            leeway: self.policy.leeway,
            now,
        };
        let judged = judge(proof.as_bytes(), &expected)?;
        let age = self.check_nonce(judged.nonce.as_deref(), now)?;
        // The last question, because the answer is remembered.
        let caller = (claims.issuer(), claims.subject());
        let proof = Proof { caller, key: bound_to, id: &judged.id, until: judged.until };
        match self.replays.take(proof, now) {
            Err(NotTaken::Replayed) if Rule::ProofReplay.is_broken_by(true) => {
                return Err(TokenRefusal::ProofReplayed);
            }
            Err(NotTaken::Full) => return Err(TokenRefusal::ProofMemoryFull),
            Ok(()) | Err(NotTaken::Replayed) => {}
        }
        let is_old = age == Age::Previous;
        Ok(Proved { fresh_nonce: is_old.then(|| self.present_nonce(now)).flatten() })
    }

    /// The nonce to give out, if there are any.
    pub(crate) fn present_nonce(&self, now: UnixTime) -> Option<HeaderValue> {
        self.nonces.as_ref().and_then(|nonces| nonces.present(now))
    }

    fn check_nonce(&self, nonce: Option<&str>, now: UnixTime) -> Result<Age, TokenRefusal> {
        let Some(nonces) = &self.nonces else { return Ok(Age::Present) };
        let age = nonce.and_then(|nonce| nonces.age(nonce, now));
        if Rule::ProofNonce.is_broken_by(age.is_none()) {
            return Err(TokenRefusal::ProofNonceRequired);
        }
        Ok(age.unwrap_or(Age::Present))
    }
}

/// An address as it is compared.
#[cfg(feature = "testkit")]
pub(crate) fn one_spelling(address: &str) -> Option<String> {
    Address::read(address).map(|address| address.as_str().to_owned())
}

/// The nonce of a moment under a key that everybody has.
#[cfg(feature = "testkit")]
pub(crate) fn nonce_at(key: &[u8], now: UnixTime) -> String {
    Nonces::new(key).present(now).and_then(|nonce| nonce.to_str().map(str::to_owned).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
