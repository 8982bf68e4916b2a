//! A shared store that goes back, and what its gateways make of it.

use std::{sync::Arc, time::Duration};

use countersign::{
    KeyId, Secret, UnixTime,
    revocation::{Cursor, Epoch},
};

use super::*;
use crate::{
    entropy::SystemEntropy,
    keyring::schedule::{KEY_LEAD, ROTATION},
    store::{Change, SealedRecord, StoredRevocations, memory::MemoryStore},
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A store of several gateways, in memory.
#[derive(Debug, Default)]
struct Shared(MemoryStore);

impl Store for Shared {
    fn is_shared(&self) -> bool {
        true
    }
    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        self.0.ring()
    }
    fn create_ring(&self, records: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        self.0.create_ring(records)
    }
    fn replace_ring(
        &self,
        expected: RingVersion,
        records: &[SealedRecord],
    ) -> Result<RingVersion, StoreError> {
        self.0.replace_ring(expected, records)
    }
    fn restore_ring(&self, expected: Option<RingVersion>, ring: &SealedRing) -> Result<(), StoreError> {
        self.0.restore_ring(expected, ring)
    }
    fn begin_epoch(&self, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.0.begin_epoch(fresh)
    }
    fn revocations(&self, after: u64) -> Result<StoredRevocations, StoreError> {
        self.0.revocations(after)
    }
    fn append(&self, changes: &[Change]) -> Result<u64, StoreError> {
        self.0.append(changes)
    }
    fn forget_expired(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.0.forget_expired(now)
    }
    fn renumber(&self, seen: &Cursor, fresh: &Epoch) -> Result<Epoch, StoreError> {
        self.0.renumber(seen, fresh)
    }
}

fn settings() -> RingSettings {
    let policy = Policy::new(KEY_LEAD, Duration::from_secs(300), ROTATION);
    RingSettings { algorithm: RingAlgorithm::Ed25519, policy, shared_secrets: Vec::new() }
}

fn gateway(store: &Arc<Shared>, seen: Option<super::super::Seen>) -> RingKeeper {
    let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
    RingKeeper::new(store.clone(), sealer, Witness::remembering(seen), Arc::new(SystemEntropy))
}

fn version(number: u64) -> RingVersion {
    RingVersion::from_number(number)
}

fn signer(ring: &KeyRing) -> KeyId {
    ring.signer(NOW).unwrap().key_id().unwrap().clone()
}

fn told(keeper: &RingKeeper) -> Option<&'static str> {
    keeper.take_mended().map(|fault| fault.code())
}

/// Two gateways; one retires the key that signs, which is acknowledged, and another server takes over that lacks it.
fn after_a_fail_over() -> (Arc<Shared>, [RingKeeper; 2], KeyId) {
    let store = Arc::new(Shared::default());
    let keepers = [gateway(&store, None), gateway(&store, None)];
    let first = keepers[0].open(&settings(), NOW).unwrap();
    keepers[1].open(&settings(), NOW).unwrap();
    let copy = store.0.copy();
    let retired = signer(&first);
    assert!(!keepers[0].retire(&settings(), NOW, &retired).unwrap().verifies(&retired, NOW));
    store.0.put_back(copy);
    (store, keepers, retired)
}

#[test]
fn a_retirement_that_the_store_lost_is_put_back() {
    let (_, [one, other], retired) = after_a_fail_over();
    assert!(one.follow(&settings(), NOW, version(2)).unwrap().is_none(), "it has that ring already");
    assert_eq!(told(&one), Some("keyring_went_back"));
    let ring = other.follow(&settings(), NOW, version(1)).unwrap().expect("a later version");
    assert!(!ring.verifies(&retired, NOW));
    assert_eq!((told(&other), told(&one)), (None, None));
}

#[test]
fn a_retirement_stays_whatever_another_gateway_changed_first() {
    for changes in 1..4 {
        let (_, [one, other], retired) = after_a_fail_over();
        // It has not seen the retirement, and gives its number, or a higher one, to something else.
        for change in 0..changes {
            let key = Arc::new(SigningKey::generate(algorithm(RingAlgorithm::Ed25519)).unwrap());
            let ring = other.import(&settings(), NOW, &key).unwrap();
            assert_eq!(ring.version().as_number(), 2 + change);
        }
        assert_eq!(told(&other), Some("keyring_another_server"));
        let merged = one.follow(&settings(), NOW, version(2)).unwrap().expect("a later version");
        assert_eq!(told(&one), Some("keyring_changed_apart"));
        assert!(merged.version().as_number() > 1 + changes);
        let followed =
            other.follow(&settings(), NOW, version(1 + changes)).unwrap().expect("a later version");
        for ring in [&merged, &followed] {
            assert!(!ring.verifies(&retired, NOW), "{changes}");
            assert_ne!(signer(ring), retired);
        }
        assert_eq!((merged.version(), signer(&merged)), (followed.version(), signer(&followed)));
        assert_eq!(merged.keys(NOW).count(), followed.keys(NOW).count());
        assert_eq!((told(&one), told(&other)), (None, None), "and that is the end of it");
    }
}

#[test]
fn two_retirements_of_one_number_are_both_kept() {
    let (_, [one, other], retired) = after_a_fail_over();
    let standby = {
        let ring = other.open(&settings(), NOW).unwrap();
        let standby = ring.keys(NOW).find(|key| key.phase == crate::observe::KeyPhase::Published).unwrap();
        standby.scheduled.kid.clone()
    };
    other.retire(&settings(), NOW, &standby).unwrap();
    let merged = one.follow(&settings(), NOW, version(2)).unwrap().unwrap();
    let followed = other.follow(&settings(), NOW, version(2)).unwrap().unwrap();
    for ring in [&merged, &followed] {
        assert!(!ring.verifies(&retired, NOW) && !ring.verifies(&standby, NOW));
        assert!(ring.signer(NOW).is_ok());
    }
}

/// What a gateway knew outlives its process.
#[test]
fn a_gateway_that_is_started_anew_puts_back_what_the_store_lost() {
    let (store, [one, other], retired) = after_a_fail_over();
    let disk = one.seen();
    drop(one);
    other.rotate(&settings(), NOW).unwrap();
    let again = gateway(&store, disk.clone());
    assert!(!again.open(&settings(), NOW).unwrap().verifies(&retired, NOW));
    assert_eq!(told(&again), Some("keyring_changed_apart"));
    assert!(!other.follow(&settings(), NOW, version(2)).unwrap().unwrap().verifies(&retired, NOW));

    store.0.put_back(crate::store::memory::Copy::default());
    let after_a_flush = gateway(&store, again.seen());
    assert!(!after_a_flush.open(&settings(), NOW).unwrap().verifies(&retired, NOW));
    assert_eq!(told(&after_a_flush), Some("keyring_empty_after_full"));
}

/// Who knows nothing better takes what is there, and says so.
#[test]
fn another_server_is_told_of_also_where_nothing_is_missing() {
    let store = Arc::new(Shared::default());
    let keeper = gateway(&store, None);
    let before = keeper.open(&settings(), NOW).unwrap();
    store.0.put_back(store.0.copy());
    let stranger = gateway(&store, None);
    assert_eq!(signer(&stranger.open(&settings(), NOW).unwrap()), signer(&before));
    assert_eq!(told(&stranger), Some("keyring_another_server"));
    assert!(keeper.follow(&settings(), NOW, version(1)).unwrap().is_none());
    assert_eq!(told(&keeper), None);
}

/// A change that is refused has read the ring all the same: whoever reads it next has to take it over.
#[test]
fn what_was_read_for_a_change_that_was_refused_is_taken_over_later() {
    let store = Arc::new(Shared::default());
    let (one, other) = (gateway(&store, None), gateway(&store, None));
    let first = one.open(&settings(), NOW).unwrap();
    one.retire(&settings(), NOW, &signer(&first)).unwrap();
    other.retire(&settings(), NOW, &signer(&first)).unwrap_err();
    assert!(other.follow(&settings(), NOW, first.version()).unwrap().is_some());
}

/// The store of one gateway is its own: what went back there is for its operator to judge.
#[test]
fn a_store_of_one_gateway_is_put_right_by_nobody() {
    let store = Arc::new(MemoryStore::new());
    let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
    let keeper = RingKeeper::new(store.clone(), sealer, Witness::memory(), Arc::new(SystemEntropy));
    let retired = signer(&keeper.open(&settings(), NOW).unwrap());
    let copy = store.copy();
    keeper.retire(&settings(), NOW, &retired).unwrap();
    store.put_back_unnoticed(copy);
    assert_eq!(keeper.open(&settings(), NOW).unwrap_err().code(), "keyring_went_back");
    assert_eq!(told(&keeper), None);
}

#[test]
fn the_same_bytes_are_opened_once_and_no_others_are_taken_for_them() {
    let store = Arc::new(MemoryStore::new());
    let sealer = Sealer::new(&Secret::new([7; 32])).unwrap();
    let keeper = RingKeeper::new(store.clone(), sealer, Witness::memory(), Arc::new(SystemEntropy));
    keeper.open(&settings(), NOW).unwrap();
    let [first, second] = [(); 2].map(|()| keeper.open(&settings(), NOW).unwrap());
    let key = |ring: &KeyRing| Arc::clone(ring.keys(NOW).next().unwrap().key);
    assert!(Arc::ptr_eq(&key(&first), &key(&second)));
    let mut ring = store.ring().unwrap().unwrap();
    let sealed = &mut ring.records[0].sealed;
    *sealed.last_mut().unwrap() ^= 1;
    store.restore_ring(Some(ring.version), &ring).unwrap();
    assert!(matches!(keeper.open(&settings(), NOW), Err(RingFault::Sealed { .. })));
}
