//! What is asked for again, and what there is no room for.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use countersign::{
    UnixTime,
    revocation::{Epoch, Revoked, Target},
};
use tokio::task::JoinSet;

use super::{BEGIN, LIFETIMES, demand, now, open_with, running, who};
use crate::{
    clock::ManualClock,
    observe::{Gauges, Metrics, Observer, audit::AuditLog},
    revocation::{Demand, Keeper, Ledger, Lifetimes, RevocationReason, Unrecorded, follow::Numberings},
    store::{Store, StoredRevocations, memory::MemoryStore},
    testing::Breakable,
};

fn given_back(name: &str) -> Demand {
    let ends = UnixTime::from_secs(BEGIN + 200);
    Demand::of_token(name.into(), ends, RevocationReason::TokenGivenBack)
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(BEGIN + secs)
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_already_is_written_once_however_often_it_is_asked_for() {
    let store = Arc::new(MemoryStore::new());
    let (ledger, _) = running(store.clone());
    let mut at_once = JoinSet::new();
    for _ in 0..300 {
        let ledger = Arc::clone(&ledger);
        at_once.spawn(async move { ledger.revoke(given_back("t"), now()).await });
    }
    for answer in at_once.join_all().await {
        assert_eq!(answer.unwrap().cursor.seq, 1);
    }
    for later in 1..100 {
        assert_eq!(ledger.revoke(given_back("t"), at(later)).await.unwrap().cursor.seq, 1);
    }
    assert_eq!((ledger.cursor().seq, store.revocations(0).unwrap().records.len()), (1, 1));
    let (terms, _) = ledger.terms_of(&Target::Token("t".into())).unwrap();
    assert_eq!((terms.at, terms.tokens_until), (now(), at(260)), "its own end, and the leeway of services");
    // Another reason, another name and a later moment are new.
    ledger.revoke(demand(Target::Token("t".into())), now()).await.unwrap();
    let alice = Demand::of_session("a".into(), at(600), RevocationReason::LogOut);
    for (name, secs) in [("a", 0), ("b", 0), ("b", 0), ("b", 1)] {
        ledger.revoke(alice.clone().as_name_of(&name.into()), at(secs)).await.unwrap();
    }
    assert_eq!(ledger.cursor().seq, 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_lifted_in_between_is_revoked_again() {
    let (ledger, _) = running(Arc::new(MemoryStore::new()));
    let alice = who("a", "alice", None, None);
    let target = || Target::Session("a".into());
    ledger.revoke(demand(target()), now()).await.unwrap();
    // Both are asked before the keeper looks.
    let (lifted, revoked) =
        tokio::join!(ledger.lift(target(), now()), ledger.revoke(demand(target()), now()));
    assert_eq!((lifted.unwrap().cursor.seq, revoked.unwrap().cursor.seq), (2, 3));
    assert!(alice.is_revoked(&ledger));
}

#[tokio::test(start_paused = true)]
async fn what_another_gateway_has_lifted_is_revoked_again() {
    let store = Arc::new(Breakable::shared());
    let gateway = || {
        let lifetimes = Lifetimes { spread: Lifetimes::SPREAD, ..LIFETIMES };
        let (ledger, keeper) = open_with(lifetimes, store.clone(), Arc::new(ManualClock::at(BEGIN)));
        tokio::spawn(keeper.run());
        ledger
    };
    let (one, other) = (gateway(), gateway());
    let alice = who("a", "alice", None, None);
    let target = || Target::Session("a".into());
    one.revoke(demand(target()), now()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    other.lift(target(), now()).await.unwrap();
    // The first has not looked yet.
    assert_eq!(one.cursor().seq, 1);
    one.revoke(demand(target()), now()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((one.cursor().seq, other.cursor().seq), (3, 3));
    assert!(alice.is_revoked(&one) && alice.is_revoked(&other));
    // It cannot look: what others have lifted is not known.
    store.away.store(true, Ordering::SeqCst);
    one.revoke(demand(target()), now()).await.unwrap();
    store.away.store(false, Ordering::SeqCst);
    assert_eq!(store.revocations(0).unwrap().newest, 4);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_waits_once() {
    let store = Arc::new(Breakable::default());
    let (ledger, _) = running(store.clone());
    store.broken.store(true, Ordering::SeqCst);
    for _ in 0..300 {
        let outcome = ledger.revoke(given_back("t"), now()).await;
        assert_eq!(outcome, Err(Unrecorded::Store("store_damaged")), "it is not durable");
    }
    store.broken.store(false, Ordering::SeqCst);
    ledger.settled().await.unwrap();
    assert_eq!(store.revocations(0).unwrap().records.len(), 1);
}

/// Nobody waits for its answer, and what is not obeyed must not look as if all were well.
#[tokio::test(start_paused = true)]
async fn what_is_revoked_beside_a_request_and_finds_no_room_is_told() {
    let (epoch, records) = (Epoch::new("one").unwrap(), Vec::new());
    let stored = StoredRevocations { epoch: epoch.clone(), newest: 0, records, unreadable: 0 };
    let (mut ledger, requests) = Ledger::new("issuer".into(), LIFETIMES, stored, now());
    ledger.tokens = Revoked::with_max_entries("issuer", 1);
    let ledger = Arc::new(ledger);
    let metrics = Metrics::new(1);
    let clock = Arc::new(ManualClock::at(BEGIN));
    let observer =
        Observer::new(metrics.worker(0), AuditLog::none(), None, Arc::new(countersign::SystemClock));
    let store = Arc::new(MemoryStore::new());
    store.begin_epoch(&epoch).unwrap();
    let keeper = Keeper::new(Arc::clone(&ledger), store, requests, clock, observer, Numberings::of(epoch));
    tokio::spawn(keeper.run());
    for name in ["a", "b"] {
        ledger.revoke_later(demand(Target::IssuedTo(name.into())), now()).unwrap();
    }
    assert_eq!(ledger.revoke(demand(Target::IssuedTo("c".into())), now()).await, Err(Unrecorded::Full));
    assert_eq!((ledger.unenforced(), ledger.cursor().seq), (1, 1));
    let text = metrics.text(&Gauges::default());
    for line in [
        r#"countersign_revocation_events_total{event="recorded"} 1"#,
        r#"countersign_revocation_events_total{event="unenforced"} 1"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
}
