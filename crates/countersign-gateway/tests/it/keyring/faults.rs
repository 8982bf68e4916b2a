use std::{fs, path::Path, sync::Arc};

use countersign::{
    Secret, UnixTime,
    revocation::{Cursor, Epoch},
};
use countersign_gateway::{
    config::resolved::{EncryptionKey, RingAlgorithm},
    keyring::{RingFault, RingKeeper, Witness, encryption_key::EncryptionKeySource},
    store::{
        Change, LogoutName, LogoutOutcome, LogoutStanding, RingVersion, SealedRecord, SealedRing,
        StateDirectory, Store, StoreError, StoredRevocations, memory::MemoryStore,
    },
};

use super::{START, entropy, keeper, memory, sealer, settings};

/// The ring needs no revocations.
macro_rules! without_revocations {
    () => {
        fn begin_epoch(&self, _: &Epoch) -> Result<Epoch, StoreError> {
            panic!("a ring has no epoch")
        }
        fn revocations(&self, _: u64) -> Result<StoredRevocations, StoreError> {
            panic!("a ring has no revocations")
        }
        fn append(&self, _: &[Change]) -> Result<Cursor, StoreError> {
            panic!("a ring has no revocations")
        }
        fn forget_expired(&self, _: UnixTime) -> Result<usize, StoreError> {
            panic!("a ring has no revocations")
        }
        fn hold_logouts(&self, _: &[LogoutName], _: UnixTime) -> Result<Vec<LogoutStanding>, StoreError> {
            panic!("a ring has no log-out tokens")
        }
        fn end_logouts(&self, _: &[(LogoutName, LogoutOutcome)], _: UnixTime) -> Result<(), StoreError> {
            panic!("a ring has no log-out tokens")
        }
    };
}

/// A store that somebody else writes.
#[derive(Debug)]
struct Foreign(Option<SealedRing>);

impl Store for Foreign {
    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        Ok(self.0.clone())
    }

    fn create_ring(&self, _: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        panic!("nothing may be created here")
    }

    fn replace_ring(&self, _: RingVersion, _: &[SealedRecord]) -> Result<RingVersion, StoreError> {
        panic!("nothing may be changed here")
    }

    without_revocations!();
}

fn stored() -> SealedRing {
    let store = memory();
    keeper(store.clone()).open(&settings(RingAlgorithm::Es256), START).unwrap();
    store.ring().unwrap().unwrap()
}

fn open(ring: SealedRing) -> Result<RingVersion, RingFault> {
    let keeper = keeper(Arc::new(Foreign(Some(ring))));
    keeper.open(&settings(RingAlgorithm::Es256), START).map(|ring| ring.version())
}

fn code(result: Result<impl Sized, RingFault>) -> &'static str {
    result.err().map_or("none", |fault| fault.code())
}

#[test]
fn each_changed_bit_of_each_record_is_noticed() {
    let whole = stored();
    assert_eq!(code(open(whole.clone())), "none");
    for record in 0..whole.records.len() {
        for byte in 0..whole.records[record].sealed.len() {
            let mut changed = whole.clone();
            changed.records[record].sealed[byte] ^= 1;
            let expected = match byte {
                0 => "keyring_unreadable",
                1..9 => "keyring_wrong_encryption_key",
                _ => "keyring_tampered",
            };
            assert_eq!(code(open(changed)), expected, "record {record}, byte {byte}");
        }
        for length in 0..whole.records[record].sealed.len() {
            let mut cut = whole.clone();
            cut.records[record].sealed.truncate(length);
            assert_eq!(code(open(cut)), "keyring_tampered", "record {record}, {length} bytes");
        }
    }
}

#[test]
fn a_record_in_the_place_of_another_is_noticed() {
    let whole = stored();
    for one in 0..whole.records.len() {
        for other in 0..one {
            let mut moved = whole.clone();
            moved.records[one].sealed.clone_from(&whole.records[other].sealed);
            assert_eq!(code(open(moved)), "keyring_tampered");
        }
    }
}

#[test]
fn a_missing_or_additional_record_is_noticed() {
    let whole = stored();
    for record in 0..whole.records.len() {
        let mut less = whole.clone();
        less.records.remove(record);
        assert!(matches!(code(open(less)), "keyring_incomplete" | "keyring_record_missing"));
    }
    let mut more = whole.clone();
    more.records.push(SealedRecord { name: "other".into(), ..whole.records[0].clone() });
    assert_eq!(code(open(more)), "keyring_incomplete");
    let mut renamed = whole.clone();
    renamed.records[0].name.push('x');
    assert!(matches!(code(open(renamed)), "keyring_record_missing"));
}

#[test]
fn an_older_version_in_the_place_of_a_newer_one_is_noticed() {
    let old = stored();
    let mut relabelled = old.clone();
    relabelled.version = old.version.next();
    assert_eq!(code(open(relabelled)), "keyring_went_back");

    let store = memory();
    let live = RingKeeper::new(store.clone(), sealer(1), Witness::memory(), entropy());
    live.open(&settings(RingAlgorithm::Es256), START).unwrap();
    let first = store.ring().unwrap();
    live.open(&settings(RingAlgorithm::Ed25519), START).unwrap();
    // Version 2 was seen; a store that gives version 1 again is not believed.
    let outer = tempfile::tempdir().unwrap();
    let directory = Arc::new(StateDirectory::enter(&outer.path().join("state")).unwrap());
    let remembering = |ring| {
        let witness = Witness::File(Arc::clone(&directory));
        let keeper = RingKeeper::new(Arc::new(Foreign(ring)), sealer(1), witness, entropy());
        keeper.open(&settings(RingAlgorithm::Ed25519), START)
    };
    remembering(store.ring().unwrap()).unwrap();
    assert_eq!(code(remembering(first)), "keyring_went_back");
    assert_eq!(code(remembering(None)), "keyring_empty_after_full");
    assert_eq!(code(remembering(Some(stored()))), "keyring_other_ring");
    remembering(store.ring().unwrap()).unwrap();
}

#[test]
fn another_key_encryption_key_opens_nothing_and_replaces_nothing() {
    let store = memory();
    keeper(store.clone()).open(&settings(RingAlgorithm::Es256), START).unwrap();
    let before = store.ring().unwrap();
    let other = RingKeeper::new(store.clone(), sealer(2), Witness::memory(), entropy());
    let fault = other.open(&settings(RingAlgorithm::Rs256), START).unwrap_err();
    assert_eq!(fault.code(), "keyring_wrong_encryption_key");
    assert_eq!(store.ring().unwrap(), before);
}

fn embedded(path: &Path, source: &EncryptionKeySource) -> Result<(), RingFault> {
    let directory = Arc::new(StateDirectory::enter(path).unwrap());
    let keeper = RingKeeper::embedded(&directory, source, entropy())?;
    keeper.open(&settings(RingAlgorithm::Es256), START).map(drop)
}

#[test]
fn a_lost_state_is_a_fault_and_never_a_new_ring() {
    for lost in ["kek", "countersign.db"] {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("state");
        embedded(&path, &EncryptionKeySource::Generated).unwrap();
        fs::remove_file(path.join(lost)).unwrap();
        let _ = fs::remove_file(path.join("countersign.db-wal"));
        let expected = match lost {
            "kek" => "keyring_encryption_key",
            _ => "keyring_empty_after_full",
        };
        assert_eq!(code(embedded(&path, &EncryptionKeySource::Generated)), expected);
        assert!(!path.join("kek").exists() || lost != "kek", "a new key was made over sealed records");
    }
}

#[test]
fn the_key_encryption_key_can_be_the_operators() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("state");
    for (content, expected) in [
        ("", "keyring_encryption_key"),
        ("c2hvcnQ=", "keyring_encryption_key"),
        ("not base64 at all, whatever its length is....", "keyring_encryption_key"),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", "none"),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "none"),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "keyring_encryption_key"),
        ("BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "keyring_wrong_encryption_key"),
    ] {
        let content_read = Secret::new(content.as_bytes().to_vec());
        let source = EncryptionKeySource::Given(EncryptionKey {
            place: "/run/operators.key".into(),
            content: content_read,
        });
        let result = embedded(&path, &source);
        if let Err(fault) = &result
            && !content.is_empty()
        {
            assert!(!fault.to_string().contains(content.trim()), "{fault}");
        }
        assert_eq!(code(result), expected, "{content:?}");
    }
    assert!(!path.join("kek").exists());
}

#[test]
fn a_store_that_always_conflicts_is_given_up() {
    #[derive(Debug)]
    struct Contested(MemoryStore);
    impl Store for Contested {
        fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
            self.0.ring()
        }
        fn create_ring(&self, _: &[SealedRecord]) -> Result<RingVersion, StoreError> {
            Err(StoreError::Conflict)
        }
        fn replace_ring(&self, _: RingVersion, _: &[SealedRecord]) -> Result<RingVersion, StoreError> {
            Err(StoreError::Conflict)
        }
        without_revocations!();
    }
    let contested = keeper(Arc::new(Contested(MemoryStore::new())));
    assert_eq!(code(contested.open(&settings(RingAlgorithm::Ed25519), START)), "store_conflict");
}
