//! The end: no new connections, open answers complete, the rest is cut after a while.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, futures::Notified};

use super::{clients::Seat, connection::Carrying};
use crate::observe::Observer;

/// Tells everyone, once, that the end has begun.
#[derive(Debug, Default)]
pub(super) struct Drain {
    begun: AtomicBool,
    notify: Notify,
}

impl Drain {
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
        self.notify.notify_waiters();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Wakes at [`Self::begin`]. Look at [`Self::has_begun`] after it was enabled or polled for the first time.
    pub(super) fn notified(&self) -> Notified<'_> {
        self.notify.notified()
    }

    pub(super) async fn wait(&self) {
        let notified = self.notified();
        let mut notified = std::pin::pin!(notified);
        notified.as_mut().enable();
        if !self.begun.load(Ordering::SeqCst) {
            notified.await;
        }
    }
}

/// Counts the connections of one worker, tunnels included.
#[derive(Debug)]
pub(super) struct Gate {
    open: AtomicUsize,
    /// Of these, so many whose client has all its answers.
    answered: AtomicUsize,
    empty: Notify,
    observer: Observer,
}

impl Gate {
    pub(super) fn new(observer: Observer) -> Self {
        Self { open: AtomicUsize::new(0), answered: AtomicUsize::new(0), empty: Notify::new(), observer }
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections that would be cut now.
    pub(super) fn unanswered(&self) -> usize {
        self.open().saturating_sub(self.answered.load(Ordering::Relaxed))
    }

    pub(super) async fn wait_empty(&self) {
        while self.open() > 0 {
            self.empty.notified().await;
        }
    }
}

/// One open connection: as long as it lives it counts at its worker, in the metrics and against the limit.
#[derive(Debug)]
pub(super) struct Ticket {
    gate: Arc<Gate>,
    _permit: OwnedSemaphorePermit,
    seat: Option<Seat>,
    answered: bool,
}

impl Ticket {
    /// Whose requests come by this connection.
    pub(super) const fn carrying(&self) -> Carrying {
        if self.seat.is_some() { Carrying::One } else { Carrying::Many }
    }

    pub(super) fn new(gate: &Arc<Gate>, permit: OwnedSemaphorePermit, seat: Option<Seat>) -> Self {
        gate.open.fetch_add(1, Ordering::Relaxed);
        gate.observer.metrics().connection_opened();
        Self { gate: Arc::clone(gate), _permit: permit, seat, answered: false }
    }

    /// Its client has all its answers, and is only waited for to close.
    pub(super) fn note_answered(&mut self) {
        if !std::mem::replace(&mut self.answered, true) {
            self.gate.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.gate.observer.metrics().connection_closed();
        if self.answered {
            self.gate.answered.fetch_sub(1, Ordering::Relaxed);
        }
        if self.gate.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.gate.empty.notify_one();
        }
    }
}
