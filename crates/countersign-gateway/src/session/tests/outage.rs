//! The server cannot be asked: who is served, who is told to come again, and how it is found out that it is back.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{House, down, live, live_until};
use crate::{
    clock::Clock,
    error::{Refusal, SourceError},
    session::{
        breaker::OPENS_AFTER,
        cache::{Entry, Freshness},
        source::Verdict,
    },
};

const TAKES: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Ten minutes of `stale_if_error`.
fn patient() -> House {
    House::with(vec![live("alice", "x")], TAKES, |rules| rules.stale_if_error = Some(10 * MINUTE))
}

fn is_stale(house: &House, entry: &Entry) -> bool {
    entry.freshness(house.sessions.rules.recheck, house.clock.now()) == Freshness::Stale
}

/// Lets look-ups that nobody waits for end.
async fn settle() {
    tokio::time::sleep(secs(3)).await;
}

#[tokio::test(start_paused = true)]
async fn without_stale_if_error_an_outage_is_503_from_recheck_on_and_ends_nothing() {
    for outage in [
        SourceError::Unavailable("connection refused".to_owned()),
        SourceError::Timeout,
        SourceError::Nonsense("html".to_owned()),
        SourceError::RefusesUs("401".to_owned()),
    ] {
        let house = House::new(vec![live("alice", "x")]);
        let before = house.resolve("one").await.unwrap();
        house.server(Err(outage.clone()));
        house.clock.advance(secs(30));
        let refusal = house.resolve("one").await.unwrap_err();
        assert_eq!((refusal, refusal.row().status.as_u16()), (Refusal::from(&outage), 503));
        assert!(refusal.row().retry_after.is_some());
        assert_eq!(house.entry("one").unwrap().sid, before.sid, "the session is still known");
        house.server(live("alice", "x"));
        assert_eq!(house.resolve("one").await.unwrap().sid, before.sid);
    }
}

#[tokio::test(start_paused = true)]
async fn with_stale_if_error_the_last_answer_is_served_until_the_ceiling_and_not_a_second_longer() {
    let house = patient();
    let before = house.resolve("one").await.unwrap();
    house.server(down());
    for _ in 0..19 {
        house.clock.advance(secs(30));
        let entry = house.resolve("one").await.unwrap();
        assert!(is_stale(&house, &entry) && entry.sid == before.sid, "served, and not taken for fresh");
        settle().await;
    }
    house.clock.advance(secs(29));
    assert!(house.resolve("one").await.is_ok());
    settle().await;
    house.clock.advance(secs(1));
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SourceUnavailable);
    assert!(house.entry("one").is_some(), "not logged out");
}

#[tokio::test(start_paused = true)]
async fn a_stale_session_is_never_served_past_its_end() {
    let house = patient();
    house.server(live_until("alice", "x", Some(1_000_090)));
    house.resolve("one").await.unwrap();
    house.server(down());
    house.clock.advance(secs(89));
    assert!(house.resolve("one").await.is_ok());
    settle().await;
    house.clock.advance(secs(1));
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SourceUnavailable);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ended_is_never_served_in_an_outage() {
    let house = patient();
    house.resolve("one").await.unwrap();
    house.clock.advance(secs(31));
    house.server(Ok(Verdict::No(None)));
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SessionEnded);
    house.server(down());
    house.clock.advance(secs(3));
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SourceUnavailable);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_credential_is_never_served_in_an_outage() {
    let house = patient();
    house.resolve("one").await.unwrap();
    house.server(down());
    assert_eq!(house.resolve("another").await.unwrap_err(), Refusal::SourceUnavailable);
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_one_request_waits_for_the_hanging_server_and_the_next_ones_do_not() {
    let house = House::with(vec![live("alice", "x")], TAKES, |rules| {
        rules.stale_if_error = Some(10 * MINUTE);
    });
    house.resolve("one").await.unwrap();
    house.server(Err(SourceError::Timeout));
    house.clock.advance(secs(31));
    house.resolve("one").await.unwrap();
    for _ in 0..20 {
        let began = tokio::time::Instant::now();
        house.resolve("one").await.unwrap();
        assert!(began.elapsed().is_zero());
        house.clock.advance(secs(2));
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_good_answer_after_an_outage_counts_at_once() {
    let house = patient();
    house.resolve("one").await.unwrap();
    house.server(down());
    house.clock.advance(secs(31));
    house.resolve("one").await.unwrap();
    house.server(Ok(Verdict::No(None)));
    house.clock.advance(secs(2));
    // Served while it is asked about, and then it is over.
    assert!(house.resolve("one").await.is_ok());
    settle().await;
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SessionEnded);
    assert!(house.entry("one").is_none());
}

/// Opens the breaker with failures about as many sessions as it takes.
async fn break_it(house: &House) {
    for n in 0..OPENS_AFTER {
        house.resolve(&format!("known-{n}")).await.unwrap();
    }
    house.server(down());
    house.clock.advance(secs(31));
    for n in 0..OPENS_AFTER {
        house.resolve(&format!("known-{n}")).await.unwrap_err();
    }
    assert!(house.sessions.source_is_failing());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_left_alone_but_for_one_probe_in_a_pause() {
    let house = House::new(vec![live("alice", "x")]);
    break_it(&house).await;
    let calls = house.calls();
    for n in 0..1000 {
        assert_eq!(house.resolve(&format!("new-{n}")).await.unwrap_err(), Refusal::SourceUnavailable);
    }
    assert_eq!(house.calls(), calls, "nothing was asked");
    // All come from one address: a second later than the pause ends.
    house.clock.advance(secs(3));
    for n in 0..1000 {
        house.resolve(&format!("newer-{n}")).await.unwrap_err();
    }
    assert_eq!(house.calls(), calls + 1, "one probe");
    house.server(live("alice", "x"));
    house.clock.advance(secs(3));
    assert!(house.resolve("known-0").await.is_ok());
    assert!(!house.sessions.source_is_failing());
    assert!(house.resolve("known-1").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_credential_the_server_chokes_on_keeps_nobody_else_from_being_asked_about() {
    let house = House::new(vec![Err(SourceError::Nonsense("a page".to_owned()))]);
    for n in 0..100 {
        house.resolve("poison").await.unwrap_err();
        house.resolve(&format!("poison-{n}")).await.unwrap_err();
    }
    house.server(live("alice", "x"));
    let calls = house.calls();
    assert!(house.resolve("new").await.is_ok());
    assert_eq!(house.calls(), calls + 1);
}

#[tokio::test(start_paused = true)]
async fn sessions_come_back_after_an_outage_without_a_stampede() {
    let house = Arc::new(House::with(vec![live("alice", "x")], Duration::from_millis(20), |rules| {
        rules.stale_if_error = Some(10 * MINUTE);
    }));
    const SESSIONS: usize = 900;
    for n in 0..SESSIONS {
        house.resolve(&format!("s{n}")).await.unwrap();
    }
    house.server(down());
    house.clock.advance(MINUTE);
    for n in 0..SESSIONS {
        house.resolve(&format!("s{n}")).await.unwrap();
    }
    let calls = house.calls();
    assert!(calls - SESSIONS <= 10, "{calls}");
    // It is back, and everybody comes at once, ten requests each.
    house.server(live("alice", "x"));
    house.clock.advance(secs(7));
    let mut everybody = tokio::task::JoinSet::new();
    for n in 0..SESSIONS * 10 {
        let house = Arc::clone(&house);
        everybody.spawn(async move { house.resolve(&format!("s{}", n % SESSIONS)).await.map(|_| ()) });
    }
    while let Some(outcome) = everybody.join_next().await {
        outcome.unwrap().unwrap();
    }
    house.clock.advance(secs(2));
    for n in 0..SESSIONS {
        house.resolve(&format!("s{n}")).await.unwrap();
    }
    settle().await;
    let again = house.calls() - calls;
    assert!(again <= SESSIONS + 10, "one look-up for each session, not one for each request: {again}");
    // And their next rechecks do not come in the same second.
    let recheck = house.sessions.rules.recheck;
    let ages: std::collections::BTreeSet<u64> = (0..SESSIONS)
        .filter_map(|n| house.entry(&format!("s{n}")))
        .filter_map(|entry| {
            (18..30).find(|age| {
                let mut now = house.clock.now();
                now.monotonic = crate::clock::Moment::from_millis(entry.asked_at.as_millis() + age * 1000);
                entry.freshness(recheck, now) == Freshness::Aging
            })
        })
        .collect();
    assert!(ages.len() >= 6, "{ages:?}");
}

#[tokio::test(start_paused = true)]
async fn the_gateway_needs_no_server_to_start() {
    let house = House::new(vec![down()]);
    let client = IpAddr::from([192, 0, 2, 1]);
    let (key, credential) = house.ask("one");
    let refused = house.sessions.resolve(key, credential, client).await.unwrap_err();
    assert_eq!(refused, Refusal::SourceUnavailable);
    house.server(live("alice", "x"));
    assert!(house.resolve("one").await.is_ok());
}
