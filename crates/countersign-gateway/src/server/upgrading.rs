//! A client's connection that leaves HTTP/1.1.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::Extensions;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{head_guard::Guarded, io::Io};

/// Becomes the client's connection after the 101 was sent; `None` when it was not, or the client is gone.
#[derive(Debug)]
pub struct Upgrading(OnUpgrade);

/// A client's connection after HTTP.
#[derive(Debug)]
pub struct ClientStream(Io);

impl Upgrading {
    /// Takes it from a request that asked for another protocol. HTTP/2 has none.
    pub fn take(extensions: &mut Extensions) -> Option<Self> {
        extensions.remove::<OnUpgrade>().map(Self)
    }
}

impl Future for Upgrading {
    /// The connection, and what was read from it beyond the request.
    type Output = Option<(ClientStream, Bytes)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(upgraded) = ready!(Pin::new(&mut self.0).poll(cx)) else { return Poll::Ready(None) };
        let Ok(parts) = upgraded.downcast::<TokioIo<Guarded<Io>>>() else { return Poll::Ready(None) };
        let (io, held) = parts.io.into_inner().into_parts();
        let early = if held.is_empty() {
            parts.read_buf
        } else {
            let mut early = BytesMut::from(parts.read_buf);
            early.extend_from_slice(&held);
            early.freeze()
        };
        Poll::Ready(Some((ClientStream(io), early)))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
