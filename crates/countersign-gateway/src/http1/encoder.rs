//! How the body of a message that we send is framed.

use std::io::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};

use super::{Outgoing, put_field};

/// The framing of one body (RFC 9112 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Encoder {
    /// So many bytes are left.
    Length(u64),
    /// In chunks, with the trailers that the head has announced.
    Chunked(TrailerNames),
    /// To the end of the connection.
    UntilClose,
}

/// The body is not as long as its head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch;

/// The value of `Trailer`: only what it names is sent.
type TrailerNames = Option<Box<[u8]>>;

impl Encoder {
    /// No body.
    pub(crate) const NONE: Self = Self::Length(0);

    /// In chunks, after a head with these `Trailer` fields.
    pub(crate) fn chunked<'a>(trailer: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut lines = trailer.peekable();
        let names = lines.peek().is_some();
        Self::Chunked(names.then(|| lines.collect::<Vec<_>>().join(&b',').into_boxed_slice()))
    }

    /// Whether everything was said.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Another piece.
    pub(crate) fn push(&mut self, piece: Bytes, out: &mut Outgoing) -> Result<(), Mismatch> {
        if piece.is_empty() {
            // An empty chunk would be the last.
            return Ok(());
        }
        match self {
            Self::Length(left) => {
                *left = left.checked_sub(piece.len() as u64).ok_or(Mismatch)?;
                out.push(piece, b"");
            }
            Self::Chunked(_) => {
                // Writing to memory cannot fail.
                let _ = write!(out.buffer(), "{:x}\r\n", piece.len());
                out.push(piece, b"\r\n");
            }
            Self::UntilClose => out.push(piece, b""),
        }
        Ok(())
    }

    /// The end of the body, perhaps with trailers.
    pub(crate) fn finish(
        &mut self,
        trailers: Option<&HeaderMap>,
        out: &mut Outgoing,
    ) -> Result<(), Mismatch> {
        match std::mem::replace(self, Self::NONE) {
            Self::Length(0) | Self::UntilClose => Ok(()),
            Self::Length(_) => Err(Mismatch),
            Self::Chunked(names) => {
                out.buffer().extend_from_slice(b"0\r\n");
                let announced = names.as_deref().unwrap_or_default();
                for (name, value) in trailers.into_iter().flatten() {
                    if announces(announced, name) && may_trail(name) {
                        put_field(out.buffer(), name, value);
                    }
                }
                out.buffer().extend_from_slice(b"\r\n");
                Ok(())
            }
        }
    }
}

fn announces(announced: &[u8], name: &HeaderName) -> bool {
    let mut names = announced.split(|byte| *byte == b',');
    names.any(|announced| announced.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Whether a field may stand behind a body (RFC 9110 §6.5.1).
fn may_trail(name: &HeaderName) -> bool {
    ![
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::HOST,
        header::MAX_FORWARDS,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
    ]
    .contains(name)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    use super::{Encoder, Mismatch, Outgoing};

    fn sent(mut encoder: Encoder, pieces: &[&'static [u8]], trailers: Option<&HeaderMap>) -> String {
        let mut out = Outgoing::default();
        for piece in pieces {
            encoder.push(Bytes::from_static(piece), &mut out).unwrap();
        }
        encoder.finish(trailers, &mut out).unwrap();
        let mut written = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(out.poll_write(&mut cx, &mut written).is_ready());
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn chunks_have_sizes_and_an_empty_piece_is_none() {
        let encoder = Encoder::chunked(std::iter::empty());
        let text = sent(encoder, &[b"0123456789abcdef!", b"", b"x"], None);
        assert_eq!(text, "11\r\n0123456789abcdef!\r\n1\r\nx\r\n0\r\n\r\n");
        assert_eq!(sent(Encoder::UntilClose, &[b"a", b"b"], None), "ab");
        assert_eq!(sent(Encoder::Length(2), &[b"a", b"b"], None), "ab");
    }

    #[test]
    fn what_the_head_announced_may_trail() {
        let announced = [&b"Checksum, Content-Length"[..], b"grpc-status"];
        let mut trailers = HeaderMap::new();
        for name in ["checksum", "content-length", "grpc-status", "other"] {
            trailers.insert(name, HeaderValue::from_static("7"));
        }
        let text = sent(Encoder::chunked(announced.into_iter()), &[b"x"], Some(&trailers));
        assert_eq!(text, "1\r\nx\r\n0\r\nchecksum: 7\r\ngrpc-status: 7\r\n\r\n");
        let none = sent(Encoder::chunked(std::iter::empty()), &[], Some(&trailers));
        assert_eq!(none, "0\r\n\r\n");
    }

    #[test]
    fn a_body_is_as_long_as_its_head_says() {
        let mut out = Outgoing::default();
        let mut long = Encoder::Length(2);
        assert_eq!(long.push(Bytes::from_static(b"abc"), &mut out), Err(Mismatch));
        assert_eq!(Encoder::Length(2).finish(None, &mut out), Err(Mismatch));
    }
}
