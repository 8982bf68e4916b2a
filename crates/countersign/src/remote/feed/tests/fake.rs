//! A gateway that can be told to misbehave, on simulated time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    Clock, KeySource, PublishedKeys, SigningKey, TokenId, UnixTime,
    remote::{
        ClientAuthentication, FetchError,
        feed::{
            FeedError, OnFeedLoss, RevocationFeed,
            transport::{Pieces, Transport},
        },
    },
    revocation::{Cursor, Epoch, Event, FeedWriter, Revocation, SnapshotPage, Stamp, Target, What},
    testkit::TestKey,
};

pub(super) const ISSUER: &str = "https://issuer.test";

/// The time of day moves with the simulated clock.
#[derive(Debug, Clone)]
pub(super) struct Simulated(Instant);

impl Simulated {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

/// The same for a service whose clock somebody has set.
#[derive(Debug)]
pub(super) struct SetClock(pub(super) Arc<Simulated>, pub(super) std::sync::atomic::AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> UnixTime {
        let off = self.1.load(std::sync::atomic::Ordering::SeqCst);
        UnixTime::from_secs(self.0.now().as_secs().saturating_add_signed(off))
    }
}

impl Clock for Simulated {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_000_000).saturating_add(self.0.elapsed())
    }
}

/// Keys that count how often they are told to look.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) published: PublishedKeys,
    pub(super) told: Mutex<u64>,
}

impl Keys {
    pub(super) fn new(keys: &[TestKey]) -> Arc<Self> {
        let published = PublishedKeys::empty();
        published.publish(TestKey::set(keys), None);
        Arc::new(Self { published, told: Mutex::default() })
    }

    pub(super) fn told(&self) -> u64 {
        *self.told.lock().unwrap()
    }
}

impl KeySource for Keys {
    fn published(&self) -> &PublishedKeys {
        &self.published
    }

    fn handle_keys_changed(&self) {
        *self.told.lock().unwrap() += 1;
    }
}

#[derive(Clone)]
pub(super) struct Gateway(pub(super) Arc<Mutex<State>>);

pub(super) struct State {
    pub(super) epoch: Epoch,
    pub(super) seq: u64,
    pub(super) log: Vec<Event>,
    pub(super) live: HashMap<Target, Revocation>,
    pub(super) key: &'static SigningKey,
    clock: Arc<Simulated>,
    written: u64,
    /// Bytes after which the next stream breaks off.
    pub(super) cut_next: Option<usize>,
    /// Nothing answers.
    pub(super) hangs: bool,
    /// Every request is refused.
    pub(super) down: bool,
    /// No heartbeats.
    pub(super) mute: bool,
    /// Heartbeats are signed for a moment so much earlier.
    pub(super) late_by: Duration,
    /// The next event is not sent to open streams.
    pub(super) swallow: bool,
    /// Entries of a page.
    pub(super) page_size: usize,
    /// A revocation happens after each page.
    pub(super) restless: bool,
    pub(super) snapshots: u64,
    /// Answered in place of page 0.
    pub(super) recorded: Option<Bytes>,
    pub(super) opened: u64,
    pub(super) streams: Vec<mpsc::UnboundedSender<Bytes>>,
}

impl Gateway {
    pub(super) fn new(clock: &Arc<Simulated>) -> Self {
        let gateway = Self(Arc::new(Mutex::new(State {
            epoch: Epoch::new("e1").unwrap(),
            seq: 0,
            log: Vec::new(),
            live: HashMap::new(),
            key: TestKey::Ed25519.signing_key(),
            clock: Arc::clone(clock),
            written: 0,
            cut_next: None,
            hangs: false,
            down: false,
            mute: false,
            late_by: Duration::ZERO,
            swallow: false,
            page_size: 3,
            restless: false,
            snapshots: 0,
            recorded: None,
            opened: 0,
            streams: Vec::new(),
        })));
        let weak = Arc::downgrade(&gateway.0);
        tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                let Some(state) = weak.upgrade() else { return };
                let mut state = state.lock().unwrap();
                if !state.mute {
                    let beat = state.heartbeat();
                    state.send(&beat);
                }
            }
        });
        gateway
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn revoke(&self, session: &str) {
        self.state().happens_to(session, false);
    }

    pub(super) fn lift(&self, session: &str) {
        self.state().happens_to(session, true);
    }

    pub(super) fn follow(&self, keys: &Arc<Keys>, on_feed_loss: OnFeedLoss) -> RevocationFeed {
        self.follow_with(keys, on_feed_loss, 1_000)
    }

    pub(super) fn follow_with(
        &self,
        keys: &Arc<Keys>,
        on_feed_loss: OnFeedLoss,
        room: usize,
    ) -> RevocationFeed {
        let clock: Arc<dyn Clock> = self.state().clock.clone();
        self.follow_by(clock, keys, on_feed_loss, room)
    }

    pub(super) fn follow_by(
        &self,
        clock: Arc<dyn Clock>,
        keys: &Arc<Keys>,
        on_feed_loss: OnFeedLoss,
        room: usize,
    ) -> RevocationFeed {
        let client = ClientAuthentication::basic("orders", crate::Secret::new("s".to_owned())).unwrap();
        let mut builder = RevocationFeed::builder(ISSUER, "http://127.0.0.1:1", client)
            .keys(Arc::clone(keys))
            .on_feed_loss(on_feed_loss)
            .max_entries(room)
            .clock(clock);
        builder.chance = || 0.5;
        builder.start_with(self.clone()).unwrap()
    }

    /// Whether the feed knows exactly what is revoked here.
    pub(super) fn agrees_with(&self, feed: &RevocationFeed) -> bool {
        let state = self.state();
        state.live.len() == feed.revoked().len() && state.live.keys().all(|target| is_revoked(feed, target))
    }
}

pub(super) fn session(name: &str) -> Target {
    Target::Session(name.into())
}

/// Whether a token of that session is refused.
pub(super) fn is_revoked(feed: &RevocationFeed, target: &Target) -> bool {
    standing(feed, target) == crate::Standing::Revoked
}

pub(super) fn standing(feed: &RevocationFeed, target: &Target) -> crate::Standing {
    let Target::Session(session) = target else { panic!("{target:?}") };
    crate::Revocations::standing(
        feed,
        &crate::Revocable {
            issuer: &ISSUER.into(),
            token: &"t".into(),
            derived_from: &[],
            session: Some(session),
            subject: &"ann".into(),
            organisation: None,
            issued_at: UnixTime::from_secs(1_000_000),
        },
    )
}

impl State {
    fn stamp<T>(&mut self, write: impl FnOnce(&FeedWriter, &Stamp<'_>, &SigningKey) -> T) -> T {
        self.written += 1;
        let token_id = TokenId::from(format!("m{}", self.written));
        let stamp = Stamp { issued_at: self.clock.now(), token_id: &token_id, reason: None };
        write(&FeedWriter::new(ISSUER), &stamp, self.key)
    }

    pub(super) fn written(&mut self, event: &Event) -> Bytes {
        let jws = self.stamp(|writer, stamp, key| writer.event(event, stamp, key).unwrap());
        sse(&event.cursor, "revocation", &jws)
    }

    fn heartbeat(&mut self) -> Bytes {
        let event = Event { cursor: self.cursor(), what: What::Heartbeat };
        let late_by = self.late_by;
        let jws = self.stamp(|writer, stamp, key| {
            let stamp = Stamp { issued_at: stamp.issued_at.saturating_sub(late_by), ..*stamp };
            writer.event(&event, &stamp, key).unwrap()
        });
        sse(&event.cursor, "heartbeat", &jws)
    }

    pub(super) fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch.clone(), seq: self.seq }
    }

    pub(super) fn happens(&mut self, what: What) {
        self.seq += 1;
        let event = Event { cursor: self.cursor(), what };
        self.log.push(event.clone());
        if !std::mem::take(&mut self.swallow) {
            let message = self.written(&event);
            self.send(&message);
        }
    }

    fn happens_to(&mut self, name: &str, lifted: bool) {
        if lifted {
            self.live.remove(&session(name));
            self.happens(What::Lifted(session(name)));
        } else {
            let at = self.clock.now();
            let expires = at.saturating_add(Duration::from_secs(300));
            let revocation = Revocation { target: session(name), at, expires };
            self.live.insert(session(name), revocation.clone());
            self.happens(What::Revoked(revocation));
        }
    }

    pub(super) fn send(&mut self, message: &Bytes) {
        self.streams.retain(|stream| stream.send(message.clone()).is_ok());
    }
}

fn sse(cursor: &Cursor, name: &str, data: &str) -> Bytes {
    format!("id: {cursor}\nevent: {name}\ndata: {data}\n\n").into()
}

/// A stream, and how many bytes of it are left.
pub(super) struct Stream {
    incoming: mpsc::UnboundedReceiver<Bytes>,
    left: Option<usize>,
}

impl Pieces for Stream {
    async fn next(&mut self) -> Option<Result<Bytes, FeedError>> {
        let piece = self.incoming.recv().await?;
        let Some(left) = &mut self.left else { return Some(Ok(piece)) };
        if *left == 0 {
            return Some(Err(FetchError::Body.into()));
        }
        let taken = piece.slice(..piece.len().min(*left));
        *left -= taken.len();
        Some(Ok(taken))
    }
}

impl Gateway {
    async fn answers(&self) -> Result<(), FeedError> {
        if self.state().hangs {
            sleep(Duration::from_secs(86_400)).await;
        }
        if self.state().down { Err(FetchError::Status(http::StatusCode::BAD_GATEWAY).into()) } else { Ok(()) }
    }
}

impl Transport for Gateway {
    type Pieces = Stream;

    async fn page(&mut self, number: u32) -> Result<Bytes, FeedError> {
        self.answers().await?;
        let mut state = self.state();
        state.snapshots += u64::from(number == 0);
        if let Some(recorded) = &state.recorded {
            return Ok(recorded.clone());
        }
        let mut entries: Vec<Revocation> = state.live.values().cloned().collect();
        entries.sort_by(|left, right| left.target.cmp(&right.target));
        let mut chunks = entries.chunks(state.page_size).skip(number as usize);
        let page = SnapshotPage {
            cursor: state.cursor(),
            page: number,
            entries: chunks.next().unwrap_or_default().to_vec(),
            last: chunks.next().is_none(),
        };
        let text = state.stamp(|writer, stamp, key| writer.page(&page, stamp, key).unwrap());
        if state.restless {
            state.happens_to(&format!("restless-{number}"), false);
        }
        Ok(text.into())
    }

    async fn stream(&mut self, after: &Cursor) -> Result<Stream, FeedError> {
        self.answers().await?;
        let mut state = self.state();
        state.opened += 1;
        let (sender, incoming) = mpsc::unbounded_channel();
        let left = state.cut_next.take();
        if after.epoch != state.epoch || after.seq > state.seq {
            sender.send("event: reset\n\n".into()).unwrap();
            return Ok(Stream { incoming, left });
        }
        let missed: Vec<Event> =
            state.log.iter().filter(|event| event.cursor.seq > after.seq).cloned().collect();
        for event in missed {
            sender.send(state.written(&event)).unwrap();
        }
        if !state.mute {
            let beat = state.heartbeat();
            sender.send(beat).unwrap();
        }
        state.streams.push(sender);
        Ok(Stream { incoming, left })
    }
}
