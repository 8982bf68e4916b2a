//! The session rules, with a scripted authorization server and simulated time.

use std::{
    net::IpAddr,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign::{Secret, UnixTime};
use serde_json::json;

use super::{
    Memory, Parts, Rules, Sessions,
    cache::Entry,
    flight::Outcome,
    gate::Places,
    key::{SessionKey, SessionKeyer},
    source::{Answer, Asking, Source, Touching, Verdict},
};
use crate::{
    clock::ManualClock,
    config::resolved::ClaimsConfig,
    credential::{CredentialRules, OwnedCredential},
    error::{Refusal, SourceError},
    identity::Mapping,
    observe::{Observer, SourceLabel},
    tasks::Tasks,
    testing,
};

mod changed;
mod defects;
mod kept_alive;
mod late;
mod outage;
mod revoked;
mod rotation;
mod shared;
mod taken_away;
mod verdicts;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Answers from a script; the last line is repeated.
#[derive(Debug)]
struct Script {
    calls: AtomicUsize,
    /// How often it was told that a session is in use.
    told: AtomicUsize,
    takes: Duration,
    answers: Mutex<Vec<Result<Verdict, SourceError>>>,
}

impl Source for Script {
    fn ask<'a>(&'a self, _: &'a Arc<OwnedCredential>, _: UnixTime) -> Asking<'a> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let takes = self.takes;
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            answer
        })
    }

    fn keep_alive<'a>(&'a self, _: &'a OwnedCredential) -> Option<Touching<'a>> {
        self.told.fetch_add(1, Ordering::SeqCst);
        Some(Box::pin(async { Ok(()) }))
    }
}

fn live(subject: &str, role: &str) -> Result<Verdict, SourceError> {
    live_until(subject, role, None)
}

fn live_until(subject: &str, role: &str, ends: Option<u64>) -> Result<Verdict, SourceError> {
    let serde_json::Value::Object(session) = json!({ "sub": subject, "roles": [role] }) else {
        panic!("an object was written")
    };
    Ok(Verdict::Live(Box::new(Answer {
        session,
        userinfo: None,
        ends: ends.map(UnixTime::from_secs),
        new_cookie: None,
    })))
}

fn down() -> Result<Verdict, SourceError> {
    Err(SourceError::Unavailable("connection refused".to_owned()))
}

struct House {
    sessions: Arc<Sessions>,
    source: Arc<Script>,
    clock: Arc<ManualClock>,
}

impl House {
    fn new(answers: Vec<Result<Verdict, SourceError>>) -> Self {
        Self::with(answers, Duration::from_millis(100), |_| {})
    }

    fn with(
        answers: Vec<Result<Verdict, SourceError>>,
        takes: Duration,
        change: impl Fn(&mut Rules),
    ) -> Self {
        Self::built(answers, takes, change, b"settings", |memory| memory)
    }

    fn built(
        answers: Vec<Result<Verdict, SourceError>>,
        takes: Duration,
        change: impl Fn(&mut Rules),
        settings: &[u8],
        equip: impl FnOnce(Memory) -> Memory,
    ) -> Self {
        let n = |n| NonZeroUsize::new(n).unwrap();
        let mut rules = Rules {
            recheck: Duration::from_secs(30),
            max_age: Duration::from_secs(8 * 3600),
            timeout: Duration::from_secs(2),
            max_waiters: n(16_384),
            stale_if_error: None,
        };
        change(&mut rules);
        let source = Arc::new(Script {
            calls: AtomicUsize::new(0),
            told: AtomicUsize::new(0),
            takes,
            answers: Mutex::new(answers),
        });
        let clock = Arc::new(ManualClock::at(1_000_000));
        let places = Places { all: n(256), per_client: n(32) };
        let sessions = Arc::new(Sessions::new(Parts {
            rules,
            keyer: SessionKeyer::new(&Secret::new([1; 32]), settings),
            memory: Arc::new(equip(Memory::new(n(4000), places, Tasks::default()))),
            source: source.clone(),
            mapping: Mapping::new(&ClaimsConfig::default()),
            clock: clock.clone(),
            observer: Observer::without_files(),
            label: SourceLabel::Introspection,
        }));
        Self { sessions, source, clock }
    }

    /// From here on the server answers this.
    fn server(&self, answer: Result<Verdict, SourceError>) {
        *self.source.answers.lock().unwrap() = vec![answer];
    }

    fn calls(&self) -> usize {
        self.source.calls.load(Ordering::SeqCst)
    }

    fn ask(&self, cookie: &str) -> (SessionKey, OwnedCredential) {
        let fields = testing::fields(&[("cookie", &format!("S={cookie}"))]);
        let rules = CredentialRules::new(Some("S"), false);
        let credential = rules.find(&fields).unwrap().unwrap();
        (self.sessions.keyer.key(&credential), credential.to_owned())
    }

    async fn resolve(&self, cookie: &str) -> Outcome {
        let (key, credential) = self.ask(cookie);
        self.sessions.resolve(key, credential, CLIENT).await
    }

    fn entry(&self, cookie: &str) -> Option<Arc<Entry>> {
        self.sessions.cache().find(&self.ask(cookie).0)
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_requests_on_one_new_session_are_one_call() {
    let house = Arc::new(House::new(vec![live("alice", "editor")]));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10_000 {
        let house = Arc::clone(&house);
        tasks.spawn(async move { house.resolve("one").await.unwrap().identity.subject.clone() });
    }
    while let Some(subject) = tasks.join_next().await {
        assert_eq!(subject.unwrap(), "alice");
    }
    assert_eq!(house.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_survives_the_client_that_started_it() {
    let house = House::new(vec![live("alice", "editor")]);
    let (key, credential) = house.ask("one");
    let first = tokio::spawn({
        let sessions = Arc::clone(&house.sessions);
        async move { sessions.resolve(key, credential, CLIENT).await.is_ok() }
    });
    tokio::task::yield_now().await;
    first.abort();
    assert!(house.resolve("one").await.is_ok());
    assert_eq!(house.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiters_on_a_hanging_server_share_one_failure_within_one_time_out() {
    let house = Arc::new(House::with(vec![live("alice", "x")], Duration::from_secs(3600), |_| {}));
    let began = tokio::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let house = Arc::clone(&house);
        tasks.spawn(async move { house.resolve("one").await.unwrap_err() });
    }
    while let Some(refusal) = tasks.join_next().await {
        assert_eq!(refusal.unwrap(), Refusal::SourceUnavailable);
    }
    assert_eq!(house.calls(), 1);
    assert!(began.elapsed() < Duration::from_millis(2_100), "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_waits_to_be_signed_for_is_counted() {
    let house = House::with(Vec::new(), Duration::ZERO, |rules| {
        rules.max_waiters = NonZeroUsize::new(2).unwrap();
    });
    let first = house.sessions.place_to_sign();
    let second = house.sessions.place_to_sign();
    assert!(first.is_some() && second.is_some() && house.sessions.place_to_sign().is_none());
    drop(first);
    assert!(house.sessions.place_to_sign().is_some());
}

#[tokio::test(start_paused = true)]
async fn waiters_are_bounded() {
    let house = Arc::new(House::with(vec![live("alice", "x")], Duration::from_secs(1), |rules| {
        rules.max_waiters = NonZeroUsize::new(2).unwrap();
    }));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let house = Arc::clone(&house);
        tasks.spawn(async move { house.resolve("one").await.map(|_| ()) });
    }
    let mut refused = 0;
    while let Some(outcome) = tasks.join_next().await {
        match outcome.unwrap() {
            Ok(()) => {}
            Err(refusal) => {
                assert_eq!(refusal, Refusal::TooManyLookups);
                refused += 1;
            }
        }
    }
    assert_eq!((house.calls(), refused), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_no_is_remembered_for_two_seconds() {
    let house = House::new(vec![Ok(Verdict::No(None))]);
    for _ in 0..3 {
        assert_eq!(house.resolve("gone").await.unwrap_err(), Refusal::SessionEnded);
    }
    assert_eq!(house.calls(), 1);
    house.clock.advance(Duration::from_secs(2));
    assert_eq!(house.resolve("gone").await.unwrap_err(), Refusal::SessionEnded);
    assert_eq!(house.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_never_remembered_and_never_a_verdict() {
    let house = House::new(vec![down(), Err(SourceError::Nonsense("html".to_owned())), live("alice", "x")]);
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SourceUnavailable);
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SourceNonsense);
    assert!(house.resolve("one").await.is_ok());
    assert_eq!(house.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_outage_leaves_a_known_session_where_it_is() {
    let house = House::new(vec![live("alice", "x"), down(), live("alice", "x")]);
    let first = house.resolve("one").await.unwrap();
    house.clock.advance(Duration::from_secs(31));
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SourceUnavailable);
    assert!(house.entry("one").is_some());
    let again = house.resolve("one").await.unwrap();
    assert_eq!(first.sid, again.sid);
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_pauses_the_next() {
    let house = House::new(vec![live("alice", "x"), down()]);
    house.resolve("one").await.unwrap();
    house.clock.advance(Duration::from_secs(25));
    for _ in 0..5 {
        let (key, credential) = house.ask("one");
        house.sessions.refresh(key, credential, CLIENT);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert_eq!(house.calls(), 2);
    house.clock.advance(Duration::from_secs(1));
    let (key, credential) = house.ask("one");
    house.sessions.refresh(key, credential, CLIENT);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(house.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_no_for_a_live_session_ends_it() {
    let house = House::new(vec![live("alice", "x"), Ok(Verdict::No(None))]);
    house.resolve("one").await.unwrap();
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SessionEnded);
    assert!(house.entry("one").is_none());
}

#[tokio::test(start_paused = true)]
async fn another_subject_under_the_same_cookie_is_another_session() {
    let house = House::new(vec![live("alice", "x"), live("bob", "x")]);
    let alice = house.resolve("one").await.unwrap();
    assert_eq!(house.resolve("one").await.unwrap_err(), Refusal::SessionEnded);
    house.clock.advance(Duration::from_secs(3));
    let bob = house.resolve("one").await.unwrap();
    assert_eq!(bob.identity.subject, "bob");
    assert_ne!(alice.sid, bob.sid);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_the_server_says_or_after_max_age_from_first_sight() {
    let house = House::new(vec![live_until("alice", "x", Some(1_000_100)), live("alice", "x")]);
    assert_eq!(house.resolve("one").await.unwrap().ends.as_secs(), 1_000_100);

    let house = House::new(vec![live("alice", "x")]);
    let ends = house.resolve("two").await.unwrap().ends;
    assert_eq!(ends.as_secs(), 1_000_000 + 8 * 3600);
    house.clock.advance(Duration::from_secs(1000));
    assert_eq!(house.resolve("two").await.unwrap().ends, ends);
    // The assumed end has come, and the server still says that the session lives: nobody is logged out.
    house.clock.advance(Duration::from_secs(8 * 3600));
    let again = house.resolve("two").await.unwrap();
    assert_eq!(again.ends.as_secs(), 1_000_000 + 1000 + 2 * 8 * 3600);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_during_a_look_up_logs_nobody_out() {
    for (before, after) in [(1_000_000, 1_000_000 + 40 * 24 * 3600), (1_000_000, 1000)] {
        let house = House::new(vec![live("alice", "x")]);
        house.clock.set_wall(before);
        for _ in ["a new session", "one that is known"] {
            let jump = async {
                tokio::task::yield_now().await;
                house.clock.set_wall(after);
            };
            let (outcome, ()) = tokio::join!(house.resolve("one"), jump);
            let ends = outcome.unwrap().ends.as_secs();
            assert!((after..=after.max(before) + 8 * 3600).contains(&ends), "{ends}");
            assert!(house.resolve("one").await.is_ok());
            house.clock.advance(Duration::from_secs(31));
            house.clock.set_wall(before);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_credentials_leaves_known_sessions_alone() {
    let house = Arc::new(House::with(vec![live("alice", "x")], Duration::from_millis(1900), |_| {}));
    house.resolve("warm").await.unwrap();
    let mut flood = tokio::task::JoinSet::new();
    for n in 0..10_000 {
        let house = Arc::clone(&house);
        flood.spawn(async move { house.resolve(&format!("random-{n}")).await.map(|_| ()) });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    house.clock.advance(Duration::from_secs(31));
    assert!(house.resolve("warm").await.is_ok());
    // Another address gets its turn although thousands of the flood wait.
    let (key, credential) = house.ask("newcomer");
    let newcomer = house.sessions.resolve(key, credential, IpAddr::from([127, 0, 0, 9])).await;
    assert!(newcomer.is_ok());
    let mut refused = 0;
    while let Some(outcome) = flood.join_next().await {
        if let Err(refusal) = outcome.unwrap() {
            // Those that got a place late ran out of time; none was judged.
            assert!(matches!(refusal, Refusal::TooManyLookups | Refusal::SourceUnavailable), "{refusal:?}");
            refused += 1;
        }
    }
    assert!(refused > 9_000, "{refused}");
}
