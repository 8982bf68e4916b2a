//! One HTTP/1.1 connection to a service.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{Builder, Connection, Parts, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::{
    Deadline, Inbound, Stream, UpstreamError,
    error::Unreachable,
    framing,
    origin::{IDLE_AGE, Pool},
    relay::{Relay, poll_unwoken},
};

/// A connection that is driven by the task that uses it: it has no task of its own, so a request costs no
/// wake-up between tasks.
pub(super) struct Client {
    sender: SendRequest<Inbound>,
    /// None once it has ended with a request in its queue.
    connection: Option<Connection<TokioIo<Stream>, Inbound>>,
    done: bool,
    relay: Arc<Relay>,
    waker: Waker,
    used: Instant,
    keep: usize,
    pool: Arc<Pool>,
}

/// Why an exchange gave no answer.
pub(super) enum Failure {
    /// The request may have been received.
    Sent(UpstreamError),
    /// Not one byte was written: the request is back in its place.
    Unsent,
}

/// What became of a request; `None` when the time was over.
pub(super) type Outcome = Option<Result<Response<Incoming>, TrySendError<Request<Inbound>>>>;

impl Failure {
    /// Tells the failures apart and puts an unsent request back. When the request's body failed, that is the
    /// reason, whatever the connection says.
    pub(super) fn sort(
        outcome: Outcome,
        request: &mut Option<Request<Inbound>>,
        body: &Deadline,
    ) -> Result<Response<Incoming>, Self> {
        match outcome {
            None => Err(Self::Sent(UpstreamError::FirstByteTimeout)),
            Some(Ok(response)) => Ok(response),
            Some(Err(mut error)) => {
                *request = error.take_message();
                if request.is_some() {
                    return Err(Self::Unsent);
                }
                let failure = body.body_failure().map(UpstreamError::Body);
                Err(Self::Sent(failure.unwrap_or_else(|| UpstreamError::from_hyper(error.error()))))
            }
        }
    }
}

impl Client {
    pub(super) async fn new(stream: Stream, pool: Arc<Pool>) -> Result<Box<Self>, UpstreamError> {
        let (sender, connection) = Builder::new()
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| UpstreamError::Unreachable(Unreachable::Protocol))?;
        let relay = Relay::new();
        let waker = Waker::from(Arc::clone(&relay));
        let used = Instant::now();
        let connection = Some(connection);
        Ok(Box::new(Self { sender, connection, done: false, relay, waker, used, keep: 0, pool }))
    }

    /// Sends the request and waits for the head of the answer: `limit` from the moment the last piece of the
    /// request was passed on. The request is taken from its place, so that it is not moved from hand to hand.
    pub(super) async fn exchange(
        &mut self,
        request: &mut Option<Request<Inbound>>,
        deadline: &Deadline,
        limit: Duration,
        now: Instant,
        last: Instant,
    ) -> Result<Response<Incoming>, Failure> {
        self.used = now;
        self.relay.hush();
        let Some(sent) = request.take() else { return Err(Failure::Unsent) };
        let mut answer = pin!(self.sender.try_send_request(sent));
        let mut first = Some(now);
        let outcome = poll_fn(|cx| {
            self.drive();
            if let Poll::Ready(outcome) = poll_unwoken(|cx| answer.as_mut().poll(cx)) {
                return Poll::Ready(Some(outcome));
            }
            if self.done {
                // It has ended before it took the request, which comes back when the queue is dropped.
                self.connection = None;
                if let Poll::Ready(outcome) = poll_unwoken(|cx| answer.as_mut().poll(cx)) {
                    return Poll::Ready(Some(outcome));
                }
            }
            // In no case beyond `last`: a body that drips is not endless.
            let late = (deadline.body_progress_since(now) + limit).min(last);
            if deadline.poll(cx, first.take().unwrap_or_else(Instant::now), late).is_ready() {
                return Poll::Ready(None);
            }
            self.listen(cx);
            Poll::Pending
        })
        .await;
        let mut response = Failure::sort(outcome, request, deadline)?;
        framing::settle(response.headers_mut()).map_err(Failure::Sent)?;
        Ok(response)
    }

    /// Moves bytes. What this makes ready is seen by polling it again, without a wake-up.
    pub(super) fn drive(&mut self) {
        self.relay.hush();
        self.relay.take_woken();
        if let (false, Some(connection)) = (self.done, &mut self.connection) {
            let mut cx = Context::from_waker(&self.waker);
            self.done = connection.poll_without_shutdown(&mut cx).is_ready();
        }
    }

    /// The task of `cx` is woken when there is something to drive.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        self.relay.listen(cx);
    }

    /// Whether it was used recently enough to be used again.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) < IDLE_AGE
    }

    /// Whether it takes another request.
    pub(super) fn is_usable(&mut self) -> bool {
        if self.relay.take_woken() {
            self.drive();
        }
        self.is_ready()
    }

    /// At most so many idle connections are kept when this one is given back.
    pub(super) const fn keep(&mut self, keep: usize) {
        self.keep = keep;
    }

    /// Keeps it for the next request if it is at the end of this one; closes it otherwise.
    pub(super) fn release(self: Box<Self>) {
        self.relay.hush();
        if self.is_ready() {
            self.relay.take_woken();
            let (pool, keep) = (Arc::clone(&self.pool), self.keep);
            pool.put(self, keep);
        }
    }

    /// Forgets that something happened while it was idle, as if it happened only now. False: nothing did.
    #[cfg(test)]
    pub(super) fn overlook(&self) -> bool {
        self.relay.take_woken()
    }

    /// The stream below after a switch of protocols, with what was read beyond the answer.
    pub(super) fn into_stream(self) -> Option<Parts<TokioIo<Stream>>> {
        self.connection.map(Connection::into_parts)
    }

    fn is_ready(&self) -> bool {
        !self.done && self.sender.is_ready()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("done", &self.done).finish_non_exhaustive()
    }
}
