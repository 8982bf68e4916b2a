//! What a service answers: the head, and where the body ends (RFC 9112 §6.3).

use std::{fmt, mem::MaybeUninit, sync::LazyLock};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, Version, header};
use http_body::Frame;
use httparse::{ParserConfig, Status};
use memchr::memmem;

use super::super::{UpstreamError, framing};
use crate::http1::{MAX_FIELDS, keep, read_fields};

/// Longest header section of an answer in bytes.
const MAX_HEAD_BYTES: usize = 256 * 1024;
/// Longest chunk-size line with its extensions, and longest trailer section, in bytes.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// Divides what a service sends into heads and bodies, without I/O.
pub struct AnswerReader {
    read: BytesMut,
    left: Left,
}

/// The head of an answer.
#[derive(Debug)]
pub struct AnswerHead {
    /// Status, version and fields. One length at most is said, and not beside chunks.
    pub response: Response<()>,
    /// The connection may be used again once the body is over.
    pub keeps: bool,
}

impl fmt::Debug for AnswerReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerReader").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self { read: BytesMut::new(), left: Left::Over }
    }
}

impl AnswerReader {
    /// What was read and is in no answer yet: append to it.
    pub const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.read
    }

    /// The next head, once the body of the last is over; `None` before more was read. The map is for its fields.
    ///
    /// # Errors
    /// [`UpstreamError::Malformed`]. Nothing after it is an answer.
    pub fn next_head(
        &mut self,
        to_head: bool,
        fields: &mut HeaderMap,
    ) -> Result<Option<AnswerHead>, UpstreamError> {
        if self.read.is_empty() {
            return Ok(None);
        }
        let Some((response, keeps, left)) = take_head(&mut self.read, to_head, fields)? else {
            return Ok(None);
        };
        self.left = left;
        Ok(Some(AnswerHead { response, keeps: keeps && left != Left::UntilClose }))
    }

    /// The next piece of the body, or its trailers; `None` before more was read, or when it is over.
    ///
    /// # Errors
    /// [`UpstreamError::Malformed`]. Nothing after it is an answer.
    pub fn next_of_body(&mut self) -> Result<Option<Frame<Bytes>>, UpstreamError> {
        loop {
            let (frame, left) = self.left.take(&mut self.read)?;
            let stays = left == self.left;
            self.left = left;
            if frame.is_some() || stays {
                return Ok(frame);
            }
        }
    }

    /// The connection has come to its end. Whether the answer has, too.
    pub fn end(&mut self) -> bool {
        if self.left == Left::UntilClose {
            self.left = Left::Over;
        }
        self.is_over()
    }

    /// Whether the body is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left == Left::Over
    }

    /// How long the rest of the body is, if that is known.
    #[must_use]
    pub const fn body_left(&self) -> Option<u64> {
        match self.left {
            Left::Over => Some(0),
            Left::Length(left) => Some(left),
            Left::Chunks(_) | Left::UntilClose => None,
        }
    }
}

/// The reason phrase of a status line that is not the usual one.
#[derive(Debug, Clone)]
pub(crate) struct Reason(pub(crate) Bytes);

/// A complete head, whether the connection is kept, and what is left of the answer; `None`: there is more to come.
fn take_head(
    read: &mut BytesMut,
    to_head: bool,
    fields: &mut HeaderMap,
) -> Result<Option<(Response<()>, bool, Left)>, UpstreamError> {
    let Some(end) = end_of_section(read) else {
        return if read.len() > MAX_HEAD_BYTES { Err(UpstreamError::Malformed) } else { Ok(None) };
    };
    if end > MAX_HEAD_BYTES {
        return Err(UpstreamError::Malformed);
    }
    let bytes = read.split_to(end).freeze();
    let mut space = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut head = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, &bytes, &mut space);
    let (Ok(Status::Complete(length)), Some(code), Some(minor)) = (parsed, head.code, head.version) else {
        return Err(UpstreamError::Malformed);
    };
    put_back(read, bytes.get(length..).unwrap_or_default());
    let status = StatusCode::from_u16(code).map_err(|_| UpstreamError::Malformed)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    if let Some(reason) = head.reason.filter(|reason| Some(*reason) != status.canonical_reason()) {
        response.extensions_mut().insert(Reason(bytes.slice_ref(reason.as_bytes())));
    }
    let mut headers = std::mem::take(fields);
    headers.clear();
    let seen = read_fields(head.headers, &bytes, &mut headers).map_err(|_| UpstreamError::Malformed)?;
    let keeps = keep(response.version(), &headers, seen);
    let left = if to_head || has_no_body(status) {
        Left::Over
    } else if !seen.framing {
        Left::UntilClose
    } else {
        framing::settle(&mut headers)?;
        left_after(&headers, response.version())?
    };
    *response.headers_mut() = headers;
    Ok(Some((response, keeps, left)))
}

fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

fn left_after(headers: &HeaderMap, version: Version) -> Result<Left, UpstreamError> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        let is_known = version == Version::HTTP_11;
        return is_known.then_some(Left::Chunks(Chunks::Size)).ok_or(UpstreamError::Malformed);
    }
    let Some(length) = headers.get(header::CONTENT_LENGTH) else { return Ok(Left::UntilClose) };
    let length = length.to_str().ok().and_then(|text| text.parse().ok()).ok_or(UpstreamError::Malformed)?;
    Ok(if length == 0 { Left::Over } else { Left::Length(length) })
}

/// Behind the empty line that ends a section. Some services end their lines with a line feed alone.
fn end_of_section(read: &[u8]) -> Option<usize> {
    if let Some(at) = SECTION_END.find(read) {
        return Some(at + 4);
    }
    let bare = memmem::find(read, b"\n\n").map(|at| at + 2);
    let mixed = memmem::find(read, b"\n\r\n").map(|at| at + 3);
    bare.into_iter().chain(mixed).min()
}

static SECTION_END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\r\n\r\n"));

fn put_back(read: &mut BytesMut, rest: &[u8]) {
    if !rest.is_empty() {
        let mut joined = BytesMut::with_capacity(rest.len() + read.len());
        joined.extend_from_slice(rest);
        joined.extend_from_slice(read);
        *read = joined;
    }
}

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Over,
    /// So many bytes, more than none.
    Length(u64),
    Chunks(Chunks),
    UntilClose,
}

/// Where in a chunked body the next byte is (RFC 9112 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunks {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

impl Left {
    /// One step: what it gave, if anything, and what is left then. Neither: nothing before more was read.
    fn take(self, read: &mut BytesMut) -> Result<(Option<Frame<Bytes>>, Self), UpstreamError> {
        Ok(match self {
            Self::Over => (None, Self::Over),
            Self::UntilClose => (take_up_to(read, u64::MAX).map(|(data, _)| Frame::data(data)), self),
            Self::Length(left) => match take_up_to(read, left) {
                Some((data, 0)) => (Some(Frame::data(data)), Self::Over),
                Some((data, left)) => (Some(Frame::data(data)), Self::Length(left)),
                None => (None, self),
            },
            Self::Chunks(Chunks::Data(left)) => match take_up_to(read, left) {
                Some((data, 0)) => (Some(Frame::data(data)), Self::Chunks(Chunks::DataEnd)),
                Some((data, left)) => (Some(Frame::data(data)), Self::Chunks(Chunks::Data(left))),
                None => (None, self),
            },
            Self::Chunks(Chunks::Size) => (None, Self::Chunks(take_size(read)?)),
            Self::Chunks(Chunks::DataEnd) => match take_line_end(read) {
                Some(true) => (None, Self::Chunks(Chunks::Size)),
                Some(false) => return Err(UpstreamError::Malformed),
                None => (None, self),
            },
            Self::Chunks(Chunks::Trailers) => match take_line_end(read) {
                Some(true) => (None, Self::Over),
                Some(false) => match take_trailers(read)? {
                    Some(trailers) => (Some(Frame::trailers(trailers)), Self::Over),
                    None => (None, self),
                },
                None => (None, self),
            },
        })
    }
}

fn take_size(read: &mut BytesMut) -> Result<Chunks, UpstreamError> {
    match httparse::parse_chunk_size(read) {
        Ok(Status::Complete((length, size))) if length <= MAX_LINE_BYTES => {
            read.advance(length);
            Ok(if size == 0 { Chunks::Trailers } else { Chunks::Data(size) })
        }
        Ok(Status::Partial) if read.len() <= MAX_LINE_BYTES => Ok(Chunks::Size),
        Ok(_) | Err(_) => Err(UpstreamError::Malformed),
    }
}

/// Whether a line ends here; then it is taken. `None`: too little was read.
fn take_line_end(read: &mut BytesMut) -> Option<bool> {
    match &read[..] {
        [b'\r', b'\n', ..] => {
            read.advance(2);
            Some(true)
        }
        [] | [b'\r'] => None,
        _ => Some(false),
    }
}

fn take_trailers(read: &mut BytesMut) -> Result<Option<HeaderMap>, UpstreamError> {
    match SECTION_END.find(read).map(|at| at + 4) {
        Some(end) if end <= MAX_LINE_BYTES => trailers(&read.split_to(end).freeze()).map(Some),
        None if read.len() <= MAX_LINE_BYTES => Ok(None),
        _ => Err(UpstreamError::Malformed),
    }
}

fn trailers(section: &Bytes) -> Result<HeaderMap, UpstreamError> {
    let mut space = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(Status::Complete((length, fields))) = httparse::parse_headers(section, &mut space) else {
        return Err(UpstreamError::Malformed);
    };
    let mut trailers = HeaderMap::new();
    read_fields(fields, section, &mut trailers).map_err(|_| UpstreamError::Malformed)?;
    if length == section.len() { Ok(trailers) } else { Err(UpstreamError::Malformed) }
}

/// So much of what was read, and what is left after it. `None`: nothing was read.
fn take_up_to(read: &mut BytesMut, left: u64) -> Option<(Bytes, u64)> {
    if read.is_empty() {
        return None;
    }
    let length = usize::try_from(left).map_or(read.len(), |left| left.min(read.len()));
    Some((read.split_to(length).freeze(), left - length as u64))
}

#[cfg(test)]
mod tests;
