//! A client's bytes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, drain::Ticket};
use crate::upstream::Stream;

/// A client's stream: what was read ahead, the rest, and notes for the time-outs of the connection.
#[derive(Debug)]
pub(super) struct Io {
    ahead: Bytes,
    stream: Stream,
    connection: Arc<Connection>,
    ticket: Ticket,
}

impl Io {
    pub(super) const fn new(
        ahead: Bytes,
        stream: Stream,
        connection: Arc<Connection>,
        ticket: Ticket,
    ) -> Self {
        Self { ahead, stream, connection, ticket }
    }

    /// All answers of the connection were given.
    pub(super) fn note_answered(&mut self) {
        self.ticket.note_answered();
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            let read = Pin::new(&mut this.stream).poll_read(cx, buf);
            if read.is_ready() {
                this.connection.activity.note_received();
            }
            return read;
        }
        let length = this.ahead.len().min(buf.remaining());
        buf.put_slice(&this.ahead.split_to(length));
        if this.ahead.is_empty() {
            this.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.connection.activity.wrote(&outcome);
        outcome
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(cx);
        this.connection.activity.flushed(&outcome);
        outcome
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.connection.activity.wrote(&outcome);
        outcome
    }
}
