//! One HTTP/1.1 connection to a service.

mod answer;
mod request;

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body as _, Frame};
use tokio::{task::unconstrained, time::Instant};

pub use answer::{AnswerHead, AnswerReader};

use super::{
    BodyError, Deadline, Inbound, Stream, UpstreamError, UpstreamRequest,
    origin::{IDLE_AGE, Pool},
};
use crate::{
    error::Refusal,
    http::Head,
    http1::{Encoder, Outgoing, Room},
};

/// Answers that only announce one (RFC 9110 §15.2), at most, before it.
const MAX_INFORMATIONAL: u8 = 100;

/// A connection that is driven by the task that uses it: it has no task of its own, so a request costs no
/// wake-up between tasks.
pub(super) struct Client {
    stream: Stream,
    reader: AnswerReader,
    room: Room,
    out: Outgoing,
    /// The body of the request, as long as it is not sent.
    sending: Option<Sending>,
    /// Why the body of the request ended before its end, for who reads the answer.
    failed: Option<BodyError>,
    /// Informational answers so far.
    announced: u8,
    /// It may be used again once the answer is over.
    keeps: bool,
    used: Instant,
    keep: usize,
    pool: Arc<Pool>,
    #[cfg(test)]
    overlooks: bool,
}

struct Sending {
    body: Inbound,
    encoder: Encoder,
}

/// Why an exchange gave no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request may have been received.
    Sent(UpstreamError),
    /// Not one byte was written: the request is back in its place.
    Unsent,
}

/// Why a request is not sent any further.
enum Stopped {
    /// The service takes no more of it. What it has answered may still be there to be read.
    Refused,
    /// The client's side of it failed.
    Body(BodyError),
}

impl Client {
    pub(super) fn new(stream: Stream, pool: Arc<Pool>) -> Box<Self> {
        Box::new(Self {
            stream,
            reader: AnswerReader::default(),
            room: Room::default(),
            out: Outgoing::default(),
            sending: None,
            failed: None,
            announced: 0,
            keeps: true,
            used: Instant::now(),
            keep: 0,
            pool,
            #[cfg(test)]
            overlooks: false,
        })
    }

    /// Sends the request and waits for the head of the answer: `limit` from the moment the last piece of the
    /// request was passed on. Fields and body are taken, unless nothing of the request could be written.
    pub(super) async fn exchange(
        &mut self,
        UpstreamRequest { parts, forwarded, authorization, body }: UpstreamRequest<'_>,
        deadline: &Deadline,
        limit: Duration,
        now: Instant,
        last: Instant,
    ) -> Result<Head, Failure> {
        self.used = now;
        self.keeps = true;
        self.announced = 0;
        let is_head = parts.method == Method::HEAD;
        let encoder = request::put_head(self.out.buffer(), parts, (forwarded, authorization), body);
        let mut first = Some(now);
        let mut unsent = encoder.is_over() && body.is_end_stream();
        if !unsent {
            // A body that was begun cannot be given back.
            parts.fields.clear();
            let body = body.take();
            self.sending = (!encoder.is_over()).then_some(Sending { body, encoder });
        }
        poll_fn(|cx| {
            match self.poll_send(cx) {
                Poll::Ready(Err(Stopped::Body(error))) => {
                    return Poll::Ready(Err(Failure::Sent(error.into())));
                }
                Poll::Ready(Err(Stopped::Refused)) if unsent && !self.out.has_begun() => {
                    return Poll::Ready(Err(Failure::Unsent));
                }
                Poll::Ready(Err(Stopped::Refused)) => self.stop_sending(),
                Poll::Ready(Ok(())) if unsent => {
                    unsent = false;
                    parts.fields.clear();
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            if let Poll::Ready(answer) = self.poll_head(cx, is_head) {
                return Poll::Ready(answer.map_err(Failure::Sent));
            }
            // In no case beyond `last`: a body that drips is not endless.
            let late = (deadline.body_progress_since(now) + limit).min(last);
            deadline
                .poll(cx, first.take().unwrap_or_else(Instant::now), late)
                .map(|()| Err(Failure::Sent(UpstreamError::FirstByteTimeout)))
        })
        .await
    }

    /// Sends what can be sent now; ready when all of it was.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        loop {
            let mut waits = false;
            while self.out.has_room()
                && let Some(sending) = &mut self.sending
            {
                let Poll::Ready(frame) = Pin::new(&mut sending.body).poll_frame(cx) else {
                    waits = true;
                    break;
                };
                if sending.push(frame, &mut self.out).map_err(Stopped::Body)? {
                    self.sending = None;
                }
            }
            if self.out.is_empty() {
                return if waits { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            ready!(self.out.poll_write(cx, &mut self.stream)).map_err(|_| Stopped::Refused)?;
            if waits {
                return Poll::Pending;
            }
        }
    }

    fn stop_sending(&mut self) {
        self.sending = None;
        self.out = Outgoing::default();
        self.keeps = false;
    }

    /// The head of the answer, without those that only announce it (RFC 9110 §15.2).
    fn poll_head(&mut self, cx: &mut Context<'_>, is_head: bool) -> Poll<Result<Head, UpstreamError>> {
        loop {
            if let Some(AnswerHead { head, keeps }) = self.reader.next_head(is_head)? {
                let status = head.status;
                if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                    self.announced += 1;
                    if self.announced > MAX_INFORMATIONAL {
                        return Poll::Ready(Err(UpstreamError::Malformed));
                    }
                    continue;
                }
                // What has spoilt it before an answer came has spoilt it for good.
                self.keeps &= keeps && status != StatusCode::SWITCHING_PROTOCOLS;
                return Poll::Ready(Ok(head));
            }
            if !matches!(ready!(self.poll_fill(cx)), Ok(1..)) {
                return Poll::Ready(Err(UpstreamError::Closed));
            }
        }
    }

    /// Sends what is left of the request, as far as it goes.
    pub(super) fn send_on(&mut self, cx: &mut Context<'_>) {
        if self.is_sending() {
            match self.poll_send(cx) {
                Poll::Ready(Err(stopped)) => {
                    self.stop_sending();
                    self.failed = match stopped {
                        Stopped::Body(error) => Some(error),
                        Stopped::Refused => None,
                    };
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
    }

    /// The next piece of the answer. What is left of the request is sent on the way.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.send_on(cx);
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            match self.reader.next_of_body() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.reader.is_over() => return Poll::Ready(None),
                Ok(None) => {}
                Err(_) => return self.fail(BodyError::Malformed(Refusal::Framing)),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) if self.reader.end() => return Poll::Ready(None),
                Ok(0) | Err(_) => return self.fail(BodyError::Gone),
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.room.fill(cx, &mut self.stream, self.reader.buffer())
    }

    fn fail<T>(&mut self, error: BodyError) -> Poll<Option<Result<T, BodyError>>> {
        self.keeps = false;
        Poll::Ready(Some(Err(error)))
    }

    /// Whether the answer is over.
    pub(super) fn is_over(&self) -> bool {
        self.reader.is_over()
    }

    /// Whether the rest of the answer has been read already, and has a length.
    pub(super) fn has_read_answer(&self) -> bool {
        self.reader.has_read_body()
    }

    /// Whether something of the request is not sent yet.
    pub(super) fn is_sending(&self) -> bool {
        self.sending.is_some() || !self.out.is_empty()
    }

    /// How much is to come, if that is known.
    pub(super) const fn exact(&self) -> Option<u64> {
        self.reader.body_left()
    }

    /// Whether it was used recently enough to be used again.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) < IDLE_AGE
    }

    /// Whether it takes another request: it is open, and the service has said nothing that nobody asked for.
    pub(super) fn is_usable(&mut self) -> bool {
        #[cfg(test)]
        if self.overlooks {
            return true;
        }
        if let Some(is_quiet) = self.stream.is_quiet() {
            return is_quiet;
        }
        // Whatever else this task has read already: an answer must not be missed for want of budget.
        let look = pin!(unconstrained(poll_fn(|cx| self.poll_fill(cx))));
        look.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// At most so many idle connections are kept when this one is given back.
    pub(super) const fn keep(&mut self, keep: usize) {
        self.keep = keep;
    }

    /// Keeps it for the next request if it is at the end of this one; closes it otherwise.
    pub(super) fn release(mut self: Box<Self>) {
        let is_at_end = self.is_over()
            && self.sending.is_none()
            && self.out.is_empty()
            && self.reader.buffer().is_empty();
        if self.keeps && is_at_end {
            self.room.reset(self.reader.buffer());
            let (pool, keep) = (Arc::clone(&self.pool), self.keep);
            pool.put(self, keep);
        }
    }

    /// From now on it does not look whether it is still open, as if it closed only after it was looked at. False: it
    /// is open.
    #[cfg(test)]
    pub(super) fn overlook(&mut self) -> bool {
        self.overlooks = !self.is_usable();
        self.overlooks
    }

    /// The stream below after a switch of protocols, with what was read beyond the answer.
    pub(super) fn into_stream(mut self) -> (Stream, Bytes) {
        let read = std::mem::take(self.reader.buffer()).freeze();
        (self.stream, read)
    }
}

impl Sending {
    /// Passes on what came of the body. True: that was all.
    fn push(
        &mut self,
        frame: Option<Result<Frame<Bytes>, BodyError>>,
        out: &mut Outgoing,
    ) -> Result<bool, BodyError> {
        let (data, trailers) = match frame.transpose()?.map(Frame::into_data) {
            None => (None, None),
            Some(Ok(data)) => (Some(data), None),
            Some(Err(frame)) => (None, frame.into_trailers().ok()),
        };
        // A body of another length than was said: what follows it on the connection would be taken for something else.
        let gone = |_| BodyError::Gone;
        let is_last = data.is_none() || self.body.is_end_stream();
        if let Some(data) = data {
            self.encoder.push(data, out).map_err(gone)?;
        }
        if is_last && out.has_room() {
            self.encoder.finish(trailers.as_ref(), out).map_err(gone)?;
            return Ok(true);
        }
        Ok(false)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("reader", &self.reader).finish_non_exhaustive()
    }
}
