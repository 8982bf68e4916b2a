//! The body of a request, on its way to a service.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderName;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{BodyError, Deadline};
use crate::http::headers::{CredentialRule, RequestRules, UpgradeRule, strip_request_trailers};

/// What a client's trailers may say on every route.
const TRAILERS: RequestRules<'static> = RequestRules {
    allow: &[],
    remove: &[],
    credential: CredentialRule::Remove,
    upgrade: UpgradeRule::Remove,
};

/// The body of a request: streamed, counted, and ended when it does not keep its time.
///
/// 1. More than the limit of bytes: [`BodyError::TooLarge`], after at most the limit was passed on.
/// 2. Nothing for the body time-out while the service waits for more: [`BodyError::Timeout`].
/// 3. Trailers pass through the same rules as headers.
/// 4. Over HTTP/2, a client that ends its stream without having ended the body: [`BodyError::Gone`].
#[derive(Debug)]
pub struct Inbound {
    incoming: Option<Incoming>,
    left: u64,
    timeout: Duration,
    waiting_since: Option<Instant>,
    deadline: Arc<Deadline>,
    /// Trailers that the route removes besides.
    removed: Option<Arc<[HeaderName]>>,
    ending: Ending,
}

/// How it is known that a body is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Whoever reads it knows.
    Told,
    /// By the end of its stream, or by trailers; a stream can also be reset without a fault.
    Stream,
    /// It has come to its end.
    Reached,
}

impl Inbound {
    /// A body of at most `limit` bytes (0: no limit) that pauses for `timeout` at most.
    #[must_use]
    pub fn new(incoming: Incoming, limit: u64, timeout: Duration, deadline: Arc<Deadline>) -> Self {
        deadline.begin_body(incoming.is_end_stream());
        let left = if limit == 0 { u64::MAX } else { limit };
        let (incoming, ending) = (Some(incoming), Ending::Told);
        Self { incoming, left, timeout, waiting_since: None, deadline, removed: None, ending }
    }

    /// It came over HTTP/2.
    #[must_use]
    pub fn over_http2(self) -> Self {
        Self { ending: Ending::Stream, ..self }
    }

    /// The body of a request that never had one.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self {
            incoming: None,
            left: 0,
            timeout: Duration::ZERO,
            waiting_since: None,
            deadline: Arc::default(),
            removed: None,
            ending: Ending::Told,
        }
    }

    /// No body, for a request that is made anew. It is part of the same task as this one.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self {
            incoming: None,
            left: 0,
            timeout: self.timeout,
            waiting_since: None,
            deadline: Arc::clone(&self.deadline),
            removed: None,
            ending: Ending::Told,
        }
    }

    /// Removes these from the trailers too.
    pub fn also_remove(&mut self, names: &Arc<[HeaderName]>) {
        self.removed = Some(Arc::clone(names));
    }

    /// Lets it pause for so long in place of what it was made with.
    pub const fn may_pause(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(super) const fn deadline(&self) -> &Arc<Deadline> {
        &self.deadline
    }

    /// Gives the body a timer of its own, because another task is going to poll it.
    pub(super) fn detach(&mut self) {
        if !self.is_end_stream() {
            self.deadline = Arc::default();
        }
    }

    fn fail(&mut self, error: BodyError) -> BodyError {
        self.incoming = None;
        self.deadline.fail_body(error);
        error
    }
}

impl HttpBody for Inbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
            let now = Instant::now();
            let since = *this.waiting_since.get_or_insert(now);
            ready!(this.deadline.poll(cx, now, since + this.timeout));
            return Poll::Ready(Some(Err(this.fail(BodyError::Timeout))));
        };
        this.waiting_since = None;
        let mut frame = match frame {
            None if this.ending == Ending::Stream && !this.is_end_stream() => {
                return Poll::Ready(Some(Err(this.fail(BodyError::Gone))));
            }
            None => {
                this.deadline.end_body();
                return Poll::Ready(None);
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(this.fail(BodyError::from_hyper(&error))))),
            Some(Ok(frame)) => frame,
        };
        if let Some(trailers) = frame.trailers_mut() {
            this.ending = Ending::Reached;
            this.deadline.end_body();
            let remove = this.removed.as_deref().unwrap_or_default();
            strip_request_trailers(trailers, &RequestRules { remove, ..TRAILERS });
        }
        if let Some(data) = frame.data_ref() {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            let Some(left) = this.left.checked_sub(length) else {
                return Poll::Ready(Some(Err(this.fail(BodyError::TooLarge))));
            };
            this.left = left;
            this.deadline.touch_body(Instant::now(), this.is_end_stream());
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
