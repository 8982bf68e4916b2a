//! Finds exactly one credential in a request, or none, or refuses. Pure; one pass over the cookie header.
//!
//! 1. The session cookie may stand twice only with equal values; anything else is ambiguous (400), never a 401.
//! 2. `Authorization` counts only where opaque bearer tokens are accepted; then two of them, or one beside the
//!    cookie, are ambiguous.
//! 3. A value longer than [`MAX_CREDENTIAL_BYTES`] is refused before it is hashed.
//! 4. A cookie value is made of cookie-octets (RFC 6265 §4.1.1) without quotes, a bearer token of b64token
//!    characters (RFC 6750 §2.1): every other byte could be read in two ways.

mod cookie;

use std::{fmt, ops::Range};

use bytes::Bytes;
use countersign::Secret;
use http::{
    HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};

use self::cookie::{CookieName, Found};
use crate::{
    error::Refusal,
    http::{Fields, LineNumber, Several},
    http1::all,
};

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

/// Where the session cookie stands in the only `Cookie` field of a request, with what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookiePlace {
    line: LineNumber,
    start: usize,
    end: usize,
}

impl CookiePlace {
    /// Whether the cookie still stands there. Whoever is wrong about that sends the session on.
    fn is_of(self, name: &CookieName, fields: &Fields) -> bool {
        let line = fields.value_in(self.line, NAME).unwrap_or_default();
        let piece = line.get(self.start..self.end).unwrap_or_default();
        let piece = piece.strip_prefix(b";").unwrap_or(piece).trim_ascii_start();
        let rest = piece.strip_prefix(name.as_str().as_bytes());
        let ends = matches!(line.get(self.end), None | Some(b';'))
            || (self.start == 0 && piece.trim_ascii_end().ends_with(b";"));
        ends && rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
    }
}

/// A credential inside its request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    /// How it came.
    pub kind: CredentialKind,
    /// Visible ASCII.
    value: &'a [u8],
    /// Where to cut it out, if that is one place.
    place: Option<CookiePlace>,
}

impl<'a> Credential<'a> {
    /// The value itself. Each use of this name is a place to look at in a review.
    #[must_use]
    pub const fn expose(&self) -> &'a [u8] {
        self.value
    }

    /// Where it stands, if it is a cookie that stands in one place alone.
    #[must_use]
    pub const fn place(&self) -> Option<CookiePlace> {
        self.place
    }

    /// A copy that outlives the request.
    #[must_use]
    pub fn to_owned(&self) -> OwnedCredential {
        OwnedCredential {
            kind: self.kind,
            value: Secret::new(String::from_utf8_lossy(self.value).into_owned()),
        }
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
        Credential { kind: self.kind, value: self.value.expose().as_bytes(), place: None }
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
    cookie: Option<CookieName>,
    bearer: bool,
}

impl CredentialRules {
    /// In the cookie of this name, compared exactly, and as opaque bearer tokens where they are accepted.
    #[must_use]
    pub fn new(cookie: Option<&str>, bearer: bool) -> Self {
        Self { cookie: cookie.map(CookieName::new), bearer }
    }

    /// Name of the session cookie.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_ref().map(CookieName::as_str)
    }

    /// Whether opaque bearer tokens are accepted.
    #[must_use]
    pub const fn bearer(&self) -> bool {
        self.bearer
    }

    /// Finds the credential of a request.
    ///
    /// # Errors
    /// [`Refusal::AmbiguousCredential`], [`Refusal::CredentialMalformed`] or [`Refusal::CredentialTooLarge`].
    pub fn find<'a>(&self, fields: &'a Fields) -> Result<Option<Credential<'a>>, Refusal> {
        let cookie = self.find_cookie(fields)?;
        let bearer = if self.bearer { find_bearer(fields)? } else { None };
        match (cookie, bearer) {
            (Some(_), Some(_)) => Err(Refusal::AmbiguousCredential),
            (Some(cookie), None) => Ok(Some(cookie)),
            (None, Some(value)) => Ok(Some(Credential { kind: CredentialKind::Bearer, value, place: None })),
            (None, None) => Ok(None),
        }
    }

    /// Finds the session cookie, whatever else the request carries.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_cookie<'a>(&self, fields: &'a Fields) -> Result<Option<Credential<'a>>, Refusal> {
        let Some(name) = &self.cookie else { return Ok(None) };
        let (value, place) = match fields.only_line(NAME) {
            Ok(None) => return Ok(None),
            Ok(Some((number, line))) => {
                let mut all = name.all_in(line);
                let Some(Found { place, value }) = all.next() else { return Ok(None) };
                let alone = one_value(value, all)?;
                (value, alone.then(|| without_separator(number, line, &place)))
            }
            Err(Several) => {
                let mut all = fields.all(NAME).flat_map(|line| name.all_in(line));
                let Some(Found { value, .. }) = all.next() else { return Ok(None) };
                one_value(value, all)?;
                (value, None)
            }
        };
        let value = checked(value, is_cookie_octet)?;
        Ok(Some(Credential { kind: CredentialKind::Cookie, value, place }))
    }

    /// Removes the session cookie from a request, whatever its value; the other cookies stay in their order. `known` is
    /// where it was found in the same fields.
    ///
    /// `Authorization` is an identity header and removed with those.
    pub fn remove_cookie(&self, fields: &mut Fields, known: Option<CookiePlace>) {
        let Some(name) = &self.cookie else { return };
        let known = known.filter(|known| known.is_of(name, fields));
        match known.map_or_else(|| the_one(fields, name), |known| Ok(Some(known))) {
            Ok(None) => {}
            Ok(Some(CookiePlace { line, start, end })) => {
                fields.cut(line, start..end);
                debug_assert!(
                    fields.all(NAME).all(|line| name.all_in(line).next().is_none()),
                    "it is still there"
                );
                if fields.value_in(line, NAME).is_none_or(has_no_cookie) {
                    fields.remove(NAME);
                }
            }
            Err(Several) => join_others(fields, name),
        }
    }
}

/// Whether there is no other cookie of the name. One with another value is one too many.
fn one_value<'a>(value: &[u8], others: impl Iterator<Item = Found<'a>>) -> Result<bool, Refusal> {
    let mut alone = true;
    for other in others {
        alone = false;
        if other.value != value {
            return Err(Refusal::AmbiguousCredential);
        }
    }
    Ok(alone)
}

/// Where in the only `Cookie` field the session cookie stands, with what goes with it. `Err` if it stands there more than
/// once, or there are several fields.
fn the_one(fields: &Fields, name: &CookieName) -> Result<Option<CookiePlace>, Several> {
    let Some((number, line)) = fields.only_line(NAME)? else { return Ok(None) };
    let mut found = name.all_in(line);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Several),
        (one, None) => Ok(one.map(|one| without_separator(number, line, &one.place))),
    }
}

/// As it is looked for.
const NAME: &[u8] = b"cookie";

/// What goes with a cookie: the semicolon before it; with the first, the one behind it, and white space.
fn without_separator(number: LineNumber, line: &[u8], &Range { start, end }: &Range<usize>) -> CookiePlace {
    if let Some(semicolon) = start.checked_sub(1) {
        return CookiePlace { line: number, start: semicolon, end };
    }
    let behind = line.get(end + 1..).unwrap_or_default();
    CookiePlace { line: number, start, end: line.len() - behind.trim_ascii_start().len() }
}

/// Whether nothing is left of a `Cookie` field but what stands between cookies.
fn has_no_cookie(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b';' || byte.is_ascii_whitespace())
}

/// Leaves the other cookies in one field, where the session cookie stands in several places, or may in several lines.
fn join_others(fields: &mut Fields, name: &CookieName) {
    if fields.all(NAME).all(|line| name.all_in(line).next().is_none()) {
        return;
    }
    let mut kept = Vec::new();
    let is_another = |piece: &&[u8]| !piece.is_empty() && name.all_in(piece).next().is_none();
    for piece in fields.all(NAME).flat_map(pieces).filter(is_another) {
        kept.extend_from_slice(if kept.is_empty() { b"" } else { b"; " });
        kept.extend_from_slice(piece);
    }
    // Every byte was part of a header value before, so the new value is one too.
    match HeaderValue::from_maybe_shared(Bytes::from(kept)) {
        Ok(value) if !value.is_empty() => fields.set(&COOKIE, &value),
        _ => fields.remove(NAME),
    }
}

/// What stands between the semicolons of a `Cookie` field, trimmed.
fn pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// The one token of `Authorization: Bearer`, if there is one.
pub(crate) fn find_bearer(fields: &Fields) -> Result<Option<&[u8]>, Refusal> {
    let found = fields.only(AUTHORIZATION.as_str().as_bytes());
    let Some(bytes) = found.map_err(|Several| Refusal::AmbiguousCredential)? else { return Ok(None) };
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

fn checked(value: &[u8], allowed: impl Fn(u8) -> bool + Copy) -> Result<&[u8], Refusal> {
    if value.len() > MAX_CREDENTIAL_BYTES {
        return Err(Refusal::CredentialTooLarge);
    }
    let is_credential = !value.is_empty() && all(value, allowed);
    if is_credential { Ok(value) } else { Err(Refusal::CredentialMalformed) }
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
