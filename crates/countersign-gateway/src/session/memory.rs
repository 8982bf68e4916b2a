//! What is known about sessions, whatever the configuration says.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Semaphore;

use super::{
    cache::SessionCache,
    flight::Flights,
    gate::{Gate, Places},
    shared::SharedCache,
    taking_away::MAX_AT_ONCE,
};
use crate::{revocation::Ledger, tasks::Tasks};

/// What is known about sessions, whatever the configuration says today: it survives a reload.
#[derive(Debug)]
pub struct Memory {
    /// The sessions.
    pub cache: SessionCache,
    pub(super) flights: Arc<Flights>,
    pub(super) unknown: Arc<Gate>,
    pub(super) known: Arc<Gate>,
    pub(super) tasks: Tasks,
    /// The server has replaced a cookie before.
    pub(super) rotates: AtomicBool,
    /// An answer of the server has named its session.
    names_sessions: AtomicBool,
    pub(super) ledger: Arc<Ledger>,
    pub(super) shared: Option<Arc<dyn SharedCache>>,
    /// Bounds the look-ups of sessions that the old application has ended.
    pub(super) taking_away: Arc<Semaphore>,
}

impl Memory {
    /// An empty memory for `entries` sessions.
    #[must_use]
    pub fn new(entries: NonZeroUsize, places: Places, tasks: Tasks) -> Self {
        let of_known = Places { all: places.all, per_client: places.all };
        Self {
            cache: SessionCache::new(entries),
            flights: Arc::default(),
            unknown: Gate::new(places),
            known: Gate::new(of_known),
            tasks,
            rotates: AtomicBool::new(false),
            names_sessions: AtomicBool::new(false),
            ledger: Ledger::idle(),
            shared: None,
            taking_away: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        }
    }

    /// Looks for answers in a cache that other gateways fill too.
    #[must_use]
    pub fn with_shared(self, shared: Option<Arc<dyn SharedCache>>) -> Self {
        Self { shared, ..self }
    }

    /// Takes revocations into account. Without it nothing is ever revoked.
    #[must_use]
    pub fn with_ledger(self, ledger: Arc<Ledger>) -> Self {
        Self { ledger, ..self }
    }

    /// A memory that remembers refusals for another time than is right.
    #[cfg(test)]
    pub(crate) fn remembering(self, refusals: std::time::Duration) -> Self {
        Self { cache: self.cache.remembering(refusals), ..self }
    }

    /// What is revoked.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Whether the server's answers name their sessions (`sid`); `None` as long as there was no answer.
    #[must_use]
    pub fn server_names_sessions(&self) -> Option<bool> {
        let names = self.names_sessions.load(Ordering::Relaxed);
        (names || !self.cache.is_empty()).then_some(names)
    }

    pub(super) fn note_server_name(&self) {
        self.names_sessions.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_rotation(&self) {
        self.rotates.store(true, Ordering::Relaxed);
    }
}
