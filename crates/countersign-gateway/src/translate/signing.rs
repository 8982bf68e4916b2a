//! Claims → signed token, at most once for a session, audience and second.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{Standing, TokenId};

use crate::{
    clock::Now,
    entropy::Entropy,
    error::Refusal,
    issue,
    keyring::{KeyRing, SignedToken},
    observe::{Observation, Observer, TokenSigned},
    permit::permit,
    route::{Demands, Route},
    session::{Sessions, cache::Entry, key::SessionKey},
};

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
        route: &Route,
        demands: &Demands,
        now: Now,
    ) -> Result<Arc<SignedToken>, Refusal> {
        let writer = self.sessions.cache().writer(key);
        let current = writer.current();
        let entry = match &current {
            Some(current) if current.sid == seen.sid => current,
            Some(_) => return Err(Refusal::SessionEnded),
            None if self.sessions.cache().refusal(key, now.monotonic).is_some() => {
                return Err(Refusal::SessionEnded);
            }
            None => seen,
        };
        let policy = &demands.policy;
        let (ledger, concerned) = (self.sessions.ledger(), entry.concerned());
        if let Some(token) = entry.token(policy, self.ring.version(), now.wall)
            && !ledger.refuses_kept_token(&concerned, token.jti(), token.iat())
        {
            return Ok(Arc::clone(token));
        }
        if ledger.check(&concerned) == Standing::Revoked {
            return Err(Refusal::Revoked);
        }
        let permit = permit(&entry.identity, demands)?;
        let claims = issue::claims(&permit, policy, &entry.sid, entry.ends, self.token_id()?, now.wall);
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
        writer.put(Arc::new(entry.with_token(policy, self.ring.version(), Arc::clone(&signed), now.wall)));
        self.observer.observe(Observation::TokenSigned(TokenSigned {
            jti: &claims.jti,
            kid: signed.kid(),
            subject: &claims.sub,
            organisation: claims.organisation.as_ref(),
            session: claims.sid.as_ref(),
            audience: &claims.aud,
            route: &route.config.path,
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
