//! What changes the life of keys: the rotation that is due, and what an operator asks for.

use std::time::Duration;

use countersign::{KeyId, UnixTime};

use super::{KeyTimes, Policy, Schedule, ScheduledKey, has_standby, last_signer, phase};
use crate::{config::resolved::RingAlgorithm, observe::KeyPhase};

/// Keys that are kept, those that are gone included. Beyond it the oldest that is gone is forgotten whenever the
/// schedule changes.
pub const MAX_KEYS: usize = 64;

/// Why the schedule cannot be changed as an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeFault {
    /// Another key is planned to sign already.
    #[error("`{kid}` signs from {at} on already: retire the present key if it must not sign until then")]
    AlreadyPlanned {
        /// The next signer.
        kid: KeyId,
        /// From when on, in seconds since 1970.
        at: UnixTime,
    },
    /// The key was retired before.
    #[error("`{0}` is retired already")]
    AlreadyRetired(KeyId),
    /// The key is in the ring already.
    #[error("`{0}` is in the ring already")]
    Known(KeyId),
    /// There is no such key.
    #[error("the ring has no key `{0}`")]
    Unknown(KeyId),
    /// New keys sign with another algorithm.
    #[error("the key is for another algorithm than `token.algorithm`")]
    WrongAlgorithm,
}

impl Schedule {
    /// The schedule in which the standby key takes over when the last signer has signed for `every`, or `None` if
    /// that is not within the lead yet, another key is planned already, or the clock shows a moment before the
    /// last change.
    ///
    /// # Errors
    /// Those of `make`, which makes a key and says its name.
    pub fn rotate_if_due<E>(
        &self,
        every: Duration,
        now: UnixTime,
        policy: &Policy,
        make: impl FnMut() -> Result<KeyId, E>,
    ) -> Result<Option<Self>, E> {
        let Some(last) = self.keys.iter().find(|key| last_signer(key)) else { return Ok(None) };
        let since = last.times.signs_from.unwrap_or(last.times.published).max(last.times.published);
        let due = since.saturating_add(every);
        if now < self.changed || self.planned(now).is_some() || now.saturating_add(policy.lead) < due {
            return Ok(None);
        }
        self.hand_over(due.max(now), now, policy, make).map(Some)
    }

    /// The schedule in which the standby key takes over as soon as it has led: at once if it was published for the
    /// lead.
    ///
    /// # Errors
    /// [`ChangeFault::AlreadyPlanned`], and those of `make`.
    pub fn rotate<E: From<ChangeFault>>(
        &self,
        now: UnixTime,
        policy: &Policy,
        make: impl FnMut() -> Result<KeyId, E>,
    ) -> Result<Self, E> {
        match self.planned(now) {
            Some((kid, at)) => Err(ChangeFault::AlreadyPlanned { kid: kid.clone(), at }.into()),
            None => self.hand_over(now, now, policy, make),
        }
    }

    /// The schedule without `kid`: gone at once and for good, whatever the clock shows later. If it signs, its
    /// successor signs at once.
    ///
    /// # Errors
    /// [`ChangeFault::Unknown`], [`ChangeFault::AlreadyRetired`], and those of `make`.
    pub fn retire<E: From<ChangeFault>>(
        &self,
        kid: &KeyId,
        now: UnixTime,
        policy: &Policy,
        mut make: impl FnMut() -> Result<KeyId, E>,
    ) -> Result<Self, E> {
        let mut keys = self.keys.clone();
        let Some(place) = keys.iter().position(|key| key.kid == *kid) else {
            return Err(ChangeFault::Unknown(kid.clone()).into());
        };
        if keys.get(place).is_some_and(|key| key.times.retired.is_some()) {
            return Err(ChangeFault::AlreadyRetired(kid.clone()).into());
        }
        let algorithm = self.algorithm().unwrap_or(RingAlgorithm::Es256);
        if keys.get(place).is_some_and(|key| key.times.is_signer()) {
            give_place_away(&mut keys, place, algorithm, now, &mut make)?;
        }
        if let Some(key) = keys.get_mut(place) {
            key.times.withdraw();
            key.times.retired = Some(now);
        }
        if !has_standby(&keys, algorithm) {
            keys.push(standby(make()?, algorithm, now));
        }
        Ok(Self { keys, changed: now }.pruned(now, policy))
    }

    /// The schedule with a key from elsewhere as its standby key; the present one is withdrawn.
    ///
    /// # Errors
    /// [`ChangeFault::Known`], [`ChangeFault::WrongAlgorithm`].
    pub fn import(
        &self,
        kid: KeyId,
        algorithm: RingAlgorithm,
        now: UnixTime,
        policy: &Policy,
    ) -> Result<Self, ChangeFault> {
        if self.algorithm() != Some(algorithm) {
            return Err(ChangeFault::WrongAlgorithm);
        }
        let mut keys = self.keys.clone();
        if keys.iter().any(|key| key.kid == kid) {
            return Err(ChangeFault::Known(kid));
        }
        for key in keys.iter_mut().filter(|key| key.times.is_standby()) {
            key.times.withdraw();
        }
        keys.push(standby(kid, algorithm, now));
        Ok(Self { keys, changed: now }.pruned(now, policy))
    }

    /// The algorithm that the schedule ends with.
    #[must_use]
    pub fn algorithm(&self) -> Option<RingAlgorithm> {
        self.keys.iter().find(|key| last_signer(key)).map(|key| key.algorithm)
    }

    /// The key that is to sign after the one that signs now.
    fn planned(&self, now: UnixTime) -> Option<(&KeyId, UnixTime)> {
        let signers = self.keys.iter().filter(|key| key.times.is_signer());
        let later =
            signers.filter_map(|key| Some((&key.kid, key.times.signs_from.filter(|from| *from > now)?)));
        later.min_by_key(|(_, from)| *from)
    }

    /// The standby key signs from `at` on, or when it has led, if that is later; another stands by.
    fn hand_over<E>(
        &self,
        at: UnixTime,
        now: UnixTime,
        policy: &Policy,
        mut make: impl FnMut() -> Result<KeyId, E>,
    ) -> Result<Self, E> {
        let mut keys = self.keys.clone();
        let algorithm = self.algorithm().unwrap_or(RingAlgorithm::Es256);
        let next = match first_standby(&keys, algorithm) {
            Some(place) => place,
            None => {
                keys.push(standby(make()?, algorithm, now));
                keys.len() - 1
            }
        };
        let published = keys.get(next).map_or(now, |key| key.times.published);
        let at = at.max(published.saturating_add(policy.lead));
        if let Some(last) = keys.iter_mut().find(|key| last_signer(key)) {
            last.times.signs_until = Some(at);
        }
        if let Some(next) = keys.get_mut(next) {
            next.times.signs_from = Some(at);
        }
        if !has_standby(&keys, algorithm) {
            keys.push(standby(make()?, algorithm, now));
        }
        Ok(Self { keys, changed: now }.pruned(now, policy))
    }

    /// At most [`MAX_KEYS`], as far as enough are gone. The next signer inherits the place of one that is forgotten,
    /// so that the line of signers goes on without a gap.
    pub(super) fn pruned(mut self, now: UnixTime, policy: &Policy) -> Self {
        while self.keys.len() > MAX_KEYS {
            let gone = |key: &ScheduledKey| phase(&key.times, now, policy) == KeyPhase::Gone;
            let Some(place) = self.keys.iter().position(gone) else { break };
            let forgotten = self.keys.remove(place).times;
            if forgotten.is_signer()
                && let Some(heir) = heir_of(&self.keys, &forgotten).and_then(|heir| self.keys.get_mut(heir))
            {
                heir.times.signs_from = forgotten.signs_from;
            }
        }
        self
    }
}

impl KeyTimes {
    /// It will not sign, and did not as far as the schedule is concerned.
    fn withdraw(&mut self) {
        let moment = self.signs_from.unwrap_or(self.published);
        (self.signs_from, self.signs_until) = (Some(moment), Some(moment));
    }
}

pub(super) fn standby(kid: KeyId, algorithm: RingAlgorithm, now: UnixTime) -> ScheduledKey {
    ScheduledKey { kid, algorithm, times: KeyTimes::standby(now) }
}

/// The standby key of that algorithm that was published first.
fn first_standby(keys: &[ScheduledKey], algorithm: RingAlgorithm) -> Option<usize> {
    let standing_by = |key: &ScheduledKey| key.algorithm == algorithm && key.times.is_standby();
    let places = keys.iter().enumerate().filter(|(_, key)| standing_by(key));
    places.min_by_key(|(place, key)| (key.times.published, *place)).map(|(place, _)| place)
}

/// The signer that begins where these moments end.
pub(super) fn heir_of(keys: &[ScheduledKey], times: &KeyTimes) -> Option<usize> {
    let until = times.signs_until?;
    keys.iter().position(|key| key.times.is_signer() && key.times.signs_from == Some(until))
}

/// Whoever comes after the signer at `place` has signed in its stead since it began: even a clock that is set back
/// does not let it sign again.
fn give_place_away<E>(
    keys: &mut Vec<ScheduledKey>,
    place: usize,
    algorithm: RingAlgorithm,
    now: UnixTime,
    make: &mut impl FnMut() -> Result<KeyId, E>,
) -> Result<(), E> {
    let Some(times) = keys.get(place).map(|key| key.times) else { return Ok(()) };
    let heir = match heir_of(keys, &times).or_else(|| first_standby(keys, algorithm)) {
        Some(heir) => heir,
        None => {
            keys.push(standby(make()?, algorithm, now));
            keys.len() - 1
        }
    };
    if let Some(heir) = keys.get_mut(heir) {
        heir.times.signs_from = times.signs_from;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
