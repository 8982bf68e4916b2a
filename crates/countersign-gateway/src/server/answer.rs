//! An answer that tells its connection when it is complete.

use std::{
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{Connection, Outbound};
use crate::upstream::BodyError;

/// The body of an answer with its place in the connection's count of open requests.
pub(super) struct Counted {
    outbound: Outbound,
    _open: Open<Arc<Connection>>,
}

/// An open request of a connection that is shared, or lent.
pub(super) struct Open<C: Deref<Target = Connection>>(C);

impl<C: Deref<Target = Connection>> Open<C> {
    pub(super) fn begin(connection: C) -> Self {
        connection.activity.begin();
        Self(connection)
    }
}

impl Open<Arc<Connection>> {
    /// The request stays open until the answer's body is gone.
    pub(super) fn answer(self, outbound: Outbound) -> Counted {
        Counted { outbound, _open: self }
    }
}

impl Counted {
    /// To be polled while the client takes nothing of it. Ready when it may not go on.
    pub(super) fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.outbound.poll_unread(cx)
    }
}

impl<C: Deref<Target = Connection>> Drop for Open<C> {
    fn drop(&mut self) {
        self.0.activity.end();
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.outbound).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.outbound.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.outbound.size_hint()
    }
}
