//! Messages of HTTP/1.1 on a connection (RFC 9112): what the side towards clients and the side towards services share.
//!
//! Both are our own, without tasks, channels or copies between a socket and the stage that decides, because a request
//! passes here on its way in and out. Heads are parsed by `httparse`; where a client's message ends is decided by
//! [`crate::server::head_guard`], and where an answer ends by [`crate::upstream`]. Nothing here does I/O but
//! [`fill`] and [`Outgoing::poll_write`].

mod encoder;
mod fields;
mod outgoing;

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

pub(crate) use encoder::Encoder;
pub(crate) use fields::{Seen, has_option, keep, put_field, read_fields};
pub(crate) use outgoing::Outgoing;

/// Room that is made for a read when there is less than [`LEAST_ROOM`].
const ROOM: usize = 8 * 1024;
/// Room after a read that filled all there was.
const MORE_ROOM: usize = 64 * 1024;
const LEAST_ROOM: usize = 2 * 1024;

/// Header fields of a message, at most.
pub(crate) const MAX_FIELDS: usize = 100;

/// Reads what there is. Zero: the other end has said all it had to say.
pub(crate) fn fill(
    cx: &mut Context<'_>,
    io: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let room = buffer.capacity() - buffer.len();
    if room < LEAST_ROOM {
        // A buffer that is full of one message belongs to a stream that is worth fewer, longer reads.
        buffer.reserve(if buffer.len() >= ROOM { MORE_ROOM } else { ROOM });
    }
    Pin::new(&mut pin!(io.read_buf(buffer))).poll(cx)
}
