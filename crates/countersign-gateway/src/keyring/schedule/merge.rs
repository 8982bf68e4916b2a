//! One schedule of two that came of the same one, because a store lost a change that was acknowledged.
//!
//! 1. What is retired in one of them is retired.
//! 2. A key that signed in one of them verifies for as long as a key is kept, counted from the last token that it may
//!    have signed.
//! 3. The line of signers is that of the schedule that has gone further: whose signer is not retired in the other, and
//!    began later. Of the plans of the other nothing is kept, of its keys everything.
//! 4. A key that was in one of them alone leads from now on: whoever had the other one did not publish it.

use countersign::{KeyId, UnixTime};

use super::{
    KeyTimes, Policy, Schedule, ScheduledKey,
    change::{ChangeFault, heir_of, standby},
    has_standby,
};
use crate::config::resolved::RingAlgorithm;

impl Schedule {
    /// This schedule and `other` in one, as the rules of the module say.
    ///
    /// # Errors
    /// Those of `make`, which makes a key and says its name.
    pub fn merge<E: From<ChangeFault>>(
        &self,
        other: &Self,
        now: UnixTime,
        policy: &Policy,
        mut make: impl FnMut() -> Result<KeyId, E>,
    ) -> Result<Self, E> {
        let is_further = other.progress(self, now) > self.progress(other, now);
        let (further, behind) = if is_further { (other, self) } else { (self, other) };
        let algorithm = further.algorithm().unwrap_or(RingAlgorithm::Es256);
        let mut merged = further.clone();
        for key in &behind.keys {
            let signed_until = key.times.signed_until(now);
            match merged.keys.iter().position(|known| known.kid == key.kid) {
                Some(place) => merged.note_signed(place, signed_until),
                None => merged.keys.push(taken_over(key, algorithm, signed_until, now)),
            }
        }
        for key in &further.keys {
            if !behind.keys.iter().any(|known| known.kid == key.kid) {
                merged.lead_from(&key.kid, now, policy);
            }
        }
        for key in behind.keys.iter().filter(|key| key.times.retired.is_some()) {
            let stands = |known: &&ScheduledKey| known.kid == key.kid && known.times.retired.is_none();
            if merged.keys.iter().find(stands).is_some() {
                merged = merged.retire(&key.kid, now, policy, &mut make)?;
            }
        }
        if !has_standby(&merged.keys, algorithm) {
            merged.keys.push(standby(make()?, algorithm, now));
        }
        merged.changed = self.changed.max(other.changed);
        Ok(merged.pruned(now, policy))
    }

    /// Whether the signer of `now` may go on signing as far as the other schedule knows, and since when it signs.
    fn progress(&self, other: &Self, now: UnixTime) -> (bool, Option<UnixTime>) {
        let signer = self.signer(now);
        let is_retired =
            |kid: &KeyId| other.keys.iter().any(|known| known.kid == *kid && known.times.retired.is_some());
        (
            signer.is_some_and(|signer| !is_retired(&signer.kid)),
            signer.and_then(|signer| signer.times.signs_from),
        )
    }

    /// Lets a key that has not signed yet be published from now on, and lead. Only the last of the line waits for that:
    /// plans reach no further.
    fn lead_from(&mut self, kid: &KeyId, now: UnixTime, policy: &Policy) {
        let Some(place) = self.keys.iter().position(|key| key.kid == *kid) else { return };
        let Some(times) = self.keys.get(place).map(|key| key.times) else { return };
        let published = times.published.max(now);
        let from = match times.signs_from {
            None => None,
            Some(from) if from > now && times.signs_until.is_none() => {
                let later = from.max(published.saturating_add(policy.lead));
                for key in self.keys.iter_mut().filter(|key| key.times.is_signer()) {
                    if key.times.signs_until == Some(from) {
                        key.times.signs_until = Some(later);
                    }
                }
                Some(later)
            }
            Some(_) => return,
        };
        if let Some(key) = self.keys.get_mut(place) {
            key.times = KeyTimes { published, signs_from: from, ..times };
        }
    }

    /// Keeps a key for as long as the tokens need that it signed until then, elsewhere.
    fn note_signed(&mut self, place: usize, signed_until: Option<UnixTime>) {
        let Some(until) = signed_until else { return };
        let heir = self.keys.get(place).and_then(|key| heir_of(&self.keys, &key.times));
        let heir_goes_on = heir
            .and_then(|heir| self.keys.get(heir))
            .is_some_and(|heir| heir.times.signs_until.is_none_or(|ends| ends > until));
        let Some(times) = self.keys.get_mut(place).map(|key| &mut key.times) else { return };
        if times.retired.is_some() {
            return;
        }
        if times.is_standby() || times.is_withdrawn() {
            let moment = times.signs_until.map_or(until, |withdrawn| withdrawn.max(until));
            (times.signs_from, times.signs_until) = (Some(moment), Some(moment));
        } else if heir_goes_on && times.signs_until.is_some_and(|ended| ended < until) {
            // The next one begins where this one has ended at last.
            times.signs_until = Some(until);
            if let Some(heir) = heir.and_then(|heir| self.keys.get_mut(heir)) {
                heir.times.signs_from = Some(until);
            }
        }
    }
}

impl KeyTimes {
    /// Until when it may have signed, of those moments that are over at `now`.
    fn signed_until(&self, now: UnixTime) -> Option<UnixTime> {
        let has_begun = self.retired.is_none() && self.is_signer() && self.signs_from <= Some(now);
        has_begun.then(|| self.signs_until.map_or(now, |until| until.min(now)))
    }
}

/// A key that the further schedule does not have.
fn taken_over(
    key: &ScheduledKey,
    algorithm: RingAlgorithm,
    signed_until: Option<UnixTime>,
    now: UnixTime,
) -> ScheduledKey {
    let withdrawn = |moment| KeyTimes { signs_from: Some(moment), signs_until: Some(moment), ..key.times };
    let times = match signed_until {
        Some(until) => withdrawn(until),
        None if key.times.is_withdrawn() => key.times,
        None if key.algorithm == algorithm => KeyTimes::standby(key.times.published.max(now)),
        None => withdrawn(now),
    };
    ScheduledKey { times, ..key.clone() }
}

#[cfg(test)]
mod tests;
