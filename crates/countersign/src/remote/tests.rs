mod endpoint;

pub(super) use self::endpoint::serve_requests;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::time::{Instant, advance, sleep};

use super::{FetchError, RemoteKeys, fetch::Fetch, fetch::Fetched};
use crate::{Clock, KeyId, KeySet, KeySource, SigningKey, UnixTime, jws::Algorithm};

/// The time of day moves with the simulated clock.
#[derive(Debug)]
struct Simulated(Instant);

impl Clock for Simulated {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_000_000).saturating_add(self.0.elapsed())
    }
}

#[derive(Clone, Default)]
struct Endpoint(Arc<State>);

#[derive(Default)]
struct State {
    keys: Mutex<KeySet>,
    down: Mutex<bool>,
    fetches: AtomicU64,
    takes: Mutex<Duration>,
    /// The set is said to be the same as before.
    tagged: Mutex<bool>,
}

impl Endpoint {
    fn fetches(&self) -> u64 {
        self.0.fetches.load(Ordering::Relaxed)
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let keys = keys.iter().map(|key| key.verifying_key().unwrap());
        *self.0.keys.lock().unwrap() = KeySet::new(keys).unwrap();
    }

    fn set_down(&self, down: bool) {
        *self.0.down.lock().unwrap() = down;
    }
}

impl Fetch for Endpoint {
    async fn fetch(&mut self) -> Result<Fetched, FetchError> {
        self.0.fetches.fetch_add(1, Ordering::Relaxed);
        let takes = *self.0.takes.lock().unwrap();
        sleep(takes).await;
        if *self.0.down.lock().unwrap() {
            return Err(FetchError::Status(StatusCode::INTERNAL_SERVER_ERROR));
        }
        let keys = self.0.keys.lock().unwrap().clone();
        let unchanged = *self.0.tagged.lock().unwrap();
        Ok(Fetched { keys: (!unchanged).then_some(keys), max_age: None })
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).unwrap()
}

fn id(key: &SigningKey) -> KeyId {
    key.key_id().unwrap().clone()
}

fn start(endpoint: &Endpoint) -> RemoteKeys {
    let clock = Arc::new(Simulated(Instant::now()));
    let mut builder = RemoteKeys::builder().clock(clock);
    builder.chance = || 0.0;
    builder.start_with(endpoint.clone()).unwrap()
}

fn count(keys: &RemoteKeys) -> usize {
    keys.published().current(keys.shared.clock.now()).map_or(0, |keys| keys.len())
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn start_does_not_wait_for_the_issuer_and_recovers_when_it_comes() {
    let endpoint = Endpoint::default();
    endpoint.set_down(true);
    let keys = start(&endpoint);
    assert!(!keys.ready(10 * SECOND).await);
    assert_eq!(count(&keys), 0);
    let record = keys.fetches();
    assert!(record.is_failing && record.failed >= 3 && record.last_success.is_none(), "{record:?}");
    assert!(keys.failure().is_some_and(|why| !why.is_empty()));
    endpoint.publish(&[&key()]);
    endpoint.set_down(false);
    assert!(keys.ready(60 * SECOND).await);
    assert_eq!(keys.failure(), None);
    assert!(endpoint.fetches() < 8, "{}", endpoint.fetches());
}

#[tokio::test(start_paused = true)]
async fn a_hanging_endpoint_is_given_up_and_asked_again() {
    let endpoint = Endpoint::default();
    endpoint.publish(&[&key()]);
    *endpoint.0.takes.lock().unwrap() = 3600 * SECOND;
    let keys = start(&endpoint);
    assert!(!keys.ready(30 * SECOND).await);
    assert!((3..=6).contains(&endpoint.fetches()), "{}", endpoint.fetches());
    *endpoint.0.takes.lock().unwrap() = Duration::ZERO;
    assert!(keys.ready(60 * SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_noticed_at_its_first_token() {
    let (old, new) = (key(), key());
    let endpoint = Endpoint::default();
    endpoint.publish(&[&old]);
    let keys = start(&endpoint);
    assert!(keys.ready(SECOND).await);
    endpoint.publish(&[&old, &new]);
    *endpoint.0.takes.lock().unwrap() = SECOND;
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let (keys, id) = (keys.clone(), id(&new));
            tokio::spawn(async move { keys.look_for(&id).await })
        })
        .collect();
    for found in waiting {
        assert!(found.await.unwrap());
    }
    assert_eq!(endpoint.fetches(), 2, "all of them share one fetch");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_invented_keys_costs_four_fetches_in_ten_seconds() {
    let endpoint = Endpoint::default();
    endpoint.publish(&[&key()]);
    let keys = start(&endpoint);
    assert!(keys.ready(SECOND).await);
    for number in 0..10_000 {
        keys.handle_unknown_key(&KeyId::from(format!("invented-{number}")));
        advance(Duration::from_millis(1)).await;
    }
    assert!((3..=5).contains(&endpoint.fetches()), "{}", endpoint.fetches());
}

#[tokio::test(start_paused = true)]
async fn last_good_keys_are_used_during_an_outage_and_not_for_ever() {
    let endpoint = Endpoint::default();
    endpoint.publish(&[&key()]);
    let keys = start(&endpoint);
    assert!(keys.ready(SECOND).await);
    endpoint.set_down(true);
    sleep(23 * 3600 * SECOND).await;
    assert_eq!(count(&keys), 1);
    let record = keys.fetches();
    assert!(record.is_failing && record.succeeded == 1, "{record:?}");
    let age = keys.shared.clock.now().saturating_since(record.last_success.unwrap());
    assert_eq!(age.as_secs() / 3600, 23);
    sleep(2 * 3600 * SECOND).await;
    assert_eq!(count(&keys), 0, "after max_stale");
    endpoint.set_down(false);
    assert!(keys.ready(61 * SECOND).await);
    assert!(!keys.fetches().is_failing);
}

#[tokio::test(start_paused = true)]
async fn the_set_is_fetched_again_before_its_end_and_a_withdrawn_key_goes() {
    let (old, new) = (key(), key());
    let endpoint = Endpoint::default();
    endpoint.publish(&[&old, &new]);
    let keys = start(&endpoint);
    assert!(keys.ready(SECOND).await);
    endpoint.publish(&[&new]);
    sleep(239 * SECOND).await;
    assert_eq!(count(&keys), 2);
    sleep(2 * SECOND).await;
    assert_eq!(count(&keys), 1);
    assert_eq!(endpoint.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_when_nobody_is_left() {
    let endpoint = Endpoint::default();
    endpoint.publish(&[&key()]);
    let keys = start(&endpoint);
    assert!(keys.ready(SECOND).await);
    drop(keys);
    sleep(3600 * SECOND).await;
    assert_eq!(endpoint.fetches(), 1);
    assert_eq!(Arc::strong_count(&endpoint.0), 1, "the task has ended");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_has_not_changed_lives_on() {
    let endpoint = Endpoint::default();
    endpoint.publish(&[&key()]);
    let keys = start(&endpoint);
    assert!(keys.ready(SECOND).await);
    let generation = keys.published().generation();
    *endpoint.0.tagged.lock().unwrap() = true;
    sleep(48 * 3600 * SECOND).await;
    assert_eq!((count(&keys), keys.published().generation()), (1, generation));
}

#[tokio::test(start_paused = true)]
async fn changed_keys_are_fetched_at_once() {
    let (old, new) = (key(), key());
    let endpoint = Endpoint::default();
    endpoint.publish(&[&old]);
    let keys = start(&endpoint);
    assert!(keys.ready(SECOND).await);
    endpoint.publish(&[&new]);
    keys.handle_keys_changed();
    sleep(Duration::from_millis(1)).await;
    assert!(keys.published().current(keys.shared.clock.now()).unwrap().find(id(&new).as_str()).is_some());
    assert_eq!(endpoint.fetches(), 2);
}
