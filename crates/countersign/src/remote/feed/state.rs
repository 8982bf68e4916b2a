//! What a follower of a feed knows, and what it needs next. Pure: what came and the present moment go in; nothing here
//! waits, connects, or looks at a signature.
//!
//! Whoever drives it asks [`FeedState::poll`] what is needed, and hands in what comes of it.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    FeedError, HEARTBEAT_TIMEOUT, MAX_HEARTBEAT_AGE, Shared, add,
    believed::Believed,
    furthest::Furthest,
    position::{Step, step},
};
use crate::{
    UnixTime,
    remote::jitter::Chance,
    revocation::{Cursor, Event, MessageError, Received, Revocation, SnapshotPage, What},
};

/// The most pages of a snapshot.
const MAX_PAGES: u32 = 1_000;
/// How often a snapshot whose pages do not belong together is begun before the connection is given up.
const SNAPSHOT_TRIES: u32 = 3;
/// The longest first wait after a connection has ended.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest second wait; each further one is twice as long.
const SECOND_WAIT: Duration = Duration::from_millis(500);
/// The longest wait of all.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often what has expired is forgotten.
const FORGET_EACH: Duration = Duration::from_secs(30);

/// What a feed needs next.
#[cfg_attr(
    not(feature = "testkit"),
    expect(unreachable_pub, reason = "the test kit's feed is stepped by it")
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// The next message of the open stream. Without a heartbeat until then it is silent.
    Message(Instant),
    /// Nothing until then. Whatever was open is closed.
    Nothing(Instant),
    /// That page of the snapshot.
    Page(u32),
    /// The stream of everything after that place.
    Stream(Cursor),
}

/// The present moment by the clock on the wall, and by the one that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: UnixTime,
    pub(super) instant: Instant,
}

/// All that a follower knows, but for the table.
#[derive(Debug)]
pub(super) struct FeedState {
    phase: Phase,
    /// Where we stand; none before the first snapshot, and when another is needed.
    cursor: Option<Cursor>,
    furthest: Furthest,
    /// When the last heartbeat came; none if what is known is incomplete.
    beat: Option<Instant>,
    /// Connections in a row that brought no heartbeat.
    failures: u32,
    keys_wanted: bool,
    forget_at: Instant,
    believed: Believed,
    chance: Chance,
}

#[derive(Debug)]
enum Phase {
    /// Without a cursor the snapshot comes first.
    Connecting(Pages),
    Listening {
        silent_at: Instant,
    },
    Waiting {
        until: Instant,
    },
}

/// A snapshot as far as it has come.
#[derive(Debug, Default)]
struct Pages {
    /// Begun so often before.
    tries: u32,
    number: u32,
    cursor: Option<Cursor>,
    entries: Vec<Revocation>,
}

impl FeedState {
    /// Knows nothing, and connects at once.
    pub(super) fn new(now: Instant, chance: Chance) -> Self {
        Self {
            phase: Phase::Waiting { until: now },
            cursor: None,
            furthest: Furthest::default(),
            beat: None,
            failures: 0,
            keys_wanted: false,
            forget_at: now + FORGET_EACH,
            believed: Believed::default(),
            chance,
        }
    }

    /// When the last heartbeat came; none if what is known is incomplete.
    pub(super) const fn beat(&self) -> Option<Instant> {
        self.beat
    }

    /// Whether a snapshot of that place is older than what is known.
    #[cfg(feature = "testkit")]
    pub(super) fn is_beyond(&self, place: &Cursor) -> bool {
        self.furthest.is_beyond(place)
    }

    /// Whether messages of an open stream are looked at.
    pub(super) const fn is_listening(&self) -> bool {
        matches!(self.phase, Phase::Listening { .. })
    }

    /// Whether the issuer's keys should be looked for since this was asked last.
    pub(super) const fn take_keys_wanted(&mut self) -> bool {
        std::mem::replace(&mut self.keys_wanted, false)
    }

    /// What is needed next.
    pub(super) fn poll(&mut self, shared: &Shared, now: Instant) -> Needed {
        match &self.phase {
            Phase::Listening { silent_at } if *silent_at <= now => {
                self.handle_failure(shared, &FeedError::Silent, now);
            }
            Phase::Waiting { until } if *until <= now => {
                self.phase = Phase::Connecting(Pages::default());
            }
            _ => {}
        }
        match (&self.phase, &self.cursor) {
            (Phase::Connecting(_), Some(cursor)) => Needed::Stream(cursor.clone()),
            (Phase::Connecting(pages), None) => Needed::Page(pages.number),
            (Phase::Listening { silent_at }, _) => Needed::Message(*silent_at),
            (Phase::Waiting { until }, _) => Needed::Nothing(*until),
        }
    }

    /// The page that was asked for.
    pub(super) fn handle_page(&mut self, shared: &Shared, page: Received<SnapshotPage>, now: Now) {
        if let Err(error) = self.take_page(shared, page, now) {
            self.handle_failure(shared, &error, now.instant);
        }
    }

    fn take_page(
        &mut self,
        shared: &Shared,
        page: Received<SnapshotPage>,
        now: Now,
    ) -> Result<(), FeedError> {
        let Phase::Connecting(pages) = &mut self.phase else { return Ok(()) };
        // A recorded snapshot would take back what was revoked since.
        if !is_of_this_time(page.issued_at, now.wall) {
            return Err(FeedError::Stale);
        }
        self.believed.note_issuer(page.issued_at);
        let SnapshotPage { cursor, page, last, entries } = page.content;
        // A gateway that lags would, too.
        if self.furthest.is_beyond(&cursor) {
            return Err(FeedError::Behind);
        }
        if page != pages.number || pages.cursor.as_ref().is_some_and(|begun| *begun != cursor) {
            let tries = pages.tries.saturating_add(1);
            *pages = Pages { tries, ..Pages::default() };
            return if tries < SNAPSHOT_TRIES { Ok(()) } else { Err(FeedError::Snapshot) };
        }
        pages.entries.extend(entries);
        if !last {
            pages.cursor = Some(cursor);
            pages.number = pages.number.saturating_add(1);
            return if pages.number < MAX_PAGES { Ok(()) } else { Err(FeedError::Snapshot) };
        }
        let entries = std::mem::take(&mut pages.entries);
        let count = entries.len();
        shared.table.replace(entries)?;
        add(&shared.counted.snapshots);
        tracing::info!(target: "countersign::revocations", count, %cursor, "a snapshot of revocations was taken");
        self.furthest.come_to(&cursor);
        self.cursor = Some(cursor);
        Ok(())
    }

    /// The stream that was asked for is open.
    pub(super) fn handle_opened(&mut self, now: Instant) {
        self.phase = Phase::Listening { silent_at: now + HEARTBEAT_TIMEOUT };
    }

    /// An event of the open stream that the issuer has signed.
    pub(super) fn handle_event(&mut self, shared: &Shared, event: Received<Event>, now: Now) {
        match self.take_event(shared, event, now) {
            Ok(Step::Snapshot) => self.handle_reset(shared, now.instant),
            Ok(Step::Advance | Step::Alive | Step::Nothing) => {}
            Err(error) => self.handle_failure(shared, &error, now.instant),
        }
        if now.instant >= self.forget_at {
            self.forget_at = now.instant + FORGET_EACH;
            shared.table.forget_expired(self.believed.until(now.wall, now.instant));
        }
    }

    /// Does what one event says.
    fn take_event(&mut self, shared: &Shared, event: Received<Event>, now: Now) -> Result<Step, FeedError> {
        let Phase::Listening { silent_at } = &mut self.phase else { return Ok(Step::Nothing) };
        let Received { issued_at, content: event, .. } = event;
        if event.what == What::Heartbeat && !is_of_this_time(issued_at, now.wall) {
            return Err(FeedError::Stale);
        }
        let Some(position) = &mut self.cursor else { return Ok(Step::Snapshot) };
        let step = step(position, &event);
        match step {
            Step::Advance => {
                shared.table.apply(&event)?;
                self.furthest.come_to(&event.cursor);
                *position = event.cursor;
                add(&shared.counted.events);
                self.keys_wanted |= event.what == What::KeysChanged;
            }
            Step::Alive => {
                *silent_at = now.instant + HEARTBEAT_TIMEOUT;
                self.beat = Some(now.instant);
                self.failures = 0;
                self.believed.note_issuer(issued_at);
                add(&shared.counted.heartbeats);
                shared.note_heartbeat(now.wall);
            }
            Step::Nothing | Step::Snapshot => {}
        }
        Ok(step)
    }

    /// A snapshot is needed.
    pub(super) fn handle_reset(&mut self, shared: &Shared, now: Instant) {
        self.cursor = None;
        self.handle_closed(shared, now);
    }

    /// The connection cannot be made or is of no use.
    pub(super) fn handle_failure(&mut self, shared: &Shared, error: &FeedError, now: Instant) {
        match error {
            FeedError::Message(reason) => {
                add(&shared.counted.refused);
                self.keys_wanted |= *reason == MessageError::KeyUnknown;
            }
            FeedError::Behind | FeedError::Stale => add(&shared.counted.refused),
            FeedError::TableFull(_) => {
                // Something is revoked that the table does not have.
                self.beat = None;
                self.cursor = None;
            }
            _ => {}
        }
        tracing::warn!(target: "countersign::revocations", %error, "a connection to the revocation feed has ended");
        self.handle_closed(shared, now);
    }

    /// The connection has ended.
    pub(super) fn handle_closed(&mut self, shared: &Shared, now: Instant) {
        add(&shared.counted.disconnects);
        self.phase = Phase::Waiting { until: now + wait(self.failures, (self.chance)()) };
        self.failures = self.failures.saturating_add(1);
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
