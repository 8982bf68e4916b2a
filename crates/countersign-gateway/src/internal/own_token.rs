//! Tokens of ours that a client shows us.
//!
//! A token counts only if a key of the ring signed it. One with a shared secret does not: its service has the secret
//! too, and could show a token of its own making.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Weak},
};

use arc_swap::ArcSwapOption;
use countersign::{
    Actor, Audience, KeySet, Revocable, Revocations, Standing, UnixTime, VerifiedClaims, Verifier,
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    keyring::{KeyRing, KeyRingHandle},
    revocation::Ledger,
};

/// No key of the ring verifies anything now.
const NO_KEYS: &str = "keys_unavailable";

/// Tells whether a token is one of ours.
///
/// Verifiers are made once for each state of the ring and each audience of a client, not for each token: to read a key
/// takes longer than to use it. Each call compares their ring with the one in force, so that a key that was retired
/// verifies nothing from that moment on. Bound: one for each audience that a client of the configuration has.
pub struct OwnTokens {
    keyring: Arc<KeyRingHandle>,
    ledger: Arc<Ledger>,
    made: ArcSwapOption<Made>,
}

/// What was made for a ring while none of its keys changes its phase.
#[derive(Clone)]
struct Made {
    /// Keeps none of its keys alive.
    ring: Weak<KeyRing>,
    from: UnixTime,
    until: Option<UnixTime>,
    keys: KeySet,
    verifiers: BTreeMap<Audience, Verifier>,
}

impl Made {
    fn new(ring: &Arc<KeyRing>, now: UnixTime) -> Result<Self, &'static str> {
        let keys = KeySet::new(ring.published(now).filter_map(|key| key.key.verifying_key()));
        Ok(Self {
            ring: Arc::downgrade(ring),
            from: now,
            until: ring.next_change(now),
            keys: keys.map_err(|_| NO_KEYS)?,
            verifiers: BTreeMap::new(),
        })
    }

    fn serves(&self, ring: &Arc<KeyRing>, now: UnixTime) -> bool {
        // As long as there is a weak reference, no other ring has the same address.
        std::ptr::eq(self.ring.as_ptr(), Arc::as_ptr(ring))
            && self.from <= now
            && self.until.is_none_or(|until| now < until)
    }
}

impl OwnTokens {
    /// Tokens that the ring in force has signed, and the ledger does not know to be revoked.
    #[must_use]
    pub const fn new(keyring: Arc<KeyRingHandle>, ledger: Arc<Ledger>) -> Self {
        Self { keyring, ledger, made: ArcSwapOption::const_empty() }
    }

    /// The token, if it is good for that audience at `now`; otherwise the code of what is wrong with it.
    pub(super) fn verify(
        &self,
        token: &str,
        audience: &Audience,
        now: UnixTime,
    ) -> Result<VerifiedClaims, &'static str> {
        let verifier = self.verifier(audience, now)?;
        let claims = verifier.verify_at(token.as_bytes(), now).map_err(|refusal| refusal.code())?;
        // The leeway is for clocks of others: the end was set by us.
        if claims.expires() > now { Ok(claims) } else { Err("token_expired") }
    }

    fn verifier(&self, audience: &Audience, now: UnixTime) -> Result<Verifier, &'static str> {
        let ring = self.keyring.load_full();
        let mut made = match self.made.load_full().filter(|made| made.serves(&ring, now)) {
            Some(made) => made,
            None => Arc::new(Made::new(&ring, now)?),
        };
        if let Some(verifier) = made.verifiers.get(audience) {
            return Ok(verifier.clone());
        }
        let verifier = Verifier::builder()
            .issuer(self.ledger.issuer().clone())
            .audience(audience.clone())
            .key_set(made.keys.clone())
            .revocations(Arc::clone(&self.ledger))
            .seen_before(0)
            .build()
            .map_err(|_| NO_KEYS)?;
        // Of two that are added at once, one is made again when it is asked for.
        Arc::make_mut(&mut made).verifiers.insert(audience.clone(), verifier.clone());
        self.made.store(Some(made));
        Ok(verifier)
    }
}

impl fmt::Debug for OwnTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnTokens").finish_non_exhaustive()
    }
}

impl Revocations for Ledger {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        self.standing_at_services(token)
    }
}

/// `act` (RFC 8693 §4.1): who acts, and whom that one acts for.
#[derive(Serialize)]
pub(super) struct Act<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Box<Self>>,
}

impl<'a> Act<'a> {
    /// A chain, the present actor first.
    pub(super) fn chain(actors: &'a [Actor]) -> Option<Box<Self>> {
        let outside = |act, actor: &'a Actor| {
            let iss = actor.issuer.as_ref().map(|issuer| issuer.as_str());
            Some(Box::new(Self { sub: actor.subject.as_str(), iss, act }))
        };
        actors.iter().rev().fold(None, outside)
    }
}

/// `may_act` (RFC 8693 §4.4): who alone may act for the subject, if the token says so.
pub(super) fn may_act(claims: &VerifiedClaims) -> Option<&Value> {
    claims.claim("may_act")
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use countersign::{KeyId, UnixTime, jws::Unverified, revocation::Epoch};
    use serde_json::json;

    use super::OwnTokens;
    use crate::{
        clock::ManualClock,
        keyring::{KeyRing, KeyRingHandle},
        observe::Observer,
        revocation::{Ledger, Lifetimes},
        store::memory::MemoryStore,
        testing,
    };

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
    const LIFETIME: Duration = Duration::from_secs(300);

    const ISSUER: &str = "https://shop.example";

    fn ledger() -> Arc<Ledger> {
        let lifetimes = Lifetimes { token: LIFETIME, session: LIFETIME, spread: Duration::ZERO };
        let (epoch, clock) = (Epoch::new("test").unwrap(), Arc::new(ManualClock::at(NOW.as_secs())));
        let (store, observer) = (Arc::new(MemoryStore::default()), Observer::without_files());
        Ledger::open(store, &epoch, ISSUER.into(), lifetimes, clock, observer).unwrap().0
    }

    /// A token of the key that signs at that moment.
    fn token(ring: &KeyRing, now: UnixTime) -> String {
        let claims = json!({
            "iss": ISSUER, "aud": "orders", "sub": "alice", "client_id": "shop", "jti": "1",
            "iat": now, "exp": now.saturating_add(LIFETIME),
        });
        ring.signer(now).unwrap().sign("at+jwt", &claims).unwrap()
    }

    fn kid(token: &str) -> KeyId {
        let unverified = Unverified::parse(token.as_bytes(), 8192).unwrap();
        unverified.header().key_id().unwrap().as_str().into()
    }

    #[test]
    fn verifiers_are_made_once_and_follow_the_ring_at_once() {
        let (keeper, settings) = testing::ring_keeper();
        let keyring = Arc::new(KeyRingHandle::new(keeper.open(&settings, NOW).unwrap()));
        let own = OwnTokens::new(Arc::clone(&keyring), ledger());
        let (orders, notes) = ("orders".into(), "notes".into());
        let made = || Arc::as_ptr(&own.made.load_full().unwrap());

        let first = token(&keyring.load(), NOW);
        assert!(own.verify(&first, &orders, NOW).is_ok());
        assert_eq!(own.verify(&first, &notes, NOW).err(), Some("audience_mismatch"));
        let before = made();
        for _ in 0..3 {
            assert!(own.verify(&first, &orders, NOW).is_ok());
            assert_eq!(own.verify(&first, &notes, NOW).err(), Some("audience_mismatch"));
        }
        assert_eq!(made(), before, "nothing was made again");

        // The standby key takes over: both verify, until the first is retired.
        keyring.replace(keeper.rotate(&settings, NOW).unwrap());
        let later = NOW.saturating_add(settings.policy.lead);
        let second = token(&keyring.load(), later);
        assert_ne!(kid(&second), kid(&first));
        assert!(own.verify(&second, &orders, later).is_ok());
        let again = token(&keyring.load(), NOW);
        assert_eq!(kid(&again), kid(&first));
        keyring.replace(keeper.retire(&settings, NOW, &kid(&first)).unwrap());
        assert_eq!(own.verify(&again, &orders, NOW).err(), Some("key_unknown"));
    }

    #[test]
    fn a_key_that_is_gone_by_the_time_alone_verifies_nothing_and_comes_back_with_the_clock() {
        let (keeper, settings) = testing::ring_keeper();
        let keyring = Arc::new(KeyRingHandle::new(keeper.open(&settings, NOW).unwrap()));
        keyring.replace(keeper.rotate(&settings, NOW).unwrap());
        let (own, orders) = (OwnTokens::new(Arc::clone(&keyring), ledger()), "orders".into());
        let first = token(&keyring.load(), NOW);
        assert!(own.verify(&first, &orders, NOW).is_ok());
        let gone = NOW.saturating_add(settings.policy.lead).saturating_add(settings.policy.keep);
        assert_eq!(own.verify(&first, &orders, gone).err(), Some("key_unknown"));
        assert!(own.verify(&first, &orders, NOW).is_ok(), "the clock was set right");
    }
}
