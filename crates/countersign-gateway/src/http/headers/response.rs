//! What of a service's answer reaches the client.

use http::{HeaderMap, HeaderValue, header};
use memchr::memmem;

use super::{
    cache::{CacheRule, Caching, VaryBy},
    list::{Names, named, remove_all, remove_connection},
    request::{UpgradeRule, is_no_trailer},
};
use crate::http::Fields;

/// What one answer may hold.
#[derive(Debug, Clone, Copy)]
pub struct ResponseRules<'a> {
    /// Name of the session cookie, which no service behind the gateway may set or have deleted. `None` on a `legacy`
    /// route: there it is the application's own.
    pub session_cookie: Option<&'a str>,
    /// The `Authorization` value that went to the service.
    pub token: Option<&'a HeaderValue>,
    /// Who may keep the answer.
    pub cache: CacheRule,
    /// What may have carried the credential.
    pub vary: VaryBy,
    /// `Keep` for a 101 answer to an upgrade that was let through.
    pub upgrade: UpgradeRule,
}

/// Removes hop-by-hop fields and those `Connection` names, `Countersign-*`, a `Set-Cookie` for the session cookie,
/// `Clear-Site-Data`, which would delete that cookie and what other services and pages keep, and every field whose value
/// holds our token (of `Set-Cookie`, only that line); then says who may keep the answer.
///
/// Our own `Countersign-*` fields are set afterwards.
pub fn strip_response(fields: &mut Fields, rules: &ResponseRules<'_>) {
    let kept = match rules.upgrade {
        UpgradeRule::Keep => fields.first(b"upgrade").and_then(|value| HeaderValue::from_bytes(value).ok()),
        UpgradeRule::Remove => None,
    };
    let mut caching = Caching::default();
    let there = fields.marks();
    let token = rules.token.map(bare);
    let mut doomed = Vec::new();
    fields.retain(|name, value| {
        caching.note(name);
        if name == b"connection" {
            doomed.extend(named(value, there));
            return false;
        }
        if !token.is_some_and(|token| holds(value, token)) {
            return may_pass(name, value, rules);
        }
        // Of what is said in several lines, the others mean something else without this one.
        if name != b"set-cookie" {
            doomed.push(name.to_vec());
        }
        false
    });
    if !doomed.is_empty() {
        fields.retain(|name, _| !doomed.iter().any(|doomed| doomed == name));
    }
    if let Some(protocol) = kept {
        fields.add(&header::UPGRADE, &protocol);
        fields.add(&header::CONNECTION, &HeaderValue::from_static("upgrade"));
    }
    caching.apply(fields, rules.cache, rules.vary);
}

/// Whether a field may reach the client, unless `Connection` names it.
fn may_pass(name: &[u8], value: &[u8], rules: &ResponseRules<'_>) -> bool {
    !(is_hop_by_hop(name)
        || is_ours(name)
        || clears_site(name, rules)
        || name == b"set-cookie" && sets_cookie(value, rules.session_cookie))
}

/// Removes from an answer's trailers what [`strip_response`] removes from its headers, and what must not be in a
/// trailer at all.
pub fn strip_response_trailers(trailers: &mut HeaderMap, rules: &ResponseRules<'_>) {
    remove_connection(trailers);
    let doomed: Names = trailers
        .iter()
        .filter(|(name, value)| {
            let text = name.as_str().as_bytes();
            is_hop_by_hop(text)
                || is_ours(text)
                || is_no_trailer(name)
                || holds_token(value.as_bytes(), rules)
        })
        .map(|(name, _)| name.clone())
        .collect();
    remove_all(trailers, doomed);
}

/// Fields between two neighbours, `Connection` apart.
fn is_hop_by_hop(name: &[u8]) -> bool {
    matches!(
        name,
        b"keep-alive"
            | b"proxy-authenticate"
            | b"proxy-connection"
            | b"te"
            | b"transfer-encoding"
            | b"upgrade"
    )
}

/// `Countersign-*` and its look-alikes: only the gateway says these.
fn is_ours(name: &[u8]) -> bool {
    name.starts_with(b"countersign") || name.starts_with(b"x-countersign")
}

/// It is about the whole origin, whichever service says it.
fn clears_site(name: &[u8], rules: &ResponseRules<'_>) -> bool {
    rules.session_cookie.is_some() && name == b"clear-site-data"
}

/// Whether some text of an answer holds the token that its request was sent with.
pub fn holds_token(text: &[u8], rules: &ResponseRules<'_>) -> bool {
    rules.token.is_some_and(|token| holds(text, bare(token)))
}

fn holds(text: &[u8], token: &[u8]) -> bool {
    text.len() >= token.len() && !token.is_empty() && memmem::find(text, token).is_some()
}

/// The token of an `Authorization` value.
fn bare(token: &HeaderValue) -> &[u8] {
    let token = token.as_bytes();
    token.strip_prefix(b"Bearer ").unwrap_or(token)
}

/// Whether a browser would store or send this `Set-Cookie` as the cookie `name` (RFC 6265bis §5.6), or as one that an
/// application may take for it. A cookie without name is sent as its bare value, so `=SESSION=x` and `SESSION` count too,
/// and so does anything more with `=` before it. Some readers (Python's among them) end a value at a space, a comma or a
/// quote, and find another cookie behind it.
fn sets_cookie(value: &[u8], name: Option<&str>) -> bool {
    let Some(name) = name else { return false };
    let pair = value.split(|byte| *byte == b';').next().unwrap_or_default();
    let ends_value = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b',' | b'"');
    let is_read_within = |(at, byte): (usize, &u8)| {
        let behind = pair.get(at + 1..).unwrap_or_default();
        ends_value(byte) && is_read_as(behind, name.as_bytes(), NamedBy::EqualsSign)
    };
    is_read_as(without_edge(pair), name.as_bytes(), NamedBy::Anything)
        || pair.iter().enumerate().any(is_read_within)
}

/// What a name may be followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NamedBy {
    /// Also by the end: a cookie without a value.
    Anything,
    EqualsSign,
}

/// Whether the laxest reader takes what `found` begins with for `name`: some ignore the case, decode `%53`, read `_` for
/// `.` and the like, drop white space of any alphabet at the end of a name, end it at NUL, or take `NAME[0]` for a part
/// of `NAME`.
fn is_read_as(found: &[u8], name: &[u8], named: NamedBy) -> bool {
    let mut rest = found;
    let is_alike = |wanted: &u8| next_decoded(&mut rest).is_some_and(|byte| laxly(byte) == laxly(*wanted));
    if !name.iter().all(is_alike) {
        return false;
    }
    loop {
        match next_decoded(&mut rest) {
            None => return named == NamedBy::Anything,
            Some(b'=' | b'[' | b'\0') => return true,
            Some(byte) if byte.is_ascii_graphic() => return false,
            Some(_) => {}
        }
    }
}

/// What a reader drops before a name: `=`, white space of any alphabet, and `+`, which is a space to some.
fn without_edge(pair: &[u8]) -> &[u8] {
    let mut rest = pair;
    loop {
        let mut behind = rest;
        match next_decoded(&mut behind) {
            Some(byte) if !byte.is_ascii_graphic() || matches!(byte, b'=' | b'+') => rest = behind,
            _ => return rest,
        }
    }
}

const fn laxly(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' }
}

/// Takes one byte, which may be written as `%XX`.
fn next_decoded(rest: &mut &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if let [b'%', high, low, behind @ ..] = *rest
        && let (Some(high), Some(low)) = (digit(*high), digit(*low))
    {
        *rest = behind;
        return Some(high << 4 | low);
    }
    let (byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(*byte)
}
