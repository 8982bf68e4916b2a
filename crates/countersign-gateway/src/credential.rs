//! Finds exactly one credential in a request, or none, or refuses. Pure; one pass over the cookie header.
//!
//! 1. The session cookie may stand twice only with equal values; anything else is ambiguous (400), never a 401.
//! 2. `Authorization` counts only where opaque bearer tokens are accepted; then two of them, or one beside the
//!    cookie, are ambiguous.
//! 3. A value longer than [`MAX_CREDENTIAL_BYTES`] is refused before it is hashed.
//! 4. A cookie value is made of cookie-octets (RFC 6265 §4.1.1) without quotes, a bearer token of b64token
//!    characters (RFC 6750 §2.1): every other byte could be read in two ways.

use std::{fmt, ops::Range};

use bytes::Bytes;
use countersign::Secret;
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};

use crate::error::Refusal;

/// The longest accepted credential in bytes.
pub const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

/// How a credential travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Bearer,
    /// The session cookie.
    Cookie,
}

/// A credential inside its request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    /// How it came.
    pub kind: CredentialKind,
    value: &'a str,
}

impl<'a> Credential<'a> {
    /// The value itself. Each use of this name is a place to look at in a review.
    #[must_use]
    pub const fn expose(&self) -> &'a str {
        self.value
    }

    /// A copy that outlives the request.
    #[must_use]
    pub fn to_owned(&self) -> OwnedCredential {
        OwnedCredential { kind: self.kind, value: Secret::new(self.value.to_owned()) }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}([redacted])", self.kind)
    }
}

/// A credential that outlives its request: what a look-up takes along.
pub struct OwnedCredential {
    /// How it came, and so how it is sent on.
    pub kind: CredentialKind,
    /// The value, printable ASCII, without quotes.
    pub value: Secret<String>,
}

impl OwnedCredential {
    /// A token that came in `Authorization: Bearer`.
    #[must_use]
    pub(crate) fn bearer(token: &str) -> Self {
        Self { kind: CredentialKind::Bearer, value: Secret::new(token.to_owned()) }
    }

    /// As it stands in a request.
    #[must_use]
    pub fn as_credential(&self) -> Credential<'_> {
        Credential { kind: self.kind, value: self.value.expose() }
    }
}

impl fmt::Debug for OwnedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}([redacted])", self.kind)
    }
}

/// Where credentials are looked for.
#[derive(Debug, Clone)]
pub struct CredentialRules {
    /// Name of the session cookie, compared exactly.
    pub cookie: Option<String>,
    /// Opaque bearer tokens are accepted.
    pub bearer: bool,
}

impl CredentialRules {
    /// Finds the credential of a request.
    ///
    /// # Errors
    /// [`Refusal::AmbiguousCredential`], [`Refusal::CredentialMalformed`] or [`Refusal::CredentialTooLarge`].
    pub fn find<'a>(&self, headers: &'a HeaderMap) -> Result<Option<Credential<'a>>, Refusal> {
        let cookie = match &self.cookie {
            Some(name) => find_cookie(headers, name.as_bytes())?,
            None => None,
        };
        let bearer = if self.bearer { find_bearer(headers)? } else { None };
        match (cookie, bearer) {
            (Some(_), Some(_)) => Err(Refusal::AmbiguousCredential),
            (Some(value), None) => Ok(Some(Credential { kind: CredentialKind::Cookie, value })),
            (None, Some(value)) => Ok(Some(Credential { kind: CredentialKind::Bearer, value })),
            (None, None) => Ok(None),
        }
    }

    /// Finds the session cookie, whatever else the request carries.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_cookie<'a>(&self, headers: &'a HeaderMap) -> Result<Option<Credential<'a>>, Refusal> {
        let Some(name) = &self.cookie else { return Ok(None) };
        let value = find_cookie(headers, name.as_bytes())?;
        Ok(value.map(|value| Credential { kind: CredentialKind::Cookie, value }))
    }

    /// Removes the session cookie from a request, whatever its value; the other cookies stay in their order.
    ///
    /// `Authorization` is an identity header and removed with those.
    pub fn remove_cookie(&self, headers: &mut HeaderMap) {
        let Some(name) = &self.cookie else { return };
        let name = name.as_bytes();
        let lines = || headers.get_all(COOKIE).iter();
        let mut first = lines();
        let kept = match (first.next(), first.next()) {
            (None, _) => return,
            (Some(line), None) => match the_one(line, name) {
                Ok(Some(place)) => cut(line.as_bytes(), place),
                Ok(None) => return,
                Err(Several) => joined(lines(), name),
            },
            (Some(_), Some(_)) if lines().all(|line| matches!(the_one(line, name), Ok(None))) => return,
            (Some(_), Some(_)) => joined(lines(), name),
        };
        // Every byte was part of a header value before, so the new value is one too.
        match HeaderValue::from_maybe_shared(Bytes::from(kept)) {
            Ok(value) if pieces(&value).any(|piece| !piece.is_empty()) => headers.insert(COOKIE, value),
            _ => headers.remove(COOKIE),
        };
    }
}

/// The session cookie stands there more than once.
struct Several;

/// Where in a `Cookie` field the session cookie stands, between its semicolons.
fn the_one(line: &HeaderValue, name: &[u8]) -> Result<Option<Range<usize>>, Several> {
    let mut found = None;
    for (place, piece) in placed_pieces(line) {
        if value_of(piece, name).is_some() && found.replace(place).is_some() {
            return Err(Several);
        }
    }
    Ok(found)
}

/// What is left of a `Cookie` field, as it was. The semicolon before goes with a cookie; with the first, the one behind.
fn cut(line: &[u8], place: Range<usize>) -> Vec<u8> {
    let before = line.get(..place.start.saturating_sub(1)).unwrap_or_default();
    let behind = line.get(place.end + usize::from(place.start == 0)..).unwrap_or_default();
    if place.start == 0 { behind.trim_ascii().to_vec() } else { [before, behind].concat() }
}

/// The other cookies in one field.
fn joined<'a>(lines: impl Iterator<Item = &'a HeaderValue>, name: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for piece in lines.flat_map(pieces) {
        if !piece.is_empty() && value_of(piece, name).is_none() {
            kept.extend_from_slice(if kept.is_empty() { b"" } else { b"; " });
            kept.extend_from_slice(piece);
        }
    }
    kept
}

fn find_cookie<'a>(headers: &'a HeaderMap, name: &[u8]) -> Result<Option<&'a str>, Refusal> {
    let mut found: Option<&[u8]> = None;
    let all = headers.get_all(COOKIE).iter().flat_map(pieces);
    for value in all.filter_map(|piece| value_of(piece, name)) {
        match found {
            Some(earlier) if earlier != value => return Err(Refusal::AmbiguousCredential),
            _ => found = Some(value),
        }
    }
    found.map(|value| checked(value, is_cookie_octet)).transpose()
}

/// The one token of `Authorization: Bearer`, if there is one.
pub(crate) fn find_bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(Refusal::AmbiguousCredential);
    }
    let bytes = first.as_bytes();
    match bytes.split_at_checked(6) {
        Some((scheme, b"")) if scheme.eq_ignore_ascii_case(b"bearer") => Ok(None),
        Some((scheme, [b' ', token @ ..])) if scheme.eq_ignore_ascii_case(b"bearer") => {
            let token = token.trim_ascii();
            if token.is_empty() { Ok(None) } else { checked(token, is_b64token).map(Some) }
        }
        // Another scheme is not a credential of ours; the header is removed before the request goes on.
        _ => Ok(None),
    }
}

fn checked(value: &[u8], allowed: impl Fn(u8) -> bool) -> Result<&str, Refusal> {
    if value.len() > MAX_CREDENTIAL_BYTES {
        return Err(Refusal::CredentialTooLarge);
    }
    // Without early exit the compiler makes wide instructions of it.
    let is_credential = !value.is_empty() && value.iter().fold(true, |good, byte| good & allowed(*byte));
    let text = if is_credential { std::str::from_utf8(value).ok() } else { None };
    text.ok_or(Refusal::CredentialMalformed)
}

/// What stands between the semicolons of a `Cookie` field, trimmed.
fn pieces(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    placed_pieces(line).map(|(_, piece)| piece)
}

/// The same, with the places between the semicolons.
fn placed_pieces(line: &HeaderValue) -> impl Iterator<Item = (Range<usize>, &[u8])> {
    let line = line.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = line.get(start..)?;
        let length = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let place = start..start + length;
        start = place.end + 1;
        Some((place, rest.get(..length)?.trim_ascii()))
    })
}

/// The value of a piece that is the cookie `name`, which holds neither `=` nor white space. A piece without `=` is a value
/// without a name, as browsers treat it.
fn value_of<'a>(piece: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match piece.strip_prefix(name)?.trim_ascii_start() {
        [b'=', value @ ..] => Some(value.trim_ascii_start()),
        _ => None,
    }
}

/// Whether a text can be the value of the session cookie.
pub(crate) fn is_cookie_value(text: &str) -> bool {
    checked(text.as_bytes(), is_cookie_octet).is_ok()
}

/// `0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e`, without branches.
const fn is_cookie_octet(byte: u8) -> bool {
    (byte > b' ') & (byte < 0x7f) & (byte != b'"') & (byte != b',') & (byte != b';') & (byte != b'\\')
}

const fn is_b64token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests;
