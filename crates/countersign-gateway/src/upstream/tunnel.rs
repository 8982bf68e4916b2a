//! Connections that leave HTTP: `WebSocket` and other upgrades (RFC 9110 §7.8).

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional},
    select,
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    http::Answer,
    revocation::{LOOK_EVERY, Lease},
};

use super::{
    Body, Pools, Stream, Target, UpstreamError, UpstreamRequest,
    body::{Source, Terms},
    http1::Failure,
    pools::into_origin_form,
};

/// How long the client's side may take to leave HTTP after the service has.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The tunnels of one worker.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    open: AtomicUsize,
    closing: Notify,
}

/// How long a stream may last.
#[derive(Debug, Clone)]
pub struct Term {
    /// At most until then.
    pub until: Instant,
    /// And not longer than this holds.
    pub lease: Option<Lease>,
}

/// When a tunnel ends by itself.
#[derive(Debug, Clone)]
struct Ends {
    idle: Duration,
    until: Instant,
    lease: Option<Lease>,
}

impl Pools {
    /// Sends a request that asks for another protocol, on a connection of its own.
    ///
    /// When the service agrees (101), `client` (the client's connection once it has left HTTP too, and what was
    /// read from it already) becomes the other end of a tunnel that lasts until either side closes it, nothing moved for the idle time-out, the end of `term` or `max_stream` is reached, or the gateway has
    /// drained. Any other answer is an answer like every other.
    ///
    /// The request has its `Connection: upgrade` and `Upgrade` fields, a `Host` field and no body.
    ///
    /// # Errors
    /// As [`Self::send`]; [`UpstreamError::Malformed`] when the service switches to a protocol that was not asked
    /// for. HTTP/2 services cannot be asked.
    pub async fn upgrade<S>(
        &self,
        target: &Target,
        request: UpstreamRequest<'_>,
        client: impl Future<Output = Option<(S, Bytes)>> + Send + 'static,
        term: Option<Term>,
    ) -> Result<Answer<Body>, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = &target.limits;
        let mut connection = self.dial_http1(target).await?;
        let now = Instant::now();
        let last = now + limits.max_stream;
        let until = term.as_ref().map_or(last, |term| term.until.min(last));
        let lease = term.and_then(|term| term.lease);
        let ends = Ends { idle: limits.idle_timeout, until, lease };
        let deadline = Arc::clone(request.body.deadline());
        let asked = request.parts.fields.value(b"upgrade");
        into_origin_form(request.parts)?;
        // What a service does with an upgrade it refuses is its own affair: the connection is used for nothing else.
        connection.keep(0);
        let limit = limits.first_byte_timeout;
        let head = match connection.exchange(request, &deadline, limit, now, last).await {
            Ok(head) => head,
            Err(Failure::Sent(error)) => return Err(self.failed(error)),
            Err(Failure::Unsent) => return Err(UpstreamError::Closed),
        };
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            let terms = Terms::new(limits.body_timeout, ends.until, deadline, None);
            return Ok(Answer { head, body: Body::new(Source::Http1(connection), terms) });
        }
        let same =
            |given: &[u8]| asked.as_ref().is_some_and(|asked| asked.as_bytes().eq_ignore_ascii_case(given));
        if !head.fields.first(b"upgrade").is_some_and(same) {
            return Err(self.failed(UpstreamError::Malformed));
        }
        let service = connection.into_stream();
        let tunnels = Arc::clone(&self.tunnels);
        tokio::spawn(async move { tunnels.run(client, service, ends).await });
        Ok(Answer { head, body: Body::NONE })
    }

    /// How many tunnels are open.
    #[must_use]
    pub fn tunnels(&self) -> usize {
        self.tunnels.open.load(Ordering::Relaxed)
    }

    /// Closes every tunnel.
    pub(crate) fn close_tunnels(&self) {
        self.tunnels.closing.notify_waiters();
    }
}

impl Tunnels {
    async fn run<S>(
        &self,
        client: impl Future<Output = Option<(S, Bytes)>>,
        (mut service, said): (Stream, Bytes),
        ends: Ends,
    ) where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.open.fetch_add(1, Ordering::Relaxed);
        let mut closing = pin!(self.closing.notified());
        closing.as_mut().enable();
        if let Ok(Some((client, asked))) = timeout(SWITCH_TIMEOUT, client).await {
            let moved = Mutex::new(Instant::now());
            let mut client = Watched { io: client, moved: &moved };
            let copy = async {
                client.write_all(&said).await?;
                service.write_all(&asked).await?;
                copy_bidirectional(&mut client, &mut service).await
            };
            let why = select! {
                biased;
                () = closing => "drained",
                why = over(&moved, ends) => why,
                ended = copy => if ended.is_ok() { "closed" } else { "broken" },
            };
            tracing::debug!(why, "tunnel ended");
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends when nothing moved for long enough, at the last moment, or when the session was revoked.
async fn over(moved: &Mutex<Instant>, mut ends: Ends) -> &'static str {
    loop {
        if ends.lease.as_mut().is_some_and(Lease::is_over) {
            return "revoked";
        }
        let last = *moved.lock().unwrap_or_else(PoisonError::into_inner) + ends.idle;
        let at = last.min(ends.until);
        let now = Instant::now();
        if at <= now {
            return "time";
        }
        let look = now + LOOK_EVERY;
        sleep_until(if ends.lease.is_some() { at.min(look) } else { at }).await;
    }
}

/// Notes when bytes move.
struct Watched<'a, I> {
    io: I,
    moved: &'a Mutex<Instant>,
}

impl<I> Watched<'_, I> {
    fn touch(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<'_, I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_read(cx, buf);
        if outcome.is_ready() {
            this.touch();
        }
        outcome
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<'_, I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(cx, buf);
        if outcome.is_ready() {
            this.touch();
        }
        outcome
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
