//! The bytes of one client's connection, shared by its task and by whoever reads the body of its request.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use countersign::UnixTime;
use http_body::{Frame, SizeHint};
use tokio::io::AsyncWrite;

use super::{
    super::io::Io,
    head::{self, Asked, Framed},
    reader::RequestReader,
};
use crate::{
    config::resolved::Limits,
    error::Refusal,
    http::{Head, Parts},
    http1::{Outgoing, Room},
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
    room: Room,
    pub(super) out: Outgoing,
    /// The request under way. Its body is for who holds a [`RequestBody`] of the same number.
    number: u64,
    /// The body of the request under way has ended badly.
    failed: Option<BodyError>,
    /// The client waits for our word before it sends the body.
    waits: bool,
    /// The connection's task, while it waits for what whoever reads the body will meet first.
    watcher: Option<Waker>,
    /// Whoever waits for more of the body: the connection's task, or another.
    body_reader: Option<Waker>,
}

/// What the answer to a request depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) asked: Asked,
    /// It has a body, of this number.
    pub(super) body: Option<u64>,
    /// It asks to leave HTTP.
    pub(super) asks_to_leave: bool,
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
            room: Room::default(),
            out: Outgoing::default(),
            number: 0,
            failed: None,
            waits: false,
            watcher: None,
            body_reader: None,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Messages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of the request of this number.
    pub(super) fn body(&self, number: u64) -> RequestBody {
        RequestBody { wire: self.clone(), number }
    }
}

/// The body of one request. When the connection has gone on to another, it has failed.
#[derive(Debug)]
pub(crate) struct RequestBody {
    wire: Wire,
    number: u64,
}

impl RequestBody {
    /// The next piece.
    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut messages = self.wire.lock();
        if messages.number != self.number {
            return Poll::Ready(Some(Err(BodyError::Gone)));
        }
        let frame = messages.poll_body(cx);
        messages.note_reader(cx, frame.is_pending());
        if matches!(&frame, Poll::Ready(None | Some(Err(_)))) || !messages.is_body_open() {
            messages.tell_watcher(cx);
        }
        frame
    }

    /// Whether it has come to its end, good or bad.
    pub(crate) fn is_over(&self) -> bool {
        let messages = self.wire.lock();
        messages.number == self.number && !messages.is_body_open()
    }

    /// How long the rest is, if the head has said so.
    pub(crate) fn left(&self) -> Option<u64> {
        let messages = self.wire.lock();
        if messages.number == self.number { messages.reader.body_left() } else { None }
    }
}

impl Messages {
    /// The next request, in the place of the last.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        place: &mut Parts,
    ) -> Poll<Result<Begun, NoRequest>> {
        loop {
            if self.reader.next_head(place).map_err(NoRequest::Refused)? {
                let asked = Asked::by(place);
                self.number += 1;
                self.failed = None;
                let body = (!self.reader.is_body_over()).then_some(self.number);
                self.waits = asked.waits && body.is_some();
                let asks_to_leave = self.reader.may_leave_http();
                return Poll::Ready(Ok(Begun { asked, body, asks_to_leave }));
            }
            self.room.reset(self.reader.buffer());
            if !self.reader.has_begun_head() {
                self.reader.forget();
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
            // Where it cannot be written at once, the connection's task writes it.
            if self.poll_write(cx).is_pending() {
                self.tell_watcher(cx);
            }
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
        if self.is_body_open() {
            // Whoever reads the body may be another task, and is the first to know.
            match &mut self.watcher {
                Some(watcher) => watcher.clone_from(cx.waker()),
                None => self.watcher = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        if self.failed == Some(BodyError::Gone) {
            return Poll::Ready(());
        }
        if !self.reader.buffer().is_empty() {
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

    /// Who reads the body, while it waits for more.
    fn note_reader(&mut self, cx: &Context<'_>, waits: bool) {
        match &mut self.body_reader {
            _ if !waits => self.body_reader = None,
            Some(reader) => reader.clone_from(cx.waker()),
            None => self.body_reader = Some(cx.waker().clone()),
        }
    }

    /// No more of the body comes, and nothing else would say so.
    fn tell_reader(&mut self) {
        if let Some(reader) = self.body_reader.take() {
            reader.wake();
        }
    }

    fn tell_watcher(&mut self, cx: &Context<'_>) {
        if let Some(watcher) = self.watcher.take()
            && !watcher.will_wake(cx.waker())
        {
            watcher.wake();
        }
    }

    /// Begins an answer: nothing else is written until its body is over. Where the client has not been told to send its
    /// body, nobody knows whether what comes next belongs to it: then it is the last answer.
    pub(super) fn begin_answer(
        &mut self,
        answer: &Head,
        asked: Asked,
        body: &SizeHint,
        last: bool,
        now: impl FnOnce() -> UnixTime,
    ) -> Framed {
        let last = std::mem::take(&mut self.waits) || last;
        head::put(self.out.buffer(), answer, asked, body, last, now)
    }

    /// The same, before an answer: where the client waits to be asked for its body, it is not asked.
    pub(super) fn give_up_unasked_body(&mut self) -> bool {
        self.waits || self.give_up_body()
    }

    /// Nobody reads the rest of the body: whoever holds it still must not read from the connection any more. Whether
    /// the next request can be found behind it without waiting.
    pub(super) fn give_up_body(&mut self) -> bool {
        self.number += 1;
        self.watcher = None;
        self.tell_reader();
        let mut discarded = 0;
        while self.is_body_open() && discarded < DISCARDED_BYTES {
            match self.poll_body(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(frame))) => discarded += frame.data_ref().map_or(1, Bytes::len),
                _ => break,
            }
        }
        self.failed.is_none() && self.reader.is_body_over()
    }

    /// Whether part of a head was read.
    pub(super) fn has_begun_head(&self) -> bool {
        self.reader.has_begun_head()
    }

    /// Whether more of the body is to come.
    pub(super) const fn is_body_open(&self) -> bool {
        self.failed.is_none() && !self.reader.is_body_over()
    }

    /// Says that nothing more will be sent.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.io {
            Some(io) => Pin::new(io).poll_shutdown(cx).map(drop),
            None => Poll::Ready(()),
        }
    }

    /// All answers were given: a drain that does not wait any longer has cut nothing.
    pub(super) fn note_answered(&mut self) {
        if let Some(io) = &mut self.io {
            io.note_answered();
        }
    }

    /// Reads away what has come in already, up to [`DISCARDED_BYTES`]. Does not wait.
    pub(super) fn discard_read(&mut self) {
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES {
            self.reader.buffer().clear();
            match self.poll_fill(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(length @ 1..)) => discarded += length,
                _ => return,
            }
        }
    }

    /// Reads away what the client sends, until it sends nothing more.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.reader.buffer().clear();
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Closes the connection, whoever still holds a body of it.
    pub(super) fn close(&mut self) {
        self.io = None;
        self.tell_reader();
    }

    /// The connection after it has left HTTP, with what was read from it.
    pub(super) fn leave(&mut self) -> Option<(Io, Bytes)> {
        let read = std::mem::take(self.reader.buffer()).freeze();
        self.io.take().map(|io| (io, read))
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Some(io) => self.room.fill(cx, io, self.reader.buffer()),
            None => Poll::Ready(Ok(0)),
        }
    }
}
