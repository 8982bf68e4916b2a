//! Tokens of ours that a client shows us.
//!
//! A token counts only if a key of the ring signed it. One with a shared secret does not: its service has the secret
//! too, and could show a token of its own making.

use std::sync::Arc;

use countersign::{
    Actor, Audience, KeySet, Revocable, Revocations, Standing, UnixTime, VerifiedClaims, Verifier,
};
use serde::Serialize;
use serde_json::Value;

use super::Internal;
use crate::revocation::Ledger;

/// The token, if it is good for that audience at `now`; otherwise the code of what is wrong with it.
pub(super) fn verify(
    internal: &Internal,
    token: &str,
    audience: &Audience,
    now: UnixTime,
) -> Result<VerifiedClaims, &'static str> {
    let ring = internal.keyring.load_full();
    let keys = KeySet::new(ring.published(now).filter_map(|key| key.key.verifying_key()));
    let verifier = Verifier::builder()
        .issuer(internal.ledger.issuer().clone())
        .audience(audience.clone())
        .key_set(keys.map_err(|_| "keys_unavailable")?)
        .revocations(Arc::clone(&internal.ledger))
        .seen_before(0)
        .build()
        .map_err(|_| "keys_unavailable")?;
    let claims = verifier.verify_at(token.as_bytes(), now).map_err(|refusal| refusal.code())?;
    // The leeway is for clocks of others: the end was set by us.
    if claims.expires() > now { Ok(claims) } else { Err("token_expired") }
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
