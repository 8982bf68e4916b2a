//! Credential → session: the only stage that asks the authorization server.
//!
//! 1. An answer is fresh for `recheck`. From some time between three and four fifths of it on, another for each session
//!    and each time, a request starts a refresh; past it, a request waits. Nothing but a request that carries the
//!    credential refreshes a session.
//! 2. "It says no" ends the session (401) and is remembered for two seconds. "It cannot be asked" and "it talks
//!    nonsense" are outages (503): never remembered, and the session stays what it was.
//! 3. There is one look-up for a session at a time; it survives the client that started it, and its failure is
//!    shared ([`flight`]).
//! 4. Unknown credentials wait at a gate that is fair between client addresses ([`gate`]); known sessions have a
//!    gate of their own and never wait behind them.
//! 5. A server that keeps failing is left alone but for probes, of others than those whose look-ups failed
//!    ([`breaker`]).
//! 6. Where the operator set `stale_if_error`, an outage is answered with the last good answer until that long after
//!    it: never past the session's end, and never after a "no" or a revocation.

mod admission;
pub mod breaker;
pub mod cache;
pub mod flight;
pub mod gate;
pub mod key;
mod look_up;
mod memory;
mod revoking;
pub mod rotation;
pub mod shared;
mod sharing;
pub mod source;
mod taking_away;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign::SessionId;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    clock::{Clock, Now},
    error::Refusal,
    identity::{Identity, Mapping},
    observe::{Observer, SourceLabel},
    revocation::{Demand, Holder, Lease, Ledger, RevocationReason},
    session::{
        breaker::Breaker,
        cache::{Entry, Freshness, SessionCache},
        key::{SessionKey, SessionKeyer},
        source::Source,
    },
};

pub use memory::Memory;
pub(crate) use revoking::AT_ONCE;

/// Rules of one configuration.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long an answer is fresh.
    pub recheck: Duration,
    /// Life of a session whose end the server does not tell.
    pub max_age: Duration,
    /// Longest wait for one look-up, its wait at the gate included.
    pub timeout: Duration,
    /// Requests waiting for one look-up.
    pub max_waiters: NonZeroUsize,
    /// In an outage the last answer is served until it is so old. `None`: 503 from `recheck` on.
    pub stale_if_error: Option<Duration>,
}

/// Sessions under one configuration.
#[derive(Debug)]
pub struct Sessions {
    /// Rules of the configuration.
    pub rules: Rules,
    /// Makes the keys.
    pub keyer: SessionKeyer,
    memory: Arc<Memory>,
    source: Arc<dyn Source>,
    mapping: Mapping,
    clock: Arc<dyn Clock>,
    observer: Observer,
    label: SourceLabel,
    refresh_not_before: AtomicU64,
    breaker: Breaker,
    to_sign: Semaphore,
}

/// What [`Sessions`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// Rules of the configuration.
    pub rules: Rules,
    /// Makes the keys.
    pub keyer: SessionKeyer,
    /// What is known already.
    pub memory: Arc<Memory>,
    /// Who is asked.
    pub source: Arc<dyn Source>,
    /// How the answer is understood.
    pub mapping: Mapping,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told.
    pub observer: Observer,
    /// What is asked, for metrics.
    pub label: SourceLabel,
}

impl Sessions {
    /// Sessions under one configuration.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { rules, keyer, memory, source, mapping, clock, observer, label } = parts;
        let refresh_not_before = AtomicU64::new(0);
        let (breaker, to_sign) = (
            Breaker::new(rules.timeout),
            Semaphore::new(rules.max_waiters.get().min(Semaphore::MAX_PERMITS)),
        );
        Self {
            rules,
            keyer,
            memory,
            source,
            mapping,
            clock,
            observer,
            label,
            refresh_not_before,
            breaker,
            to_sign,
        }
    }

    /// A place among those, of all sessions together, that wait for a revocation to be old enough to sign after it. There
    /// are `max_waiters`.
    #[must_use]
    pub(crate) fn place_to_sign(&self) -> Option<SemaphorePermit<'_>> {
        self.to_sign.try_acquire().ok()
    }

    /// What is known about sessions.
    #[must_use]
    pub fn cache(&self) -> &SessionCache {
        &self.memory.cache
    }

    /// How old a session's answer is, and what that asks for: where the server replaces cookies, a request waits for
    /// the recheck that it starts, because its answer may have to carry the new one.
    #[must_use]
    pub fn freshness(&self, entry: &Entry, now: Now) -> Freshness {
        match entry.freshness(self.rules.recheck, now) {
            Freshness::Aging if entry.is_superseded => Freshness::Fresh,
            Freshness::Aging if self.memory.rotates.load(Ordering::Relaxed) => Freshness::Stale,
            freshness => freshness,
        }
    }

    /// Whether the authorization server is taken for failed, and asked by probes alone.
    #[must_use]
    pub fn source_is_failing(&self) -> bool {
        self.breaker.is_open()
    }

    /// Whether the server's answers name their sessions; `None` as long as there was no answer.
    #[must_use]
    pub fn server_names_sessions(&self) -> Option<bool> {
        self.memory.server_names_sessions()
    }

    /// What is revoked.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.memory.ledger
    }

    /// The right of a session to open streams.
    pub(crate) fn lease(&self, holder: &Holder) -> Lease {
        holder.lease(&self.memory.ledger)
    }

    /// Lets go of a session that was revoked. What is known of it is asked anew, and refused again.
    pub(crate) fn drop_revoked(&self, key: &SessionKey, now: Now) {
        if let Some(entry) = self.memory.cache.find(key) {
            self.spread_revocation(&entry, now);
        }
        self.end(key, Refusal::Revoked, now);
    }

    /// What a session is called that is first seen under this key.
    fn own_name(&self, identity: &Identity, key: &SessionKey) -> SessionId {
        self.keyer.session_id(&identity.subject, identity.server_sid.as_deref(), key)
    }

    /// A session that was revoked under one of its names is revoked under all.
    fn spread_revocation(&self, entry: &Entry, now: Now) {
        let Some(refused) = self.refused_name(entry, now) else { return };
        let lacking = entry.names().filter(|name| !self.ledger().refuses_session(name, now.wall));
        for name in lacking {
            let demand = Demand::of_session(name.clone(), entry.ends, RevocationReason::LogOut);
            self.revoke(demand.as_name_of(refused), now);
        }
    }

    /// The server says that a session which is refused here lives on.
    fn prolong_revocation(&self, entry: &Entry, now: Now) {
        let handed_over = self.ledger().prolong(&entry.concerned(), entry.ends, self.rules.recheck, now.wall);
        self.tell_of_unrecorded(handed_over);
    }

    /// A name of the session that is revoked.
    fn refused_name<'a>(&self, entry: &'a Entry, now: Now) -> Option<&'a SessionId> {
        entry.names().find(|name| self.ledger().refuses_session(name, now.wall))
    }

    /// Who is asked.
    pub(crate) fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// How answers are understood.
    pub(crate) const fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}

#[cfg(test)]
mod tests;
