//! One origin and, for each worker, its connections and its health.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{connect::Names, http1, http2, tls::Tls};
use crate::config::resolved::{UpstreamOrigin, UpstreamProtocol};

/// An idle connection is not used again after this long: below the shortest keep-alive time-out that is common
/// (Node closes after 5 s), so that a request seldom meets a connection the service is about to close.
pub const IDLE_AGE: Duration = Duration::from_secs(4);

/// So many failed connection attempts...
pub const EJECT_FAILURES: usize = 3;
/// ...within this time...
pub const EJECT_WINDOW: Duration = Duration::from_secs(10);
/// ...and the origin is left out for so long, as long as there is another.
pub const EJECT_TIME: Duration = Duration::from_secs(10);

/// Scheme, host and port with everything that is kept about them.
pub(super) struct Origin {
    pub(super) key: UpstreamOrigin,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) names: Names,
    /// What ALPN chose last.
    negotiated: AtomicU8,
    pools: Box<[Arc<Pool>]>,
}

/// What is known about the HTTP version of a TLS origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Negotiated {
    Http1,
    Http2,
    Unknown,
}

impl Origin {
    pub(super) fn new(
        key: UpstreamOrigin,
        workers: NonZeroUsize,
        tls: impl FnOnce() -> Option<Arc<Tls>>,
    ) -> Self {
        let tls = if key.protocol == UpstreamProtocol::Tls { tls() } else { None };
        let pools = (0..workers.get()).map(|_| Arc::default()).collect();
        Self { key, tls, names: Names::default(), negotiated: AtomicU8::new(0), pools }
    }

    pub(super) fn pool(&self, worker: usize) -> Option<&Arc<Pool>> {
        self.pools.get(worker)
    }

    pub(super) fn negotiated(&self) -> Negotiated {
        match self.key.protocol {
            UpstreamProtocol::Http1 => Negotiated::Http1,
            UpstreamProtocol::Http2PriorKnowledge => Negotiated::Http2,
            UpstreamProtocol::Tls => match self.negotiated.load(Ordering::Relaxed) {
                1 => Negotiated::Http1,
                2 => Negotiated::Http2,
                _ => Negotiated::Unknown,
            },
        }
    }

    pub(super) fn note_negotiated(&self, http2: bool) {
        self.negotiated.store(if http2 { 2 } else { 1 }, Ordering::Relaxed);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        for pool in &self.pools {
            pool.close();
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What one worker has of one origin.
///
/// Connections that a worker opens to one origin at the same time.
pub const CONNECTING: usize = 64;

/// An idle connection refers back to its pool; [`Pool::close`], called when the origin is dropped, ends the circle.
/// Aligned so that workers do not share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    pub(super) shared: http2::Shared,
    pub(super) turns: Turns,
    outstanding: AtomicUsize,
    health: Mutex<Health>,
}

/// Turns to open a connection: [`CONNECTING`] at once. More would overflow a service's accept queue and be dropped.
#[derive(Debug)]
pub(super) struct Turns(pub(super) Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(CONNECTING))
    }
}

#[derive(Debug, Default)]
#[expect(
    clippy::vec_box,
    reason = "a connection is large and moves between pool and request at every request"
)]
struct Idle {
    clients: Vec<Box<http1::Client>>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Health {
    failures: [Option<Instant>; EJECT_FAILURES],
    ejected_until: Option<Instant>,
}

impl Pool {
    /// The connection that was used last, if any is open and was used less than [`IDLE_AGE`] ago.
    pub(super) fn take(&self, now: Instant) -> Option<Box<http1::Client>> {
        loop {
            let mut client = self.idle().clients.pop()?;
            if client.is_fresh(now) && client.is_usable() {
                return Some(client);
            }
        }
    }

    /// Keeps a connection for the next request, or closes it when `limit` are kept already.
    pub(super) fn put(&self, client: Box<http1::Client>, limit: usize) {
        let mut idle = self.idle();
        if idle.clients.len() < limit && !idle.closed {
            idle.clients.push(client);
        }
    }

    /// Closes what is too old and what the upstream has closed.
    pub(super) fn sweep(&self, now: Instant) {
        let mut kept = std::mem::take(&mut self.idle().clients);
        kept.retain_mut(|client| client.is_fresh(now) && client.is_usable());
        let mut idle = self.idle();
        kept.append(&mut idle.clients);
        if !idle.closed {
            idle.clients = kept;
        }
    }

    /// See [`http1::Client::overlook`], of any idle connection.
    #[cfg(test)]
    pub(super) fn overlook(&self) -> bool {
        self.idle().clients.iter_mut().any(|client| client.overlook())
    }

    /// Closes the idle connections and keeps none from now on.
    fn close(&self) {
        let closing = {
            let mut idle = self.idle();
            idle.closed = true;
            std::mem::take(&mut idle.clients)
        };
        drop(closing);
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.outstanding.fetch_sub(1, Ordering::Relaxed);
    }

    /// Until when the origin is left out, if it is.
    pub(super) fn ejected_until(&self, now: Instant) -> Option<Instant> {
        self.health().ejected_until.filter(|until| *until > now)
    }

    /// A connection attempt failed. True if the origin is left out from now on and was not before.
    pub(super) fn note_failure(&self, now: Instant) -> bool {
        let mut health = self.health();
        let was_out = health.ejected_until.is_some_and(|until| until > now);
        health.failures.rotate_left(1);
        if let Some(last) = health.failures.last_mut() {
            *last = Some(now);
        }
        let oldest = health.failures.first().copied().flatten();
        let out = oldest.is_some_and(|oldest| now.saturating_duration_since(oldest) <= EJECT_WINDOW);
        if out {
            health.ejected_until = Some(now + EJECT_TIME);
            health.failures = [None; EJECT_FAILURES];
        }
        out && !was_out
    }

    /// A connection attempt succeeded. True if it is the first since the origin was left out.
    pub(super) fn note_success(&self) -> bool {
        std::mem::take(&mut *self.health()).ejected_until.is_some()
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{EJECT_TIME, Pool, UpstreamOrigin, UpstreamProtocol};

    #[tokio::test(start_paused = true)]
    async fn three_failures_within_ten_seconds_eject_for_ten() {
        let (pool, start) = (Pool::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!pool.note_failure(at(0)));
        assert!(!pool.note_failure(at(5)));
        assert!(!pool.note_failure(at(11)));
        assert_eq!(pool.ejected_until(at(11)), None, "the first is too old");
        assert!(pool.note_failure(at(12)));
        assert_eq!(pool.ejected_until(at(12)), Some(at(12) + EJECT_TIME));
        assert_eq!(pool.ejected_until(at(22)), None);
        assert!(pool.note_success(), "it is back");
        assert!(!pool.note_success(), "it was not away");
    }

    #[test]
    fn an_origin_is_named_as_in_the_configuration() {
        use UpstreamProtocol::{Http1, Http2PriorKnowledge, Tls};
        for (protocol, host, name) in [
            (Http1, "127.0.0.1", "http://127.0.0.1:80"),
            (Http2PriorKnowledge, "orders", "h2c://orders:80"),
            (Tls, "::1", "https://[::1]:80"),
        ] {
            assert_eq!(UpstreamOrigin { protocol, host: host.into(), port: 80 }.to_string(), name);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_is_out_is_told_once() {
        let (pool, start) = (Pool::default(), Instant::now());
        let told = |seconds| pool.note_failure(start + Duration::from_secs(seconds));
        let told: Vec<_> = (0..9).filter(|second| told(*second)).collect();
        assert_eq!(told, [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_forgives() {
        let (pool, now) = (Pool::default(), Instant::now());
        pool.note_failure(now);
        pool.note_failure(now);
        assert!(!pool.note_success());
        pool.note_failure(now);
        assert_eq!(pool.ejected_until(now), None);
    }
}
