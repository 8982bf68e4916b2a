//! The head of an answer, line by line (RFC 9112 §4 and §5), without I/O.
//!
//! Stricter than many readers: no folded line, no space before a colon, no control character. A line feed alone ends a
//! line, as some services write it.

use bytes::{Bytes, BytesMut};
use http::{StatusCode, Version};
use memchr::memchr;

use super::UpstreamError;
use crate::{
    http::{Fields, Lines},
    http1::{MAX_FIELDS, MAX_NAME_BYTES, has_control, place_of, split, take},
};

/// As much of a head as was read.
#[derive(Default)]
pub(super) struct HeadReader {
    status: Option<StatusLine>,
    lines: Lines,
    /// Where the line under way begins.
    line: usize,
    /// Up to here there is no end of it.
    searched: usize,
}

/// A whole head.
pub(super) struct Complete {
    pub(super) status: StatusLine,
    pub(super) fields: Fields,
}

/// What the first line says.
pub(super) struct StatusLine {
    pub(super) version: Version,
    pub(super) status: StatusCode,
    /// Where it is not the usual one.
    pub(super) reason: Option<Bytes>,
}

impl HeadReader {
    /// Reads on in `bytes`, which begin with the head, and takes it off them when it is whole. `None` before more was
    /// read.
    pub(super) fn read(&mut self, bytes: &mut BytesMut) -> Result<Option<Complete>, UpstreamError> {
        loop {
            let Some(at) = memchr(b'\n', bytes.get(self.searched..).unwrap_or_default()) else {
                self.searched = bytes.len();
                return Ok(None);
            };
            let end = self.searched + at;
            let line = bytes.get(self.line..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            (self.line, self.searched) = (end + 1, end + 1);
            if self.status.is_none() {
                self.status = Some(StatusLine::parse(line).ok_or(UpstreamError::Malformed)?);
            } else if line.is_empty() {
                let Self { status, lines, .. } = std::mem::take(self);
                let fields = lines.within(take(bytes, end + 1));
                return Ok(status.map(|status| Complete { status, fields }));
            } else {
                let (name, value) = split(line).ok_or(UpstreamError::Malformed)?;
                if self.lines.len() == MAX_FIELDS || name.len() > MAX_NAME_BYTES {
                    return Err(UpstreamError::Malformed);
                }
                let (name, value) = (place_of(name, bytes), place_of(value, bytes));
                self.lines.push(bytes, name, value);
            }
        }
    }

    /// Whether the first line is over.
    pub(super) const fn has_begun(&self) -> bool {
        self.status.is_some()
    }
}

impl StatusLine {
    /// `HTTP-version SP status-code [SP [reason-phrase]]`: some services leave the last space out.
    fn parse(line: &[u8]) -> Option<Self> {
        let (version, rest) = match line {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', rest @ ..] => (Version::HTTP_11, rest),
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0', b' ', rest @ ..] => (Version::HTTP_10, rest),
            _ => return None,
        };
        let (code, rest) = rest.split_at_checked(3)?;
        let status = StatusCode::from_bytes(code).ok()?;
        let reason = match rest {
            [] => rest,
            [b' ', reason @ ..] if !has_control(reason) => reason,
            _ => return None,
        };
        // In which alphabet other bytes are, nobody knows.
        let reason = if reason.is_ascii() { reason } else { b"" };
        let is_usual = status.canonical_reason().is_some_and(|usual| usual.as_bytes() == reason);
        let reason = (!is_usual).then(|| Bytes::copy_from_slice(reason));
        Some(Self { version, status, reason })
    }
}
