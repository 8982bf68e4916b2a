//! Where a route's requests go: one or several origins, and the registry that shares them between routes.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls::RootCertStore;
use tokio::time::Instant;

use super::{
    UpstreamError,
    error::Unreachable,
    origin::Origin,
    tls::{self, Tls},
};
use crate::config::resolved::{Limits, UpstreamOrigin};

/// Every origin the gateway speaks to, with its connections. Outlives every configuration.
#[derive(Debug)]
pub struct Registry {
    workers: NonZeroUsize,
    origins: Mutex<BTreeMap<String, Weak<Origin>>>,
    roots: Option<RootCertStore>,
    tls: OnceLock<Option<Arc<Tls>>>,
}

impl Registry {
    /// An empty registry for so many workers. Upstreams with TLS are verified against the machine's trust store,
    /// which is read when the first of them is resolved.
    #[must_use]
    pub const fn new(workers: NonZeroUsize) -> Self {
        Self { workers, origins: Mutex::new(BTreeMap::new()), roots: None, tls: OnceLock::new() }
    }

    /// Verifies upstreams with TLS against these certificates instead of the machine's.
    #[must_use]
    pub fn with_roots(mut self, roots: RootCertStore) -> Self {
        self.roots = Some(roots);
        self
    }

    /// The target for these origins. An origin that another target already uses keeps its connections.
    pub fn target(&self, origins: &[UpstreamOrigin], limits: &Limits) -> Arc<Target> {
        let mut known = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, origin| origin.strong_count() > 0);
        let origins = origins.iter().map(|key| self.origin(&mut known, key)).collect();
        let next = (0..self.workers.get()).map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Target { origins, limits: *limits, next })
    }

    /// Closes what was idle for too long in the pools of this worker, and what the upstream has closed.
    pub(crate) fn sweep(&self, worker: usize, now: Instant) {
        let origins: Vec<_> = {
            let known = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
            known.values().filter_map(Weak::upgrade).collect()
        };
        for origin in origins {
            if let Some(pool) = origin.pool(worker) {
                pool.sweep(now);
            }
        }
    }

    fn origin(&self, known: &mut BTreeMap<String, Weak<Origin>>, key: &UpstreamOrigin) -> Arc<Origin> {
        let name = format!("{:?} {} {}", key.protocol, key.host, key.port);
        if let Some(origin) = known.get(&name).and_then(Weak::upgrade) {
            return origin;
        }
        let tls = || self.tls.get_or_init(|| tls::client_config(self.roots.clone())).clone();
        let origin = Arc::new(Origin::new(key.clone(), self.workers, tls));
        known.insert(name, Arc::downgrade(&origin));
        origin
    }
}

/// A route's upstreams.
#[derive(Debug)]
pub struct Target {
    origins: Box<[Arc<Origin>]>,
    pub(super) limits: Limits,
    /// Round robin, one counter for each worker.
    next: Box<[AtomicUsize]>,
}

impl Target {
    /// The origin for the next request of this worker: of those that are not ejected the one with the fewest
    /// requests under way, in turn where that is equal. When all are ejected, the one that comes back first.
    pub(super) fn choose(
        &self,
        worker: usize,
        now: Instant,
        not: Option<&Arc<Origin>>,
    ) -> Result<&Arc<Origin>, UpstreamError> {
        if let [only] = &*self.origins {
            return Ok(only);
        }
        let turn = self.next.get(worker).map_or(0, |next| next.fetch_add(1, Ordering::Relaxed));
        let count = self.origins.len().max(1);
        let rank = |(place, origin): &(usize, &Arc<Origin>)| {
            let pool = origin.pool(worker);
            let ejected = pool.and_then(|pool| pool.ejected_until(now));
            let outstanding = pool.map_or(0, |pool| pool.outstanding());
            let again = not.is_some_and(|not| Arc::ptr_eq(not, origin));
            (again, ejected, outstanding, (place + count - turn % count) % count)
        };
        self.origins
            .iter()
            .enumerate()
            .min_by_key(rank)
            .map(|(_, origin)| origin)
            .ok_or(UpstreamError::Unreachable(Unreachable::NoOrigin))
    }

    /// How many origins there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }
}

#[cfg(test)]
mod tests;
