//! The control room's key ring: rotated when that is due, and changed when an operator says so.

use std::sync::{Arc, PoisonError};

use countersign::{Secret, SignError, SigningKey};

use super::control::ControlRoom;
use crate::{
    admin::{KeyChange, KeyChangeError},
    keyring::{RingFault, RingSettings, algorithm},
    observe::Observation,
};

/// The longest key file, in bytes: an RSA key of 8,192 bits in PEM is shorter.
const KEY_BYTES: usize = 16 * 1024;

impl ControlRoom {
    /// Takes over what another replica changed, and rotates when that is due.
    pub(super) fn look_after_keys(&self) {
        let now = self.household.clock.now().wall;
        match self.keeper.open(&self.ring_settings(), now) {
            Ok(ring) => self.household.keyring.replace(ring),
            // The ring in force goes on.
            Err(fault) => self.observe_ring_fault(&fault),
        }
        self.tell_of_mended_ring();
    }

    /// A shared store that lost keys, or a change of them, has them again: that is told all the same.
    pub(super) fn tell_of_mended_ring(&self) {
        if let Some(fault) = self.keeper.take_mended() {
            self.observe_ring_fault(&fault);
        }
    }

    /// Does what an operator asks, and publishes the outcome at once.
    pub(super) fn change_keys_now(&self, change: KeyChange) -> Result<(), KeyChangeError> {
        let now = self.household.clock.now().wall;
        let settings = self.ring_settings();
        let changed = match change {
            KeyChange::Import(text) => {
                let key = read_key(&settings, &text)
                    .map_err(|error| KeyChangeError::Refused(format!("the key cannot be used: {error}")))?;
                self.keeper.import(&settings, now, &Arc::new(key))
            }
            KeyChange::Retire(kid) => self.keeper.retire(&settings, now, &kid),
            KeyChange::Rotate => self.keeper.rotate(&settings, now),
        };
        let ring = changed.map_err(|fault| match fault {
            RingFault::Change(change) => KeyChangeError::Refused(change.to_string()),
            fault => {
                self.observe_ring_fault(&fault);
                KeyChangeError::Store(fault.to_string())
            }
        })?;
        self.household.keyring.replace(ring);
        self.follow_schedule();
        Ok(())
    }

    fn ring_settings(&self) -> RingSettings {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        RingSettings::from(&present.token)
    }

    pub(super) fn observe_ring_fault(&self, fault: &RingFault) {
        let detail = fault.to_string();
        self.household.observer.observe(Observation::Store { failure: Some(fault.code()), detail: &detail });
    }
}

fn read_key(settings: &RingSettings, text: &Secret<String>) -> Result<SigningKey, SignError> {
    let text = text.expose().trim();
    let algorithm = algorithm(settings.algorithm);
    if text.len() > KEY_BYTES {
        return Err(countersign::jws::KeyError::Malformed.into());
    }
    if text.starts_with('{') {
        SigningKey::from_jwk(algorithm, text.as_bytes())
    } else {
        SigningKey::from_pem(algorithm, text)
    }
}
