//! The task that follows a feed.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    FeedError, HEARTBEAT_TIMEOUT, MAX_HEARTBEAT_AGE, Shared, add,
    believed::Believed,
    position::{Step, step},
    sse::{SseEvent, SseReader},
    transport::{Pieces, Transport},
};
use crate::{
    Clock, KeySet, KeySource, UnixTime,
    remote::jitter::Chance,
    revocation::{Cursor, FeedReader, MessageError, Revocation, What},
};

/// One try at a page, or at opening the stream.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The most pages of a snapshot.
const MAX_PAGES: u32 = 1_000;
/// How often a snapshot whose pages do not belong together is begun again before the connection is given up.
const SNAPSHOT_TRIES: u32 = 3;
/// The longest first wait after a connection has ended.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest second wait; each further one is twice as long.
const SECOND_WAIT: Duration = Duration::from_millis(500);
/// The longest wait of all.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often what has expired is forgotten.
pub(super) const FORGET_EACH: Duration = Duration::from_secs(30);
/// How often keys that have not come yet are asked for.
const KEYS_EACH: Duration = Duration::from_millis(100);

/// Follows until the last handle is dropped.
pub(super) struct Follower<T> {
    pub(super) shared: Weak<Shared>,
    pub(super) reader: FeedReader,
    pub(super) keys: Arc<dyn KeySource>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) chance: Chance,
    pub(super) transport: T,
    /// Where we stand; none before the first snapshot, and when another is needed.
    pub(super) cursor: Option<Cursor>,
    /// When the last heartbeat came; none if what is known is incomplete.
    pub(super) beats: watch::Sender<Option<Instant>>,
    pub(super) forget_at: Instant,
    pub(super) believed: Believed,
}

/// How a connection ended.
enum End {
    /// The other side ended it.
    Closed,
    /// Nobody is left who wants to know.
    Dropped,
    /// A snapshot is needed.
    Snapshot,
}

/// Says whether the feed is current, from its heartbeats alone: whatever the follower waits for, silence is noticed.
pub(super) async fn watch_over(shared: Weak<Shared>, mut beats: watch::Receiver<Option<Instant>>) {
    let set_current = |current| shared.upgrade().map(|shared| shared.set_current(current));
    loop {
        let beat = *beats.borrow_and_update();
        let heard = match beat {
            None => {
                set_current(false);
                beats.changed().await
            }
            Some(beat) => {
                set_current(true);
                match timeout_at(beat + HEARTBEAT_TIMEOUT, beats.changed()).await {
                    Ok(heard) => heard,
                    Err(_) => {
                        set_current(false);
                        beats.changed().await
                    }
                }
            }
        };
        if heard.is_err() {
            // The follower is no more.
            set_current(false);
            return;
        }
    }
}

impl<T: Transport> Follower<T> {
    pub(super) async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let before = *self.beats.borrow();
            let end = self.connect().await;
            let Some(shared) = self.shared.upgrade() else { return };
            match end {
                Ok(End::Closed) => {}
                Ok(End::Dropped) => return,
                Ok(End::Snapshot) => self.cursor = None,
                Err(error) => self.handle_failure(&shared, &error),
            }
            add(&shared.counted.disconnects);
            drop(shared);
            if *self.beats.borrow() != before {
                failures = 0;
            }
            sleep(wait(failures, (self.chance)())).await;
            failures = failures.saturating_add(1);
            if self.shared.strong_count() == 0 {
                return;
            }
        }
    }

    fn handle_failure(&mut self, shared: &Shared, error: &FeedError) {
        match error {
            FeedError::Message(reason) => {
                add(&shared.counted.refused);
                if *reason == MessageError::KeyUnknown {
                    self.keys.handle_keys_changed();
                }
            }
            FeedError::Stale => add(&shared.counted.refused),
            FeedError::TableFull(_) => {
                // Something is revoked that the table does not have.
                self.beats.send_replace(None);
                self.cursor = None;
            }
            _ => {}
        }
        tracing::warn!(target: "countersign::revocations", %error, "a connection to the revocation feed has ended");
    }

    /// One connection, from the snapshot, if one is needed, to its end.
    async fn connect(&mut self) -> Result<End, FeedError> {
        while self.current_keys().is_err() {
            sleep(KEYS_EACH).await;
            if self.shared.strong_count() == 0 {
                return Ok(End::Dropped);
            }
        }
        let cursor = match self.cursor.clone() {
            Some(cursor) => cursor,
            None => match self.snapshot().await? {
                Some(cursor) => cursor,
                None => return Ok(End::Dropped),
            },
        };
        self.cursor = Some(cursor.clone());
        let opened = timeout(REQUEST_TIMEOUT, self.transport.stream(&cursor)).await;
        let mut pieces = opened.map_err(|_| FeedError::Silent)??;
        self.listen(&mut pieces).await
    }

    fn current_keys(&self) -> Result<Arc<KeySet>, FeedError> {
        self.keys.published().current(self.clock.now()).ok_or(FeedError::NoKeys)
    }

    /// Takes a whole snapshot; none if nobody is left.
    async fn snapshot(&mut self) -> Result<Option<Cursor>, FeedError> {
        for _ in 0..SNAPSHOT_TRIES {
            let Some((cursor, entries)) = self.pages().await? else { continue };
            let Some(shared) = self.shared.upgrade() else { return Ok(None) };
            let count = entries.len();
            shared.table.replace(entries)?;
            add(&shared.counted.snapshots);
            tracing::info!(target: "countersign::revocations", count, %cursor, "a snapshot of revocations was taken");
            return Ok(Some(cursor));
        }
        Err(FeedError::Snapshot)
    }

    /// All pages, if they belong together.
    async fn pages(&mut self) -> Result<Option<(Cursor, Vec<Revocation>)>, FeedError> {
        let (mut cursor, mut entries) = (None, Vec::new());
        for number in 0..MAX_PAGES {
            let page = timeout(REQUEST_TIMEOUT, self.transport.page(number)).await;
            let page = page.map_err(|_| FeedError::Silent)??;
            let page = self.reader.read_page(&page, self.current_keys()?.as_ref())?;
            // A recorded snapshot would take back what was revoked since.
            if !is_of_this_time(page.issued_at, self.clock.now()) {
                return Err(FeedError::Stale);
            }
            self.believed.note_issuer(page.issued_at);
            let page = page.content;
            if page.page != number || cursor.as_ref().is_some_and(|cursor| *cursor != page.cursor) {
                return Ok(None);
            }
            entries.extend(page.entries);
            if page.last {
                return Ok(Some((page.cursor, entries)));
            }
            cursor = Some(page.cursor);
        }
        Err(FeedError::Snapshot)
    }

    async fn listen(&mut self, pieces: &mut T::Pieces) -> Result<End, FeedError> {
        let mut reader = SseReader::default();
        let mut silent_at = Instant::now() + HEARTBEAT_TIMEOUT;
        loop {
            let piece: Option<Result<Bytes, FeedError>> =
                timeout_at(silent_at, pieces.next()).await.map_err(|_| FeedError::Silent)?;
            let Some(piece) = piece else { return Ok(End::Closed) };
            for event in reader.push(&piece?).map_err(|_| FeedError::TooLong)? {
                let Some(shared) = self.shared.upgrade() else { return Ok(End::Dropped) };
                match self.handle(&shared, &event)? {
                    Step::Advance | Step::Nothing => {}
                    Step::Alive => silent_at = Instant::now() + HEARTBEAT_TIMEOUT,
                    Step::Snapshot => return Ok(End::Snapshot),
                }
            }
            // Bytes that never become a heartbeat are silence too.
            let now = Instant::now();
            if now >= silent_at {
                return Err(FeedError::Silent);
            }
            if now >= self.forget_at {
                self.forget_at = now + FORGET_EACH;
                let Some(shared) = self.shared.upgrade() else { return Ok(End::Dropped) };
                shared.table.forget_expired(self.believed.until(self.clock.now(), now));
            }
        }
    }

    /// Does what one event says.
    fn handle(&mut self, shared: &Shared, event: &SseEvent) -> Result<Step, FeedError> {
        match event.name.as_str() {
            "reset" => return Ok(Step::Snapshot),
            "heartbeat" | "revocation" => {}
            _ => return Ok(Step::Nothing),
        }
        let received = self.reader.read_event(&event.data, self.current_keys()?.as_ref())?;
        let event = received.content;
        if event.what == What::Heartbeat && !is_of_this_time(received.issued_at, self.clock.now()) {
            return Err(FeedError::Stale);
        }
        let Some(position) = &mut self.cursor else { return Ok(Step::Snapshot) };
        let step = step(position, &event);
        match step {
            Step::Advance => {
                shared.table.apply(&event)?;
                *position = event.cursor;
                add(&shared.counted.events);
                if event.what == What::KeysChanged {
                    self.keys.handle_keys_changed();
                }
            }
            Step::Alive => {
                self.believed.note_issuer(received.issued_at);
                add(&shared.counted.heartbeats);
                shared.counted.last_heartbeat.store(self.clock.now().as_secs(), Ordering::Relaxed);
                self.beats.send_replace(Some(Instant::now()));
            }
            Step::Nothing | Step::Snapshot => {}
        }
        Ok(step)
    }
}

fn is_of_this_time(moment: UnixTime, now: UnixTime) -> bool {
    moment.saturating_since(now).max(now.saturating_since(moment)) <= MAX_HEARTBEAT_AGE
}

/// How long to wait after so many connections in a row that brought no heartbeat. The first wait is anything up to its
/// length, the others at least half of it.
fn wait(failures: u32, chance: f64) -> Duration {
    match failures.checked_sub(1) {
        None => FIRST_WAIT.mul_f64(chance),
        Some(further) => {
            let longest = SECOND_WAIT.saturating_mul(1 << further.min(8)).min(LONGEST_WAIT);
            longest.mul_f64(1.0 - chance / 2.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::wait;

    #[test]
    fn waits_grow_and_are_spread() {
        let longest: Vec<u128> = (0..9).map(|failures| wait(failures, 0.0).as_millis()).collect();
        assert_eq!(longest, [0, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000]);
        assert!(wait(0, 0.999) < Duration::from_millis(200));
        assert_eq!(wait(3, 0.5), Duration::from_millis(1_500));
        assert!(wait(u32::MAX, 0.999) >= Duration::from_millis(2_500));
    }
}
