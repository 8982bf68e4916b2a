//! Makes the ring at the first start, reads it at every later one, and changes it. Control thread only: it
//! blocks on the store and on the making of keys.

use std::sync::Arc;

use countersign::{Audience, Secret, SigningKey, UnixTime};

use super::{
    KeyRing, RingFault, SESSION_SECRET_BYTES, algorithm,
    encryption_key::EncryptionKeySource,
    records::{self, Contents},
    schedule::{Policy, Schedule},
    seal::Sealer,
    witness::Witness,
};
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
}

impl RingKeeper {
    /// A keeper of the ring in that store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, sealer: Sealer, witness: Witness, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, sealer, witness, entropy }
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
                    return KeyRing::new(version, contents, settings);
                }
                Err(RingFault::Store(StoreError::Conflict)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Err(RingFault::Store(StoreError::Conflict))
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
