//! What revocations have to do with look-ups.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use countersign::{SessionId, Standing, revocation::Target};

use super::{Sessions, admission::Former, cache::Entry};
use crate::{
    clock::{Clock, Now},
    credential::OwnedCredential,
    observe::Observation,
    revocation::{Demand, Ledger, RevocationReason, SessionChange, Unrecorded},
};

impl Sessions {
    /// The server says "no" about a session that was alive: what was issued to it is revoked, and services hear of it.
    /// At its end it would have said so anyway. The session's name is not: it may go on under another credential, as
    /// another gateway knows. True if something was revoked.
    pub(super) fn said_no(&self, entry: Option<&Entry>, former: Option<&Former>, now: Now) -> bool {
        let Some(entry) = entry else {
            let Some(former) = former else { return false };
            self.revoke_issued([&former.sid], RevocationReason::ServerSaidNo, now);
            return true;
        };
        // The same user has it under another credential that lives: the end of this one is not the session's.
        let is_same =
            |other: &Entry| other.sid == entry.sid && other.identity.subject == entry.identity.subject;
        let same = || {
            self.memory.cache.find_named(&entry.sid).into_iter().filter(|(_, other)| is_same(other)).count()
        };
        let is_shared = entry.is_superseded || entry.identity.server_sid.is_some() && same() > 1;
        let revokes = entry.ends > now.wall && !is_shared;
        if revokes {
            self.revoke_tokens(entry, RevocationReason::ServerSaidNo, now);
        }
        revokes
    }

    /// The old application has given its user another credential: what becomes of this one the server knows.
    pub(crate) fn replaced(self: &Arc<Self>, credential: OwnedCredential, client: IpAddr) {
        let key = self.keyer.key(&credential.as_credential());
        if self.memory.cache.find(&key).is_some_and(|entry| !entry.is_superseded) {
            self.refresh(key, credential, client);
        }
    }

    /// Does what others' revocations ask for whenever the ledger tells of one, for as long as the process lives: asks again
    /// about sessions that are others than before, and names what was signed too late to be known. `present` are the sessions under the configuration in force.
    pub(crate) async fn follow_changes(ledger: &Ledger, clock: &dyn Clock, present: impl Fn() -> Arc<Self>) {
        let (mut newest, mut seen) = (ledger.subscribe(), ledger.cursor());
        while newest.changed().await.is_ok() {
            let now = clock.now();
            if ledger.has_late_revocations(&seen, now.wall) {
                present().revoke_signed_meanwhile(now);
            }
            let changed = ledger.changed_sessions(&mut seen);
            if !changed.is_empty() {
                present().ask_again_about(&changed, now);
            }
        }
        std::future::pending().await
    }

    /// What was signed here for sessions that others had revoked already, which this gateway could not know, outlives their
    /// revocation at services: it is revoked by name.
    fn revoke_signed_meanwhile(&self, now: Now) {
        let is_revoked = |entry: &Entry| self.ledger().check(&entry.concerned()) == Standing::Revoked;
        for key in self.memory.cache.select_keys(is_revoked) {
            if let Some(entry) = self.memory.cache.find(&key) {
                self.revoke_living(&entry, RevocationReason::Changed, now);
            }
        }
    }

    /// Sessions that were found to be others than before, at another gateway or under another credential: what was
    /// signed for them here is revoked by name, and nothing is signed before the server was asked anew.
    pub(crate) fn ask_again_about(&self, changed: &BTreeMap<SessionId, SessionChange>, now: Now) {
        let concerns = |entry: &Entry| {
            let mut changes = entry.names().filter_map(|name| changed.get(name));
            changes.any(|change| !(change.is_own && entry.changed_at.is_some_and(|at| at >= change.at)))
        };
        let named = changed.keys().flat_map(|name| self.memory.cache.find_named(name));
        let keys: BTreeSet<_> = named.map(|(key, _)| key).collect();
        for key in keys {
            let writer = self.memory.cache.writer(&key);
            if let Some(entry) = writer.current().filter(|entry| concerns(entry)) {
                writer.put(Arc::new(entry.outdated(now.monotonic)));
                drop(writer);
                self.revoke_living(&entry, RevocationReason::Changed, now);
            }
        }
    }

    pub(super) fn revoke_session(&self, entry: &Entry, reason: RevocationReason, now: Now) {
        for name in entry.names() {
            self.revoke(Demand::of_session(name.clone(), entry.ends, reason).as_name_of(&entry.sid), now);
        }
    }

    /// Revokes what was issued to a session until now; what is issued to it later is good.
    pub(super) fn revoke_tokens(&self, entry: &Entry, reason: RevocationReason, now: Now) {
        self.revoke_issued(entry.names(), reason, now);
        self.revoke_living(entry, reason, now);
    }

    /// Whoever signed it, and before whatever restart.
    pub(super) fn revoke_issued<'a>(
        &self,
        names: impl IntoIterator<Item = &'a SessionId>,
        reason: RevocationReason,
        now: Now,
    ) {
        for name in names {
            self.revoke(Demand::new(Target::IssuedTo(name.clone()), reason), now);
        }
    }

    /// By name: those of this second, and what was exchanged for any of them in it.
    pub(super) fn revoke_living(&self, entry: &Entry, reason: RevocationReason, now: Now) {
        for token in entry.living_tokens(now.wall) {
            self.revoke(Demand::new(Target::Token(token.clone()), reason), now);
        }
    }

    pub(super) fn revoke(&self, demand: Demand, now: Now) {
        self.tell_of_unrecorded(self.ledger().revoke_later(demand, now.wall));
    }

    pub(super) fn tell_of_unrecorded(&self, handed_over: Result<(), Unrecorded>) {
        if let Err(fault) = handed_over
            && fault != Unrecorded::Stopped
        {
            let detail = fault.to_string();
            self.observer.observe(Observation::Store { failure: Some(fault.code()), detail: &detail });
        }
    }
}
