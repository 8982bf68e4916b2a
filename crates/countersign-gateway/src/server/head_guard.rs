//! Below hyper: no request whose end can be read in two ways gets past this reader.
//!
//! hyper accepts what a stricter or laxer neighbour frames differently (both `Content-Length` and
//! `Transfer-Encoding`, bare line feeds, no `Host`), and shows its caller only the result. So [`Guarded`] stands
//! between socket and hyper on every HTTP/1 connection and follows the framing itself, by RFC 9112 without its
//! tolerances:
//!
//! 1. A head is held back until it is complete and valid. Bodies are counted, chunk by chunk, so that the next
//!    head is always found; chunk-size lines and trailer sections are held back until they are complete, too.
//! 2. Instead of a bad head hyper reads a request of ours that names the [`Refusal`], and nothing after it. hyper
//!    answers it in its turn, after the requests before it. [`refusal_from`] recognises it.
//! 3. Bytes of a bad body are an error whose cause is a [`FramingViolation`]; [`violation_in`] finds it.
//! 4. What follows a head with `Upgrade` may be another protocol. A valid head is released, as the upgrade may be
//!    refused; anything else is kept as it came for [`Guarded::into_parts`], and should the upgrade have been
//!    refused, the connection ends with its idle time-out.
//!
//! On the way in nothing is copied and nothing allocated as long as each head comes in one piece: bytes are judged in
//! hyper's own buffer.
//!
//! **What can an attacker do if this is wrong?** Send one request that a service sees as two, the second with whatever
//! identity headers he likes.

mod chunked;
mod decoded;
mod field;
mod follow;
mod request_line;
mod watch;

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use decoded::fault_in;
pub use follow::{Follow, Outcome, Step};
pub use watch::{Phase, Watch};

use crate::{config::resolved::Limits, error::Refusal};

/// The body of a request breaks its own framing. The innermost cause of the error that hyper gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request breaks its framing: {}", .0.code())]
pub struct FramingViolation(pub Refusal);

/// The refusal behind an error of a request body, if the guard is its cause.
#[must_use]
pub fn violation_in(error: &(dyn Error + 'static)) -> Option<Refusal> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(FramingViolation(refusal)) = error.downcast_ref() {
            return Some(*refusal);
        }
        // `io::Error` gives the source of what it wraps, not what it wraps.
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The refusal that a request stands for, if the guard put it in the place of a bad head. Answer it and close.
///
/// For HTTP/1 alone, over which no client can send such a request: its head would be a bad one. What HTTP/2 brought is
/// judged by [`fault_in`].
#[must_use]
pub fn refusal_from(headers: &HeaderMap) -> Option<Refusal> {
    let code = headers.get(&FRAMING)?;
    let named = Refusal::ALL.iter().copied().find(|refusal| code == refusal.code());
    Some(named.unwrap_or(Refusal::HeaderMalformed))
}

/// A connection whose incoming bytes are valid HTTP/1 requests.
///
/// For HTTP/1 connections alone: the preface of HTTP/2 is refused with
/// [`Refusal::VersionNotSupported`], so look for it first. What is written passes untouched.
#[derive(Debug)]
pub struct Guarded<T> {
    io: T,
    follow: Follow,
    /// Bytes hyper has not got yet; the first `ready` of them it may have.
    held: BytesMut,
    ready: usize,
    then: Then,
    watch: Watch,
    limit: usize,
}

/// What comes after the bytes that are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// More requests.
    More,
    /// Nothing: our request stands in the place of a bad head.
    Nothing,
    /// Perhaps another protocol: keep it.
    Keep,
    /// The error of a bad body.
    Violation(Refusal),
}

impl<T> Guarded<T> {
    /// Guards `io`. Of the limits `header_bytes` and `header_count` are used.
    pub fn new(io: T, limits: &Limits) -> Self {
        Self {
            io,
            follow: Follow::new(limits),
            held: BytesMut::new(),
            ready: 0,
            then: Then::More,
            watch: Watch::default(),
            limit: limits.header_bytes,
        }
    }

    /// A handle that tells where in a request the connection is, for whoever keeps its deadlines.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The connection, and the bytes that came in and that hyper has not read: after an upgrade they follow hyper's
    /// own unread bytes.
    pub fn into_parts(self) -> (T, Bytes) {
        (self.io, self.held.freeze())
    }

    /// The same connection with this refusal in the place of the head that has begun.
    #[must_use]
    pub fn refused(mut self, refusal: Refusal) -> Self {
        self.held.truncate(self.ready);
        self.stand_in(refusal);
        self
    }

    /// The connection below.
    pub fn inner(&self) -> &T {
        &self.io
    }

    fn stand_in(&mut self, refusal: Refusal) {
        for part in [STAND_IN.0, refusal.code(), STAND_IN.1] {
            self.held.extend_from_slice(part.as_bytes());
        }
        self.ready = self.held.len();
        self.then = Then::Nothing;
    }

    /// Hands out what is ready, as far as it fits.
    fn deliver(&mut self, out: &mut ReadBuf<'_>) {
        let length = self.ready.min(out.remaining());
        if let Some(ready) = self.held.get(..length) {
            out.put_slice(ready);
        }
        self.held.advance(length);
        self.ready -= length;
        if self.held.is_empty() {
            // An idle connection holds no memory here.
            self.held = BytesMut::new();
        }
    }

    /// Judges bytes just read into `out` behind `before`; leaves there what hyper may have.
    fn judge(&mut self, out: &mut ReadBuf<'_>, before: usize) {
        let fresh = out.filled().get(before..).unwrap_or_default();
        self.watch.count_read();
        if self.then == Then::Keep {
            self.held.extend_from_slice(fresh);
            out.set_filled(before);
            return;
        }
        let outcome = if self.held.is_empty() {
            let Step { released, outcome } = self.follow.advance(fresh);
            self.held.extend_from_slice(fresh.get(released..).unwrap_or_default());
            out.set_filled(before + released);
            outcome
        } else {
            self.held.extend_from_slice(fresh);
            out.set_filled(before);
            let Step { released, outcome } = self.follow.advance(&self.held);
            self.ready = released;
            outcome
        };
        match outcome {
            Outcome::More => {}
            Outcome::Refused(_) if self.follow.may_have_left_http() => self.then = Then::Keep,
            Outcome::Refused(refusal) => {
                self.held.truncate(self.ready);
                self.stand_in(refusal);
            }
            Outcome::Violated(refusal) => {
                self.held.truncate(self.ready);
                self.then = Then::Violation(refusal);
            }
        }
        let phase = match self.then {
            Then::More => self.follow.phase(self.held.len() > self.ready),
            Then::Keep => Phase::Idle,
            Then::Nothing | Then::Violation(_) => Phase::Over,
        };
        self.watch.set(phase, self.follow.heads());
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if this.ready > 0 {
                this.deliver(out);
                return Poll::Ready(Ok(()));
            }
            match this.then {
                Then::More => {}
                // An end of the stream would make hyper drop the request that stands for the refusal. The
                // connection ends with its answer, which is why nobody needs to be woken.
                Then::Nothing => return Poll::Pending,
                Then::Keep if this.held.len() >= this.limit => return Poll::Pending,
                Then::Keep => {}
                Then::Violation(refusal) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        FramingViolation(refusal),
                    )));
                }
            }
            let before = out.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(cx, out))?;
            if out.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            this.judge(out, before);
            if out.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        if matches!(this.then, Then::Nothing | Then::Violation(_)) {
            discard_unread(Pin::new(&mut this.io), cx);
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads away what has come in already. Closing a socket with unread bytes resets the connection, and the client may
/// then never see why it was refused (RFC 9112 §9.6). Does not wait.
fn discard_unread<T: AsyncRead>(mut io: Pin<&mut T>, cx: &mut Context<'_>) {
    let mut scratch = [0; 4096];
    for _ in 0..DISCARDED_READS {
        let mut unread = ReadBuf::new(&mut scratch);
        match io.as_mut().poll_read(cx, &mut unread) {
            Poll::Ready(Ok(())) if !unread.filled().is_empty() => {}
            _ => return,
        }
    }
}

/// At most 64 KiB are read away.
const DISCARDED_READS: usize = 16;

/// The request that stands in the place of a bad head, around the code.
const STAND_IN: (&str, &str) =
    ("GET / HTTP/1.1\r\nhost: refused.invalid\r\ncountersign-framing: ", "\r\nconnection: close\r\n\r\n");

/// Lower case, as [`field`] compares it.
const FRAMING_NAME: &str = "countersign-framing";

static FRAMING: HeaderName = HeaderName::from_static(FRAMING_NAME);

#[cfg(test)]
mod tests;
