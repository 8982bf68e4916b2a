//! Field lines (RFC 9112 §5), and those that decide where a message ends.

use super::request_line::Minor;
use crate::{error::Refusal, http::host, http1::split};

/// What the fields of one head say about framing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fields {
    count: usize,
    has_host: bool,
    length: Option<u64>,
    is_chunked: bool,
    has_upgrade: bool,
}

/// Where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// With the last chunk and its trailers.
    Chunked,
    /// After so many bytes.
    Length(u64),
}

impl Fields {
    /// Takes one field line, without its line end; its name and its value.
    pub(super) fn take<'a>(
        &mut self,
        line: &'a [u8],
        max_count: usize,
    ) -> Result<(&'a [u8], &'a [u8]), Refusal> {
        self.count += 1;
        if self.count > max_count {
            return Err(Refusal::HeaderTooLarge);
        }
        let (name, value) = split(line).ok_or(Refusal::HeaderMalformed)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                if self.has_host || !host::is_valid(value) {
                    return Err(Refusal::HostInvalid);
                }
                self.has_host = true;
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.has_upgrade = true,
            14 | 17 => self.take_framing(name, value)?,
            _ => {}
        }
        Ok((name, value))
    }

    /// What was said, once all fields are in.
    pub(super) fn finish(&self, minor: Minor) -> Result<Body, Refusal> {
        if !self.has_host {
            return Err(Refusal::HostInvalid);
        }
        match (self.is_chunked, self.length, minor) {
            (true, None, Minor::One) => Ok(Body::Chunked),
            (true, _, _) => Err(Refusal::Framing),
            (false, length, _) => Ok(Body::Length(length.unwrap_or(0))),
        }
    }

    /// Whether the request asks to leave HTTP.
    pub(super) const fn has_upgrade(&self) -> bool {
        self.has_upgrade
    }

    fn take_framing(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if reads_as(name, b"content-length") {
            if self.length.is_some() || !name.contains(&b'-') {
                return Err(Refusal::Framing);
            }
            self.length = Some(content_length(value).ok_or(Refusal::Framing)?);
        } else if reads_as(name, b"transfer-encoding") {
            if self.is_chunked || !name.contains(&b'-') || value != b"chunked" {
                return Err(Refusal::Framing);
            }
            self.is_chunked = true;
        }
        Ok(())
    }
}

/// Takes one field line of a trailer section: a field that frames or routes has no place there (RFC 9110 §6.5.1).
pub(super) fn take_trailer(line: &[u8]) -> Result<(), Refusal> {
    let (name, _) = split(line).ok_or(Refusal::HeaderMalformed)?;
    let frames = [&b"content-length"[..], b"transfer-encoding", b"host", b"trailer"];
    if frames.iter().any(|frame| reads_as(name, frame)) { Err(Refusal::Framing) } else { Ok(()) }
}

/// Digits alone, without a zero before them, below 10^19.
fn content_length(value: &[u8]) -> Option<u64> {
    let is_plain = value == b"0"
        || (value.len() <= 19
            && matches!(value, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit)));
    if is_plain { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

/// Whether the laxest reader takes `name` for `wanted`, which is lower case.
fn reads_as(name: &[u8], wanted: &[u8]) -> bool {
    name.len() == wanted.len()
        && name.iter().zip(wanted).all(|(byte, wanted)| {
            byte.eq_ignore_ascii_case(wanted) || (*wanted == b'-' && !byte.is_ascii_alphanumeric())
        })
}
