use std::{path::Path, sync::Arc};

use countersign::{
    UnixTime,
    revocation::{Epoch, Target},
};
use countersign_gateway::store::{
    Change, StateDirectory, Store, Terms, embedded::EmbeddedStore, in_force, memory::MemoryStore,
};

pub(super) fn embedded(folder: &Path) -> EmbeddedStore {
    EmbeddedStore::open(Arc::new(StateDirectory::enter(folder).unwrap())).unwrap()
}

pub(super) fn epoch(name: &str) -> Epoch {
    Epoch::new(name).unwrap()
}

const fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

pub(super) fn session(name: &str) -> Target {
    Target::Session(name.into())
}

/// Revoked at 100; both records end as given.
pub(super) fn revoked(target: Target, at_secs: u64, tokens: u64, sessions: u64) -> Change {
    let terms = Terms { at: at(at_secs), tokens_until: at(tokens), sessions_until: at(sessions) };
    Change::Revoked { target, name_of: None, terms, reason: "log_out".to_owned() }
}

fn numbers(store: &dyn Store, after: u64) -> Vec<u64> {
    store.revocations(after).unwrap().records.iter().map(|record| record.seq).collect()
}

/// Every store keeps these rules.
fn rules(store: &dyn Store) {
    assert_eq!(store.revocations(0).unwrap_err().code(), "store_conflict", "no epoch was begun");
    assert_eq!(store.append(&[]).unwrap_err().code(), "store_conflict");
    store.begin_epoch(&epoch("one")).unwrap();
    assert_eq!(store.revocations(0).unwrap().newest, 0);

    let (a, b) = (session("a"), Target::Subject("b".into()));
    let first = [revoked(a.clone(), 100, 400, 900), revoked(b.clone(), 100, 400, 300)];
    assert_eq!(store.append(&first).unwrap().seq, 2);
    let all = store.revocations(0).unwrap();
    assert_eq!((all.newest, all.records.len()), (2, 2));
    assert_eq!(all.records[0].change, first[0]);
    assert_eq!(numbers(store, 1), [2]);

    // What says less is kept beside what says more; what says more replaces it.
    assert_eq!(store.append(&[revoked(b.clone(), 90, 500, 300)]).unwrap().seq, 3);
    assert_eq!(numbers(store, 0), [1, 2, 3]);
    assert_eq!(store.append(&[revoked(b.clone(), 110, 500, 300)]).unwrap().seq, 4);
    assert_eq!(numbers(store, 0), [1, 4]);

    // A lift takes the place of what it lifts, and stays when the target is revoked anew.
    let lifted = Change::Lifted { target: a.clone(), until: at(450) };
    assert_eq!(store.append(std::slice::from_ref(&lifted)).unwrap().seq, 5);
    assert_eq!(numbers(store, 0), [4, 5]);
    store.append(&[revoked(a.clone(), 120, 420, 920), Change::KeysChanged { until: at(430) }]).unwrap();
    assert_eq!(numbers(store, 0), [4, 5, 6, 7]);
    store.append(&[Change::KeysChanged { until: at(440) }]).unwrap();
    assert_eq!(numbers(store, 0), [4, 5, 6, 8]);
    let held = in_force(&store.revocations(0).unwrap().records);
    assert_eq!(held.keys().cloned().collect::<Vec<_>>(), [a, b]);

    assert_eq!(store.forget_expired(at(450)).unwrap(), 2);
    assert_eq!(numbers(store, 0), [4, 6], "what has one living record is kept");
    assert_eq!(store.forget_expired(at(920)).unwrap(), 2);
    let empty = store.revocations(0).unwrap();
    assert_eq!((empty.newest, empty.records.len()), (8, 0), "numbers are not used again");
    assert_eq!(store.append(&[revoked(session("c"), 921, 922, 0)]).unwrap().seq, 9);
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
fn every_start_of_one_gateway_numbers_in_a_new_epoch_and_keeps_what_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = embedded(&path);
    assert_eq!(store.begin_epoch(&epoch("one")).unwrap(), epoch("one"));
    let ring = store.create_ring(&super::sealed_ring::records("a")).unwrap();
    store.append(&[revoked(session("a"), 100, 400, 900)]).unwrap();
    drop(store);
    let store = embedded(&path);
    assert_eq!(store.begin_epoch(&epoch("two")).unwrap(), epoch("two"));
    let stored = store.revocations(0).unwrap();
    assert_eq!((stored.epoch, stored.newest, stored.records.len()), (epoch("two"), 1, 1));
    assert_eq!(store.ring().unwrap().unwrap().version, ring);
}

#[test]
fn gateways_that_share_a_store_share_its_epoch() {
    let store = MemoryStore::new();
    assert_eq!(store.begin_epoch(&epoch("one")).unwrap(), epoch("one"));
    assert_eq!(store.begin_epoch(&epoch("two")).unwrap(), epoch("one"));
}

#[test]
fn a_database_of_the_first_schema_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let directory = Arc::new(StateDirectory::enter(&path).unwrap());
    let database = directory.file("countersign.db");
    directory.write("countersign.db", b"").unwrap();
    let old = rusqlite::Connection::open(&database).unwrap();
    old.execute_batch(
        "CREATE TABLE ring (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL CHECK (version > 0)) STRICT;
         CREATE TABLE ring_record (purpose TEXT NOT NULL, name TEXT NOT NULL, sealed BLOB NOT NULL,
                                   PRIMARY KEY (purpose, name)) STRICT, WITHOUT ROWID;
         INSERT INTO ring VALUES (1, 3);
         INSERT INTO ring_record VALUES ('key', 'k', x'01');
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let store = EmbeddedStore::open(directory).unwrap();
    assert_eq!(store.ring().unwrap().unwrap().version.as_number(), 3);
    store.begin_epoch(&epoch("one")).unwrap();
    assert_eq!(store.append(&[revoked(session("a"), 1, 2, 3)]).unwrap().seq, 1);
}

#[test]
fn a_full_disk_writes_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = embedded(&path);
    store.begin_epoch(&epoch("one")).unwrap();
    store.append(&[revoked(session("before"), 1, 2, 3)]).unwrap();
    store.limit_pages_for_tests(1).unwrap();
    let many: Vec<_> =
        (0..1_000).map(|n| revoked(session(&format!("{n}-{}", "x".repeat(200))), 1, 2, 3)).collect();
    let error = store.append(&many).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    let stored = store.revocations(0).unwrap();
    assert_eq!((stored.newest, stored.records.len()), (1, 1));
    store.limit_pages_for_tests(1_000_000).unwrap();
    assert_eq!(store.append(&many).unwrap().seq, 1_001);
}

/// A backup that is put back lacks what was revoked since: nobody else can tell.
#[test]
fn a_database_that_was_put_back_from_a_backup_is_noticed_until_an_operator_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let backup = folder.path().join("backup.db");
    let store = embedded(&path);
    store.begin_epoch(&epoch("one")).unwrap();
    store.append(&[revoked(session("a"), 1, 2, 3)]).unwrap();
    let copy = rusqlite::Connection::open(path.join("countersign.db")).unwrap();
    copy.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    drop(copy);
    store.append(&[revoked(session("b"), 1, 2, 3), revoked(session("c"), 1, 2, 3)]).unwrap();
    assert_eq!(store.lost_changes().unwrap(), 0);
    drop(store);
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(path.join(format!("countersign.db{end}")));
    }
    std::fs::write(path.join("countersign.db"), std::fs::read(&backup).unwrap()).unwrap();

    let store = embedded(&path);
    store.begin_epoch(&epoch("two")).unwrap();
    assert_eq!(store.lost_changes().unwrap(), 2);
    // What is revoked from then on does not hide it.
    store.append(&[revoked(session("d"), 1, 2, 3)]).unwrap();
    drop(store);
    let store = embedded(&path);
    assert_eq!(store.lost_changes().unwrap(), 1);
    std::fs::remove_file(path.join("revocations-seen")).unwrap();
    store.append(&[revoked(session("e"), 1, 2, 3)]).unwrap();
    assert_eq!(store.lost_changes().unwrap(), 0);
}
