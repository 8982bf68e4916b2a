//! What revocations have to do with look-ups.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use countersign::{SessionId, Standing, TokenId, revocation::Target};
use tokio::{
    select,
    time::{Instant, sleep_until},
};

use super::{
    Sessions,
    admission::Former,
    cache::{Entry, Place, SessionCache},
};
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
    /// about sessions that are others than before, and names what was signed too late to be known. `present` are the
    /// sessions under the configuration in force.
    ///
    /// Sessions that were revoked by name are found by it. For any other revocation all have to be looked at: two thousand at
    /// a time, with a rest between, because whoever shares this thread must not wait.
    pub(crate) async fn follow_changes(ledger: &Ledger, clock: &dyn Clock, present: impl Fn() -> Arc<Self>) {
        let (mut newest, mut seen) = (ledger.subscribe(), ledger.cursor());
        let mut look = Look::new();
        loop {
            select! {
                biased;
                () = sleep_until(look.not_before), if look.goes_on() => {}
                told = newest.changed() => if told.is_err() { break },
            }
            let (sessions, now) = (present(), clock.now());
            let late = ledger.late_revocations(&seen, now.wall);
            let named = late.sessions.iter().flat_map(|name| sessions.cache().find_named(name));
            let mut signed = sessions.signed_for_revoked(named.map(|(_, entry)| entry), now);
            let changed = ledger.changed_sessions(&mut seen);
            if !changed.is_empty() {
                sessions.ask_again_about(&changed, now);
            }
            if late.more {
                look.begin();
            }
            if look.goes_on() && look.not_before <= Instant::now() {
                let some = look.some_of(sessions.cache());
                signed.append(&mut sessions.signed_for_revoked(some, now));
            }
            for token in signed {
                // Once nothing is written any more, this process ends.
                let demand = Demand::new(Target::Token(token), RevocationReason::Changed);
                ledger.revoke_in_turn(demand, now.wall).await;
            }
        }
        std::future::pending().await
    }

    /// What was signed here for sessions that others had revoked already, which this gateway could not know, outlives their
    /// revocation at services: it has to be revoked by name.
    fn signed_for_revoked(&self, entries: impl IntoIterator<Item = Arc<Entry>>, now: Now) -> Vec<TokenId> {
        let is_revoked = |entry: &Arc<Entry>| self.ledger().check(&entry.concerned()) == Standing::Revoked;
        let mut signed = Vec::new();
        for entry in entries.into_iter().filter(is_revoked) {
            let named = |token: &TokenId| self.ledger().terms_of(&Target::Token(token.clone())).is_some();
            signed.extend(entry.living_tokens(now.wall).filter(|token| !named(token)).cloned());
        }
        signed
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

/// So many names of sessions are looked at in one go: it takes a millisecond or two.
pub(crate) const AT_ONCE: usize = 2_000;
/// Between two goes.
const REST: Duration = Duration::from_millis(10);

/// A look at all sessions, some at a time.
#[derive(Debug)]
struct Look {
    next: Option<Place>,
    /// It rests until then, however much is revoked.
    not_before: Instant,
    /// Something was revoked since it began, that those before this place concern too.
    again: bool,
}

impl Look {
    fn new() -> Self {
        Self { next: None, not_before: Instant::now(), again: false }
    }

    fn begin(&mut self) {
        self.again |= self.goes_on();
        self.next.get_or_insert_default();
    }

    const fn goes_on(&self) -> bool {
        self.next.is_some()
    }

    fn some_of(&mut self, cache: &SessionCache) -> Vec<Arc<Entry>> {
        let Some(place) = self.next.take() else { return Vec::new() };
        let (some, next) = cache.some_behind(place, AT_ONCE);
        self.not_before = Instant::now() + REST;
        self.next = next.or_else(|| std::mem::take(&mut self.again).then(Place::default));
        some
    }
}
