//! The server replaces the cookie while it is asked about it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use countersign::{
    Secret, Standing, UnixTime,
    revocation::{Epoch, Target},
};
use http::HeaderValue;
use tokio::task::JoinSet;

use super::{CLIENT, House, down, live};
use crate::{
    clock::{Clock, ManualClock},
    error::{Refusal, SourceError},
    observe::Observer,
    revocation::{Demand, Ledger, Lifetimes, RevocationReason},
    session::{
        cache::{Entry, Freshness},
        source::{NewCookie, Verdict, new_cookie},
    },
    store::memory::MemoryStore,
};

const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 66));

fn cookie(value: &str) -> NewCookie {
    let field = HeaderValue::from_str(&format!("S={value}; Path=/; HttpOnly")).unwrap();
    new_cookie(&[field], "S", UnixTime::from_secs(0)).unwrap()
}

/// Live, and from now on under another cookie.
fn moved(subject: &str, to: &str) -> Result<Verdict, SourceError> {
    moved_as(subject, "x", to)
}

fn moved_as(subject: &str, role: &str, to: &str) -> Result<Verdict, SourceError> {
    let Ok(Verdict::Live(mut answer)) = live(subject, role) else { panic!("live was written") };
    answer.new_cookie = Some(cookie(to));
    Ok(Verdict::Live(answer))
}

fn given(entry: &Entry, client: IpAddr) -> Option<String> {
    let field = entry.new_cookie(client)?;
    assert!(field.is_sensitive());
    Some(field.to_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_session_and_its_sid_move_along_and_the_server_is_not_asked_anew() {
    let house = House::new(vec![moved("alice", "new")]);
    let old = house.resolve("old").await.unwrap();
    assert_eq!(given(&old, CLIENT).as_deref(), Some("S=new; Path=/; HttpOnly"));
    let new = house.entry("new").unwrap();
    assert_eq!((&new.sid, &new.identity.subject), (&old.sid, &old.identity.subject));
    assert!(new.rotation.is_none() && !new.is_superseded);
    assert_eq!(house.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_client_that_waits_with_the_same_cookie_gets_its_answer_and_not_the_new_cookie() {
    let house = Arc::new(House::new(vec![moved("alice", "new")]));
    let mut waiting = JoinSet::new();
    for client in [CLIENT, CLIENT, OTHER, OTHER] {
        let house = Arc::clone(&house);
        waiting.spawn(async move {
            let (key, credential) = house.ask("old");
            let entry = house.sessions.resolve(key, credential, client).await.unwrap();
            (client, given(&entry, client))
        });
        tokio::task::yield_now().await;
    }
    while let Some(outcome) = waiting.join_next().await {
        let (client, cookie) = outcome.unwrap();
        assert_eq!(cookie.is_some(), client == CLIENT, "{client}");
    }
    assert_eq!(house.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_old_cookie_is_good_until_its_answer_is_stale_and_its_end_ends_nothing_else() {
    let house = House::new(vec![moved("alice", "new")]);
    house.resolve("old").await.unwrap();
    house.clock.advance(Duration::from_secs(29));
    let old = house.entry("old").unwrap();
    assert_eq!(house.sessions.freshness(&old, house.clock.now()), Freshness::Fresh);
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.sessions.freshness(&old, house.clock.now()), Freshness::Stale);
    house.server(Ok(Verdict::No(None)));
    assert_eq!(house.resolve("old").await.unwrap_err(), Refusal::SessionEnded);
    assert!(house.entry("old").is_none());
    assert!(house.entry("new").is_some(), "the session lives on");
}

#[tokio::test(start_paused = true)]
async fn the_new_cookie_is_kept_no_longer_than_recheck() {
    let house = House::new(vec![moved("alice", "new")]);
    house.resolve("old").await.unwrap();
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(house.entry("old").unwrap().rotation.is_some());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(house.entry("old").is_none());
    assert!(house.entry("new").unwrap().rotation.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_cookie_that_is_only_prolonged_moves_nothing() {
    let house = House::new(vec![moved("alice", "same")]);
    let entry = house.resolve("same").await.unwrap();
    assert!(given(&entry, CLIENT).is_some() && given(&entry, OTHER).is_none() && !entry.is_superseded);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(house.entry("same").unwrap().rotation.is_none(), "given once, and forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_cookie_that_is_another_subjects_already_takes_over_nothing() {
    let house = House::new(vec![live("bob", "x"), moved("alice", "bobs")]);
    house.resolve("bobs").await.unwrap();
    let alice = house.resolve("alices").await.unwrap();
    assert_eq!(alice.identity.subject, "alice");
    assert!(house.entry("bobs").is_none(), "whose it is, is asked anew");
}

#[tokio::test(start_paused = true)]
async fn once_a_server_replaces_cookies_no_recheck_is_made_beside_a_request() {
    let house = House::new(vec![live("bob", "x"), moved("alice", "new"), live("bob", "x")]);
    let bob = house.resolve("bobs").await.unwrap();
    let later = |house: &House| {
        house.clock.advance(Duration::from_secs(25));
        house.clock.now()
    };
    assert_eq!(house.sessions.freshness(&bob, later(&house)), Freshness::Aging);
    house.resolve("old").await.unwrap();
    assert_eq!(house.sessions.freshness(&bob, house.clock.now()), Freshness::Stale, "it waits");
    // And if the server is away then, an answer that is still fresh is served.
    house.server(down());
    assert!(house.resolve("bobs").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_replaced_cookie_is_not_served_longer_in_an_outage() {
    let house = House::with(vec![moved("alice", "new")], Duration::from_millis(100), |rules| {
        rules.stale_if_error = Some(Duration::from_secs(600));
    });
    house.resolve("old").await.unwrap();
    house.server(down());
    house.clock.advance(Duration::from_secs(31));
    assert_eq!(house.resolve("old").await.unwrap_err(), Refusal::SourceUnavailable);
    assert!(house.resolve("new").await.is_ok());
}

fn ledger() -> Arc<Ledger> {
    let hour = Duration::from_secs(3600);
    let (ledger, keeper) = Ledger::open(
        Arc::new(MemoryStore::new()),
        &Epoch::new("e").unwrap(),
        "https://shop.example".into(),
        Lifetimes { token: hour, session: hour, spread: Duration::ZERO },
        Arc::new(ManualClock::at(1_000_000)),
        Observer::without_files(),
    )
    .unwrap();
    tokio::spawn(keeper.run());
    ledger
}

fn gateway(ledger: &Arc<Ledger>, answers: Vec<Result<Verdict, SourceError>>) -> House {
    let equip = |memory: crate::session::Memory| memory.with_ledger(Arc::clone(ledger));
    House::built(answers, Duration::ZERO, |_| {}, b"settings", equip)
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_revoked_does_not_come_back_under_its_new_cookie() {
    let ledger = ledger();
    let house = gateway(&ledger, vec![moved("alice", "new"), live("alice", "x")]);
    let sid = house.resolve("old").await.unwrap().sid.clone();
    let now = house.clock.now();
    ledger.revoke(Demand::new(Target::Session(sid), RevocationReason::LogOut), now.wall).await.unwrap();
    // What a request with the new cookie finds.
    house.sessions.drop_revoked(&house.ask("new").0, now);
    house.clock.advance(Duration::from_secs(3));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(house.resolve("new").await.unwrap_err(), Refusal::Revoked);
    // And at a gateway that never knew the old one.
    let other = gateway(&ledger, vec![live("alice", "x")]);
    assert_eq!(other.resolve("new").await.unwrap_err(), Refusal::Revoked);
}

/// The old cookie is shown once more, and the server replaces it as before.
#[tokio::test(start_paused = true)]
async fn less_power_is_noticed_where_the_new_cookie_was_known_with_more() {
    let ledger = ledger();
    let house = gateway(&ledger, vec![moved_as("alice", "admin", "new"), moved_as("alice", "viewer", "new")]);
    let before = house.resolve("old").await.unwrap();
    let signed = house.clock.now().wall;
    house.clock.advance(Duration::from_secs(31));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(house.entry("old").is_none(), "forgotten with its power");
    let again = house.resolve("old").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((&again.sid, house.calls()), (&before.sid, 2));
    let standing = |issued_at| ledger.standing_of_token(&again.concerned(), None, issued_at);
    assert_eq!(standing(signed), Standing::Revoked);
    assert_eq!(standing(house.clock.now().wall), Standing::Good, "what is signed now");
}

#[tokio::test(start_paused = true)]
async fn a_log_out_where_only_the_new_cookie_is_known_ends_the_session_that_moved() {
    let ledger = ledger();
    let house = gateway(&ledger, vec![moved("alice", "new")]);
    house.resolve("old").await.unwrap();
    let other = gateway(&ledger, vec![live("alice", "x")]);
    let there = other.resolve("new").await.unwrap();
    let now = house.clock.now().wall;
    ledger
        .revoke(Demand::new(Target::Session(there.sid.clone()), RevocationReason::LogOut), now)
        .await
        .unwrap();
    for cookie in ["old", "new"] {
        let entry = house.entry(cookie).unwrap();
        assert_eq!(ledger.check(&entry.concerned()), Standing::Revoked, "{cookie}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_moved_is_lifted_under_all_its_names() {
    let ledger = ledger();
    let house = gateway(&ledger, vec![moved("alice", "new"), live("alice", "x")]);
    let sid = house.resolve("old").await.unwrap().sid.clone();
    let now = house.clock.now();
    let target = Target::Session(sid);
    ledger.revoke(Demand::new(target.clone(), RevocationReason::LogOut), now.wall).await.unwrap();
    house.sessions.drop_revoked(&house.ask("new").0, now);
    ledger.settled().await.unwrap();
    let names = ledger.names_of(&target);
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        ledger.lift(name, now.wall).await.unwrap();
    }
    house.clock.advance(Duration::from_secs(3));
    assert!(house.resolve("new").await.is_ok());
}

#[test]
fn nobody_sees_the_new_cookie_in_a_log() {
    let new = cookie("very-secret");
    let credential = new.credential();
    let shown = format!("{new:?} {credential:?} {:?}", Secret::new(new.field.to_str().unwrap().to_owned()));
    assert!(!shown.contains("very-secret"), "{shown}");
}
