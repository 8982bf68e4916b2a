//! What revocations have to do with look-ups.

use std::{net::IpAddr, sync::Arc};

use countersign::{Standing, revocation::Target};

use super::{Sessions, cache::Entry};
use crate::{
    clock::Now,
    credential::OwnedCredential,
    error::Refusal,
    observe::Observation,
    revocation::{Demand, RevocationReason, Unrecorded},
};

impl Sessions {
    /// The server says "no" about a session that was alive: services hear of it. At its end it would have said so
    /// anyway.
    pub(super) fn said_no(&self, entry: &Entry, now: Now) {
        // Its name may be shared by a newer credential that lives: the end of this one is not the session's.
        let is_shared = entry.is_superseded
            || entry.identity.server_sid.is_some()
                && self.memory.cache.select(|other| other.sid == entry.sid).len() > 1;
        if entry.ends > now.wall && !is_shared {
            self.revoke_session(entry, RevocationReason::ServerSaidNo, now);
        }
    }

    /// The old application has taken a credential away from its user.
    pub(crate) fn taken_away(&self, credential: &OwnedCredential, now: Now) {
        let key = self.keyer.key(&credential.as_credential());
        if let Some(entry) = self.memory.cache.find(&key) {
            self.revoke_session(&entry, RevocationReason::LegacyCookie, now);
            self.end(&key, Refusal::Revoked, now);
        }
    }

    /// The old application has given its user another credential: what becomes of this one the server knows.
    pub(crate) fn replaced(self: &Arc<Self>, credential: OwnedCredential, client: IpAddr) {
        let key = self.keyer.key(&credential.as_credential());
        if self.memory.cache.find(&key).is_some_and(|entry| !entry.is_superseded) {
            self.refresh(key, credential, client);
        }
    }

    /// Sessions that were logged out by the name that the authorization server has for them, whichever gateway was told:
    /// those that are known here are revoked by the names that are in tokens.
    pub(crate) fn end_those_logged_out_at_server(&self, now: Now) {
        let is_ended = |entry: &Entry| {
            entry.at_server.is_some() && self.ledger().check(&entry.concerned()) == Standing::Revoked
        };
        for entry in self.memory.cache.select(is_ended) {
            self.spread_revocation(&entry, now);
        }
    }

    pub(super) fn revoke_session(&self, entry: &Entry, reason: RevocationReason, now: Now) {
        for name in entry.names() {
            self.revoke(Demand::of_session(name.clone(), entry.ends, reason).as_name_of(&entry.sid), now);
        }
    }

    /// Less power than before, or another organisation: the tokens that say otherwise are revoked by name.
    pub(super) fn revoke_tokens(&self, entry: &Entry, now: Now) {
        for token in entry.living_tokens(now.wall) {
            self.revoke(Demand::new(Target::Token(token.clone()), RevocationReason::Changed), now);
        }
    }

    pub(super) fn revoke(&self, demand: Demand, now: Now) {
        if let Err(fault) = self.ledger().revoke_later(demand, now.wall)
            && fault != Unrecorded::Stopped
        {
            let detail = fault.to_string();
            self.observer.observe(Observation::Store { failure: Some(fault.code()), detail: &detail });
        }
    }
}
