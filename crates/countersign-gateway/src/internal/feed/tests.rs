use std::{
    future::Future as _,
    ops::RangeInclusive,
    pin::pin,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    thread::{self, ThreadId},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign::{
    UnixTime,
    revocation::{Cursor, Epoch, Target},
};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{Feed, PIECES, Pulses, Sending, Whose};
use crate::{
    clock::ManualClock,
    config::resolved::{ClientConfig, ClientKnownBy},
    entropy::{Entropy, NoEntropy, SystemEntropy},
    internal::clients::ClientTable,
    observe::Observer,
    revocation::{Demand, Ledger, Lifetimes, RevocationReason},
    store::{
        Change, RevocationRecord, Terms,
        memory::{Copy, MemoryStore},
    },
    testing,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

#[derive(Debug)]
struct Fixed;

impl countersign::Clock for Fixed {
    fn now(&self) -> UnixTime {
        NOW
    }
}

/// A feed whose clock stands still, its ledger, and the store below both.
fn feed() -> (Arc<Feed>, Arc<Ledger>, Arc<MemoryStore>) {
    feed_with(Arc::new(Fixed), Arc::new(SystemEntropy))
}

fn feed_with(
    clock: Arc<dyn countersign::Clock>,
    entropy: Arc<dyn Entropy>,
) -> (Arc<Feed>, Arc<Ledger>, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new());
    let lifetimes = Lifetimes {
        token: Duration::from_secs(300),
        session: Duration::from_secs(3600),
        spread: Duration::ZERO,
    };
    let (epoch, issuer) = (Epoch::new("first").unwrap(), "https://shop.example".into());
    let of_ledger = Arc::new(ManualClock::at(NOW.as_secs()));
    let (ledger, keeper) =
        Ledger::open(store.clone(), &epoch, issuer, lifetimes, of_ledger, Observer::without_files()).unwrap();
    tokio::spawn(keeper.run());
    let feed = Feed::new(Arc::clone(&ledger), testing::keyring(NOW), clock, entropy);
    (Arc::new(feed), ledger, store)
}

async fn revoke(ledger: &Ledger, session: &str) {
    let demand = Demand::new(Target::Session(session.into()), RevocationReason::LogOut);
    ledger.revoke(demand, NOW).await.unwrap();
}

/// Numbering and sessions of the first page.
async fn snapshot(feed: &Arc<Feed>) -> (String, Vec<String>) {
    let page = feed.page(0).await.unwrap().unwrap();
    let payload = page.split(|byte| *byte == b'.').nth(1).unwrap();
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let event = &payload["events"]["urn:countersign:event:snapshot"];
    let names =
        event["entries"].as_array().unwrap().iter().map(|entry| entry[1].as_str().unwrap().to_owned());
    (event["epoch"].as_str().unwrap().to_owned(), names.collect())
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_kept_for_the_stream_and_no_longer_than_its_numbering() {
    let (feed, ledger, store) = feed();
    revoke(&ledger, "before").await;
    let kept = snapshot(&feed).await;
    assert_eq!(kept, ("first".to_owned(), vec!["before".to_owned()]));
    revoke(&ledger, "meanwhile").await;
    assert_eq!(snapshot(&feed).await, kept, "the stream tells what came after it");
    // Another server takes over, with nothing in it.
    store.put_back(Copy::default());
    revoke(&ledger, "after").await;
    let cursor = ledger.cursor();
    assert_ne!(cursor.epoch.as_str(), "first");
    let (epoch, mut names) = snapshot(&feed).await;
    names.sort();
    assert_eq!(epoch, cursor.epoch.as_str(), "the old one would send everybody for another");
    assert_eq!(names, ["after", "before", "meanwhile"], "it would take two of them back");
}

/// Holds up every thread but one.
#[derive(Debug)]
struct Gate {
    serving: ThreadId,
    is_open: Mutex<bool>,
    opened: Condvar,
    passed: AtomicUsize,
}

impl Entropy for Gate {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        if thread::current().id() != self.serving {
            let closed = self.opened.wait_while(self.is_open.lock().unwrap(), |is_open| !*is_open);
            drop(closed.unwrap());
            self.passed.fetch_add(1, Ordering::SeqCst);
        }
        SystemEntropy.fill(bytes)
    }
}

#[tokio::test]
async fn a_snapshot_is_made_once_beside_the_thread_that_serves() {
    let gate = Arc::new(Gate {
        serving: thread::current().id(),
        is_open: Mutex::new(false),
        opened: Condvar::new(),
        passed: AtomicUsize::new(0),
    });
    let (feed, ledger, _) = feed_with(Arc::new(Fixed), gate.clone());
    revoke(&ledger, "a").await;
    {
        let mut gone = pin!(feed.page(0));
        let polled = std::future::poll_fn(|cx| Poll::Ready(gone.as_mut().poll(cx))).await;
        assert!(polled.is_pending(), "it is made elsewhere");
    }
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let feed = Arc::clone(&feed);
            tokio::spawn(async move { feed.page(0).await.unwrap().unwrap() })
        })
        .collect();
    tokio::task::yield_now().await;
    feed.heartbeat(&ledger.cursor()).unwrap();
    *gate.is_open.lock().unwrap() = true;
    gate.opened.notify_all();
    let first = feed.page(0).await.unwrap().unwrap();
    for other in waiting {
        assert_eq!(other.await.unwrap(), first);
    }
    assert_eq!(gate.passed.load(Ordering::SeqCst), 1, "also for the one that went away");
}

#[derive(Debug)]
struct Moving(AtomicU64);

impl countersign::Clock for Moving {
    fn now(&self) -> UnixTime {
        NOW.saturating_add(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }
}

fn fill(ledger: &Ledger, numbers: RangeInclusive<u64>) {
    let until = NOW.saturating_add(Duration::from_secs(3600));
    let terms = Terms { at: NOW, tokens_until: until, sessions_until: until };
    ledger.take_in(numbers.map(|seq| {
        let target = Target::Session(format!("session-{seq:016}").as_str().into());
        let change = Change::Revoked { target, name_of: None, terms, reason: "log_out".to_owned() };
        RevocationRecord { seq, change }
    }));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_there_as_long_as_somebody_takes_its_pages_and_let_go_then() {
    let clock = Arc::new(Moving(AtomicU64::new(0)));
    let (feed, ledger, _) = feed_with(clock.clone(), Arc::new(SystemEntropy));
    fill(&ledger, 1..=10_001);
    let first = feed.page(0).await.unwrap().unwrap();
    let second = feed.page(1).await.unwrap().unwrap();
    let pass = async |secs| {
        clock.0.fetch_add(secs, Ordering::SeqCst);
        sleep(Duration::from_secs(secs)).await;
    };
    for _ in 0..6 {
        pass(6).await;
        assert_eq!(feed.page(0).await.unwrap().unwrap(), first, "nobody else takes it away");
        assert_eq!(feed.page(1).await.unwrap().unwrap(), second);
    }
    pass(5).await;
    assert_ne!(feed.page(0).await.unwrap().unwrap(), first, "services would not believe it much longer");
    assert!(feed.page(1).await.unwrap().is_some() && feed.page(2).await.unwrap().is_none());
    for _ in 0..3 {
        pass(10).await;
    }
    assert_eq!(feed.page(1).await.unwrap(), None, "it is let go");
}

fn client(secret: &str) -> ClientConfig {
    ClientConfig {
        id: "orders".into(),
        known_by: ClientKnownBy::Secret(countersign::Secret::new(secret.to_owned())),
        audience: None,
        exchange: Vec::new(),
        exchanges_per_second: std::num::NonZeroU32::MIN,
    }
}

/// A stream from the beginning, for a client of a table.
fn stream(feed: &Arc<Feed>, ledger: &Ledger, from: u64) -> (mpsc::Receiver<Bytes>, Arc<ClientTable>) {
    let proven = client("the secret");
    let clients = ClientTable::new("https://shop.example".into(), std::slice::from_ref(&proven));
    let (clients, newest) = (Arc::new(clients), ledger.subscribe());
    let (pieces, receiver) = mpsc::channel(PIECES);
    let pulses = Pulses::new(Instant::now(), *newest.borrow());
    let sending = Sending {
        open: feed.begin_stream(from).unwrap(),
        pulses,
        newest,
        cursor: Cursor { seq: from, ..ledger.cursor() },
        whose: Whose { client: Arc::new(proven), clients: Arc::clone(&clients) },
        pieces,
    };
    tokio::spawn(sending.run());
    (receiver, clients)
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_client_is_one_no_longer() {
    for after in [Vec::new(), vec![client("another secret")]] {
        let (feed, ledger, _) = feed();
        let (mut receiver, clients) = stream(&feed, &ledger, 0);
        assert!(receiver.recv().await.is_some());
        // Read again, it is the same.
        clients.replace(&[client("the secret")]);
        assert!(receiver.recv().await.is_some());
        clients.replace(&after);
        assert!(receiver.recv().await.is_none(), "it is not told anything any more");
        assert_eq!(feed.usage().streams, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_taken_ends_with_its_client_too() {
    let (feed, ledger, _) = feed();
    fill(&ledger, 1..=100);
    let (mut receiver, clients) = stream(&feed, &ledger, 0);
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(feed.usage().streams, 1, "it may be slow");
    clients.replace(&[]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!((feed.usage().streams, feed.usage().cut), (0, 0));
    let mut pieces = 0;
    while receiver.recv().await.is_some() {
        pieces += 1;
    }
    assert_eq!(pieces, PIECES, "what waited for it");
}

/// An event in each hundredth of a second, of which a stream that is so many behind takes one at a time.
struct Storm {
    receiver: mpsc::Receiver<Bytes>,
    clients: Arc<ClientTable>,
    ledger: Arc<Ledger>,
    newest: u64,
}

impl Storm {
    fn begin(behind: u64) -> Self {
        let (feed, ledger, _) = feed();
        fill(&ledger, 1..=behind);
        let (receiver, clients) = stream(&feed, &ledger, 0);
        Self { receiver, clients, ledger, newest: behind }
    }

    /// The heartbeats that are heard in so many seconds, or what was heard until the stream ended.
    async fn heartbeats(&mut self, seconds: u64, goes_on: bool) -> Result<Vec<Duration>, usize> {
        let (begin, mut heard) = (Instant::now(), Vec::new());
        for number in 0..100 * seconds {
            if goes_on {
                self.newest += 1;
                fill(&self.ledger, self.newest..=self.newest);
            }
            sleep(Duration::from_millis(10)).await;
            let Some(piece) = self.receiver.recv().await else {
                return Err(usize::try_from(number).unwrap());
            };
            if piece.starts_with(b"event: heartbeat") {
                heard.push(begin.elapsed());
            }
        }
        Ok(heard)
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_never_end_hold_up_no_heartbeat() {
    let mut storm = Storm::begin(40);
    let heard = storm.heartbeats(30, true).await.unwrap();
    assert!((29..=31).contains(&heard.len()), "{heard:?}");
    let longest = heard.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(longest < Duration::from_millis(1_500), "{longest:?}");
    // Nor the end of a client that is one no longer.
    storm.clients.replace(&[]);
    let heard = storm.heartbeats(10, true).await.unwrap_err();
    assert!(heard < 200, "{heard} pieces for a stranger");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_behind_says_no_heartbeat_before_it_has_caught_up() {
    let mut storm = Storm::begin(3_000);
    assert_eq!(storm.heartbeats(28, true).await, Ok(Vec::new()), "it would be taken to know everything");
    let heard = storm.heartbeats(32, false).await.unwrap();
    let first = *heard.first().unwrap();
    assert!(first > Duration::from_secs(29) && first <= Duration::from_secs(31), "{first:?}");
}

/// How long heartbeats and requests wait while a snapshot of a million is made: `cargo test --release -p
/// countersign-gateway --lib a_snapshot_of_a_million -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn a_snapshot_of_a_million_holds_up_neither_heartbeats_nor_requests() {
    let (feed, ledger, _) = feed();
    fill(&ledger, 1..=1_000_000);
    let begin = Instant::now();
    let making = tokio::spawn({
        let feed = Arc::clone(&feed);
        async move { feed.page(0).await.unwrap() }
    });
    let asking = {
        let (ledger, making) = (Arc::clone(&ledger), making.abort_handle());
        thread::spawn(move || {
            let mut longest = Duration::ZERO;
            while !making.is_finished() {
                let asked = begin.elapsed();
                drop(ledger.terms_of(&Target::All));
                longest = longest.max(begin.elapsed() - asked);
            }
            longest
        })
    };
    let (mut longest, mut last) = (Duration::ZERO, begin.elapsed());
    while !making.is_finished() {
        feed.heartbeat(&ledger.cursor()).unwrap();
        sleep(Duration::from_millis(10)).await;
        longest = longest.max(begin.elapsed() - last);
        last = begin.elapsed();
    }
    println!("made in {last:?}; a heartbeat came late by {longest:?} at most");
    println!("whoever asked for the state waited {:?} at most", asking.join().unwrap());
    assert!(longest < Duration::from_secs(3));
}
