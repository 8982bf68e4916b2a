//! What is revoked, as the ledger's writer sees it: every name, and the newest events.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::{
    KeyId, SessionId, UnixTime,
    revocation::{Cursor, Epoch, Event, Revocation, Target, What},
};

use crate::store::{Change, InForce, RevocationRecord, StoredRevocations, in_force, without_stale_lifts};

/// An event of the feed, and its signed form once somebody wanted it.
#[derive(Debug)]
pub struct Published {
    /// What it says.
    pub event: Event,
    /// Why, of a revocation.
    pub reason: Option<String>,
    /// This process has written it.
    pub is_own: bool,
    /// The compact JWS and the key that signed: made once, for all who follow.
    pub signed: Mutex<Option<(KeyId, Arc<str>)>>,
}

/// Everything behind the lock.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(super) struct State {
    pub(super) epoch: Epoch,
    /// The newest number.
    pub(super) newest: u64,
    held: BTreeMap<Target, InForce>,
    tail: VecDeque<Arc<Published>>,
    /// What follows this number is in `tail`, as far as it still matters.
    floor: u64,
    kept_events: usize,
    /// How long other gateways may sign after a revocation.
    spread: Duration,
}

impl State {
    pub(super) fn new(
        stored: StoredRevocations,
        now: UnixTime,
        kept_events: usize,
        spread: Duration,
    ) -> Self {
        let StoredRevocations { epoch, newest, records, unreadable: _ } = stored;
        let records = without_stale_lifts(records);
        let held = in_force(&records).into_iter().filter(|(_, held)| held.terms.until() > now).collect();
        // Whoever follows counts: only what is numbered without a gap up to the newest can be gone on with.
        let mut first = newest.saturating_add(1);
        let unbroken = records.into_iter().rev().take_while(|record| {
            let follows = record.seq.saturating_add(1) == first;
            first = record.seq;
            follows
        });
        let mut unbroken: Vec<_> = unbroken.collect();
        unbroken.reverse();
        let floor = newest.saturating_sub(u64::try_from(unbroken.len()).unwrap_or(u64::MAX));
        let mut state = Self { epoch, newest, held, tail: VecDeque::new(), floor, kept_events, spread };
        for record in unbroken {
            state.publish(record, false);
        }
        state
    }

    pub(super) fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch.clone(), seq: self.newest }
    }

    pub(super) fn held(&self, target: &Target) -> Option<&InForce> {
        self.held.get(target)
    }

    /// All that is held, in the order of the targets.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Target, &InForce)> {
        self.held.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether a lift is older than what is held for its target, and so takes nothing back.
    pub(super) fn is_stale_lift(&self, target: &Target, until: UnixTime) -> bool {
        self.held(target).is_some_and(|held| held.terms.is_after_lift(until))
    }

    /// Adds what was read from, or written to, the log.
    pub(super) fn add(&mut self, mut record: RevocationRecord, is_own: bool) {
        if let Change::Lifted { target, until } = &record.change
            && self.is_stale_lift(target, *until)
        {
            record.change = Change::KeysChanged { until: *until };
        }
        self.newest = self.newest.max(record.seq);
        match &record.change {
            Change::KeysChanged { .. } => {}
            Change::Lifted { target, .. } => drop(self.held.remove(target)),
            Change::Revoked { target, name_of, terms, reason } => {
                let new = InForce { terms: *terms, reason: reason.clone(), name_of: name_of.clone() };
                self.hold(target, new);
            }
        }
        self.publish(record, is_own);
    }

    fn hold(&mut self, target: &Target, new: InForce) {
        let held = match self.held.get(target) {
            Some(held) => held.and_later(new),
            None => new,
        };
        self.held.insert(target.clone(), held);
    }

    /// All names under which a session is revoked, as far as they were said to be names of one: this one too. Looks at
    /// every one that is held.
    pub(super) fn names_of(&self, session: &SessionId) -> BTreeSet<SessionId> {
        let mut names = BTreeSet::from([session.clone()]);
        loop {
            let linked = self.held.iter().filter_map(|(target, held)| match (target, &held.name_of) {
                (Target::Session(name), Some(of)) => Some((name, of)),
                _ => None,
            });
            let more: BTreeSet<SessionId> = linked
                .filter_map(|(name, of)| match (names.contains(name), names.contains(of)) {
                    (true, false) => Some(of.clone()),
                    (false, true) => Some(name.clone()),
                    _ => None,
                })
                .collect();
            if more.is_empty() {
                return names;
            }
            names.extend(more);
        }
    }

    fn publish(&mut self, record: RevocationRecord, is_own: bool) {
        let RevocationRecord { seq, change } = record;
        let (what, reason) = match change {
            Change::KeysChanged { .. } => (What::KeysChanged, None),
            Change::Lifted { target, .. } => (What::Lifted(target), None),
            Change::Revoked { target, terms, reason, .. } => {
                let (at, expires) = (terms.tokens_at(&target, self.spread), terms.tokens_until);
                (What::Revoked(Revocation { target, at, expires }), Some(reason))
            }
        };
        let cursor = Cursor { epoch: self.epoch.clone(), seq };
        let event = Event { cursor, what };
        self.tail.push_back(Arc::new(Published { event, reason, is_own, signed: Mutex::default() }));
        while self.tail.len() > self.kept_events {
            if let Some(oldest) = self.tail.pop_front() {
                self.floor = oldest.event.cursor.seq;
            }
        }
    }

    /// At most `limit` events after a number; `None` if they are not all known.
    pub(super) fn after(&self, seq: u64, limit: usize) -> Option<Vec<Arc<Published>>> {
        if seq < self.floor || seq > self.newest {
            return None;
        }
        let first = self.tail.partition_point(|published| published.event.cursor.seq <= seq);
        Some(self.tail.iter().skip(first).take(limit).cloned().collect())
    }

    /// Adds what another memory holds and this one does not.
    pub(super) fn keep_what_is_held_by(&mut self, other: &Self, now: UnixTime) {
        for (target, held) in other.all().filter(|(_, held)| held.terms.until() > now) {
            if !self.held(target).is_some_and(|known| known.terms.covers(held.terms)) {
                self.hold(target, held.clone());
            }
        }
    }

    /// What is held behind a target, in the order of the targets.
    pub(super) fn held_behind(&self, after: Option<&Target>) -> impl Iterator<Item = (&Target, &InForce)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.held.range::<Target, _>((from, Bound::Unbounded))
    }

    /// The token records that still matter among the next `limit` targets after one, and the last of these if there may
    /// be more.
    pub(super) fn token_records(
        &self,
        after: Option<&Target>,
        limit: usize,
        now: UnixTime,
    ) -> (Vec<Revocation>, Option<Target>) {
        let (mut records, mut last) = (Vec::new(), None);
        let mut next = self.held_behind(after);
        for (target, held) in next.by_ref().take(limit) {
            last = Some(target);
            if held.terms.tokens_until > now {
                let (at, expires) = (held.terms.tokens_at(target, self.spread), held.terms.tokens_until);
                records.push(Revocation { target: target.clone(), at, expires });
            }
        }
        let may_go_on = next.next().is_some();
        (records, last.filter(|_| may_go_on).cloned())
    }

    pub(super) fn forget_expired(&mut self, now: UnixTime) {
        self.held.retain(|_, held| held.terms.until() > now);
    }
}
