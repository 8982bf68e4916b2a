//! Tokens that pages hold in memory and present in `Authorization` (RFC 10017 §6.2).
//!
//! 1. Their sole audience is the gateway's own, `<issuer>/browser`: no service accepts them, and the gateway accepts
//!    no other token from a page. They say who and which session, nothing of what may be done.
//! 2. What goes to the service is derived from the session as it is known now, and ends no later than the token that
//!    was presented.
//! 3. Only the cookie renews. Without it a token is good until its end, at most one lifetime; a revocation ends it at
//!    once.
//! 4. Which session a token names is found in a bounded memory, which a restart empties: then a page renews with its
//!    cookie.

use std::{fmt, net::IpAddr, num::NonZeroUsize, sync::Arc};

use arc_swap::ArcSwapOption;
use countersign::{Audience, Issuer, KeySet, Standing, TokenRefusal, UnixTime, VerifiedClaims, Verifier};
use quick_cache::{UnitWeighter, sync::Cache};

use super::{Ask, Translation, Warm, signing::Until};
use crate::{
    clock::Now,
    credential::{Credential, find_bearer},
    decision::{Decision, Refuse},
    error::Refusal,
    http::{Fields, Parts},
    issue::PolicyId,
    keyring::KeyRing,
    permit::permit,
    revocation::Concerned,
    route::{Demands, Route},
    session::{
        cache::{Entry, Freshness},
        key::{SessionKey, SessionKeyHasher},
    },
    store::RingVersion,
};

/// Tokens whose signature need not be computed again.
const SEEN_BEFORE: usize = 10_000;

/// Makes and takes the tokens of pages under one configuration.
#[derive(Debug)]
pub struct PageTokens {
    /// Who signs.
    pub issuer: Issuer,
    /// What is demanded of a session to get one: nothing; and what it says.
    pub own: Arc<Demands>,
    /// The same for each audience whose tokens a page may ask for.
    pub services: Vec<Arc<Demands>>,
    /// Which session a token names.
    pub index: Arc<PageIndex>,
    verifying: ArcSwapOption<Verifying>,
}

/// A verifier and the keys it was made for.
#[derive(Debug)]
struct Verifying {
    ring: RingVersion,
    verifier: Verifier,
}

/// A good token that a request presents. It names its session.
#[derive(Debug, Clone)]
pub(super) struct Presented(VerifiedClaims);

impl Presented {
    /// Whether it is of that session, and of the user who has it.
    pub(super) fn is_of(&self, entry: &Entry) -> bool {
        self.0.session() == Some(&entry.sid) && *self.0.subject() == entry.identity.subject
    }

    /// Its first second without force.
    pub(super) fn expires(&self) -> UnixTime {
        self.0.expires()
    }
}

impl PageTokens {
    /// With these demands; see the fields.
    #[must_use]
    pub const fn new(
        issuer: Issuer,
        own: Arc<Demands>,
        services: Vec<Arc<Demands>>,
        index: Arc<PageIndex>,
    ) -> Self {
        Self { issuer, own, services, index, verifying: ArcSwapOption::const_empty() }
    }

    /// What a token of that audience says, if pages may have it.
    pub(super) fn of_service(&self, audience: &str) -> Result<&Arc<Demands>, Refusal> {
        let wanted = Audience::from(audience.to_owned());
        let found = self.services.iter().find(|demands| demands.policy.audience == wanted);
        found.ok_or(Refusal::AudienceNotAllowed)
    }

    /// The token of a request, verified; `None` if it carries none.
    pub(super) fn presented(
        &self,
        fields: &Fields,
        ring: &KeyRing,
        now: Now,
    ) -> Result<Option<Presented>, Refusal> {
        let Some(token) = find_bearer(fields)? else { return Ok(None) };
        let verifying = self.verifying(ring, now)?;
        let verified = verifying.verifier.verify_at(token, now.wall).map_err(|refusal| match refusal {
            TokenRefusal::KeysUnavailable => Refusal::KeysUnavailable,
            TokenRefusal::TokenExpired => Refusal::TokenExpired,
            _ => Refusal::TokenInvalid,
        })?;
        // No clock differs from itself: the verifier's leeway is for replicas.
        if verified.expires() <= now.wall {
            return Err(Refusal::TokenExpired);
        }
        if verified.session().is_none() {
            return Err(Refusal::TokenInvalid);
        }
        Ok(Some(Presented(verified)))
    }

    fn verifying(&self, ring: &KeyRing, now: Now) -> Result<Arc<Verifying>, Refusal> {
        if let Some(present) = self.verifying.load_full().filter(|present| present.ring == ring.version()) {
            return Ok(present);
        }
        let published: Vec<_> = ring.published(now.wall).collect();
        let keys = KeySet::new(published.iter().filter_map(|key| key.key.verifying_key()));
        let builder = Verifier::builder()
            .issuer(self.issuer.clone())
            .audience(self.own.policy.audience.clone())
            .key_set(keys.map_err(|_| Refusal::KeysUnavailable)?)
            .seen_before(SEEN_BEFORE);
        let verifier = builder.build().map_err(|_| Refusal::Bug)?;
        let verifying = Arc::new(Verifying { ring: ring.version(), verifier });
        self.verifying.store(Some(Arc::clone(&verifying)));
        Ok(verifying)
    }
}

impl Translation {
    /// The hot path of a request that presents a token of a page, perhaps beside the cookie. No script of another site
    /// can send one, so nothing else has to prove where it comes from.
    pub(super) fn warm_presented(
        &self,
        (route, demands): (&Arc<Route>, &Demands),
        presented: &Presented,
        (parts, client): (&Parts, IpAddr),
        now: Now,
    ) -> Result<Warm, Refuse> {
        let refuse = |refusal| Refuse::on(route, refusal);
        let cookie = self.credentials.find_cookie(&parts.fields).map_err(refuse)?;
        let key = match &cookie {
            Some(cookie) => self.sessions.keyer.key(cookie),
            None => self.key_of(presented).ok_or_else(|| refuse(self.lost(presented)))?,
        };
        let (until, entry) = (Until::Presented(presented.expires()), self.sessions.cache().find(&key));
        let ask = |session| {
            let credential = cookie.as_ref().map(Credential::to_owned);
            Box::new(Ask {
                route: Arc::clone(route),
                key,
                credential,
                client,
                session,
                presented: Some(presented.clone()),
            })
        };
        let Some(entry) = entry else {
            let known_by_cookie = cookie.is_some();
            return if known_by_cookie {
                Ok(Warm::Cold(ask(None)))
            } else {
                Err(refuse(self.lost(presented)))
            };
        };
        if self.sessions.ledger().check_again(|| entry.concerned(), &entry.found_good) == Standing::Revoked {
            self.sessions.drop_revoked(&key, now);
            return Err(refuse(Refusal::Revoked).of(&entry.sid));
        }
        // Without the cookie nobody can be asked: the token stands until its own end.
        let freshness = match self.sessions.freshness(&entry, now) {
            Freshness::Stale if cookie.is_some() => return Ok(Warm::Cold(ask(None))),
            _ if entry.ends <= now.wall => return Err(refuse(Refusal::SessionEnded).of(&entry.sid)),
            Freshness::Aging if cookie.is_some() => Freshness::Aging,
            _ => Freshness::Fresh,
        };
        self.check_presented(presented, &entry, cookie.is_some()).map_err(refuse)?;
        permit(&entry.identity, demands).map_err(|refusal| refuse(refusal).of(&entry.sid))?;
        let ring = self.keyring.version();
        let Some(token) = self.kept_token(&entry, demands, until, ring, now) else {
            return Ok(Warm::Cold(ask(Some(entry))));
        };
        let token = Arc::clone(token);
        let decision = Decision::Forward(self.forward(route, entry, token, client));
        Ok(match freshness {
            Freshness::Aging => Warm::Refresh(decision, ask(None)),
            Freshness::Fresh | Freshness::Stale => Warm::Decided(decision),
        })
    }

    /// Whether a token is of this session, and is not revoked itself.
    pub(super) fn check_presented(
        &self,
        presented: &Presented,
        entry: &Entry,
        beside_cookie: bool,
    ) -> Result<(), Refusal> {
        if !presented.is_of(entry) {
            return Err(if beside_cookie { Refusal::AmbiguousCredential } else { Refusal::SessionEnded });
        }
        let (token, issued_at) = (presented.0.token_id(), presented.0.issued_at());
        match self.sessions.ledger().standing_of_token(&entry.concerned(), Some(token), issued_at) {
            Standing::Revoked => Err(Refusal::Revoked),
            Standing::Good | Standing::Unknown => Ok(()),
        }
    }

    fn key_of(&self, presented: &Presented) -> Option<SessionKey> {
        let handle = self.sessions.keyer.handle(presented.0.session()?);
        self.page_tokens.as_ref()?.index.find(&handle)
    }

    /// Why a good token opens nothing: its session is revoked, or not known here (any more). In the second case the
    /// cookie can make it known.
    fn lost(&self, presented: &Presented) -> Refusal {
        let Some(session) = presented.0.session() else { return Refusal::TokenInvalid };
        let concerned = Concerned {
            session,
            others: &[],
            subject: presented.0.subject(),
            organisation: None,
            began: Some(presented.0.issued_at()),
        };
        match self.sessions.ledger().check(&concerned) {
            Standing::Revoked => Refusal::Revoked,
            Standing::Good | Standing::Unknown => Refusal::SessionEnded,
        }
    }
}

/// Under what a route's token is kept that is derived from a token with this end: each has its own, so that two pages
/// with two tokens never take turns in having one signed.
pub(super) fn derived(id: PolicyId, until: UnixTime) -> PolicyId {
    let PolicyId(mut bytes) = id;
    for (byte, mixed) in bytes.iter_mut().zip(until.as_secs().to_be_bytes()) {
        *byte ^= mixed;
    }
    if let Some(last) = bytes.last_mut() {
        *last = !*last;
    }
    PolicyId(bytes)
}

/// Sessions by their names in tokens. Outlives every reload: the handles of two configurations differ as the keys do.
pub struct PageIndex(Cache<SessionKey, SessionKey, UnitWeighter, SessionKeyHasher>);

impl PageIndex {
    /// For at most that many sessions; the least used leave first.
    #[must_use]
    pub fn new(sessions: NonZeroUsize) -> Self {
        let (items, weight) = (sessions.get(), sessions.get() as u64);
        Self(Cache::with(items, weight, UnitWeighter, SessionKeyHasher::default(), Default::default()))
    }

    pub(super) fn remember(&self, handle: SessionKey, key: SessionKey) {
        self.0.insert(handle, key);
    }

    pub(super) fn find(&self, handle: &SessionKey) -> Option<SessionKey> {
        self.0.get(handle)
    }
}

impl fmt::Debug for PageIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageIndex").field("sessions", &self.0.len()).finish()
    }
}
