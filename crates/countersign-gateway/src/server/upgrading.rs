//! A client's connection that leaves HTTP/1.1.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Extensions;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

use super::io::Io;

/// Becomes the client's connection after the 101 was sent; `None` when it was not, or the client is gone.
#[derive(Debug)]
pub struct Upgrading(oneshot::Receiver<(ClientStream, Bytes)>);

/// A client's connection after HTTP.
#[derive(Debug)]
pub struct ClientStream(pub(super) Io);

/// What a request that asks for another protocol carries to whoever answers it.
#[derive(Debug, Clone)]
struct Offer(Arc<Mutex<Option<Upgrading>>>);

/// Gives the connection away.
pub(super) type Handover = oneshot::Sender<(ClientStream, Bytes)>;

impl Upgrading {
    /// Offers the connection to whoever answers the request.
    pub(super) fn offer(extensions: &mut Extensions) -> Handover {
        let (handover, receiver) = oneshot::channel();
        extensions.insert(Offer(Arc::new(Mutex::new(Some(Self(receiver))))));
        handover
    }

    /// Takes it from a request that asked for another protocol. HTTP/2 has none.
    pub fn take(extensions: &mut Extensions) -> Option<Self> {
        let Offer(offer) = extensions.remove()?;
        offer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Future for Upgrading {
    /// The connection, and what was read from it beyond the request.
    type Output = Option<(ClientStream, Bytes)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).ok())
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
