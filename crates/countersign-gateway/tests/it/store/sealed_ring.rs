use std::{path::Path, sync::Arc, thread};

use countersign_gateway::store::{
    RingVersion, SealedRecord, SealedRing, StateDirectory, Store, StoreError, embedded::EmbeddedStore,
    memory::MemoryStore,
};

pub(super) fn records(mark: &str) -> Vec<SealedRecord> {
    ["1", "2"]
        .map(|name| SealedRecord {
            purpose: "key".into(),
            name: name.into(),
            sealed: format!("{mark}{name}").into_bytes(),
        })
        .to_vec()
}

fn embedded(folder: &Path) -> EmbeddedStore {
    EmbeddedStore::open(Arc::new(StateDirectory::enter(folder).unwrap())).unwrap()
}

/// Every store keeps these rules.
fn rules(store: &dyn Store) {
    assert_eq!(store.ring().unwrap(), None);
    let absent = store.replace_ring(RingVersion::FIRST, &records("x"));
    assert!(matches!(absent, Err(StoreError::Conflict)));

    let first = store.create_ring(&records("a")).unwrap();
    assert_eq!(first, RingVersion::FIRST);
    assert!(matches!(store.create_ring(&records("b")), Err(StoreError::Conflict)));
    assert_eq!(
        store.ring().unwrap(),
        Some(SealedRing { version: first, records: records("a"), is_of_earlier_life: false })
    );

    let mut fewer = records("c");
    fewer.truncate(1);
    let second = store.replace_ring(first, &fewer).unwrap();
    assert_eq!(second, first.next());
    assert_eq!(
        store.ring().unwrap(),
        Some(SealedRing { version: second, records: fewer.clone(), is_of_earlier_life: false })
    );
    assert!(matches!(store.replace_ring(first, &records("d")), Err(StoreError::Conflict)));
    assert_eq!(store.ring().unwrap().unwrap().records, fewer);
}

#[test]
fn the_embedded_store_keeps_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    rules(&embedded(&folder.path().join("state")));
}

#[test]
fn the_memory_store_keeps_the_rules() {
    rules(&MemoryStore::new());
}

#[test]
fn of_many_creators_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let store = embedded(&folder.path().join("state"));
    let created: usize = thread::scope(|scope| {
        let creators: Vec<_> = (0..8)
            .map(|n| {
                let store = &store;
                scope.spawn(move || usize::from(store.create_ring(&records(&n.to_string())).is_ok()))
            })
            .collect();
        creators.into_iter().map(|creator| creator.join().unwrap()).sum()
    });
    assert_eq!(created, 1);
}

#[test]
fn the_ring_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = embedded(&folder.path().join("state"));
    let version = store.create_ring(&records("a")).unwrap();
    let version = store.replace_ring(version, &records("b")).unwrap();
    drop(store);
    let again = embedded(&folder.path().join("state"));
    assert_eq!(
        again.ring().unwrap(),
        Some(SealedRing { version, records: records("b"), is_of_earlier_life: false })
    );
}

#[test]
fn a_record_that_cannot_be_written_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = embedded(&folder.path().join("state"));
    let version = store.create_ring(&records("a")).unwrap();
    let mut twice = records("b");
    twice.extend(records("c"));
    let error = store.replace_ring(version, &twice).unwrap_err();
    assert_eq!(error.code(), "store_database");
    assert_eq!(
        store.ring().unwrap(),
        Some(SealedRing { version, records: records("a"), is_of_earlier_life: false })
    );
}
