//! The control room's key ring: rotated when that is due, and changed when an operator says so.

use std::sync::{Arc, PoisonError};

use countersign::{Secret, SignError, SigningKey, jws::KeyError};

use super::control::ControlRoom;
use crate::{
    admin::{KeyChange, KeyChangeError},
    config::resolved::RingAlgorithm,
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

    /// A shared store that lost keys, or a change of them, has them again: both is told.
    pub(super) fn tell_of_mended_ring(&self) {
        if let Some(fault) = self.keeper.take_mended() {
            let observer = &self.household.observer;
            observer.observe(Observation::Mended { code: fault.code(), detail: fault.mended() });
            observer.observe(Observation::Store { failure: None, detail: "the key ring was put back" });
        }
    }

    /// Does what an operator asks, and publishes the outcome at once.
    pub(super) fn change_keys_now(&self, change: KeyChange) -> Result<(), KeyChangeError> {
        let now = self.household.clock.now().wall;
        let settings = self.ring_settings();
        let changed = match change {
            KeyChange::Import(text) => {
                let key = read_key(&settings, &text)
                    .map_err(|why| KeyChangeError::Refused(format!("the key cannot be used: {why}")))?;
                self.keeper.import(&settings, now, &Arc::new(key))
            }
            KeyChange::Retire(kid) => self.keeper.retire(&settings, now, &kid),
            KeyChange::Rotate => self.keeper.rotate(&settings, now),
        };
        let ring = changed.map_err(|fault| match fault {
            RingFault::Change(change) => KeyChangeError::Refused(change.to_string()),
            fault => {
                self.observe_ring_fault(&fault);
                KeyChangeError::Store(fault.while_running())
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
        let detail = fault.while_running();
        self.household.observer.observe(Observation::Store { failure: Some(fault.code()), detail: &detail });
    }
}

fn read_key(settings: &RingSettings, text: &Secret<String>) -> Result<SigningKey, String> {
    let text = text.expose().trim();
    if text.len() > KEY_BYTES {
        return Err(SignError::from(KeyError::Malformed).to_string());
    }
    let read = |ring: RingAlgorithm| {
        if text.starts_with('{') {
            SigningKey::from_jwk(algorithm(ring), text.as_bytes())
        } else {
            SigningKey::from_pem(algorithm(ring), text)
        }
    };
    read(settings.algorithm).map_err(|error| {
        // A good key of another kind is the most likely mistake, and "malformed" says nothing of it.
        let others = [
            (RingAlgorithm::Ed25519, "an Ed25519 key"),
            (RingAlgorithm::Es256, "a P-256 key"),
            (RingAlgorithm::Rs256, "an RSA key"),
        ];
        let other = others.into_iter().find(|(ring, _)| *ring != settings.algorithm && read(*ring).is_ok());
        let wanted = configured(settings.algorithm);
        other.map_or_else(|| error.to_string(), |(_, kind)| format!("{kind}; `token.algorithm` is {wanted}"))
    })
}

/// As the configuration writes it.
const fn configured(algorithm: RingAlgorithm) -> &'static str {
    match algorithm {
        RingAlgorithm::Ed25519 => "Ed25519",
        RingAlgorithm::Es256 => "ES256",
        RingAlgorithm::Rs256 => "RS256",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign::Secret;

    use super::{RingSettings, read_key};
    use crate::{
        config::resolved::RingAlgorithm,
        keyring::schedule::{KEY_LEAD, Policy, ROTATION},
    };

    /// RFC 8410 §10.3.
    const ED25519: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

    #[test]
    fn a_key_of_another_kind_is_named() {
        let settings = |algorithm| RingSettings {
            algorithm,
            policy: Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION),
            shared_secrets: Vec::new(),
        };
        let read = |algorithm, text: &str| read_key(&settings(algorithm), &Secret::new(text.to_owned()));
        assert!(read(RingAlgorithm::Ed25519, ED25519).is_ok());
        let why = read(RingAlgorithm::Es256, ED25519).unwrap_err();
        assert_eq!(why, "an Ed25519 key; `token.algorithm` is ES256");
        assert_eq!(read(RingAlgorithm::Es256, "no key").unwrap_err(), "the key is malformed");
    }
}
