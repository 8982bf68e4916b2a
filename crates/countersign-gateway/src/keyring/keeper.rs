//! Makes the ring at the first start, reads it at every later one, and changes it. Control thread only: it
//! blocks on the store and on the making of keys.

use std::sync::{Arc, Mutex, PoisonError};

use countersign::{Audience, Secret, SigningKey, UnixTime};

use super::{
    KeyRing, RingFault, SESSION_SECRET_BYTES, algorithm,
    encryption_key::EncryptionKeySource,
    records::{self, Contents},
    schedule::{Policy, Schedule},
    seal::Sealer,
    witness::Witness,
};
#[cfg(feature = "valkey")]
use crate::{clock::Clock, config::resolved::StoreConfig, store::valkey::ValkeyStore};
use crate::{
    config::resolved::{RingAlgorithm, TokenConfig},
    entropy::Entropy,
    store::{RingVersion, SealedRing, StateDirectory, Store, StoreError, embedded::EmbeddedStore},
};

/// How often a change is tried again when another gateway was quicker.
const ATTEMPTS: usize = 8;

/// What the configuration says about keys.
#[derive(Debug, Clone)]
pub struct RingSettings {
    /// What new keys sign with.
    pub algorithm: RingAlgorithm,
    /// How long keys stay in their phases.
    pub policy: Policy,
    /// Audiences with HS256 secrets of their own.
    pub shared_secrets: Vec<(Audience, Secret<Vec<u8>>)>,
}

impl From<&TokenConfig> for RingSettings {
    fn from(token: &TokenConfig) -> Self {
        Self {
            algorithm: token.algorithm,
            policy: Policy::new(token.key_lead, token.lifetime),
            shared_secrets: token.shared_secrets.clone(),
        }
    }
}

/// Holds what is needed to read and change the stored ring.
#[derive(Debug)]
pub struct RingKeeper {
    store: Arc<dyn Store>,
    sealer: Sealer,
    witness: Witness,
    entropy: Arc<dyn Entropy>,
    /// The ring as it was read or written last, sealed: what a shared store that went back is given again.
    last: Mutex<Option<SealedRing>>,
}

impl RingKeeper {
    /// A keeper of the ring in that store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, sealer: Sealer, witness: Witness, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, sealer, witness, entropy, last: Mutex::default() }
    }

    /// A keeper of the ring in the embedded store of `directory`. The key-encryption key is made only where
    /// nothing was ever sealed.
    ///
    /// # Errors
    /// [`RingFault`] when store or key-encryption key cannot be used.
    pub fn embedded(
        directory: &Arc<StateDirectory>,
        source: &EncryptionKeySource,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, RingFault> {
        let store = Arc::new(EmbeddedStore::open(Arc::clone(directory))?);
        let witness = Witness::File(Arc::clone(directory));
        let anything_sealed = store.ring()?.is_some() || witness.seen()?.is_some();
        let key = source.load(directory, anything_sealed, &*entropy)?;
        Ok(Self::new(store, Sealer::new(&key)?, witness, entropy))
    }

    /// A keeper of the ring in a store that several gateways share. What was seen last is remembered in `directory`.
    ///
    /// # Errors
    /// [`RingFault`] when the key-encryption key cannot be used.
    #[cfg(feature = "valkey")]
    pub fn shared(
        directory: &Arc<StateDirectory>,
        source: &EncryptionKeySource,
        config: &Arc<StoreConfig>,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RingFault> {
        // Never made here: the other gateways could not open what is sealed under it.
        let key = source.load(directory, true, &*entropy)?;
        let store = ValkeyStore::new(config, Sealer::new(&key)?, Arc::clone(&entropy), clock);
        let witness = Witness::File(Arc::clone(directory));
        Ok(Self::new(Arc::new(store), Sealer::new(&key)?, witness, entropy))
    }

    /// The ring in a shared store, if it is a later version of the one that was read before. A store that lost it, or went
    /// back to an older version, is given it again.
    ///
    /// # Errors
    /// [`RingFault`]: [`RingFault::EmptyAfterFull`] and [`RingFault::WentBack`] also where it was put back.
    pub fn follow(&self, settings: &RingSettings, now: UnixTime) -> Result<Option<KeyRing>, RingFault> {
        let known = self.last().as_ref().map(|ring| ring.version);
        match self.open(settings, now) {
            Ok(ring) => Ok((Some(ring.version()) > known).then_some(ring)),
            Err(fault) => {
                let found = match fault {
                    RingFault::EmptyAfterFull => None,
                    RingFault::WentBack { found, .. } => Some(RingVersion::from_number(found)),
                    other => return Err(other),
                };
                if let Some(last) = self.last() {
                    self.store.restore_ring(found, &last)?;
                }
                Err(fault)
            }
        }
    }

    fn last(&self) -> Option<SealedRing> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the ring is kept.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The ring as stored, created if there never was one, and planned to end with keys of the configured
    /// algorithm. Called at the start and at each reload.
    ///
    /// # Errors
    /// [`RingFault`]. Nothing is created in place of a ring that is lost, damaged or sealed under another key.
    pub fn open(&self, settings: &RingSettings, now: UnixTime) -> Result<KeyRing, RingFault> {
        for _ in 0..ATTEMPTS {
            let attempt = match self.store.ring()? {
                Some(stored) => self.adopt(&stored, settings, now),
                None if self.witness.seen()?.is_some() => return Err(RingFault::EmptyAfterFull),
                None => self.create(settings.algorithm, now),
            };
            match attempt {
                Ok((version, contents)) => {
                    self.witness.check(&contents.ring, version)?;
                    self.remember(version)?;
                    return KeyRing::new(version, contents, settings);
                }
                Err(RingFault::Store(StoreError::Conflict)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Err(RingFault::Store(StoreError::Conflict))
    }

    /// Keeps the sealed ring of that version, for a shared store that loses it.
    fn remember(&self, version: RingVersion) -> Result<(), RingFault> {
        let known = self.last().map(|ring| ring.version);
        if self.store.is_shared() && known != Some(version) {
            let stored = self.store.ring()?.filter(|ring| ring.version == version);
            if let Some(ring) = stored {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(ring);
            }
        }
        Ok(())
    }

    fn create(&self, algorithm: RingAlgorithm, now: UnixTime) -> Result<(RingVersion, Contents), RingFault> {
        let keys = vec![generate(algorithm)?, generate(algorithm)?];
        let mut kids = keys.iter().filter_map(|key| key.key_id().cloned());
        let (Some(signer), Some(standby)) = (kids.next(), kids.next()) else {
            return Err(RingFault::Unwritable);
        };
        let mut name = [0; 16];
        self.entropy.fill(&mut name)?;
        let mut secret = [0; SESSION_SECRET_BYTES];
        self.entropy.fill(&mut secret)?;
        let contents = Contents {
            ring: name.iter().map(|byte| format!("{byte:02x}")).collect(),
            schedule: Schedule::begin(signer, standby, algorithm, now),
            keys,
            session_secret: Secret::new(secret),
        };
        let sealed = records::seal(&contents, RingVersion::FIRST, &self.sealer, &*self.entropy)?;
        Ok((self.store.create_ring(&sealed)?, contents))
    }

    fn adopt(
        &self,
        stored: &SealedRing,
        settings: &RingSettings,
        now: UnixTime,
    ) -> Result<(RingVersion, Contents), RingFault> {
        let mut contents = records::open(stored, &self.sealer)?;
        // Before anything is changed: what must not be trusted must not be written back as new.
        self.witness.check(&contents.ring, stored.version)?;
        let mut made = Vec::new();
        let planned = contents.schedule.adopt(settings.algorithm, now, &settings.policy, || {
            let key = generate(settings.algorithm)?;
            let kid = key.key_id().cloned().ok_or(RingFault::Unwritable)?;
            made.push(key);
            Ok::<_, RingFault>(kid)
        })?;
        let Some(planned) = planned else { return Ok((stored.version, contents)) };
        contents.schedule = planned;
        contents.keys.append(&mut made);
        let sealed = records::seal(&contents, stored.version.next(), &self.sealer, &*self.entropy)?;
        Ok((self.store.replace_ring(stored.version, &sealed)?, contents))
    }
}

fn generate(ring_algorithm: RingAlgorithm) -> Result<Arc<SigningKey>, RingFault> {
    Ok(Arc::new(SigningKey::generate(algorithm(ring_algorithm))?))
}
