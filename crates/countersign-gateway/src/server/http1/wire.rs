//! The bytes of one client's connection, shared by its task and by whoever reads the body of its request.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use countersign::UnixTime;
use http::{HeaderMap, request, response};
use http_body::{Frame, SizeHint};
use tokio::io::AsyncWrite;

use super::{
    super::io::Io,
    Progress,
    head::{self, Asked, Sending},
    reader::RequestReader,
};
use crate::{
    config::resolved::Limits,
    error::Refusal,
    http1::{Encoder, Outgoing, fill},
    upstream::BodyError,
};

/// A request was read away that nobody wanted the rest of, up to so many bytes.
const DISCARDED_BYTES: usize = 64 * 1024;

/// What a client sends, divided into messages, and what is sent to it.
#[derive(Debug)]
pub(super) struct Messages {
    /// None once it has left HTTP.
    io: Option<Io>,
    reader: RequestReader,
    pub(super) out: Outgoing,
    /// The body of the request under way has ended badly.
    failed: Option<BodyError>,
    /// The client waits for our word before it sends the body.
    waits: bool,
}

/// Why there is no next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRequest {
    /// Nothing more was sent.
    End,
    /// Half a head was sent, or the connection broke.
    Gone,
    /// The head is refused.
    Refused(Refusal),
}

/// A connection, shared.
#[derive(Debug, Clone)]
pub(crate) struct Wire(Arc<Mutex<Messages>>);

impl Wire {
    pub(super) fn new(io: Io, limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Messages {
            io: Some(io),
            reader: RequestReader::new(limits),
            out: Outgoing::default(),
            failed: None,
            waits: false,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Messages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece of the body of the request under way.
    pub(crate) fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.lock().poll_body(cx)
    }

    /// Whether the body has come to its end, good or bad.
    pub(crate) fn is_body_over(&self) -> bool {
        !self.lock().is_body_open()
    }

    /// How long the rest of the body is, if the head has said so.
    pub(crate) fn body_left(&self) -> Option<u64> {
        self.lock().reader.body_left()
    }
}

impl Messages {
    /// The next request. The map is for its fields.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        fields: &mut HeaderMap,
    ) -> Poll<Result<(request::Parts, Asked), NoRequest>> {
        loop {
            if let Some(parts) = self.reader.next_head(fields).map_err(NoRequest::Refused)? {
                let asked = Asked::by(&parts, self.reader.seen());
                self.failed = None;
                self.waits = asked.waits && !self.reader.is_body_over();
                return Poll::Ready(Ok((parts, asked)));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) if !self.reader.has_begun_head() => return Poll::Ready(Err(NoRequest::End)),
                Ok(0) | Err(_) => return Poll::Ready(Err(NoRequest::Gone)),
            }
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.failed {
            return Poll::Ready(Some(Err(error)));
        }
        if self.waits {
            self.waits = false;
            self.out.buffer().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            // Where it cannot be written at once, the connection's task writes it before the answer.
            let _ = self.poll_write(cx);
        }
        loop {
            match self.reader.next_of_body() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.reader.is_body_over() => return Poll::Ready(None),
                Ok(None) => {}
                Err(refusal) => return self.fail_body(BodyError::Malformed(refusal)),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return self.fail_body(BodyError::Gone),
            }
        }
    }

    fn fail_body<T>(&mut self, error: BodyError) -> Poll<Option<Result<T, BodyError>>> {
        self.failed = Some(error);
        Poll::Ready(Some(Err(error)))
    }

    /// Ready when the client has gone while it waits for an answer. What it sends meanwhile is kept, up to one read.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_body_open() || !self.reader.buffer().is_empty() {
            return Poll::Pending;
        }
        match ready!(self.poll_fill(cx)) {
            Ok(1..) => Poll::Pending,
            Ok(0) | Err(_) => Poll::Ready(()),
        }
    }

    /// Writes all that is to be written.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Some(io) => self.out.poll_write(cx, io),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Whether the request under way asked to leave HTTP.
    pub(super) const fn asks_to_leave(&self) -> bool {
        self.reader.may_leave_http()
    }

    /// Begins an answer: nothing else is written until its body is over.
    pub(super) fn begin_answer(
        &mut self,
        answer: &response::Parts,
        asked: Asked,
        body: &SizeHint,
        last: bool,
        now: impl FnOnce() -> UnixTime,
    ) -> Sending {
        self.waits = false;
        head::put(self.out.buffer(), answer, asked, body, last, now)
    }

    /// Puts what came of an answer's body behind what is to be written.
    pub(super) fn take_frame(
        &mut self,
        frame: Option<Result<Frame<Bytes>, BodyError>>,
        is_last: bool,
        encoder: &mut Encoder,
    ) -> Progress {
        let (data, trailers) = match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Err(_)) => return Progress::CutOff,
            Some(Ok(Ok(data))) => (Some(data), None),
            Some(Ok(Err(frame))) => (None, frame.into_trailers().ok()),
            None => (None, None),
        };
        let is_last = is_last || data.is_none();
        if let Some(data) = data
            && encoder.push(data, &mut self.out).is_err()
        {
            return Progress::CutOff;
        }
        if !is_last || !self.out.has_room() && !encoder.is_over() {
            return Progress::Going;
        }
        if encoder.finish(trailers.as_ref(), &mut self.out).is_ok() {
            Progress::Done
        } else {
            Progress::CutOff
        }
    }

    /// Nobody reads the rest of the body. Whether the next request can be found behind it without waiting.
    pub(super) fn give_up_body(&mut self) -> bool {
        self.waits = false;
        let mut discarded = 0;
        while self.is_body_open() && discarded < DISCARDED_BYTES {
            match self.poll_body(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(frame))) => discarded += frame.data_ref().map_or(1, Bytes::len),
                _ => break,
            }
        }
        if self.is_body_open() {
            // Whoever holds the body still must not read from the connection any more.
            self.failed = Some(BodyError::Gone);
        }
        self.failed.is_none()
    }

    /// Whether part of a head was read.
    pub(super) fn has_begun_head(&self) -> bool {
        self.reader.has_begun_head()
    }

    const fn is_body_open(&self) -> bool {
        self.failed.is_none() && !self.reader.is_body_over()
    }

    /// Ends the connection, and takes it.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(io) = &mut self.io {
            let _ = ready!(Pin::new(&mut *io).poll_shutdown(cx));
            discard_unread(io, self.reader.buffer());
        }
        self.io = None;
        Poll::Ready(())
    }

    /// The connection after it has left HTTP, with what was read from it.
    pub(super) fn leave(&mut self) -> Option<(Io, Bytes)> {
        let read = std::mem::take(self.reader.buffer()).freeze();
        self.io.take().map(|io| (io, read))
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Some(io) => fill(cx, io, self.reader.buffer()),
            None => Poll::Ready(Ok(0)),
        }
    }
}

/// Reads away what has come in already. Closing a socket with unread bytes resets the connection, and the client may
/// then never see its answer (RFC 9112 §9.6). Does not wait.
fn discard_unread(io: &mut Io, read: &mut BytesMut) {
    let mut discarded = 0;
    while discarded < DISCARDED_BYTES {
        read.clear();
        match fill(&mut Context::from_waker(Waker::noop()), io, read) {
            Poll::Ready(Ok(length @ 1..)) => discarded += length,
            _ => return,
        }
    }
}
