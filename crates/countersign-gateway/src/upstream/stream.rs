//! A connection's bytes, in clear or encrypted.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

/// TCP, or TLS over it.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether nothing was received that is not read yet, not even the end, as far as can be told without asking the
    /// kernel. Encrypted, only reading tells.
    pub(super) fn is_quiet(&self) -> Option<bool> {
        match self {
            // Where it is not known to be readable, this is no system call; and what is read is never looked at.
            Self::Plain(stream) => {
                Some(stream.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock))
            }
            Self::Tls(_) => None,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => write(stream, cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => {
                if let [one] = bufs {
                    return write(stream, cx, one);
                }
                let mut space = [0; JOINED];
                match join(bufs, &mut space) {
                    Some(joined) => write(stream, cx, joined),
                    None => Pin::new(stream).poll_write_vectored(cx, bufs),
                }
            }
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }
}

/// Writes at once where there is room, as there mostly is: only who has to wait is noted as waiting.
fn write(stream: &mut TcpStream, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
    match stream.try_write(buf) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Pin::new(stream).poll_write(cx, buf),
        outcome => Poll::Ready(outcome),
    }
}

/// Up to so many bytes are written from one piece: that costs the kernel less than a vector of pieces, and more than
/// the copy.
const JOINED: usize = 1024;

/// The pieces as one, if they are short.
fn join<'a>(pieces: &[io::IoSlice<'_>], space: &'a mut [u8; JOINED]) -> Option<&'a [u8]> {
    let length = pieces.iter().map(|piece| piece.len()).sum::<usize>();
    let joined = space.get_mut(..length)?;
    let mut rest = &mut *joined;
    for piece in pieces {
        let (place, after) = rest.split_at_mut_checked(piece.len())?;
        place.copy_from_slice(piece);
        rest = after;
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::{JOINED, join};

    #[test]
    fn short_pieces_are_joined_and_long_ones_are_not() {
        let mut space = [0; JOINED];
        let pieces = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        assert_eq!(join(&pieces, &mut space), Some(&b"headbody"[..]));
        let long = [1; JOINED];
        assert_eq!(join(&[IoSlice::new(&long)], &mut space), Some(&long[..]));
        assert_eq!(join(&[IoSlice::new(&long), IoSlice::new(b"x")], &mut space), None);
    }
}
