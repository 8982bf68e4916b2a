//! Counters: one set for each worker, added up when they are read.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;

use super::{
    Observation, Outages,
    labels::{
        BreakerEvent, CacheResult, ConnectionEvent, GuardEvent, KeepAliveResult, Label, LookupOutcome,
        ReloadOutcome, RevocationEvent, RevocationReason, RouteLabel, SessionEvent, SourceLabel, StatusClass,
        UpstreamEvent,
    },
};
use crate::error::Refusal;

/// Upper bounds of the look-up histogram, in microseconds; none below the clock's grain of a millisecond.
const LOOKUP_BOUNDS: &[u64] =
    &[1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000];
/// Upper bounds of the histogram of `Authorization` values, in bytes.
const TOKEN_BOUNDS: &[u64] = &[512, 768, 1_024, 1_536, 2_048, 3_072, 4_096, 8_192];

/// One worker's counters. Nobody else writes them while it serves a request, so an addition meets no other core's
/// cache line; the accept loop adds the connections it hands over.
///
/// Every method is one or a few relaxed atomic additions: no lock, no allocation, no I/O.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerMetrics {
    requests: Counters<RouteLabel>,
    pub(super) answers: Pairs<RouteLabel, StatusClass>,
    pub(super) refusals: Counters<Refusal>,
    pub(super) breaker: Counters<BreakerEvent>,
    pub(super) cache: Counters<CacheResult>,
    pub(super) guard: Counters<GuardEvent>,
    pub(super) keep_alives: Counters<KeepAliveResult>,
    pub(super) lookups: Pairs<SourceLabel, LookupOutcome>,
    pub(super) lookup_micros: Histogram,
    pub(super) revocations: Counters<RevocationEvent>,
    pub(super) revocation_reasons: Counters<RevocationReason>,
    pub(super) sessions: Counters<SessionEvent>,
    pub(super) token_bytes: Histogram,
    pub(super) upstream: Counters<UpstreamEvent>,
    pub(super) connections: Counters<ConnectionEvent>,
    pub(super) reloads: Counters<ReloadOutcome>,
    pub(super) open_connections: AtomicU64,
    pub(super) store_failures: AtomicU64,
    pub(super) given_up: AtomicU64,
    /// One for all workers of a gateway.
    outages: Arc<Outages>,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            requests: Counters::default(),
            answers: Pairs::default(),
            refusals: Counters::default(),
            breaker: Counters::default(),
            cache: Counters::default(),
            guard: Counters::default(),
            keep_alives: Counters::default(),
            lookups: Pairs::default(),
            lookup_micros: Histogram::new(LOOKUP_BOUNDS),
            revocations: Counters::default(),
            revocation_reasons: Counters::default(),
            sessions: Counters::default(),
            token_bytes: Histogram::new(TOKEN_BOUNDS),
            upstream: Counters::default(),
            connections: Counters::default(),
            reloads: Counters::default(),
            open_connections: AtomicU64::new(0),
            store_failures: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            outages: Arc::default(),
        }
    }
}

impl WorkerMetrics {
    /// A request came in on a route of this kind.
    pub fn request(&self, route: RouteLabel) {
        self.requests.add(route, 1);
    }

    /// A request was answered: by the service, or by us.
    pub fn answered(&self, route: RouteLabel, status: StatusCode) {
        self.answers.add(route, StatusClass::from(status));
    }

    /// The client of a request left before it was answered.
    pub fn given_up(&self) {
        self.given_up.fetch_add(1, Relaxed);
    }

    /// Something happened to the breaker that is worth no observation.
    pub fn breaker(&self, event: BreakerEvent) {
        self.breaker.add(event, 1);
    }

    /// The old application was told that a session is in use.
    pub fn keep_alive(&self, result: KeepAliveResult) {
        self.keep_alives.add(result, 1);
    }

    /// What a request met in the session cache.
    pub fn cache(&self, result: CacheResult) {
        self.cache.add(result, 1);
    }

    /// A connection from a client was opened.
    pub fn connection_opened(&self) {
        self.connections.add(ConnectionEvent::Accepted, 1);
        self.open_connections.fetch_add(1, Relaxed);
    }

    /// A connection from a client was closed.
    pub fn connection_closed(&self) {
        self.open_connections.fetch_sub(1, Relaxed);
    }

    /// Something happened to a connection that is worth no observation.
    pub fn connection(&self, event: ConnectionEvent) {
        self.connections.add(event, 1);
    }

    /// Something happened to an upstream that is worth no observation.
    pub fn upstream(&self, event: UpstreamEvent) {
        self.upstream.add(event, 1);
    }

    /// Requests that have come in, were not answered yet and are not given up, on all kinds of routes.
    #[must_use]
    pub fn requests_in_flight(&self) -> u64 {
        let over = self.answers.sum().saturating_add(self.given_up.load(Relaxed));
        self.requests.sum().saturating_sub(over)
    }

    /// Connections that are open.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        self.open_connections.load(Relaxed)
    }

    /// What is away now.
    #[must_use]
    pub fn outages(&self) -> &Arc<Outages> {
        &self.outages
    }

    pub(super) fn read(&self, observation: &Observation<'_>) {
        match observation {
            Observation::Breaker { event, .. } => self.breaker.add(*event, 1),
            Observation::Connection { event, .. } => self.connections.add(*event, 1),
            Observation::Guard(seen) => self.guard.add(seen.event, 1),
            Observation::Key { .. } => {}
            Observation::LookedUp(looked_up) => {
                self.lookups.add(looked_up.source, looked_up.outcome);
                self.lookup_micros.observe(micros(looked_up.duration));
                self.cache.add(CacheResult::Coalesced, looked_up.coalesced);
            }
            Observation::Mended { .. } => {
                self.store_failures.fetch_add(1, Relaxed);
            }
            Observation::Refused(refused) => self.refusals.add(refused.refusal, 1),
            Observation::Reloaded { outcome, .. } => self.reloads.add(*outcome, 1),
            Observation::Revoking(revoking) => {
                self.revocations.add(revoking.event, 1);
                let reason =
                    RevocationReason::ALL.iter().find(|reason| Some(reason.label()) == revoking.reason);
                if let (RevocationEvent::Recorded, Some(reason)) = (revoking.event, reason) {
                    self.revocation_reasons.add(*reason, 1);
                }
            }
            Observation::Session(seen) => self.sessions.add(seen.event, 1),
            Observation::Store { failure, .. } => {
                self.store_failures.fetch_add(u64::from(failure.is_some()), Relaxed);
            }
            Observation::TokenSigned(signed) => self.token_bytes.observe(signed.bytes as u64),
            Observation::Upstream { event, .. } => self.upstream.add(*event, 1),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The counters of all workers.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(super) workers: Arc<[Arc<WorkerMetrics>]>,
}

impl Metrics {
    /// Counters for `workers` data workers and the control thread.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let outages = Arc::<Outages>::default();
        let worker =
            |_| Arc::new(WorkerMetrics { outages: Arc::clone(&outages), ..WorkerMetrics::default() });
        Self { workers: (0..=workers).map(worker).collect() }
    }

    /// The counters of data worker `index`. A worker beyond the number given to [`Metrics::new`] shares those of
    /// the control thread.
    #[must_use]
    pub fn worker(&self, index: usize) -> Arc<WorkerMetrics> {
        let data_workers = self.workers.len().saturating_sub(1);
        let own = (index < data_workers).then(|| self.workers.get(index)).flatten();
        own.map_or_else(|| self.control(), Arc::clone)
    }

    /// The counters of the control thread.
    #[must_use]
    pub fn control(&self) -> Arc<WorkerMetrics> {
        self.workers.last().map(Arc::clone).unwrap_or_default()
    }

    /// Connections that are open, together for all workers.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        self.workers.iter().map(|worker| worker.open_connections()).sum()
    }

    /// Requests that have come in and were not answered yet, together for all workers.
    #[must_use]
    pub fn requests_in_flight(&self) -> u64 {
        self.workers.iter().map(|worker| worker.requests_in_flight()).sum()
    }
}

/// One counter for each name of a closed set.
#[derive(Debug)]
pub(super) struct Counters<L> {
    counts: Box<[AtomicU64]>,
    names: PhantomData<fn(L)>,
}

impl<L: Label> Default for Counters<L> {
    fn default() -> Self {
        Self { counts: L::ALL.iter().map(|_| AtomicU64::new(0)).collect(), names: PhantomData }
    }
}

impl<L: Label> Counters<L> {
    fn add(&self, name: L, by: u64) {
        if let Some(count) = self.counts.get(name.index()) {
            count.fetch_add(by, Relaxed);
        }
    }

    pub(super) fn count(&self, name: L) -> u64 {
        self.counts.get(name.index()).map_or(0, |count| count.load(Relaxed))
    }

    fn sum(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// One counter for each pair of names of two closed sets.
#[derive(Debug)]
pub(super) struct Pairs<A, B> {
    counts: Box<[AtomicU64]>,
    names: PhantomData<fn(A, B)>,
}

impl<A: Label, B: Label> Default for Pairs<A, B> {
    fn default() -> Self {
        let counts = (0..A::ALL.len().saturating_mul(B::ALL.len())).map(|_| AtomicU64::new(0)).collect();
        Self { counts, names: PhantomData }
    }
}

impl<A: Label, B: Label> Pairs<A, B> {
    fn place(&self, a: A, b: B) -> Option<&AtomicU64> {
        self.counts.get(a.index().saturating_mul(B::ALL.len()).saturating_add(b.index()))
    }

    fn add(&self, a: A, b: B) {
        if let Some(count) = self.place(a, b) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn count(&self, a: A, b: B) -> u64 {
        self.place(a, b).map_or(0, |count| count.load(Relaxed))
    }

    fn sum(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// Counts whole numbers by size.
#[derive(Debug)]
pub struct Histogram {
    pub(super) bounds: &'static [u64],
    /// One for each bound, and one beyond the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram with these upper bounds, ascending.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts one value: in the first bucket whose bound it does not exceed.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// How many values are in each bucket, the one beyond the last bound included.
    pub(super) fn buckets(&self) -> impl Iterator<Item = u64> + '_ {
        self.counts.iter().map(|count| count.load(Relaxed))
    }

    /// The sum of all values.
    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }
}
