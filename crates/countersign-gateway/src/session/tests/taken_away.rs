//! Cookies that the old application deletes, of sessions that this gateway does not know.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use countersign::Standing;

use super::{CLIENT, House, changed, down, live, shared::Open};
use crate::{
    error::{Refusal, SourceError},
    session::{Memory, shared::SharedCache, source::Verdict, taking_away::MAX_AT_ONCE},
};

/// The old application deletes the cookie of a session in an answer that goes through the second of two gateways.
async fn taken_away_elsewhere(
    cache: Option<&Arc<Open>>,
    second_asks: Result<Verdict, SourceError>,
) -> (Standing, [House; 2]) {
    let ledger = changed::ledger();
    let first = changed::with_cache(&ledger, cache, vec![live("alice", "x")]);
    let second = changed::with_cache(&ledger, cache, vec![second_asks]);
    let entry = first.resolve("c").await.unwrap();
    second.sessions.taken_away(second.ask("c").1, CLIENT);
    tokio::time::sleep(Duration::from_secs(1)).await;
    (ledger.check(&entry.concerned()), [first, second])
}

#[tokio::test(start_paused = true)]
async fn a_session_is_over_at_the_gateway_that_has_it_when_another_sees_its_cookie_deleted() {
    let cache = Arc::new(Open::default());
    let (standing, [first, second]) = taken_away_elsewhere(Some(&cache), down()).await;
    assert_eq!((standing, second.calls()), (Standing::Revoked, 0), "what they share says its name");
    assert!(cache.0.lock().unwrap().is_empty());
    first.clock.advance(Duration::from_secs(31));
    assert_eq!(first.resolve("c").await.unwrap_err(), Refusal::Revoked);
    assert_eq!(second.resolve("c").await.unwrap_err(), Refusal::Revoked);
    // An answer that is too old to be served says it as well.
    let ledger = changed::ledger();
    let house = |answer| changed::with_cache(&ledger, Some(&cache), vec![answer]);
    let entry = house(live("alice", "x")).resolve("c").await.unwrap();
    let late = house(down());
    late.clock.advance(Duration::from_secs(300));
    late.sessions.taken_away(late.ask("c").1, CLIENT);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ledger.check(&entry.concerned()), Standing::Revoked);
}

#[tokio::test(start_paused = true)]
async fn without_a_shared_answer_the_server_is_asked_about_a_cookie_that_was_deleted() {
    let unread = Arc::new(Open::default());
    unread.1.store(true, Ordering::SeqCst);
    for cache in [None, Some(&unread)] {
        let (standing, [_, second]) = taken_away_elsewhere(cache, live("alice", "x")).await;
        assert_eq!((standing, second.calls()), (Standing::Revoked, 1), "it lives there still");
        assert!(second.entry("c").is_none());
        assert_eq!(second.resolve("c").await.unwrap_err(), Refusal::Revoked);
        // What it is called is not known; the first gateway hears the same "no" when it asks again.
        let (standing, [_, second]) = taken_away_elsewhere(cache, Ok(Verdict::No(None))).await;
        assert_eq!((standing, second.calls()), (Standing::Good, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_deleted_cookies_are_looked_for_at_once() {
    let cache = Arc::new(Open::default());
    let (ledger, shared) = (changed::ledger(), Arc::clone(&cache) as Arc<dyn SharedCache>);
    let equip = |memory: Memory| memory.with_ledger(ledger).with_shared(Some(shared));
    let house = House::built(vec![live("alice", "x")], Duration::from_secs(60), |_| {}, b"settings", equip);
    for n in 0..300 {
        house.sessions.taken_away(house.ask(&format!("c{n}")).1, CLIENT);
    }
    let (key, credential) = house.ask("more");
    cache.0.lock().unwrap().insert(key.name(), Vec::new());
    house.sessions.taken_away(credential, CLIENT);
    assert!(!cache.0.lock().unwrap().contains_key(&key.name()), "nobody goes on with it");
    assert_eq!(house.sessions.memory.tasks.running(), MAX_AT_ONCE);
}
