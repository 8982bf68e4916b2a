//! Messages of HTTP/1.1 on a connection (RFC 9112): what the side towards clients and the side towards services share.
//!
//! Both are our own, without tasks or channels between a socket and the stage that decides, because a request passes
//! here on its way in and out. Where a client's message ends, and its fields, is for
//! [`crate::server::head_guard`] to say, and where an answer ends for [`crate::upstream`]; both read field lines with
//! [`split`]. Nothing here does I/O but [`Room::fill`] and [`Outgoing::poll_write`].

mod encoder;
mod field_line;
mod fields;
mod outgoing;
mod scratch;

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

pub(crate) use encoder::Encoder;
pub(crate) use field_line::{all, has_control, is_token, is_token_byte, place_of, split, trim};
pub(crate) use fields::{is_persistent, length, parsed, put_field, read_fields};
pub(crate) use outgoing::Outgoing;

/// Header fields of a message, at most.
pub(crate) const MAX_FIELDS: usize = 100;

/// Longest name of a field in bytes: `http` takes none that is longer, and so no message over HTTP/2.
pub(crate) const MAX_NAME_BYTES: usize = 64 * 1024 - 1;

/// Room for a read, at most.
const MOST_ROOM: usize = 128 * 1024;
/// Less is not read into.
const LEAST_ROOM: usize = 2 * 1024;

/// How much is read at once: more after each read of a body that filled all its room, little again after one that
/// did not. Little is read into the worker's memory and copied ([`scratch`]), more into memory of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(scratch::READ)
    }
}

impl Room {
    /// For the next head, whatever was read before. A buffer that has grown is let go, and the beginning of a head in it
    /// gets one of its own.
    pub(crate) fn reset(&mut self, buffer: &mut BytesMut) {
        self.0 = scratch::READ;
        if buffer.capacity() > 2 * scratch::READ.max(buffer.len())
            || buffer.is_empty() && buffer.capacity() > 0
        {
            *buffer = BytesMut::from(&buffer[..]);
        }
    }

    /// Reads what there is. Zero: the other end has said all it had to say. While nothing comes, no buffer is kept for it.
    pub(crate) fn fill(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let read = self.read(cx, io, buffer);
        if read.is_pending() && buffer.is_empty() && buffer.capacity() > 0 {
            *buffer = BytesMut::new();
        }
        read
    }

    fn read(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if self.0 == scratch::READ
            && let Some(read) = scratch::reading(|place| copy(cx, io, place, buffer))
        {
            let read = ready!(read)?;
            self.note(read, scratch::READ);
            return Poll::Ready(Ok(read));
        }
        // What a head has filled already is not doubled: it would stay with the connection.
        let wanted = if buffer.is_empty() { self.0 } else { scratch::READ };
        if buffer.capacity() - buffer.len() < LEAST_ROOM.max(wanted / 2) {
            buffer.reserve(wanted);
        }
        let room = buffer.capacity() - buffer.len();
        let read = ready!(pin!(io.read_buf(buffer)).poll(cx))?;
        self.note(read, room);
        Poll::Ready(Ok(read))
    }

    fn note(&mut self, read: usize, room: usize) {
        self.0 = if read == room { (self.0 * 2).min(MOST_ROOM) } else { scratch::READ };
    }
}

/// So many bytes of what was read. Where they are all there is room for, the memory goes with them and is shared by
/// nobody.
pub(crate) fn take(read: &mut BytesMut, length: usize) -> BytesMut {
    if length == read.capacity() { std::mem::take(read) } else { read.split_to(length) }
}

/// Reads what there is by way of `place`.
fn copy(
    cx: &mut Context<'_>,
    io: &mut (impl AsyncRead + Unpin),
    place: &mut [u8],
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let mut place = ReadBuf::new(place);
    ready!(Pin::new(io).poll_read(cx, &mut place))?;
    buffer.extend_from_slice(place.filled());
    Poll::Ready(Ok(place.filled().len()))
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use bytes::BytesMut;
    use tokio::io::{AsyncRead, ReadBuf};

    use super::{MOST_ROOM, Room, scratch, take};

    /// What `fill` reads of `source`, in pieces.
    fn pieces(mut source: &[u8]) -> Vec<usize> {
        let (mut room, mut buffer) = (Room::default(), BytesMut::new());
        let mut lengths = Vec::new();
        loop {
            match room.fill(&mut Context::from_waker(Waker::noop()), &mut source, &mut buffer) {
                Poll::Ready(Ok(0)) => return lengths,
                Poll::Ready(Ok(length)) => {
                    assert_eq!(take(&mut buffer, length).len(), length);
                    lengths.push(length);
                }
                outcome => panic!("{outcome:?}"),
            }
        }
    }

    #[test]
    fn what_came_is_all_that_is_kept() {
        let (mut room, mut buffer) = (Room::default(), BytesMut::new());
        let mut cx = Context::from_waker(Waker::noop());
        let mut source = &b"GET / HTTP/1.1\r\n\r\n"[..];
        assert!(matches!(room.fill(&mut cx, &mut source, &mut buffer), Poll::Ready(Ok(18))));
        assert_eq!(buffer.capacity(), 18);
        let head = take(&mut buffer, 18);
        assert_eq!((&head[..], buffer.capacity()), (&b"GET / HTTP/1.1\r\n\r\n"[..], 0));
    }

    /// Gives so many bytes in each read, in turn; none means not now.
    struct Giving(Vec<usize>);

    impl AsyncRead for Giving {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            place: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.0.pop() {
                Some(0) | None => Poll::Pending,
                Some(length) => {
                    place.put_slice(&vec![b'x'; length.min(place.remaining())]);
                    Poll::Ready(Ok(()))
                }
            }
        }
    }

    #[test]
    fn nothing_is_kept_while_nothing_comes_whatever_came_before() {
        let mut cx = Context::from_waker(Waker::noop());
        // The last is the first: a burst, nothing, little, nothing.
        let mut giving = Giving(vec![0, 100, 0, 100_000, 100_000, 100_000, 100_000]);
        let (mut room, mut buffer) = (Room::default(), BytesMut::new());
        let mut waits = 0;
        while !giving.0.is_empty() {
            if let Poll::Ready(read) = room.fill(&mut cx, &mut giving, &mut buffer) {
                drop(take(&mut buffer, read.unwrap()));
            } else {
                waits += 1;
                assert_eq!(buffer.capacity(), 0);
            }
        }
        assert_eq!(waits, 2);
    }

    #[test]
    fn the_beginning_of_a_head_does_not_hold_the_memory_of_a_body() {
        let mut buffer = BytesMut::with_capacity(MOST_ROOM);
        buffer.extend_from_slice(b"G");
        Room::default().reset(&mut buffer);
        assert_eq!(&buffer[..], b"G");
        assert!(buffer.capacity() < scratch::READ);
    }

    #[test]
    fn a_body_that_keeps_coming_is_read_in_greater_pieces() {
        let lengths = pieces(&vec![b'x'; 1024 * 1024]);
        assert_eq!(lengths.iter().sum::<usize>(), 1024 * 1024);
        assert_eq!(lengths[0], scratch::READ);
        assert!(lengths.iter().any(|length| *length > scratch::READ * 4));
        assert!(lengths.iter().all(|length| *length <= 2 * MOST_ROOM), "{lengths:?}");
    }
}
