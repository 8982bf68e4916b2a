//! The body of a service's answer, on its way to the client.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{BodyError, Deadline, http1, http2, origin::Pool};
use crate::http::headers::{CacheRule, ResponseRules, UpgradeRule, VaryBy, strip_response_trailers};
use crate::revocation::{LOOK_EVERY, Lease};

/// What a service's trailers may say is the same on every route, but for the token.
const TRAILERS: ResponseRules<'static> = ResponseRules {
    session_cookie: None,
    token: None,
    cache: CacheRule::Untouched,
    vary: VaryBy::Cookie,
    upgrade: UpgradeRule::Remove,
};

/// The body of an answer: streamed, and ended when it does not keep its time.
///
/// 1. Reading it drives the upstream connection; at its end the connection goes back to its pool, and a body that
///    is dropped earlier closes it.
/// 2. Nothing for the body time-out while the client waits for more: [`BodyError::Timeout`].
/// 3. Longer than `max_stream`, or than [`Self::end_by`] or [`Self::hold`] say: [`BodyError::Over`].
/// 4. Trailers pass through the same rules as headers.
#[derive(Debug)]
pub struct Body {
    source: Source,
    timeout: Duration,
    waiting_since: Option<Instant>,
    until: Instant,
    deadline: Arc<Deadline>,
    failed: Option<BodyError>,
    token: Option<HeaderValue>,
    lease: Option<Lease>,
    /// Of an answer over HTTP/2: the body of its request.
    sending: Option<Arc<Deadline>>,
    has_trailers: bool,
    _outstanding: Option<Outstanding>,
}

/// Where a body comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// Driven by whoever reads.
    Http1(Box<http1::Client>),
    /// Driven by a task of its own; the client is held because it counts the open streams.
    Http2(Box<Stream>),
    /// It is over.
    None,
}

/// An answer over HTTP/2.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) incoming: Incoming,
    pub(super) _counted: http2::Client,
}

impl Source {
    fn is_over(&self) -> bool {
        match self {
            Self::Http1(client) => client.is_over(),
            Self::Http2(stream) => stream.incoming.is_end_stream(),
            Self::None => true,
        }
    }
}

/// Counts a request that is under way at an origin, for the choice between several.
#[derive(Debug)]
pub(super) struct Outstanding(Arc<Pool>);

impl Outstanding {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        pool.begin();
        Self(Arc::clone(pool))
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Body {
    pub(super) fn new(
        source: Source,
        timeout: Duration,
        until: Instant,
        deadline: Arc<Deadline>,
        outstanding: Option<Outstanding>,
    ) -> Self {
        let mut body = Self {
            source,
            timeout,
            waiting_since: None,
            until,
            deadline,
            failed: None,
            token: None,
            lease: None,
            sending: None,
            has_trailers: false,
            _outstanding: outstanding,
        };
        if body.is_end_stream() {
            body.finish();
        }
        body
    }

    /// No body.
    pub(super) fn none(deadline: Arc<Deadline>) -> Self {
        let now = Instant::now();
        Self {
            source: Source::None,
            timeout: Duration::ZERO,
            waiting_since: None,
            until: now,
            deadline,
            failed: None,
            token: None,
            lease: None,
            sending: None,
            has_trailers: false,
            _outstanding: None,
        }
    }

    /// Over HTTP/2 the service may end a stream without a fault and without having ended the answer, to say that it wants
    /// no more of the request (RFC 9113 §8.1). Where that was all sent, the answer is cut off.
    pub(super) fn expect_its_end(&mut self, sending: Option<Arc<Deadline>>) {
        self.sending = sending;
    }

    fn is_cut_off(&self) -> bool {
        let is_sent = || self.sending.as_ref().is_some_and(|sending| sending.is_body_over());
        !self.has_trailers && is_sent() && !self.source.is_over()
    }

    /// The stream ends at `until` at the latest.
    pub fn end_by(&mut self, until: Instant) {
        self.until = self.until.min(until);
    }

    /// The stream ends when the lease does: looked at with every piece, and each half second while none comes.
    pub fn hold(&mut self, lease: Lease) {
        if !self.is_end_stream() {
            self.lease = Some(lease);
        }
    }

    /// Trailers that hold this `Authorization` value do not pass. As for headers, the token stays behind the gateway.
    pub fn withhold(&mut self, token: HeaderValue) {
        self.token = Some(token);
    }

    fn finish(&mut self) {
        if let Source::Http1(client) = std::mem::replace(&mut self.source, Source::None) {
            client.release();
        }
    }

    fn abandon(&mut self) {
        self.source = Source::None;
    }

    /// Fails at the next poll: the client first gets what came before.
    fn fail_next<T>(&mut self, error: BodyError, cx: &Context<'_>) -> Poll<T> {
        self.abandon();
        self.failed = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn lease_is_over(&mut self) -> bool {
        self.lease.as_mut().is_some_and(Lease::is_over)
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.source {
            Source::Http1(client) => client.poll_frame(cx),
            Source::Http2(stream) => {
                let frame = ready!(Pin::new(&mut stream.incoming).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::from_hyper(&error))))
            }
            Source::None => Poll::Ready(None),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let Poll::Ready(frame) = this.poll_source(cx) else {
            let now = Instant::now();
            let silent = *this.waiting_since.get_or_insert(now) + this.timeout;
            let last = silent.min(this.until);
            if this.lease_is_over() {
                this.abandon();
                return Poll::Ready(Some(Err(BodyError::Over)));
            }
            let look = if this.lease.is_some() { last.min(now + LOOK_EVERY) } else { last };
            ready!(this.deadline.poll(cx, now, look));
            this.abandon();
            let error = if now >= this.until { BodyError::Over } else { BodyError::Timeout };
            return Poll::Ready(Some(Err(error)));
        };
        this.waiting_since = None;
        match frame {
            None if this.is_cut_off() => this.fail_next(BodyError::Gone, cx),
            None => {
                this.finish();
                Poll::Ready(None)
            }
            Some(Err(error)) => this.fail_next(error, cx),
            // A stream that never pauses is looked at here; the end of a short answer needs no clock.
            Some(Ok(_))
                if !this.is_end_stream() && (this.lease_is_over() || Instant::now() >= this.until) =>
            {
                this.abandon();
                Poll::Ready(Some(Err(BodyError::Over)))
            }
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    this.has_trailers = true;
                    let token = this.token.as_ref();
                    strip_response_trailers(trailers, &ResponseRules { token, ..TRAILERS });
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed.is_none() && self.source.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Http1(client) => client.exact().map_or_else(SizeHint::new, SizeHint::with_exact),
            Source::Http2(stream) => stream.incoming.size_hint(),
            Source::None => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.finish();
    }
}
