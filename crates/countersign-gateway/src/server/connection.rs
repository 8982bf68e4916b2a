//! One client connection from its first byte to its last.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Connection, Handler, Worker,
    drain::{Drain, Ticket},
    http1, http2,
    io::Io,
    tls::Certificates,
    watch::{LAST_CHANCE, Late},
};
use crate::{config::resolved::Limits, observe::ConnectionEvent, upstream::Stream};

/// What every connection of a worker shares.
#[derive(Debug)]
pub(super) struct Shared<H> {
    pub(super) handler: Arc<H>,
    pub(super) worker: Arc<Worker>,
    pub(super) drain: Arc<Drain>,
    pub(super) certificates: Option<Arc<Certificates>>,
}

/// A connection and who answers its requests; one reference-counted value, so that a request clones it once.
pub(super) struct Scope<H> {
    pub(super) shared: Arc<Shared<H>>,
    pub(super) connection: Arc<Connection>,
    pub(super) limits: Limits,
    pub(super) carrying: Carrying,
}

/// Whose requests come by one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrying {
    /// A trusted proxy's: what one of its clients does ends the requests of all.
    Many,
    /// One client's.
    One,
}

/// HTTP/2 streams that a client may have reset before we took them, and a trusted proxy for its clients.
const PENDING_RESETS: usize = 20;
const PENDING_RESETS_OF_MANY: usize = 1000;

impl Carrying {
    pub(super) const fn pending_resets(self) -> usize {
        match self {
            Self::Many => PENDING_RESETS_OF_MANY,
            Self::One => PENDING_RESETS,
        }
    }
}

impl<H> Scope<H> {
    /// The connection ended by an error. What our side did wrong is not counted against the client.
    pub(super) fn note_end(&self, error: &hyper::Error) {
        tracing::debug!(peer = %self.connection.peer, %error, "connection ended");
        if !error.is_user() {
            self.shared.worker.observer.metrics().connection(ConnectionEvent::ProtocolError);
        }
    }

    /// The connection ended in the middle of a message.
    pub(super) fn note_broken(&self, why: &'static str) {
        tracing::debug!(peer = %self.connection.peer, why, "connection ended");
        self.shared.worker.observer.metrics().connection(ConnectionEvent::ProtocolError);
    }

    /// The connection is closed because the client was too slow, or just idle.
    pub(super) fn note_late(&self, late: Late) {
        tracing::debug!(peer = %self.connection.peer, ?late, "connection closed");
        if late != Late::Idle {
            self.shared.worker.observer.metrics().connection(ConnectionEvent::ProtocolError);
        }
    }

    /// One stream is reset because the client took nothing of its answer for too long.
    pub(super) fn note_untaken(&self) {
        tracing::debug!(peer = %self.connection.peer, "stream reset: its answer is not taken");
        self.shared.worker.observer.metrics().connection(ConnectionEvent::ProtocolError);
    }
}

/// The first bytes of HTTP/2 (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Serves a connection to its end.
pub(super) async fn serve<H: Handler>(
    shared: Arc<Shared<H>>,
    socket: TcpStream,
    peer: SocketAddr,
    ticket: Ticket,
    limits: Limits,
) {
    let tls = shared.certificates.is_some();
    let by = Instant::now() + limits.header_timeout;
    let opening = timeout_at(by, open(socket, shared.certificates.as_deref()));
    let opened = tokio::select! {
        biased;
        opened = opening => opened,
        () = last_chance(&shared.drain) => return,
    };
    let (stream, protocol, ahead) = match opened {
        Ok(Ok(Some(opened))) => opened,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            let event = if tls { ConnectionEvent::TlsFailed } else { ConnectionEvent::ProtocolError };
            shared.worker.observer.metrics().connection(event);
            return tracing::debug!(%peer, %error, "connection ended before a request");
        }
        Err(_) => {
            if tls {
                shared.worker.observer.metrics().connection(ConnectionEvent::TlsFailed);
            }
            return tracing::debug!(%peer, "connection closed: nothing arrived in time");
        }
    };
    let connection = Arc::new(Connection::new(peer, tls));
    let carrying = ticket.carrying();
    let io = Io::new(ahead, stream, Arc::clone(&connection), ticket);
    let scope = Arc::new(Scope { shared, connection, limits, carrying });
    match protocol {
        Protocol::Http1 => http1::serve(io, scope).await,
        // Apart: it is larger, and each connection would have room for it.
        Protocol::Http2 => Box::pin(http2::serve(io, scope)).await,
    }
}

/// Ends when a client that has sent nothing yet, or half a handshake, has had time to since the drain began.
async fn last_chance(drain: &Drain) {
    drain.wait().await;
    sleep(LAST_CHANCE).await;
}

/// Finds out what the client speaks: by ALPN, or in clear by its first bytes. `None`: it left without one.
async fn open(
    mut socket: TcpStream,
    certificates: Option<&Certificates>,
) -> io::Result<Option<(Stream, Protocol, Bytes)>> {
    socket.set_nodelay(true)?;
    if let Some(certificates) = certificates {
        let stream = TlsAcceptor::from(certificates.current()).accept(socket).await?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        return Ok(Some((Stream::Tls(Box::new(stream.into())), protocol, Bytes::new())));
    }
    let mut ahead = BytesMut::with_capacity(4096);
    loop {
        let read = socket.read_buf(&mut ahead).await?;
        let known = ahead.iter().zip(PREFACE).all(|(byte, expected)| byte == expected);
        if known && ahead.len() >= PREFACE.len() {
            return Ok(Some((Stream::Plain(socket), Protocol::Http2, ahead.freeze())));
        }
        if !known {
            return Ok(Some((Stream::Plain(socket), Protocol::Http1, ahead.freeze())));
        }
        if read == 0 {
            return if ahead.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}
