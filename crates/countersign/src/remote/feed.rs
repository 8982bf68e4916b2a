//! An issuer's revocation feed, followed.
//!
//! 1. A snapshot is taken first, then events follow from its cursor, over one connection. When that ends, the next
//!    begins where it ended: after 0 to 200 ms by chance the first time, then after 0.5 s, 1 s, 2 s, 4 s and 5 s each,
//!    shortened by up to half by chance. A heartbeat begins the count anew.
//! 2. Nothing is believed that the issuer's keys have not signed. A message that is not believed ends the connection,
//!    and nothing that came after it on that connection is looked at.
//! 3. Another epoch, a lower number, a gap, a heartbeat that names a number that never came, `event: reset`: a new
//!    snapshot is taken. A message with the number that was the last is a replay, and nothing happens. A snapshot that is
//!    older than what is known (a lower number; an epoch that was left for another) is refused: what is known stays, and
//!    without heartbeats the feed is lost until a gateway answers that has caught up.
//! 4. The feed is **current** from the first heartbeat that agrees with the own cursor until [`HEARTBEAT_TIMEOUT`]
//!    after the last one. A heartbeat is believed within [`MAX_HEARTBEAT_AGE`] of the present moment, so that an old
//!    recording keeps nobody quiet.
//! 5. While it is not current, [`OnFeedLoss`] decides: what is known to be revoked stays refused either way.
//! 6. Changed keys make the key source look for them at once. So does a message that is signed with an unknown key.
//! 7. What is revoked is forgotten when it has expired by our clock and by the issuer's signed time: a clock that jumps
//!    ahead, and is set right later, makes no revoked token good.
//! 8. What is read is bounded: 128 KiB an event, 8 MiB and 10,000 entries a page, 1,000 pages a snapshot, as many
//!    entries as [`Revoked`](crate::revocation::Revoked) may have.

mod believed;
mod follow;
mod furthest;
mod position;
mod sse;
mod state;
#[cfg(feature = "testkit")]
mod stepped;
mod transport;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

#[cfg(feature = "testkit")]
pub use self::{state::Needed, stepped::SteppedFeed};

use self::{
    follow::{Follower, watch_over},
    state::FeedState,
    transport::{HttpTransport, Transport},
};
use super::{
    ClientAuthentication, LocationError, ProofError,
    jitter::{self, Chance},
    location::Location,
};
use crate::{
    Clock, Issuer, KeySource, Revocable, Revocations, Standing, SystemClock, UnixTime,
    revocation::{FeedReader, MessageError, Revoked, TableFull},
};

/// How long the feed is believed to be alive without a heartbeat: 3 s.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);
/// How far the time of a heartbeat may be from ours: 60 s.
pub const MAX_HEARTBEAT_AGE: Duration = Duration::from_secs(60);

/// What a service does with tokens while it cannot know of new revocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFeedLoss {
    /// Goes on: a token that was revoked meanwhile is accepted until its end, by default five minutes.
    #[default]
    Keep,
    /// Refuses every token with 503 (`revocations_unavailable`).
    Refuse,
}

/// Follows an issuer's revocations, by a task of its own until the last clone is dropped.
///
/// It is the [`Revocations`] of a verifier. Several issuers have several feeds: a `Vec` of them is one too.
///
/// ```no_run
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// use countersign::{Secret, Verifier, remote::{ClientAuthentication, OnFeedLoss, RemoteKeys, RevocationFeed}};
/// let keys = RemoteKeys::builder().discover("https://shop.example").start()?;
/// let client = ClientAuthentication::basic("orders", Secret::new(std::fs::read_to_string("/run/secrets/orders")?))?;
/// let feed = RevocationFeed::builder("https://shop.example", "https://gateway.internal:8082", client)
///     .keys(keys.clone())
///     .on_feed_loss(OnFeedLoss::Refuse)
///     .start()?;
/// let verifier = Verifier::builder()
///     .issuer("https://shop.example")
///     .audience("orders")
///     .keys(keys)
///     .revocations(feed)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RevocationFeed {
    shared: Arc<Shared>,
}

/// How to follow a feed. See [`RevocationFeed`].
#[derive(Debug)]
#[must_use = "a feed is followed when it was started"]
pub struct RevocationFeedBuilder {
    issuer: Issuer,
    gateway: String,
    client: ClientAuthentication,
    keys: Option<Arc<dyn KeySource>>,
    on_feed_loss: OnFeedLoss,
    max_entries: usize,
    insecure_http: bool,
    clock: Arc<dyn Clock>,
    chance: Chance,
}

/// Why a feed cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedStartError {
    /// The gateway's location cannot be used.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// No keys were given to believe messages by.
    #[error("the keys of the issuer were not given")]
    NoKeys,
    /// Called outside of a tokio runtime.
    #[error("there is no tokio runtime to follow the feed in")]
    NoRuntime,
    /// An `https` location, and the machine has no root certificates.
    #[error("the machine's root certificates cannot be read")]
    RootCertificates(#[source] std::io::Error),
}

/// Why a connection to the feed ended. For the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// A snapshot that is older than what is known: of a gateway that lags, or recorded. It would take revocations back.
    #[error("the snapshot is older than what is known")]
    Behind,
    /// The answer is not what was asked for.
    #[error("the answer is of another content type")]
    ContentType,
    /// The connection could not be made, was refused or broke off.
    #[error(transparent)]
    Fetch(#[from] super::FetchError),
    /// A message was not believed.
    #[error("a message was not believed: {0}")]
    Message(#[from] MessageError),
    /// There are no keys to believe messages by.
    #[error("there are no keys of the issuer")]
    NoKeys,
    /// The client's proof cannot be made.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Nothing came in time.
    #[error("no heartbeat in time")]
    Silent,
    /// Pages that do not belong together, again and again; or more than a snapshot may have.
    #[error("the snapshot cannot be put together")]
    Snapshot,
    /// A heartbeat, or a page of the snapshot, that is not of this time.
    #[error("a heartbeat or snapshot is not of this time")]
    Stale,
    /// There are more revocations than there is room for.
    #[error(transparent)]
    TableFull(#[from] TableFull),
    /// An event that is longer than any may be.
    #[error("an event of the stream is too long")]
    TooLong,
}

/// What has happened since the feed was started; each only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedCounters {
    /// Revocations, lifted ones and changes of keys that were believed.
    pub events: u64,
    /// Heartbeats that were believed.
    pub heartbeats: u64,
    /// Messages that were not believed.
    pub refused: u64,
    /// Connections that ended.
    pub disconnects: u64,
    /// Snapshots that were taken whole.
    pub snapshots: u64,
    /// Times at which the feed was lost.
    pub losses: u64,
}

struct Shared {
    table: Revoked,
    on_feed_loss: OnFeedLoss,
    current: AtomicBool,
    changed: watch::Sender<()>,
    counted: Counted,
}

#[derive(Default)]
struct Counted {
    events: AtomicU64,
    heartbeats: AtomicU64,
    refused: AtomicU64,
    disconnects: AtomicU64,
    snapshots: AtomicU64,
    losses: AtomicU64,
    /// Seconds; 0: none was.
    last_heartbeat: AtomicU64,
}

impl RevocationFeed {
    /// Begins with what has no default: whose feed, where the gateway's `internal_listen` is, and as which of its
    /// clients.
    pub fn builder(
        issuer: impl Into<Issuer>,
        gateway: impl Into<String>,
        client: ClientAuthentication,
    ) -> RevocationFeedBuilder {
        RevocationFeedBuilder {
            issuer: issuer.into(),
            gateway: gateway.into(),
            client,
            keys: None,
            on_feed_loss: OnFeedLoss::default(),
            max_entries: Revoked::DEFAULT_MAX_ENTRIES,
            insecure_http: false,
            clock: Arc::new(SystemClock),
            chance: jitter::random,
        }
    }

    /// True while what is revoked is known, but for the last [`HEARTBEAT_TIMEOUT`].
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.shared.current.load(Ordering::Acquire)
    }

    /// Waits until the feed is current, at most so long; true if it is.
    pub async fn ready(&self, at_most: Duration) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let current = async { while !self.is_current() && changed.changed().await.is_ok() {} };
        // Whether it is current, or late, is asked below.
        let _ = timeout(at_most, current).await;
        self.is_current()
    }

    /// What is revoked.
    #[must_use]
    pub fn revoked(&self) -> &Revoked {
        &self.shared.table
    }

    /// When the last heartbeat was believed; none if none ever was.
    #[must_use]
    pub fn last_heartbeat(&self) -> Option<UnixTime> {
        let seconds = self.shared.counted.last_heartbeat.load(Ordering::Relaxed);
        (seconds > 0).then_some(UnixTime::from_secs(seconds))
    }

    /// What has happened, for metrics.
    #[must_use]
    pub fn counters(&self) -> FeedCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counted = &self.shared.counted;
        FeedCounters {
            events: read(&counted.events),
            heartbeats: read(&counted.heartbeats),
            refused: read(&counted.refused),
            disconnects: read(&counted.disconnects),
            snapshots: read(&counted.snapshots),
            losses: read(&counted.losses),
        }
    }
}

impl RevocationFeedBuilder {
    /// The issuer's keys: those of the verifier. Required. [`RemoteKeys`](super::RemoteKeys) learn from the feed when
    /// they have changed.
    pub fn keys(mut self, keys: impl KeySource + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// What to do with tokens while the feed is lost. Default [`OnFeedLoss::Keep`].
    pub const fn on_feed_loss(mut self, choice: OnFeedLoss) -> Self {
        self.on_feed_loss = choice;
        self
    }

    /// Room for so many revocations. Default [`Revoked::DEFAULT_MAX_ENTRIES`]. Without room the feed counts as lost.
    pub const fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }

    /// Allows plain `http` to other machines: whoever is on the way there reads the client's secret, and can hold
    /// revocations back for up to [`MAX_HEARTBEAT_AGE`].
    pub const fn insecure_http(mut self) -> Self {
        self.insecure_http = true;
        self
    }

    /// Tells the time of day. Default [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the task that follows the feed. Does not wait for it.
    ///
    /// # Errors
    /// [`FeedStartError`]: never because the gateway cannot be reached.
    pub fn start(self) -> Result<RevocationFeed, FeedStartError> {
        let location = Location::parse(self.gateway.trim_end_matches('/'), self.insecure_http)?;
        let transport =
            HttpTransport::new(&location, &self.issuer, self.client.clone(), Arc::clone(&self.clock))?;
        self.start_with(transport)
    }

    fn start_with(self, transport: impl Transport) -> Result<RevocationFeed, FeedStartError> {
        let keys = self.keys.ok_or(FeedStartError::NoKeys)?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| FeedStartError::NoRuntime)?;
        let shared = Arc::new(Shared::new(self.issuer.clone(), self.max_entries, self.on_feed_loss));
        let follower = Follower {
            shared: Arc::downgrade(&shared),
            reader: FeedReader::new(self.issuer),
            keys,
            clock: self.clock,
            transport,
            state: FeedState::new(Instant::now(), self.chance),
            beats: watch::Sender::new(None),
            stream: None,
        };
        runtime.spawn(watch_over(Arc::downgrade(&shared), follower.beats.subscribe()));
        runtime.spawn(follower.run());
        Ok(RevocationFeed { shared })
    }
}

impl Shared {
    fn new(issuer: Issuer, max_entries: usize, on_feed_loss: OnFeedLoss) -> Self {
        Self {
            table: Revoked::with_max_entries(issuer, max_entries),
            on_feed_loss,
            current: AtomicBool::new(false),
            changed: watch::Sender::new(()),
            counted: Counted::default(),
        }
    }

    fn note_heartbeat(&self, at: UnixTime) {
        self.counted.last_heartbeat.store(at.as_secs(), Ordering::Relaxed);
    }

    fn set_current(&self, current: bool) {
        let before = self.current.swap(current, Ordering::AcqRel);
        if before == current {
            return;
        }
        if current {
            tracing::info!(target: "countersign::revocations", "the revocation feed is current");
        } else {
            add(&self.counted.losses);
            tracing::warn!(
                target: "countersign::revocations",
                on_feed_loss = ?self.on_feed_loss,
                "the revocation feed is lost"
            );
        }
        self.changed.send_replace(());
    }
}

/// Counts one more.
fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Revocations for RevocationFeed {
    fn standing(&self, token: &Revocable<'_>) -> Standing {
        let shared = &*self.shared;
        match shared.table.standing(token) {
            Standing::Good
                if shared.on_feed_loss == OnFeedLoss::Refuse
                    && !shared.current.load(Ordering::Acquire)
                    && token.issuer == shared.table.issuer() =>
            {
                Standing::Unknown
            }
            standing => standing,
        }
    }
}

impl fmt::Debug for RevocationFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationFeed")
            .field("table", &self.shared.table)
            .field("current", &self.is_current())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "testkit")]
mod tests;
