//! Claims → signed token, at most once for a session, audience and second.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{Standing, TokenId, UnixTime};

use crate::{
    clock::Now,
    entropy::Entropy,
    error::Refusal,
    issue::{self, TokenPolicy},
    keyring::{KeyRing, SignedToken},
    observe::{Observation, Observer, TokenSigned},
    permit::permit,
    route::{Demands, Kind, Route},
    session::{
        Sessions,
        cache::{Entry, KeptToken},
        key::SessionKey,
    },
    store::RingVersion,
};

use super::{OWN_PATHS, page_tokens::derived};

/// Until when a token is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// As long as its policy says.
    Lifetime,
    /// The same, with most of it left: for a page to hold.
    MostOfLifetime,
    /// No longer than the token that a page presented.
    Presented(UnixTime),
}

/// Who is to get a token.
#[derive(Debug, Clone)]
pub(super) enum Whom {
    /// A page, to present it here. It says nothing of what may be done.
    Page(Arc<Demands>),
    /// A page, to present it to a service.
    PageAtService(Arc<Demands>),
    /// The service of a route.
    Route(Arc<Route>),
}

/// A token that is wanted. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) whom: Whom,
    pub(super) until: Until,
}

impl Wanted {
    pub(super) fn demands(&self) -> Result<&Demands, Refusal> {
        match &self.whom {
            Whom::Page(demands) | Whom::PageAtService(demands) => Ok(demands),
            Whom::Route(route) => match &route.kind {
                Kind::Translate(demands) => Ok(demands),
                Kind::Guard(_) | Kind::Legacy | Kind::Public => Err(Refusal::Bug),
            },
        }
    }

    fn place(&self) -> &str {
        match &self.whom {
            Whom::Page(_) | Whom::PageAtService(_) => OWN_PATHS,
            Whom::Route(route) => &route.config.path,
        }
    }
}

/// The token that was signed for this before, if it may still be handed out.
pub(super) fn kept<'a>(
    entry: &'a Entry,
    policy: &TokenPolicy,
    until: Until,
    ring: RingVersion,
    now: UnixTime,
) -> Option<&'a KeptToken> {
    match until {
        Until::Lifetime => entry.token(policy, ring, now),
        Until::MostOfLifetime => entry.token_if(policy.id, ring, |exp| policy.is_fresh(exp, entry.ends, now)),
        Until::Presented(until) => {
            let end = until.min(entry.ends);
            entry.token_if(derived(policy.id, until), ring, |exp| policy.may_serve(exp, end, now))
        }
    }
}

/// The policy of a token, under the name it is kept by, and the end it may not outlive.
fn terms(policy: &Arc<TokenPolicy>, until: Until, entry: &Entry) -> (Arc<TokenPolicy>, UnixTime) {
    match until {
        Until::Lifetime | Until::MostOfLifetime => (Arc::clone(policy), entry.ends),
        Until::Presented(until) => {
            let policy = TokenPolicy { id: derived(policy.id, until), ..TokenPolicy::clone(policy) };
            (Arc::new(policy), until.min(entry.ends))
        }
    }
}

/// Signs tokens and keeps them with their session.
pub(super) struct Signer {
    pub(super) ring: Arc<KeyRing>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) observer: Observer,
}

impl Signer {
    /// Signs a token for a session, unless another request has done so meanwhile.
    ///
    /// Writers of one session take turns, and the session is read again when it is this one's turn: it may have
    /// ended, changed or been pushed out of the cache since the request began.
    pub(super) fn sign(
        &self,
        key: &SessionKey,
        seen: &Arc<Entry>,
        wanted: &Wanted,
        now: Now,
    ) -> Result<Arc<SignedToken>, Refusal> {
        let writer = self.sessions.cache().writer(key);
        let current = writer.current();
        let entry = match &current {
            // Another gateway has found since that it is another: what is known of it says too much.
            Some(current) if current.outdated.is_some() => return Err(Refusal::RevocationUnsettled),
            // It may be the same user's under another name of the server.
            Some(current) if current.identity.subject == seen.identity.subject => current,
            Some(_) => return Err(Refusal::SessionEnded),
            None if self.sessions.cache().refusal(key, now.monotonic).is_some() => {
                return Err(Refusal::SessionEnded);
            }
            None => seen,
        };
        let demands = wanted.demands()?;
        let (ledger, concerned) = (self.sessions.ledger(), entry.concerned());
        if let Some(KeptToken { signed, .. }) =
            kept(entry, &demands.policy, wanted.until, self.ring.version(), now.wall)
            && !ledger.refuses_kept_token(&concerned, signed.jti(), signed.iat())
        {
            return Ok(Arc::clone(signed));
        }
        if ledger.check(&concerned) == Standing::Revoked {
            return Err(Refusal::Revoked);
        }
        if ledger.is_alone_too_long() {
            return Err(Refusal::RevocationsUnread);
        }
        let permit = permit(&entry.identity, demands)?;
        let (policy, ends) = terms(&demands.policy, wanted.until, entry);
        let mut claims = issue::claims(&permit, &policy, &entry.sid, ends, self.token_id()?, now.wall);
        if matches!(wanted.whom, Whom::Page(_)) {
            claims.roles.clear();
            (claims.organisation, claims.scope) = (None, None);
        }
        if claims.exp <= now.wall {
            return Err(Refusal::SessionEnded);
        }
        if ledger.standing_of_token(&concerned, Some(&claims.jti), claims.iat) == Standing::Revoked {
            return Err(Refusal::RevocationUnsettled);
        }
        let signed = self.ring.sign(&claims, now.wall).map_err(Refusal::from)?;
        if signed.header_value().len() > policy.header_budget {
            return Err(Refusal::TokenTooLarge);
        }
        let signed = Arc::new(signed);
        writer.put(Arc::new(entry.with_token(&policy, self.ring.version(), Arc::clone(&signed), now.wall)));
        self.observer.observe(Observation::TokenSigned(TokenSigned {
            jti: &claims.jti,
            kid: signed.kid(),
            subject: &claims.sub,
            organisation: claims.organisation.as_ref(),
            session: claims.sid.as_ref(),
            audience: &claims.aud,
            route: wanted.place(),
            expires: claims.exp,
            bytes: signed.header_value().len(),
        }));
        Ok(signed)
    }

    fn token_id(&self) -> Result<TokenId, Refusal> {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes).map_err(|_| Refusal::Bug)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes).into())
    }
}
