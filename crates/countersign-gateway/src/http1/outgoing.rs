//! What is to be written.

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::scratch;

/// A piece of a body up to this length is copied behind what is in the buffer: that costs less than to write two slices.
const COPIED: usize = 4 * 1024;
/// What may be in the buffer before it is written.
const ENOUGH: usize = 16 * 1024;

/// On its way to the other end: a buffer of ours, then one piece of a body as it is.
#[derive(Default)]
pub(crate) struct Outgoing {
    buffer: Vec<u8>,
    written: usize,
    piece: Bytes,
    tail: &'static [u8],
    /// What was written may still be below us: TLS takes more than the socket.
    unflushed: bool,
}

impl Outgoing {
    /// For heads, chunk sizes and the like. Only as long as [`Self::has_room`].
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.piece.is_empty() && self.tail.is_empty());
        if self.buffer.capacity() == 0 {
            self.buffer = scratch::take();
        }
        &mut self.buffer
    }

    /// Appends a piece of a body and what follows it. Only as long as [`Self::has_room`].
    pub(crate) fn push(&mut self, piece: Bytes, tail: &'static [u8]) {
        if piece.len() <= COPIED {
            self.buffer().extend_from_slice(&piece);
            self.buffer.extend_from_slice(tail);
        } else {
            debug_assert!(self.piece.is_empty() && self.tail.is_empty());
            (self.piece, self.tail) = (piece, tail);
        }
    }

    /// Whether more may be appended before this is written.
    pub(crate) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.tail.is_empty() && self.buffer.len() < ENOUGH
    }

    /// Whether all of it has left.
    pub(crate) fn is_empty(&self) -> bool {
        !self.unflushed && self.is_written()
    }

    fn is_written(&self) -> bool {
        self.buffer.is_empty() && self.piece.is_empty() && self.tail.is_empty()
    }

    /// Writes all of it, and sees that it leaves.
    ///
    /// # Errors
    /// Those of `io`. [`Self::has_begun`] tells whether anything was written before.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while !self.is_written() {
            let unwritten = self.buffer.get(self.written..).unwrap_or_default();
            let length = if self.piece.is_empty() && self.tail.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, unwritten))?
            } else {
                let slices = [IoSlice::new(unwritten), IoSlice::new(&self.piece), IoSlice::new(self.tail)];
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices))?
            };
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(length);
            self.unflushed = true;
        }
        ready!(Pin::new(io).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Whether bytes of what is in the buffer were written already.
    pub(crate) fn has_begun(&self) -> bool {
        self.written > 0 || self.buffer.is_empty()
    }

    fn advance(&mut self, mut length: usize) {
        let of_buffer = length.min(self.buffer.len() - self.written);
        self.written += of_buffer;
        length -= of_buffer;
        if self.written == self.buffer.len() {
            self.written = 0;
            scratch::give(std::mem::take(&mut self.buffer));
        }
        let of_piece = length.min(self.piece.len());
        self.piece.advance(of_piece);
        self.tail = self.tail.get(length - of_piece..).unwrap_or_default();
        if self.piece.is_empty() {
            self.piece = Bytes::new();
        }
    }
}

impl fmt::Debug for Outgoing {
    /// Without the bytes: there are tokens among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("length", &self.buffer.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use bytes::Bytes;
    use proptest::{collection::vec, prelude::*};
    use tokio::io::AsyncWrite;

    use super::Outgoing;

    /// Takes so many bytes in each write, in turn; none means not now.
    struct Taking(Vec<usize>, Vec<u8>);

    impl AsyncWrite for Taking {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let length = self.0.pop().unwrap_or(usize::MAX).min(bytes.len());
            if length == 0 {
                return Poll::Pending;
            }
            self.1.extend_from_slice(&bytes[..length]);
            Poll::Ready(Ok(length))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let joined: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.as_mut().poll_write(cx, &joined)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_was_written_leaves_no_buffer_behind() {
        let (mut out, mut cx) = (Outgoing::default(), Context::from_waker(Waker::noop()));
        out.buffer().extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
        // The last is the first.
        let mut slow = Taking(vec![usize::MAX, 0, 3], Vec::new());
        assert!(out.poll_write(&mut cx, &mut slow).is_pending());
        assert!(out.has_begun() && out.buffer.capacity() > 0, "the rest waits with it");
        assert!(out.poll_write(&mut cx, &mut slow).is_ready());
        assert_eq!((out.buffer.capacity(), &slow.1[..]), (0, &b"GET / HTTP/1.1\r\n\r\n"[..]));
    }

    /// Takes everything and keeps it until it was flushed so often.
    struct Keeping(usize);

    impl AsyncWrite for Keeping {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.0.checked_sub(1) {
                Some(left) => {
                    self.0 = left;
                    Poll::Pending
                }
                None => Poll::Ready(Ok(())),
            }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_is_kept_below_has_not_left() {
        let (mut out, mut io) = (Outgoing::default(), Keeping(2));
        let mut cx = Context::from_waker(Waker::noop());
        out.buffer().extend_from_slice(b"head");
        for _ in 0..2 {
            assert!(out.poll_write(&mut cx, &mut io).is_pending());
            assert!(!out.is_empty() && out.has_room());
        }
        assert!(out.poll_write(&mut cx, &mut io).is_ready());
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn everything_is_written_in_order(lengths in vec(0..9000_usize, 1..6), takes in vec(0..5000_usize, 0..40)) {
            let (mut out, mut io, mut expected) = (Outgoing::default(), Taking(takes, Vec::new()), Vec::new());
            let mut cx = Context::from_waker(Waker::noop());
            for (index, length) in lengths.into_iter().enumerate() {
                out.buffer().extend_from_slice(b"head");
                let piece = vec![u8::try_from(index).unwrap(); length];
                expected.extend_from_slice(b"head");
                expected.extend_from_slice(&piece);
                expected.extend_from_slice(b"\r\n");
                out.push(Bytes::from(piece), b"\r\n");
                while !out.has_room() {
                    let _ = out.poll_write(&mut cx, &mut io);
                }
            }
            while out.poll_write(&mut cx, &mut io).is_pending() {}
            prop_assert!(out.is_empty());
            prop_assert_eq!(io.1, expected);
        }
    }
}
