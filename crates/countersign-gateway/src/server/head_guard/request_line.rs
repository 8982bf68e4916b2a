//! `method SP request-target SP HTTP-version` (RFC 9112 §3), and nothing that merely resembles it.

use crate::{error::Refusal, http::host, http1::is_token};

/// Longest request target in bytes (RFC 9112 §3 asks for at least 8,000).
pub(super) const MAX_TARGET_BYTES: usize = 8 * 1024;

/// Longest method in bytes.
const MAX_METHOD_BYTES: usize = 32;

/// The versions that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Minor {
    /// HTTP/1.0.
    Zero,
    /// HTTP/1.1.
    One,
}

/// What a request line says.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) minor: Minor,
}

/// Judges a request line, without its line end.
pub(super) fn parse(line: &[u8]) -> Result<RequestLine<'_>, Refusal> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::RequestLineMalformed);
    };
    if !is_token(method) || method.len() > MAX_METHOD_BYTES {
        return Err(Refusal::RequestLineMalformed);
    }
    let minor = match version {
        b"HTTP/1.1" => Minor::One,
        b"HTTP/1.0" => Minor::Zero,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(Refusal::VersionNotSupported);
        }
        _ => return Err(Refusal::RequestLineMalformed),
    };
    if target.len() > MAX_TARGET_BYTES {
        return Err(Refusal::UriTooLong);
    }
    // A tunnel has no end that could be followed, and none is ever made.
    if method == b"CONNECT" {
        return Err(Refusal::MethodNotAllowed);
    }
    let is_good = match target {
        b"*" => method == b"OPTIONS",
        [b'/', ..] => is_path_and_query(target),
        _ => is_absolute(target),
    };
    if is_good { Ok(RequestLine { method, target, minor }) } else { Err(Refusal::RequestLineMalformed) }
}

/// Absolute form (RFC 9112 §3.2.2) of one of our two schemes, without user information.
fn is_absolute(target: &[u8]) -> bool {
    let after_scheme = [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (head, rest) = target.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let Some(rest) = after_scheme else { return false };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let Some((authority, path)) = rest.split_at_checked(end) else { return false };
    host::is_valid(authority) && is_path_and_query(path)
}

/// Only characters that `http::Uri` takes too, and no fragment: it would drop one silently. Whether the path is
/// canonical is the route's question.
fn is_path_and_query(bytes: &[u8]) -> bool {
    let mut halves = bytes.splitn(2, |byte| *byte == b'?');
    let (path, query) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    path.iter().all(|byte| matches!(byte, 0x21..=0x7E if !matches!(byte, b'#' | b'<' | b'>' | b'`')))
        && query.iter().all(|byte| matches!(byte, 0x21..=0x7E if !matches!(byte, b'#' | b'<' | b'>' | b'"')))
}
