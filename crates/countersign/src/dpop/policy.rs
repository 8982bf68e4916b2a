//! How a verifier is told what proofs to take.

use std::time::Duration;

use super::{nonce::Nonces, uri::Base};
use crate::{Secret, jws::Algorithm};

/// Which proofs a verifier takes, and for which addresses. For
/// [`VerifierBuilder::dpop`](crate::VerifierBuilder::dpop).
#[derive(Debug, Clone)]
pub struct DpopPolicy {
    origins: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) bound_only: bool,
    pub(super) leeway: Duration,
    pub(super) max_age: Duration,
    pub(super) nonce_key: Option<Secret<Vec<u8>>>,
    pub(super) remembered: usize,
}

/// What makes no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DpopPolicyError {
    /// No algorithm at all, or one with a shared secret.
    #[error("proofs are signed with asymmetric algorithms, at least one")]
    Algorithms,
    /// The proofs' greatest age is zero or longer than [`DpopPolicy::LONGEST_AGE`], or the leeway longer than a minute.
    #[error("a proof is good for 1 to 300 seconds, with a leeway of at most 60")]
    Age,
    /// No proof could be remembered.
    #[error("at least one proof must be remembered")]
    Memory,
    /// The key for nonces has fewer than 32 bytes.
    #[error("the key for nonces has at least 32 bytes")]
    NonceKey,
    /// Not an `http` or `https` origin, with a path or without.
    #[error("`{0}` is not an origin like `https://orders.shop.example`")]
    Origin(String),
}

impl DpopPolicy {
    /// How old a proof may be, unless told otherwise.
    pub const DEFAULT_AGE: Duration = Duration::from_secs(60);
    /// How far a proof may be ahead of our clock, unless told otherwise.
    pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);
    /// How many proofs are remembered, unless told otherwise: 4,000 a second with the default age.
    pub const DEFAULT_REMEMBERED: usize = 262_144;
    /// The greatest age a proof may be allowed.
    pub const LONGEST_AGE: Duration = Duration::from_secs(300);
    const LONGEST_LEEWAY: Duration = Duration::from_secs(60);

    /// Takes proofs for this origin: scheme, host and port under which clients reach the service, as in
    /// `https://orders.shop.example`. If something in front of the service takes a prefix off the path, the prefix
    /// belongs here too: `https://shop.example/orders`.
    ///
    /// It has to be told, because a request says of itself only what its sender wants: a proof made for another service
    /// would count here if `Host` could name that service.
    #[must_use]
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origins: vec![origin.into()],
            algorithms: Algorithm::ALL
                .iter()
                .copied()
                .filter(|algorithm| !algorithm.is_symmetric())
                .collect(),
            bound_only: false,
            leeway: Self::DEFAULT_LEEWAY,
            max_age: Self::DEFAULT_AGE,
            nonce_key: None,
            remembered: Self::DEFAULT_REMEMBERED,
        }
    }

    /// One more origin under which clients reach the service.
    #[must_use]
    pub fn also_at(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Takes no bearer tokens any more: every token must be bound to a key.
    #[must_use]
    pub const fn bound_only(mut self) -> Self {
        self.bound_only = true;
        self
    }

    /// Which algorithms proofs may be signed with. By default all asymmetric ones; with ES256 alone you refuse few.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How old a proof may be, in whole seconds, at most five minutes. The default is 60 s. The longer, the more have to
    /// be remembered.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// How far a proof may be ahead of our clock, in whole seconds, at most a minute. The default is 5 s.
    #[must_use]
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// About how many proofs are remembered at most. When so many have come within [`max_age`](Self::max_age), further
    /// ones are refused with 503 `proof_memory_full`; those of one caller (`sub`) already when they are an eighth of
    /// them, unless there is room for less than 1,024. The default is 262,144: 4,000 a second, 500 of one caller. One
    /// takes at most 64 bytes, so that a full memory has 16 MiB.
    #[must_use]
    pub const fn remember(mut self, proofs: usize) -> Self {
        self.remembered = proofs;
        self
    }

    /// Demands a nonce of ours in each proof ([RFC 9449 §9](https://www.rfc-editor.org/rfc/rfc9449#section-9)), so that
    /// none can be made in advance by someone who has the key for a moment. A nonce is good for two to four minutes and
    /// needs no memory; replicas with the same key take each other's. `iat` is checked all the same.
    ///
    /// `key` has at least 32 bytes, random, used for nothing else. The layers give the nonce out in `DPoP-Nonce`; for a
    /// page of another origin the service has to expose that header (`Access-Control-Expose-Headers`).
    #[must_use]
    pub fn require_nonce(mut self, key: Secret<Vec<u8>>) -> Self {
        self.nonce_key = Some(key);
        self
    }

    /// The origins, read.
    pub(super) fn check(&self) -> Result<Vec<Base>, DpopPolicyError> {
        if self.algorithms.is_empty() || self.algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
            return Err(DpopPolicyError::Algorithms);
        }
        let is_age = self.max_age.as_secs() > 0 && self.max_age <= Self::LONGEST_AGE;
        if !is_age || self.leeway > Self::LONGEST_LEEWAY {
            return Err(DpopPolicyError::Age);
        }
        if self.remembered == 0 {
            return Err(DpopPolicyError::Memory);
        }
        if self.nonce_key.as_ref().is_some_and(|key| key.expose().len() < Nonces::LEAST_KEY_BYTES) {
            return Err(DpopPolicyError::NonceKey);
        }
        let read =
            |origin: &String| Base::read(origin).ok_or_else(|| DpopPolicyError::Origin(origin.clone()));
        self.origins.iter().map(read).collect()
    }
}
