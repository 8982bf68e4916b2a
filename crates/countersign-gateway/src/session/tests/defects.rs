//! Defects that other gateways had, in simulated time. The list is in the integration tests, `defects.rs`.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use super::{CLIENT, House, live, live_until};
use crate::{
    error::Refusal,
    session::source::{Answer, Verdict},
};

#[tokio::test(start_paused = true)]
async fn the_end_of_one_session_is_not_the_end_of_another() {
    let house = House::new(vec![
        live_until("alice", "x", Some(1_000_100)),
        live_until("bob", "x", Some(1_009_000)),
        live("carol", "x"),
    ]);
    for (cookie, ends) in [("a", 1_000_100), ("b", 1_009_000), ("c", 1_000_000 + 8 * 3600)] {
        assert_eq!(house.resolve(cookie).await.unwrap().ends.as_secs(), ends);
    }
    for (cookie, ends) in [("a", 1_000_100), ("b", 1_009_000), ("c", 1_000_000 + 8 * 3600)] {
        assert_eq!(house.entry(cookie).unwrap().ends.as_secs(), ends);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_server_is_waited_for_as_long_as_configured_and_no_longer() {
    for timeout in [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(7)] {
        let house = House::with(vec![live("alice", "x")], Duration::from_secs(86_400 * 6), |rules| {
            rules.timeout = timeout;
        });
        let began = Instant::now();
        assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SourceUnavailable);
        let took = began.elapsed();
        assert!(took >= timeout.mul_f32(0.9) && took <= timeout.mul_f32(1.1), "{took:?} for {timeout:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_subject_is_the_same_when_the_server_issues_anew() {
    let issued = |at: u64| {
        let serde_json::Value::Object(session) =
            json!({ "sub": "alice", "roles": ["x"], "iat": at, "jti": at.to_string(), "exp": at + 3600 })
        else {
            panic!("an object was written")
        };
        Ok(Verdict::Live(Box::new(Answer { session, userinfo: None, ends: None, new_cookie: None })))
    };
    let house = House::new(vec![issued(1_000_000), issued(1_000_031)]);
    let first = house.resolve("one").await.unwrap();
    house.clock.advance(Duration::from_secs(31));
    let second = house.resolve("one").await.unwrap();
    assert_eq!(house.calls(), 2);
    assert_eq!((&first.identity.subject, &first.sid), (&second.identity.subject, &second.sid));
    assert_eq!(first.identity, second.identity, "nothing about the caller changed");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_takes_ten_seconds_is_one_refresh() {
    let house = Arc::new(House::with(vec![live("alice", "x")], Duration::from_secs(10), |rules| {
        rules.timeout = Duration::from_secs(15);
    }));
    house.resolve("one").await.unwrap();
    house.clock.advance(Duration::from_secs(25));
    let mut requests = JoinSet::new();
    for n in 0..100 {
        let house = Arc::clone(&house);
        requests.spawn(async move {
            tokio::time::sleep(Duration::from_millis(n * 95)).await;
            let (key, credential) = house.ask("one");
            house.sessions.refresh(key, credential, CLIENT);
            house.resolve("one").await.map(|_| ())
        });
    }
    while let Some(outcome) = requests.join_next().await {
        outcome.unwrap().unwrap();
    }
    assert_eq!(house.calls(), 2, "the first look-up and one refresh");
}

#[tokio::test(start_paused = true)]
async fn the_first_of_a_hundred_leaves_and_the_others_are_served_by_one_call() {
    let house = Arc::new(House::new(vec![live("alice", "x")]));
    let mut requests = Vec::new();
    for _ in 0..100 {
        let house = Arc::clone(&house);
        requests.push(tokio::spawn(async move { house.resolve("one").await.map(|_| ()) }));
        tokio::task::yield_now().await;
    }
    requests[0].abort();
    let mut served = 0;
    for request in requests.drain(1..) {
        request.await.unwrap().unwrap();
        served += 1;
    }
    assert_eq!((served, house.calls()), (99, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_who_wait_for_a_hanging_server_are_told_within_one_time_out() {
    let house = Arc::new(House::with(vec![live("alice", "x")], Duration::from_secs(3600), |_| {}));
    let began = Instant::now();
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let house = Arc::clone(&house);
        requests.spawn(async move { house.resolve("one").await.map(|_| ()) });
    }
    while let Some(outcome) = requests.join_next().await {
        assert_eq!(outcome.unwrap().unwrap_err(), Refusal::SourceUnavailable);
    }
    assert!(began.elapsed() <= Duration::from_secs(2).mul_f32(1.2), "{:?}", began.elapsed());
    assert_eq!(house.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_cookies_do_not_keep_others_from_logging_in_while_the_server_takes_five_seconds()
{
    let house = Arc::new(House::with(vec![live("alice", "x")], Duration::from_secs(5), |rules| {
        rules.timeout = Duration::from_secs(12);
    }));
    house.resolve("warm").await.unwrap();
    let mut flood = JoinSet::new();
    for n in 0..10_000 {
        let house = Arc::clone(&house);
        flood.spawn(async move { house.resolve(&format!("random-{n}")).await.map(|_| ()) });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let began = Instant::now();
    let mut guests = JoinSet::new();
    for n in 0..50 {
        let house = Arc::clone(&house);
        guests.spawn(async move {
            let (key, credential) = house.ask(&format!("newcomer-{n}"));
            house.sessions.resolve(key, credential, [192, 0, 2, n].into()).await.map(|_| ())
        });
    }
    assert!(house.entry("warm").is_some());
    while let Some(outcome) = guests.join_next().await {
        outcome.unwrap().unwrap();
    }
    assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
    house.clock.advance(Duration::from_secs(31));
    assert!(house.resolve("warm").await.is_ok());
    flood.abort_all();
}
