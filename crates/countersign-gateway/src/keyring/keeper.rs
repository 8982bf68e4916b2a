//! Makes the ring at the first start, reads it at every later one, and changes it. Control thread only: it
//! blocks on the store and on the making of keys.

use std::sync::{Arc, Mutex, PoisonError};

use countersign::{Audience, KeyId, Secret, SigningKey, UnixTime};

use super::{
    KeyRing, RingFault, SESSION_SECRET_BYTES, algorithm,
    encryption_key::EncryptionKeySource,
    lineage::{ChangeId, Lineage},
    records::{self, Contents},
    schedule::{ChangeFault, Policy, Schedule, ScheduledKey},
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
            policy: Policy::new(token.key_lead, token.lifetime, token.rotation),
            shared_secrets: token.shared_secrets.clone(),
        }
    }
}

/// Holds what is needed to read and change the stored ring.
#[derive(Debug)]
pub struct RingKeeper {
    pub(super) store: Arc<dyn Store>,
    pub(super) sealer: Sealer,
    pub(super) witness: Witness,
    pub(super) entropy: Arc<dyn Entropy>,
    /// What was put right, until it is told.
    pub(super) mended: Mutex<Option<RingFault>>,
    /// What was opened last: every few seconds the ring is read, and is the same.
    opened: Mutex<Option<(SealedRing, Contents)>>,
}

impl RingKeeper {
    /// A keeper of the ring in that store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, sealer: Sealer, witness: Witness, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, sealer, witness, entropy, mended: Mutex::default(), opened: Mutex::default() }
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

    /// The ring in a shared store, if it is a later version than the one in force.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn follow(
        &self,
        settings: &RingSettings,
        now: UnixTime,
        in_force: RingVersion,
    ) -> Result<Option<KeyRing>, RingFault> {
        let ring = self.open(settings, now)?;
        Ok((ring.version() > in_force).then_some(ring))
    }

    /// The ring that was seen last, as a machine remembers it.
    #[cfg(test)]
    pub(crate) fn seen(&self) -> Option<super::Seen> {
        self.witness.seen().unwrap()
    }

    /// Where the ring is kept.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The ring as stored, created if there never was one, planned to end with keys of the configured algorithm,
    /// and to rotate when that is due. Called at the start, at each reload, and every minute: what another replica
    /// changed is taken over. What a shared store has lost is put back ([`Self::take_mended`] tells of it).
    ///
    /// # Errors
    /// [`RingFault`]. Nothing is created in place of a ring that is lost, damaged or sealed under another key.
    pub fn open(&self, settings: &RingSettings, now: UnixTime) -> Result<KeyRing, RingFault> {
        self.change(settings, now, |schedule, keys| {
            let policy = &settings.policy;
            let adopted =
                schedule.adopt(settings.algorithm, now, policy, || keys.make(settings.algorithm))?;
            let present = adopted.as_ref().unwrap_or(schedule);
            let rotated =
                present.rotate_if_due(policy.rotation, now, policy, || keys.make(settings.algorithm))?;
            Ok(rotated.or(adopted))
        })
    }

    /// Lets the standby key take over as soon as it has led.
    ///
    /// # Errors
    /// [`RingFault::Change`] if a key is planned to sign already; otherwise as [`Self::open`].
    pub fn rotate(&self, settings: &RingSettings, now: UnixTime) -> Result<KeyRing, RingFault> {
        self.change(settings, now, |schedule, keys| {
            let algorithm = schedule.algorithm().unwrap_or(settings.algorithm);
            schedule.rotate(now, &settings.policy, || keys.make(algorithm)).map(Some)
        })
    }

    /// Takes a key out at once and for good; the next one signs, if it did.
    ///
    /// # Errors
    /// [`RingFault::Change`] if the ring has no such key, or no more; otherwise as [`Self::open`].
    pub fn retire(&self, settings: &RingSettings, now: UnixTime, kid: &KeyId) -> Result<KeyRing, RingFault> {
        self.change(settings, now, |schedule, keys| {
            let algorithm = schedule.algorithm().unwrap_or(settings.algorithm);
            schedule.retire(kid, now, &settings.policy, || keys.make(algorithm)).map(Some)
        })
    }

    /// Takes a key from elsewhere as the standby key.
    ///
    /// # Errors
    /// [`RingFault::Change`] if the ring has it already or signs with another algorithm; otherwise as
    /// [`Self::open`].
    pub fn import(
        &self,
        settings: &RingSettings,
        now: UnixTime,
        key: &Arc<SigningKey>,
    ) -> Result<KeyRing, RingFault> {
        let kid = key.key_id().cloned().ok_or(ChangeFault::WrongAlgorithm)?;
        let found = [RingAlgorithm::Ed25519, RingAlgorithm::Es256, RingAlgorithm::Rs256]
            .into_iter()
            .find(|candidate| algorithm(*candidate) == key.algorithm())
            .ok_or(ChangeFault::WrongAlgorithm)?;
        self.change(settings, now, |schedule, keys| {
            let changed = schedule.import(kid.clone(), found, now, &settings.policy)?;
            keys.add(Arc::clone(key));
            Ok(Some(changed))
        })
    }

    /// Reads the ring, changes it if `change` says so, and writes it. Begins again if another gateway was quicker.
    fn change(
        &self,
        settings: &RingSettings,
        now: UnixTime,
        mut change: impl FnMut(&Schedule, &mut Made) -> Result<Option<Schedule>, RingFault>,
    ) -> Result<KeyRing, RingFault> {
        for _ in 0..ATTEMPTS {
            let attempt = match self.store.ring()? {
                Some(stored) => self.apply(&stored, &mut change),
                None if self.witness.seen()?.is_some() => Err(RingFault::EmptyAfterFull),
                None => self.create(settings.algorithm, now),
            };
            let attempt = attempt.and_then(|(ring, contents)| {
                self.witness.check(&ring, &contents, self.store.is_shared())?;
                Ok((ring.version, contents))
            });
            match attempt {
                Ok((version, contents)) => return KeyRing::new(version, contents, settings),
                Err(RingFault::Store(StoreError::Conflict)) => {}
                Err(fault) => self.put_right(fault, settings, now)?,
            }
        }
        Err(RingFault::Store(StoreError::Conflict))
    }

    fn create(&self, algorithm: RingAlgorithm, now: UnixTime) -> Result<(SealedRing, Contents), RingFault> {
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
            lineage: Lineage::begin(ChangeId::random(&*self.entropy)?),
            schedule: Schedule::begin(signer, standby, algorithm, now),
            keys,
            session_secret: Secret::new(secret),
        };
        let records = records::seal(&contents, RingVersion::FIRST, &self.sealer, &*self.entropy)?;
        let version = self.store.create_ring(&records)?;
        Ok((SealedRing { version, records, is_of_earlier_life: false }, contents))
    }

    /// What is in a stored ring. The same bytes are opened once.
    fn contents_of(&self, stored: &SealedRing) -> Result<Contents, RingFault> {
        // What a writer that panicked has left is whole.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((sealed, contents)) = &*opened
            && (sealed.version, &sealed.records) == (stored.version, &stored.records)
        {
            return Ok(contents.clone());
        }
        let contents = records::open(stored, &self.sealer)?;
        *opened = Some((stored.clone(), contents.clone()));
        Ok(contents)
    }

    fn apply(
        &self,
        stored: &SealedRing,
        change: &mut impl FnMut(&Schedule, &mut Made) -> Result<Option<Schedule>, RingFault>,
    ) -> Result<(SealedRing, Contents), RingFault> {
        let mut contents = self.contents_of(stored)?;
        // Before anything is changed: what must not be trusted must not be written back as new.
        self.witness.check(stored, &contents, self.store.is_shared())?;
        if stored.is_of_earlier_life {
            return Err(RingFault::AnotherServer);
        }
        let mut made = Made::default();
        let Some(changed) = change(&contents.schedule, &mut made)? else {
            return Ok((stored.clone(), contents));
        };
        contents.keys.append(&mut made.0);
        contents.keys = in_order(changed.keys(), &contents.keys)?;
        contents.schedule = changed;
        contents.lineage = contents.lineage.next(ChangeId::random(&*self.entropy)?);
        let records = records::seal(&contents, stored.version.next(), &self.sealer, &*self.entropy)?;
        let version = self.store.replace_ring(stored.version, &records)?;
        Ok((SealedRing { version, records, is_of_earlier_life: false }, contents))
    }
}

/// Keys that a change added.
#[derive(Default)]
pub(super) struct Made(Vec<Arc<SigningKey>>);

impl Made {
    pub(super) const fn keys(&self) -> &Vec<Arc<SigningKey>> {
        &self.0
    }

    fn add(&mut self, key: Arc<SigningKey>) {
        self.0.push(key);
    }

    pub(super) fn make(&mut self, algorithm: RingAlgorithm) -> Result<KeyId, RingFault> {
        let key = generate(algorithm)?;
        let kid = key.key_id().cloned().ok_or(RingFault::Unwritable)?;
        self.0.push(key);
        Ok(kid)
    }
}

/// The keys of a schedule, in its order.
pub(super) fn in_order(
    schedule: &[ScheduledKey],
    keys: &[Arc<SigningKey>],
) -> Result<Vec<Arc<SigningKey>>, RingFault> {
    let find = |kid: &KeyId| keys.iter().find(|key| key.key_id() == Some(kid)).cloned();
    schedule.iter().map(|key| find(&key.kid).ok_or(RingFault::Unwritable)).collect()
}

fn generate(ring_algorithm: RingAlgorithm) -> Result<Arc<SigningKey>, RingFault> {
    Ok(Arc::new(SigningKey::generate(algorithm(ring_algorithm))?))
}

#[cfg(test)]
mod tests;
