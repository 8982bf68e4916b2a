//! What the store keeps of revocations: a log of changes, of which only those that still matter are kept.

use std::{collections::BTreeMap, time::Duration};

use countersign::{
    SessionId, UnixTime,
    revocation::{Epoch, Target},
};

/// A lift, like a change of keys, matters for at least so long: nobody keeps what they know longer without asking.
pub const LIFT_MATTERS: Duration = Duration::from_secs(24 * 3600);
/// How far the clocks of two gateways may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// The log of revocations, or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRevocations {
    /// The numbering.
    pub epoch: Epoch,
    /// The number of the newest change, 0 before the first; it may have been forgotten meanwhile.
    pub newest: u64,
    /// Changes in the order of their numbers.
    pub records: Vec<RevocationRecord>,
    /// How many of them cannot be read: another change that says nothing stands in the place of each.
    pub unreadable: usize,
}

/// One change and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRecord {
    /// Its number: every change has the next one.
    pub seq: u64,
    /// What changed.
    pub change: Change,
}

/// One change of what is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The published keys are others than before.
    KeysChanged {
        /// When nobody who should know of it can be without it any more.
        until: UnixTime,
    },
    /// The revocation of that target holds no longer: earlier records of it are forgotten.
    Lifted {
        /// What.
        target: Target,
        /// As above.
        until: UnixTime,
    },
    /// This is revoked. An earlier record of the target that says nothing more is forgotten.
    Revoked {
        /// What.
        target: Target,
        /// The session that this is one more name of.
        name_of: Option<SessionId>,
        /// Since and until when.
        terms: Terms,
        /// Why: a short word.
        reason: String,
    },
}

/// Since and until when something is revoked: its two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// When. Of anything but a session or a token it concerns what began, or was issued, at that second or before it.
    pub at: UnixTime,
    /// Services refuse its tokens until then; the epoch if they have nothing to refuse.
    pub tokens_until: UnixTime,
    /// The gateway refuses its sessions until then; the epoch if it has nothing to refuse.
    pub sessions_until: UnixTime,
}

impl Terms {
    /// Both in one: the later of everything.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self {
            at: self.at.max(other.at),
            tokens_until: self.tokens_until.max(other.tokens_until),
            sessions_until: self.sessions_until.max(other.sessions_until),
        }
    }

    /// Whether `other` says nothing that this does not.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.merged(other) == self
    }

    /// Whether a lift that matters until then was made before this: it takes back an earlier revocation and not this
    /// one, wherever in the log it stands. Who writes a shared store can put a lift there once more.
    #[must_use]
    pub fn is_after_lift(self, lift_until: UnixTime) -> bool {
        lift_until.saturating_add(CLOCKS_APART) < self.at.saturating_add(LIFT_MATTERS)
    }

    /// Since when services refuse tokens, where other gateways may have signed for `spread` after the revocation. What
    /// has an exact name concerns all its tokens anyway.
    #[must_use]
    pub fn tokens_at(&self, target: &Target, spread: Duration) -> UnixTime {
        match target {
            // What other gateways sign for the session they revoke themselves, by name.
            Target::IssuedTo(_) | Target::Session(_) | Target::Token(_) => self.at,
            Target::Subject(_) | Target::Organisation(_) | Target::All => self.at.saturating_add(spread),
        }
    }

    /// When both records have come to their end.
    #[must_use]
    pub fn until(self) -> UnixTime {
        self.tokens_until.max(self.sessions_until)
    }
}

/// What a log says of one target in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Since and until when.
    pub terms: Terms,
    /// Why, as was said last.
    pub reason: String,
    /// The session that this is one more name of.
    pub name_of: Option<SessionId>,
}

impl InForce {
    /// What says so of that target.
    #[must_use]
    pub fn as_change(&self, target: &Target) -> Change {
        let Self { terms, reason, name_of } = self.clone();
        Change::Revoked { target: target.clone(), name_of, terms, reason }
    }

    /// This and what was said later, in one.
    #[must_use]
    pub fn and_later(&self, later: Self) -> Self {
        let name_of = later.name_of.or_else(|| self.name_of.clone());
        Self { terms: self.terms.merged(later.terms), reason: later.reason, name_of }
    }

    /// Whether what is said of that target says nothing that this does not.
    #[must_use]
    pub fn says(&self, target: &Target, other: &Self) -> bool {
        let at = match target {
            // It is revoked by its name, whenever it was issued.
            Target::Token(_) => self.terms.at,
            _ => other.terms.at,
        };
        self.terms.covers(Terms { at, ..other.terms })
            && self.reason == other.reason
            && (other.name_of.is_none() || self.name_of == other.name_of)
    }
}

impl Change {
    /// Stands where there is something that cannot be read: numbers go on without a gap, and it says nothing.
    pub const UNREADABLE: Self = Self::KeysChanged { until: UnixTime::from_secs(0) };

    /// What it says of its target, if that is revoked by it.
    #[must_use]
    pub fn in_force(&self) -> Option<InForce> {
        match self {
            Self::KeysChanged { .. } | Self::Lifted { .. } => None,
            Self::Revoked { name_of, terms, reason, .. } => {
                Some(InForce { terms: *terms, reason: reason.clone(), name_of: name_of.clone() })
            }
        }
    }

    /// When it matters to nobody any more.
    #[must_use]
    pub fn until(&self) -> UnixTime {
        match self {
            Self::KeysChanged { until } | Self::Lifted { until, .. } => *until,
            Self::Revoked { terms, .. } => terms.until(),
        }
    }

    /// Whether this change makes `earlier` superfluous.
    #[must_use]
    pub fn replaces(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::KeysChanged { .. }, Self::KeysChanged { .. }) => true,
            (
                Self::Lifted { target, .. },
                Self::Lifted { target: other, .. } | Self::Revoked { target: other, .. },
            ) => target == other,
            (Self::Revoked { target, terms, .. }, Self::Revoked { target: other, terms: earlier, .. }) => {
                target == other && terms.covers(*earlier)
            }
            // A lift is kept: who read what came before it must learn of it, though the target is revoked anew.
            _ => false,
        }
    }
}

/// A log with another harmless change in the place of each lift that takes nothing back: numbers go on without a gap.
#[must_use]
pub fn without_stale_lifts(mut records: Vec<RevocationRecord>) -> Vec<RevocationRecord> {
    let mut held: BTreeMap<Target, Terms> = BTreeMap::new();
    for RevocationRecord { change, .. } in &mut records {
        match change {
            Change::KeysChanged { .. } => {}
            Change::Lifted { target, until } => {
                if held.get(target).is_some_and(|terms| terms.is_after_lift(*until)) {
                    *change = Change::KeysChanged { until: *until };
                } else {
                    held.remove(target);
                }
            }
            Change::Revoked { target, terms, .. } => {
                let merged = held.get(target).map_or(*terms, |known| known.merged(*terms));
                held.insert(target.clone(), merged);
            }
        }
    }
    records
}

/// What is revoked in the end, of a log that is read from its beginning.
#[must_use]
pub fn in_force(records: &[RevocationRecord]) -> BTreeMap<Target, InForce> {
    let mut held: BTreeMap<Target, InForce> = BTreeMap::new();
    for record in records {
        match &record.change {
            Change::KeysChanged { .. } => {}
            Change::Lifted { target, until } => {
                if !held.get(target).is_some_and(|held| held.terms.is_after_lift(*until)) {
                    held.remove(target);
                }
            }
            Change::Revoked { target, name_of, terms, reason } => {
                let new = InForce { terms: *terms, reason: reason.clone(), name_of: name_of.clone() };
                let merged =
                    held.get(target).map_or_else(|| new.clone(), |known| known.and_later(new.clone()));
                held.insert(target.clone(), merged);
            }
        }
    }
    held
}
