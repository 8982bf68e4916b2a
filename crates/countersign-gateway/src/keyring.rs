//! Claims → signed token, and the life of the keys that sign.
//!
//! 1. A [`KeyRing`] is an immutable snapshot. Which of its keys signs is a pure function of time
//!    ([`schedule`]), the same on every replica.
//! 2. The first start makes one key that signs at once, one standby key that is only published, and a secret of
//!    32 bytes under which sessions get their keyed hashes: equal on every replica and after every restart.
//! 3. Keys and secret leave the process only sealed ([`seal`]) under a key-encryption key
//!    ([`encryption_key`]). The name of a key is the thumbprint of its public half and is proved again when it is
//!    read: no token can name one key and be signed by another.
//! 4. Another `algorithm` in the configuration never invalidates a token: keys of the new one are published at
//!    once and sign after the lead (a day); until then the present key signs. Going back within the lead takes
//!    the plan back.
//! 5. The standby key takes over every `rotation` (30 days), or when an operator says so. A key that an operator
//!    retires is gone at once and for good, and so is every token it signed; the next one signs at once.
//! 6. What a shared store loses, of the ring or of its last change, is put back by any gateway that has seen it, and two
//!    changes of one version are merged (`mending`): a retirement that was acknowledged stays.
//! 7. An audience with a shared secret (HS256) is signed for with that secret and with no key of the ring. The
//!    secret has no `kid` and is in no key set.

pub mod encryption_key;
mod fault;
mod keeper;
mod lineage;
mod mending;
mod records;
pub mod schedule;
pub mod seal;
mod slow;
mod watch;
mod witness;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};
use countersign::{
    Audience, Claims, KeyId, Secret, SigningKey, TokenId, UnixTime, VerifiedClaims, jws::Algorithm,
};
use http::HeaderValue;
use serde::Serialize;

use crate::{config::resolved::RingAlgorithm, error::Refusal, observe::KeyPhase, store::RingVersion};

use self::{
    records::Contents,
    schedule::{Policy, Schedule, ScheduledKey},
};

pub use fault::RingFault;
pub use keeper::{RingKeeper, RingSettings};
pub use slow::SlowSigning;
pub use watch::PhaseWatch;
pub use witness::{Seen, Witness};

/// Bytes of the secret under which sessions are hashed.
pub const SESSION_SECRET_BYTES: usize = 32;
/// The `typ` of an access token (RFC 9068 §2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// The keys as they are in one version of the ring.
#[derive(Debug)]
pub struct KeyRing {
    version: RingVersion,
    schedule: Schedule,
    /// In the order of the schedule.
    keys: Vec<Arc<SigningKey>>,
    policy: Policy,
    session_secret: Secret<[u8; SESSION_SECRET_BYTES]>,
    shared: Vec<(Audience, Arc<SigningKey>)>,
}

/// One key of the ring and where it is in its life.
#[derive(Debug, Clone, Copy)]
pub struct KeyView<'a> {
    /// The key.
    pub key: &'a Arc<SigningKey>,
    /// Its name, algorithm and moments.
    pub scheduled: &'a ScheduledKey,
    /// Its phase at the moment that was asked for.
    pub phase: KeyPhase,
}

impl KeyRing {
    fn new(version: RingVersion, contents: Contents, settings: &RingSettings) -> Result<Self, RingFault> {
        let ring = Self {
            version,
            schedule: contents.schedule,
            keys: contents.keys,
            policy: settings.policy,
            session_secret: contents.session_secret,
            shared: Vec::new(),
        };
        ring.with_settings(settings)
    }

    /// The same keys with the configured policy and shared secrets: what a reload needs when the store cannot be
    /// asked.
    ///
    /// # Errors
    /// [`RingFault::Key`] for a shared secret that is too short.
    pub fn with_settings(&self, settings: &RingSettings) -> Result<Self, RingFault> {
        let shared = settings.shared_secrets.iter().map(|(audience, secret)| {
            let key = SigningKey::shared_secret(Algorithm::Hs256, secret.clone())?;
            Ok::<_, RingFault>((audience.clone(), Arc::new(key)))
        });
        Ok(Self {
            version: self.version,
            schedule: self.schedule.clone(),
            keys: self.keys.clone(),
            policy: settings.policy,
            session_secret: self.session_secret.clone(),
            shared: shared.collect::<Result<_, _>>()?,
        })
    }

    /// Which version of the stored ring this is.
    #[must_use]
    pub const fn version(&self) -> RingVersion {
        self.version
    }

    /// Every key, in the order in which they were made.
    pub fn keys(&self, now: UnixTime) -> impl Iterator<Item = KeyView<'_>> {
        self.schedule.keys().iter().zip(&self.keys).map(move |(scheduled, key)| KeyView {
            key,
            scheduled,
            phase: schedule::phase(&scheduled.times, now, &self.policy),
        })
    }

    /// The keys that are in the key set at `now`: all but those that are gone.
    pub fn published(&self, now: UnixTime) -> impl Iterator<Item = KeyView<'_>> {
        self.keys(now).filter(|key| key.phase != KeyPhase::Gone)
    }

    /// Whether tokens of that key verify with the key set of `now`. A cached token of any other key is not to be
    /// handed out.
    #[must_use]
    pub fn verifies(&self, kid: &KeyId, now: UnixTime) -> bool {
        self.published(now).any(|key| key.scheduled.kid == *kid)
    }

    /// The next moment after `now` at which a key changes its phase.
    #[must_use]
    pub fn next_change(&self, now: UnixTime) -> Option<UnixTime> {
        self.schedule.next_change(now, &self.policy)
    }

    /// The secret under which sessions get their keyed hashes.
    #[must_use]
    pub const fn session_secret(&self) -> &Secret<[u8; SESSION_SECRET_BYTES]> {
        &self.session_secret
    }

    /// The key that signs for that audience at `now`.
    ///
    /// # Errors
    /// [`SignError::NoKey`].
    pub fn signer_for(&self, audience: &Audience, now: UnixTime) -> Result<&Arc<SigningKey>, SignError> {
        if let Some((_, key)) = self.shared.iter().find(|(other, _)| other == audience) {
            return Ok(key);
        }
        let signing = self.keys(now).find(|key| key.phase == KeyPhase::Signing);
        signing.map(|key| key.key).ok_or(SignError::NoKey)
    }

    /// The key of the ring that signs at `now`.
    ///
    /// # Errors
    /// [`SignError::NoKey`].
    pub fn signer(&self, now: UnixTime) -> Result<&Arc<SigningKey>, SignError> {
        let signing = self.keys(now).find(|key| key.phase == KeyPhase::Signing);
        signing.map(|key| key.key).ok_or(SignError::NoKey)
    }

    /// Whether a signature for that audience takes long enough (RSA: about a millisecond) to be made by
    /// [`SlowSigning`].
    #[must_use]
    pub fn is_slow(&self, audience: &Audience, now: UnixTime) -> bool {
        self.signer_for(audience, now).is_ok_and(|key| key.algorithm() == Algorithm::Rs256)
    }

    /// Signs the claims as an access token of its audience's key.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, claims: &Claims, now: UnixTime) -> Result<SignedToken, SignError> {
        self.sign_with(claims, claims, now)
    }

    /// Signs a payload that says the claims and more.
    ///
    /// # Errors
    /// [`SignError`].
    pub(crate) fn sign_with(
        &self,
        claims: &Claims,
        payload: &impl Serialize,
        now: UnixTime,
    ) -> Result<SignedToken, SignError> {
        let key = self.signer_for(&claims.aud, now)?;
        let token = key.sign(ACCESS_TOKEN, payload)?;
        let mut header_value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| SignError::Unwritable)?;
        header_value.set_sensitive(true);
        Ok(SignedToken {
            header_value,
            kid: key.key_id().cloned(),
            jti: claims.jti.clone(),
            iat: claims.iat,
            exp: claims.exp,
        })
    }
}

/// A signed access token, ready to be put into a request. Only a [`KeyRing`] makes one.
///
/// `Debug` shows everything but the token.
#[derive(Debug, Clone)]
pub struct SignedToken {
    header_value: HeaderValue,
    kid: Option<KeyId>,
    jti: TokenId,
    iat: UnixTime,
    exp: UnixTime,
}

impl SignedToken {
    /// A token of another issuer that was verified, to be sent on as it came. `None` for what no header can hold.
    #[must_use]
    pub(crate) fn presented(token: &str, claims: &VerifiedClaims) -> Option<Self> {
        let mut header_value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        header_value.set_sensitive(true);
        Some(Self {
            header_value,
            kid: claims.header().key_id().map(|kid| KeyId::from(kid.as_str())),
            jti: claims.token_id().clone(),
            iat: claims.issued_at(),
            exp: claims.expires(),
        })
    }

    /// `Bearer …`, marked sensitive. Cloning it copies no bytes.
    #[must_use]
    pub const fn header_value(&self) -> &HeaderValue {
        &self.header_value
    }

    /// The key that signed; `None`: a shared secret.
    #[must_use]
    pub const fn kid(&self) -> Option<&KeyId> {
        self.kid.as_ref()
    }

    /// Its name.
    #[must_use]
    pub const fn jti(&self) -> &TokenId {
        &self.jti
    }

    /// When it was signed.
    #[must_use]
    pub const fn iat(&self) -> UnixTime {
        self.iat
    }

    /// The first moment at which it is no longer valid.
    #[must_use]
    pub const fn exp(&self) -> UnixTime {
        self.exp
    }
}

/// The ring that is in force. Outlives every reload; replaced whole.
#[derive(Debug)]
pub struct KeyRingHandle {
    in_force: ArcSwap<KeyRing>,
    /// That of the ring in force, or, for the moment of a change, of the one before.
    version: AtomicU64,
    slow: SlowSigning,
}

impl KeyRingHandle {
    /// Puts the first ring in force.
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        let version = AtomicU64::new(ring.version.as_number());
        Self { in_force: ArcSwap::from_pointee(ring), version, slow: SlowSigning::new(1) }
    }

    /// Makes so many slow signatures at once. Without it, one.
    #[must_use]
    pub fn signing_at_once(self, slow: NonZeroUsize) -> Self {
        Self { slow: SlowSigning::new(slow.get()), ..self }
    }

    /// Where tokens of sessions are signed whose signature takes long.
    #[must_use]
    pub const fn slow(&self) -> &SlowSigning {
        &self.slow
    }

    /// The ring in force, without counting a reference: for use within one synchronous function.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<KeyRing>> {
        self.in_force.load()
    }

    /// Which ring is in force, for who needs nothing else of it.
    #[must_use]
    pub fn version(&self) -> RingVersion {
        RingVersion::from_number(self.version.load(Ordering::Acquire))
    }

    /// The ring in force, to keep.
    #[must_use]
    pub fn load_full(&self) -> Arc<KeyRing> {
        self.in_force.load_full()
    }

    /// Puts another ring in force, unless the present one is of a later version.
    pub fn replace(&self, ring: KeyRing) {
        let ring = Arc::new(ring);
        self.in_force.rcu(|present| {
            if present.version > ring.version { Arc::clone(present) } else { Arc::clone(&ring) }
        });
        self.version.fetch_max(ring.version.as_number(), Ordering::AcqRel);
    }
}

/// Why a token could not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key could not sign.
    #[error(transparent)]
    Key(#[from] countersign::SignError),
    /// No key signs.
    #[error("there is no key to sign with")]
    NoKey,
    /// The token is no header value.
    #[error("the token is no header value")]
    Unwritable,
}

impl From<SignError> for Refusal {
    fn from(error: SignError) -> Self {
        match error {
            SignError::NoKey => Self::KeysUnavailable,
            SignError::Key(_) | SignError::Unwritable => Self::Bug,
        }
    }
}

/// What a ring's algorithm is called in a token.
pub(crate) const fn algorithm(algorithm: RingAlgorithm) -> Algorithm {
    match algorithm {
        // RFC 9864 prefers `Ed25519`, but widely used verifiers (PyJWT 2.15) know the older name alone.
        RingAlgorithm::Ed25519 => Algorithm::EdDsa,
        RingAlgorithm::Es256 => Algorithm::Es256,
        RingAlgorithm::Rs256 => Algorithm::Rs256,
    }
}
