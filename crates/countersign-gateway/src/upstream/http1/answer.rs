//! What a service answers: the head, and where the body ends (RFC 9112 §6.3).

mod head;

use std::{fmt, sync::LazyLock};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version};
use http_body::Frame;
use httparse::Status;
use memchr::memmem;

use self::head::{Complete, HeadReader, StatusLine};
use super::super::{UpstreamError, framing};
use crate::{
    http::{Fields, Head},
    http1::{MAX_FIELDS, is_persistent, length, parsed, read_fields, take},
};

/// Longest header section of an answer in bytes.
const MAX_HEAD_BYTES: usize = 256 * 1024;
/// Extensions of all chunks of a body together, and longest trailer section, in bytes.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// Divides what a service sends into heads and bodies, without I/O.
pub struct AnswerReader {
    read: BytesMut,
    head: HeadReader,
    left: Left,
    /// What the lines of chunk sizes may have besides, in the rest of the body.
    extensions: usize,
    /// Empty lines before a head, so far.
    skipped: u8,
}

/// Empty lines before a head, at most.
const MAX_EMPTY_LINES: u8 = 16;

/// Longest body that is believed: more, other readers take for less than nothing.
const MAX_LENGTH: u64 = i64::MAX.unsigned_abs();

/// The head of an answer.
#[derive(Debug)]
pub struct AnswerHead {
    /// Status, reason and fields. One length at most is said, and not beside chunks.
    pub head: Head,
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
        Self {
            read: BytesMut::new(),
            head: HeadReader::default(),
            left: Left::Over,
            extensions: 0,
            skipped: 0,
        }
    }
}

impl AnswerReader {
    /// What was read and is in no answer yet: append to it.
    pub const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.read
    }

    /// The next head, once the body of the last is over; `None` before more was read.
    ///
    /// # Errors
    /// [`UpstreamError::Malformed`]. Nothing after it is an answer.
    pub fn next_head(&mut self, to_head: bool) -> Result<Option<AnswerHead>, UpstreamError> {
        if self.read.is_empty() {
            return Ok(None);
        }
        if !self.head.has_begun() {
            self.skip_empty_lines()?;
        }
        let Some(Complete { status, mut fields }) = self.head.read(&mut self.read)? else {
            let may_be_one = self.head.has_begun() || may_begin_head(&self.read);
            let is_short = self.read.len() <= MAX_HEAD_BYTES;
            return if may_be_one && is_short { Ok(None) } else { Err(UpstreamError::Malformed) };
        };
        if fields.head_bytes() > MAX_HEAD_BYTES {
            return Err(UpstreamError::Malformed);
        }
        let StatusLine { version, status, reason } = status;
        let connection = || fields.all(b"connection");
        if connection().any(has_too_many_options) {
            return Err(UpstreamError::Malformed);
        }
        let keeps = is_persistent(version, connection());
        self.left = left_after(&mut fields, status, version, to_head)?;
        self.extensions = MAX_LINE_BYTES;
        self.skipped = 0;
        let keeps = keeps && self.left != Left::UntilClose;
        Ok(Some(AnswerHead { head: Head { status, reason, fields }, keeps }))
    }

    /// Some services end a body with a line end too many (RFC 9112 §2.2).
    fn skip_empty_lines(&mut self) -> Result<(), UpstreamError> {
        while let [b'\r', b'\n', ..] | [b'\n', ..] = &self.read[..] {
            self.skipped += 1;
            if self.skipped > MAX_EMPTY_LINES {
                return Err(UpstreamError::Malformed);
            }
            let length = if self.read.starts_with(b"\n") { 1 } else { 2 };
            self.read.advance(length);
            self.head = HeadReader::default();
        }
        Ok(())
    }

    /// The next piece of the body, or its trailers; `None` before more was read, or when it is over.
    ///
    /// # Errors
    /// [`UpstreamError::Malformed`]. Nothing after it is an answer.
    pub fn next_of_body(&mut self) -> Result<Option<Frame<Bytes>>, UpstreamError> {
        loop {
            let (frame, left) = self.left.take(&mut self.read, &mut self.extensions)?;
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

    /// Whether the rest of a body of a length is in the buffer.
    #[must_use]
    pub fn has_read_body(&self) -> bool {
        matches!(self.left, Left::Length(left) if left <= self.read.len() as u64)
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

/// Whether a `Connection` field has more options than an answer may have fields. Each is looked for among those.
fn has_too_many_options(connection: &[u8]) -> bool {
    connection.len() > MAX_FIELDS && connection.split(|byte| *byte == b',').count() > MAX_FIELDS
}

/// How the body ends; takes from the head what says it twice.
fn left_after(
    fields: &mut Fields,
    status: StatusCode,
    version: Version,
    to_head: bool,
) -> Result<Left, UpstreamError> {
    let says_chunks = fields.has(b"transfer-encoding");
    let says_framing = says_chunks || fields.has(b"content-length");
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        if says_framing {
            fields.retain(|name, _| !matches!(name, b"content-length" | b"transfer-encoding"));
        }
        return Ok(Left::Over);
    }
    if says_framing {
        framing::settle(fields)?;
    }
    if to_head || status == StatusCode::NOT_MODIFIED {
        return Ok(Left::Over);
    }
    if !says_framing {
        return Ok(Left::UntilClose);
    }
    if says_chunks {
        let is_known = version == Version::HTTP_11;
        return is_known.then_some(Left::Chunks(Chunks::Size)).ok_or(UpstreamError::Malformed);
    }
    let said = fields.first(b"content-length").and_then(length);
    match said.filter(|said| *said <= MAX_LENGTH) {
        Some(0) => Ok(Left::Over),
        Some(length) => Ok(Left::Length(length)),
        None => Err(UpstreamError::Malformed),
    }
}

/// What does not begin like an answer becomes none, however much follows.
fn may_begin_head(read: &[u8]) -> bool {
    if read == b"\r" {
        return true;
    }
    let length = read.len().min(VERSION.len());
    read.get(..length) == VERSION.get(..length)
}

const VERSION: &[u8] = b"HTTP/1.";

static SECTION_END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\r\n\r\n"));

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
    fn take(
        self,
        read: &mut BytesMut,
        extensions: &mut usize,
    ) -> Result<(Option<Frame<Bytes>>, Self), UpstreamError> {
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
            Self::Chunks(Chunks::Size) => (None, Self::Chunks(take_size(read, extensions)?)),
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

fn take_size(read: &mut BytesMut, extensions: &mut usize) -> Result<Chunks, UpstreamError> {
    // Without a digit it would be a size of zero, and the end of the body.
    if read.first().is_some_and(|first| !first.is_ascii_hexdigit()) {
        return Err(UpstreamError::Malformed);
    }
    match httparse::parse_chunk_size(read) {
        Ok(Status::Complete((length, size))) => {
            let line = read.split_to(length);
            // A reader that ends lines with a line feed alone would see another chunk.
            if memchr::memchr(b'\n', &line) != Some(length - 1) {
                return Err(UpstreamError::Malformed);
            }
            let beside = length.saturating_sub(SIZE_LINE_BYTES);
            *extensions = extensions.checked_sub(beside).ok_or(UpstreamError::Malformed)?;
            Ok(if size == 0 { Chunks::Trailers } else { Chunks::Data(size) })
        }
        Ok(Status::Partial) if read.len() <= *extensions + SIZE_LINE_BYTES => Ok(Chunks::Size),
        Ok(_) | Err(_) => Err(UpstreamError::Malformed),
    }
}

/// A line of a chunk's size without extensions: 16 digits.
const SIZE_LINE_BYTES: usize = 18;

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
    // As in the line of a chunk's size: no line ends with a line feed alone.
    if section.split(|byte| *byte == b'\n').any(|line| !line.is_empty() && !line.ends_with(b"\r")) {
        return Err(UpstreamError::Malformed);
    }
    let mut space = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let Ok(Status::Complete((length, fields))) = httparse::parse_headers(section, &mut space) else {
        return Err(UpstreamError::Malformed);
    };
    let mut trailers = HeaderMap::new();
    read_fields(parsed(fields), section, &mut trailers).map_err(|_| UpstreamError::Malformed)?;
    if length == section.len() { Ok(trailers) } else { Err(UpstreamError::Malformed) }
}

/// So much of what was read, and what is left after it. `None`: nothing was read.
fn take_up_to(read: &mut BytesMut, left: u64) -> Option<(Bytes, u64)> {
    if read.is_empty() {
        return None;
    }
    let length = usize::try_from(left).map_or(read.len(), |left| left.min(read.len()));
    Some((take(read, length).freeze(), left - length as u64))
}

#[cfg(test)]
mod tests;
