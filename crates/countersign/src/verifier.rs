//! Decides whether a token is good, and says what it says.
//!
//! The work is done in this order, cheap and structural things first, and nothing of the payload is used before the
//! signature holds, but for choosing among several issuers:
//!
//! 1. **Form**: at most 8 KiB, three segments of canonical base64url, a header that is one JSON object without
//!    doubled members ([`jws`](crate::jws)). `crit` is refused; `jwk`, `jku`, `x5u` and `x5c` are not even read.
//! 2. **Issuer and key**: the key comes from the chosen issuer's set, by `kid`; a token without `kid` can mean only
//!    the single key of a set. The key fixes the algorithm.
//! 3. **Signature.**
//! 4. **Type**: `typ` is `at+jwt` (RFC 9068 §4).
//! 5. **Claims**: `iss aud exp iat sub jti client_id` are there; a claim of the wrong JSON type is a refusal, never
//!    "absent"; `iss` and `aud` are exactly ours; no `cnf` unless proofs are checked (feature `dpop`); `exp` and `nbf`
//!    and `iat` fit the present moment; `organisation` names exactly one; `roles` is an array of strings; no `status`,
//!    which would point to a list of revoked tokens (Token Status List) that is not looked at. With several issuers, the
//!    organisation is one that this issuer [may name](Organisations).
//! 6. **Revocation**, last.
//!
//! A token seen before skips 1 to 5 but for time and whether its key is still published. It is remembered by this verifier
//! alone, whose issuers and audiences never change.
//!
//! # What an attacker can do if this is wrong
//! Be anyone, in every service that uses this crate.

mod builder;
mod judge;
mod members;
mod plain;
mod revocations;
mod trust;
mod verified;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;

#[cfg(feature = "dpop")]
pub(crate) use self::judge::numeric_date;
pub(crate) use self::judge::{Expected, judge};
pub use self::{
    builder::{Complete, VerifierBuilder, VerifierError, WantsAudience, WantsIssuer, WantsKeys},
    revocations::{NoRevocations, Revocable, Revocations, Standing},
    trust::{ClaimPaths, Organisations},
    verified::{Actor, VerifiedClaims},
};
use self::{
    judge::{Judged, Names, check_time, named_issuer},
    verified::{Proof, ProofKey, Token},
};
#[cfg(feature = "dpop")]
use crate::dpop::{ProofRequest, Proofs, Proved};
use crate::{
    Audience, Clock, Issuer, KeySource, TokenRefusal, UnixTime,
    jws::{Algorithm, KnownHeader, SharedSecret, Unverified, Verified},
    rule::Rule,
    seen::Seen,
};

/// Verifies access tokens of the issuers it was told to trust. A clone is cheap and shares everything.
///
/// ```
/// use countersign::{KeySet, TokenRefusal, Verifier};
/// # fn key_set() -> KeySet { KeySet::default() }
/// let verifier = Verifier::builder()
///     .issuer("https://shop.example")
///     .audience("orders")
///     .key_set(key_set())
///     .build()?;
/// assert_eq!(verifier.verify("rubbish").unwrap_err(), TokenRefusal::TokenMalformed);
/// # Ok::<(), countersign::VerifierError>(())
/// ```
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    trusted: Vec<Trusted>,
    leeway: Duration,
    max_lifetime: Duration,
    max_token_bytes: usize,
    types: Vec<Box<str>>,
    ignores_status: bool,
    needs_session: bool,
    needs_organisation: bool,
    clock: Arc<dyn Clock>,
    revocations: Arc<dyn Revocations>,
    seen: Seen,
    /// That of the newest good token whose header was another one than before.
    usual: ArcSwapOption<Usual>,
    #[cfg(feature = "dpop")]
    proofs: Option<Proofs>,
}

/// What the tokens of an issuer mostly share: the header, byte for byte, and names, which are kept once.
struct Usual {
    header: KnownHeader,
    names: Names,
}

/// One issuer, who we are for it, its keys, and what its tokens may say.
#[derive(Debug)]
struct Trusted {
    issuer: Issuer,
    audience: Audience,
    keys: IssuerKeys,
    /// Has to be said where there are several issuers.
    organisations: Option<Organisations>,
    paths: ClaimPaths,
}

/// An issuer has public keys or shares secrets with us, never both.
#[derive(Debug)]
enum IssuerKeys {
    Published(Box<dyn KeySource>),
    Shared(Vec<SharedSecret>),
}

impl Verifier {
    /// How far the clocks of issuer and service may differ, unless told otherwise.
    pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);
    /// The most leeway.
    pub const MAX_LEEWAY: Duration = Duration::from_secs(60);
    /// The longest life of a token, unless told otherwise.
    pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
    /// How many good tokens are remembered, unless told otherwise.
    pub const DEFAULT_SEEN_BEFORE: usize = 10_000;
    /// The most secrets shared with one issuer.
    pub const MAX_SECRETS: usize = 4;

    /// Begins with the first of the three things that have no default.
    #[must_use]
    pub fn builder() -> VerifierBuilder<WantsIssuer> {
        VerifierBuilder::new()
    }

    /// Decides about a token, the bytes after `Bearer `, at the present moment.
    ///
    /// # Errors
    /// [`TokenRefusal`], the first of the module's rules that is broken.
    pub fn verify(&self, token: impl AsRef<[u8]>) -> Result<VerifiedClaims, TokenRefusal> {
        self.verify_at(token.as_ref(), self.0.clock.now())
    }

    /// The same, at a given moment.
    ///
    /// # Errors
    /// [`TokenRefusal`], the first of the module's rules that is broken.
    pub fn verify_at(&self, token: &[u8], now: UnixTime) -> Result<VerifiedClaims, TokenRefusal> {
        let claims = self.0.judge_token(token, now)?;
        #[cfg(feature = "dpop")]
        if let Some(proofs) = &self.0.proofs {
            proofs.check_bearer(&claims)?;
        }
        Ok(claims)
    }

    /// Decides about a token that was sent with the scheme `DPoP`, the bytes after `DPoP `, and about the proof that
    /// came with it, at the present moment. A proof is good once.
    ///
    /// # Errors
    /// [`TokenRefusal`], the first rule of the token that is broken, then of the proof. Without
    /// [`dpop`](VerifierBuilder::dpop) every token is refused.
    #[cfg(feature = "dpop")]
    pub fn verify_with_proof(
        &self,
        token: impl AsRef<[u8]>,
        request: &ProofRequest,
    ) -> Result<VerifiedClaims, TokenRefusal> {
        self.verify_with_proof_at(token.as_ref(), request, self.0.clock.now())
    }

    /// The same, at a given moment.
    ///
    /// # Errors
    /// As [`verify_with_proof`](Self::verify_with_proof).
    #[cfg(feature = "dpop")]
    pub fn verify_with_proof_at(
        &self,
        token: &[u8],
        request: &ProofRequest,
        now: UnixTime,
    ) -> Result<VerifiedClaims, TokenRefusal> {
        self.prove(token, request, now).map(|(claims, _)| claims)
    }

    #[cfg(feature = "dpop")]
    pub(crate) fn prove(
        &self,
        token: &[u8],
        request: &ProofRequest,
        now: UnixTime,
    ) -> Result<(VerifiedClaims, Proved), TokenRefusal> {
        let claims = self.0.judge_token(token, now)?;
        let proofs = self.0.proofs.as_ref().ok_or(TokenRefusal::TokenNotBound)?;
        let proved = proofs.check(token, &claims, request, now)?;
        Ok((claims, proved))
    }

    /// What `WWW-Authenticate` has to say when a request is refused that was sent so, and the service checks proofs
    /// ([RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)). The layers say it themselves. Without
    /// [`dpop`](VerifierBuilder::dpop) it is [`TokenRefusal::www_authenticate`].
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn challenge(
        &self,
        refusal: TokenRefusal,
        scope: Option<&str>,
        sent: crate::dpop::Scheme,
    ) -> Option<http::HeaderValue> {
        match &self.0.proofs {
            Some(proofs) => proofs.challenge(refusal, scope, sent),
            None => refusal.www_authenticate(scope),
        }
    }

    /// The nonce that proofs need at present, for the header `DPoP-Nonce` of the answer to
    /// [`TokenRefusal::ProofNonceRequired`]; none where no nonce is required. The layers give it out themselves.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn proof_nonce(&self) -> Option<http::HeaderValue> {
        self.0.proofs.as_ref().and_then(|proofs| proofs.present_nonce(self.0.clock.now()))
    }

    /// Whether both are clones of one.
    #[cfg(feature = "dpop")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    #[cfg(feature = "dpop")]
    pub(crate) fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// Whether tokens that are bound to a key can be accepted.
    #[cfg(feature = "dpop")]
    pub(crate) fn takes_proofs(&self) -> bool {
        self.0.takes_proofs()
    }
}

impl Inner {
    fn judge_token(&self, token: &[u8], now: UnixTime) -> Result<VerifiedClaims, TokenRefusal> {
        match self.seen.find(token) {
            Some(claims) => self.once_more(token, claims, now),
            None => self.first_sight(token, now),
        }
    }

    #[cfg(feature = "dpop")]
    const fn takes_proofs(&self) -> bool {
        self.proofs.is_some()
    }

    #[cfg(not(feature = "dpop"))]
    const fn takes_proofs(&self) -> bool {
        false
    }

    fn first_sight(&self, token: &[u8], now: UnixTime) -> Result<VerifiedClaims, TokenRefusal> {
        if token.is_empty() {
            return Err(TokenRefusal::TokenMissing);
        }
        let usual = self.usual.load();
        let known = usual.as_ref().map(|usual| &usual.header);
        let unverified = Unverified::parse_knowing(known, token, self.max_token_bytes)?;
        let segment = unverified.header_segment();
        let (issuer, trusted) = self.choose(&unverified)?;
        let (verified, key) = trusted.check_signature(unverified, now)?;

        let (header, payload) = verified.into_parts();
        if Rule::Type.is_broken_by(!self.types.iter().any(|typ| header.is_type(typ))) {
            return Err(TokenRefusal::TokenOfOtherType);
        }
        let expected = Expected {
            issuer: &trusted.issuer,
            audience: &trusted.audience,
            max_lifetime: self.max_lifetime,
            leeway: self.leeway,
            now,
            takes_proofs: self.takes_proofs(),
            ignores_status: self.ignores_status,
            needs_session: self.needs_session,
            needs_organisation: self.needs_organisation,
            organisations: trusted.organisations.as_ref().unwrap_or(&Organisations::Any),
            paths: &trusted.paths,
            usual: usual.as_ref().map(|usual| &usual.names),
        };
        let Judged { claims, not_before, bound_to, actors, derived_from, others } =
            judge(&payload, &expected)?;
        let proof = Proof { issuer, key };
        let claims = VerifiedClaims::new(Token {
            claims,
            not_before,
            bound_to,
            actors,
            derived_from,
            others,
            header,
            proof,
        });
        self.check_revocation(&claims)?;
        self.seen.remember(token, &claims);
        if !known.is_some_and(|known| known.is(segment)) {
            let header = KnownHeader::new(segment, claims.header());
            self.usual.store(Some(Arc::new(Usual { header, names: Names::of(claims.claims()) })));
        }
        Ok(claims)
    }

    /// All that can have changed since the token was first seen. Issuer, audience and what it says cannot: the memory is
    /// this verifier's own, and a verifier never changes.
    fn once_more(
        &self,
        bytes: &[u8],
        claims: VerifiedClaims,
        now: UnixTime,
    ) -> Result<VerifiedClaims, TokenRefusal> {
        match self.check_again(claims.token(), now).and_then(|()| self.check_revocation(&claims)) {
            Ok(()) => Ok(claims),
            // Not the token's fault, and it may pass.
            Err(refusal @ (TokenRefusal::KeysUnavailable | TokenRefusal::RevocationsUnavailable)) => {
                Err(refusal)
            }
            Err(refusal) => {
                self.seen.forget(bytes);
                Err(refusal)
            }
        }
    }

    fn check_again(&self, token: &Token, now: UnixTime) -> Result<(), TokenRefusal> {
        let trusted = self.trusted.get(token.proof.issuer).ok_or(TokenRefusal::IssuerUnknown)?;
        trusted.check_still_published(&token.proof.key, now)?;
        check_time(token.claims.exp, token.claims.iat, token.not_before, now, self.leeway)
    }

    fn check_revocation(&self, claims: &VerifiedClaims) -> Result<(), TokenRefusal> {
        match self.revocations.standing(&claims.revocable()) {
            Standing::Good => Ok(()),
            Standing::Unknown => Err(TokenRefusal::RevocationsUnavailable),
            Standing::Revoked if Rule::Revocation.is_broken_by(true) => Err(TokenRefusal::TokenRevoked),
            Standing::Revoked => Ok(()),
        }
    }

    /// The issuer of a token: the only one, or the one its payload names. Whether the payload tells the truth is
    /// decided with that issuer's keys, and its `iss` is compared again after that.
    fn choose(&self, unverified: &Unverified<'_>) -> Result<(usize, &Trusted), TokenRefusal> {
        if let [only] = self.trusted.as_slice() {
            return Ok((0, only));
        }
        let named = named_issuer(unverified.dangerous_payload())?;
        let mut all = self.trusted.iter().enumerate();
        all.find(|(_, trusted)| trusted.issuer == *named).ok_or(TokenRefusal::IssuerUnknown)
    }
}

impl Trusted {
    fn check_signature(
        &self,
        unverified: Unverified<'_>,
        now: UnixTime,
    ) -> Result<(Verified, ProofKey), TokenRefusal> {
        let named = Algorithm::from_name(unverified.header().algorithm());
        let is_ours = match &self.keys {
            IssuerKeys::Published(_) => named.is_some_and(|algorithm| !algorithm.is_symmetric()),
            IssuerKeys::Shared(_) => named.is_some_and(Algorithm::is_symmetric),
        };
        // Before a key is looked for, so that such a token never causes a look for newer keys.
        if Rule::AlgorithmKind.is_broken_by(!is_ours) {
            return Err(TokenRefusal::AlgorithmMismatch);
        }
        match &self.keys {
            IssuerKeys::Published(source) => check_published(source.as_ref(), unverified, now),
            // Secrets have no names: each of the token's algorithm is tried.
            IssuerKeys::Shared(secrets) => Ok((unverified.verify_any(secrets)?, ProofKey::Shared)),
        }
    }

    /// A key that was taken out of the set verifies nothing any more.
    fn check_still_published(&self, key: &ProofKey, now: UnixTime) -> Result<(), TokenRefusal> {
        let (ProofKey::Published { key, generation }, IssuerKeys::Published(source)) = (key, &self.keys)
        else {
            return Ok(());
        };
        let published = source.published();
        let present = published.generation();
        if generation.load(Ordering::Relaxed) == present && published.is_usable(now) {
            return Ok(());
        }
        let keys = published.current(now).ok_or(TokenRefusal::KeysUnavailable)?;
        let still = keys.find(key.key_id().as_str()).is_some_and(|found| found.jwk() == key.jwk());
        if Rule::KeyStillPublished.is_broken_by(!still) {
            return Err(TokenRefusal::KeyUnknown);
        }
        generation.store(present, Ordering::Relaxed);
        Ok(())
    }
}

fn check_published(
    source: &dyn KeySource,
    unverified: Unverified<'_>,
    now: UnixTime,
) -> Result<(Verified, ProofKey), TokenRefusal> {
    let published = source.published();
    // Before the keys: if they change in between, the token is looked at again on its next use.
    let generation = published.generation();
    let keys = published.current(now).ok_or(TokenRefusal::KeysUnavailable)?;
    let key = match unverified.header().key_id() {
        Some(id) => keys.find(id.as_str()).ok_or_else(|| {
            source.handle_unknown_key(id);
            TokenRefusal::KeyUnknown
        })?,
        None => keys.only().ok_or(TokenRefusal::KeyUnknown)?,
    };
    let verified = unverified.verify(key.as_ref())?;
    Ok((verified, ProofKey::Published { key: Arc::clone(key), generation: AtomicU64::new(generation) }))
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("trusted", &self.0.trusted)
            .field("leeway", &self.0.leeway)
            .field("max_lifetime", &self.0.max_lifetime)
            .field("types", &self.0.types)
            .field("seen", &self.0.seen)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
