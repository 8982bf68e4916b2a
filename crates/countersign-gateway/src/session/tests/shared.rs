//! Two gateways and the cache between them, which anybody may read and write.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign::revocation::Target;

use super::{House, down, live, live_until};
use crate::{
    clock::Clock,
    error::{Refusal, SourceError},
    revocation::{Demand, RevocationReason},
    session::{
        cache::Freshness,
        shared::{Found, SharedCache, Unread},
        source::Verdict,
    },
};

/// A cache whose content a test can look at and change, and that a test can make silent.
#[derive(Debug, Default)]
pub(super) struct Open(pub(super) Mutex<BTreeMap<String, Vec<u8>>>, pub(super) AtomicBool);

impl SharedCache for Open {
    fn find<'a>(&'a self, name: &'a str) -> Found<'a> {
        Box::pin(async move {
            if self.1.load(Ordering::SeqCst) {
                return Err(Unread);
            }
            Ok(self.0.lock().unwrap().get(name).cloned())
        })
    }

    fn keep(&self, name: String, value: Vec<u8>, _: Duration) {
        self.0.lock().unwrap().insert(name, value);
    }

    fn forget(&self, name: String) {
        self.0.lock().unwrap().remove(&name);
    }
}

impl Open {
    fn only(&self) -> (String, Vec<u8>) {
        let kept = self.0.lock().unwrap();
        assert_eq!(kept.len(), 1);
        kept.iter().map(|(name, value)| (name.clone(), value.clone())).next().unwrap()
    }

    fn put(&self, name: &str, value: Vec<u8>) {
        self.0.lock().unwrap().insert(name.to_owned(), value);
    }
}

fn gateway(cache: &Arc<Open>, answers: Vec<Result<Verdict, SourceError>>) -> House {
    asking(cache, answers, b"settings")
}

fn asking(cache: &Arc<Open>, answers: Vec<Result<Verdict, SourceError>>, settings: &[u8]) -> House {
    let shared: Arc<dyn SharedCache> = cache.clone();
    let house = House::built(
        answers,
        Duration::from_millis(10),
        |_| {},
        settings,
        |memory| memory.with_shared(Some(shared)),
    );
    house.clock.advance(Duration::from_secs(100));
    house
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn what_one_gateway_asked_another_need_not_ask() {
    let cache = Arc::new(Open::default());
    let (one, other) = (gateway(&cache, vec![live("alice", "x")]), gateway(&cache, vec![down()]));
    let first = one.resolve("c").await.unwrap();
    let second = other.resolve("c").await.unwrap();
    assert_eq!((one.calls(), other.calls()), (1, 0));
    assert_eq!((&first.sid, &first.identity, first.ends), (&second.sid, &second.identity, second.ends));
}

#[tokio::test(start_paused = true)]
async fn reading_never_makes_an_answer_fresh() {
    let cache = Arc::new(Open::default());
    let one = gateway(&cache, vec![live("alice", "x")]);
    one.resolve("c").await.unwrap();
    let mut readers = Vec::new();
    for age in [0, 5, 10, 16] {
        let reader = gateway(&cache, vec![down()]);
        reader.clock.advance(seconds(age));
        let entry = reader.resolve("c").await.unwrap();
        let left = seconds(30 - age);
        readers.push((reader, entry, left));
    }
    for (reader, entry, left) in &readers {
        reader.clock.advance(*left);
        assert_eq!(reader.sessions.freshness(entry, reader.clock.now()), Freshness::Stale);
    }
    let late = gateway(&cache, vec![down()]);
    late.clock.advance(seconds(18));
    assert_eq!(late.resolve("c").await.unwrap_err(), Refusal::SourceUnavailable, "too old to be used at all");
    assert_eq!(late.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_the_future_is_none() {
    let cache = Arc::new(Open::default());
    let ahead = gateway(&cache, vec![live("alice", "x")]);
    ahead.clock.advance(seconds(5));
    ahead.resolve("c").await.unwrap();
    assert!(gateway(&cache, vec![down()]).resolve("c").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_end_has_come_is_none() {
    let cache = Arc::new(Open::default());
    gateway(&cache, vec![live_until("alice", "x", Some(1_000_105))]).resolve("c").await.unwrap();
    let reader = gateway(&cache, vec![down()]);
    reader.clock.advance(seconds(6));
    assert!(reader.resolve("c").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_reads_the_cache_learns_nothing_and_who_writes_it_becomes_nobody() {
    let cache = Arc::new(Open::default());
    gateway(&cache, vec![live("alice", "editor")]).resolve("the-cookie-of-alice").await.unwrap();
    let (name, value) = cache.only();
    for part in ["alice", "editor", "cookie", "roles"] {
        assert!(!name.contains(part) && !String::from_utf8_lossy(&value).contains(part), "{part}");
    }
    for at in 0..value.len() {
        let mut changed = value.clone();
        changed[at] ^= 1;
        cache.put(&name, changed);
        let reader = gateway(&cache, vec![down()]);
        assert!(reader.resolve("the-cookie-of-alice").await.is_err(), "byte {at}");
        assert_eq!(reader.calls(), 1, "the server was asked");
        cache.put(&name, value[..at].to_vec());
        assert!(gateway(&cache, vec![down()]).resolve("the-cookie-of-alice").await.is_err(), "{at} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_moved_to_another_credential_is_none() {
    let cache = Arc::new(Open::default());
    let one = gateway(&cache, vec![live("alice", "admin")]);
    one.resolve("alices").await.unwrap();
    let (_, value) = cache.only();
    // Mallory knows her own cookie and the name it has in the cache.
    let name = one.ask("mallorys").0.name();
    cache.put(&name, value);
    let reader = gateway(&cache, vec![live("mallory", "x")]);
    assert_eq!(reader.resolve("mallorys").await.unwrap().identity.subject, "mallory");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_another_question_is_none() {
    let cache = Arc::new(Open::default());
    let one = asking(&cache, vec![live("alice", "x")], b"one server");
    one.resolve("c").await.unwrap();
    let (_, value) = cache.only();
    let other = asking(&cache, vec![down()], b"another server");
    cache.put(&other.ask("c").0.name(), value);
    assert!(other.resolve("c").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_put_back_is_as_old_as_it_was() {
    let cache = Arc::new(Open::default());
    let one = gateway(&cache, vec![live("alice", "admin"), live("alice", "viewer")]);
    one.resolve("c").await.unwrap();
    let (name, old) = cache.only();
    one.clock.advance(seconds(31));
    one.resolve("c").await.unwrap();
    cache.put(&name, old);
    let reader = gateway(&cache, vec![live("alice", "viewer")]);
    reader.clock.advance(seconds(31));
    let roles = &reader.resolve("c").await.unwrap().identity.roles;
    assert!(roles.iter().any(|role| role.as_str() == "viewer") && reader.calls() == 1);
    // Nor does it take the place of a newer one that is known.
    let knows = gateway(&cache, vec![live("alice", "viewer")]);
    knows.clock.advance(seconds(10));
    knows.resolve("d").await.unwrap();
    assert_eq!(knows.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_no_is_forgotten_by_all_and_a_revoked_session_is_refused_whatever_the_cache_says() {
    let (ledger, cache) = (super::changed::ledger(), Arc::new(Open::default()));
    let gateway = |answers| super::changed::with_cache(&ledger, Some(&cache), answers);
    let one = gateway(vec![live("alice", "x"), Ok(Verdict::No(None))]);
    let sid = one.resolve("c").await.unwrap().sid.clone();
    let (name, value) = cache.only();
    one.clock.advance(seconds(31));
    one.resolve("c").await.unwrap_err();
    tokio::time::sleep(seconds(1)).await;
    assert!(cache.0.lock().unwrap().is_empty());

    // Somebody puts the answer back, and the session was logged out at a gateway.
    cache.put(&name, value);
    let demand = Demand::new(Target::Session(sid), RevocationReason::LogOut);
    ledger.revoke(demand, countersign::UnixTime::from_secs(1_000_100)).await.unwrap();
    let reader = gateway(vec![live("alice", "x")]);
    assert_eq!(reader.resolve("c").await.unwrap_err(), Refusal::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_cookie_that_was_replaced_has_the_same_session_at_every_gateway() {
    let cache = Arc::new(Open::default());
    let Ok(Verdict::Live(mut answer)) = live("alice", "x") else { panic!("live was written") };
    let field = http::HeaderValue::from_static("S=new");
    answer.new_cookie =
        crate::session::source::new_cookie(&[field], "S", countersign::UnixTime::from_secs(0));
    let one = gateway(&cache, vec![Ok(Verdict::Live(answer))]);
    let before = one.resolve("old").await.unwrap();
    let after = gateway(&cache, vec![down()]).resolve("new").await.unwrap();
    assert_eq!(before.sid, after.sid);
}
