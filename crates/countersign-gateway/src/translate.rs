//! The flow, composed: `Parts → Route → Credential → Session → Identity → Permit → Claims → SignedToken → Decision`.
//!
//! [`Translation::warm`] is the hot path: one synchronous function, without I/O, signature, JSON or exclusive lock.
//! What it cannot decide it hands to [`Translation::cold`], which looks the session up or signs a token.

pub mod explain;
mod guarded;
mod page;
mod page_tokens;
mod signing;

use std::{net::IpAddr, sync::Arc, time::Duration};

use countersign::{Standing, TokenRefusal};
use tokio::time::sleep;

use crate::{
    clock::{Clock, Now},
    credential::{Credential, CredentialKind, CredentialRules, OwnedCredential},
    decision::{Decision, Forward, Pass, Refuse, Remove},
    entropy::Entropy,
    error::Refusal,
    http::{Parts, cors, csrf, headers::asks_for_upgrade, host, path},
    keyring::{KeyRingHandle, SignedToken},
    observe::Observer,
    permit::permit,
    revocation::Holder,
    route::{Demands, Kind, Route, RouteTable},
    session::{
        Sessions,
        cache::{Entry, Freshness, KeptToken},
        key::SessionKey,
    },
    store::RingVersion,
    translate::{
        page_tokens::Presented,
        signing::{Signer, Until, Wanted, Whom, kept},
    },
};

pub use self::{
    page::{LoggedOut, PageSession, ServerSession},
    page_tokens::{PageIndex, PageTokens},
};

/// Ours on every host: no route gets a request below it, so that a service cannot stand in for the gateway.
const OWN_PATHS: &str = "/.countersign/";

/// How often, and after how long, a signature is tried again that would be refused now.
const WAITS_TO_SIGN: usize = 8;
const WAIT_TO_SIGN: Duration = Duration::from_millis(250);

/// Everything a decision depends on, under one configuration.
#[derive(Debug)]
pub struct Translation {
    /// Routes.
    pub routes: RouteTable,
    /// Where credentials are looked for.
    pub credentials: CredentialRules,
    /// The origin of our own pages.
    pub own_origin: String,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Tokens of pages, in bearer mode.
    pub page_tokens: Option<PageTokens>,
    /// Keys.
    pub keyring: Arc<KeyRingHandle>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For token ids.
    pub entropy: Arc<dyn Entropy>,
    /// Who is told.
    pub observer: Observer,
}

/// What the hot path came to.
#[derive(Debug)]
pub enum Warm {
    /// Decided.
    Decided(Decision),
    /// Decided, and the answer it rests on is old enough to ask again meanwhile.
    Refresh(Decision, Box<Ask>),
    /// The session must be asked for, or a token signed.
    Cold(Box<Ask>),
}

/// What [`Translation::cold`] needs of a request.
#[derive(Debug)]
pub struct Ask {
    route: Arc<Route>,
    key: SessionKey,
    /// `None` where a page's token named the session.
    credential: Option<OwnedCredential>,
    client: IpAddr,
    /// The session, where only the token is missing.
    session: Option<Arc<Entry>>,
    presented: Option<Presented>,
}

impl Ask {
    /// The route of the request.
    #[must_use]
    pub const fn route(&self) -> &Arc<Route> {
        &self.route
    }
}

impl Translation {
    /// Decides what can be decided from memory.
    #[must_use]
    pub fn warm(&self, parts: &Parts, client: IpAddr, now: Now) -> Warm {
        match self.try_warm(parts, client, now) {
            Ok(warm) => warm,
            Err(refuse) => Warm::Decided(Decision::Refuse(refuse)),
        }
    }

    fn try_warm(&self, parts: &Parts, client: IpAddr, now: Now) -> Result<Warm, Refuse> {
        let route = self.route(parts)?;
        let refuse = |refusal| Refuse::on(route, refusal);
        let pass = |remove| Ok(Warm::Decided(Decision::Pass(Pass { route: Arc::clone(route), remove })));
        let demands = match &route.kind {
            Kind::Guard(None) => return Err(refuse(TokenRefusal::KeysUnavailable.into())),
            Kind::Guard(Some(guard)) => return self.warm_guarded((route, guard), (parts, client), now),
            // Upgrades and unsafe methods of other sites too: the old application decides about them as it always did.
            Kind::Legacy => return pass(Remove::IdentityHeaders),
            Kind::Public => return pass(Remove::Credential),
            Kind::Translate(demands) => demands,
        };
        if let Some(tokens) = &self.page_tokens
            && let Some(presented) =
                tokens.presented(&parts.fields, &self.keyring.load(), now).map_err(refuse)?
        {
            return self.warm_presented((route, demands), &presented, (parts, client), now);
        }
        let credential = self.credentials.find(&parts.fields).map_err(refuse)?;
        let credential = credential.ok_or_else(|| refuse(Refusal::CredentialMissing))?;
        self.check_csrf(&credential, route, parts).map_err(refuse)?;
        let key = self.sessions.keyer.key(&credential);
        let ask = |session| {
            let (route, credential) = (Arc::clone(route), Some(credential.to_owned()));
            Box::new(Ask { route, key, credential, client, session, presented: None })
        };
        let Some(entry) = self.sessions.cache().find(&key) else { return Ok(Warm::Cold(ask(None))) };
        if self.sessions.ledger().check_again(|| entry.concerned(), &entry.found_good) == Standing::Revoked {
            self.sessions.drop_revoked(&key, now);
            return Err(refuse(Refusal::Revoked).of(&entry.sid));
        }
        let freshness = self.sessions.freshness(&entry, now);
        if freshness == Freshness::Stale {
            return Ok(Warm::Cold(ask(None)));
        }
        permit(&entry.identity, demands).map_err(|refusal| refuse(refusal).of(&entry.sid))?;
        let ring = self.keyring.version();
        let Some(token) = self.kept_token(&entry, demands, Until::Lifetime, ring, now) else {
            return Ok(Warm::Cold(ask(Some(entry))));
        };
        let token = Arc::clone(token);
        let cookie = credential.place();
        let decision = Decision::Forward(Forward { cookie, ..self.forward(route, entry, token, client) });
        Ok(match freshness {
            Freshness::Aging => Warm::Refresh(decision, ask(None)),
            Freshness::Fresh | Freshness::Stale => Warm::Decided(decision),
        })
    }

    /// The translate or guarded route that a preflight asks about. It carries no credential, so no other stage has a say.
    #[must_use]
    pub(crate) fn route_for_preflight(&self, parts: &Parts) -> Option<&Arc<Route>> {
        if !cors::is_preflight(&parts.method, &parts.fields) || parts.uri.path().starts_with(OWN_PATHS) {
            return None;
        }
        let path = parts.uri.path();
        let host = host::check(&parts.uri, &parts.fields, parts.version).ok()?;
        let route = self.routes.find(&host, path)?;
        let is_canonical = path::check_target(&parts.method, path).is_ok();
        let is_decided_here = matches!(route.kind, Kind::Guard(_) | Kind::Translate(_))
            && (is_canonical || route.config.insecure_path);
        is_decided_here.then_some(route)
    }

    /// Host, path and method → route.
    fn route(&self, parts: &Parts) -> Result<&Arc<Route>, Refuse> {
        let path = parts.uri.path();
        let canonical = path::check_target(&parts.method, path).is_ok();
        let host = host::check(&parts.uri, &parts.fields, parts.version).map_err(Refuse::without_route)?;
        if path.starts_with(OWN_PATHS) {
            return Err(Refuse::without_route(Refusal::NoRoute));
        }
        match self.routes.find(&host, path) {
            Some(route) if !canonical && !route.config.insecure_path => {
                Err(Refuse::on(route, Refusal::PathNotCanonical))
            }
            Some(route) if !route.allows(&parts.method) => Err(Refuse::on(route, Refusal::MethodNotAllowed)),
            Some(route) => Ok(route),
            None if canonical => Err(Refuse::without_route(Refusal::NoRoute)),
            None => Err(Refuse::without_route(Refusal::PathNotCanonical)),
        }
    }

    /// Only a cookie is sent by a browser on its own; a bearer token is put there by a script that has it.
    fn check_csrf(&self, credential: &Credential<'_>, route: &Route, parts: &Parts) -> Result<(), Refusal> {
        if credential.kind == CredentialKind::Bearer {
            return Ok(());
        }
        let rules = csrf::CsrfRules {
            own_origin: &self.own_origin,
            allowed_origins: &route.config.allowed_origins,
            require_countersign_header: route.config.require_countersign_header,
        };
        csrf::check(&parts.method, &parts.fields, &rules, asks_for_upgrade(parts.version, &parts.fields))
    }

    /// Starts to ask again for a session that is served meanwhile.
    pub fn refresh(&self, ask: Ask) {
        if let Some(credential) = ask.credential {
            self.sessions.refresh(ask.key, credential, ask.client);
        }
    }

    /// Looks the session up, signs a token if need be, and decides.
    pub async fn cold(&self, ask: Ask) -> Decision {
        self.try_cold(ask).await.unwrap_or_else(Decision::Refuse)
    }

    async fn try_cold(&self, ask: Ask) -> Result<Decision, Refuse> {
        let Ask { route, key, credential, client, session, presented } = ask;
        if let (Kind::Guard(Some(guard)), Some(credential)) = (&route.kind, &credential) {
            return self.cold_guarded((&route, guard), credential).await;
        }
        let refuse = |refusal| Refuse::on(&route, refusal);
        let Kind::Translate(demands) = &route.kind else { return Err(refuse(Refusal::Bug)) };
        let beside_cookie = credential.is_some();
        let is_outdated = || self.sessions.cache().find(&key).is_some_and(|entry| entry.outdated.is_some());
        let entry = match (session, credential) {
            (Some(entry), None) => entry,
            (Some(entry), Some(_)) if !is_outdated() => entry,
            (_, Some(credential)) => self.sessions.resolve(key, credential, client).await.map_err(refuse)?,
            (None, None) => return Err(refuse(Refusal::SessionEnded)),
        };
        let refuse = |refusal| refuse(refusal).of(&entry.sid);
        let now = self.clock.now();
        if self.sessions.ledger().check(&entry.concerned()) == Standing::Revoked {
            self.sessions.drop_revoked(&key, now);
            return Err(refuse(Refusal::Revoked));
        }
        let until = match &presented {
            Some(presented) => {
                self.check_presented(presented, &entry, beside_cookie).map_err(refuse)?;
                Until::Presented(presented.expires())
            }
            None => Until::Lifetime,
        };
        permit(&entry.identity, demands).map_err(refuse)?;
        let ring = self.keyring.load().version();
        let known = self.kept_token(&entry, demands, until, ring, now).map(Arc::clone);
        let token = match known {
            Some(token) => token,
            None => {
                let wanted = Wanted { whom: Whom::Route(Arc::clone(&route)), until };
                self.sign_when_settled(&wanted, key, &entry, now).await.map_err(refuse)?
            }
        };
        Ok(Decision::Forward(self.forward(&route, Arc::clone(&entry), token, client)))
    }

    /// The token that was signed for a session and audience before, if it may still be handed out.
    fn kept_token<'a>(
        &self,
        entry: &'a Entry,
        demands: &Demands,
        until: Until,
        ring: RingVersion,
        now: Now,
    ) -> Option<&'a Arc<SignedToken>> {
        let KeptToken { signed, found_good, .. } = kept(entry, &demands.policy, until, ring, now.wall)?;
        let ledger = self.sessions.ledger();
        let refuses =
            ledger.refuses_kept_token_again(|| entry.concerned(), signed.jti(), signed.iat(), found_good);
        (!refuses).then_some(signed)
    }

    /// A token that is signed in the second of a revocation of its subject or organisation would be refused: waits
    /// until that second is over, and again where a slow signature got its turn in such a second. Who has waited does not
    /// know why a session has left the cache meanwhile: that it has ended is not remembered for so long.
    async fn sign_when_settled(
        &self,
        wanted: &Wanted,
        key: SessionKey,
        entry: &Arc<Entry>,
        mut now: Now,
    ) -> Result<Arc<SignedToken>, Refusal> {
        let is_there = || self.sessions.cache().find(&key).is_some_and(|entry| entry.outdated.is_none());
        let mut place = None;
        for waits in 0..WAITS_TO_SIGN {
            if self.sessions.ledger().standing_of_token(&entry.concerned(), None, now.wall) == Standing::Good
            {
                if waits > 0 && !is_there() {
                    return Err(Refusal::RevocationUnsettled);
                }
                match self.sign(wanted.clone(), key, entry, now).await {
                    Err(Refusal::RevocationUnsettled) if is_there() => {}
                    outcome => return outcome,
                }
            }
            if place.is_none() {
                place = Some(self.sessions.place_to_sign().ok_or(Refusal::RevocationUnsettled)?);
            }
            sleep(WAIT_TO_SIGN).await;
            now = self.clock.now();
        }
        Err(Refusal::RevocationUnsettled)
    }

    /// Signs here, or where slow signatures are made: an RSA signature takes longer than a worker may stand still.
    async fn sign(
        &self,
        wanted: Wanted,
        key: SessionKey,
        entry: &Arc<Entry>,
        now: Now,
    ) -> Result<Arc<SignedToken>, Refusal> {
        let ring = self.keyring.load_full();
        let is_slow = ring.is_slow(&wanted.demands()?.policy.audience, now.wall);
        let mut signer = Signer {
            ring,
            sessions: Arc::clone(&self.sessions),
            entropy: Arc::clone(&self.entropy),
            observer: self.observer.clone(),
        };
        if !is_slow {
            return signer.sign(&key, entry, &wanted, now);
        }
        let (entry, keyring, clock) = (Arc::clone(entry), Arc::clone(&self.keyring), Arc::clone(&self.clock));
        let signed = self.keyring.slow().make(move || {
            // It may have waited for its turn.
            signer.ring = keyring.load_full();
            signer.sign(&key, &entry, &wanted, clock.now())
        });
        signed.await.unwrap_or(Err(Refusal::Bug))
    }

    fn forward(
        &self,
        route: &Arc<Route>,
        entry: Arc<Entry>,
        token: Arc<SignedToken>,
        client: IpAddr,
    ) -> Forward {
        Forward {
            route: Arc::clone(route),
            set: token,
            cookie: None,
            sends_token: true,
            identity: None,
            set_cookie: entry.new_cookie(client),
            not_after: entry.ends,
            holder: Holder::of_session(entry),
        }
    }
}

#[cfg(test)]
mod tests;
