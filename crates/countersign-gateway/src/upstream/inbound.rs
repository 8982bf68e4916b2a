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
use tokio::time::Instant;

use super::{BodyError, Deadline, Received, http2};
use crate::{
    http::headers::{CredentialRule, RequestRules, UpgradeRule, strip_request_trailers},
    server::RequestBody,
};

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
/// 4. Over HTTP/2, a client that ends its stream without having ended the body, and a stream that is over:
///    [`BodyError::Gone`].
#[derive(Debug)]
pub struct Inbound {
    source: Source,
    left: u64,
    timeout: Duration,
    waiting_since: Option<Instant>,
    deadline: Arc<Deadline>,
    /// Trailers that the route removes besides.
    removed: Option<Arc<[HeaderName]>>,
    /// Its trailers have come.
    has_trailers: bool,
    /// While the service does not take it over HTTP/2, its stream there stays open and counts, also when its answer is
    /// over.
    counted: Option<http2::Client>,
}

/// Where a body comes from.
#[derive(Debug)]
enum Source {
    /// Over HTTP/1.1. Who reads it knows whether it is whole.
    Http1(RequestBody),
    /// Over HTTP/2. It is whole by the end of its stream, or by trailers; a stream can also be reset without a fault.
    Http2(Arc<Received>),
    /// It is over.
    None,
}

impl Source {
    fn is_over(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_over(),
            Self::Http2(received) => received.is_over(),
            Self::None => true,
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Http1(body) => body.poll_frame(cx),
            Self::Http2(received) => received.poll_frame(cx),
            Self::None => Poll::Ready(None),
        }
    }
}

impl Inbound {
    /// A body of at most `limit` bytes (0: no limit) that pauses for `timeout` at most, read from the connection; without
    /// one there is none.
    pub(crate) fn over_http1(
        body: Option<RequestBody>,
        limit: u64,
        timeout: Duration,
        deadline: Arc<Deadline>,
    ) -> Self {
        Self::new(body.map_or(Source::None, Source::Http1), limit, timeout, deadline)
    }

    /// The same, of an HTTP/2 stream that may be over before it.
    #[must_use]
    pub fn over_http2(
        received: Arc<Received>,
        limit: u64,
        timeout: Duration,
        deadline: Arc<Deadline>,
    ) -> Self {
        Self::new(Source::Http2(received), limit, timeout, deadline)
    }

    fn new(source: Source, limit: u64, timeout: Duration, deadline: Arc<Deadline>) -> Self {
        deadline.begin_body(source.is_over());
        let left = if limit == 0 { u64::MAX } else { limit };
        Self {
            source,
            left,
            timeout,
            waiting_since: None,
            deadline,
            removed: None,
            has_trailers: false,
            counted: None,
        }
    }

    /// The body of a request that never had one.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self {
            source: Source::None,
            left: 0,
            timeout: Duration::ZERO,
            waiting_since: None,
            deadline: Arc::default(),
            removed: None,
            has_trailers: false,
            counted: None,
        }
    }

    /// No body, for a request that is made anew. It is part of the same task as this one.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self {
            source: Source::None,
            left: 0,
            timeout: self.timeout,
            waiting_since: None,
            deadline: Arc::clone(&self.deadline),
            removed: None,
            has_trailers: false,
            counted: None,
        }
    }

    /// Leaves none here.
    pub(super) fn take(&mut self) -> Self {
        let emptied = self.emptied();
        std::mem::replace(self, emptied)
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

    /// Counts as a stream to a service as long as it is not passed on.
    pub(super) fn count(&mut self, client: &http2::Client) {
        if !self.is_end_stream() {
            self.counted = Some(client.clone());
        }
    }

    /// Gives the body a timer of its own, because another task is going to poll it.
    pub(super) fn detach(&mut self) {
        if !self.is_end_stream() {
            self.deadline = Arc::default();
        }
    }

    fn fail(&mut self, error: BodyError) -> BodyError {
        self.source = Source::None;
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
        let Poll::Ready(frame) = this.source.poll_frame(cx) else {
            let now = Instant::now();
            let since = *this.waiting_since.get_or_insert(now);
            ready!(this.deadline.poll(cx, now, since + this.timeout));
            return Poll::Ready(Some(Err(this.fail(BodyError::Timeout))));
        };
        this.waiting_since = None;
        let mut frame = match frame {
            None if !this.has_trailers && !this.is_end_stream() => {
                return Poll::Ready(Some(Err(this.fail(BodyError::Gone))));
            }
            None => {
                this.deadline.end_body();
                return Poll::Ready(None);
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(this.fail(error)))),
            Some(Ok(frame)) => frame,
        };
        if let Some(trailers) = frame.trailers_mut() {
            this.has_trailers = true;
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
        self.source.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Http1(body) => body.left().map_or_else(SizeHint::new, SizeHint::with_exact),
            Source::Http2(received) => received.size_hint(),
            Source::None => SizeHint::with_exact(0),
        }
    }
}
