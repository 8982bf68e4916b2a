//! What was revoked, in order: for those who follow, and for the sessions of this gateway.

use std::{collections::BTreeMap, sync::Arc};

use countersign::{
    SessionId, UnixTime,
    revocation::{Cursor, Revocation, Target, What},
};

use super::Ledger;
use crate::revocation::state::Published;

/// Everything services refuse, at one place of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Where to go on.
    pub cursor: Cursor,
    /// What is revoked, in the order of the targets.
    pub entries: Vec<Revocation>,
}

/// That a session is another than it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionChange {
    /// Its tokens that were issued until then are revoked.
    pub(crate) at: UnixTime,
    /// Nobody but this process has found it.
    pub(crate) is_own: bool,
}

/// What follows a cursor is not known any more, or the cursor is of another epoch: a snapshot is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CannotContinue;

/// So much of what is held is read at once for a snapshot: in about half a millisecond.
const PART: usize = 4_096;

impl Ledger {
    /// The next [`Self::EVENTS_AT_ONCE`] events after a cursor.
    ///
    /// # Errors
    /// [`CannotContinue`] for a cursor of another epoch, from the future, or too old.
    pub fn after(&self, cursor: &Cursor) -> Result<Vec<Arc<Published>>, CannotContinue> {
        let state = self.state();
        if state.epoch != cursor.epoch {
            return Err(CannotContinue);
        }
        state.after(cursor.seq, Self::EVENTS_AT_ONCE).ok_or(CannotContinue)
    }

    /// Whether [`Self::after`] knows what follows a cursor.
    #[must_use]
    pub fn can_go_on_from(&self, cursor: &Cursor) -> bool {
        let state = self.state();
        state.epoch == cursor.epoch && state.after(cursor.seq, 0).is_some()
    }

    /// The sessions that were found to be others than before (less power, another user) after that place of the log,
    /// which becomes the newest. Where that cannot be known any more: all that are known to have changed.
    pub(crate) fn changed_sessions(&self, seen: &mut Cursor) -> BTreeMap<SessionId, SessionChange> {
        let mut changed = BTreeMap::new();
        loop {
            let Ok(events) = self.after(seen) else {
                let state = self.state();
                *seen = state.cursor();
                let all = state.all().filter_map(|(target, held)| match target {
                    Target::IssuedTo(name) => {
                        Some((name.clone(), SessionChange { at: held.terms.at, is_own: true }))
                    }
                    _ => None,
                });
                return all.collect();
            };
            let Some(last) = events.last() else { return changed };
            *seen = last.event.cursor.clone();
            for published in &events {
                if let What::Revoked(Revocation { target: Target::IssuedTo(name), at, .. }) =
                    &published.event.what
                {
                    let change = SessionChange { at: *at, is_own: published.is_own };
                    changed.entry(name.clone()).or_insert(change).unite(change);
                }
            }
        }
    }

    /// Everything services refuse at `now`. What has expired is left out when it is forgotten here, within half a
    /// minute: a clock that jumps takes it from nobody.
    ///
    /// It is read in parts, so that nobody waits long for the state. Between two of them something can be revoked or
    /// lifted: that is an event after the cursor, and whoever goes on from there hears of it.
    #[must_use]
    pub fn snapshot(&self, now: UnixTime) -> Snapshot {
        let now = now.min(self.forgotten());
        let mut parts = [PART; 2].into_iter();
        loop {
            // A store that begins to number anew again and again holds nobody up for ever: a whole is never of two.
            if let Some(snapshot) = self.snapshot_in_parts(parts.next().unwrap_or(usize::MAX), now) {
                return snapshot;
            }
        }
    }

    /// None if another numbering began meanwhile.
    fn snapshot_in_parts(&self, limit: usize, now: UnixTime) -> Option<Snapshot> {
        let mut state = self.state();
        let cursor = state.cursor();
        let (mut entries, mut last) = (Vec::new(), None);
        loop {
            let (some, more) = state.token_records(last.as_ref(), limit, now);
            drop(state);
            entries.extend(some);
            if more.is_none() {
                return Some(Snapshot { cursor, entries });
            }
            last = more;
            // Who waits for the state gets it now.
            std::thread::yield_now();
            state = self.state();
            if state.epoch != cursor.epoch {
                return None;
            }
        }
    }
}

impl SessionChange {
    fn unite(&mut self, later: Self) {
        *self = Self { at: self.at.max(later.at), is_own: self.is_own && later.is_own };
    }
}
