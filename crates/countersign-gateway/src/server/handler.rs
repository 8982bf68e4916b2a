//! What answers a request, and what it is told about where the request came from.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
};

use countersign::UnixTime;
use http::HeaderValue;

use super::Outbound;
use crate::{
    error::Refusal,
    http::{Answer, Parts},
    observe::Observer,
    upstream::{Inbound, Pools, render},
};

/// Answers requests. One value is shared by all workers.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropped when the client goes away first. Of the request is left what nobody took: it lies
    /// where it was read, so that it is not moved through every stage.
    fn handle(
        &self,
        parts: &mut Parts,
        body: &mut Inbound,
        connection: &Arc<Connection>,
        worker: &Arc<Worker>,
    ) -> impl Future<Output = Answer<Outbound>> + Send;

    /// The time of day, for the `Date` of an answer that has none.
    fn now(&self) -> UnixTime;

    /// The answer to a head over HTTP/1.1 that is no request. The connection ends with it.
    fn refuse(
        &self,
        refusal: Refusal,
        connection: &Arc<Connection>,
        worker: &Arc<Worker>,
    ) -> Answer<Outbound>;
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    /// The other end.
    pub peer: SocketAddr,
    /// Whether it is encrypted to us.
    pub tls: bool,
    rendered_peer: HeaderValue,
    pub(super) activity: Activity,
}

/// A data worker: a thread with its own runtime and its own connections to the services.
#[derive(Debug)]
pub struct Worker {
    /// Its number, from 0.
    pub index: usize,
    /// Its way to the services.
    pub upstreams: Pools,
    /// Who is told.
    pub observer: Observer,
}

impl Worker {
    pub(super) fn new(index: usize, observer: Observer) -> Self {
        Self { index, upstreams: Pools::new(index, observer.clone()), observer }
    }
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, tls: bool) -> Self {
        let rendered_peer = render(peer.ip().to_canonical());
        Self { peer, tls, rendered_peer, activity: Activity::default() }
    }

    /// The address of the other end as a header value: rendered once for all requests.
    #[must_use]
    pub fn peer_value(&self) -> HeaderValue {
        self.rendered_peer.clone()
    }
}

/// What the connection's time-outs need to know. Written by the layers, read by the connection's task: all on the thread
/// of one worker, so that counting needs no more than a load and a store.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose answer is not complete.
    open: AtomicUsize,
    /// Requests so far.
    begun: AtomicUsize,
    /// The client does not take what we send.
    blocked: AtomicBool,
    /// How often the client took something.
    taken: AtomicUsize,
    /// How often something came from the client.
    received: AtomicUsize,
    /// Part of a head has arrived (HTTP/1.1).
    head: AtomicBool,
}

impl Activity {
    pub(super) fn begin(&self) {
        self.open.store(self.open().wrapping_add(1), Ordering::Relaxed);
        self.begun.store(self.begun().wrapping_add(1), Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.open.store(self.open().wrapping_sub(1), Ordering::Relaxed);
    }

    /// Notes how writing to the client went. Only its connection's task writes.
    pub(super) fn wrote<T>(&self, outcome: &Poll<T>) {
        if outcome.is_ready() {
            self.taken.store(self.taken().wrapping_add(1), Ordering::Relaxed);
        }
        self.flushed(outcome);
    }

    /// Notes how flushing went, which is no progress by itself: there may have been nothing to flush.
    pub(super) fn flushed<T>(&self, outcome: &Poll<T>) {
        self.blocked.store(outcome.is_pending(), Ordering::Relaxed);
    }

    /// Notes that something came.
    pub(super) fn note_received(&self) {
        self.received.store(self.received().wrapping_add(1), Ordering::Relaxed);
    }

    pub(super) fn received(&self) -> usize {
        self.received.load(Ordering::Relaxed)
    }

    /// Notes whether part of a head has arrived.
    pub(super) fn note_head(&self, has_begun: bool) {
        self.head.store(has_begun, Ordering::Relaxed);
    }

    pub(super) fn has_begun_head(&self) -> bool {
        self.head.load(Ordering::Relaxed)
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }
}
