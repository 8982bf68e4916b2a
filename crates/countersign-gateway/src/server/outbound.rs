//! The body of an answer to a client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::upstream::{Body, BodyError};

/// The body of an answer: our own few bytes, or a service's stream.
#[derive(Debug)]
pub enum Outbound {
    /// None.
    Empty,
    /// Ours, whole.
    Full(Bytes),
    /// A service's.
    Upstream(Body),
}

impl Outbound {
    /// To be polled while the client takes nothing of it. Ready when it may not go on.
    pub(super) fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Upstream(body) => body.poll_unread(cx),
            Self::Empty | Self::Full(_) => Poll::Pending,
        }
    }
}

impl From<Bytes> for Outbound {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl From<Body> for Outbound {
    fn from(body: Body) -> Self {
        Self::Upstream(body)
    }
}

impl HttpBody for Outbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Upstream(body) => body.size_hint(),
        }
    }
}
