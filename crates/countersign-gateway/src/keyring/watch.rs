//! Tells when a key comes into another phase.

use countersign::{KeyId, UnixTime};

use super::KeyRing;
use crate::observe::{KeyPhase, Observation, Observer};

/// Remembers what was told of each key.
#[derive(Debug, Default)]
pub struct PhaseWatch {
    told: Vec<(KeyId, KeyPhase)>,
}

impl PhaseWatch {
    /// Tells of every key whose phase at `now` is another than was told last, and of every key that is new. A
    /// key that was gone when it was first seen is not worth telling of.
    pub fn tell(&mut self, ring: &KeyRing, now: UnixTime, observer: &Observer) {
        for key in ring.keys(now) {
            let kid = &key.scheduled.kid;
            let worth_telling = match self.told.iter_mut().find(|(told, _)| told == kid) {
                Some((_, phase)) => std::mem::replace(phase, key.phase) != key.phase,
                None => {
                    self.told.push((kid.clone(), key.phase));
                    key.phase != KeyPhase::Gone
                }
            };
            if worth_telling {
                let times = key.scheduled.times;
                let signs_from = times.signs_from.map(|from| from.max(times.published));
                observer.observe(Observation::Key { kid, phase: key.phase, signs_from });
            }
        }
    }
}
