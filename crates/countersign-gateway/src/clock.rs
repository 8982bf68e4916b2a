//! Time as an argument: the time of day, and a clock that never goes back.

use std::{fmt, time::Duration};

use countersign::UnixTime;

/// One moment, read from both clocks.
///
/// Ends and lives are compared with `wall`; ages with `monotonic`, so that a clock set back cannot make an old
/// answer fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The time of day.
    pub wall: UnixTime,
    /// Time since the process began.
    pub monotonic: Moment,
}

/// Milliseconds on a clock that never goes back. It began an hour before the process did, so that what is a little older
/// than the process has a moment too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// A moment that many milliseconds after the beginning.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Now;
}

/// What [`Moment`]s count before the process began.
const HEAD_START_MILLIS: u64 = 3_600_000;

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    began: std::time::Instant,
}

impl SystemClock {
    /// Begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's monotonic clock")]
    pub fn start() -> Self {
        Self { began: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let since_began = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let since_began = since_began.saturating_add(HEAD_START_MILLIS);
        Now { wall: countersign::Clock::now(&countersign::SystemClock), monotonic: Moment(since_began) }
    }
}

/// A clock that moves when it is told to.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct ManualClock {
    wall: std::sync::atomic::AtomicU64,
    monotonic: std::sync::atomic::AtomicU64,
}

#[cfg(test)]
impl ManualClock {
    pub(crate) fn at(wall: u64) -> Self {
        Self { wall: wall.into(), monotonic: 0.into() }
    }

    /// Somebody sets the time of day.
    pub(crate) fn set_wall(&self, wall: u64) {
        self.wall.store(wall, std::sync::atomic::Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap();
        self.monotonic.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
        self.wall.fetch_add(millis / 1000, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Clock for ManualClock {
    fn now(&self) -> Now {
        use std::sync::atomic::Ordering::SeqCst;
        Now {
            wall: UnixTime::from_secs(self.wall.load(SeqCst)),
            monotonic: Moment(self.monotonic.load(SeqCst)),
        }
    }
}
