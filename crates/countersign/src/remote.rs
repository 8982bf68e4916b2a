//! The key set of an issuer, fetched over HTTP and kept fresh.
//!
//! 1. Nothing a request does waits for the network or takes a lock, but for a token that names an unknown key.
//! 2. Starting does not need the issuer: until the first key set has come, tokens are answered with 503
//!    (`keys_unavailable`), never with 401.
//! 3. The set is fetched again at 80 % of its `max-age` (300 s if the answer has none; 30 s to 24 h in any case), by
//!    one task, so there is never more than one fetch at a time. Many services spread over a tenth of that time. An
//!    answer's `ETag` is sent back, so that a set that has not changed costs no body
//!    ([RFC 9110 §13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
//! 4. A token that names an unknown key makes one fetch, at most [`UNKNOWN_KEY_BURST`] at once and one each
//!    [`UNKNOWN_KEY_INTERVAL`] after; a name that was not in the set is not looked for again for
//!    [`UNKNOWN_KEY_MEMORY`]. So a rotation that was not announced is noticed at its first token, and a flood of
//!    invented names makes no flood of fetches.
//!    A [`RevocationFeed`] tells of changed keys, within the same limits: then there is no such first token.
//! 5. While the endpoint fails, the last good keys are used for up to `max_stale` (24 h), and it is asked again after
//!    1 s, 2 s, 4 s and so on, at most each minute.
//! 6. An answer counts only within [`FETCH_TIMEOUT`], [`KeySet::MAX_BYTES`](crate::KeySet::MAX_BYTES), with status
//!    200, without redirects, as a key set with at least one usable key.
//! 7. Plain `http` only to the own machine, unless [`RemoteKeysBuilder::insecure_http`] says otherwise.
//! 8. A location found by discovery counts only from metadata that names exactly this issuer
//!    ([RFC 8414 §3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)). It leads from an issuer elsewhere never to
//!    the own machine, and from an `https` issuer never to plain `http`.

mod client;
mod discovery;
mod exchange;
mod feed;
mod fetch;
mod form;
mod http_client;
mod jitter;
mod location;
mod schedule;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Clock, Issuer, KeyId, KeySet, KeySource, PublishedKeys, SystemClock, UnixTime, tower::LookForKey,
};

use self::{
    discovery::Where,
    fetch::{Fetch, Fetched, HttpFetch},
    jitter::Chance,
    location::Location,
    schedule::Schedule,
};

#[cfg(feature = "testkit")]
#[doc(hidden)]
pub use self::feed::{Needed, SteppedFeed};
pub use self::{
    client::{ClientAuthentication, ProofError},
    exchange::{
        CallError, EXCHANGE_TIMEOUT, Exchange, ExchangeBuilder, ExchangeError, ExchangeSetupError,
        MAX_UNDER_WAY, OnBehalfOf, OnBehalfOfCaller,
    },
    feed::{
        FeedCounters, FeedError, FeedStartError, HEARTBEAT_TIMEOUT, MAX_HEARTBEAT_AGE, OnFeedLoss,
        RevocationFeed, RevocationFeedBuilder,
    },
    fetch::FetchError,
    location::LocationError,
};

/// Longest time for one fetch, discovery included: 5 s.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Fetches that unknown keys may cause at once: 3.
pub const UNKNOWN_KEY_BURST: u32 = 3;
/// After these, one fetch in this time: 10 s.
pub const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(10);
/// How long a name is remembered as not being in the set: 30 s.
pub const UNKNOWN_KEY_MEMORY: Duration = Duration::from_secs(30);
/// How long the last good keys are used while the endpoint fails, unless told otherwise: 24 h.
pub const DEFAULT_MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The key set of an issuer, kept fresh by a task of its own until the last clone is dropped.
///
/// ```no_run
/// # async fn start() -> Result<(), countersign::remote::StartError> {
/// use countersign::remote::RemoteKeys;
/// let keys = RemoteKeys::builder().key_set("https://shop.example/.well-known/jwks.json").start()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteKeys {
    shared: Arc<Shared>,
}

/// How fetching a key set went since it was started: for metrics and alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FetchRecord {
    /// Fetches that brought keys, or that they are the same.
    pub succeeded: u64,
    /// Fetches that did not.
    pub failed: u64,
    /// When the last one succeeded; none if none ever did.
    pub last_success: Option<UnixTime>,
    /// Whether the last one failed: the keys in use, if there are any, are the last good ones.
    pub is_failing: bool,
}

impl FetchRecord {
    fn succeed(&mut self, now: UnixTime) {
        self.succeeded = self.succeeded.saturating_add(1);
        (self.last_success, self.is_failing) = (Some(now), false);
    }

    fn fail(&mut self) {
        self.failed = self.failed.saturating_add(1);
        self.is_failing = true;
    }
}

/// How to find and keep a key set. See the [module](self) for the rules.
#[derive(Debug, Clone)]
pub struct RemoteKeysBuilder {
    place: Option<Place>,
    max_stale: Duration,
    insecure_http: bool,
    clock: Arc<dyn Clock>,
    chance: Chance,
}

#[derive(Debug, Clone)]
enum Place {
    Discovered(Issuer),
    Given(String),
}

/// Why a key set cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Neither a key set nor an issuer was given.
    #[error("neither the location of a key set nor an issuer was given")]
    Nowhere,
    /// The location cannot be used.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// An `https` location, and the machine has no root certificates.
    #[error("the machine's root certificates cannot be read")]
    RootCertificates(#[source] std::io::Error),
    /// Called outside of a tokio runtime.
    #[error("there is no tokio runtime to keep the keys fresh in")]
    NoRuntime,
}

impl RemoteKeysBuilder {
    /// The key set is at this URL.
    #[must_use]
    pub fn key_set(mut self, url: impl Into<String>) -> Self {
        self.place = Some(Place::Given(url.into()));
        self
    }

    /// The key set is where this issuer's metadata says: `/.well-known/openid-configuration` below the issuer, and
    /// where no such document is there RFC 8414's `/.well-known/oauth-authorization-server`.
    #[must_use]
    pub fn discover(mut self, issuer: impl Into<Issuer>) -> Self {
        self.place = Some(Place::Discovered(issuer.into()));
        self
    }

    /// How long the last good keys are used while the endpoint fails. Default [`DEFAULT_MAX_STALE`]. A key that its
    /// issuer withdrew is believed for as long.
    #[must_use]
    pub const fn max_stale(mut self, time: Duration) -> Self {
        self.max_stale = time;
        self
    }

    /// Allows plain `http` to other machines: whoever is on the way there can become any caller.
    #[must_use]
    pub const fn insecure_http(mut self) -> Self {
        self.insecure_http = true;
        self
    }

    /// Tells the time by which keys end. Default [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the task that fetches the keys and keeps them fresh. Does not wait for it.
    ///
    /// # Errors
    /// [`StartError`]: never because the issuer cannot be reached.
    pub fn start(self) -> Result<RemoteKeys, StartError> {
        let place = match self.place.as_ref().ok_or(StartError::Nowhere)? {
            Place::Discovered(issuer) => Where::Discovered {
                issuer: issuer.clone(),
                metadata: discovery::metadata_locations(issuer, self.insecure_http)?,
            },
            Place::Given(url) => Where::Given(Location::parse(url, self.insecure_http)?),
        };
        let fetch = HttpFetch::new(place, self.insecure_http).map_err(StartError::RootCertificates)?;
        self.start_with(fetch)
    }

    fn start_with(self, fetch: impl Fetch) -> Result<RemoteKeys, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let shared = Arc::new(Shared {
            published: PublishedKeys::empty(),
            schedule: Mutex::new(Schedule::new(Instant::now())),
            record: Mutex::default(),
            failure: Mutex::default(),
            wake: Arc::default(),
            completed: watch::Sender::new(0),
            clock: self.clock,
            chance: self.chance,
            max_stale: self.max_stale,
        });
        runtime.spawn(keep_fresh(Arc::downgrade(&shared), Arc::clone(&shared.wake), fetch));
        Ok(RemoteKeys { shared })
    }
}

struct Shared {
    published: PublishedKeys,
    schedule: Mutex<Schedule>,
    record: Mutex<FetchRecord>,
    /// Why the last fetch brought no keys.
    failure: Mutex<Option<String>>,
    wake: Arc<Notify>,
    /// Counts fetches that have ended, well or not.
    completed: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
    chance: Chance,
    max_stale: Duration,
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // A schedule is sound after every single change of it.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self) -> MutexGuard<'_, FetchRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, fetched: Result<Fetched, FetchError>) {
        let now = Instant::now();
        *self.failure() = fetched.as_ref().err().map(ToString::to_string);
        match fetched {
            Ok(Fetched { keys, max_age }) => {
                self.record().succeed(self.clock.now());
                let end = self.clock.now().saturating_add(self.max_stale);
                let Some(keys) = keys else {
                    // Only asked for when there is a set that it can be the same as, ended or not.
                    self.published.keep_until(Some(end));
                    let same = self.published.current(self.clock.now()).unwrap_or_default();
                    let has = |id: &KeyId| same.find(id.as_str()).is_some();
                    self.schedule().handle_keys(now, max_age, (self.chance)(), has);
                    self.completed.send_modify(|count| *count = count.wrapping_add(1));
                    return;
                };
                let has = |id: &KeyId| keys.find(id.as_str()).is_some();
                self.schedule().handle_keys(now, max_age, (self.chance)(), has);
                let before = self.published.generation();
                let count = keys.len();
                self.published.publish(keys, Some(end));
                if self.published.generation() != before {
                    tracing::info!(target: "countersign::keys", count, "the key set has changed");
                }
            }
            Err(error) => {
                self.record().fail();
                let again_in = self.schedule().handle_failure(now);
                let usable = self.published.current(self.clock.now()).is_some();
                tracing::warn!(
                    target: "countersign::keys",
                    %error,
                    again_in_seconds = again_in.as_secs(),
                    last_keys_usable = usable,
                    "the key set cannot be fetched"
                );
            }
        }
        self.completed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The task waits on it; the next thing it finds is that nobody is left.
        self.wake.notify_one();
    }
}

async fn keep_fresh(shared: Weak<Shared>, wake: Arc<Notify>, mut fetch: impl Fetch) {
    loop {
        let Some(due) = shared.upgrade().map(|shared| shared.schedule().due()) else { return };
        if due > Instant::now() {
            tokio::select! {
                biased;
                () = wake.notified() => {}
                () = sleep_until(due) => {}
            }
            continue;
        }
        let Some(()) = shared.upgrade().map(|shared| shared.schedule().handle_start()) else { return };
        let fetched = timeout(FETCH_TIMEOUT, fetch.fetch()).await.unwrap_or(Err(FetchError::Timeout));
        let Some(shared) = shared.upgrade() else { return };
        shared.apply(fetched);
    }
}

impl RemoteKeys {
    /// Says what to keep.
    #[must_use]
    pub fn builder() -> RemoteKeysBuilder {
        RemoteKeysBuilder {
            place: None,
            max_stale: DEFAULT_MAX_STALE,
            insecure_http: false,
            clock: Arc::new(SystemClock),
            chance: jitter::random,
        }
    }

    /// Waits until there are keys, at most so long; true if there are.
    pub async fn ready(&self, at_most: Duration) -> bool {
        let mut completed = self.shared.completed.subscribe();
        let deadline = Instant::now() + at_most;
        loop {
            if self.shared.published.current(self.shared.clock.now()).is_some() {
                return true;
            }
            match tokio::time::timeout_at(deadline, completed.changed()).await {
                Ok(Ok(())) => {}
                _ => return false,
            }
        }
    }

    /// Looks for the key of that name, fetching the set once more where rule 4 of the [module](self) allows it, and
    /// waits for that, at most [`FETCH_TIMEOUT`]. True if the set has the key then.
    pub async fn look_for(&self, id: &KeyId) -> bool {
        let mut completed = self.shared.completed.subscribe();
        let has = |keys: Option<Arc<KeySet>>| keys.is_some_and(|keys| keys.find(id.as_str()).is_some());
        if has(self.shared.published.current(self.shared.clock.now())) {
            return true;
        }
        self.ask_for(id);
        let fetched =
            async { while self.shared.schedule().is_pending(id) && completed.changed().await.is_ok() {} };
        // Whether it ended well, or in time, shows in the set.
        let _ = timeout(FETCH_TIMEOUT, fetched).await;
        has(self.shared.published.current(self.shared.clock.now()))
    }

    /// How fetching went so far.
    #[must_use]
    pub fn fetches(&self) -> FetchRecord {
        *self.shared.record()
    }

    /// Why the last fetch brought no keys, in words for people; none if it did, or none has ended yet.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.failure().clone()
    }

    fn ask_for(&self, id: &KeyId) {
        if self.shared.schedule().handle_unknown_key(Instant::now(), id) {
            self.shared.wake.notify_one();
        }
    }
}

impl LookForKey for RemoteKeys {
    fn look_for(&self, id: KeyId) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let keys = self.clone();
        Box::pin(async move { Self::look_for(&keys, &id).await })
    }
}

impl KeySource for RemoteKeys {
    fn published(&self) -> &PublishedKeys {
        &self.shared.published
    }

    fn handle_unknown_key(&self, id: &KeyId) {
        self.ask_for(id);
    }

    fn handle_keys_changed(&self) {
        if self.shared.schedule().handle_keys_changed(Instant::now()) {
            self.shared.wake.notify_one();
        }
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("published", &self.shared.published).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "sign")]
mod tests;
