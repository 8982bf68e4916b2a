//! What of a request's header section reaches a service.

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use super::{
    Disposition, disposition,
    list::{Names, has_member, members, remove_all, remove_connection},
};

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
pub fn asks_for_upgrade(version: Version, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::UPGRADE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let mut protocols = members(value.as_bytes());
    let (Some(protocol), None) = (protocols.next(), protocols.next()) else { return false };
    let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
    let is_http = [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|http| name.eq_ignore_ascii_case(http));
    version == Version::HTTP_11 && !is_http && has_member(headers, &header::CONNECTION, b"upgrade")
}

/// Removes what a service must not see: fields named by `Connection`, hop-by-hop fields (RFC 9110 §7.6.1), and what
/// [`REMOVED`](super::REMOVED) lists. `TE` is reduced to `trailers`; `Expect` goes because the gateway answers it.
/// `Trailer` stays, as the trailers do.
///
/// Set our own fields afterwards. Allocates nothing when there is nothing to remove.
pub fn strip_request(headers: &mut HeaderMap, rules: &RequestRules<'_>) {
    let mut doomed = Names::new();
    let mut has_connection = false;
    let mut has_te = false;
    for name in headers.keys() {
        if goes(name, rules) {
            match *name {
                header::CONNECTION => has_connection = true,
                header::TE => has_te = true,
                _ => doomed.push(name.clone()),
            }
        }
    }
    if has_te && !is_trailers_alone(headers) {
        if has_member(headers, &header::TE, b"trailers") {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        } else {
            headers.remove(header::TE);
        }
    }
    let upgrade = match rules.upgrade {
        UpgradeRule::Keep => headers.get(header::UPGRADE).cloned(),
        UpgradeRule::Remove => None,
    };
    if has_connection {
        remove_connection(headers);
    }
    remove_all(headers, doomed);
    if let Some(upgrade) = upgrade {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Removes from a request's trailers what [`strip_request`] removes from its headers, and what must not be in a
/// trailer at all (RFC 9110 §6.5.1): framing, routing, credentials, content and control data.
pub fn strip_request_trailers(trailers: &mut HeaderMap, rules: &RequestRules<'_>) {
    remove_connection(trailers);
    let doomed = trailers
        .keys()
        .filter(|name| goes(name, rules) || is_no_trailer(name) || **name == header::AUTHORIZATION)
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

fn goes(name: &HeaderName, rules: &RequestRules<'_>) -> bool {
    let listed = match disposition(name) {
        Disposition::Alias => !rules.allow.contains(name),
        Disposition::HopByHop => true,
        Disposition::Identity => {
            !(rules.credential == CredentialRule::Keep && *name == header::AUTHORIZATION)
        }
        Disposition::Keep => false,
        Disposition::MethodOverride => rules.credential == CredentialRule::Remove,
    };
    listed || rules.remove.contains(name)
}

fn is_trailers_alone(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::TE).iter();
    matches!((values.next(), values.next()), (Some(value), None) if value == "trailers")
}
