//! The revocation feed for services: a snapshot in pages, and a stream of signed events.
//!
//! 1. A stream goes on after its cursor (`Last-Event-ID`, or `after`) or says `reset` and ends: then a snapshot is
//!    needed. Nothing between a snapshot's cursor and the stream that begins there is missed.
//! 2. Each second a heartbeat carries the number of the last event that was sent, so that whoever hears none knows that it
//!    is blind. Events that never end do not hold it up; a stream that is behind by more than a second says none.
//! 3. Each event is signed once, for all who follow.
//! 4. A stream that does not take what it is sent within [`SLOW`] is cut; it never holds up another.
//!
//! 5. A snapshot is kept and shared as long as a stream can go on from its place. One of another numbering would take
//!    back what services know, and send them for a snapshot again.
//! 6. A snapshot is made on a thread of its own, one at a time, and keeps the state for itself for a moment only: neither
//!    heartbeats nor requests wait for it. As long as somebody takes its pages nobody gets another one.
//!
//! Bounds: [`MAX_STREAMS`], [`PIECES`] waiting for each; one snapshot, kept for [`SNAPSHOT_KEPT`] after it was made or a
//! further page of it was taken, at most for [`SNAPSHOT_KEPT_AT_MOST`].

mod pulse;
mod snapshots;

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Extension, Query, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign::{
    Clock, SigningKey, TokenId, UnixTime,
    revocation::{Cursor, Event, FeedWriter, Stamp, What},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;
use serde::Deserialize;
use tokio::{
    select,
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use self::{
    pulse::{LOOK_EVERY, Pulse, Pulses},
    snapshots::Snapshots,
};
use super::{Internal, clients::ClientTable, refuse};
use crate::{
    config::resolved::ClientConfig,
    entropy::Entropy,
    keyring::KeyRingHandle,
    revocation::{Ledger, Published},
};

pub use self::snapshots::{SNAPSHOT_KEPT, SNAPSHOT_KEPT_AT_MOST};

/// Streams at once.
pub const MAX_STREAMS: usize = 1000;
/// Pieces that wait for one stream.
pub const PIECES: usize = 16;
/// A stream that takes nothing for so long is cut.
pub const SLOW: Duration = Duration::from_secs(5);

/// Signs and sends what the ledger says.
pub struct Feed {
    ledger: Arc<Ledger>,
    keyring: Arc<KeyRingHandle>,
    writer: FeedWriter,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    heartbeat: Mutex<Option<(UnixTime, Cursor, Arc<str>)>>,
    snapshots: Snapshots,
    /// How far each open stream has come.
    streams: Mutex<BTreeMap<u64, u64>>,
    next_stream: AtomicU64,
    cut: AtomicU64,
}

/// How the feed is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedUse {
    /// Open streams.
    pub streams: u64,
    /// By how many events the slowest is behind.
    pub lag: u64,
    /// Streams that were cut because they were too slow.
    pub cut: u64,
}

/// Nothing can be signed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the feed cannot be signed")]
pub struct Unsignable;

impl Feed {
    /// A feed of that ledger, signed by the ring in force.
    #[must_use]
    pub fn new(
        ledger: Arc<Ledger>,
        keyring: Arc<KeyRingHandle>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let writer = FeedWriter::new(ledger.issuer().clone());
        Self {
            ledger,
            keyring,
            writer,
            clock,
            entropy,
            heartbeat: Mutex::default(),
            snapshots: Snapshots::default(),
            streams: Mutex::default(),
            next_stream: AtomicU64::new(0),
            cut: AtomicU64::new(0),
        }
    }

    /// How the feed is used now.
    #[must_use]
    pub fn usage(&self) -> FeedUse {
        let streams = locked(&self.streams);
        let newest = *self.ledger.subscribe().borrow();
        let slowest = streams.values().min().copied().unwrap_or(newest);
        FeedUse {
            streams: u64::try_from(streams.len()).unwrap_or(u64::MAX),
            lag: newest.saturating_sub(slowest),
            cut: self.cut.load(Ordering::Relaxed),
        }
    }

    fn signer(&self, now: UnixTime) -> Result<Arc<SigningKey>, Unsignable> {
        self.keyring.load().signer(now).map(Arc::clone).map_err(|_| Unsignable)
    }

    fn token_id(&self) -> Result<TokenId, Unsignable> {
        let mut name = [0; 16];
        self.entropy.fill(&mut name).map_err(|_| Unsignable)?;
        Ok(URL_SAFE_NO_PAD.encode(name).into())
    }

    fn sign(&self, event: &Event, reason: Option<&str>, key: &SigningKey) -> Result<Arc<str>, Unsignable> {
        let token_id = self.token_id()?;
        let stamp = Stamp { issued_at: self.clock.now(), token_id: &token_id, reason };
        self.writer.event(event, &stamp, key).map(Arc::from).map_err(|_| Unsignable)
    }

    /// The signed form of an event: made once, and again when its key is not in force any more.
    fn signed(&self, published: &Published) -> Result<Arc<str>, Unsignable> {
        let key = self.signer(self.clock.now())?;
        let mut kept = locked(&published.signed);
        match &*kept {
            Some((kid, signed)) if key.key_id() == Some(kid) => Ok(Arc::clone(signed)),
            _ => {
                let signed = self.sign(&published.event, published.reason.as_deref(), &key)?;
                *kept = key.key_id().map(|kid| (kid.clone(), Arc::clone(&signed)));
                Ok(signed)
            }
        }
    }

    fn heartbeat(&self, cursor: &Cursor) -> Result<Arc<str>, Unsignable> {
        let now = self.clock.now();
        let mut kept = locked(&self.heartbeat);
        match &*kept {
            Some((made, of, signed)) if *made == now && of == cursor => Ok(Arc::clone(signed)),
            _ => {
                let event = Event { cursor: cursor.clone(), what: What::Heartbeat };
                let signed = self.sign(&event, None, &*self.signer(now)?)?;
                *kept = Some((now, cursor.clone(), Arc::clone(&signed)));
                Ok(signed)
            }
        }
    }

    fn begin_stream(self: &Arc<Self>, at: u64) -> Option<Open> {
        let mut streams = locked(&self.streams);
        if streams.len() >= MAX_STREAMS {
            return None;
        }
        let id = self.next_stream.fetch_add(1, Ordering::Relaxed);
        streams.insert(id, at);
        Some(Open { feed: Arc::clone(self), id })
    }
}

/// A stream that is counted as long as it is open.
struct Open {
    feed: Arc<Feed>,
    id: u64,
}

impl Open {
    fn has_come_to(&self, seq: u64) {
        locked(&self.feed.streams).insert(self.id, seq);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        locked(&self.feed.streams).remove(&self.id);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Deserialize)]
pub(super) struct PageNumber {
    #[serde(default)]
    page: usize,
}

pub(super) async fn snapshot(State(internal): State<Internal>, Query(number): Query<PageNumber>) -> Response {
    match internal.feed.page(number.page).await {
        Ok(Some(page)) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/secevent+jwt")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (headers, page).into_response()
        }
        Ok(None) => refuse(StatusCode::NOT_FOUND, "no_such_page"),
        Err(Unsignable) => refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct After {
    after: Option<String>,
}

pub(super) async fn stream(
    State(internal): State<Internal>,
    Extension(client): Extension<Arc<ClientConfig>>,
    headers: HeaderMap,
    Query(After { after }): Query<After>,
) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let Some(cursor) = last.or(after).and_then(|text| text.parse::<Cursor>().ok()) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_request");
    };
    let Some(open) = internal.feed.begin_stream(cursor.seq) else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    };
    let (pieces, receiver) = mpsc::channel(PIECES);
    let (newest, whose) = (internal.ledger.subscribe(), Whose { client, clients: internal.clients });
    let pulses = Pulses::new(Instant::now(), *newest.borrow());
    let sending = Sending { newest, open, cursor, whose, pieces, pulses };
    tokio::spawn(sending.run());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Body::new(Pieces(receiver))).into_response()
}

/// One stream.
struct Sending {
    open: Open,
    newest: watch::Receiver<u64>,
    cursor: Cursor,
    whose: Whose,
    pieces: mpsc::Sender<Bytes>,
    pulses: Pulses,
}

/// The client of a stream, and the table that it must be in.
struct Whose {
    client: Arc<ClientConfig>,
    clients: Arc<ClientTable>,
}

impl Whose {
    /// Ready when it is a client no longer.
    async fn is_gone(&self) {
        while self.clients.knows_still(&self.client) {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Why a stream ends.
enum End {
    /// Its client is gone, too slow or one no longer, or nothing can be signed.
    Over,
    /// It cannot go on from its cursor.
    Reset,
}

impl Sending {
    async fn run(mut self) {
        if matches!(self.send_all().await, Err(End::Reset)) {
            // Whoever does not hear it hears the end.
            let _ = self.send(Bytes::from_static(b"event: reset\ndata:\n\n")).await;
        }
    }

    async fn send_all(&mut self) -> Result<(), End> {
        loop {
            self.newest.mark_unchanged();
            self.catch_up().await?;
            select! {
                biased;
                changed = self.newest.changed() => changed.map_err(|_| End::Over)?,
                () = sleep_until(self.pulses.look_at()) => {}
            }
        }
    }

    /// Sends everything after the cursor, and what is due meanwhile.
    async fn catch_up(&mut self) -> Result<(), End> {
        loop {
            let feed = Arc::clone(&self.open.feed);
            let events = feed.ledger.after(&self.cursor).map_err(|_| End::Reset)?;
            if events.is_empty() {
                return self.tend(self.cursor.seq).await;
            }
            for published in events {
                let signed = feed.signed(&published).map_err(|Unsignable| End::Over)?;
                let cursor = &published.event.cursor;
                self.send(format!("id: {cursor}\nevent: revocation\ndata: {signed}\n\n").into()).await?;
                self.cursor = cursor.clone();
                self.open.has_come_to(cursor.seq);
                let newest = *self.newest.borrow();
                self.tend(newest).await?;
            }
        }
    }

    /// Says the heartbeat if it is due, and ends the stream of a client that is one no longer.
    async fn tend(&mut self, newest: u64) -> Result<(), End> {
        let now = Instant::now();
        self.pulses.come_to(self.cursor.seq, newest, now);
        let pulse = self.pulses.take(now);
        if pulse != Pulse::GoOn && !self.whose.clients.knows_still(&self.whose.client) {
            return Err(End::Over);
        }
        if pulse == Pulse::Beat {
            let signed = self.open.feed.heartbeat(&self.cursor).map_err(|Unsignable| End::Over)?;
            self.send(format!("event: heartbeat\ndata: {signed}\n\n").into()).await?;
        }
        Ok(())
    }

    /// Waits for a client that takes slowly, as long as it is one.
    async fn send(&self, piece: Bytes) -> Result<(), End> {
        let sent = select! {
            biased;
            sent = timeout(SLOW, self.pieces.send(piece)) => sent,
            () = self.whose.is_gone() => return Err(End::Over),
        };
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Over),
            Err(_) => {
                self.open.feed.cut.fetch_add(1, Ordering::Relaxed);
                Err(End::Over)
            }
        }
    }
}

/// The body of a stream.
struct Pieces(mpsc::Receiver<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
