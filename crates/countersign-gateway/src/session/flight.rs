//! One look-up for each session at a time, shared by everybody who wants its outcome.
//!
//! 1. The look-up is detached: it survives the client that started it.
//! 2. Its outcome is shared, a failure as well as a success: nobody asks again in turn.
//! 3. The number of waiters is bounded.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::watch;

use super::{cache::Entry, key::SessionKey, key::SessionKeyHasher};
use crate::error::Refusal;

/// How a look-up ended.
pub type Outcome = Result<Arc<Entry>, Refusal>;

const SHARDS: usize = 16;

type Shard = HashMap<SessionKey, Arc<Flight>, SessionKeyHasher>;

/// The look-ups under way.
pub struct Flights {
    shards: [Mutex<Shard>; SHARDS],
}

struct Flight {
    outcome: watch::Sender<Option<Outcome>>,
    waiters: AtomicUsize,
}

/// What a caller that wants a session has to do.
#[derive(Debug)]
pub enum Boarding {
    /// Look it up, and [`Takeoff::land`] with the outcome.
    Lead(Takeoff),
    /// Wait for the outcome of another's look-up.
    Wait(Waiter),
    /// Too many wait already.
    Full,
}

/// The duty to finish a look-up. Dropped without an outcome, it lands as a fault of ours.
pub struct Takeoff {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    key: SessionKey,
}

/// Waits for the outcome of a look-up.
pub struct Waiter {
    flight: Arc<Flight>,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Default for Flights {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Flights {
    /// Joins the look-up of a session, or starts it.
    #[must_use]
    pub fn board(self: &Arc<Self>, key: SessionKey, max_waiters: NonZeroUsize) -> Boarding {
        let mut shard = self.shard(&key);
        if let Some(flight) = shard.get(&key) {
            if flight.waiters.fetch_add(1, Ordering::Relaxed) >= max_waiters.get() {
                flight.waiters.fetch_sub(1, Ordering::Relaxed);
                return Boarding::Full;
            }
            return Boarding::Wait(Waiter {
                flight: Arc::clone(flight),
                outcome: flight.outcome.subscribe(),
            });
        }
        let flight = Arc::new(Flight { outcome: watch::Sender::new(None), waiters: AtomicUsize::new(0) });
        shard.insert(key, Arc::clone(&flight));
        Boarding::Lead(Takeoff { flights: Arc::clone(self), flight, key })
    }

    /// Whether a look-up of this session is under way.
    #[must_use]
    pub fn is_under_way(&self, key: &SessionKey) -> bool {
        self.shard(key).contains_key(key)
    }

    fn shard(&self, key: &SessionKey) -> MutexGuard<'_, Shard> {
        // INVARIANT: `shard` is below `SHARDS`, the length of the array.
        #[expect(clippy::indexing_slicing, reason = "the index is taken modulo the length")]
        self.shards[key.shard(SHARDS)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Takeoff {
    /// A waiter of one's own look-up.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        self.flight.waiters.fetch_add(1, Ordering::Relaxed);
        Waiter { flight: Arc::clone(&self.flight), outcome: self.flight.outcome.subscribe() }
    }

    /// Requests that wait for the outcome besides the one that began the look-up.
    #[must_use]
    pub fn others_waiting(&self) -> u64 {
        u64::try_from(self.flight.waiters.load(Ordering::Relaxed).saturating_sub(1)).unwrap_or(u64::MAX)
    }

    /// Tells everybody the outcome. Whoever comes later starts a new look-up.
    pub fn land(self, outcome: Outcome) {
        self.flight.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Takeoff {
    fn drop(&mut self) {
        self.flights.shard(&self.key).remove(&self.key);
        self.flight.outcome.send_if_modified(|outcome| {
            let abandoned = outcome.is_none();
            if abandoned {
                *outcome = Some(Err(Refusal::Bug));
            }
            abandoned
        });
    }
}

impl Waiter {
    /// Waits for the outcome.
    pub async fn outcome(mut self) -> Outcome {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.as_ref().map_or(Err(Refusal::Bug), Clone::clone),
            Err(_) => Err(Refusal::Bug),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.flight.waiters.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}

impl fmt::Debug for Takeoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Takeoff").field(&self.key).finish()
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiter")
    }
}
