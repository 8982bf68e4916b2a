//! What of a request's header section reaches a service.

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use super::{
    Disposition, disposition,
    list::{has_member, members, named, remove_all, remove_connection},
};
use crate::http::Fields;

/// What one route lets through.
#[derive(Debug, Clone, Copy)]
pub struct RequestRules<'a> {
    /// Names with `_`, `.` or another unusual character that pass. A name that reads as one of
    /// [`REMOVED`](super::REMOVED) does not pass even then.
    pub allow: &'a [HeaderName],
    /// Further names that are removed.
    pub remove: &'a [HeaderName],
    /// `Authorization` of the client.
    pub credential: CredentialRule,
    /// `Upgrade` of the client.
    pub upgrade: UpgradeRule,
}

/// What happens to the client's `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialRule {
    /// It passes, and so do fields that override the method: the `legacy` route, whose application judges both
    /// itself.
    Keep,
    /// It is removed: every other route.
    Remove,
}

/// What happens to `Upgrade`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeRule {
    /// It passes, with `Connection: upgrade`. Only for a request for which [`asks_for_upgrade`] is true, on a route
    /// that allows it.
    Keep,
    /// It is removed: the service never hears of it.
    Remove,
}

/// Whether a request asks to leave HTTP in a way that could be granted: HTTP/1.1, `Connection: upgrade` and one
/// protocol in one `Upgrade` field.
///
/// `h2c`, `HTTP/…` and `TLS/…` are no such way: they would let the client speak HTTP to the service behind the
/// gateway's back. Clients offer them unasked, so the offer is ignored rather than refused (RFC 9110 §7.8 lets a
/// server ignore it).
#[must_use]
pub fn asks_for_upgrade(version: Version, fields: &Fields) -> bool {
    let Ok(Some(value)) = fields.only(UPGRADE) else { return false };
    let mut protocols = members(value);
    let (Some(protocol), None) = (protocols.next(), protocols.next()) else { return false };
    let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
    let is_http = [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|http| name.eq_ignore_ascii_case(http));
    version == Version::HTTP_11
        && !is_http
        && fields.all(CONNECTION).any(|options| has_member(options, b"upgrade"))
}

/// Removes what a service must not see: fields named by `Connection`, hop-by-hop fields (RFC 9110 §7.6.1), and what
/// [`REMOVED`](super::REMOVED) lists. `TE` is reduced to `trailers`; `Expect` goes because the gateway answers it.
/// `Trailer` stays, as the trailers do.
///
/// Set our own fields afterwards. Allocates nothing when there is nothing to remove.
pub fn strip_request(fields: &mut Fields, rules: &RequestRules<'_>) {
    let upgrade = match rules.upgrade {
        UpgradeRule::Keep => fields.value(UPGRADE),
        UpgradeRule::Remove => None,
    };
    let there = fields.marks();
    let mut doomed = Vec::new();
    let mut trailers = Trailers::NotTaken;
    fields.retain(|name, value| match name {
        CONNECTION => {
            doomed.extend(named(value, there));
            false
        }
        TE => trailers.note(value),
        _ => !goes(name, rules),
    });
    if !doomed.is_empty() {
        // There may be as many as the head has bytes for.
        doomed.sort_unstable();
        let is_doomed = |name: &[u8]| doomed.binary_search_by(|doomed| (**doomed).cmp(name)).is_ok();
        fields.retain(|name, _| name == TE || !is_doomed(name));
    }
    if trailers == Trailers::Taken {
        fields.add(&header::TE, &HeaderValue::from_static("trailers"));
    }
    if let Some(upgrade) = upgrade {
        fields.add(&header::UPGRADE, &upgrade);
        fields.add(&header::CONNECTION, &HeaderValue::from_static("upgrade"));
    }
}

/// What a request's `TE` says of trailers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trailers {
    NotTaken,
    Taken,
    /// They are taken, and a field that stays says that alone.
    Said,
}

impl Trailers {
    /// Takes one `TE` field. Whether it stays.
    fn note(&mut self, value: &[u8]) -> bool {
        let says_that_alone = value == b"trailers" && *self != Self::Said;
        if says_that_alone {
            *self = Self::Said;
        } else if *self == Self::NotTaken && has_member(value, b"trailers") {
            *self = Self::Taken;
        }
        says_that_alone
    }
}

/// Removes from a request's trailers what [`strip_request`] removes from its headers, and what must not be in a
/// trailer at all (RFC 9110 §6.5.1): framing, routing, credentials, content and control data.
pub fn strip_request_trailers(trailers: &mut HeaderMap, rules: &RequestRules<'_>) {
    remove_connection(trailers);
    let doomed = trailers
        .keys()
        .filter(|name| {
            goes(name.as_str().as_bytes(), rules) || is_no_trailer(name) || **name == header::AUTHORIZATION
        })
        .cloned()
        .collect();
    remove_all(trailers, doomed);
}

/// Fields that mean nothing, or something dangerous, after the body.
pub(super) fn is_no_trailer(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("content-")
        || name.starts_with("if-")
        || matches!(
            name,
            "cache-control"
                | "cookie"
                | "expires"
                | "host"
                | "location"
                | "max-forwards"
                | "origin"
                | "pragma"
                | "range"
                | "retry-after"
                | "set-cookie"
                | "te"
                | "trailer"
                | "vary"
                | "www-authenticate"
        )
}

fn goes(name: &[u8], rules: &RequestRules<'_>) -> bool {
    let is_among = |names: &[HeaderName]| names.iter().any(|listed| listed.as_str().as_bytes() == name);
    let listed = match disposition(name) {
        Disposition::Alias => !is_among(rules.allow),
        Disposition::HopByHop => true,
        Disposition::Identity => !(rules.credential == CredentialRule::Keep && name == b"authorization"),
        Disposition::Keep => false,
        Disposition::MethodOverride => rules.credential == CredentialRule::Remove,
    };
    listed || is_among(rules.remove)
}

const CONNECTION: &[u8] = b"connection";
const TE: &[u8] = b"te";
const UPGRADE: &[u8] = b"upgrade";
