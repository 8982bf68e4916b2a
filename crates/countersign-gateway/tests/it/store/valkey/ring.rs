//! The key ring in a shared store.

use countersign_gateway::store::{RingVersion, SealedRecord, SealedRing, Store};

use super::{Server, store};

fn records(text: &str) -> Vec<SealedRecord> {
    ["a", "b"]
        .map(|name| SealedRecord {
            purpose: "signing key".to_owned(),
            name: name.to_owned(),
            sealed: format!("{text}\0\r\n").into_bytes(),
        })
        .to_vec()
}

#[test]
fn of_two_gateways_that_start_at_once_one_creates_the_ring() {
    let server = Server::start();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let server = &server;
                scope.spawn(move || store(server).create_ring(&records(&format!("ring {n}"))))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let conflicts =
        outcomes.iter().filter(|outcome| matches!(outcome, Err(error) if error.code() == "store_conflict"));
    assert_eq!(conflicts.count(), 3);
    let found = store(&server).ring().unwrap().unwrap();
    assert_eq!((found.version, found.records.len()), (RingVersion::FIRST, 2));
}

#[test]
fn a_change_of_an_older_version_is_a_conflict_and_changes_nothing() {
    let server = Server::start();
    let (one, other) = (store(&server), store(&server));
    assert!(one.ring().unwrap().is_none());
    let first = one.create_ring(&records("first")).unwrap();
    let second = other.replace_ring(first, &records("second")).unwrap();
    assert_eq!(one.replace_ring(first, &records("third")).unwrap_err().code(), "store_conflict");
    let found = one.ring().unwrap().unwrap();
    assert_eq!(found, SealedRing { version: second, records: records("second"), is_of_earlier_life: false });
}

#[test]
fn a_ring_is_put_back_only_in_the_place_of_what_was_seen() {
    let server = Server::start();
    let store = store(&server);
    store.create_ring(&records("first")).unwrap();
    let ring = SealedRing {
        version: RingVersion::from_number(5),
        records: records("fifth"),
        is_of_earlier_life: false,
    };
    assert_eq!(store.restore_ring(None, &ring).unwrap_err().code(), "store_conflict");
    store.restore_ring(Some(RingVersion::FIRST), &ring).unwrap();
    assert_eq!(store.ring().unwrap().unwrap(), ring);
    server.command(&["FLUSHALL"]);
    store.restore_ring(None, &ring).unwrap();
    assert_eq!(store.ring().unwrap().unwrap(), ring);
}

/// Another server that takes over may lack the newest change: nothing is changed there before a gateway has compared the
/// ring with what it knows, and put it back.
#[test]
fn a_ring_of_another_server_is_not_changed_before_it_was_put_back() {
    let server = Server::with("enable-debug-command yes\n");
    let store = store(&server);
    let first = store.create_ring(&records("first")).unwrap();
    assert!(!store.ring().unwrap().unwrap().is_of_earlier_life);
    server.command(&["DEBUG", "CHANGE-REPL-ID"]);
    let found = store.ring().unwrap().unwrap();
    assert!(found.is_of_earlier_life);
    assert_eq!(store.replace_ring(first, &records("second")).unwrap_err().code(), "store_conflict");
    store.restore_ring(Some(first), &found).unwrap();
    assert!(!store.ring().unwrap().unwrap().is_of_earlier_life);
    store.replace_ring(first, &records("second")).unwrap();
}
