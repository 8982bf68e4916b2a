//! A feed that somebody else moves on: for simulations, in which many services follow many gateways.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    FeedError, HEARTBEAT_TIMEOUT, OnFeedLoss, RevocationFeed, Shared,
    state::{FeedState, Needed, Now},
};
use crate::{
    Issuer, UnixTime,
    revocation::{Cursor, Event, Received, Revoked, SnapshotPage},
};

/// Follows a feed by the same state as [`RevocationFeed`] does, without a connection, a task, or a signature: whoever
/// steps it hands in what came and when. [`Self::feed`] is for the verifier.
#[derive(Debug)]
pub struct SteppedFeed {
    feed: RevocationFeed,
    state: FeedState,
}

impl SteppedFeed {
    /// Knows nothing yet. After a connection has ended it waits as long as any does.
    #[must_use]
    pub fn new(issuer: impl Into<Issuer>, on_feed_loss: OnFeedLoss, now: Instant) -> Self {
        let shared = Shared::new(issuer.into(), Revoked::DEFAULT_MAX_ENTRIES, on_feed_loss);
        Self { feed: RevocationFeed { shared: Arc::new(shared) }, state: FeedState::new(now, || 0.0) }
    }

    /// What the verifier asks.
    #[must_use]
    pub const fn feed(&self) -> &RevocationFeed {
        &self.feed
    }

    /// What is needed next.
    pub fn poll(&mut self, now: Instant) -> Needed {
        let needed = self.state.poll(&self.feed.shared, now);
        self.look(now);
        needed
    }

    /// Whether a snapshot of that place is older than what is known.
    #[must_use]
    pub fn is_beyond(&self, place: &Cursor) -> bool {
        self.state.is_beyond(place)
    }

    /// Whether the issuer's keys should be looked for since this was asked last.
    pub const fn take_keys_wanted(&mut self) -> bool {
        self.state.take_keys_wanted()
    }

    /// The page that was needed has come.
    pub fn handle_page(&mut self, page: Received<SnapshotPage>, wall: UnixTime, instant: Instant) {
        self.state.handle_page(&self.feed.shared, page, Now { wall, instant });
        self.look(instant);
    }

    /// The stream that was needed is open.
    pub fn handle_opened(&mut self, now: Instant) {
        self.state.handle_opened(now);
    }

    /// An event of the stream has come.
    pub fn handle_event(&mut self, event: Received<Event>, wall: UnixTime, instant: Instant) {
        self.state.handle_event(&self.feed.shared, event, Now { wall, instant });
        self.look(instant);
    }

    /// The gateway says that a snapshot is needed.
    pub fn handle_reset(&mut self, now: Instant) {
        self.state.handle_reset(&self.feed.shared, now);
        self.look(now);
    }

    /// The gateway has ended the connection.
    pub fn handle_closed(&mut self, now: Instant) {
        self.state.handle_closed(&self.feed.shared, now);
        self.look(now);
    }

    /// What was needed did not come, or the connection broke.
    pub fn handle_failure(&mut self, error: &FeedError, now: Instant) {
        self.state.handle_failure(&self.feed.shared, error, now);
        self.look(now);
    }

    /// As the task that watches over a feed does.
    fn look(&self, now: Instant) {
        let is_current = self.state.beat().is_some_and(|beat| now < beat + HEARTBEAT_TIMEOUT);
        self.feed.shared.set_current(is_current);
    }
}
