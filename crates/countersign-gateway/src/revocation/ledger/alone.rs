//! How long a gateway may go on that cannot read what others revoke.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Ledger;
use crate::clock::{Clock, Moment};

/// It is read four times a second: what was not read for longer is away.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// When the shared store was read last, and how old that may be.
pub(super) struct Alone {
    clock: Arc<dyn Clock>,
    read_at: AtomicU64,
    longest: AtomicU64,
}

impl Alone {
    /// It was read just now, and there is no limit.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let read_at = AtomicU64::new(clock.now().monotonic.as_millis());
        Self { clock, read_at, longest: AtomicU64::new(u64::MAX) }
    }

    fn age(&self) -> Duration {
        let read_at = Moment::from_millis(self.read_at.load(Ordering::Relaxed));
        self.clock.now().monotonic.saturating_since(read_at)
    }

    fn is_too_long(&self) -> bool {
        self.age() > Duration::from_millis(self.longest.load(Ordering::Relaxed))
    }
}

impl Ledger {
    /// Limits how long this gateway signs without having read the shared store. Without one it does so for ever. A store
    /// that is not shared has nothing to tell.
    pub fn limit_alone(&self, longest: Duration) {
        if let Some(alone) = &self.alone {
            let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
            alone.longest.store(longest, Ordering::Relaxed);
        }
    }

    /// Whether more may have been revoked elsewhere, and for longer, than this gateway may go on signing with.
    #[must_use]
    pub fn is_alone_too_long(&self) -> bool {
        self.alone.as_ref().is_some_and(Alone::is_too_long)
    }

    /// For how long the shared store could not be read. `None`: it was read within the last two seconds, or there is
    /// none.
    #[must_use]
    pub fn unread_for(&self) -> Option<Duration> {
        self.alone.as_ref().map(Alone::age).filter(|age| *age > READ_WITHIN)
    }

    /// How many revocations wait for a store that could not write them.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// So many wait now.
    pub(in crate::revocation) fn note_pending(&self, count: usize) {
        self.pending.store(count, Ordering::Relaxed);
    }

    /// What others wrote until now is known here.
    pub(in crate::revocation) fn note_read(&self) {
        if let Some(alone) = &self.alone {
            alone.read_at.store(alone.clock.now().monotonic.as_millis(), Ordering::Relaxed);
        }
    }
}
