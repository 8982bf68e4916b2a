//! Guarded routes: a token of the trusted issuer in, the same token, or what it says, out.

use std::{net::IpAddr, sync::Arc};

use countersign::{
    KeyId, TokenRefusal, VerifiedClaims, Verifier,
    jws::{MAX_BYTES, Unverified},
    tower::has_access_token,
};

use super::{Ask, Translation, Warm};
use crate::{
    clock::Now,
    credential::OwnedCredential,
    decision::{Decision, Forward, Refuse},
    error::Refusal,
    guard::{Guard, IdentityHeaders, IdentityTooLarge, session_of},
    http::{Fields, Parts, Several},
    keyring::SignedToken,
    permit::{Unmet, meet},
    revocation::Holder,
    route::Route,
};

impl Translation {
    /// Decides about a request on a guarded route. Only a token that names an unknown key is left to [`Self::cold`].
    pub(super) fn warm_guarded(
        &self,
        (route, guard): (&Arc<Route>, &Guard),
        (parts, client): (&Parts, IpAddr),
        now: Now,
    ) -> Result<Warm, Refuse> {
        let refuse = |refusal: TokenRefusal| Refuse::on(route, Refusal::from(refusal));
        let token = bearer(&parts.fields, parts.uri.query()).map_err(refuse)?;
        match guard.verifier.verify_at(token.as_bytes(), now.wall) {
            Ok(claims) => let_through(route, guard, token, claims).map(Warm::Decided),
            Err(TokenRefusal::KeyUnknown) => {
                let credential = OwnedCredential::bearer(token);
                let key = self.sessions.keyer.key(&credential.as_credential());
                let (route, credential) = (Arc::clone(route), Some(credential));
                Ok(Warm::Cold(Box::new(Ask {
                    route,
                    key,
                    credential,
                    client,
                    session: None,
                    presented: None,
                })))
            }
            Err(refusal) => Err(refuse(refusal)),
        }
    }

    /// Waits once for the newer keys of the issuer, and decides.
    pub(super) async fn cold_guarded(
        &self,
        (route, guard): (&Arc<Route>, &Guard),
        credential: &OwnedCredential,
    ) -> Result<Decision, Refuse> {
        let token = credential.value.expose();
        if let Some(key) = key_of(token) {
            guard.issuer.look_for(&key).await;
        }
        let judged = guard.verifier.verify_at(token.as_bytes(), self.clock.now().wall);
        let claims = judged.map_err(|refusal| Refuse::on(route, Refusal::from(refusal)))?;
        let_through(route, guard, token, claims)
    }
}

/// The token of a request, the text after `Bearer `; what it is, is for the verifier to say. A second one in the query
/// is one too many: the service may prefer it (RFC 6750 §2).
pub(super) fn bearer<'a>(fields: &'a Fields, query: Option<&str>) -> Result<&'a str, TokenRefusal> {
    let only = fields.only(b"authorization").map_err(|Several| TokenRefusal::TokenAmbiguous)?;
    let value = only.ok_or(TokenRefusal::TokenMissing)?;
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
    let text = text.ok_or(TokenRefusal::TokenMalformed)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(TokenRefusal::TokenMissing);
    }
    match token.trim_matches([' ', '\t']) {
        // Nothing was presented, so nothing is wrong with it (RFC 6750 §3.1).
        "" => Err(TokenRefusal::TokenMissing),
        _ if query.is_some_and(has_access_token) => Err(TokenRefusal::TokenAmbiguous),
        token => Ok(token),
    }
}

fn let_through(
    route: &Arc<Route>,
    guard: &Guard,
    token: &str,
    claims: VerifiedClaims,
) -> Result<Decision, Refuse> {
    let refuse = |refusal| Refuse::on(route, refusal).of(&session_of(&claims));
    meets(guard, &claims).map_err(|unmet| refuse(TokenRefusal::from(unmet).into()))?;
    let identity = IdentityHeaders::of(&guard.headers, &claims)
        .map_err(|IdentityTooLarge| refuse(Refusal::IdentityTooLarge))?;
    let set = SignedToken::presented(token, &claims).ok_or_else(|| Refuse::on(route, Refusal::Bug))?;
    Ok(Decision::Forward(Forward {
        route: Arc::clone(route),
        set: Arc::new(set),
        cookie: None,
        sends_token: guard.forward_token,
        identity: (!guard.headers.is_empty()).then(|| Box::new(identity)),
        set_cookie: None,
        not_after: claims.expires().saturating_add(Verifier::DEFAULT_LEEWAY),
        holder: Holder::of_token(guard.issuer.watch(claims)),
    }))
}

/// Whether a token has what the route demands.
pub(super) fn meets(guard: &Guard, claims: &VerifiedClaims) -> Result<(), Unmet> {
    meet(&guard.require, claims.roles(), claims.claims().scope.as_deref(), claims.organisation())
}

/// The key that a token names.
fn key_of(token: &str) -> Option<KeyId> {
    let unverified = Unverified::parse(token.as_bytes(), MAX_BYTES).ok()?;
    unverified.header().key_id().map(|kid| KeyId::from(kid.as_str()))
}
