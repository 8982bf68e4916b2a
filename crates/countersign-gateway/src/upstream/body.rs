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
/// 3. Longer than `max_stream`, or than [`Self::end_by`] or [`Self::hold`] say: [`BodyError::Over`], also while nothing
///    of it is read and its request goes on.
/// 4. Trailers pass through the same rules as headers.
#[derive(Debug)]
pub struct Body(State);

/// As small as it can be: a body is moved with its answer.
#[derive(Debug)]
enum State {
    /// Without terms, all of it has been read, its request has been sent, and nothing is waited for.
    Flowing(Source, Option<Box<Terms>>),
    /// Told at the next poll: the client first gets what came before.
    Failed(BodyError),
    Over,
}

/// Where a body comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// Driven by whoever reads.
    Http1(Box<http1::Client>),
    /// Driven by a task of its own.
    Http2(Box<Stream>),
}

/// An answer over HTTP/2.
#[derive(Debug)]
pub(super) struct Stream {
    incoming: Incoming,
    /// The body of the request.
    sending: Arc<Deadline>,
    has_trailers: bool,
    /// Held because it counts the open streams.
    _counted: http2::Client,
}

impl Stream {
    pub(super) const fn new(incoming: Incoming, sending: Arc<Deadline>, counted: http2::Client) -> Self {
        Self { incoming, sending, has_trailers: false, _counted: counted }
    }
}

impl Source {
    fn is_over(&self) -> bool {
        match self {
            Self::Http1(client) => client.is_over(),
            Self::Http2(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Http1(client) => client.poll_frame(cx),
            Self::Http2(stream) => {
                let frame = ready!(Pin::new(&mut stream.incoming).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::from_hyper(&error))))
            }
        }
    }

    /// Whether the rest of it is here already, and is no trailers.
    fn is_read(&self) -> bool {
        match self {
            Self::Http1(client) => client.has_read_answer(),
            Self::Http2(_) => false,
        }
    }

    /// Whether there is more of its request to be passed on, as far as is known here.
    fn is_sending(&self) -> bool {
        match self {
            Self::Http1(client) => client.is_sending(),
            Self::Http2(stream) => !stream.sending.is_body_over(),
        }
    }

    /// Over HTTP/2 the service may end a stream without a fault and without having ended the answer, to say that it
    /// wants no more of the request (RFC 9113 §8.1). Where that was all sent, the answer is cut off.
    fn is_cut_off(&self) -> bool {
        match self {
            Self::Http1(_) => false,
            Self::Http2(stream) => {
                !stream.has_trailers && stream.sending.is_body_over() && !stream.incoming.is_end_stream()
            }
        }
    }

    fn note_trailers(&mut self) {
        if let Self::Http2(stream) = self {
            stream.has_trailers = true;
        }
    }

    /// It goes back to its pool if it is at its end.
    fn release(self) {
        if let Self::Http1(client) = self {
            client.release();
        }
    }
}

/// Under which an answer is passed on.
#[derive(Debug)]
pub(super) struct Terms {
    timeout: Duration,
    waiting_since: Option<Instant>,
    until: Instant,
    deadline: Arc<Deadline>,
    token: Option<HeaderValue>,
    lease: Option<Lease>,
    _outstanding: Option<Outstanding>,
}

impl Terms {
    pub(super) const fn new(
        timeout: Duration,
        until: Instant,
        deadline: Arc<Deadline>,
        outstanding: Option<Outstanding>,
    ) -> Self {
        Self {
            timeout,
            waiting_since: None,
            until,
            deadline,
            token: None,
            lease: None,
            _outstanding: outstanding,
        }
    }

    fn lease_is_over(&mut self) -> bool {
        self.lease.as_mut().is_some_and(Lease::is_over)
    }

    /// Ready when what is waited for is late.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let now = Instant::now();
        let silent = *self.waiting_since.get_or_insert(now) + self.timeout;
        ready!(self.poll_last(cx, now, silent.min(self.until)));
        Poll::Ready(if now >= silent && now < self.until { BodyError::Timeout } else { BodyError::Over })
    }

    /// Ready when the answer may not go on, whatever comes of it.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_last(cx, Instant::now(), self.until)
    }

    /// Ready at that moment, and sooner if the lease is over by then.
    fn poll_last(&mut self, cx: &mut Context<'_>, now: Instant, last: Instant) -> Poll<()> {
        if now >= last || self.lease_is_over() {
            return Poll::Ready(());
        }
        let look = if self.lease.is_some() { last.min(now + LOOK_EVERY) } else { last };
        if self.deadline.poll(cx, now, look).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
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
    /// No body.
    pub(super) const NONE: Self = Self(State::Over);

    pub(super) fn new(source: Source, terms: Terms) -> Self {
        if source.is_over() {
            source.release();
            return Self::NONE;
        }
        let terms = (!source.is_read() || source.is_sending()).then(|| Box::new(terms));
        Self(State::Flowing(source, terms))
    }

    /// Whether there is more to wait for: of it, or of its request.
    #[must_use]
    pub const fn is_awaited(&self) -> bool {
        matches!(self.0, State::Flowing(_, Some(_)))
    }

    /// Whether all of it is here, and its request ends with it, sent or not.
    pub(crate) fn has_come(&self) -> bool {
        match &self.0 {
            State::Flowing(source, _) => source.is_read(),
            State::Failed(_) => false,
            State::Over => true,
        }
    }

    /// The stream ends at `until` at the latest.
    pub fn end_by(&mut self, until: Instant) {
        if let State::Flowing(_, Some(terms)) = &mut self.0 {
            terms.until = terms.until.min(until);
        }
    }

    /// The stream ends when the lease does: looked at with every piece, and each half second while none comes.
    pub fn hold(&mut self, lease: Lease) {
        if let State::Flowing(_, Some(terms)) = &mut self.0 {
            terms.lease = Some(lease);
        }
    }

    /// Trailers that hold this `Authorization` value do not pass. As for headers, the token stays behind the gateway.
    pub fn withhold(&mut self, token: HeaderValue) {
        if let State::Flowing(_, Some(terms)) = &mut self.0 {
            terms.token = Some(token);
        }
    }

    /// To be polled while nothing of the answer is read, because the client takes nothing: it may take none before all of
    /// its request was taken, so what is left of that is passed on. Ready when that may not go on.
    pub(crate) fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let State::Flowing(source, Some(terms)) = &mut self.0 else { return Poll::Pending };
        // What is whole is not cut off. A request ends with its answer.
        if source.is_over() {
            self.finish();
            return Poll::Pending;
        }
        // Nothing moves, and the next piece that is read is looked at: the answer may be whole, unseen.
        if !source.is_sending() {
            return Poll::Pending;
        }
        let over = terms.poll_over(cx);
        if over.is_pending()
            && let Source::Http1(client) = source
        {
            client.send_on(cx);
        }
        over
    }

    /// The connection is kept if the answer is at its end.
    fn finish(&mut self) {
        if let State::Flowing(source, _) = std::mem::replace(&mut self.0, State::Over) {
            source.release();
        }
    }

    /// Fails at the next poll.
    fn fail_next<T>(&mut self, error: BodyError, cx: &Context<'_>) -> Poll<T> {
        self.0 = State::Failed(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0 = State::Over;
        Poll::Ready(Some(Err(error)))
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
        let (source, terms) = match &mut this.0 {
            State::Flowing(source, Some(terms)) => (source, terms),
            State::Flowing(source, None) => match source.poll_frame(cx) {
                // Of its request: what is read already does not fail.
                Poll::Ready(Some(Err(error))) => return this.fail_next(error, cx),
                frame => {
                    if source.is_over() {
                        this.finish();
                    }
                    return frame;
                }
            },
            State::Failed(error) => {
                let error = *error;
                return this.fail(error);
            }
            State::Over => return Poll::Ready(None),
        };
        let Poll::Ready(frame) = source.poll_frame(cx) else {
            let error = ready!(terms.poll_late(cx));
            return this.fail(error);
        };
        terms.waiting_since = None;
        match frame {
            None if source.is_cut_off() => this.fail_next(BodyError::Gone, cx),
            None => {
                this.finish();
                Poll::Ready(None)
            }
            Some(Err(error)) => this.fail_next(error, cx),
            // A stream that never pauses is looked at here; the end of a short answer needs no clock.
            Some(Ok(_)) if !source.is_over() && (terms.lease_is_over() || Instant::now() >= terms.until) => {
                this.fail(BodyError::Over)
            }
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    source.note_trailers();
                    let token = terms.token.as_ref();
                    strip_response_trailers(trailers, &ResponseRules { token, ..TRAILERS });
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Flowing(source, _) => source.is_over(),
            State::Failed(_) => false,
            State::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Flowing(Source::Http1(client), _) => {
                client.exact().map_or_else(SizeHint::new, SizeHint::with_exact)
            }
            State::Flowing(Source::Http2(stream), _) => stream.incoming.size_hint(),
            State::Failed(_) => SizeHint::new(),
            State::Over => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.finish();
    }
}
