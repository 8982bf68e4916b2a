//! When each key is published, signs, only verifies and is gone: a pure function of time over stored moments.
//!
//! 1. Of the keys that have signed, sign, or are planned to, each begins in the second in which the one before
//!    ends; the first has signed since the beginning of time and the last signs for ever. So at every moment,
//!    whatever the clock shows, exactly one key signs.
//! 2. A key is planned to sign no earlier than [`Policy::lead`] after it was published, so that every verifier
//!    has it by then. The very first key signs at once: before it there was no key set to be old.
//! 3. A key that no longer signs stays in the key set for [`Policy::keep`], and with it every token it signed.
//! 4. One standby key is published and not planned, so that a key that must be retired at once has a successor
//!    that verifiers know.
//! 5. Nothing is ever removed because of what the clock shows. A clock that jumps moves phases, and moves them
//!    back when it comes back; while it shows a moment before the last change, nothing is planned by itself.
//! 6. A retired key is gone at once and for good, even when the clock is set back: its successor has its place in
//!    the line of signers.

mod change;
mod merge;
#[cfg(test)]
mod model;

use std::time::Duration;

use countersign::{KeyId, UnixTime};

use crate::{config::resolved::RingAlgorithm, observe::KeyPhase};

pub use change::{ChangeFault, MAX_KEYS};

/// How long a verifier may keep our key set (`Cache-Control: max-age`). Five minutes.
pub const KEY_SET_MAX_AGE: Duration = Duration::from_secs(300);
/// How far a verifier's clock may be off. One minute.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How long a key is published before it signs, for verifiers that keep keys longer than they should. One day.
pub const KEY_LEAD: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a key signs. Thirty days.
pub const ROTATION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a key stays published at least after it signed last. One day: more than any token's life, also one
/// signed before the configured life was made shorter.
pub const LEAST_KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// How long keys stay in their phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// From published to signing, at least.
    pub lead: Duration,
    /// From the last signature to gone.
    pub keep: Duration,
    /// How long a key signs before the standby key takes over.
    pub rotation: Duration,
}

impl Policy {
    /// The policy for this lead and life of tokens: a key leads by `key_lead`, and never less than what a key
    /// set may be old ([`KEY_SET_MAX_AGE`] and [`CLOCK_SKEW`]); it is kept for [`LEAST_KEEP`], and never less
    /// than a token lives. A key signs for `rotation`, and never less than it leads.
    #[must_use]
    pub fn new(key_lead: Duration, token_lifetime: Duration, rotation: Duration) -> Self {
        let lead = key_lead.max(KEY_SET_MAX_AGE.saturating_add(CLOCK_SKEW));
        Self {
            lead,
            keep: token_lifetime.saturating_add(CLOCK_SKEW).max(LEAST_KEEP),
            rotation: rotation.max(lead),
        }
    }
}

/// The stored moments of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTimes {
    /// Since when it is in the key set.
    pub published: UnixTime,
    /// The first second in which it signs. `None`: a standby key.
    pub signs_from: Option<UnixTime>,
    /// The first second in which it no longer signs. Equal to `signs_from`: it was withdrawn before it signed.
    pub signs_until: Option<UnixTime>,
    /// When an operator retired it: it is gone.
    pub retired: Option<UnixTime>,
}

impl KeyTimes {
    const fn standby(published: UnixTime) -> Self {
        Self { published, signs_from: None, signs_until: None, retired: None }
    }

    fn is_standby(&self) -> bool {
        self.signs_from.is_none()
    }

    fn is_withdrawn(&self) -> bool {
        self.signs_from.is_some() && self.signs_from == self.signs_until
    }

    /// Part of the unbroken line of signers.
    fn is_signer(&self) -> bool {
        !self.is_standby() && !self.is_withdrawn()
    }
}

/// Where a key is in its life at `now`.
#[must_use]
pub fn phase(key: &KeyTimes, now: UnixTime, policy: &Policy) -> KeyPhase {
    match (key.signs_from, key.signs_until) {
        _ if key.retired.is_some() => KeyPhase::Gone,
        (None, _) => KeyPhase::Published,
        (Some(from), _) if now < from => KeyPhase::Published,
        (Some(_), None) => KeyPhase::Signing,
        (Some(_), Some(until)) if now < until => KeyPhase::Signing,
        (Some(_), Some(until)) if now < until.saturating_add(policy.keep) => KeyPhase::VerifyingOnly,
        (Some(_), Some(_)) => KeyPhase::Gone,
    }
}

/// One key of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledKey {
    /// Its name.
    pub kid: KeyId,
    /// What it signs with.
    pub algorithm: RingAlgorithm,
    /// Its moments.
    pub times: KeyTimes,
}

/// The moments of all keys of a ring, checked by rule 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    keys: Vec<ScheduledKey>,
    changed: UnixTime,
}

/// Moments that make no schedule: not written by this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleFault {
    /// Two keys sign at once, or none does.
    #[error("the keys' moments do not follow one another")]
    Broken,
    /// A key is in it twice.
    #[error("a key is in the schedule twice")]
    Twice,
}

impl Schedule {
    /// Reads stored moments; `changed` is when they were planned.
    ///
    /// # Errors
    /// [`ScheduleFault`] if they break rule 1.
    pub fn new(keys: Vec<ScheduledKey>, changed: UnixTime) -> Result<Self, ScheduleFault> {
        let kids = || keys.iter().map(|key| &key.kid);
        if kids().enumerate().any(|(place, kid)| kids().take(place).any(|earlier| earlier == kid)) {
            return Err(ScheduleFault::Twice);
        }
        if keys.iter().any(|key| key.times.is_standby() && key.times.signs_until.is_some()) {
            return Err(ScheduleFault::Broken);
        }
        if keys.iter().any(|key| key.times.retired.is_some() && !key.times.is_withdrawn()) {
            return Err(ScheduleFault::Broken);
        }
        let mut next = Some(UnixTime::from_secs(0));
        for times in signers(&keys) {
            if next.is_none()
                || times.signs_from != next
                || times.signs_until < times.signs_from && times.signs_until.is_some()
            {
                return Err(ScheduleFault::Broken);
            }
            next = times.signs_until;
        }
        let ends_open = next.is_none();
        if ends_open { Ok(Self { keys, changed }) } else { Err(ScheduleFault::Broken) }
    }

    /// The schedule of a new ring: one key that signs at once and one standby key.
    #[must_use]
    pub fn begin(signer: KeyId, standby: KeyId, algorithm: RingAlgorithm, now: UnixTime) -> Self {
        let signs_from = Some(UnixTime::from_secs(0));
        let since_ever = KeyTimes { signs_from, ..KeyTimes::standby(now) };
        let keys = vec![
            ScheduledKey { kid: signer, algorithm, times: since_ever },
            ScheduledKey { kid: standby, algorithm, times: KeyTimes::standby(now) },
        ];
        Self { keys, changed: now }
    }

    /// The keys in the order in which they were made.
    #[must_use]
    pub fn keys(&self) -> &[ScheduledKey] {
        &self.keys
    }

    /// When it was planned.
    #[must_use]
    pub const fn changed(&self) -> UnixTime {
        self.changed
    }

    /// The one key that signs at `now`.
    #[must_use]
    pub fn signer(&self, now: UnixTime) -> Option<&ScheduledKey> {
        self.keys.iter().find(|key| {
            key.times.signs_from.is_some_and(|from| from <= now)
                && key.times.signs_until.is_none_or(|until| now < until)
        })
    }

    /// The next moment after `now` at which a key's phase changes.
    #[must_use]
    pub fn next_change(&self, now: UnixTime, policy: &Policy) -> Option<UnixTime> {
        let living = self.keys.iter().filter(|key| key.times.retired.is_none());
        let moments = living.flat_map(|key| {
            let gone = key.times.signs_until.map(|until| until.saturating_add(policy.keep));
            [key.times.signs_from, key.times.signs_until, gone]
        });
        moments.flatten().filter(|moment| *moment > now).min()
    }

    /// The schedule that ends with keys of `algorithm`, or `None` if this one does already (or the clock shows a
    /// moment before its last change).
    ///
    /// The present signer goes on until a key of that algorithm has been published for the lead; plans that have
    /// not begun are taken back. Old and new tokens verify throughout. `make` makes a key and says its name.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn adopt<E>(
        &self,
        algorithm: RingAlgorithm,
        now: UnixTime,
        policy: &Policy,
        mut make: impl FnMut() -> Result<KeyId, E>,
    ) -> Result<Option<Self>, E> {
        if now < self.changed || self.ends_with(algorithm) {
            return Ok(None);
        }
        let mut keys = self.keys.clone();
        take_back_plans(&mut keys, algorithm, now);
        let ends_well = keys.iter().any(|key| key.algorithm == algorithm && last_signer(key));
        let mut add = |keys: &mut Vec<ScheduledKey>| {
            keys.push(ScheduledKey { kid: make()?, algorithm, times: KeyTimes::standby(now) });
            Ok(())
        };
        if !has_standby(&keys, algorithm) {
            add(&mut keys)?;
        }
        let ready = keys.iter().filter(|key| key.algorithm == algorithm && key.times.is_standby());
        let at =
            ready.map(|key| key.times.published).min().unwrap_or(now).saturating_add(policy.lead).max(now);
        if !ends_well {
            let next = keys
                .iter()
                .enumerate()
                .filter(|(_, key)| key.algorithm == algorithm && key.times.is_standby());
            let next = next.min_by_key(|(place, key)| (key.times.published, *place)).map(|(place, _)| place);
            if let Some(last) = keys.iter_mut().find(|key| last_signer(key)) {
                last.times.signs_until = Some(at);
            }
            if let Some(next) = next.and_then(|place| keys.get_mut(place)) {
                next.times.signs_from = Some(at);
            }
            if !has_standby(&keys, algorithm) {
                add(&mut keys)?;
            }
        }
        // Until the new keys lead, a standby key of the old algorithm is the one that could step in.
        for key in keys.iter_mut().filter(|key| key.algorithm != algorithm && key.times.is_standby()) {
            (key.times.signs_from, key.times.signs_until) = (Some(at), Some(at));
        }
        Ok(Some(Self { keys, changed: now }))
    }

    fn ends_with(&self, algorithm: RingAlgorithm) -> bool {
        self.keys.iter().any(|key| key.algorithm == algorithm && last_signer(key))
            && has_standby(&self.keys, algorithm)
    }
}

fn has_standby(keys: &[ScheduledKey], algorithm: RingAlgorithm) -> bool {
    keys.iter().any(|key| key.algorithm == algorithm && key.times.is_standby())
}

/// Signs for ever, as far as is planned.
fn last_signer(key: &ScheduledKey) -> bool {
    key.times.is_signer() && key.times.signs_until.is_none()
}

/// Makes the signer of `now` the last one. Later ones of `algorithm` become standby keys again; others are
/// withdrawn at the moment at which they would have begun.
fn take_back_plans(keys: &mut [ScheduledKey], algorithm: RingAlgorithm, now: UnixTime) {
    for key in keys.iter_mut().filter(|key| key.times.retired.is_none()) {
        match key.times.signs_from {
            Some(from) if from > now => {
                if key.algorithm == algorithm {
                    key.times = KeyTimes::standby(key.times.published);
                } else {
                    key.times.signs_until = Some(from);
                }
            }
            Some(_) if key.times.signs_until.is_some_and(|until| until > now) => key.times.signs_until = None,
            _ => {}
        }
    }
}

/// The moments of the signers, by when they begin.
fn signers(keys: &[ScheduledKey]) -> Vec<KeyTimes> {
    let mut signers: Vec<_> = keys.iter().map(|key| key.times).filter(KeyTimes::is_signer).collect();
    signers.sort_by_key(|times| times.signs_from);
    signers
}

#[cfg(test)]
mod tests;
